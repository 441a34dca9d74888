"""
Delivers status callbacks: claims the streams that are due, sends what each owes in order, records the answer, tries again later.

At least once: what was sent, and its answer not recorded before this process died, is sent again, by whoever claims the stream next.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from contract.keys import CallbackSignature, SignCallback
from contract.subjects import KEYS_SIGN
from pydantic import TypeAdapter
from service_kit.bus import Bus, BusUnavailable
from service_kit.tracing import start_trace
from sqlalchemy.exc import SQLAlchemyError

from rooms_api.clock import Clock
from rooms_api.core.receivers import Capacity, Connection, Receivers
from rooms_api.core.webhook import BadUrl, FailureReason, failure_of, make_request, retry_delay_s
from rooms_api.lookout import Lookout
from rooms_api.loops import keep_watch, repeat
from rooms_api.metrics import (
    CALLBACK_DELIVERY,
    CALLBACK_FAILURES,
    CALLBACKS_DELIVERED,
    CALLBACKS_GIVEN_UP,
    CALLBACKS_PENDING,
)
from rooms_api.store.callbacks import Attempt, CallbackStatus, CallbackStore, Claim, Owed
from rooms_api.webhook_client import NoAnswer, WebhookClient

log = structlog.get_logger()

Sign = Callable[[str, str], Awaitable[str]]
"""The signature of a text by an account's auth token. Raises `BusUnavailable`."""

PERIOD_S = 0.25
"""How late a deadline may be noticed; our own commits wake us."""
LONGEST_S = 5.0
"""A replica that dies leaves what it has just committed to the others, who need not know of it yet. Its leases they do."""
LEASE_S = 6.0
RENEWAL_S = 1.5
MARGIN_S = 1.0
"""Nothing is sent in the last moments of a lease."""
UNSIGNED_S = 1.0
"""Pause of a stream while token-issuer does not answer."""
FINISH_S = 3.0
"""At the end, tries that run have this long to hear their answer."""
CLEANING_S = 600.0
MEASURING_S = 5.0
MEASURING_LONGEST_S = 15.0
IN_A_ROW = 20
"""Callbacks that a stream sends before it queues again."""

signature: TypeAdapter[CallbackSignature] = TypeAdapter(CallbackSignature)


def bus_signer(bus: Bus) -> Sign:
    """Signing by token-issuer, which alone has the auth token."""

    async def sign(account_sid: str, text: str) -> str:
        reply = await bus.request(KEYS_SIGN, SignCallback(account_sid=account_sid, message=text), signature)
        return reply.signature

    return sign


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a receiver is tried (seconds), and how long the log is kept."""

    retry_s: float
    log_s: float


@dataclass(slots=True)
class _Run:
    """A stream that is being worked on. Monotonic: after `held_until` the lease may be another's; `asking_since` is when the request under way began."""

    claim: Claim
    held_until: float
    asking_since: float | None = None
    task: asyncio.Task[None] | None = None


