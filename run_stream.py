"""A video in, people out: `run_stream.py SOURCE [SOURCE ...] [-o OUT ...]`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from basics.init_process import leave_init_to_parent
from basics.program import run_program
from basics.signals import StopSignals
from basics.standard_files import keep_open, settle


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: By default those that this process was started with.

    Returns:
        The exit code: 0; 2 after bad input, or where an output failed, with one line on standard
        error; 130 after Ctrl-C, 143 after SIGTERM or SIGHUP (a terminal that was closed).
    """
    keep_open()
    if arguments is not None:
        return _run(arguments)
    leave_init_to_parent()  # a program, not a function of one that may have threads
    return run_program(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    with StopSignals() as signals:
        # Imports take a second or two; a signal would surface as a traceback in the middle of one.
        signals.on_stop = lambda: os._exit(signals.exit_code)
        from higherhrnet_stream import __version__

        from stream.app.command import run_arguments

        signals.on_stop = None
        try:
            return run_arguments(arguments, signals, __version__)
        except KeyboardInterrupt:
            return signals.exit_code
        finally:
            settle()


if __name__ == "__main__":
    sys.exit(main())
