"""What a subscriber can receive: an estimate, and a sender that follows it, over a simulated line."""

from dataclasses import dataclass, field
from math import inf

import pytest
from media_sfu.core.bandwidth.estimate import DownlinkEstimate
from media_sfu.core.bandwidth.probing import LENGTH_S
from media_sfu.forwarder import Delivery, PeerHandle, Probe

from tests.kit.udp_relay import Line

READING_S = 0.2
TICK_S = 0.005
OCTETS = 1000
FILLER = 244


@dataclass
class Viewer:
    """
    Gets the largest of `layers_bps` that its estimate's budget allows, or nothing, over a line of 20 ms; a smaller layer takes `switch_s` to come. What is
    sent and what arrives is kept second by second.
    """

    line: Line
    layers_bps: tuple[int, ...] = (150_000, 500_000, 1_500_000)
    switch_s: float = 0.3
    estimate: DownlinkEstimate = field(default_factory=DownlinkEstimate)
    now: float = 10.0
    layers: list[int] = field(default_factory=list)
    """In each reading; -1 is nothing."""
    probes: list[float] = field(default_factory=list)
    queues_s: list[float] = field(default_factory=list)
    _credit: float = 0.0
    _arrived: list[tuple[float, float, int, bool]] = field(default_factory=list)
    """Arrival, way, octets, whether it is padding."""
    _lost: int = 0
    _latest: float | None = None
    _least_s: float = inf
    _probe: tuple[float, float] | None = None
    """Its rate, and its end."""
    _sent_fillers: list[float] = field(default_factory=list)
    _fillers: list[float] = field(default_factory=list)
    _layer: int = 99
    _switched: float = 0.0

    def watch(self, seconds: float) -> None:
        for _ in range(round(seconds / READING_S)):
            for _ in range(round(READING_S / TICK_S)):
                self._tick()
            self._read()

    def _tick(self) -> None:
        self.now += TICK_S
        fits = max((n for n, bps in enumerate(self.layers_bps) if bps <= self.estimate.budget_bps), default=-1)
        if fits != self._layer and self.now >= self._switched + self.switch_s:
            self._layer, self._switched = fits, self.now
        if self._layer >= 0:
            self._credit += self.layers_bps[self._layer] * TICK_S / 8
        while self._credit >= OCTETS:
            self._credit -= OCTETS
            self._send(OCTETS, is_filler=False)
        if self._probe is not None:
            bps, end = self._probe
            for _ in range(round(bps * TICK_S / 8 / FILLER)):
                self._sent_fillers.append(self.now)
                self._send(FILLER, is_filler=True)
            if self.now >= end:
                self._probe = None

    def _send(self, octets: int, *, is_filler: bool) -> None:
        delays = self.line.carry(octets, self.now)
        if not delays and not is_filler:
            self._lost += 1
        for delay in delays:
            self._arrived.append((self.now + delay, delay, octets, is_filler))

    def _read(self) -> None:
        came = sorted(packet for packet in self._arrived if packet[0] <= self.now)
        self._arrived = [packet for packet in self._arrived if packet[0] > self.now]
        self.layers.append(self._layer)
        probe = None
        if came or self._lost or self._sent_fillers:
            self._least_s = min([self._least_s, *(way for _, way, _, _ in came)])
            queue_s = min((way for _, way, _, _ in came), default=self._least_s) - self._least_s
            self.queues_s.append(queue_s)
            self._fillers += [at for at, _, _, is_filler in came if is_filler]
            if self._sent_fillers and self.now > self._sent_fillers[-1] + 0.4:
                probe = self._probe_result()
            span_s = came[-1][0] - self._latest if came and self._latest is not None else None
            self._latest = came[-1][0] if came else self._latest
            octets = sum(packet[2] for packet in came)
            delivery = Delivery(PeerHandle(1), len(came), octets, self._lost, span_s, queue_s, probe)
            self._lost = 0
            self.estimate.receive_delivery(delivery, self.now)
        if self.estimate.budget_bps < inf:
            rate = self.estimate.probe_to_send(self.layers_bps[-1], self.now)
            if rate is not None:
                self.probes.append(rate)
                self._probe = rate, self.now + LENGTH_S

    def _probe_result(self) -> Probe | None:
        sent, self._sent_fillers = self._sent_fillers, []
        came, self._fillers = self._fillers, []
        bits = 8 * FILLER * (len(came) - 1)
        if len(came) < 2:
            return None
        return Probe(bits / (sent[-1] - sent[0]), bits / (came[-1] - came[0]), len(came) / len(sent))


