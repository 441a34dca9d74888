"""What m-sections of real browsers come to for the packets."""

from dataclasses import replace

import pytest
from media_sfu.core import codecs, sdp
from media_sfu.core.codecs import KindMap
from media_sfu.core.negotiated_tracks import down_track, up_track
from media_sfu.core.sdp import MediaSection, SsrcGroup

from tests.kit.sdp import capture


@pytest.fixture
def camera() -> MediaSection:
    """Chromium's, with three layers and their RTX."""
    session = sdp.parse(capture("chromium_simulcast_auto"))
    return next(section for section in session.sections if section.kind == "video")


@pytest.fixture
def known(camera: MediaSection) -> KindMap:
    return codecs.kind_map(camera, ("VP8",))


def grouped(camera: MediaSection, *groups: tuple[str, tuple[int, ...]], ssrcs: tuple[int, ...]) -> MediaSection:
    return replace(
        camera, ssrcs=ssrcs, ssrc_groups=tuple(SsrcGroup(semantics, members) for semantics, members in groups)
    )


def layers(section: MediaSection, known: KindMap, *, simulcast: bool = True) -> tuple[tuple[int, ...], tuple[int, ...]]:
    track = up_track(section, known, simulcast=simulcast)
    assert track is not None
    return track.parameters.ssrcs, track.parameters.rtx_ssrcs


SIMULCAST = (("FID", (1, 11)), ("FID", (2, 12)), ("FID", (3, 13)), ("SIM", (1, 2, 3)))


def test_layers_go_from_low_to_high_each_beside_its_rtx(camera: MediaSection, known: KindMap) -> None:
    assert layers(grouped(camera, *SIMULCAST, ssrcs=(1, 11, 2, 12, 3, 13)), known) == ((1, 2, 3), (11, 12, 13))


def test_a_client_that_fell_back_to_one_stream_sends_the_first_layer(camera: MediaSection, known: KindMap) -> None:
    section = grouped(camera, *SIMULCAST, ssrcs=(1, 11, 2, 12, 3, 13))

    assert layers(section, known, simulcast=False) == ((1,), (11,))


def test_without_groups_the_first_ssrc_is_the_media(camera: MediaSection, known: KindMap) -> None:
    assert layers(grouped(camera, ssrcs=(7, 8)), known) == ((7,), ())


@pytest.mark.parametrize(
    "groups",
    [
        (("FID", (1, 11)), ("SIM", (1, 2))),
        (("FID", (1, 11)), ("FID", (2, 11)), ("SIM", (1, 2))),
        (("FID", (1, 2)), ("FID", (2, 1)), ("SIM", (1, 2))),
    ],
)
def test_rtx_counts_only_where_every_layer_has_its_own(
    camera: MediaSection, known: KindMap, groups: tuple[tuple[str, tuple[int, ...]], ...]
) -> None:
    assert layers(grouped(camera, *groups, ssrcs=(1, 11, 2)), known) == ((1, 2), ())


def test_a_section_without_a_codec_of_the_connections_is_no_track(camera: MediaSection, known: KindMap) -> None:
    assert up_track(replace(camera, codecs=()), known, simulcast=True) is None


def test_a_subscriber_gets_its_own_payload_types_and_rtx_where_it_has_that(known: KindMap) -> None:
    track = down_track(known, 5, 6, "alice")
    assert (track.ssrc, track.rtx_ssrc, track.cname) == (5, 6, "alice")
    assert track.payload_types == {"VP8": 96}
    assert track.rtx_payload_types == {"VP8": 97}

    bare = replace(known, codecs=tuple(codec for codec in known.codecs if not codecs.is_rtx(codec)))
    assert down_track(bare, 5, 6, "alice").rtx_ssrc is None
