"""`roomwire load-test` as its user runs it: a process, its output and its exit code."""

import json
import os
import signal
import subprocess
import sys
import time

from tests.kit.stack import Roomwire

DEADLINE_S = 60
REST_OF_A_TEST_S = 300


def start(roomwire: Roomwire, *arguments: str) -> "subprocess.Popen[str]":
    environment = os.environ | {
        "ROOMWIRE_SIGNALING_URL": roomwire.ws_server,
        "ROOMWIRE_ACCOUNT_SID": roomwire.account_sid,
        "ROOMWIRE_API_KEYS": f"{roomwire.key_sid}:{roomwire.key_secret}",
    }
    command = [sys.executable, "-m", "roomwire", "load-test", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(roomwire: Roomwire, *arguments: str) -> tuple[int, str, str]:
    process = start(roomwire, *arguments)
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out, err


def await_measuring(process: "subprocess.Popen[str]", streams: int) -> None:
    assert process.stderr is not None
    while f" s: {streams} streams" not in (line := process.stderr.readline()):
        assert line, "the load test ended by itself"


def test_a_small_load_arrives_whole_and_is_reported(roomwire, room_name, tmp_path):
    report = tmp_path / "report.json"
    crowd = ("--publishers", "2", "--subscribers", "3", "--all-to-all", "--duration", "2s")
    rest = ("--base-url", roomwire.base_url, "--json", str(report))
    code, table, progress = run(roomwire, "--room", room_name, *crowd, *rest)

    found = json.loads(report.read_text())
    assert (code, found["clean"], found["failures"]) == (0, True, [])
    assert (found["joined"], found["tracks_published"], found["tracks_received"]) == (5, 4, 16)
    assert found["received_packets"] > 1000
    assert found["loss_percent"] == 0
    assert found["delivered_percent"] > 99
    assert found["joining_media"]["median_ms"] > 0
    assert "4 published, 16 of 16 received" in table
    assert "joining: 1 of 5" in progress
    assert roomwire.client().video.v1.rooms.list(unique_name=room_name, status="in-progress") == []


def test_ctrl_c_reports_what_was_measured_and_leaves_the_room(roomwire, room_name):
    process = start(roomwire, "--room", room_name, "--subscribers", "2", "--duration", f"{REST_OF_A_TEST_S}s")
    await_measuring(process, streams=4)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    table, _ = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, "4 of 4 received" in table) == (130, True)
    assert time.monotonic() - asked < DEADLINE_S
    rooms = roomwire.client().video.v1.rooms
    while rooms.list(unique_name=room_name, status="in-progress"):  # it ends when the last has left
        assert time.monotonic() - asked < DEADLINE_S
        time.sleep(0.05)


def test_who_could_not_join_or_stay_is_named(roomwire, room_name):
    room = roomwire.client().video.v1.rooms.create(unique_name=room_name, max_participants=2)
    process = start(roomwire, "--room", room_name, "--subscribers", "2", "--duration", f"{REST_OF_A_TEST_S}s")
    await_measuring(process, streams=2)
    room.update(status="completed")
    table, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 1
    assert "2 of 3 joined" in table
    assert "load-subscriber-3: Room contains too many Participants (53105)" in table
    assert "and 1 other: the room was completed" in table
