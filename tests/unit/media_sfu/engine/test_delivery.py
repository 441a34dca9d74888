"""What a subscriber's transport-wide feedback tells of what it was sent, and probes."""

import struct
from dataclasses import replace

import pytest

from tests.kit.packets import one_byte_extensions, rtp, transport_feedback, vp8
from tests.unit.media_sfu.engine.conftest import SUBSCRIBER, VIEW, Room

ROOM = one_byte_extensions({2: b"abc"})
MS = 4
"""Ticks of 250 us."""


def send(room: Room, seq: int, now: float) -> None:
    """A packet of 29 octets, with the next number: the numbers begin at 0."""
    room.publish(rtp(seq, 0, vp8(key=True), extensions=ROOM), now=now)


def at(n: int, way_ms: int) -> bytes:
    """Feedback of packet n that came a second times n and `way_ms` after the beginning."""
    milliseconds = 1000 * n + way_ms
    return transport_feedback(n, {n: milliseconds % 64 * MS}, reference=milliseconds // 64)


def told(room: Room, feedback: bytes, now: float):
    room.feedback(feedback, now=now)
    [delivery] = room.engine.take_deliveries()
    return delivery


def test_what_came_is_counted_on_the_subscribers_clock(camera):
    for seq in range(5):
        send(camera, seq, 10.0 + seq / 10)

    first = told(camera, transport_feedback(0, {0: 0, 1: 100 * MS}), 10.5)
    second = told(camera, transport_feedback(2, {2: 200 * MS, 4: 400 * MS}), 10.6)

    assert (first.peer, first.packets, first.octets, first.lost, first.span_s) == (camera.subscriber, 2, 58, 0, None)
    assert (second.packets, second.octets, second.lost, second.span_s) == (2, 58, 1, 0.3)
    assert camera.engine.take_deliveries() == []


def test_the_queue_is_what_even_the_fastest_packet_was_slower_by(camera):
    for seq in range(4):
        send(camera, seq, 10.0 + seq / 10)
    free = told(camera, transport_feedback(0, {0: 0, 1: 130 * MS}), 10.5)
    full = told(camera, transport_feedback(2, {2: 250 * MS, 3: 380 * MS}), 10.6)

    assert (free.queue_s, full.queue_s) == (0.0, pytest.approx(0.05))


def test_a_way_that_became_longer_counts_as_a_queue_for_20_s_at_most(camera):
    queues = []
    for n in range(27):
        send(camera, n, 10.0 + n)
        way = 0 if n < 2 else 80
        queues.append(told(camera, at(n, way), 10.0 + n).queue_s)

    assert queues[:3] == [0.0, 0.0, pytest.approx(0.08)]
    assert queues[-1] == 0.0


def test_another_path_has_no_queue_yet(camera):
    send(camera, 0, 10.0)
    told(camera, at(0, 0), 10.1)
    other = ("192.0.2.9", 7000)
    camera.engine.bind_address(camera.subscriber, other)
    camera.engine.set_send_address(camera.subscriber, other)
    send(camera, 1, 11.0)

    assert told(camera, at(1, 300), 11.5).queue_s == 0.0


def test_what_comes_after_it_was_told_lost_is_no_loss(camera):
    for seq in range(3):
        send(camera, seq, 10.0)
    first = told(camera, transport_feedback(0, {0: 0, 2: 0}), 10.1)
    second = told(camera, transport_feedback(1, {1: 0}), 10.2)

    assert (first.lost, second.lost, second.packets) == (1, -1, 1)


def test_what_was_told_before_or_never_sent_says_nothing(camera):
    send(camera, 0, 10.0)
    told(camera, transport_feedback(0, {0: 0}), 10.1)
    again = told(camera, transport_feedback(0, {0: 0, 1: 0, 5: 0}), 10.2)

    assert (again.packets, again.octets, again.lost) == (0, 0, 0)


def test_numbers_and_reference_wrap(camera):
    for seq in range(65537):
        if seq % 1024 == 0:
            camera.engine.take_deliveries()
        camera.work((("192.0.2.1", 5000), rtp(seq, 0, vp8(key=True), extensions=ROOM)), now=10.0)
    first = told(camera, transport_feedback(65534, {65534: 0}, reference=0xFFFFFF), 10.1)
    second = told(camera, transport_feedback(65535, {65535: 0, 65536: 4}, reference=0), 10.2)

    assert (first.packets, second.packets, second.span_s) == (1, 2, 0.065)


@pytest.mark.parametrize("chunk", [0x2000 | 2, 0x8000 | 0x3000, 0xC000 | 0x1400])
def test_every_kind_of_chunk_is_read(camera, chunk):
    """Two packets that came: run length, one-bit vector, two-bit vector."""
    send(camera, 0, 10.0)
    send(camera, 1, 10.0)
    body = struct.pack("!IIHHIHBB", 1, 0, 0, 2, 0, chunk, 0, 4)

    delivery = told(camera, struct.pack("!BBH", 0x8F, 205, len(body) // 4) + body, 10.1)

    assert delivery.packets == 2


@pytest.mark.parametrize("size", range(12, 28))
def test_feedback_that_ends_too_soon_is_read_as_far_as_it_goes(camera, size):
    send(camera, 0, 10.0)
    body = transport_feedback(0, {0: 0})[4:size]
    body += bytes(-len(body) % 4)

    camera.feedback(struct.pack("!BBH", 0x8F, 205, len(body) // 4) + body, now=10.1)

    assert camera.count("drop_malformed") == 0


def probed(room: Room, length_s: float = 0.04) -> list[tuple[int, float]]:
    """Number and time of each packet of a probe of 1 Mbit/s."""
    send(room, 0, 10.0)
    room.engine.probe(room.subscriber, 1_000_000, length_s)
    sent: list[tuple[int, float]] = []
    for tick in range(20):
        now = 10.1 + tick * 0.005
        for packet in room.wait(now):
            assert (packet.ssrc, packet.payload_type, packet.payload, packet.padding) == (0xAAAB, 124, b"", 224)
            sent.append((struct.unpack("!H", packet.extensions[5])[0], now))
    return sent


def test_a_probe_is_padding_at_its_rate(camera):
    """45 ms of 1 Mbit/s are 5,625 octets: 24 packets of 244, the first ones at once."""
    sent = probed(camera)

    assert [number for number, _ in sent] == list(range(1, 25))
    assert [now for _, now in sent[:4]] == [10.1, 10.1, 10.1, 10.105]
    assert sent[-1][1] == pytest.approx(10.14)
    assert camera.count("fillers_sent") == 24


def test_a_probe_tells_how_fast_it_came(camera):
    sent = probed(camera)
    slow = {number: number * 5 * MS for number, _ in sent}

    delivery = told(camera, transport_feedback(1, slow), 10.4)

    assert delivery.probe is not None
    assert delivery.probe.sent_bps == pytest.approx(23 * 244 * 8 / 0.04)
    assert delivery.probe.arrived_bps == pytest.approx(244 * 8 / 0.005)
    assert delivery.probe.share == 1.0


def test_a_probe_is_told_once_it_is_over_in_however_many_feedbacks(camera):
    sent = probed(camera)
    parts = [{number: number * 4 for number, _ in half} for half in (sent[:10], sent[10:20])]

    assert told(camera, transport_feedback(1, parts[0]), 10.4).probe is None
    delivery = told(camera, transport_feedback(11, parts[1], count=14), 10.5)
    assert delivery.probe is not None
    assert delivery.probe.share == pytest.approx(0.83)


def test_a_subscriber_that_cannot_take_padding_is_not_probed(make_room):
    room = make_room(down=replace(VIEW, rtx_ssrc=None, rtx_payload_types={}))
    room.engine.probe(room.subscriber, 1_000_000, 0.04)

    assert room.wait(10.0) == []
    assert room.wait(10.1) == []
    assert SUBSCRIBER not in [to for to, _ in room.sent]


def test_a_subscriber_without_feedback_tells_nothing(camera):
    camera.engine.remove_down_track(camera.down)

    camera.feedback(transport_feedback(0, {0: 0}), now=10.1)

    assert [delivery.packets for delivery in camera.engine.take_deliveries()] == [0]
