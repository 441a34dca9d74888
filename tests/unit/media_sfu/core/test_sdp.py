"""Reading and writing session descriptions."""

import contextlib

import pytest
from contract.errors import Refused
from hypothesis import given
from hypothesis import strategies as st
from media_sfu.core import sdp
from media_sfu.core.actions import Fingerprint, IceCredentials
from media_sfu.core.sdp import Direction, HeaderExtension, Msid, SsrcGroup

from tests.kit.sdp import FIXTURES, capture

CAPTURES = sorted(path.stem for path in FIXTURES.glob("*.sdp"))


@pytest.mark.parametrize("name", CAPTURES)
def test_every_capture_parses(name: str) -> None:
    session = sdp.parse(capture(name))

    assert [section.mid for section in session.sections] == list(session.bundle)
    assert not any(section.is_rejected for section in session.sections)
    assert all(section.ice is not None and section.fingerprints for section in session.sections)


def test_chromium_video_section_is_read_as_it_stands() -> None:
    video = sdp.parse(capture("chromium_simulcast_auto")).sections[1]

    assert video.direction is Direction.SENDRECV
    assert video.msid == Msid("-", "efa50f00-58fd-46de-82e6-52fda52f9648")
    assert video.ssrc_groups[0] == SsrcGroup("FID", (950556956, 728563069))
    assert video.ssrc_groups[-1] == SsrcGroup("SIM", (950556956, 2948795494, 2919366918))
    assert video.codecs[0].name == "VP8"
    assert video.codecs[0].feedback == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    assert video.codecs[1].parameter("apt") == "96"
    assert video.ice == IceCredentials("GVSQ", "avC1c7tzKjYQ4yxnlTYfdfoW")


def test_firefox_is_read_as_it_stands() -> None:
    dummy, microphone, camera, data = sdp.parse(capture("firefox_audio_video")).sections

    assert dummy.fingerprints[0] == Fingerprint(
        "sha-256",
        "1B:7D:4A:0E:C2:55:B1:9F:60:3D:83:2A:11:EE:74:98:0C:6F:D2:37:A5:4E:9B:C8:21:F0:5D:36:8A:E7:43:B9",
    )
    assert microphone.port == 0
    assert microphone.bundle_only
    assert microphone.msid == Msid("-", "{microphone}")
    assert (
        HeaderExtension(6, "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay", Direction.RECVONLY)
        in camera.extensions
    )
    assert data.sctp_port == 5000


@pytest.mark.parametrize("name", CAPTURES)
def test_every_truncated_capture_is_read_or_refused(name: str) -> None:
    text = capture(name)
    for cut in range(0, len(text), 37):
        parse_or_refuse(text[:cut])


@given(data=st.data())
def test_corrupted_captures_are_read_or_refused(data: st.DataObject) -> None:
    lines = capture(data.draw(st.sampled_from(CAPTURES))).split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        start = data.draw(st.integers(0, len(line)))
        end = data.draw(st.integers(start, len(line)))
        lines[index] = line[:start] + data.draw(st.text(max_size=6)) + line[end:]
    parse_or_refuse("\r\n".join(lines))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    parse_or_refuse(text)
    parse_or_refuse("v=0\r\no=- 1 1 IN IP4 0\r\nm=audio 9 X 0\r\na=mid:0\r\n" + text)


def parse_or_refuse(text: str) -> None:
    with contextlib.suppress(Refused):
        sdp.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=0\r\n",
        "v=0\r\no=- 1 1 IN IP4 0\r\n" + "m=audio 9 X 0\r\na=mid:0\r\n" * 2,
        "v=0\r\no=- 1 1 IN IP4 0\r\n" + "".join(f"m=audio 9 X 0\r\na=mid:{n}\r\n" for n in range(513)),
        "v=0\r\no=- 1 1 IN IP4 0\r\nm=audio 9 X 0\r\na=mid:0\r\n"
        + "".join(f"a=ssrc:{n} cname:x\r\n" for n in range(257)),
        "v=0\r\no=- 1 1 IN IP4 0\r\nm=audio 9 X 0\r\na=mid:0\r\na=" + "x" * 5000,
        "v=0\r\no=- 1 1 IN IP4 0\r\nm=audio 9 X 0\r\na=mid:0\r\na=ice-ufrag:abc\r\na=ice-pwd:short\r\n",
        "v=0\r\no=- 1 1 IN IP4 0\r\nm=audio 99999 X 0\r\na=mid:0\r\n",
        "v=0\r\no=- 1 1 IN IP4 0\r\nm=audio 9 X 0\r\n",
    ],
    ids=["empty", "no-section", "mid-twice", "sections", "ssrcs", "long-line", "ice", "port", "no-mid"],
)
def test_what_no_browser_sends_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        sdp.parse(text)

    assert refused.value.code == 53403


def test_bare_line_feeds_are_read_too() -> None:
    assert len(sdp.parse(capture("chromium_viewer").replace("\r\n", "\n")).sections) == 2


@pytest.mark.parametrize("name", CAPTURES)
def test_what_is_written_reads_the_same(name: str) -> None:
    session = sdp.parse(capture(name))

    assert [section.codecs for section in sdp.parse(sdp.write(session)).sections] == [
        section.codecs for section in session.sections
    ]
    assert "\n" not in sdp.write(session).replace("\r\n", "")
