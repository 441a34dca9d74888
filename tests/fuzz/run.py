"""
Fuzz the packet engine: build target and driver under ASAN and UBSAN, feed the corpus and its mutations, print which share of engine.c was reached.

    python tests/fuzz/run.py --seconds 10           # what `make check` does
    python tests/fuzz/run.py --inputs 1000000       # what `make fuzz` does
    python tests/fuzz/run.py --replay FILE          # one input again, after a failure

`corpus/` has walks of a call of two Chromiums over a lossy line: what they sent, decrypted, with the SSRCs and payload types of the target's world, media cut to
90 octets.

Needs gcc (or clang as $CC) and gcov. An input that fails is left in `fuzz-failure-*.bin`. Where clang has libFuzzer, target.c is a target of its
as well: clang -fsanitize=fuzzer,address,undefined target.c.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENGINE = ROOT / "services" / "media-sfu" / "src" / "media_sfu" / "engine"
BUILT = ROOT / ".venv" / "fuzz"
COMPILER = shlex.split(os.environ.get("CC", "gcc"))
FLAGS = ["-std=gnu11", "-g", f"-I{ENGINE}"]
SANITIZE = ["-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
SEED = 1


def build(name: str, target_flags: list[str], link_flags: list[str]) -> Path:
    """Compile target and driver into a program, unless it is newer than its sources."""
    program = BUILT / name / "fuzz"
    sources = [HERE / "target.c", HERE / "driver.c", ENGINE / "engine.c", ENGINE / "engine.h", Path(__file__)]
    if program.exists() and program.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    target, driver = program.parent / "target.o", program.parent / "driver.o"
    subprocess.run([*COMPILER, *FLAGS, *target_flags, "-c", str(HERE / "target.c"), "-o", str(target)], check=True)
    subprocess.run([*COMPILER, *FLAGS, "-O2", "-c", str(HERE / "driver.c"), "-o", str(driver)], check=True)
    subprocess.run([*COMPILER, *link_flags, str(target), str(driver), "-lpthread", "-o", str(program)], check=True)
    return program


def reached(inputs: list[str]) -> str:
    """Replay inputs in a build without sanitizers that counts lines; what gcov says of engine.c."""
    program = build("coverage", ["-O0", "--coverage"], ["--coverage"])
    for counts in program.parent.glob("*.gcda"):
        counts.unlink()
    subprocess.run([str(program), *inputs], check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run(
        ["gcov", "-o", str(program.parent), "target.c"], cwd=program.parent, check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"File '[^']*engine\.c'\nLines executed:([\d.]+)% of (\d+)", told)
    if found is None:
        raise RuntimeError(f"gcov did not tell of engine.c:\n{told}")
    return f"engine.c: {found[1]} % of {found[2]} lines reached (the rest is the socket loop, and memory running out)"


def mutate(program: Path, arguments: argparse.Namespace, seeds: list[str], kept: Path) -> int:
    """A process for each core, each with a seed and a share of the inputs of its own. Returns the exit code of the first that failed, or 0."""
    running: list[subprocess.Popen[bytes]] = []
    for number in range(arguments.jobs):
        folder = kept / str(number)
        folder.mkdir()
        limits = ["--inputs", str(-(-arguments.inputs // arguments.jobs)), "--seconds", str(arguments.seconds)]
        own = ["--seed", str(arguments.seed + number), "--keep", str(folder)]
        running.append(subprocess.Popen([str(program), *limits, *own, *seeds]))
    return next((code for process in running if (code := process.wait())), 0)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=1e6, help="stop after so long")
    options.add_argument("--inputs", type=int, default=10**9, help="stop after so many inputs")
    options.add_argument("--seed", type=int, default=SEED, help="of the mutations")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options.add_argument("--replay", nargs="+", default=[], metavar="FILE", help="only run these inputs")
    arguments = options.parse_args()
    program = build("sanitized", [*SANITIZE, "-fsanitize-coverage=trace-pc"], ["-fsanitize=address,undefined"])
    if arguments.replay:
        return subprocess.run([str(program), *arguments.replay], check=False).returncode
    seeds = sorted(str(seed) for seed in (HERE / "corpus").glob("*.bin"))
    with tempfile.TemporaryDirectory() as kept:
        if failed := mutate(program, arguments, seeds, Path(kept)):
            return failed
        print(reached(sorted(str(path) for path in Path(kept).rglob("*.bin"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
