"""
Data channels of one peer, and the relaying of data tracks between peers.

Nothing is dropped on a reliable channel: what a subscriber cannot take yet waits here, and while it waits it is taken out of the publisher's receive
window, so that SCTP itself slows the publisher down. A subscriber that takes nothing for `STALLED_S` slows nobody down any more; if it falls
`QUEUE_OCTETS` behind, its channel is closed, which it can see, rather than a message left out, which it could not. Unreliable channels drop instead.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from aiortc import RTCDataChannel

from media_sfu.core.actions import ChannelParameters
from media_sfu.dtls import MAX_MESSAGE_SIZE, SctpAssociation

log = structlog.get_logger()

QUEUE_OCTETS = 4 * 1024 * 1024
UNRELIABLE_QUEUE_OCTETS = 256 * 1024
IN_FLIGHT_OCTETS = 64 * 1024
"""Handed to SCTP at a time; the rest waits here, where it can be counted."""
STALLED_S = 5.0
BACKLOG_S = 5.0
BACKLOG_OCTETS = 512 * 1024
"""What a client sends right after opening a channel is kept this long for subscribers whose channels are still being made."""
MAX_CLIENT_CHANNELS = 100

Data = str | bytes
Clock = Callable[[], float]


class Held:
    """A message that waits for at least one subscriber: its octets are out of the publisher's receive window until the last has taken it."""

    __slots__ = ("_association", "_octets", "_waiting")

    def __init__(self, association: SctpAssociation, octets: int) -> None:
        self._association = association
        self._octets = octets
        self._waiting = 0

    def take(self) -> None:
        self._waiting += 1
        if self._waiting == 1:
            self._association.hold(self._octets)

    def give_back(self) -> None:
        self._waiting -= 1
        if self._waiting == 0:
            self._association.release(self._octets)


