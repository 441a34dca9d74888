"""
Compares Roomwire with every peer that is installed, interleaved in one run, and prints the table and the ratios: `make bench`.

    make bench                                                     A, B and C, five rounds
    make bench BENCH="--scenarios A --rounds 1 --sfus roomwire_sfu janus"
    make bench BENCH="--sizes equal uneven --profiles gcm sha1"    frames of unequal packets, and AES-CM with SHA-1, as well
    make bench BENCH="--scenarios D"                               the ramp: highest passing rate on one core
    make bench BENCH="--scenarios 1 5 20 100 400 --sfus roomwire_sfu"    cost by number of subscribers
    make bench BENCH="--json rows.jsonl ..."                       every row as it comes; run again, it goes on where it was

A run takes its window (10 s), 2 s to warm up and 5 to 15 s to start and join: with three SFUs about 15 minutes for the first line, 1 hour for the
third, 12 minutes a round for the ramp. What is left is said after each run. A run whose packets do not all arrive whole is void and tried again.
"""

import argparse
import importlib
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))
from measure import Cell, Row, Run, Void, pin_generator
from scenarios import SCENARIOS, Scenario, one_to

OURS = "roomwire_sfu"
SFUS = (OURS, "janus", "pion")
ATTEMPTS = 3
PROFILES = {"gcm": "SRTP_AEAD_AES_128_GCM", "sha1": "SRTP_AES128_CM_SHA1_80"}


def main() -> int:
    arguments = _parse()
    modules = [importlib.import_module(name) for name in arguments.sfus]
    installed = [module for module in modules if module.is_installed()]
    for module in modules:
        if module not in installed:
            print(f"{module.NAME} is not installed: left out")
    pin_generator()
    rows = _load(arguments.json)
    wanted = [
        Cell(round_number, scenario, profile, sizes == "uneven", module.NAME)
        for round_number in range(arguments.rounds)
        for scenario in arguments.scenarios
        for profile in arguments.profiles
        for sizes in arguments.sizes
        for module in installed
    ]
    by_name = {module.NAME: module for module in installed}
    done = {_cell(row) for row in rows}
    missing = [cell for cell in wanted if cell not in done]
    start = time.monotonic()
    for number, cell in enumerate(missing, 1):
        rows += [replace(row, cell=cell) for row in _run(by_name[cell.sfu], cell, arguments.seconds)]
        _save(arguments.json, rows)
        left_s = (time.monotonic() - start) / number * (len(missing) - number)
        print(f"{number} of {len(missing)} runs, about {left_s / 60:.0f} minutes left", file=sys.stderr, flush=True)
    print_table([row for row in rows if _cell(row) in wanted])
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scenarios", nargs="+", default=["A", "B", "C"], metavar="S", help="A, B, C, D, or a number of subscribers"
    )
    parser.add_argument("--sfus", nargs="+", default=SFUS, choices=SFUS)
    parser.add_argument("--profiles", nargs="+", default=["gcm"], choices=PROFILES)
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=["equal"],
        choices=("equal", "uneven"),
        help="packets of a video frame: 1100 octets, or 1100 and 1101 in turn",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument(
        "--json", metavar="FILE", help="all rows, as they come; those that it has are not measured again"
    )
    return parser.parse_args()


def _scenario(name: str) -> Scenario:
    return one_to(int(name)) if name.isdigit() else SCENARIOS[name]


def _run(module, cell: Cell, seconds: float) -> list[Row]:
    scenario = _scenario(cell.scenario)
    for attempt in range(ATTEMPTS):
        try:
            with Run(module, scenario, PROFILES[cell.profile], cell.uneven) as run:
                if scenario is not SCENARIOS["D"]:
                    return list(_announced([run.measure(seconds)]))
                rows = list(_announced(run.ramp(min(seconds, 5))))
                best = max((row for row in rows if row.passes), key=lambda row: row.out_per_s, default=None)
                return [replace(best, limit=rows[rows.index(best) + 1].explain())] if best else []
        except (Void, TimeoutError) as void:
            print(f"{scenario.name:26} {module.NAME:22} void, attempt {attempt + 1}: {void!r}", flush=True)
    return []


def _announced(rows):
    for row in rows:
        print(
            f"{row.scenario:26} {row.sfu:22} {row.cost_us:6.2f} us  out {row.out_per_s:8.0f}/s  cpu {row.cpu_percent:5.1f} %  loss {row.loss_percent:.3f} %  "
            f"p50 {row.p50_ms:.2f} p99 {row.p99_ms:.2f} ms  generator {row.generator_percent:.0f} %, late {row.late_percent:.1f} %  others {row.others_percent:.0f} and {row.generator_others_percent:.0f} %",
            flush=True,
        )
        yield row


def _load(path: str | None) -> list[Row]:
    lines = Path(path).read_text().splitlines() if path and Path(path).exists() else []
    return [Row(**fields | {"cell": Cell(**fields["cell"])}) for fields in map(json.loads, lines)]


def _save(path: str | None, rows: list[Row]) -> None:
    if path:
        Path(path).write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))


def _cell(row: Row) -> Cell:
    assert row.cell is not None
    return row.cell


def print_table(rows: list[Row]) -> None:
    """Medians of each SFU's rows; the ratio is the median of ours to its, round by round, of clean rounds if there are any."""
    print("\n| scenario | SRTP | sizes | SFU | us/packet | ours is | out/s | loss % | p50 ms | p99 ms | MiB | clean |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    kinds = dict.fromkeys((_kind(row), row.profile, row.uneven) for row in rows)
    ours = importlib.import_module(OURS).NAME
    for kind, profile, uneven in kinds:
        group = [row for row in rows if (_kind(row), row.profile, row.uneven) == (kind, profile, uneven)]
        own = [row for row in group if row.sfu == ours]
        for sfu in dict.fromkeys(row.sfu for row in group):
            its = [row for row in group if row.sfu == sfu]
            is_ramp = kind.startswith("D")
            by_round = {_cell(row).round_number: row for row in own}
            pairs = [(by_round[_cell(row).round_number], row) for row in its if _cell(row).round_number in by_round]
            clean = [(a, b) for a, b in pairs if a.is_clean and b.is_clean]  # a disturbed run reads too low
            ratios = [(a.out_per_s / b.out_per_s) if is_ramp else (a.cost_us / b.cost_us) for a, b in clean or pairs]
            ratio = f"{median(ratios):.2f} x" if ratios and sfu != ours else ""
            out = max(row.out_per_s for row in its) if is_ramp else median(row.out_per_s for row in its)
            print(
                f"| {kind} | {'GCM-128' if 'GCM' in profile else 'CM-SHA1'} | {'uneven' if uneven else 'equal'} | {sfu} | {_median(its, 'cost_us'):.2f} | {ratio} | {out:,.0f} "
                f"| {_median(its, 'loss_percent'):.3f} | {_median(its, 'p50_ms'):.2f} | {_median(its, 'p99_ms'):.2f} | {_median(its, 'memory_mib'):.0f} "
                f"| {sum(row.is_clean for row in its)}/{len(its)} |"
            )
    for row in rows:
        if row.limit:
            print(f"\n{_kind(row)}, {row.sfu}: {row.out_per_s:,.0f} packets/s passed; beyond that {row.limit}")


def _kind(row: Row) -> str:
    return row.scenario.split(" x")[0] if row.scenario.startswith("D") else row.scenario


def _median(rows: list[Row], name: str) -> float:
    return median(getattr(row, name) for row in rows)


if __name__ == "__main__":
    raise SystemExit(main())
