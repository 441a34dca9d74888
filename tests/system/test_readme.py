"""The README's first snippets, run as they stand: only address, credentials and room are put in."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.kit.node import NODE, SCRIPTS
from tests.kit.stack import Roomwire

README = Path(__file__).parents[2] / "README.md"
DEADLINE_S = 60


def snippet(language: str, roomwire: Roomwire, room: str) -> str:
    """The first one in this language, made fit for the running system."""
    found = re.search(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    values = {
        "http://127.0.0.1:8080": roomwire.base_url,
        "ACCOUNT_SID": json.dumps(roomwire.account_sid),
        "AUTH_TOKEN": json.dumps(roomwire.auth_token),
        "API_KEY": json.dumps(roomwire.key_sid),
        "API_SECRET": json.dumps(roomwire.key_secret),
        "standup": room,
    }
    code = found[1]
    for name, value in values.items():
        code = code.replace(name, value)
    return code


def created(printed: str, roomwire: Roomwire, room: str) -> bool:
    """Whether a snippet printed the SID of that room, and a token."""
    sid, token = printed.split()
    return sid == roomwire.client().video.v1.rooms(room).fetch().sid and token.count(".") == 2


def test_the_python_snippet_creates_a_room_and_makes_a_token(
    roomwire: Roomwire, room_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(snippet("python", roomwire, room_name), {})

    assert created(capsys.readouterr().out, roomwire, room_name)


def test_the_node_snippet_creates_a_room_and_makes_a_token(roomwire: Roomwire, room_name: str) -> None:
    code = f"(async () => {{ {snippet('js', roomwire, room_name)} }})()"

    told = subprocess.run([NODE, "-e", code], cwd=SCRIPTS, capture_output=True, text=True, timeout=DEADLINE_S)

    assert told.returncode == 0, told.stderr
    assert created(told.stdout, roomwire, room_name)