class DownChannel:
    """A channel that we opened towards a client."""

    def __init__(self, channel: RTCDataChannel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._queue: deque[tuple[Data, int, Held | None]] = deque()
        self._queued = 0
        self._progress_s = clock()
        self._is_reliable = channel.maxRetransmits is None and channel.maxPacketLifeTime is None
        self.dropped = 0
        channel.bufferedAmountLowThreshold = IN_FLIGHT_OCTETS // 2
        channel.on("open", self._drain)
        channel.on("bufferedamountlow", self._drain)
        channel.on("close", self._forget_queue)

    @property
    def is_closed(self) -> bool:
        return self._channel.readyState in ("closing", "closed")

    def send(self, data: Data, held: Held | None = None) -> None:
        """Send in order after what waits. `held` slows the publisher down while the message waits."""
        if self.is_closed:
            return
        octets = octets_of(data)
        if not self._queue:
            self._progress_s = self._clock()
        limit = QUEUE_OCTETS if self._is_reliable else UNRELIABLE_QUEUE_OCTETS
        if self._queued + octets > limit:
            self._overflow()
            return
        if not self._is_reliable or self._is_stalled():
            held = None
        if held is not None:
            held.take()
        self._queue.append((data, octets, held))
        self._queued += octets
        self._drain()

    def handle_timeout(self) -> None:
        """Call once a second: lets the publishers go that a stalled subscriber holds back."""
        if self._queue and self._is_stalled():
            for index, (data, octets, held) in enumerate(self._queue):
                if held is not None:
                    held.give_back()
                    self._queue[index] = (data, octets, None)

    def close(self) -> None:
        self._forget_queue()
        self._channel.close()

    def _is_stalled(self) -> bool:
        return self._clock() - self._progress_s > STALLED_S

    def _drain(self) -> None:
        while self._queue and self._channel.readyState == "open" and self._channel.bufferedAmount < IN_FLIGHT_OCTETS:
            data, octets, held = self._queue.popleft()
            self._queued -= octets
            self._progress_s = self._clock()
            if held is not None:
                held.give_back()
            try:
                self._channel.send(data)
            except ValueError:  # longer than the client said it takes
                self.dropped += 1

    def _overflow(self) -> None:
        if not self._is_reliable:
            self.dropped += 1
            return
        log.warning("data channel closed, its subscriber is too far behind", label=self._channel.label)
        self.close()

    def _forget_queue(self) -> None:
        while self._queue:
            _, _, held = self._queue.popleft()
            if held is not None:
                held.give_back()
        self._queued = 0


@dataclass(slots=True)
class UpChannel:
    """A channel that a client opened. Its early messages are kept for subscribers that are still being connected."""

    channel: RTCDataChannel
    association: SctpAssociation
    opened_s: float
    subscribers: list[DownChannel] = field(default_factory=list)
    _backlog: deque[Data] = field(default_factory=deque)
    _backlog_octets: int = 0

    @property
    def parameters(self) -> ChannelParameters:
        channel = self.channel
        return ChannelParameters(channel.ordered, channel.maxRetransmits, channel.maxPacketLifeTime)

    def receive(self, data: Data, now: float) -> None:
        """A message of the client's: to every subscriber."""
        octets = octets_of(data)
        if now - self.opened_s < BACKLOG_S and self._backlog_octets + octets <= BACKLOG_OCTETS:
            self._backlog.append(data)
            self._backlog_octets += octets
        held = Held(self.association, octets)
        self.subscribers = [subscriber for subscriber in self.subscribers if not subscriber.is_closed]
        for subscriber in self.subscribers:
            subscriber.send(data, held)

    def add_subscriber(self, subscriber: DownChannel, now: float) -> None:
        """Relay to this one too; within the first seconds it gets everything that was sent before it came."""
        if now - self.opened_s >= BACKLOG_S:
            self._backlog.clear()
        for data in self._backlog:
            subscriber.send(data)
        self.subscribers.append(subscriber)


class DataChannels:
    """
    All channels of one peer, by label: those the client opened and those we opened. Set the `on_` functions before the association starts.
    """

    def __init__(self, association: SctpAssociation, clock: Clock) -> None:
        self._association = association
        self._clock = clock
        self._closed = False
        self.up: dict[str, UpChannel] = {}
        self.down: dict[str, DownChannel] = {}
        self.on_opened: Callable[[str, ChannelParameters], None] = lambda label, parameters: None
        """The client opened a channel."""
        self.on_closed: Callable[[str], None] = lambda label: None
        """A channel that the client or we had opened is gone; not called for `close` here."""
        association.on("datachannel", self._receive_channel)

    def open(self, label: str, parameters: ChannelParameters, on_text: Callable[[str], None] | None) -> DownChannel:
        """Open a channel towards the client. Texts that the client sends on it go to `on_text`; other messages are dropped."""
        channel = self._association.make_channel(label, parameters)
        down = self.down[label] = DownChannel(channel, self._clock)

        def receive(data: Data) -> None:
            if on_text is not None and isinstance(data, str) and octets_of(data) <= MAX_MESSAGE_SIZE:
                on_text(data)

        def closed() -> None:
            if self.down.get(label) is down:
                del self.down[label]
                if not self._closed:
                    self.on_closed(label)

        channel.on("message", receive)
        channel.on("close", closed)
        return down

    def close_down(self, label: str) -> DownChannel | None:
        """Close a channel that we opened, and return it; None when it is gone."""
        down = self.down.pop(label, None)
        if down is not None:
            down.close()
        return down

    def close(self) -> None:
        """Forget everything. Nobody is called back."""
        self._closed = True
        for down in list(self.down.values()):
            down.close()
        self.down.clear()
        self.up.clear()

    def handle_timeout(self) -> None:
        """Call once a second."""
        for down in list(self.down.values()):
            down.handle_timeout()

    def _receive_channel(self, channel: RTCDataChannel) -> None:
        label = channel.label
        if self._closed or label in self.up or len(self.up) >= MAX_CLIENT_CHANNELS:
            channel.close()
            return
        up = self.up[label] = UpChannel(channel, self._association, self._clock())

        def receive(data: Data) -> None:
            if octets_of(data) <= MAX_MESSAGE_SIZE:
                up.receive(data, self._clock())

        def closed() -> None:
            if self.up.get(label) is up:
                del self.up[label]
                if not self._closed:
                    self.on_closed(label)

        channel.on("message", receive)
        channel.on("close", closed)
        self.on_opened(label, up.parameters)


def octets_of(data: Data) -> int:
    return len(data.encode()) if isinstance(data, str) else len(data)
