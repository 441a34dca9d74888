"""
Session descriptions as values: read a client's, write ours. Only what negotiation needs is kept; which of it to use is `negotiation`'s affair.

Sources: RFC 8866 (SDP), RFC 8829 (JSEP), RFC 8843 (BUNDLE), RFC 8839 (ICE), RFC 8122 (fingerprints), RFC 5576 (ssrc), RFC 8830 (msid), RFC 8285 (extmap),
RFC 8841 (SCTP), RFC 8851 and 8853 (rid, simulcast).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from contract.errors import Refused

from media_sfu.core.actions import Fingerprint, IceCredentials

MAX_TEXT = 2_000_000
MAX_SECTIONS = 512
MAX_LINE = 4_096
MAX_PER_SECTION = 256
"""Codecs, SSRCs, groups, extensions: of each at most so many. Chromium's largest offer has 50 codecs and 6 SSRCs."""


class Direction(Enum):
    """An m-section's direction, as its writer sees it."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def of(cls, *, send: bool, receive: bool) -> "Direction":
        if send:
            return cls.SENDRECV if receive else cls.SENDONLY
        return cls.RECVONLY if receive else cls.INACTIVE

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)


@dataclass(frozen=True, slots=True)
class Codec:
    """An RTP payload format: `rtpmap`, `fmtp` (verbatim) and `rtcp-fb` of one payload type."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    parameters: str = ""
    feedback: tuple[str, ...] = ()

    def parameter(self, key: str) -> str | None:
        """The value of one `fmtp` parameter, or None."""
        for item in self.parameters.split(";"):
            name, _, value = item.strip().partition("=")
            if name == key:
                return value
        return None


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    id: int
    uri: str
    direction: Direction = Direction.SENDRECV


@dataclass(frozen=True, slots=True)
class Msid:
    stream: str
    track: str


@dataclass(frozen=True, slots=True)
class SsrcGroup:
    """RFC 5576: `semantics` is FID (media, RTX) or SIM (simulcast layers, low to high)."""

    semantics: str
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MediaSection:
    """
    One m-section. Transport attributes of the session part are inherited by each section that lacks them (Firefox has its fingerprint there).
    """

    kind: str
    mid: str
    port: int = 9
    protocol: str = "UDP/TLS/RTP/SAVPF"
    direction: Direction = Direction.SENDRECV
    bundle_only: bool = False
    ice: IceCredentials | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: str | None = None
    candidates: tuple[str, ...] = ()
    codecs: tuple[Codec, ...] = ()
    extensions: tuple[HeaderExtension, ...] = ()
    msid: Msid | None = None
    ssrcs: tuple[int, ...] = ()
    """Each SSRC once, in order of appearance."""
    cname: str | None = None
    ssrc_groups: tuple[SsrcGroup, ...] = ()
    rids: tuple[str, ...] = ()
    simulcast: str | None = None
    sctp_port: int | None = None
    max_message_size: int | None = None

    @property
    def is_rejected(self) -> bool:
        """Port 0 rejects a section, but with `bundle-only` it does not (RFC 8843 section 6)."""
        return self.port == 0 and not self.bundle_only


@dataclass(frozen=True, slots=True)
class SessionDescription:
    sections: tuple[MediaSection, ...]
    session_id: int = 0
    session_version: int = 0
    bundle: tuple[str, ...] = ()
    is_ice_lite: bool = False


# -- reading -------------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """Attributes of the session part, or of one m-section while it is read."""

    media: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> Iterator[str]:
        return (value for key, value in self.attributes if key == name)

    def first(self, name: str) -> str | None:
        return next(self.all(name), None)

    def has(self, name: str) -> bool:
        return self.first(name) is not None


def parse(text: str) -> SessionDescription:
    """
    Read a client's description. Attributes we do not know are left out.

    Raises `Refused` 53403, and nothing else, for what is not SDP or is larger than any browser's.
    """
    try:
        return _parse(text)
    except (ValueError, IndexError) as error:
        raise Refused(53403, f"Malformed SDP: {error}") from error


def _parse(text: str) -> SessionDescription:
    if len(text) > MAX_TEXT:
        raise ValueError("too long")
    session = _Part()
    parts: list[_Part] = []
    origin = ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n")):
        if not line:
            continue
        if len(line) > MAX_LINE or line[1:2] != "=" or (number == 0) != (line == "v=0"):
            raise ValueError(f"line {number + 1}")
        key, value = line[0], line[2:]
        if key == "m":
            if len(parts) == MAX_SECTIONS:
                raise ValueError("too many m-sections")
            parts.append(_Part(media=value.split()))
        elif key == "o":
            origin = value
        elif key == "a":
            name, _, content = value.partition(":")
            (parts[-1] if parts else session).attributes.append((name, content))
    if not parts:
        raise ValueError("no m-section")
    sections = tuple(_section(part, session) for part in parts)
    mids = [section.mid for section in sections if not section.is_rejected]
    if len(set(mids)) != len(mids):
        raise ValueError("a mid occurs twice")
    fields = origin.split()
    bundle = next((value.split()[1:] for value in session.all("group") if value.split()[:1] == ["BUNDLE"]), [])
    return SessionDescription(
        sections=sections,
        session_id=_integer(fields[1], 2**64),
        session_version=_integer(fields[2], 2**64),
        bundle=tuple(bundle),
        is_ice_lite=session.has("ice-lite"),
    )


