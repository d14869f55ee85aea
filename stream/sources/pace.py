"""Files at the speed of a camera."""

from __future__ import annotations

import threading
import time


class Pace:
    """Lets frames through at the times of their stamps, the first one at once; after `stop`, from
    any thread, all of them.
    """

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._stopped = threading.Event()

    def wait(self, time_s: float) -> int:
        """Waits until the frame with stream time `time_s` is due; returns how long that was, in
        nanoseconds.
        """
        asked_ns = time.monotonic_ns()
        if self._began_s is None:
            self._began_s = asked_ns * 1e-9 - time_s
        rest_s = self._began_s + time_s - asked_ns * 1e-9
        if rest_s > 0:
            self._stopped.wait(rest_s)
        return time.monotonic_ns() - asked_ns

    def stop(self) -> None:
        self._stopped.set()