def viewer(rate_bps: float, loss: float = 0.0, **options: object) -> Viewer:
    return Viewer(Line(1, rate_bps=rate_bps, loss=loss, delay_s=0.02), **options)  # type: ignore[arg-type]  # tests' own


def test_a_free_line_has_no_bound() -> None:
    bob = viewer(10_000_000)
    bob.watch(20)

    assert bob.estimate.budget_bps == inf
    assert bob.probes == []


def test_on_a_slow_line_the_lowest_layer_comes_within_a_second_and_stays() -> None:
    bob = viewer(400_000)
    bob.watch(30)

    assert set(bob.layers[5:]) == {0}
    assert 250_000 < bob.estimate.budget_bps < 400_000


def test_probes_of_a_slow_line_make_no_queue_that_is_seen() -> None:
    bob = viewer(400_000)
    bob.watch(30)

    assert len(bob.probes) > 8
    assert max(bob.queues_s[10:]) < 0.05
    assert bob.line.lost < 80  # before the first cut


def test_when_the_line_is_free_again_the_highest_layer_comes_back_within_five_seconds() -> None:
    bob = viewer(400_000)
    bob.watch(20)
    bob.line.rate_bps = 10_000_000
    bob.watch(5)

    assert bob.layers[-1] == 2
    bob.watch(40)
    assert bob.estimate.budget_bps == inf
    assert set(bob.layers[-200:]) == {2}


def test_a_line_for_the_middle_layer_gets_that() -> None:
    bob = viewer(900_000)
    bob.watch(30)

    assert set(bob.layers[30:]) == {1}
    assert bob.line.lost < 200


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_a_line_that_always_loses_packets_is_not_taken_for_a_full_one_for_long(loss: float) -> None:
    bob = viewer(10_000_000, loss=loss)
    bob.watch(30)

    assert bob.layers[-1] == 2
    assert set(bob.layers[-50:]) == {2}


def test_a_line_that_drops_instead_of_queueing_is_followed_too() -> None:
    bob = viewer(400_000)
    bob.line.queue_s = 0.02
    bob.watch(20)

    assert set(bob.layers[15:]) == {0}


def test_a_way_that_becomes_longer_is_no_queue_of_ours() -> None:
    bob = viewer(10_000_000)
    bob.watch(5)
    bob.line.delay_s = 0.25
    bob.watch(25)

    assert bob.layers[-1] == 2


def test_when_nothing_fits_nothing_is_sent_until_it_does() -> None:
    bob = viewer(400_000, layers_bps=(1_000_000,))
    bob.watch(20)
    assert set(bob.layers[15:]) == {-1}

    bob.line.rate_bps = 3_000_000
    bob.watch(5)
    assert bob.layers[-1] == 0


def test_a_bound_of_a_line_that_was_slow_once_is_a_suspicion_like_the_first() -> None:
    bob = viewer(400_000, layers_bps=(1_000_000,))
    bob.watch(20)
    assert bob.estimate.is_proven

    bob.line.rate_bps = 10_000_000
    bob.watch(5)
    assert not bob.estimate.is_proven
    bob.line.delay_s = 0.2  # a browser that is too busy to read
    bob.watch(0.6)
    bob.line.delay_s = 0.02
    assert bob.estimate.budget_bps < 1_000_000
    assert not bob.estimate.is_proven
    bob.watch(5)
    assert not bob.estimate.is_proven
    assert bob.layers[-1] == 0


def test_a_jump_of_a_few_packets_is_no_congestion() -> None:
    estimate = DownlinkEstimate()
    for n in range(100):
        delivery = Delivery(PeerHandle(1), 4, 4000, n % 7 == 0, 0.2, 0.3 * (n % 10 == 0))
        estimate.receive_delivery(delivery, n / 5)

    assert estimate.budget_bps == inf
