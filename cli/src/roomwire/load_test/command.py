"""
`roomwire load-test`: reads the arguments, runs the test, prints the report, and says by the exit code how it went.
`EPILOG` lists the exit codes.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Mapping, Sequence

from roomwire.load_test.dtls import PROFILES, HandshakeFailed
from roomwire.load_test.load import Interrupted, LoadTest
from roomwire.load_test.progress import Progress
from roomwire.load_test.report import Report, as_json, as_table
from roomwire.load_test.rooms import RestFailed, RestRefused
from roomwire.load_test.settings import Credentials, LoadSettings, Video
from roomwire.load_test.signaling import Refused, SignalingFailed

SIGNALING_URL = "ws://127.0.0.1:8082/signaling"
FINE, INCOMPLETE, BAD_ARGUMENTS, REFUSED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130
SOCKETS = 10_000
"""Two for each participant that the engine holds (4,096), and some."""
TOKEN_ERRORS = range(20101, 20108)

EPILOG = """\
example:
  export ROOMWIRE_ACCOUNT_SID=AC... ROOMWIRE_API_KEYS=SK...:secret      as `roomwire run` printed them
  roomwire load-test --room load --publishers 2 --subscribers 8 --duration 30s

exit code:
  0    everybody joined and stayed, and every track arrived until the end
  1    measured, but somebody could not join or stay, or a track did not arrive or stopped
  2    bad arguments
  3    token or key refused
  4    not reachable, or broken before anything could be measured
  130  Ctrl-C, with the report of what was measured until then
"""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|)")
_BITRATE = re.compile(r"(\d+(?:\.\d+)?)(k|M|)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags. What has a variable is taken from the environment when the flag is missing."""
    parser.add_argument(
        "--room", required=True, metavar="NAME", help="room to join; completed afterwards if the test created it"
    )
    parser.add_argument(
        "--publishers", type=_count, default=1, metavar="P", help="participants who publish (default 1)"
    )
    parser.add_argument(
        "--subscribers", type=_count, default=1, metavar="S", help="participants who only receive (default 1)"
    )
    parser.add_argument(
        "--duration", type=_duration_s, default=30.0, metavar="D", help="measured time: 30, 30s, 2m (default 30s)"
    )
    parser.add_argument(
        "--rooms", type=_count, default=1, metavar="R", help="as many rooms, NAME-1, NAME-2 ... (default 1)"
    )
    parser.add_argument("--all-to-all", action="store_true", help="publishers receive each other as well")
    parser.add_argument(
        "--video-bitrate",
        type=_bitrate_bps,
        default=1_056_000,
        metavar="BPS",
        help="of each video track: 500k, 2M; 0 for none (default 1056k)",
    )
    parser.add_argument(
        "--frame-rate", type=_positive, default=30.0, metavar="F", help="video frames a second (default 30)"
    )
    parser.add_argument("--no-audio", action="store_true", help="publish video only")
    parser.add_argument(
        "--join-rate",
        type=_positive,
        default=20.0,
        metavar="N",
        help="participants who begin to join each second (default 20)",
    )
    parser.add_argument(
        "--join-timeout",
        type=_duration_s,
        default=20.0,
        metavar="D",
        help="how long one may take to connect (default 20s)",
    )
    parser.add_argument("--srtp-profile", choices=sorted(PROFILES), help="offer only this one (default: all)")
    parser.add_argument("--signaling", metavar="URL", help=f"ROOMWIRE_SIGNALING_URL (default {SIGNALING_URL})")
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="ROOMWIRE_BASE_URL: REST API to create and complete the rooms with (default: joining creates them)",
    )
    parser.add_argument("--account-sid", metavar="AC...", help="ROOMWIRE_ACCOUNT_SID")
    parser.add_argument("--api-key", metavar="SK...", help="ROOMWIRE_API_KEY, or the first of ROOMWIRE_API_KEYS")
    parser.add_argument("--api-secret", metavar="SECRET", help="ROOMWIRE_API_SECRET, or the first of ROOMWIRE_API_KEYS")
    parser.add_argument(
        "--json", metavar="FILE", help="write the report to FILE as JSON too; - prints JSON instead of the table"
    )


class BadArguments(ValueError):
    """Arguments that cannot be used, with what to do about it."""


