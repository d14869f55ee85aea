"""Ctrl-C and SIGTERM: once to finish, twice to leave."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class StopSignals:
    """While entered, the first SIGINT or SIGTERM calls `on_stop`, the second ends the process at
    once.

    Without `on_stop` the first raises KeyboardInterrupt: there is nothing to finish yet. `received`
    is the number of the first signal. Only for the main thread.
    """

    def __init__(self) -> None:
        self.on_stop: Callable[[], None] | None = None
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """What the shell expects of a process that ended because of the signal."""
        return 128 + (self.received or 0)

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        if self.on_stop is None:
            raise KeyboardInterrupt
        self.on_stop()
