"""
One peer connection's offers and answers: revisions, glare, m-sections, and what they come to: transport, up tracks, down tracks.

The server wins glare: while its offer is out, the client's offers are ignored; the client rolls back, answers, and offers again. Each
m-section has two independent directions, because the SDK puts new local tracks on sections that we created and still send on.
It knows subscriptions by id only; which track stands behind one, and where its packets go, is `room`'s affair. What our side of every section says is
`local_description`'s, and what a section comes to for the packets `negotiated_tracks`'s.

Source: RFC 8829 (JSEP), RFC 8843 (BUNDLE), RFC 8445 section 2.5 (ICE-lite), and twilio-video.js for the revisions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from math import inf

from contract.errors import Refused
from contract.media import Description

from media_sfu.core import codecs, sdp
from media_sfu.core.actions import Fingerprint, IceCredentials
from media_sfu.core.codecs import KindMap
from media_sfu.core.local_description import MAX_MESSAGE_SIZE, SCTP_PORT, LocalDescription, LocalTransport
from media_sfu.core.negotiated_tracks import UpTrack, down_track, up_track
from media_sfu.core.sdp import Direction, MediaSection, Msid, SessionDescription
from media_sfu.forwarder import DownTrackParameters

REPEAT_S = 3.0
"""An unanswered offer is repeated this often: the signal that carries it may be lost."""


@dataclass(frozen=True, slots=True)
class IdMakers:
    """Where a core gets its randomness: new ICE credentials (ufrag 4+, pwd 22+ characters) and SSRCs (1 to 2**32 - 1)."""

    ice_credentials: Callable[[], IceCredentials]
    ssrc: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    `video_codecs` are the room's; an audio-only room has none. `simulcast` false: the client asked for publisher hints and does not get them, so it sends the first layer only.
    """

    video_codecs: tuple[str, ...]
    audio_only: bool = False
    simulcast: bool = True


@dataclass(frozen=True, slots=True)
class WantedTrack:
    """A down track to be negotiated. `stream` becomes cname and msid stream: the same for all tracks of a publisher, for lip sync."""

    subscription_id: str
    kind: str
    stream: str


@dataclass(frozen=True, slots=True)
class RemoteTransport:
    """The client's side of the transport, from its latest description."""

    ice: IceCredentials
    fingerprints: tuple[Fingerprint, ...]


@dataclass(frozen=True, slots=True)
class RemoteSctp:
    port: int
    max_message_size: int


class State(Enum):
    """JSEP's, as the server sees it. Before the first offer nothing is known; `CLOSED` is for good."""

    NEW = auto()
    STABLE = auto()
    OFFERED = auto()
    CLOSED = auto()


@dataclass(slots=True)
class _Down:
    """A down track on an m-section."""

    track: WantedTrack
    ssrcs: tuple[int, int]
    """Its own, and that of its RTX."""
    ready: bool = False

    @property
    def msid(self) -> Msid:
        return Msid(self.track.stream, self.track.subscription_id)


@dataclass(slots=True)
class _Section:
    """
    An m-section for the life of the connection. `client` is what the client last said of it (for one that we have only offered so far, our own
    proposal); `sends` and `receives` are our directions in the last completed negotiation.
    """

    client: MediaSection
    sends: bool = False
    receives: bool = False
    rejected: bool = False
    down: _Down | None = None

    @property
    def mid(self) -> str:
        return self.client.mid

    @property
    def kind(self) -> str:
        return self.client.kind

    @property
    def is_free(self) -> bool:
        """
        Whether a new down track may use it. It must not have sent in the last negotiation: the browser reports a track only when a section turns
        from not receiving to receiving.
        """
        return not self.rejected and not self.sends and self.down is None


