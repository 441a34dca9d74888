"""
The scenarios, each as who publishes to whom: A 1 to 20, B 1 to 100, C four rooms of five where everybody receives the four others, D the ramp (A with
its frame rate raised until packets are lost or late).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """`rooms` rooms with `publishers` and `subscribers`; `others` counts the publishers that each subscriber receives."""

    name: str
    rooms: int
    publishers: int
    subscribers: int

    @property
    def fan_out(self) -> int:
        """Packets forwarded for each packet sent."""
        return self.subscribers if self.publishers == 1 else self.publishers - 1

    def feeds_of(self, subscriber: int, feeds: list) -> list:
        """What a subscriber receives: in a room of several publishers it stands for one of them and leaves its own out."""
        return feeds if self.publishers == 1 else [feed for number, feed in enumerate(feeds) if number != subscriber]


SCENARIOS = {
    "A": Scenario("A: 1 to 20", 1, 1, 20),
    "B": Scenario("B: 1 to 100", 1, 1, 100),
    "C": Scenario("C: 4 rooms x 5, all to all", 4, 5, 5),
    "D": Scenario("D: 1 to 20, ramp", 1, 1, 20),
}


def one_to(subscribers: int) -> Scenario:
    return Scenario(f"1 to {subscribers}", 1, 1, subscribers)
