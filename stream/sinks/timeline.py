"""When each frame of a video output is shown."""

from __future__ import annotations

from fractions import Fraction

from stream.frame import Frame

# A file that starts a little after 0 (encoder delay, a late video track) keeps its time stamps to
# the tick. A broadcast or camera clock that starts anywhere would make players show hours of
# nothing first, so that start is taken off.
MAX_START_S = 1.0


class Timeline:
    """Time stamps for frames in units of `time_base`: the source's own wherever they are usable,
    always increasing.
    """

    def __init__(self, time_base: Fraction) -> None:
        self.time_base = time_base
        self.origin_s: Fraction = Fraction(
            0
        )  # what was taken off the source's clock; audio has to follow
        self._last: int | None = None
        self._last_capture_ns = 0
        self._epoch = 0

    def stamp(self, frame: Frame) -> int:
        """The time stamp of `frame`. Where it would not come after the one before, the capture time
        tells how far it is.
        """
        if self._last is None:
            self._epoch = frame.epoch
            self._set_origin(frame)
        if frame.pts is None or frame.epoch != self._epoch:
            stamp = round(Fraction(frame.time_s) / self.time_base)
        else:
            stamp = round((frame.pts * frame.time_base - self.origin_s) / self.time_base)
        if self._last is not None and stamp <= self._last:
            waited_s = Fraction(max(0, frame.capture_ns - self._last_capture_ns), 1_000_000_000)
            stamp = self._last + max(1, round(waited_s / self.time_base))
        self._last, self._last_capture_ns = stamp, frame.capture_ns
        return stamp

    def _set_origin(self, frame: Frame) -> None:
        if frame.pts is None:
            return
        started_s = frame.pts * frame.time_base - Fraction(frame.time_s).limit_denominator(
            1_000_000
        )
        if abs(started_s) > MAX_START_S:
            self.origin_s = started_s
