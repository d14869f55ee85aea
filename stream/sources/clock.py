"""Time: stamps as they come, made into a stream time that only moves forward, and frames at that
pace.
"""

from __future__ import annotations

import threading
import time
from fractions import Fraction

_BACK_S = 1  # further back than this is a new beginning (a splice, a counter that wrapped)
_LONGEST_GAP_S = 10  # further ahead than this is doubtful: FFmpeg's own -dts_delta_threshold
_LONGEST_GAP_IN_FILE_S = 24 * 3600  # a counter of 31 bits wrapped (FLV)
_PLAUSIBLE_FPS = 1000.0  # containers announce 90000 when they mean the RTP clock
_FALLBACK_FPS = 30.0


def credible_fps(*rates: Fraction | float | None) -> float | None:
    """The first of `rates` that can be a frame rate; 0, NaN and 90000 cannot."""
    for rate in rates:
        if rate is not None and 0 < float(rate) < _PLAUSIBLE_FPS:
            return float(rate)
    return None


class StreamClock:
    """Stream time in seconds, strictly increasing whatever the stamps do.

    A stamp that is missing, repeated or a little out of order makes the frame one frame period
    later than the one before; where that was too much, the next ones come closer together. A clock
    that was put back goes on from there. Gaps forward are kept:
    that is what a variable frame rate looks like; of a live source only as far as nothing came for
    so long.

    Args:
        time_base: Unit of the stamps, in seconds.
        fps: Announced frame rate; None where unknown.
        start_s: Time of the first frame.
        live: Whether frames come as they are made, so that their arrival bounds how far apart they
            are.

    Attributes:
        bad_stamps: Frames whose stamp could not be used.
    """

    def __init__(
        self,
        time_base: Fraction,
        fps: float | None,
        *,
        start_s: Fraction = Fraction(0),
        live: bool = False,
    ) -> None:
        self.bad_stamps = 0
        self._time_base = time_base
        self._period_s = 1 / Fraction(fps or _FALLBACK_FPS).limit_denominator(1001)
        self._start_s = start_s
        self._live = live
        self._origin_s: Fraction | None = None
        self._last_s: Fraction | None = None
        self._last_raw_s: Fraction | None = None

    def fits(self, pts: int | None) -> bool:
        """Whether a frame stamped `pts` would go on from the last one, give or take."""
        if pts is None or self._origin_s is None or self._last_s is None:
            return True
        return -_BACK_S <= self._ahead_s(pts) <= _LONGEST_GAP_S

    def stands_alone(self, pts: int | None, following: int | None) -> bool:
        """Whether a stamp that does not fit is wrong, since the one that follows goes on without
        it.
        """
        if pts is None or following is None or self._origin_s is None or self._last_s is None:
            return False
        return self._ahead_s(following) > 0 and (self._ahead_s(pts) < 0 or following < pts)

    def stamp(self, pts: int | None, *, waited_s: float = 0.0) -> tuple[Fraction, bool]:
        """The time of the next frame, or packet.

        Args:
            pts: Its stamp; None where it has none, or none that can be believed.
            waited_s: Of a live source, how long after the last frame it came.

        Returns:
            Stream time in seconds, and whether the stamp itself was used.
        """
        raw_s = None if pts is None else pts * self._time_base
        time_s = self._time_of(raw_s, Fraction(waited_s))
        used = time_s is not None
        if time_s is None:
            self.bad_stamps += 1
            time_s = self._expected_s
        if raw_s is not None:
            self._last_raw_s = raw_s
        self._last_s = time_s
        return time_s, used

    def resume(self, time_base: Fraction, gap_s: float) -> None:
        """The source came back after `gap_s`: its stamps start anew, and time goes on after the
        gap.
        """
        self._time_base = time_base
        self._origin_s = self._last_raw_s = None
        if self._last_s is not None:
            self._last_s += max(Fraction(0), Fraction(gap_s) - self._period_s)

    def _ahead_s(self, pts: int) -> Fraction:
        return pts * self._time_base - (self._origin_s or 0) - (self._last_s or 0)

    @property
    def _expected_s(self) -> Fraction:
        return self._start_s if self._last_s is None else self._last_s + self._period_s

    def _time_of(self, raw_s: Fraction | None, waited_s: Fraction) -> Fraction | None:
        """The time of a frame by its stamp; None if that cannot be used."""
        if raw_s is None:
            return None
        last_s, before_s = self._last_s, self._last_raw_s
        if self._origin_s is None:
            self._origin_s = raw_s - self._expected_s
        time_s = raw_s - self._origin_s
        if last_s is None or last_s < time_s <= last_s + _LONGEST_GAP_S:
            return time_s
        if time_s > last_s:
            longest_s = waited_s + _LONGEST_GAP_S if self._live else _LONGEST_GAP_IN_FILE_S
            if time_s <= last_s + longest_s:
                return time_s
            return self._go_on(raw_s, last_s + max(self._period_s, waited_s))
        if time_s < last_s - _BACK_S:
            self._go_on(raw_s, last_s + self._period_s)
            return None
        if before_s is None or raw_s <= before_s:
            return None
        # Behind, and going on from there.
        step_s = raw_s - before_s
        if last_s - time_s <= 2 * self._period_s:
            return last_s + step_s / 2  # what was put in for a stamp that was there twice
        return self._go_on(raw_s, last_s + step_s)  # a clock that was put back

    def _go_on(self, raw_s: Fraction, time_s: Fraction) -> Fraction:
        self._origin_s = raw_s - time_s
        return time_s


class Pace:
    """Lets frames through at the times of their stamps, the first one at once; after `stop`, from
    any thread, all of them.

    Args:
        longest_delay_s: Later than this, the pace begins anew with the frame that is late; None
            lets all through that are late, until they have caught up.
    """

    def __init__(self, longest_delay_s: float | None = None) -> None:
        self._longest_delay_s = longest_delay_s
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
        elif self._longest_delay_s is not None and -rest_s > self._longest_delay_s:
            self._began_s -= rest_s
        return time.monotonic_ns() - asked_ns

    def stop(self) -> None:
        self._stopped.set()