def settings_from(arguments: argparse.Namespace, environment: Mapping[str, str]) -> LoadSettings:
    """Raises BadArguments."""
    if not arguments.publishers + arguments.subscribers:
        raise BadArguments("nobody to join: give --publishers or --subscribers")
    if not arguments.room:
        raise BadArguments("--room wants a name")
    if not arguments.video_bitrate and arguments.no_audio and arguments.publishers:
        raise BadArguments("nothing to publish: --no-audio and --video-bitrate 0")
    signaling = arguments.signaling or environment.get("ROOMWIRE_SIGNALING_URL") or SIGNALING_URL
    if not signaling.startswith(("ws://", "wss://")):
        raise BadArguments(f"--signaling wants a ws:// or wss:// URL, not {signaling}")
    base_url = arguments.base_url or environment.get("ROOMWIRE_BASE_URL") or None
    if base_url and not base_url.startswith(("http://", "https://")):
        raise BadArguments(f"--base-url wants an http:// or https:// URL, not {base_url}")
    return LoadSettings(
        room=arguments.room,
        publishers=arguments.publishers,
        subscribers=arguments.subscribers,
        duration_s=arguments.duration,
        signaling_url=signaling,
        credentials=_credentials(arguments, environment),
        base_url=base_url,
        rooms=max(1, arguments.rooms),
        all_to_all=arguments.all_to_all,
        video=Video(arguments.video_bitrate, arguments.frame_rate) if arguments.video_bitrate else None,
        audio=not arguments.no_audio,
        joins_per_s=arguments.join_rate,
        join_patience_s=arguments.join_timeout,
        profiles=(arguments.srtp_profile,) if arguments.srtp_profile else tuple(PROFILES),
    )


def _credentials(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Credentials:
    first_key, _, first_secret = environment.get("ROOMWIRE_API_KEYS", "").split(",")[0].strip().partition(":")
    values = {
        "--account-sid": arguments.account_sid or environment.get("ROOMWIRE_ACCOUNT_SID"),
        "--api-key": arguments.api_key or environment.get("ROOMWIRE_API_KEY") or first_key,
        "--api-secret": arguments.api_secret or environment.get("ROOMWIRE_API_SECRET") or first_secret,
    }
    missing = [flag for flag, value in values.items() if not value]
    if missing:
        raise BadArguments(f"missing {', '.join(missing)} (or their ROOMWIRE_ variables, see --help)")
    return Credentials(*(str(value) for value in values.values()))


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    try:
        settings = settings_from(arguments, os.environ)
        _check_writable(arguments.json)
    except BadArguments as error:
        return _complain(str(error), BAD_ARGUMENTS)
    _allow_many_sockets()
    try:
        report, interrupted = asyncio.run(_measure(settings))
    except (Interrupted, KeyboardInterrupt):
        return _complain("interrupted before anything was measured", INTERRUPTED)
    except RestRefused as error:
        return _complain(str(error), REFUSED)
    except Refused as error:
        return _complain(f"the deployment refused: {error}", REFUSED if error.code in TOKEN_ERRORS else UNREACHABLE)
    except (SignalingFailed, RestFailed, HandshakeFailed, OSError, ValueError) as error:
        return _complain(str(error), UNREACHABLE)
    _publish(report, arguments.json)
    if interrupted:
        return INTERRUPTED
    return FINE if report.is_clean else INCOMPLETE


async def _measure(settings: LoadSettings) -> tuple[Report, bool]:
    """The report, and whether Ctrl-C ended the test early. A second Ctrl-C ends the process where it stands."""
    test = LoadTest(settings, Progress(sys.stderr))
    loop = asyncio.get_running_loop()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        loop.remove_signal_handler(signal.SIGINT)
        test.interrupt()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    return await test.run(), interrupted


def _allow_many_sockets() -> None:
    """Each participant has two sockets; with the usual soft limit of 1,024 the 500th could not join."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SOCKETS if most == resource.RLIM_INFINITY else min(SOCKETS, most)
    if limit != resource.RLIM_INFINITY and limit < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _check_writable(path: str | None) -> None:
    """Before the test, for its report would be lost after it. Raises BadArguments."""
    if path in (None, "-"):
        return
    try:
        with open(str(path), "a"):
            pass
    except OSError as error:
        raise BadArguments(f"--json cannot write {path}: {error.strerror}") from error


def _publish(report: Report, path: str | None) -> None:
    text = json.dumps(as_json(report), indent=2)
    if path == "-":
        print(text)
        return
    print(as_table(report))
    if path:
        with open(path, "w") as file:
            file.write(text + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="roomwire load-test",
        description="Join a deployment as many participants at once, with real media, and measure how it holds. "
        "Packets go only to addresses that the deployment offers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def _complain(message: str, code: int) -> int:
    print(f"roomwire load-test: {message}", file=sys.stderr)
    return code


# -- argument types ----------------------------------------------------------------------------------------------------------------


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return value


def _duration_s(text: str) -> float:
    match = _DURATION.fullmatch(text)
    value = float(match[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: 30, 30s, 2m, 1h")
    return value


def _bitrate_bps(text: str) -> int:
    match = _BITRATE.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no bit rate: 500k, 2M, 0")
    return int(float(match[1]) * {"": 1, "k": 1000, "M": 1_000_000}[match[2]])


if __name__ == "__main__":
    raise SystemExit(main())
