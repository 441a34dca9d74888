"""Our side of the SDP."""

import pytest
from media_sfu.core import sdp
from media_sfu.core.actions import IceCredentials
from media_sfu.core.local_description import LocalDescription
from media_sfu.core.sdp import Direction, MediaSection, Msid

from tests.kit.sdp import LOCAL, capture


@pytest.fixture
def ours() -> LocalDescription:
    return LocalDescription(LOCAL, IceCredentials("ours", "p" * 22), 77)


@pytest.fixture
def video() -> MediaSection:
    session = sdp.parse(capture("chromium_viewer"))
    return next(section for section in session.sections if section.kind == "video")


def test_each_version_counts_under_one_session_id(ours: LocalDescription) -> None:
    texts = [ours.write([ours.data_section("0", "UDP/DTLS/SCTP", "actpass")], None) for _ in range(2)]

    assert [text.split("\r\n")[1] for text in texts] == ["o=- 77 1 IN IP4 127.0.0.1", "o=- 77 2 IN IP4 127.0.0.1"]


def test_of_the_clients_bundle_those_that_live_stay(ours: LocalDescription) -> None:
    sections = [
        ours.data_section("0", "UDP/DTLS/SCTP", "passive"),
        MediaSection(kind="video", mid="1", port=0, direction=Direction.INACTIVE),
    ]

    assert "a=group:BUNDLE 0\r\n" in ours.write(sections, ["1", "0"])


def test_every_section_has_our_transport_and_none_of_the_clients(ours: LocalDescription, video: MediaSection) -> None:
    section = ours.rtp_section(video, None, (0, 0))

    assert section.ice == IceCredentials("ours", "p" * 22)
    assert section.fingerprints == (LOCAL.fingerprint,)
    assert (section.msid, section.ssrcs, section.rids, section.port) == (None, (), (), 9)


def test_a_section_that_sends_names_its_track_and_the_ssrc_of_its_rtx(
    ours: LocalDescription, video: MediaSection
) -> None:
    section = ours.rtp_section(video, Msid("alice", "MTcamera-1"), (5, 6))

    assert (section.msid, section.cname, section.ssrcs) == (Msid("alice", "MTcamera-1"), "alice", (5, 6))
    assert [(group.semantics, group.ssrcs) for group in section.ssrc_groups] == [("FID", (5, 6))]
