"""Ctrl-C while a program is imported; imports next to nothing itself."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def leave_quietly(package: str) -> None:
    """Makes Ctrl-C end the process at once, with code 130 and no traceback, while `python -m
    PACKAGE` imports the package and then its `__main__`; there is nothing to finish yet. For the
    first lines of the package.

    Args:
        package: Its name. Where it is imported by others, nothing changes.
    """
    # While Python looks for what `-m` names, which imports the package, the first argument is that.
    started = sys.argv[:1] == ["-m"] and package in sys.orig_argv
    if started and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)
