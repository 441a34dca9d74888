"""
TCMP, the transport protocol on a client's socket: hello and welcome, heartbeats both ways, bodies in frames, and the end of it.

Owns no socket and reads no clock: frames and times come in, frames and events come out. Knows nothing of rooms.

Source: the SDK's own behaviour, told in PROTOCOL.md, "TCMP".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from pydantic import ValidationError

from signaling_gateway.core.wire import Bye, ClientBody, Heartbeat, Hello, Msg, client_body, client_frame

TCMP_VERSION = 2
MAX_PERIOD_S = 5.0
MIN_PERIOD_S = 0.5  # clients send 0.2 s before the period ends, so it must be well above that
MISSED_PERIODS = 3

PROTOCOL_BROKEN = 1008
CLIENT_SILENT = 1011


@dataclass(frozen=True, slots=True)
class BodyReceived:
    body: ClientBody


@dataclass(frozen=True, slots=True)
class BodyUnreadable:
    """The client sent something that is no message. `reason` may be told to it."""

    reason: str


@dataclass(frozen=True, slots=True)
class ByeReceived:
    """The client is about to close on purpose."""


@dataclass(frozen=True, slots=True)
class LinkFailed:
    """Close the socket with this code. Never 1000: that would end the client's room without an error."""

    close_code: int
    reason: str


LinkEvent = BodyReceived | BodyUnreadable | ByeReceived | LinkFailed


class State(Enum):
    WAITING = auto()
    """For the first hello."""
    OPEN = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """`burst` frames at once and `rate` frames a second in the long run; `hello_deadline_s` until the first hello."""

    hello_deadline_s: float = 15.0
    rate: float = 50.0
    burst: float = 400.0


class Link:
    """One socket's TCMP state. Feed it text and time; after each call take `frames_to_send` and `events_received`."""

    def __init__(self, now: float, limits: LinkLimits = LinkLimits(), *, is_busy: bool = False) -> None:
        self._state = State.WAITING
        self._limits = limits
        self._is_busy = is_busy
        self._hello_until = now + limits.hello_deadline_s
        self._period_s = MAX_PERIOD_S
        self._sent_at = now
        self._heard_at = now
        self._tokens = limits.burst
        self._tokens_at = now
        self._took_hello_body = False
        self._frames: list[str] = []
        self._events: list[LinkEvent] = []

    @property
    def is_open(self) -> bool:
        return self._state is State.OPEN

    def receive_text(self, text: str, now: float) -> None:
        """Take one frame. A frame that is none is answered by `bad` before welcome, and reported as `BodyUnreadable` after it."""
        if self._state is State.CLOSED:
            return
        self._heard_at = now
        if not self._take_token(now):
            self._fail(PROTOCOL_BROKEN, "too many messages")
            return
        try:
            frame = client_frame.validate_json(text)
        except ValidationError as error:
            self._refuse(_reason(error), now)
            return
        match frame:
            case Hello():
                self._receive_hello(frame, now)
            case _ if self._state is State.WAITING:
                self._refuse("hello expected", now)
            case Msg(body=body):
                self._receive_body(body)
            case Bye():
                self._events.append(ByeReceived())
            case Heartbeat():
                pass

    def _receive_hello(self, hello: Hello, now: float) -> None:
        if hello.version != TCMP_VERSION:
            self._refuse("unsupported version", now)
            return
        if self._is_busy:
            self._send({"type": "busy", "retryAfter": -1, "keepAlive": False}, now)
            return
        self._state = State.OPEN
        self._period_s = min(MAX_PERIOD_S, max(MIN_PERIOD_S, hello.timeout / 1000))
        self._send({"type": "welcome", "negotiatedTimeout": round(self._period_s * 1000)}, now)
        if hello.body is not None and not self._took_hello_body:
            self._took_hello_body = True
            self._receive_body(hello.body)

    def _receive_body(self, body: dict[str, Any]) -> None:
        try:
            self._events.append(BodyReceived(client_body.validate_python(body)))
        except ValidationError as error:
            self._events.append(BodyUnreadable(_reason(error)))

    def _refuse(self, reason: str, now: float) -> None:
        if self._state is State.OPEN:
            self._events.append(BodyUnreadable(reason))
            return
        self._send({"type": "bad", "reason": reason}, now)
        self._fail(PROTOCOL_BROKEN, reason)

    def send(self, body: Mapping[str, Any], now: float) -> None:
        """Send a body to the client. Only once the link is open: a client drops what comes before welcome."""
        if self._state is State.OPEN:
            self._send({"type": "msg", "body": body}, now)

    def close(self) -> None:
        """The conversation is over: no more heartbeats, whatever comes is ignored."""
        self._state = State.CLOSED

    def handle_timeout(self, now: float) -> None:
        """Send a heartbeat when the link was idle, give up a client that was silent too long."""
        if self._state is State.WAITING and now >= self._hello_until:
            self._fail(PROTOCOL_BROKEN, "no hello in time")
        elif self._state is State.OPEN:
            if now >= self._silent_at():
                self._fail(CLIENT_SILENT, "client silent")
            elif now >= self._heartbeat_at():
                self._send({"type": "heartbeat"}, now)

    def forgive_silence(self, now: float) -> None:
        """We were held up ourselves, and have not read what the client said meanwhile: it has at least one more period. Call before `handle_timeout`."""
        self._heard_at = max(self._heard_at, now - (MISSED_PERIODS - 1) * self._period_s)
        self._hello_until = max(self._hello_until, now + self._period_s)

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`, in the clock of `now`; None for never."""
        match self._state:
            case State.WAITING:
                return self._hello_until
            case State.OPEN:
                return min(self._silent_at(), self._heartbeat_at())
            case State.CLOSED:
                return None

    def frames_to_send(self) -> list[str]:
        frames, self._frames = self._frames, []
        return frames

    def events_received(self) -> list[LinkEvent]:
        events, self._events = self._events, []
        return events

    def _silent_at(self) -> float:
        return self._heard_at + MISSED_PERIODS * self._period_s

    def _heartbeat_at(self) -> float:
        return self._sent_at + 0.9 * self._period_s

    def _send(self, frame: Mapping[str, Any], now: float) -> None:
        self._sent_at = now
        self._frames.append(json.dumps(frame, separators=(",", ":")))

    def _fail(self, close_code: int, reason: str) -> None:
        self._state = State.CLOSED
        self._events.append(LinkFailed(close_code, reason))

    def _take_token(self, now: float) -> bool:
        self._tokens = min(self._limits.burst, self._tokens + (now - self._tokens_at) * self._limits.rate)
        self._tokens_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _reason(error: ValidationError) -> str:
    """Where the message is wrong, and how; never its content."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['type']}" if place else str(first["type"])
