"""The engine and the plain model see the same packets, losses, repetitions and wishes, and must send the same."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hypothesis import example, given, settings
from hypothesis import strategies as st
from media_sfu.engine import PacketForwarder
from media_sfu.engine.forwarder import TRANSPORT_SEQUENCE

from tests.kit.packets import extension_elements, is_rtcp, one_byte_extensions, read_rtp, rtp, two_byte_extensions, vp8
from tests.unit.media_sfu.engine.conftest import CAMERA, PUBLISHER, SIMULCAST, SUBSCRIBER, VIEW, join
from tests.unit.media_sfu.engine.model import Packet, Publisher, Sent, Subscriber, mapped

PATTERN = (0, 2, 1, 2)


@dataclass(frozen=True, slots=True)
class Walk:
    """A seeded life of a down track. Chances are for each packet."""

    seed: int
    loss: float
    late: float
    repeat: float
    change: float
    key: float
    first_seq: int
    first_time: int
    padding: float = 0
    leap: float = 0
    short: bool = False
    """Picture ids of 7 bits instead of 15."""


walks = st.builds(
    Walk,
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0, 0.02, 0.2]),
    late=st.sampled_from([0, 0.1, 0.5]),
    padding=st.sampled_from([0, 0.1]),
    leap=st.sampled_from([0, 0, 0.05]),
    short=st.booleans(),
    repeat=st.sampled_from([0, 0.1]),
    change=st.sampled_from([0, 0.02, 0.1]),
    key=st.sampled_from([0.02, 0.3]),
    first_seq=st.sampled_from([0, 1, 32767, 65500, 65535]),
    first_time=st.sampled_from([0, 2**31 - 5000, 2**32 - 9000]),
)


def frames(walk: Walk, chance: random.Random, layer: int) -> Iterator[list[Packet]]:
    """The frames of one layer, of one to three packets each."""
    seq, picture, tl0 = walk.first_seq + 65536 + 7 * layer, 32760 + layer, 250
    for n in range(50):
        tid = PATTERN[n % 4]
        key = n == 0 or chance.random() < walk.key
        if key:
            tid = 0
        tl0 += tid == 0
        time = walk.first_time + 2**32 + 3000 * n + 1_000_000 * layer
        sync = chance.random() < 0.5
        count = chance.choice([1, 2, 3])
        packets = [Packet(layer, seq + i, time, picture, tl0, tid, sync, key and i == 0) for i in range(count)]
        if chance.random() < walk.padding:
            packets.append(replace(packets[-1], seq=seq + count, key=False, empty=True))
        yield packets
        seq, picture = seq + len(packets), picture + 1
        if chance.random() < walk.leap:
            seq += chance.choice([500, 511, 512, 513, 2000])


def on_the_way(walk: Walk, chance: random.Random) -> Iterator[tuple[float, Packet]]:
    """The packets of all layers with their time of arrival: some lost, some late, some twice."""
    arrivals: list[tuple[float, int, Packet]] = []
    for layer in range(3):
        for n, frame in enumerate(frames(walk, chance, layer)):
            for i, packet in enumerate(frame):
                if chance.random() < walk.loss:
                    continue
                at = 10 + n / 30 + i / 1e4 + layer / 1e3
                if chance.random() < walk.late:
                    at += chance.choice([0.25, 0.25, 5]) * chance.random()
                arrivals.append((at, len(arrivals), packet))
                if chance.random() < walk.repeat:
                    arrivals.append((at + chance.random() / 10, len(arrivals), packet))
    for at, _, packet in sorted(arrivals):
        yield round(at, 6), packet


def data(packet: Packet, short: bool = False) -> bytes:
    if packet.empty:
        return rtp(packet.seq, packet.time, b"", ssrc=SIMULCAST.ssrcs[packet.layer], padding=200)
    payload = vp8(
        packet.picture,
        tl0=packet.tl0,
        tid=packet.tid,
        sync=packet.sync,
        key=packet.key,
        start=packet.key,
        short=short,
    )
    return rtp(packet.seq, packet.time, payload, ssrc=SIMULCAST.ssrcs[packet.layer])


def wire(sent: Sent, short: bool) -> tuple[int, ...]:
    numbers = (sent.seq & 0xFFFF, sent.time & 0xFFFFFFFF)
    return (*numbers, -1) if sent.padding else (*numbers, sent.picture & (0x7F if short else 0x7FFF), sent.tl0 & 0xFF)


def seen(packet: bytes) -> tuple[int, ...]:
    p = read_rtp(packet)
    return (p.seq, p.time, -1) if not p.payload else (p.seq, p.time, p.picture[0] or 0, p.picture[1] or 0)


@given(walks)
@example(Walk(1, 0, 0, 0, 0, 0.02, 65535, 2**32 - 9000))
@example(Walk(2, 0.2, 0.5, 0.1, 0.1, 0.3, 65535, 2**32 - 9000))
@example(Walk(3, 0.2, 0.5, 0.1, 0.1, 0.3, 65535, 2**32 - 9000, 0.1, 0.05, True))
@settings(max_examples=25, deadline=None)
def test_the_engine_sends_what_the_model_sends(walk):
    chance = random.Random(walk.seed)
    engine = PacketForwarder.without_socket()
    publisher, subscriber = Publisher(), Subscriber(target=2)
    one, two = join(engine, PUBLISHER), join(engine, SUBSCRIBER)
    down = engine.add_down_track(two, engine.add_up_track(one, SIMULCAST), VIEW)
    try:
        for now, packet in on_the_way(walk, chance):
            if chance.random() < walk.change:
                wish = chance.choice(["pause", "resume", "resume", "layer", "layer"])
                if wish == "pause":
                    engine.pause_down_track(down)
                    subscriber.pause()
                elif wish == "resume":
                    engine.resume_down_track(down)
                    subscriber.resume()
                else:
                    spatial, temporal = chance.randrange(3), chance.randrange(4)
                    engine.set_target_layer(down, spatial, temporal)
                    subscriber.target, subscriber.temporal_target = spatial, temporal
            out = engine.work([(PUBLISHER, data(packet, walk.short))], now)
            in_order = publisher.receive(packet, now)
            expected = None if in_order is None else subscriber.receive(packet, in_order, publisher, now)
            sent = [seen(d) for remote, d in out if remote == SUBSCRIBER and not is_rtcp(d)]
            assert sent == ([wire(expected, walk.short)] if expected else []), (now, packet)
    finally:
        engine.close()


@given(walks)
@settings(max_examples=15, deadline=None)
def test_without_loss_the_subscriber_sees_no_gap_and_time_goes_forward(walk):
    chance = random.Random(walk.seed)
    engine = PacketForwarder.without_socket()
    one, two = join(engine, PUBLISHER), join(engine, SUBSCRIBER)
    down = engine.add_down_track(two, engine.add_up_track(one, SIMULCAST), VIEW)
    whole = Walk(walk.seed, 0, 0, walk.repeat, 0, walk.key, walk.first_seq, walk.first_time)
    packets = []
    try:
        for now, packet in on_the_way(whole, chance):
            if chance.random() < 0.03:
                engine.set_target_layer(down, chance.randrange(3), chance.randrange(4))
            if chance.random() < 0.02:
                chance.choice([engine.pause_down_track, engine.resume_down_track])(down)
            out = engine.work([(PUBLISHER, data(packet))], now)
            packets += [read_rtp(d) for remote, d in out if remote == SUBSCRIBER and not is_rtcp(d)]
    finally:
        engine.close()

    for before, after in itertools.pairwise(packets):
        assert (after.seq - before.seq) & 0xFFFF == 1
        assert (after.time - before.time) & 0xFFFFFFFF < 2**31
        assert ((after.picture[0] or 0) - (before.picture[0] or 0)) & 0x7FFF in (0, 1)
        assert ((after.picture[1] or 0) - (before.picture[1] or 0)) & 0xFF in (0, 1)


@settings(max_examples=100, deadline=None)
@given(
    elements=st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=6), min_size=1, max_size=8),
    ids=st.dictionaries(st.integers(1, 14), st.integers(0, 20)),
    number_id=st.integers(0, 20),
    two_byte=st.booleans(),
)
def test_header_extensions_are_the_models(
    elements: dict[int, bytes], ids: dict[int, int], number_id: int, two_byte: bool
) -> None:
    """Ids may come twice: the elements are compared, not a mapping of them."""
    engine = PacketForwarder.without_socket()
    publisher, subscriber = join(engine, PUBLISHER), join(engine, SUBSCRIBER)
    names = {f"urn:{number}": number for number in range(1, 15)}
    up = engine.add_up_track(publisher, replace(CAMERA, extensions=names))
    theirs = {f"urn:{number}": own for number, own in ids.items()} | {TRANSPORT_SEQUENCE: number_id}
    engine.add_down_track(subscriber, up, replace(VIEW, extensions=theirs))
    block = (two_byte_extensions if two_byte else one_byte_extensions)(elements)
    packet = rtp(1, 0, vp8(key=True), extensions=block)

    [sent] = [data for to, data in engine.work([(PUBLISHER, packet)], 10.0) if to == SUBSCRIBER and not is_rtcp(data)]
    engine.close()

    expected = mapped(list(elements.items()), len(block) - 4, ids, (number_id, b"\0\0"), two_byte=two_byte)
    assert len(sent) == len(packet)
    assert extension_elements(sent) == expected
    assert read_rtp(sent).payload == vp8(key=True)
