"""What the first process of a container owes it: to pass signals on, and to bury orphans."""

from __future__ import annotations

import os
import signal


def leave_init_to_parent() -> None:
    """Returns in a child of this process where this one is number 1, and at once elsewhere.

    The kernel treats process number 1 of a container unlike others: signals that it does not handle
    are dropped, and every orphan becomes its child, a zombie until it is waited for. So that one
    only passes signals on, waits, and ends with what its child ended with; whatever is left then is
    ended by the kernel. A terminal sends its signals (Ctrl-C) to both, so those are not passed on.

    To be called before there are threads.
    """
    if os.getpid() != 1:
        return
    every = signal.valid_signals()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, children would leave without a code
    before = signal.pthread_sigmask(signal.SIG_BLOCK, every)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        received = signal.sigwaitinfo(every)
        if received.si_signo == signal.SIGCHLD:
            code = _bury(child)
            if code is not None:
                os._exit(code)
        elif received.si_code <= 0:  # by a process; those of the kernel are above 0
            os.kill(child, received.si_signo)


def _bury(child: int) -> int | None:
    """Waits for all that have ended; the exit code of `child`, as a shell gives it, if it has."""
    code = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if ended == 0:
            return code
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code
