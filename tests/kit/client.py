"""
A model of the stock SDK's peer connection: what a browser and twilio-video.js do with descriptions, revisions and glare. It checks each description
of the server's as a browser would.
"""

from dataclasses import dataclass, field, replace

from contract.media import Description
from media_sfu.core import sdp
from media_sfu.core.actions import Fingerprint, IceCredentials
from media_sfu.core.sdp import Direction, MediaSection, Msid, SessionDescription

from tests.kit.sdp import capture

TEMPLATES = {section.kind: section for section in sdp.parse(capture("chromium_audio_video")).sections}
"""What the browser says of each kind."""


@dataclass(slots=True)
class Transceiver:
    """An m-section at the client. `current` is what it receives, from the last completed negotiation."""

    mid: str
    kind: str
    local_track: str | None = None
    ssrc: int = 0
    current: str | None = None
    was_receiving: bool = False


@dataclass(slots=True)
class Client:
    """
    `outbox` holds what it sends. `tracks_fired` are the remote tracks for which the browser fired `track`, as (mid, id).
    """

    transceivers: list[Transceiver] = field(default_factory=list)
    pending: list[tuple[str, str]] = field(default_factory=list)
    """Local tracks that wait for an m-section: kind and id."""
    revision: int = 0
    stable_revision: int = 0
    offer_out: bool = False
    dirty: bool = True
    ufrag: str = "cli1"
    restarts: int = 1
    outbox: list[Description] = field(default_factory=list)
    tracks_fired: list[tuple[str, str]] = field(default_factory=list)
    numbers: dict[int, str] = field(default_factory=dict)
    rollback: list[Transceiver] = field(default_factory=list)
    glares: int = 0
    next_ssrc: int = 50_000

    # -- the application

    def publish(self, kind: str, track_id: str) -> None:
        self.pending.append((kind, track_id))
        self.dirty = True

    def unpublish(self, track_id: str) -> None:
        self.pending = [item for item in self.pending if item[1] != track_id]
        for transceiver in self.transceivers:
            if transceiver.local_track == track_id:
                transceiver.local_track = None
        self.dirty = True

    def restart_ice(self) -> None:
        self.restarts += 1
        self.ufrag = f"cli{self.restarts}"
        self.dirty = True

    def negotiate(self) -> None:
        """Offer if something changed and no offer is out."""
        if self.offer_out or not self.dirty:
            return
        self.dirty = False
        self.rollback = [replace(transceiver) for transceiver in self.transceivers]
        if not self.transceivers:
            self.transceivers += [Transceiver("0", "audio"), Transceiver("1", "video")]
        while self.pending:
            kind, track_id = self.pending.pop(0)
            # It takes any section of the kind on which it does not send, also one that the server made.
            free = next((t for t in self.transceivers if t.kind == kind and t.local_track is None), None)
            if free is None:
                free = Transceiver(str(max(int(t.mid) for t in self.transceivers) + 1), kind)
                self.transceivers.append(free)
            self.next_ssrc += 1
            free.local_track, free.ssrc = track_id, self.next_ssrc
        self.revision += 1
        self.offer_out = True
        self.outbox.append(Description(type="offer", revision=self.revision, sdp=self._write("actpass", None)))

    # -- the server

    def receive(self, description: Description) -> None:
        text = description.sdp or ""
        assert text.endswith("\r\n")
        session = sdp.parse(text)
        if description.type == "answer":
            if not self.offer_out or description.revision != self.revision:
                return
            assert [s.mid for s in session.sections] == [t.mid for t in self.transceivers], "sections of the answer"
            self._check(session, answer=True)
            self.offer_out = False
            self.stable_revision = description.revision
            self._apply(session)
            return
        assert description.type == "offer"
        if description.revision <= self.stable_revision:
            return
        if self.offer_out:
            assert self.stable_revision > 0, "a server offer before the first answer"
            self._roll_back()
        self._check(session, answer=False)
        for section in session.sections[len(self.transceivers) :]:
            assert section.mid not in {t.mid for t in self.transceivers}, "a mid was used twice"
            self.transceivers.append(Transceiver(section.mid, section.kind))
        assert [(s.mid, s.kind) for s in session.sections] == [(t.mid, t.kind) for t in self.transceivers]
        self._apply(session)
        self.revision = self.stable_revision = description.revision
        answer = Description(type="answer", revision=self.revision, sdp=self._write("active", session))
        self.outbox.append(answer)

    def _roll_back(self) -> None:
        """Undo the offer; its tracks keep waiting, and are offered again after the answer."""
        self.glares += 1
        known = {t.mid: t for t in self.rollback}
        for transceiver in self.transceivers:
            before = known.get(transceiver.mid)
            if transceiver.local_track is not None and (
                before is None or before.local_track != transceiver.local_track
            ):
                self.pending.append((transceiver.kind, transceiver.local_track))
        self.transceivers = [t for t in self.transceivers if t.mid in known]
        for transceiver in self.transceivers:
            if transceiver.local_track is not None and known[transceiver.mid].local_track != transceiver.local_track:
                transceiver.local_track = None
        self.offer_out = False
        self.dirty = True

    def _check(self, session: SessionDescription, *, answer: bool) -> None:
        assert session.is_ice_lite
        ssrcs = [ssrc for section in session.sections for ssrc in section.ssrcs]
        assert len(set(ssrcs)) == len(ssrcs), "an SSRC was used twice"
        for section in session.sections:
            assert section.setup == ("passive" if answer else "actpass")
            for codec in section.codecs:
                known = self.numbers.setdefault(codec.payload_type, codec.name)
                assert known == codec.name, "a payload type changed"
                assert (codec.payload_type, codec.name) in [
                    (c.payload_type, c.name) for c in TEMPLATES[section.kind].codecs
                ]
            template = TEMPLATES.get(section.kind)
            if template is not None:
                assert set(section.extensions) <= set(template.extensions)

    def _apply(self, session: SessionDescription) -> None:
        for transceiver, section in zip(self.transceivers, session.sections, strict=True):
            receiving = section.msid.track if section.direction.sends and section.msid is not None else None
            if receiving is not None and transceiver.current is None:
                self.tracks_fired.append((transceiver.mid, receiving))
            elif receiving is not None:
                assert receiving == transceiver.current, "the msid changed on a section that receives"
            transceiver.current = receiving

    def _write(self, setup: str, offer: SessionDescription | None) -> str:
        offered = {section.mid: section.direction for section in offer.sections} if offer is not None else {}
        sections = tuple(self._section(t, setup, offered.get(t.mid)) for t in self.transceivers)
        return sdp.write(SessionDescription(sections, 1, self.revision, tuple(s.mid for s in sections)))

    def _section(self, transceiver: Transceiver, setup: str, offered: Direction | None) -> MediaSection:
        sends = transceiver.local_track is not None and (offered is None or offered.receives)
        receives = offered is None or offered.sends
        template = TEMPLATES.get(transceiver.kind) or MediaSection(
            "application", "", protocol="UDP/DTLS/SCTP", sctp_port=5000, max_message_size=262_144
        )
        return replace(
            template,
            mid=transceiver.mid,
            direction=Direction.of(send=sends, receive=receives),
            setup=setup,
            ice=IceCredentials(self.ufrag, "q" * 22),
            fingerprints=(Fingerprint("sha-256", "CC:DD"),),
            msid=Msid("-", transceiver.local_track) if sends and transceiver.local_track else None,
            ssrcs=(transceiver.ssrc,) if sends else (),
            ssrc_groups=(),
            cname="client",
        )

    @property
    def receiving(self) -> dict[str, str]:
        """Remote track id by mid."""
        return {t.mid: t.current for t in self.transceivers if t.current is not None}
