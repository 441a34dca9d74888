"""People come and go for days: the engine is afterwards what it was before."""

import os
from dataclasses import replace

import pytest
from media_sfu.engine import PacketForwarder
from media_sfu.engine.srtp import make_sessions
from media_sfu.forwarder import SrtpKeys, StaleHandle

from tests.kit.packets import nack, pli, rtp, vp8
from tests.unit.media_sfu.engine.conftest import CAMERA, MICROPHONE, PUBLISHER, SIMULCAST, SUBSCRIBER, VIEW, join

PAGE = os.sysconf("SC_PAGE_SIZE")
GROWTH = 1 << 20
"""Octets. One subscription that stays behind in a thousand would be 10 times as much."""


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE


def come_and_go(engine: PacketForwarder, n: int) -> None:
    """Two people, three tracks, five subscriptions, some packets; half of the time all is taken down by hand, else by its owner."""
    alice, bob = join(engine, (PUBLISHER[0], 1024 + n % 60000)), join(engine, (SUBSCRIBER[0], 1024 + n % 60000))
    ups = [
        engine.add_up_track(alice, SIMULCAST),
        engine.add_up_track(alice, MICROPHONE),
        engine.add_up_track(bob, CAMERA),
    ]
    downs = [
        engine.add_down_track(peer, up, replace(VIEW, ssrc=0xA000 + 2 * i, rtx_ssrc=0xA001 + 2 * i))
        for i, (peer, up) in enumerate([(bob, ups[0]), (bob, ups[1]), (alice, ups[2]), (bob, ups[0]), (alice, ups[2])])
    ]
    batch = [((PUBLISHER[0], 1024 + n % 60000), rtp(seq, 0, vp8(key=True), ssrc=0x1111)) for seq in (1, 2, 5)]
    feedback = [((SUBSCRIBER[0], 1024 + n % 60000), packet) for packet in (nack(0xA000, 2), pli(0xA000))]
    assert len(engine.work([*batch, *feedback], 10 + n / 100)) > 5
    if n % 2:
        for down in downs:
            engine.remove_down_track(down)
        for up in ups:
            engine.remove_up_track(up)
    engine.remove_peer(alice)
    engine.remove_peer(bob)
    for stale in (alice, bob):
        with pytest.raises(StaleHandle):
            engine.add_up_track(stale, CAMERA)
    with pytest.raises(StaleHandle):
        engine.pause_down_track(downs[0])
    engine.events_received()


def test_ten_thousand_visits_leave_nothing_behind(engine):
    for n in range(1000):
        come_and_go(engine, n)
    before = resident()
    for n in range(1000, 11000):
        come_and_go(engine, n)
    grown = resident() - before

    left = {name: engine.counters()[name] for name in ("peers", "up_tracks", "down_tracks", "addresses")}
    print(f"\nafter 10,000 visits: {grown / 1024:.0f} KiB more resident memory, {left}")
    assert left == {"peers": 0, "up_tracks": 0, "down_tracks": 0, "addresses": 0}
    assert grown < GROWTH


def test_one_peer_that_subscribes_and_unsubscribes_for_ever_keeps_no_srtp_streams():
    """libsrtp keeps a stream for each SSRC that it ever saw, about 1 KiB, unless it is told to forget it."""
    engine = PacketForwarder.without_socket(plain=False)
    alice, bob = join(engine, PUBLISHER), join(engine, SUBSCRIBER)
    key = bytes(range(28))
    for peer in (alice, bob):
        engine.set_srtp_keys(peer, SrtpKeys("SRTP_AEAD_AES_128_GCM", key, key))
    up = engine.add_up_track(alice, CAMERA)
    sender = make_sessions(SrtpKeys("SRTP_AEAD_AES_128_GCM", key, key)).send

    def subscribe(n: int) -> None:
        down = engine.add_down_track(bob, up, replace(VIEW, ssrc=2 * n, rtx_ssrc=2 * n + 1))
        packet = sender.protect(rtp(n, 0, vp8(key=True)))
        assert SUBSCRIBER in [remote for remote, _ in engine.work([(PUBLISHER, packet)], 10 + n / 100)]
        engine.remove_down_track(down)

    for n in range(1, 1000):
        subscribe(n)
    before = resident()
    for n in range(1000, 11000):
        subscribe(n)
    grown = resident() - before
    engine.close()

    print(f"\nafter 10,000 subscriptions: {grown / 1024:.0f} KiB more resident memory")
    assert grown < GROWTH
