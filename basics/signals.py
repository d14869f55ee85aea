"""Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed: once to finish, twice to leave."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any

_HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none
_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([] if _HANG_UP is None else [_HANG_UP]))


class Interrupted(KeyboardInterrupt):
    """A signal asked the work to stop.

    A class of its own: CPython up to 3.12 notes that a KeyboardInterrupt itself left the `exec` or
    `eval` of a string (a dataclass or a named tuple is made so, hundreds while libraries are
    imported), and `python -m` then ends by SIGINT instead of with its exit code, even where the
    exception was caught.
    """


class StopSignals:
    """While entered, the first SIGINT, SIGTERM or SIGHUP asks the work to finish, and the second
    ends it. A SIGHUP that is ignored (`nohup`) stays so.

    Entered in another thread than the main one it changes nothing: only the main thread may.

    Attributes:
        on_stop: Called at the first signal, in the main thread; may be set at any time. While it is
            None the first signal raises Interrupted, which is a KeyboardInterrupt: there is nothing
            to finish yet. An import is not torn apart by that, but comes to its end before.
        received: Number of the first signal; None before it.
    """

    def __init__(
        self,
        on_stop: Callable[[], None] | None = None,
        *,
        leave_at_once: bool = True,
        numbers: Sequence[int] = _SIGNALS,
    ) -> None:
        """Changes nothing before it is entered.

        Args:
            on_stop: What to do at the first signal.
            leave_at_once: Whether the second signal ends the process without any cleaning up, for
                programs whose threads may be inside native code that does not return. Otherwise it
                acts as it did before this was entered.
            numbers: The signals; by default SIGINT, SIGTERM and SIGHUP.
        """
        self.on_stop = on_stop
        self.received: int | None = None
        self._leave_at_once = leave_at_once
        self._numbers = numbers
        self._process = 0
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """What the shell expects of a process that ended because of the signal; a closed terminal
        is no other reason to end than SIGTERM, and has its code, 143.
        """
        return _exit_code(self.received or 0)

    def __enter__(self) -> StopSignals:
        self._process = os.getpid()
        if threading.current_thread() is threading.main_thread():
            for number in self._numbers:
                if number == _HANG_UP and signal.getsignal(number) == signal.SIG_IGN:
                    continue
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A copy that a library made with fork (OpenVINO's telemetry): whoever made it ends it,
            # and our work is none of its business.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if self.received is not None:
            os._exit(_exit_code(number))
        self.received = number
        if not self._leave_at_once:
            self._restore()
        if self.on_stop is None:
            _interrupt(frame)
        else:
            self.on_stop()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()


def _interrupt(frame: FrameType | None) -> None:
    """Raises Interrupted, during an import at its end: native modules that are interrupted while
    they are loaded end the process (onnx: a segmentation fault), and what is raised in a
    callback of the import system is lost.
    """
    outermost = None
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib."):
            outermost = frame
        frame = frame.f_back
    if outermost is None:
        raise Interrupted
    before = sys.getprofile()

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if frame is outermost and event == "return":
            sys.setprofile(before)
            raise Interrupted

    sys.setprofile(watch)


def _exit_code(number: int) -> int:
    return 128 + (signal.SIGTERM if number == _HANG_UP else number)
