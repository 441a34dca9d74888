"""The `roomwire` command. Each of its commands is a module of its own, loaded when it is asked for."""

import argparse


def main() -> None:
    parser = argparse.ArgumentParser(prog="roomwire", description="Programmable video that you run yourself.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the whole system on this machine; settings are ROOMWIRE_* variables or .env")
    parser.parse_args()

    from roomwire.run import run

    run()


if __name__ == "__main__":
    main()
