"""
What an m-section comes to for the packets: the up track that its client sends on it, the down track that it receives. Pure functions of the section
and of the codecs and extensions that the connection has for its kind.

Source: RFC 8108 and RFC 4588 (SSRCs and RTX), and twilio-video.js for its simulcast without RIDs.
"""

from dataclasses import dataclass

from media_sfu.core import codecs
from media_sfu.core.codecs import KindMap
from media_sfu.core.sdp import MediaSection, SsrcGroup
from media_sfu.forwarder import DownTrackParameters, UpTrackParameters

MAX_LAYERS = 3
"""As many as the SDK sends."""


@dataclass(frozen=True, slots=True)
class UpTrack:
    """What the client sends on an m-section. `codec` is the name of the one it will use."""

    mid: str
    codec: str
    parameters: UpTrackParameters


def up_track(section: MediaSection, known: KindMap, *, simulcast: bool) -> UpTrack | None:
    """What the client sends on a section; None without a common codec. Without `simulcast` it sends the first of its layers alone."""
    common = codecs.common_codecs(section, known)
    if not common:
        return None
    layers, repairs = _layers(section, simulcast=simulcast and common[0].name.upper() == "VP8")
    main = [codec for codec in common if not codecs.is_rtx(codec)]
    return UpTrack(
        mid=section.mid,
        codec=next((codec.name for codec in main if not codecs.is_red(codec)), main[0].name),
        parameters=UpTrackParameters(
            kind="audio" if section.kind == "audio" else "video",
            clock_rate=main[0].clock_rate,
            ssrcs=layers,
            rtx_ssrcs=repairs,
            payload_types={codec.payload_type: codec.name for codec in main},
            rtx_payload_types={
                codec.payload_type: repaired
                for codec in common
                if codecs.is_rtx(codec) and (repaired := codecs.repaired_payload_type(codec)) is not None
            },
            extensions={extension.uri: extension.id for extension in codecs.common_extensions(section, known)},
        ),
    )


def down_track(known: KindMap, ssrc: int, rtx_ssrc: int, cname: str) -> DownTrackParameters:
    """What is sent to a client that has `known` of its kind. Tracks of one publisher have one `cname`, for lip sync."""
    names = {codec.payload_type: codec.name for codec in known.codecs}
    rtx = {
        names[repaired]: codec.payload_type
        for codec in known.codecs
        if codecs.is_rtx(codec) and (repaired := codecs.repaired_payload_type(codec)) in names
    }
    return DownTrackParameters(
        ssrc=ssrc,
        rtx_ssrc=rtx_ssrc if rtx else None,
        payload_types={codec.name: codec.payload_type for codec in known.codecs if not codecs.is_rtx(codec)},
        rtx_payload_types=rtx,
        extensions={
            extension.uri: extension.id
            for extension in known.extensions
            if extension.uri in codecs.SUBSCRIBER_EXTENSIONS
        },
        cname=cname,
    )


def _layers(section: MediaSection, *, simulcast: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Distinct media SSRCs, low layer to high, and the RTX SSRCs parallel to them (empty where not every layer has one of its own)."""
    repairs = {group.ssrcs[0]: group.ssrcs[1] for group in section.ssrc_groups if _is_pair(group)}
    group = next((group for group in section.ssrc_groups if group.semantics == "SIM" and group.ssrcs), None)
    if group is not None:
        media = group.ssrcs if simulcast else group.ssrcs[:1]
    else:
        media = tuple(ssrc for ssrc in section.ssrcs if ssrc not in repairs.values())[:1]
    media = tuple(dict.fromkeys(media))[:MAX_LAYERS]
    rtx = tuple(repairs[ssrc] for ssrc in media if ssrc in repairs)
    return media, rtx if len({*media, *rtx}) == 2 * len(media) else ()


def _is_pair(group: SsrcGroup) -> bool:
    return group.semantics == "FID" and len(group.ssrcs) == 2 and group.ssrcs[0] != group.ssrcs[1]
