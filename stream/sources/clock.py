"""Time: stamps as they come, made into a stream time that only moves forward, and frames at that
pace.
"""

from __future__ import annotations

import threading
import time
from fractions import Fraction

# further back than this is a new beginning (a splice, a counter that wrapped), not disorder
_JUMP_S = 1.0
_PLAUSIBLE_FPS = 1000.0  # containers announce 90000 when they mean the RTP clock
_FALLBACK_FPS = 30.0


def credible_fps(*rates: Fraction | float | None) -> float | None:
    """The first of `rates` that can be a frame rate; 0, NaN and 90000 cannot."""
    for rate in rates:
        if rate is not None and 0 < float(rate) < _PLAUSIBLE_FPS:
            return float(rate)
    return None


class StreamClock:
    """Seconds since the first frame, strictly increasing whatever the stamps do.

    A stamp that is missing, repeated or slightly out of order makes the frame one frame period
    later than the one before. A jump back of more than a second moves the origin, so that time goes
    on from there. Gaps forward are kept: that is what a variable frame rate looks like.

    bad_stamps: frames whose stamp could not be used.
    """

    def __init__(self, time_base: Fraction, fps: float | None) -> None:
        self._time_base = time_base
        self._period_s = 1 / (fps or _FALLBACK_FPS)
        self._origin_s: float | None = None
        self._last_s: float | None = None
        self.bad_stamps = 0

    def stamp(self, pts: int | None) -> tuple[float, bool]:
        """Stream time in seconds of a frame stamped `pts`; whether the stamp itself was used."""
        expected_s = 0.0 if self._last_s is None else self._last_s + self._period_s
        raw_s = None if pts is None else float(pts * self._time_base)
        if raw_s is not None and self._origin_s is None:
            self._origin_s = raw_s - expected_s
        time_s = None if raw_s is None or self._origin_s is None else raw_s - self._origin_s
        if (
            raw_s is not None
            and time_s is not None
            and self._last_s is not None
            and time_s < self._last_s - _JUMP_S
        ):
            self._origin_s = raw_s - expected_s
            time_s = None
        if time_s is None or (self._last_s is not None and time_s <= self._last_s):
            self.bad_stamps += 1
            self._last_s = expected_s
            return expected_s, False
        self._last_s = time_s
        return time_s, True

    def resume(self, time_base: Fraction, gap_s: float) -> None:
        """The source came back after `gap_s`: its stamps start anew, and time goes on after the
        gap.
        """
        self._time_base = time_base
        self._origin_s = None
        if self._last_s is not None:
            self._last_s += max(0.0, gap_s - self._period_s)


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
