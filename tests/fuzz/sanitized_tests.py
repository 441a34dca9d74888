"""
Run the packet engine's own tests, and those of its socket, against a build with ASAN and UBSAN: a copy beside the real one, so that nothing is left to
undo. Needs gcc with libasan. Leaks are not looked for, as Python has its own; `tests/unit/media_sfu/engine/test_churn.py` does, and is left out
here, because ASAN holds freed memory back.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "services" / "media-sfu"
BUILT = ROOT / ".venv" / "asan"
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
TESTS = ["tests/unit/media_sfu/engine", "tests/integration/media_sfu/test_engine_sockets.py"]
LEFT_OUT = "tests/unit/media_sfu/engine/test_churn.py"


def main() -> int:
    shutil.rmtree(BUILT, ignore_errors=True)
    shutil.copytree(SOURCE, BUILT, ignore=shutil.ignore_patterns("*.so", "build", "*.egg-info", "__pycache__"))
    compiling = os.environ | {"CFLAGS": SANITIZE, "LDFLAGS": SANITIZE}
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(build, cwd=BUILT, env=compiling, check=True)
    library = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()
    running = os.environ | {
        "LD_PRELOAD": library,
        "PYTHONPATH": str(BUILT / "src"),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    located = "import media_sfu.engine._engine as e; print(e.__file__)"
    where = subprocess.run([sys.executable, "-c", located], env=running, check=True, capture_output=True, text=True)
    if not where.stdout.startswith(str(BUILT)):
        raise RuntimeError(f"the tests would run against {where.stdout}")
    tests = [sys.executable, "-m", "pytest", "-q", *TESTS, f"--ignore={LEFT_OUT}"]
    return subprocess.run(tests, cwd=ROOT, env=running, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
