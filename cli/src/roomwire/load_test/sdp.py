"""
The little SDP that a load tester needs: its own offer, answers to a server's offers, and what a description says about transport. Pure
functions on text.

Left out: RTX, header extensions, simulcast and data channels. A NACK is then answered with the packet itself, and SSRCs are in the descriptions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

PAYLOAD_TYPES = {"audio": 111, "video": 96}
"""Ours, and so the server's towards us: the numbers of the first offer hold for the whole connection."""
CODECS = {"audio": "opus/48000/2", "video": "VP8/90000"}
PARAMETERS = {
    "audio": ("fmtp:{} minptime=10;useinbandfec=1",),
    "video": ("rtcp-fb:{} nack", "rtcp-fb:{} nack pli", "rtcp-fb:{} ccm fir", "rtcp-fb:{} goog-remb"),
}

Kind = Literal["audio", "video"]
Setup = Literal["actpass", "active", "passive"]


class UnusableDescription(ValueError):
    """A description without what is needed to connect."""


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our end: ICE credentials and the certificate's SHA-256 fingerprint."""

    ufrag: str
    password: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class RemoteTransport:
    """
    The server's end as its description gives it: ICE credentials, fingerprint (hash name, value), `setup`, and the addresses it offers for UDP. These are
    the only addresses that the tester ever sends to.
    """

    ufrag: str
    password: str
    fingerprint: tuple[str, str]
    setup: str
    addresses: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class OwnTrack:
    """A track that we publish: `id` is its msid track id."""

    id: str
    kind: Kind
    ssrc: int


@dataclass(frozen=True, slots=True)
class Section:
    """An m-section: its `m=` line's words, MID and attribute lines."""

    media: tuple[str, ...]
    mid: str
    lines: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.media[0]

    @property
    def direction(self) -> str:
        names = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")
        return next((line[2:] for line in self.lines if line in names), "sendrecv")

    @property
    def is_rejected(self) -> bool:
        return self.media[1] == "0"

    @property
    def track_id(self) -> str | None:
        """The second word of `a=msid`: a subscription's id."""
        for line in self.lines:
            if line.startswith("a=msid:"):
                words = line[7:].split()
                return words[1] if len(words) > 1 else None
        return None

    @property
    def payload_type(self) -> int | None:
        """The number that the description gives our codec of this kind; None when it is not in it."""
        codec = CODECS.get(self.kind, "").lower()
        rtpmaps = (line[9:].split() for line in self.lines if line.startswith("a=rtpmap:"))
        return next((int(words[0]) for words in rtpmaps if words[1].lower() == codec), None)

    @property
    def ssrcs(self) -> frozenset[int]:
        return frozenset(int(line[7:].split()[0]) for line in self.lines if line.startswith("a=ssrc:"))


def parse_sections(sdp: str) -> list[Section]:
    """The m-sections of a description. Raises UnusableDescription for one without a MID."""
    parts = sdp.replace("\r", "").split("\nm=")[1:]
    sections = []
    for part in parts:
        media, *lines = part.strip("\n").split("\n")
        words = tuple(media.split())
        mid = next((line[6:] for line in lines if line.startswith("a=mid:")), None)
        if mid is None or len(words) < 4:
            raise UnusableDescription(f"an m-section without a MID: m={media}")
        sections.append(Section(words, mid, tuple(lines)))
    return sections


def parse_transport(sdp: str) -> RemoteTransport:
    """ICE, DTLS and the UDP candidates of component 1. Raises UnusableDescription when any is missing."""
    lines = sdp.replace("\r", "").split("\n")

    def first(name: str) -> str:
        value = next((line[len(name) :] for line in lines if line.startswith(name)), None)
        if not value:
            raise UnusableDescription(f"no {name[2:-1]} in the server's description")
        return value

    hash_name, _, fingerprint = first("a=fingerprint:").partition(" ")
    addresses = tuple(dict.fromkeys(filter(None, (_candidate(line) for line in lines))))
    return RemoteTransport(
        ufrag=first("a=ice-ufrag:"),
        password=first("a=ice-pwd:"),
        fingerprint=(hash_name.lower(), fingerprint.strip().upper()),
        setup=first("a=setup:"),
        addresses=addresses,
    )


