"""
Runs a program that the kernel kills when its parent ends, however that ends.

Run as a script by `roomwire.child` in a bare interpreter: `leash.py PARENT_PID PROGRAM ARGUMENT...`. Only Linux has the call; elsewhere the
program runs without it, and an orderly stop of the launcher is what ends it.

Source: prctl(2), PR_SET_PDEATHSIG; the setting is kept across execve(2).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):  # it ended before the call
            raise SystemExit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
