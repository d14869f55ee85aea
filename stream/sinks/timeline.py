"""When each frame of a video output is shown."""

from __future__ import annotations

from fractions import Fraction


class OutputClock:
    """Stream time in units of a time base, always increasing.

    Args:
        time_base: The unit, in seconds.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._ticks_per_s = float(1 / time_base)
        self._last: int | None = None

    def stamp(self, time_s: float) -> int:
        """The time stamp of a frame at that stream time; later by a tick than the one before, where
        both are in the same tick.
        """
        stamp = round(time_s * self._ticks_per_s)
        if self._last is not None and stamp <= self._last:
            stamp = self._last + 1
        self._last = stamp
        return stamp