def _candidate(line: str) -> tuple[str, int] | None:
    """The address of a UDP candidate for RTP, given as an IP address; host names (mDNS) are left out. RFC 8839 section 5.1."""
    words = line.split()
    if not line.startswith("a=candidate:") or len(words) < 8 or words[1] != "1" or words[2].lower() != "udp":
        return None
    try:
        return str(ip_address(words[4])), int(words[5])
    except ValueError:
        return None


def make_offer(local: LocalTransport, tracks: Sequence[OwnTrack]) -> str:
    """
    The first offer, as the SDK's: one section for each own track, and one of each kind that has none, to receive on. ICE candidates are left out: the
    server learns our address from our checks.
    """
    sections: list[tuple[Kind, OwnTrack | None]] = [(track.kind, track) for track in tracks]
    kinds: tuple[Kind, ...] = ("audio", "video")
    sections += [(kind, None) for kind in kinds if all(track.kind != kind for track in tracks)]
    lines = _session([str(mid) for mid in range(len(sections))])
    for mid, (kind, track) in enumerate(sections):
        lines += _media(kind, PAYLOAD_TYPES[kind], "UDP/TLS/RTP/SAVPF")
        lines += [*_transport(local, str(mid), "actpass"), "a=sendrecv" if track else "a=recvonly", *_source(track)]
    return "\r\n".join(lines) + "\r\n"


def make_answer(local: LocalTransport, offer: str, setup: Setup, own: Mapping[str, OwnTrack]) -> str:
    """
    Answer a server's offer: take everything that it sends, and go on sending our own tracks (by MID). Codecs and their numbers are the
    offer's, as far as they are ours too.
    """
    sections = parse_sections(offer)
    usable = {section.mid for section in sections if section.payload_type is not None and not section.is_rejected}
    lines = _session([section.mid for section in sections if section.mid in usable])
    for section in sections:
        if section.mid not in usable:
            lines += ["m=" + " ".join((section.kind, "0", *section.media[2:])), f"a=mid:{section.mid}", "a=inactive"]
            continue
        track = own.get(section.mid)
        lines += _media(section.kind, section.payload_type, section.media[2])
        lines += _transport(local, section.mid, setup)
        lines += [f"a={_direction(section.direction in ('sendrecv', 'sendonly'), track is not None)}", *_source(track)]
    return "\r\n".join(lines) + "\r\n"


def _media(kind: str, payload_type: int | None, protocol: str) -> list[str]:
    lines = [f"m={kind} 9 {protocol} {payload_type}", "c=IN IP4 0.0.0.0", f"a=rtpmap:{payload_type} {CODECS[kind]}"]
    return [*lines, *(f"a={parameter.format(payload_type)}" for parameter in PARAMETERS[kind])]


def _direction(receives: bool, sends: bool) -> str:
    if receives:
        return "sendrecv" if sends else "recvonly"
    return "sendonly" if sends else "inactive"


def _session(mids: Sequence[str]) -> list[str]:
    return [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(mids),
        "a=msid-semantic: WMS *",
    ]


def _transport(local: LocalTransport, mid: str, setup: Setup) -> list[str]:
    return [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        "a=ice-options:trickle",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        f"a=setup:{setup}",
        f"a=mid:{mid}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
    ]


def _source(track: OwnTrack | None) -> list[str]:
    return (
        [f"a=msid:- {track.id}", f"a=ssrc:{track.ssrc} cname:load", f"a=ssrc:{track.ssrc} msid:- {track.id}"]
        if track
        else []
    )
