"""
Gives a media server more than its core carries, and sees who stays and how newcomers are told: `make bench-full`.

    make bench-full
    make bench-full BENCH="--subscribers 300 --video-bitrate 20M --seconds 40"

The media server has core 0 to itself, as far as the machine lets it; everything else, the tester included, has core 1. `roomwire load-test` sends more than can
be forwarded, and once a second somebody tries to join besides. Loss is what a full core is; ends with 1 when somebody who was in was lost, when nobody was
refused, or when a refusal took longer than `SOON_S`.
"""

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

from roomwire.load_test.sdp import LocalTransport, make_offer
from roomwire.load_test.settings import Credentials
from roomwire.load_test.signaling import Message, Refused, Signaling, SignalingFailed
from roomwire.load_test.tokens import make_token
from roomwire.stack import Stack

SFU_CORE, OTHER_CORE = 0, 1
SOON_S = 2.0
FULL = 53305
OFFER = make_offer(LocalTransport("ufrag", "p" * 24, ":".join(["00"] * 32)), ())
"""Of somebody who never comes to media: who is let in leaves again."""


async def hear(_: Message) -> None:
    """Of updates nothing is wanted."""


async def try_to_join(url: str, credentials: Credentials, number: int) -> tuple[str, float]:
    """What came of it, and how many seconds it took."""
    room = f"late-{number}"
    signaling = Signaling(url, make_token(credentials, "late", room, time.time(), 600), hear)
    connect = {
        "name": room,
        "ice_servers": "acquire",
        "publisher": {"name": "roomwire-bench", "sdk_version": "2.36.0", "user_agent": "roomwire bench"},
        "participant": {"revision": 1, "tracks": []},
        "peer_connections": [{"id": room, "description": {"type": "offer", "revision": 1, "sdp": OFFER}}],
        "subscribe": {"revision": 1, "rules": [{"type": "include", "all": True}]},
    }
    begun = time.monotonic()
    try:
        await signaling.connect(lambda: connect)
        return "let in", time.monotonic() - begun
    except Refused as refused:
        return str(refused.code), time.monotonic() - begun
    except SignalingFailed as failed:
        return str(failed), time.monotonic() - begun
    finally:
        await signaling.leave()


async def keep_trying(url: str, credentials: Credentials, load: subprocess.Popen[bytes]) -> list[tuple[str, float]]:
    tries: list[tuple[str, float]] = []
    while load.poll() is None:
        tries.append(await try_to_join(url, credentials, len(tries)))
        await asyncio.sleep(1.0)
    return tries


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--video-bitrate", default="60M")
    parser.add_argument("--seconds", type=int, default=30)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {OTHER_CORE})
    credentials = Credentials("AC" + secrets.token_hex(16), "SK" + secrets.token_hex(16), secrets.token_hex(24))
    key = f"{credentials.key_sid}:{credentials.secret}"
    names = {"ROOMWIRE_ACCOUNT_SID": credentials.account_sid, "ROOMWIRE_API_KEYS": key}
    with tempfile.TemporaryDirectory() as folder:
        settings = {**names, "ROOMWIRE_MAX_PARTICIPANTS": "1000"}
        with Stack(Path(folder) / "var", settings, logs=Path(folder)) as stack:
            pid = stack.pids["media-sfu"]
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(thread), {SFU_CORE})
            command = [str(Path(sys.executable).with_name("roomwire")), "load-test", "--room", "full"]
            command += ["--signaling", stack.signaling_url, "--json", f"{folder}/report.json", "--join-rate", "50"]
            command += ["--subscribers", str(arguments.subscribers), "--video-bitrate", arguments.video_bitrate]
            command += ["--duration", str(arguments.seconds)]
            load = subprocess.Popen(command, env={**os.environ, **names}, stdout=subprocess.DEVNULL)
            tries = asyncio.run(keep_trying(stack.signaling_url, credentials, load))
        report = json.loads(Path(f"{folder}/report.json").read_text())
    return tell(report, tries)


def tell(report: dict, tries: list[tuple[str, float]]) -> int:
    reasons = Counter(failure["reason"] for failure in report["failures"])
    refused = {reason: count for reason, count in reasons.items() if f"({FULL})" in reason}
    lost = {reason: count for reason, count in reasons.items() if reason not in refused}
    times = [seconds for result, seconds in tries if result == str(FULL)]
    print(f"joined             {report['joined']}, refused {sum(refused.values())}")
    print(f"received           {report['received_packets_per_s']:,.0f} packets/s")
    print(f"delivered          {report['delivered_percent']:.1f} % of what was sent to each")
    print(f"lost               {sum(lost.values())} {lost or ''}")
    print(f"came late          {dict(Counter(result for result, _ in tries))}")
    if times:
        print(f"refused within     median {median(times) * 1000:.0f} ms, slowest {max(times) * 1000:.0f} ms")
    return 1 if lost or not times or max(times) > SOON_S else 0


if __name__ == "__main__":
    sys.exit(main())
