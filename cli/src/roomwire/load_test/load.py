"""Runs a load test: joins everybody at the wanted pace, measures, leaves, and reports."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from roomwire.load_test.dtls import HandshakeFailed, Identity
from roomwire.load_test.engine import Engine
from roomwire.load_test.participant import Participant, ParticipantPlan
from roomwire.load_test.progress import Progress, joining, measuring
from roomwire.load_test.reading import Reading, take_reading, window_between
from roomwire.load_test.report import Failure, Report, Spread, latency_of, spread
from roomwire.load_test.rooms import Rooms
from roomwire.load_test.settings import LoadSettings
from roomwire.load_test.signaling import SignalingFailed
from roomwire.load_test.tokens import make_token
from roomwire.load_test.transport import Network

SETTLE_S = 2.0
"""After the last join: key frames asked for and sent, first reports exchanged."""
TOKEN_SPARE_S = 600.0
JOIN_FAILURES = (SignalingFailed, HandshakeFailed, OSError, ValueError)


def owed_packets(sent: Mapping[ParticipantPlan, int], present: Sequence[ParticipantPlan]) -> int:
    """How many packets those `present` should receive of what publishers have sent: all of their room, their own apart."""
    return sum(
        count * sum(other.subscribes and other.room == plan.room and other is not plan for other in present)
        for plan, count in sent.items()
    )


class Interrupted(Exception):
    """The test was interrupted before anything was measured."""


def plan_participants(settings: LoadSettings, now_s: float) -> Iterator[ParticipantPlan]:
    """Everybody, room by room, publishers first. The first, the middle and the last who receive in a room decrypt, and so measure latency."""
    ssrc = 1000
    lifetime_s = settings.duration_s + TOKEN_SPARE_S
    for room in settings.room_names:
        receivers = settings.subscribers + (settings.publishers if settings.all_to_all else 0)
        sampled = {0, receivers // 2, receivers - 1}
        receiver = 0
        for number in range(settings.publishers + settings.subscribers):
            publishes = number < settings.publishers
            subscribes = settings.all_to_all or not publishes
            identity = f"load-{'publisher' if publishes else 'subscriber'}-{number + 1}"
            yield ParticipantPlan(
                identity=identity,
                room=room,
                token=make_token(settings.credentials, identity, room, now_s, lifetime_s),
                streams=settings.streams(ssrc) if publishes else (),
                subscribes=subscribes,
                decrypts=subscribes and receiver in sampled,
            )
            ssrc += 10 * publishes
            receiver += subscribes


def expected_tracks(settings: LoadSettings) -> int:
    """How many tracks arrive anywhere when all is well."""
    own = len(settings.streams(0))
    others = settings.publishers * settings.subscribers
    if settings.all_to_all:
        others += settings.publishers * (settings.publishers - 1)
    return own * others * settings.rooms


class LoadTest:
    """
    One run. `run` returns a report even when some failed to join, or when `interrupt` ended the measuring early.

    Raises what stopped everybody: Refused, SignalingFailed, RestFailed when the first participant (or room) already failed; Interrupted before
    anything was measured.
    """

    def __init__(self, settings: LoadSettings, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress
        self._participants: list[Participant] = []
        self._failures: dict[Participant, Failure] = {}
        """The first of each participant: what follows from it says nothing new."""
        self._joins: set[asyncio.Task[None]] = set()
        self._staying = 0
        self._is_deserted = False
        self._over = asyncio.Event()

    def interrupt(self) -> None:
        """Join nobody else, measure no longer, and leave."""
        self._over.set()
        for join in self._joins:
            join.cancel()

    async def run(self) -> Report:
        rooms = Rooms(self._settings.base_url, self._settings.credentials) if self._settings.base_url else None
        engine = Engine()
        network = Network(engine)
        stays: list[asyncio.Task[None]] = []
        try:
            if rooms:
                await rooms.create(self._settings.room_names)
            await self._join_all(network)
            stays += [asyncio.create_task(self._stay(participant)) for participant in self._participants]
            first, last = await self._measure(engine)
            return self._report(first, last)
        finally:
            self._progress.end()
            await asyncio.gather(*(participant.leave() for participant in self._participants))
            await asyncio.gather(*stays)
            for failure in await rooms.complete() if rooms else ():
                self._progress.say(failure)
            network.close()
            engine.close()

    async def _join_all(self, network: Network) -> None:
        identity = Identity(self._settings.profiles)
        for number, plan in enumerate(plan_participants(self._settings, time.time())):
            if self._over.is_set():
                break
            participant = Participant(plan, self._settings.signaling_url, network, identity)
            if number == 0:  # alone: what is wrong for everybody shows here, and is the error of the whole run
                self._joins = {asyncio.create_task(self._join(participant))}
                await self._finish_joins()
            else:
                self._joins.add(asyncio.create_task(self._try_to_join(participant)))
                await self._pause(1 / self._settings.joins_per_s)
            self._show_joining()
        await self._finish_joins()

    async def _finish_joins(self) -> None:
        while self._joins:
            done, self._joins = await asyncio.wait(self._joins, return_when=asyncio.FIRST_COMPLETED)
            for join in done:
                if not join.cancelled():
                    join.result()
            self._show_joining()

    def _show_joining(self) -> None:
        joined, failed = len(self._participants), len(self._failures)
        self._progress.show(joining(joined, self._settings.participants, failed), time.monotonic())

    async def _join(self, participant: Participant) -> None:
        try:
            await participant.join(self._settings.join_patience_s)
        except TimeoutError:
            await participant.leave()
            raise SignalingFailed(f"media did not connect within {self._settings.join_patience_s:.0f} s") from None
        except (*JOIN_FAILURES, asyncio.CancelledError):
            await participant.leave()
            raise
        self._participants.append(participant)

    async def _try_to_join(self, participant: Participant) -> None:
        try:
            await self._join(participant)
        except JOIN_FAILURES as error:
            self._note_failure(participant, error)

    async def _stay(self, participant: Participant) -> None:
        self._staying += 1
        try:
            await participant.run()
        except SignalingFailed as error:
            self._note_failure(participant, error)
        self._staying -= 1
        if not self._staying:
            self._is_deserted = True
            self._over.set()

    def _note_failure(self, participant: Participant, error: Exception) -> None:
        plan = participant.plan
        self._failures.setdefault(participant, Failure(plan.room, plan.identity, str(error)))

    async def _measure(self, engine: Engine) -> tuple[Reading, Reading]:
        endpoints = [participant.endpoint for participant in self._participants if participant.endpoint]
        await self._pause(SETTLE_S)
        if self._over.is_set():
            if self._is_deserted:
                raise SignalingFailed(f"nobody could stay: {next(iter(self._failures.values())).reason}")
            raise Interrupted
        with engine.halted():
            first = latest = take_reading(engine, endpoints)
        end = first.time_s + self._settings.duration_s
        while latest.time_s < end and not self._over.is_set():
            await self._pause(min(1.0, max(0.0, end - time.monotonic())))
            previous, latest = latest, take_reading(engine, endpoints)
            window = window_between(previous, latest)
            self._progress.show(
                measuring(window, latest.time_s - first.time_s, self._settings.duration_s), latest.time_s
            )
        with engine.halted():
            return first, take_reading(engine, endpoints)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    def _report(self, first: Reading, last: Reading) -> Report:
        settings, window = self._settings, window_between(first, last)
        for participant in self._participants:
            if participant.transport.failure:
                self._note_failure(participant, participant.transport.failure)
        seconds = window.seconds
        present = [p.plan for p in self._participants]
        sent = {p.plan: window.sent_by.get(p.endpoint.index, 0) for p in self._participants if p.endpoint}
        owed = owed_packets(sent, present)
        return Report(
            rooms=settings.rooms,
            publishers=settings.publishers,
            subscribers=settings.subscribers,
            joined=len(self._participants),
            failures=tuple(self._failures.values()),
            seconds=seconds,
            srtp_profiles=tuple(sorted({p.transport.profile for p in self._participants if p.transport.profile})),
            tracks_published=sum(len(p.plan.streams) for p in self._participants),
            tracks_expected=expected_tracks(settings),
            tracks_received=last.flowing(settings.silent_s),
            sent_packets_per_s=window.sent_packets / seconds,
            sent_bps=window.sent_octets * 8 / seconds,
            received_packets_per_s=window.received / seconds,
            received_bps=window.received_octets * 8 / seconds,
            received_packets=window.received,
            lost_packets=window.lost,
            # What was on its way when the window began came in it, so it may be more than was sent in it.
            delivered_percent=min(100.0, 100 * window.received / owed) if owed else 100.0,
            longest_silence_ms=1000 * last.longest_silence_s,
            loss_percent=100 * window.lost / window.expected if window.expected else 0.0,
            recovered_packets=window.recovered,
            duplicate_packets=window.duplicates,
            reordered_packets=window.reordered,
            nacked_packets=window.nacked,
            retransmitted_packets=window.retransmitted,
            plis_received=last.totals.plis,
            keyframes_sent=last.keyframes,
            undecryptable_packets=window.totals.authentication_failures,
            foreign_packets=window.totals.foreign_payloads,
            unsent_packets=window.totals.send_failures,
            unread_packets=window.totals.queue_drops,
            latency=latency_of(window),
            joining_signaled=self._joining(lambda p: p.moments.signaled),
            joining_connected=self._joining(lambda p: p.moments.connected),
            joining_media=self._joining(lambda p: first_media_s(p, last)),
            tester_cpu_percent=100 * window.cpu_share,
            tester_late_percent=100 * window.late_ticks / window.ticks if window.ticks else 0.0,
        )

    def _joining(self, moment: Callable[[Participant], float | None]) -> Spread | None:
        times = [(reached - p.moments.started) for p in self._participants if (reached := moment(p)) is not None]
        return spread(times)


def first_media_s(participant: Participant, reading: Reading) -> float | None:
    """When the participant's first media packet came, in monotonic seconds."""
    endpoint = participant.endpoint
    if endpoint is None:
        return None
    return min((s.first_s for (index, _), s in reading.received.items() if index == endpoint.index), default=None)
