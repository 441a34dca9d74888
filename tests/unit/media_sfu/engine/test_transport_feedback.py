"""
Transport-wide feedback: what came when. Expected octets are by hand from draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1: base number,
count, reference time (64 ms) and feedback count; chunks; deltas in 250 us.
"""

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest
from media_sfu.engine.forwarder import TRANSPORT_SEQUENCE

from tests.kit.packets import one_byte_extensions, rtp, vp8
from tests.unit.media_sfu.engine.conftest import CAMERA, PUBLISHER, Room


@pytest.fixture
def camera(make_room: Callable[..., Room]) -> Room:
    return make_room(replace(CAMERA, extensions={TRANSPORT_SEQUENCE: 5}))


def numbered(*numbers: int, ssrc: int = 0x1111, payload_type: int = 96) -> list[tuple[tuple[str, int], bytes]]:
    return [
        (
            PUBLISHER,
            rtp(
                number,
                0,
                vp8(),
                ssrc=ssrc,
                payload_type=payload_type,
                extensions=one_byte_extensions({5: struct.pack("!H", number & 0xFFFF)}),
            ),
        )
        for number in numbers
    ]


def told(room: Room, now: float) -> list[bytes]:
    """Each feedback's octets after the two SSRCs, padding and all."""
    room.wait(now)
    return [packet.body[8:] for packet in room.rtcp() if (packet.kind, packet.count) == (205, 15)]


def test_arrivals_are_told_every_100_ms(camera):
    """10 s is 156 * 64 ms and 16 ms: 64 ticks; 103 came 40 ticks later. Symbols 1 1 0 1 in a vector; three octets of padding."""
    camera.work(*numbered(100, 101), now=10.0)
    camera.work(*numbered(103), now=10.01)
    assert told(camera, 10.09) == []

    [feedback] = told(camera, 10.1)

    assert feedback == struct.pack("!HHI", 100, 4, 156 << 8) + b"\xd4\x40" + bytes([64, 0, 40]) + b"\0\0\3"
    assert told(camera, 10.3) == []


def test_many_alike_are_one_chunk(camera):
    """Twenty that came: 001, length 20. The second packet of the feedback carries the count 1."""
    camera.work(*numbered(*range(20)), now=64.0)
    [first] = told(camera, 64.1)
    camera.work(*numbered(20), now=64.128)
    [second] = told(camera, 64.3)

    assert first == struct.pack("!HHIH", 0, 20, 1000 << 8, 0x2000 | 20) + bytes(20) + b"\0\2"
    assert second == struct.pack("!HHIH", 20, 1, 1002 << 8 | 1, 0x2000 | 1) + b"\0\1"


def test_a_long_pause_is_a_large_delta(camera):
    """80 ms are 320 ticks: two octets."""
    camera.work(*numbered(1), now=64.0)
    camera.work(*numbered(2), now=64.08)

    [feedback] = told(camera, 64.1)

    assert feedback == struct.pack("!HHIHBH", 1, 2, 1000 << 8, 0xD800, 0, 320) + b"\0\0\3"


def test_what_is_lost_between_two_feedbacks_is_told(camera):
    camera.work(*numbered(1), now=64.0)
    told(camera, 64.1)
    camera.work(*numbered(4), now=64.128)

    [feedback] = told(camera, 64.3)

    assert struct.unpack_from("!HH", feedback) == (2, 3)


def test_a_packet_that_comes_late_is_told_after_all(camera):
    camera.work(*numbered(1, 3), now=64.0)
    told(camera, 64.1)
    camera.work(*numbered(2), now=64.128)

    [feedback] = told(camera, 64.3)

    assert struct.unpack_from("!HH", feedback) == (2, 2)


def test_numbers_wrap_and_retransmissions_count_too(camera):
    camera.work(*numbered(65535), *numbered(65536, ssrc=0x1112, payload_type=97), now=64.0)

    [feedback] = told(camera, 64.1)

    assert struct.unpack_from("!HHIH", feedback) == (65535, 2, 1000 << 8, 0x2000 | 2)


def test_numbers_that_begin_anew_are_followed(camera):
    camera.work(*numbered(1), now=64.0)
    camera.work(*numbered(20000), now=64.01)

    [feedback] = told(camera, 64.1)

    assert struct.unpack_from("!HH", feedback) == (20000, 1)


def test_without_the_extension_nothing_is_told(make_room):
    room = make_room(CAMERA)
    room.work(*numbered(1, 2), now=10.0)

    assert told(room, 10.2) == []