class Webhooks:
    """Runs until cancelled. `wake` it after a commit that owes something."""

    def __init__(
        self,
        store: CallbackStore,
        client: WebhookClient,
        sign: Sign,
        clock: Clock,
        lookout: Callable[[float], Lookout],
        patience: Patience,
    ) -> None:
        self._store = store
        self._client = client
        self._sign = sign
        self._clock = clock
        self._patience = patience
        self._runs: dict[str, _Run] = {}
        self._receivers = Receivers()
        self._due = asyncio.Event()
        self._lookout = lookout
        self._stopping = False

    def wake(self) -> None:
        """Something is owed: do not wait for the next look."""
        self._due.set()

    async def replay(self, account_sid: str, sid: str) -> bool:
        """Send a callback again, now. Tells whether there is one."""
        found = await self._store.replay(account_sid, sid, self._clock.wall())
        self.wake()
        return found

    async def run(self) -> None:
        """Deliver until cancelled; then finish what is being sent, and give everything back."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_watch(PERIOD_S, self.take_due, self._lookout(LONGEST_S), self._due))
                tasks.create_task(repeat(RENEWAL_S, self.renew))
                tasks.create_task(repeat(CLEANING_S, self.clean))
                tasks.create_task(keep_watch(MEASURING_S, self.measure, self._lookout(MEASURING_LONGEST_S)))
        finally:
            await self._stop()

    async def take_due(self) -> float | None:
        """Claim what is due, as far as there are connections for it. Returns when there will be more, which may have been in the past."""
        begun = self._clock.monotonic()
        now = self._clock.wall()
        # Not those that run: their lease may have run out unnoticed.
        claims, due_at = await self._store.claim(now, now + LEASE_S, self._capacity(), frozenset(self._runs))
        for claim in claims:
            run = self._runs[claim.stream] = _Run(claim, begun + LEASE_S)
            run.task = asyncio.create_task(self._work(run))
        return now if self._runs else due_at  # connections come free, and receivers count as slow, at any time

    async def renew(self) -> None:
        """Prolong the leases of the streams that are being worked on."""
        if not self._runs:
            return
        begun = self._clock.monotonic()
        runs = list(self._runs.values())
        held = await self._store.renew([run.claim for run in runs], self._clock.wall() + LEASE_S)
        for run in runs:
            run.held_until = begun + LEASE_S if run.claim.stream in held else begun

    async def clean(self) -> None:
        """Delete the log's old entries."""
        await self._store.clean(self._clock.wall() - self._patience.log_s)

    async def measure(self) -> None:
        """For the metrics."""
        CALLBACKS_PENDING.set(await self._store.pending())

    def _capacity(self) -> Capacity:
        connections = (Connection(run.claim.receiver, run.asking_since) for run in self._runs.values())
        return self._receivers.capacity(connections, self._clock.monotonic())

    async def _work(self, run: _Run) -> None:
        """Send what a stream owes, until it owes nothing, fails, or has had its turn. After a failure of ours its lease runs out by itself."""
        start_trace()
        claim = run.claim
        try:
            owed = await self._store.first(claim)
            for _ in range(IN_A_ROW):
                if owed is None or self._stopping:
                    break
                attempt = await self._try(run, owed)
                if attempt is None:
                    await self._store.release([claim], self._clock.wall() + UNSIGNED_S)
                    return
                owed = await self._record(claim, owed, attempt)
            if owed is not None:
                await self._store.release([claim], self._clock.wall())
        except SQLAlchemyError as error:
            log.warning("callbacks wait for the database", error=repr(error))
        except Exception:
            log.exception("callbacks failed", receiver=claim.receiver)
        finally:
            had_room = self._capacity().take(claim.receiver)
            del self._runs[claim.stream]
            if not had_room:
                self.wake()

    async def _try(self, run: _Run, owed: Owed) -> Attempt | None:
        """Send one callback. None when it could not even be tried."""
        at = self._clock.wall()
        try:
            request = make_request(owed.url, owed.method, owed.body)
        except BadUrl as error:
            CALLBACK_FAILURES.labels(FailureReason.BAD_URL).inc()
            return Attempt(at, 0, error=f"The URL {error}")
        try:
            signed = await self._sign(owed.account_sid, request.signed_text)
        except BusUnavailable:
            log.warning("callback cannot be signed now", callback_sid=owed.sid)
            return None
        begun = run.asking_since = self._clock.monotonic()
        if begun > run.held_until - MARGIN_S:
            log.warning("lease of callbacks is uncertain", room_sid=owed.room_sid)
            return None
        headers = [
            ("User-Agent", "Roomwire"),
            ("X-Twilio-Signature", signed),
            ("I-Twilio-Idempotency-Token", owed.sid),
        ]
        status = failure = None
        try:
            status = await self._client.send(request, headers)
            if not self._receivers.is_quick(run.claim.receiver):
                self.wake()  # for the streams that waited for it
            self._receivers.receive_answer(run.claim.receiver, self._clock.monotonic() - begun)
            reason = failure_of(status)
        except NoAnswer as error:
            failure, reason = str(error), error.reason
            self._receivers.receive_silence(run.claim.receiver)
        finally:
            run.asking_since = None
        if reason is not None:
            CALLBACK_FAILURES.labels(reason).inc()
        return Attempt(at, round((self._clock.monotonic() - begun) * 1000), status, failure)

    async def _record(self, claim: Claim, owed: Owed, attempt: Attempt) -> Owed | None:
        """Keep what came of a try. Returns what the stream owes next, None when it is not its turn now."""
        now = self._clock.wall()
        told = log.bind(callback_sid=owed.sid, room_sid=owed.room_sid, event_name=owed.event)
        if attempt.response_code is not None and failure_of(attempt.response_code) is None:
            told.info("callback delivered", response_code=attempt.response_code)
            CALLBACKS_DELIVERED.inc()
            CALLBACK_DELIVERY.observe(max(0.0, now - owed.owed_at))
            return await self._store.finish(claim, owed, attempt, CallbackStatus.DELIVERED, now)
        delay_s = retry_delay_s(await self._store.tries(owed) + 1, random.random())
        if now + delay_s > owed.owed_at + self._patience.retry_s:
            told.warning("callback given up", response_code=attempt.response_code, error=attempt.error)
            CALLBACKS_GIVEN_UP.inc()
            return await self._store.finish(claim, owed, attempt, CallbackStatus.FAILED, now)
        told.warning("callback failed", response_code=attempt.response_code, error=attempt.error, retry_s=delay_s)
        await self._store.postpone(claim, owed, attempt, now + delay_s)
        return None

    async def _stop(self) -> None:
        self._stopping = True
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=FINISH_S)
            left = [run.claim for run in self._runs.values()]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            try:
                await self._store.release(left, self._clock.wall())
            except SQLAlchemyError as error:
                log.warning("callbacks could not be given back", error=repr(error))
        self._client.close()
