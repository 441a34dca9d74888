"""A recorder: down tracks whose packets go into a ring in plain text instead of the network."""

from dataclasses import dataclass

import pytest
from media_sfu.engine import PacketForwarder
from media_sfu.forwarder import DownTrackHandle, PeerHandle, RecordedPacket, StaleHandle, UpTrackHandle

from tests.kit.packets import Rtp, read_rtcp, read_rtp, rtp, sender_report, vp8
from tests.unit.media_sfu.engine.conftest import CAMERA, PUBLISHER, VIEW, join

SECOND = 1 << 32
SIZE = 24 + 12 + len(vp8())
"""Octets of a record: its head, the RTP header, the payload."""


@dataclass
class Studio:
    engine: PacketForwarder
    up: UpTrackHandle
    recorder: PeerHandle
    down: DownTrackHandle

    def publish(self, *packets: bytes, now: float) -> list[tuple[tuple[str, int], bytes]]:
        return self.engine.work(((PUBLISHER, packet) for packet in packets), now)

    def taken(self) -> list[RecordedPacket]:
        return self.engine.take_records(self.recorder).packets

    def taken_rtp(self) -> list[Rtp]:
        return [read_rtp(packet.data) for packet in self.taken() if packet.data[1] != 200]


def studio(engine: PacketForwarder, octets: int) -> Studio:
    up = engine.add_up_track(join(engine, PUBLISHER), CAMERA)
    recorder = engine.add_recorder(octets)
    return Studio(engine, up, recorder, engine.add_down_track(recorder, up, VIEW))


@pytest.fixture
def recording(engine: PacketForwarder) -> Studio:
    return studio(engine, 100_000)


def test_packets_are_recorded_as_a_subscriber_would_see_them(recording):
    sent = recording.publish(rtp(70, 3000, vp8(key=True)), rtp(71, 3000, vp8(), marker=True), now=10.0)

    packets = recording.taken()

    assert [packet.down_track for packet in packets] == [recording.down] * 2
    assert [packet.arrival_s for packet in packets] == [10.0, 10.0]
    first, second = (read_rtp(packet.data) for packet in packets)
    assert (first.ssrc, first.payload_type, first.time, first.payload) == (0xAAAA, 120, 3000, vp8(key=True))
    assert (second.seq - first.seq, second.marker) == (1, True)
    assert recording.taken() == []
    assert [data for remote, data in sent if remote != PUBLISHER] == []


def test_recording_begins_with_a_key_frame_that_is_asked_for(recording):
    recording.publish(rtp(1, 0, vp8()), now=10.0)
    assert recording.taken() == []

    recording.engine.request_keyframe(recording.up)
    sent = recording.publish(now=10.1)

    assert [(p.kind, p.media) for _, data in sent for p in read_rtcp(data) if p.kind == 206] == [(206, 0x1111)]


def test_what_the_publisher_lost_is_asked_for_and_takes_its_place(recording):
    recording.publish(rtp(1, 0, vp8(key=True)), rtp(3, 0, vp8()), now=10.0)
    sent = recording.publish(now=10.02)
    assert [p.nacked for _, data in sent for p in read_rtcp(data) if p.kind == 205] == [[2]]

    recording.publish(rtp(900, 0, b"\x00\x02" + vp8(start=False), ssrc=0x1112, payload_type=97), now=10.06)

    first, third, second = recording.taken_rtp()
    assert (second.seq - first.seq, third.seq - first.seq) == (1, 2)
    assert second.payload == vp8(start=False)


def test_a_pause_leaves_no_gap(recording):
    recording.publish(rtp(1, 0, vp8(key=True)), now=10.0)
    recording.engine.pause_down_track(recording.down)
    recording.publish(rtp(2, 3000, vp8(key=True)), now=10.1)
    recording.engine.resume_down_track(recording.down)
    recording.publish(rtp(3, 6000, vp8(key=True)), now=10.2)

    before, after = recording.taken_rtp()
    assert (after.seq - before.seq, after.time - before.time) == (1, 6000)


def test_the_publishers_clock_is_recorded_each_second(recording):
    recording.publish(sender_report(0x1111, 100 * SECOND, 1000), rtp(1, 0, vp8(key=True)), now=9.0)
    recording.taken()
    recording.publish(now=10.5)

    [packet] = recording.taken()
    report = read_rtcp(packet.data)[0]
    assert (packet.down_track, report.kind, report.sender) == (recording.down, 200, 0xAAAA)
    assert report.sender_information[1] == 1000 + 135_000


def test_a_full_ring_drops_the_newest_and_counts(engine):
    recording = studio(engine, 3 * SIZE)
    recording.publish(*(rtp(n, 0, vp8(key=n == 0)) for n in range(5)), now=10.0)

    records = engine.take_records(recording.recorder)

    assert ([read_rtp(p.data).seq for p in records.packets], records.dropped) == ([0, 1, 2], 2)
    assert engine.counters()["drop_record_full"] == 2
    recording.publish(rtp(5, 0, vp8()), now=10.1)
    assert [packet.seq for packet in recording.taken_rtp()] == [5]


def test_a_ring_goes_round_for_ever(engine):
    recording = studio(engine, 5 * SIZE + 7)
    recorded = []
    for n in range(1000):
        recording.publish(rtp(n, 0, vp8(key=n == 0, body=bytes([n % 256]) * 4)), now=10 + n / 1000)
        if n % 3 == 0:
            recorded += [packet.payload[-1] for packet in recording.taken_rtp()]

    assert recorded == [n % 256 for n in range(1000)]


def test_more_than_one_call_takes_comes_with_the_next(engine):
    recording = studio(engine, 1 << 20)
    for n in range(400):
        recording.publish(rtp(n, 0, vp8(key=n == 0, body=bytes(1000))), now=10.0)

    calls = [len(recording.taken()) for _ in range(3)]

    assert calls[0] > 200
    assert (sum(calls), calls[2]) == (400, 0)


def test_a_removed_recorder_is_stale_and_no_client_has_records(recording):
    recording.engine.remove_peer(recording.recorder)

    for peer in (recording.recorder, join(recording.engine, ("192.0.2.7", 1))):
        with pytest.raises(StaleHandle):
            recording.engine.take_records(peer)
    recording.publish(rtp(1, 0, vp8(key=True)), now=10.0)
