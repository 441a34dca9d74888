"""
Which simulcast layers a publisher shall send: those that somebody gets. One track's, towards one client that asked for publisher hints.
"""

from dataclasses import dataclass

OFF_AFTER_S = 3.0
"""A layer that nobody gets is turned off only after this: subscribers come and go, and a layer that starts needs a key frame."""
RETRY_S = 1.0
ANSWER_S = 5.0
MAX_TRIES = 3
"""Then the hint waits for another one: some browsers never apply any."""


@dataclass(slots=True)
class PublisherHints:
    """`applied` is what the client does, as far as we know: every layer is on at the start."""

    layers: int
    applied: tuple[bool, ...] = ()
    wanted: tuple[bool, ...] = ()
    asked: tuple[bool, ...] | None = None
    number: int = 0
    tries: int = 0
    asked_s: float = 0.0
    retry_s: float = 0.0
    unneeded_since_s: float | None = None

    def __post_init__(self) -> None:
        self.applied = self.wanted = (True,) * self.layers

    def want(self, layers: tuple[bool, ...], now: float) -> None:
        """What subscribers get now. More than before is wanted at once, less after a while."""
        together = tuple(new or old for new, old in zip(layers, self.wanted, strict=True))
        if together != self.wanted:
            self._set(together)
        if layers == self.wanted:
            self.unneeded_since_s = None
        elif self.unneeded_since_s is None:
            self.unneeded_since_s = now
        elif now >= self.unneeded_since_s + OFF_AFTER_S:
            self.unneeded_since_s = None
            self._set(layers)

    def _set(self, layers: tuple[bool, ...]) -> None:
        self.wanted = layers
        self.tries = 0
        self.retry_s = 0.0

    def is_waiting(self, now: float) -> bool:
        """Whether a hint is out that may still be answered."""
        return self.asked is not None and now < self.asked_s + ANSWER_S

    def hint_to_send(self, number: int, now: float) -> tuple[bool, ...] | None:
        """The hint to send under this number, or None. One at a time: two within 15 ms make the SDK fail the first."""
        if self.is_waiting(now) or self.wanted == self.applied or self.tries >= MAX_TRIES or now < self.retry_s:
            return None
        self.asked, self.number = self.wanted, number
        self.tries += 1
        self.asked_s = now
        return self.wanted

    def receive_result(self, number: int, result: str, now: float) -> None:
        """The client's answer to the hint of this number."""
        if self.asked is None or number != self.number:
            return
        if result == "OK":
            self.applied = self.asked
            self.tries = 0
        else:
            self.retry_s = now + RETRY_S
        self.asked = None

    def reset(self) -> None:
        """The local track was replaced: all layers are on again."""
        self.applied = (True,) * self.layers
        self.asked = None
        self.tries = 0
