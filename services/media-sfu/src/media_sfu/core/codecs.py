"""
Which of a browser's codecs and header extensions a room uses, under that browser's own numbers. The numbers come from the browser's first
offer and never change: within a BUNDLE one number means one thing, and Chromium refuses an offer that reassigns an extension id.
"""

from dataclasses import dataclass, replace

from media_sfu.core.sdp import Codec, Direction, HeaderExtension, MediaSection

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
VIDEO_ORIENTATION = "urn:3gpp:video-orientation"
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

TRANSPORT_SEQUENCE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

VIDEO_CODECS = ("VP8", "H264")
"""What can be forwarded."""

NEGOTIATED_EXTENSIONS = frozenset(
    {AUDIO_LEVEL, MID, ABS_SEND_TIME, VIDEO_ORIENTATION, PLAYOUT_DELAY, TRANSPORT_SEQUENCE}
)

SUBSCRIBER_EXTENSIONS = frozenset({AUDIO_LEVEL, VIDEO_ORIENTATION, PLAYOUT_DELAY, TRANSPORT_SEQUENCE})
"""
What a subscriber gets: the publisher's, and transport-wide numbers that are the forwarder's own, so that it tells when each packet came. Not the MID, which
names the publisher's m-section.
"""

TRANSPORT_FEEDBACK = "transport-cc"
VIDEO_FEEDBACK = ("goog-remb", TRANSPORT_FEEDBACK, "ccm fir", "nack", "nack pli")
"""
Exactly what the forwarder does towards a sender: arrival times, from which the sender estimates, and a REMB as the upper bound. Receivers tell us arrival
times too; browsers send REMB only for packets without a transport-wide number.
"""


@dataclass(frozen=True, slots=True)
class KindMap:
    """A browser's codecs and header extensions of one kind, as a room uses them."""

    codecs: tuple[Codec, ...]
    extensions: tuple[HeaderExtension, ...]


def kind_map(section: MediaSection, video_codecs: tuple[str, ...]) -> KindMap:
    """Choose from a section of the browser's first offer. `video_codecs` are the room's."""
    main = _audio_codecs(section) if section.kind == "audio" else _video_codecs(section, video_codecs)
    return KindMap(codecs=main, extensions=tuple(common_extensions(section)))


def common_codecs(section: MediaSection, known: KindMap) -> tuple[Codec, ...]:
    """
    Our codecs that this section lists too under the same numbers, in the section's order: the browser's preference decides.

    RTX follows the codec that it repairs, whatever the section's order. RED comes before the Opus in it: only then do browsers send it.
    """
    ours = {(codec.payload_type, codec.name.lower()): codec for codec in known.codecs}
    found = [
        mine
        for codec in section.codecs
        if (mine := ours.get((codec.payload_type, codec.name.lower()))) is not None and not is_rtx(mine)
    ]
    found.sort(key=lambda codec: not is_red(codec))
    listed = {codec.payload_type for codec in section.codecs if is_rtx(codec)}
    return _with_rtx(found, [codec for codec in known.codecs if is_rtx(codec) and codec.payload_type in listed])


def common_extensions(section: MediaSection, known: KindMap | None = None) -> list[HeaderExtension]:
    """
    Our header extensions that this very section has: Firefox refuses an answer with any other, and lists fewer for audio than for video.

    One-way ones (`extmap:6/recvonly`) are left out.
    """
    return [
        extension
        for extension in section.extensions
        if extension.uri in NEGOTIATED_EXTENSIONS
        and (section.kind == "video" or extension.uri != TRANSPORT_SEQUENCE)
        and extension.direction is Direction.SENDRECV
        and (known is None or extension in known.extensions)
    ]


def is_rtx(codec: Codec) -> bool:
    return codec.name.lower() == "rtx"


def is_red(codec: Codec) -> bool:
    return codec.name.lower() == "red"


def repaired_payload_type(codec: Codec) -> int | None:
    """Which payload type an RTX payload type repairs (RFC 4588 section 8.6)."""
    apt = codec.parameter("apt")
    return int(apt) if apt is not None and apt.isascii() and apt.isdigit() and len(apt) <= 3 else None


def _audio_codecs(section: MediaSection) -> tuple[Codec, ...]:
    """
    RED over Opus (RFC 2198), Opus, and DTMF at Opus' clock rate.

    Audio has no retransmission in browsers, and Opus' own FEC does not cover what it codes as music. RED carries each frame a second time in
    the next packet: 32 kbit/s for a talker, with which a tenth of the packets lost is hardly heard.
    """
    found: list[Codec] = []
    for codec in section.codecs:
        name = codec.name.lower()
        if codec.clock_rate != 48_000 or any(codec.name == other.name for other in found):
            continue
        if name == "opus":
            found.append(replace(codec, parameters=_opus_parameters(codec), feedback=()))
        elif name in ("red", "telephone-event"):
            found.append(replace(codec, feedback=()))
    opus = {str(codec.payload_type) for codec in found if codec.name.lower() == "opus"}
    found = [codec for codec in found if not is_red(codec) or set(codec.parameters.split("/")) <= opus]
    return tuple(sorted(found, key=lambda codec: not is_red(codec)))


def _opus_parameters(codec: Codec) -> str:
    """
    Built from known keys, without blanks. `stereo` is not copied: Firefox offers it, and would then send 64 kbit/s of a mono microphone.
    """
    dtx = ";usedtx=1" if codec.parameter("usedtx") == "1" else ""
    return f"minptime=10;useinbandfec=1{dtx}"


def _video_codecs(section: MediaSection, video_codecs: tuple[str, ...]) -> tuple[Codec, ...]:
    wanted = {name.upper() for name in video_codecs}
    best_h264 = min((codec for codec in section.codecs if codec.name.upper() == "H264"), key=_h264_rank, default=None)
    found: list[Codec] = []
    for codec in section.codecs:
        name = codec.name.upper()
        if name not in wanted or name not in VIDEO_CODECS or any(name == other.name.upper() for other in found):
            continue
        if name == "H264" and (codec is not best_h264 or _h264_rank(codec) == _UNUSABLE_H264):
            continue
        found.append(replace(codec, feedback=_video_feedback(codec)))
    return _with_rtx(found, [codec for codec in section.codecs if is_rtx(codec)])


_UNUSABLE_H264 = 9


def _h264_rank(codec: Codec) -> int:
    """One H264 for the whole room, so that it fits everybody: packetization mode 1, constrained baseline if there is one, else baseline."""
    if codec.parameter("packetization-mode") != "1":
        return _UNUSABLE_H264
    profile = (codec.parameter("profile-level-id") or "").lower()
    return 0 if profile.startswith("42e0") else 1 if profile.startswith("4200") else 2


def _video_feedback(codec: Codec) -> tuple[str, ...]:
    return tuple(feedback for feedback in VIDEO_FEEDBACK if feedback in codec.feedback)


def _with_rtx(codecs: list[Codec], rtx: list[Codec]) -> tuple[Codec, ...]:
    """Each codec followed by the RTX that repairs it."""
    repairs = {repaired_payload_type(codec): codec for codec in rtx}
    result: list[Codec] = []
    for codec in codecs:
        result.append(codec)
        if (repair := repairs.get(codec.payload_type)) is not None:
            result.append(replace(repair, feedback=()))
    return tuple(result)
