"""What a running system holds: looks into its services from outside, for tests of whether anything is left of people who have gone."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.kit.browser import NothingSuch, until
from tests.kit.stack import Roomwire

WEIGH_EVERY = 20
SERVICES = ("rooms-api", "signaling-gateway", "media-sfu")
FORGOTTEN_WITHIN_S = 60.0
"""A session that was lost is given up after 30 s."""
MADE_LATE = 5
"""Tasks and files that a process makes once, at first need: connections of the database's readers, the bus's inbox for replies."""
LEFT = (
    ("rooms-api", "roomwire_participants"),
    ("signaling-gateway", "roomwire_gateway_sockets"),
    ("signaling-gateway", "roomwire_gateway_open_sessions"),
    ("signaling-gateway", "roomwire_gateway_rooms"),
    ("media-sfu", "roomwire_sfu_peers"),
    ("media-sfu", "roomwire_sfu_rooms"),
    ("media-sfu", "roomwire_sfu_up_tracks"),
    ("media-sfu", "roomwire_sfu_down_tracks"),
)


@dataclass(frozen=True, slots=True)
class Flatness:
    """
    How memory is judged: each service may grow by `bytes_per_visit` from the visit number `warm_up` on.

    Measured: somebody who stays costs the gateway and the media server 56 kB each. Pools and the collector's rhythm let them grow by 4 to 25 kB for
    each of the first few hundred visits, and by 2 kB or less after 1,500; rooms-api remembers whose room a SID belongs to, with 1.6 kB.
    """

    warm_up: int
    bytes_per_visit: int


SHORT = Flatness(warm_up=100, bytes_per_visit=35_000)
LONG = Flatness(warm_up=1500, bytes_per_visit=5_000)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a service's process has at rest."""

    tasks: float
    subscriptions: float
    files: int


class Observer:
    """Looks into the services from outside."""

    def __init__(self, roomwire: Roomwire) -> None:
        self._roomwire = roomwire
        self._visits = 0
        self._memory: dict[str, list[tuple[int, int]]] = {name: [] for name in SERVICES}

    async def metrics(self, service: str) -> dict[str, float]:
        async with httpx.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"{self._roomwire.stack.url(service)}/metrics")).text
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    async def holdings(self, service: str) -> Holdings:
        metrics = await self.metrics(service)
        files = os.listdir(f"/proc/{self._roomwire.stack.pids[service]}/fd")
        return Holdings(metrics["roomwire_tasks"], metrics["roomwire_bus_subscriptions"], len(files))

    async def left(self) -> dict[str, float]:
        """What should be zero when everybody has gone, and is not."""
        metrics = {service: await self.metrics(service) for service in SERVICES}
        return {name: metrics[service][name] for service, name in LEFT if metrics[service][name]}

    async def await_nothing_left(self) -> None:
        async def is_clear() -> bool:
            return not await self.left()

        with contextlib.suppress(NothingSuch):
            await until(is_clear, "nobody is left", FORGOTTEN_WITHIN_S)
        assert await self.left() == {}

    def count_visit(self) -> None:
        """Somebody came and went. Every so often, note the resident memory of every service."""
        self._visits += 1
        if self._visits % WEIGH_EVERY:
            return
        for name in SERVICES:
            pages = int(Path(f"/proc/{self._roomwire.stack.pids[name]}/statm").read_text().split()[1])
            self._memory[name].append((self._visits, pages * 4096))

    async def assert_as_before(self, before: dict[str, Holdings], flatness: Flatness) -> None:
        """Nobody is left, nor a task, subscription or file of theirs; and none of the services has grown with each of them."""
        await self.await_nothing_left()
        after = await self.all_holdings()
        for name in SERVICES:
            assert after[name].tasks <= before[name].tasks + MADE_LATE, (name, before, after)
            assert after[name].files <= before[name].files + MADE_LATE, (name, before, after)
            assert after[name].subscriptions == before[name].subscriptions, (name, before, after)
        slopes = self._slopes(flatness.warm_up)
        print("bytes for each who came and went:", {name: round(value) for name, value in slopes.items()})
        assert all(value < flatness.bytes_per_visit for value in slopes.values()), slopes

    async def all_holdings(self) -> dict[str, Holdings]:
        return {name: await self.holdings(name) for name in SERVICES}

    def _slopes(self, warm_up: int) -> dict[str, float]:
        """Bytes that each service grew by with each visit after the warm-up: the slope of the least squares."""
        return {
            name: slope([point for point in points if point[0] >= warm_up]) for name, points in self._memory.items()
        }


def slope(points: list[tuple[int, int]]) -> float:
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
