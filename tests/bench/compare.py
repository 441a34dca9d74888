"""
Compares Roomwire with every peer that is installed, interleaved in one run, and prints the table and the ratios: `make bench`.

    python tests/bench/compare.py                        A, B and C, five rounds
    python tests/bench/compare.py --scenarios A --rounds 1 --sfus janus pion
    python tests/bench/compare.py --scenarios D          the ramp: highest passing rate on one core
    python tests/bench/compare.py --scenarios 1 5 20 100 400 --sfus roomwire_sfu    cost by number of subscribers
"""

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))
from measure import Row, Run, pin_generator
from scenarios import SCENARIOS, Scenario, one_to

OURS = "roomwire_sfu"
SFUS = (OURS, "janus", "pion")
PROFILES = {"gcm": "SRTP_AEAD_AES_128_GCM", "sha1": "SRTP_AES128_CM_SHA1_80"}


def main() -> int:
    arguments = _parse()
    modules = [importlib.import_module(name) for name in arguments.sfus]
    installed = [module for module in modules if module.is_installed()]
    for module in modules:
        if module not in installed:
            print(f"{module.NAME} is not installed: left out")
    pin_generator()
    rows: list[Row] = []
    for round_number in range(arguments.rounds):
        for scenario in map(_scenario, arguments.scenarios):
            for profile in arguments.profiles:
                for uneven in arguments.sizes:
                    for module in installed:
                        rows += _run(
                            module, scenario, PROFILES[profile], uneven == "uneven", arguments.seconds, round_number
                        )
                        _save(arguments.json, rows)
    print_table(rows)
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
    parser.add_argument("--json", metavar="FILE", help="all rows, as they come")
    return parser.parse_args()


def _scenario(name: str) -> Scenario:
    return one_to(int(name)) if name.isdigit() else SCENARIOS[name]


def _run(module, scenario: Scenario, profile: str, uneven: bool, seconds: float, round_number: int) -> list[Row]:
    with Run(module, scenario, profile, uneven) as run:
        rows = (
            list(_announced(run.ramp(min(seconds, 5))))
            if scenario is SCENARIOS["D"]
            else list(_announced([run.measure(seconds)]))
        )
    if scenario is SCENARIOS["D"]:
        passing = [row for row in rows if row.passes]
        return [max(passing, key=lambda row: row.out_per_s)] if passing else []
    return rows


def _announced(rows):
    for row in rows:
        print(
            f"{row.scenario:26} {row.sfu:22} {row.cost_us:6.2f} us  out {row.out_per_s:8.0f}/s  cpu {row.cpu_percent:5.1f} %  loss {row.loss_percent:.3f} %  "
            f"p50 {row.p50_ms:.2f} p99 {row.p99_ms:.2f} ms  generator {row.generator_percent:.0f} %, late {row.late_percent:.1f} %",
            flush=True,
        )
        yield row


def _save(path: str | None, rows: list[Row]) -> None:
    if path:
        Path(path).write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))


def print_table(rows: list[Row]) -> None:
    """Medians of each SFU's rows; the ratio is the median of ours to its, round by round."""
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
            ratios = [
                (a.out_per_s / b.out_per_s) if is_ramp else (a.cost_us / b.cost_us)
                for a, b in zip(own, its, strict=False)
            ]
            ratio = f"{median(ratios):.2f} x" if ratios and sfu != ours else ""
            out = max(row.out_per_s for row in its) if is_ramp else median(row.out_per_s for row in its)
            print(
                f"| {kind} | {'GCM-128' if 'GCM' in profile else 'CM-SHA1'} | {'uneven' if uneven else 'equal'} | {sfu} | {_median(its, 'cost_us'):.2f} | {ratio} | {out:,.0f} "
                f"| {_median(its, 'loss_percent'):.3f} | {_median(its, 'p50_ms'):.2f} | {_median(its, 'p99_ms'):.2f} | {_median(its, 'memory_mib'):.0f} "
                f"| {sum(row.is_clean for row in its)}/{len(its)} |"
            )


def _kind(row: Row) -> str:
    return row.scenario.split(" x")[0] if row.scenario.startswith("D") else row.scenario


def _median(rows: list[Row], name: str) -> float:
    return median(getattr(row, name) for row in rows)


if __name__ == "__main__":
    raise SystemExit(main())
