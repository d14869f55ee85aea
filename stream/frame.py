"""What flows through the pipeline: decoded images with their times."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_TIME_BASE = Fraction(1, 90_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameStamp:
    """Which frame of a source it is, and when.

    Attributes:
        source: Name of the source, without credentials; of a folder or a list, the file.
        index: Number of the frame among all that the source delivered, dropped ones included, from
            0.
        time_s: Stream time in seconds: when players show the frame. It begins at 0, or with the
            sound where that begins earlier, and increases whatever the stamps do.
        capture_ns: `time.monotonic_ns()` when the packet arrived; now, if not given.
        pts: The time stamp itself, in units of `time_base`; None where the stream has none.
        time_base: Unit of `pts`, in seconds.
        epoch: Number of times that the source was reconnected.
    """

    source: str
    index: int
    time_s: float
    capture_ns: int = field(default_factory=time.monotonic_ns)
    pts: int | None = None
    time_base: Fraction = _TIME_BASE
    epoch: int = 0


@dataclass(slots=True)
class Frame:
    """One moment of one source.

    It has one owner at a time, and its pixels are used again for another one.

    Attributes:
        image: (H, W, 3) uint8 BGR, in display orientation (rotation applied).
        source: As in FrameStamp, and all down to `epoch`.
        index: Number of the frame.
        time_s: Stream time.
        capture_ns: When the packet arrived.
        pts: The time stamp.
        time_base: Its unit.
        epoch: Number of reconnections.
        source_index: Number of the source among those of the run, from 0.
        left_ns: Stage name -> `time.monotonic_ns()` when the frame left that stage.
    """

    image: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8))
    source: str = ""
    index: int = -1
    time_s: float = 0.0
    capture_ns: int = 0
    pts: int | None = None
    time_base: Fraction = _TIME_BASE
    epoch: int = 0
    source_index: int = 0
    left_ns: dict[str, int] = field(default_factory=dict)
    _buffer: NDArray[np.uint8] = field(
        default_factory=lambda: np.empty(0, np.uint8), init=False, repr=False, compare=False
    )

    def allocate(self, height: int, width: int) -> NDArray[np.uint8]:
        """Makes the image (height, width, 3), contents undefined, and returns it.

        Memory is taken only when images get larger than any before.
        """
        size = height * width * 3
        if self._buffer.size < size:
            self._buffer = np.empty(size, np.uint8)
            self.image = self._buffer.reshape(height, width, 3)
        elif self.image.shape[:2] != (height, width):
            self.image = self._buffer[:size].reshape(height, width, 3)
        return self.image

    def stamp(self, stamp: FrameStamp) -> None:
        """Makes it the frame that `stamp` describes, which has not left any stage yet."""
        self.source, self.index, self.epoch = stamp.source, stamp.index, stamp.epoch
        self.time_s, self.pts, self.time_base = stamp.time_s, stamp.pts, stamp.time_base
        self.capture_ns = stamp.capture_ns
        self.left_ns.clear()


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What is known of a source once it is open.

    Attributes:
        name: Path or URL without credentials.
        width: Displayed width in pixels.
        height: Displayed height in pixels.
        fps: Average frame rate that the container announces; None where it announces none that is
            credible.
        frame_count: Frames to expect; None where unknown or live.
        duration_s: Length in seconds; None where unknown or live.
        time_base: Unit of the frames' time stamps, in seconds.
        audio_path: File that has an audio stream to copy; None where there is none.
        audio_origin_s: What is taken off the time stamps of that file to get stream time.
        silent_because: Why sound that there is cannot be copied; None where it can, or there is
            none.
        live: Whether frames come at their own pace (camera, network) rather than ours.
    """

    name: str
    width: int
    height: int
    fps: float | None = None
    frame_count: int | None = None
    duration_s: float | None = None
    time_base: Fraction = _TIME_BASE
    audio_path: str | None = None
    audio_origin_s: Fraction = Fraction(0)
    silent_because: str | None = None
    live: bool = False