def _section(part: _Part, session: _Part) -> MediaSection:
    kind, port, protocol, *formats = part.media
    mid = part.first("mid")
    if not mid or len(mid) > 64 or " " in mid:
        raise ValueError("an m-section has no mid")
    is_rtp = kind in ("audio", "video")
    return MediaSection(
        kind=kind,
        mid=mid,
        port=_integer(port, 65_536),
        protocol=protocol,
        direction=_direction(part, session),
        bundle_only=part.has("bundle-only"),
        ice=_ice(part, session),
        fingerprints=tuple(_fingerprint(text) for text in [*part.all("fingerprint")] or [*session.all("fingerprint")]),
        setup=part.first("setup") or session.first("setup"),
        candidates=tuple(_few(part.all("candidate"))),
        codecs=_codecs(part, formats) if is_rtp else (),
        extensions=tuple(_extension(text) for text in _few(part.all("extmap"))) if is_rtp else (),
        msid=_msid(part),
        ssrcs=_ssrcs(part),
        cname=_cname(part),
        ssrc_groups=tuple(_ssrc_group(text) for text in _few(part.all("ssrc-group"))),
        rids=tuple(_few(part.all("rid"))),
        simulcast=part.first("simulcast"),
        sctp_port=_optional_integer(part.first("sctp-port"), 65_536),
        max_message_size=_optional_integer(part.first("max-message-size"), 2**64),
    )


def _few(values: Iterator[str]) -> list[str]:
    found = list(values)
    if len(found) > MAX_PER_SECTION:
        raise ValueError("too many attributes of a kind")
    return found


def _integer(text: str, bound: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20) or int(text) >= bound:
        raise ValueError(f"not a number below {bound}")
    return int(text)


def _optional_integer(text: str | None, bound: int) -> int | None:
    return None if text is None else _integer(text.strip(), bound)


def _direction(part: _Part, session: _Part) -> Direction:
    for holder in (part, session):
        for direction in Direction:
            if holder.has(direction.value):
                return direction
    return Direction.SENDRECV


def _ice(part: _Part, session: _Part) -> IceCredentials | None:
    ufrag = part.first("ice-ufrag") or session.first("ice-ufrag")
    pwd = part.first("ice-pwd") or session.first("ice-pwd")
    if not ufrag or not pwd:
        return None
    # RFC 8839 section 5.4: 4 to 256 and 22 to 256 characters.
    if not (4 <= len(ufrag) <= 256 and 22 <= len(pwd) <= 256):
        raise ValueError("ICE credentials")
    return IceCredentials(ufrag, pwd)


def _fingerprint(text: str) -> Fingerprint:
    algorithm, value = text.split()
    return Fingerprint(algorithm.lower(), value.upper())


def _codecs(part: _Part, formats: list[str]) -> tuple[Codec, ...]:
    """The codecs in the order of the m-line; without `rtpmap` (static payload types) a codec is left out."""
    codecs: dict[int, Codec] = {}
    for text in _few(part.all("rtpmap")):
        number, encoding = text.split(maxsplit=1)
        name, rate, *channels = encoding.strip().split("/")
        payload_type = _integer(number, 128)
        codecs[payload_type] = Codec(
            payload_type, name, _integer(rate, 2**32), _integer(channels[0], 256) if channels else 1
        )
    for text in _few(part.all("fmtp")):
        number, _, parameters = text.partition(" ")
        if (codec := codecs.get(_integer(number, 128))) is not None:
            codecs[codec.payload_type] = replace(codec, parameters=parameters.strip())
    feedback: dict[str, list[str]] = {}
    for text in part.all("rtcp-fb"):
        number, _, value = text.partition(" ")
        feedback.setdefault(number, []).append(value.strip())
    everybody = feedback.get("*", [])
    ordered = dict.fromkeys(_integer(text, 128) for text in formats)
    return tuple(
        replace(codec, feedback=tuple(dict.fromkeys([*feedback.get(str(number), []), *everybody])))
        for number in ordered
        if (codec := codecs.get(number)) is not None
    )


