"""Ctrl-C while a program runs and ends: an exit code, and never a traceback."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable

from basics.signals import StopSignals
from basics.standard_files import settle, take_any_text

_CODE = 128 + signal.SIGINT


def run_program(main: Callable[[], int]) -> int:
    """The exit code of a program, for `sys.exit`: that of `main`, or 130 after Ctrl-C.

    The first SIGINT raises KeyboardInterrupt in `main`, unless that handles signals itself; the
    second ends the process at once. So it stays until the process has ended; where there is no
    Python any more to run a handler, SIGINT is ignored: the exit code is known.

    Args:
        main: The program; may be called by others, too, whose signals it then leaves alone.
    """
    take_any_text()
    # Ignored, as in what a shell without job control starts in the background, it stays so.
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    signals = StopSignals(numbers=() if ignored else (signal.SIGINT,))
    try:
        signals.__enter__()  # and never left
        if not ignored:
            atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
        try:
            return main()
        finally:
            signals.on_stop = _nothing
            settle()
    except KeyboardInterrupt:
        return _CODE


def _nothing() -> None:
    """Nothing is left to be stopped."""
