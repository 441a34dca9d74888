"""The `roomwire` command. Each of its commands is a module of its own, loaded when it is asked for."""

import argparse
import signal


def main() -> None:
    parser = argparse.ArgumentParser(prog="roomwire", description="Programmable video that you run yourself.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the whole system on this machine; settings are ROOMWIRE_* variables or .env")
    commands.add_parser("load-test", help="load a deployment with real clients and say how it held", add_help=False)
    arguments, rest = parser.parse_known_args()

    if arguments.command == "load-test":
        try:
            from roomwire.load_test.command import main as load_test

            code = load_test(rest)
        except KeyboardInterrupt:  # while modules were loaded, or a second one
            code = 130
        raise SystemExit(code)
    if rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    # Nothing is to be stopped before everything is loaded; an exception in the middle of an import would only be noise.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from roomwire.run import run

    signal.signal(signal.SIGINT, before)
    run()


if __name__ == "__main__":
    main()