class Negotiation:
    """
    Offers and answers of one peer connection.

    Give it descriptions with `receive` and the tracks that the client shall get with `set_wanted`; send what `receive` and `offer_to_send` return.
    After each call the attributes `local_ice`, `remote`, `remote_sctp`, `up_tracks` and `down_tracks` say what holds.
    """

    def __init__(self, local: LocalTransport, make: IdMakers, settings: Settings) -> None:
        self._ours = LocalDescription(local, make.ice_credentials(), make.ssrc())
        self._make = make
        self._settings = settings
        self._state = State.NEW
        self._stable_revision = 0
        self._sections: list[_Section] = []
        self._maps: dict[str, KindMap] = {}
        self.untaken = {"video"} if settings.audio_only else set[str]()
        """Kinds of media of which the client has no codec of the room's, or the room has no tracks."""
        self._wanted: dict[str, WantedTrack] = {}
        self._wants_data = False
        self._refused: set[str] = set()
        self._offer: Description | None = None
        self._offered_s = 0.0
        self._last_answer: Description | None = None
        self.remote: RemoteTransport | None = None
        self.remote_sctp: RemoteSctp | None = None

    # -- in

    def receive(self, description: Description) -> Description | None:
        """
        Apply the client's offer, answer or close; returns the answer to send, or None.

        Repeated, late and colliding descriptions are ignored. Raises `Refused` 53403 for an SDP that cannot be used and 53404 for a first offer
        without any codec of the room; nothing has changed then.
        """
        if description.type == "close":
            self._state = State.CLOSED
            self._offer = None
        elif description.type == "offer":
            return self._receive_offer(description)
        elif description.type == "answer":
            self._receive_answer(description)
        return None

    def resume(self, latest: Description | None) -> Description | None:
        """
        What to tell a client whose new socket says that `latest` is its local description: the answer to its offer, also when that was given
        before and lost; else our own unanswered offer; else None.
        """
        if latest is not None:
            answered = self._last_answer
            if latest.type == "offer" and answered is not None and latest.revision == answered.revision:
                self._offered_s = -inf  # an offer of ours that followed the lost answer is due again
                return answered
            if latest.type != "close":
                answer = self.receive(latest)
                if answer is not None:
                    return answer
        return self._offer

    def set_wanted(self, tracks: Iterable[WantedTrack], *, data: bool) -> None:
        """
        The complete list of down tracks from now on, and whether data channels are needed. What is no longer in it leaves `down_tracks` at once.
        Call `offer_to_send` next.
        """
        self._wanted = {track.subscription_id: track for track in tracks}
        self._refused &= self._wanted.keys()
        self._wants_data = data
        for section in self._sections:
            if section.down is not None and section.down.track.subscription_id not in self._wanted:
                section.down = None

    # -- out

    def offer_to_send(self, now: float) -> Description | None:
        """An offer, if something must be negotiated and it is our turn; or the unanswered one again after `REPEAT_S`."""
        if self._state is State.OFFERED:
            if now < self._offered_s + REPEAT_S:
                return None
            self._offered_s = now
            return self._offer
        if self._state is not State.STABLE or not self._needs_offer():
            return None
        return self._make_offer(now)

    def next_timeout(self) -> float | None:
        """When `offer_to_send` repeats the offer that is out; None without one."""
        return self._offered_s + REPEAT_S if self._state is State.OFFERED else None

    @property
    def local_ice(self) -> IceCredentials:
        """Ours, as the client knows them or is about to."""
        return self._ours.ice

    @property
    def first_answer(self) -> Description | None:
        """The answer last given, for a repeated first offer."""
        return self._last_answer

    @property
    def outstanding_offer(self) -> Description | None:
        return self._offer

    @property
    def up_tracks(self) -> dict[str, UpTrack]:
        """
        What the client sends, by its msid track id. A dummy track that the room never hears of is among them (Firefox has one). Of two with a
        common SSRC only the first is one.
        """
        found: dict[str, UpTrack] = {}
        taken: set[int] = set()
        for section in self._sections:
            if not section.receives or section.client.msid is None or section.client.msid.track in found:
                continue
            known = self._maps[section.kind]
            track = up_track(section.client, known, simulcast=self._settings.simulcast)
            if track is None:
                continue
            ssrcs = {*track.parameters.ssrcs, *track.parameters.rtx_ssrcs}
            if taken.isdisjoint(ssrcs):
                taken |= ssrcs
                found[section.client.msid.track] = track
        return found

    @property
    def refused_up_tracks(self) -> set[str]:
        """What the client wants to send and may not, for want of a codec, by its msid track id."""
        return {
            section.client.msid.track
            for section in self._sections
            if section.client.msid is not None
            and section.client.direction.sends
            and (section.rejected or not self._takes(section.kind))
        }

    @property
    def down_tracks(self) -> dict[str, DownTrackParameters]:
        """What the client has agreed to receive, by subscription id."""
        return {
            section.down.track.subscription_id: down_track(
                self._maps[section.kind], *section.down.ssrcs, cname=section.down.track.stream
            )
            for section in self._sections
            if section.down is not None and section.down.ready
        }

    @property
    def refused_tracks(self) -> set[str]:
        """Wanted tracks that this client cannot get: it knows no codec of the kind, or has declined the m-section."""
        if self._state is State.NEW:
            return set()
        return self._refused | {
            track.subscription_id for track in self._wanted.values() if not self._has_codecs(track.kind)
        }

    def can_receive(self, kind: str, codec: str) -> bool:
        """Whether the client knows a codec; True as long as its codecs are unknown."""
        known = self._maps.get(kind)
        if known is None:
            return self._state is State.NEW
        return any(mine.name.lower() == codec.lower() for mine in known.codecs)

    # -- the client's offers

    def _receive_offer(self, description: Description) -> Description | None:
        if self._state in (State.OFFERED, State.CLOSED) or description.revision <= self._stable_revision:
            return None
        session = sdp.parse(description.sdp or "")
        remote = _remote_transport(session)
        if any(section.setup not in ("actpass", "active") for section in session.sections if not section.is_rejected):
            raise Refused(53403, "The offer must let the client be DTLS client")
        self._check_fingerprints(remote)
        self._check_order(session)
        if any(section.mid not in session.bundle for section in session.sections if not section.is_rejected):
            raise Refused(53403, "Every m-section must be in one BUNDLE group")
        maps, untaken = self._choose_codecs(session)

        if self.remote is not None and remote.ice != self.remote.ice:
            self._ours.ice = self._make.ice_credentials()
        self.remote = remote
        self._maps, self.untaken = maps, untaken
        self._adopt(session)
        if self._state is State.NEW:
            self._place(client_receives=True)
        answers = [
            self._answer_section(section, offered)
            for section, offered in zip(self._sections, session.sections, strict=True)
        ]
        self._state = State.STABLE
        self._stable_revision = description.revision
        answer = Description(
            type="answer", revision=description.revision, sdp=self._ours.write(answers, session.bundle)
        )
        self._last_answer = answer
        return answer

    def _choose_codecs(self, session: SessionDescription) -> tuple[dict[str, KindMap], set[str]]:
        """
        The maps of all kinds with those that the offer brings, and the kinds that are not taken. Sections without a codec of the room's list another
        one, inactive: a rejected one stops the client's transceiver, and the SDK throws where it then takes a refused track back.
        """
        maps, untaken = dict(self._maps), set(self.untaken)
        for section in session.sections:
            if section.kind not in ("audio", "video") or section.is_rejected or section.kind in maps:
                continue
            known = codecs.kind_map(section, self._settings.video_codecs)
            if not known.codecs:
                untaken.add(section.kind)
                known = codecs.kind_map(section, codecs.VIDEO_CODECS)
            maps[section.kind] = known
        if untaken.issuperset(maps):
            raise Refused(53404)
        return maps, untaken

    def _check_fingerprints(self, remote: RemoteTransport) -> None:
        if self.remote is not None and remote.fingerprints != self.remote.fingerprints:
            raise Refused(53403, "The DTLS certificate changed")

    def _check_order(self, session: SessionDescription) -> None:
        """M-sections are never removed, and keep their place; a rejected one may be taken by a new section (RFC 8829 section 5.2.2)."""
        if len(session.sections) < len(self._sections):
            raise Refused(53403, "An m-section is missing")
        for ours, theirs in zip(self._sections, session.sections, strict=False):
            if (ours.mid, ours.kind) != (theirs.mid, theirs.kind) and not ours.rejected:
                raise Refused(53403, "The m-sections are in another order")

    def _adopt(self, session: SessionDescription) -> None:
        """Take over what the client says of each section."""
        for index, offered in enumerate(session.sections):
            if index == len(self._sections):
                self._sections.append(_Section(offered))
            elif self._sections[index].mid != offered.mid:
                self._sections[index] = _Section(offered)
            else:
                self._sections[index].client = offered
            if offered.is_rejected:
                self._sections[index].rejected = True
                self._sections[index].down = None
            elif self._sections[index].down is not None and not offered.direction.receives:
                self._sections[index].down = None

    def _answer_section(self, section: _Section, offered: MediaSection) -> MediaSection:
        if section.kind == "application":
            return self._answer_data(section, offered)
        known = self._maps.get(section.kind)
        common = codecs.common_codecs(offered, known) if known is not None else ()
        if section.rejected or not common or known is None:
            return self._reject(section, offered)
        section.rejected = False
        section.receives = offered.direction.sends and self._takes(section.kind)
        section.sends = section.down is not None
        if section.down is not None:
            section.down.ready = True
        return self._rtp_section(
            section,
            replace(
                offered,
                codecs=common,
                extensions=tuple(codecs.common_extensions(offered, known)),
                direction=Direction.of(send=section.sends, receive=section.receives),
                setup="passive",
            ),
        )

    def _answer_data(self, section: _Section, offered: MediaSection) -> MediaSection:
        if section.rejected or "SCTP" not in offered.protocol:
            return self._reject(section, offered)
        self._set_sctp(offered)
        return self._ours.data_section(section.mid, offered.protocol, "passive")

    def _reject(self, section: _Section, offered: MediaSection) -> MediaSection:
        section.rejected = True
        section.sends = section.receives = False
        section.down = None
        return MediaSection(
            kind=section.kind,
            mid=section.mid,
            port=0,
            protocol=offered.protocol,
            direction=Direction.INACTIVE,
            codecs=offered.codecs[:1],
        )

    def _takes(self, kind: str) -> bool:
        return kind not in self.untaken

    # -- our offers

    def _needs_offer(self) -> bool:
        placed = {section.down.track.subscription_id for section in self._sections if section.down is not None}
        return (
            any(track.subscription_id not in placed and self._can_place(track) for track in self._wanted.values())
            or any(section.sends and section.down is None for section in self._sections)
            or (self._wants_data and not self._has_data)
        )

    def _can_place(self, track: WantedTrack) -> bool:
        return track.subscription_id not in self._refused and self._has_codecs(track.kind)

    def _has_codecs(self, kind: str) -> bool:
        return kind in self._maps and self._takes(kind)

    @property
    def _has_data(self) -> bool:
        return any(section.kind == "application" and not section.rejected for section in self._sections)

    def _make_offer(self, now: float) -> Description:
        self._place(client_receives=False)
        if self._wants_data and not self._has_data:
            self._sections.append(_Section(self._ours.data_section(self._next_mid(), "UDP/DTLS/SCTP", "actpass")))
        sections = [self._offer_section(section) for section in self._sections]
        revision = self._stable_revision + 1
        self._offer = Description(type="offer", revision=revision, sdp=self._ours.write(sections, None))
        self._state = State.OFFERED
        self._offered_s = now
        return self._offer

    def _place(self, *, client_receives: bool) -> None:
        """
        Give each wanted track that has no m-section one: a free one, else a new one.

        With `client_receives` (a first offer of the client's is being answered) only on sections on which it wants to receive; the others wait.
        """
        placed = {section.down.track.subscription_id for section in self._sections if section.down is not None}
        for track in self._wanted.values():
            if track.subscription_id in placed or not self._can_place(track):
                continue
            section = next(
                (
                    section
                    for section in self._sections
                    if section.kind == track.kind
                    and section.is_free
                    and (not client_receives or section.client.direction.receives)
                    and self._room_codecs(section)
                ),
                None,
            )
            if section is None:
                if client_receives:
                    continue
                section = self._new_section(track.kind)
            section.down = _Down(track, (self._new_ssrc(), self._new_ssrc()))

    def _room_codecs(self, section: _Section) -> bool:
        known = self._maps.get(section.kind)
        return known is not None and bool(codecs.common_codecs(section.client, known))

    def _new_section(self, kind: str) -> _Section:
        known = self._maps[kind]
        section = _Section(
            MediaSection(
                kind=kind,
                mid=self._next_mid(),
                codecs=known.codecs,
                extensions=known.extensions,
                direction=Direction.INACTIVE,
            )
        )
        self._sections.append(section)
        return section

    def _next_mid(self) -> str:
        """
        From the current sections, not from a counter: a mid that the client chose for an offer that lost is free again.
        """
        return str(max((int(section.mid) + 1 for section in self._sections if _is_number(section.mid)), default=0))

    def _new_ssrc(self) -> int:
        used = {ssrc for section in self._sections for ssrc in section.client.ssrcs}
        used |= {ssrc for section in self._sections if section.down for ssrc in section.down.ssrcs}
        while (ssrc := self._make.ssrc()) in used:
            pass
        return ssrc

    def _offer_section(self, section: _Section) -> MediaSection:
        if section.rejected:
            return self._reject(section, section.client)
        if section.kind == "application":
            return self._ours.data_section(section.mid, section.client.protocol, "actpass")
        known = self._maps[section.kind]
        return self._rtp_section(
            section,
            replace(
                section.client,
                codecs=known.codecs,
                extensions=known.extensions,
                direction=Direction.of(send=section.down is not None, receive=section.receives),
                setup="actpass",
            ),
        )

    def _receive_answer(self, description: Description) -> None:
        offer = self._offer
        if offer is None or description.revision != offer.revision:
            return
        session = sdp.parse(description.sdp or "")
        remote = _remote_transport(session)
        self._check_fingerprints(remote)
        if [(section.mid, section.kind) for section in session.sections] != [
            (section.mid, section.kind) for section in self._sections
        ]:
            raise Refused(53403, "The answer has other m-sections than the offer")
        self.remote = remote
        for section, answered in zip(self._sections, session.sections, strict=True):
            self._apply_answer(section, answered)
        self._offer = None
        self._state = State.STABLE
        self._stable_revision = description.revision

    def _apply_answer(self, section: _Section, answered: MediaSection) -> None:
        former = section.client
        section.client = answered if answered.codecs or section.kind == "application" else section.client
        section.rejected = answered.is_rejected
        if section.kind == "application":
            if not section.rejected:
                self._set_sctp(answered)
            return
        if answered.direction.sends and answered.msid is None:
            section.client = replace(section.client, msid=former.msid)
        section.receives = not section.rejected and answered.direction.sends and self._takes(section.kind)
        section.sends = not section.rejected and answered.direction.receives
        if section.down is not None and section.sends:
            section.down.ready = True
        elif section.down is not None:
            self._refused.add(section.down.track.subscription_id)
            section.down = None

    # -- in both directions

    def _rtp_section(self, section: _Section, proposal: MediaSection) -> MediaSection:
        down = section.down
        return self._ours.rtp_section(proposal, down.msid if down else None, down.ssrcs if down else (0, 0))

    def _set_sctp(self, section: MediaSection) -> None:
        # RFC 8841 section 6: without max-message-size it is 64 KiB; 0 means any size.
        size = 65_536 if section.max_message_size is None else section.max_message_size
        self.remote_sctp = RemoteSctp(section.sctp_port or SCTP_PORT, size or MAX_MESSAGE_SIZE)


def _is_number(mid: str) -> bool:
    return mid.isascii() and mid.isdigit() and len(mid) < 10


def _remote_transport(session: SessionDescription) -> RemoteTransport:
    """The transport of the first section that lives: all others are bundled on it."""
    for section in session.sections:
        if not section.is_rejected:
            if section.ice is None or not section.fingerprints:
                raise Refused(53403, "No ICE credentials or no DTLS fingerprint")
            return RemoteTransport(section.ice, section.fingerprints)
    raise Refused(53403, "Every m-section is rejected")
