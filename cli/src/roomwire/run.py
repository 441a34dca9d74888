"""`roomwire run`: the whole system on this machine until Ctrl-C, and how to reach it."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from service_kit.settings import load

from roomwire.settings import RunSettings, ports_in_use, variables
from roomwire.stack import PROGRAMS, Stack, StackFailed

DEMO_KEY = "demo"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an application needs to talk to this installation."""

    account_sid: str
    auth_token: str = field(repr=False)
    api_key: str
    api_secret: str = field(repr=False)


def run() -> None:
    """Run until SIGINT or SIGTERM, then stop in order. Ends the process with 1 when something does not start, 2 for bad settings."""
    settings = load(RunSettings)
    # SIGINT too: a shell that starts us in the background hands it down ignored, and nothing but SIGKILL would end us then.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with _only_one(settings.data):
            _run(settings)
    except KeyboardInterrupt:  # before there was anything to stop
        return
    except StackFailed as error:
        _refuse(f"\nRoomwire did not start: {error}", code=1)


def _run(settings: RunSettings) -> None:
    if told := ports_in_use(settings):
        _refuse("\n".join(told))
    chosen = variables(settings)
    chosen["ROOMWIRE_DATA"] = str(settings.data.resolve())
    credentials = _credentials(chosen)
    chosen["ROOMWIRE_ACCOUNT_SID"] = credentials.account_sid
    chosen["ROOMWIRE_DEMO_API_KEY"] = credentials.api_key
    chosen["ROOMWIRE_DEMO_API_SECRET"] = credentials.api_secret
    chosen["ROOMWIRE_DEMO_AUTH_TOKEN"] = credentials.auth_token
    stack = Stack(settings.data, chosen, services=tuple(PROGRAMS), on_exit=_tell_exit, on_wait=_tell_wait)
    if settings.allow_private_callbacks:
        stack.settings.setdefault("ROOMWIRE_DEMO_CALLBACK_URL", f"{stack.demo_url}/callbacks")
    try:
        stack.start()
        print(welcome(stack, credentials), flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        _stop(stack)


def welcome(stack: Stack, credentials: Credentials) -> str:
    """What is told once everything is ready: addresses, credentials, and a first call."""
    return f"""
Roomwire is running.

  demo          {stack.demo_url}
  REST API      {stack.rooms_api_url}
  signaling     {stack.signaling_url}

  account SID   {credentials.account_sid}
  auth token    {credentials.auth_token}
  API key       {credentials.api_key}
  API secret    {credentials.api_secret}

  client = twilio.rest.Client("{credentials.account_sid}", "{credentials.auth_token}")
  client.video.base_url = "{stack.rooms_api_url}"
  client.video.v1.rooms.create(unique_name="standup")

Ctrl-C stops it.
"""


def _credentials(chosen: dict[str, str]) -> Credentials:
    """Ask token-issuer, which makes the account and the demo's key at the first start."""
    outer = {key: value for key, value in os.environ.items() if key not in chosen}
    asked = subprocess.run(
        [sys.executable, "-m", PROGRAMS["token-issuer"].module, "credentials", "--key-name", DEMO_KEY],
        env={**outer, **chosen},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C is for the launcher
    )
    if asked.returncode != 0:  # it has said why
        raise SystemExit(asked.returncode)
    return Credentials(**json.loads(asked.stdout))


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the data folder: two systems on one would fight. The lock ends with the process, however that ends."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "run.lock").open("w")
    except OSError as error:
        _refuse(f"ROOMWIRE_DATA: cannot write into {data}: {error.strerror}")
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _refuse(f"ROOMWIRE_DATA: another roomwire run uses {data}")
        yield


def _stop(stack: Stack) -> None:
    print("\nStopping ...", file=sys.stderr)
    try:
        late = stack.stop()
    except KeyboardInterrupt:  # asked twice: no more waiting
        late = stack.stop(deadline_s=0)
    if late:
        print("ended the hard way: " + ", ".join(late), file=sys.stderr)


def _tell_exit(name: str, code: int) -> None:
    print(f"{name} ended with exit code {code}, and is started again", file=sys.stderr)


def _tell_wait(what: str) -> None:
    print(f"Waiting for {what} ...", file=sys.stderr, flush=True)


def _refuse(message: str, code: int = 2) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(code)