def _extension(text: str) -> HeaderExtension:
    """`<id>[/<direction>] <uri> [attributes]`; ids from 1 (RFC 8285 section 5)."""
    head, uri, *_ = text.split()
    number, _, direction = head.partition("/")
    extension = HeaderExtension(_integer(number, 256), uri, Direction(direction) if direction else Direction.SENDRECV)
    if extension.id == 0:
        raise ValueError("header extension id 0")
    return extension


def _msid(part: _Part) -> Msid | None:
    text = part.first("msid")
    if text is None:
        return None
    stream, *track = text.split()
    return Msid(stream, track[0]) if track else None


def _ssrcs(part: _Part) -> tuple[int, ...]:
    found = dict.fromkeys(_integer(text.split()[0], 2**32) for text in part.all("ssrc"))
    if len(found) > MAX_PER_SECTION:
        raise ValueError("too many SSRCs")
    return tuple(found)


def _cname(part: _Part) -> str | None:
    for text in part.all("ssrc"):
        _, _, attribute = text.partition(" ")
        if attribute.startswith("cname:"):
            return attribute.removeprefix("cname:")
    return None


def _ssrc_group(text: str) -> SsrcGroup:
    semantics, *ssrcs = text.split()
    return SsrcGroup(semantics, tuple(_integer(ssrc, 2**32) for ssrc in ssrcs[:MAX_PER_SECTION]))


# -- writing -------------------------------------------------------------------------------------------------------------------------


def write(description: SessionDescription) -> str:
    """The text of a description of ours: CRLF throughout, `a=mid` in every section."""
    lines = [
        "v=0",
        f"o=- {description.session_id} {description.session_version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(description.bundle),
    ]
    if description.is_ice_lite:
        lines.append("a=ice-lite")
    lines.append("a=msid-semantic: WMS *")
    for section in description.sections:
        lines += _SECTION_WRITERS.get(section.kind, _other_lines)(section)
    return "\r\n".join([*lines, ""])


def _media_line(section: MediaSection, formats: str) -> list[str]:
    return [f"m={section.kind} {section.port} {section.protocol} {formats}", "c=IN IP4 0.0.0.0"]


def _transport_lines(section: MediaSection) -> list[str]:
    lines: list[str] = []
    if section.ice is not None:
        lines += [f"a=ice-ufrag:{section.ice.ufrag}", f"a=ice-pwd:{section.ice.pwd}"]
    lines += [f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}" for fingerprint in section.fingerprints]
    if section.setup is not None:
        lines.append(f"a=setup:{section.setup}")
    lines.append(f"a=mid:{section.mid}")
    lines += [f"a=candidate:{candidate}" for candidate in section.candidates]
    if section.candidates:
        lines.append("a=end-of-candidates")
    return lines


def _rtp_lines(section: MediaSection) -> list[str]:
    formats = " ".join(str(codec.payload_type) for codec in section.codecs)
    lines = _media_line(section, formats or "0")
    lines.append("a=rtcp:9 IN IP4 0.0.0.0")
    lines += _transport_lines(section)
    lines += [f"a=extmap:{extension.id} {extension.uri}" for extension in section.extensions]
    lines.append(f"a={section.direction.value}")
    if section.msid is not None:
        lines.append(f"a=msid:{section.msid.stream} {section.msid.track}")
    lines += ["a=rtcp-mux", "a=rtcp-rsize"]
    for codec in section.codecs:
        channels = f"/{codec.channels}" if codec.channels != 1 else ""
        lines.append(f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}")
        lines += [f"a=rtcp-fb:{codec.payload_type} {feedback}" for feedback in codec.feedback]
        if codec.parameters:
            lines.append(f"a=fmtp:{codec.payload_type} {codec.parameters}")
    lines += [f"a=rid:{rid}" for rid in section.rids]
    if section.simulcast is not None:
        lines.append(f"a=simulcast:{section.simulcast}")
    lines += [f"a=ssrc-group:{group.semantics} {' '.join(map(str, group.ssrcs))}" for group in section.ssrc_groups]
    for ssrc in section.ssrcs:
        lines.append(f"a=ssrc:{ssrc} cname:{section.cname}")
        if section.msid is not None:
            lines.append(f"a=ssrc:{ssrc} msid:{section.msid.stream} {section.msid.track}")
    return lines


def _sctp_lines(section: MediaSection) -> list[str]:
    lines = [*_media_line(section, "webrtc-datachannel"), *_transport_lines(section)]
    if section.sctp_port is not None:
        lines.append(f"a=sctp-port:{section.sctp_port}")
    if section.max_message_size is not None:
        lines.append(f"a=max-message-size:{section.max_message_size}")
    return lines


def _other_lines(section: MediaSection) -> list[str]:
    return [*_media_line(section, "0"), f"a=mid:{section.mid}"]


_SECTION_WRITERS: dict[str, Callable[[MediaSection], list[str]]] = {
    "audio": _rtp_lines,
    "video": _rtp_lines,
    "application": _sctp_lines,
}
