"""What flows through the pipeline: decoded images with their times."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Frame:
    """One moment of one source. It has one owner at a time; its image lives in a ring-buffer slot.

    Attributes:
        image: (H, W, 3) uint8 BGR, in display orientation (rotation applied).
        source: Name of the source, without credentials; of a folder or a list, the file.
        index: Number of the frame among all that the source delivered, dropped ones included, from
            0.
        time_s: Stream time in seconds, from the time stamps of the stream, from 0 at its beginning.
        capture_ns: `time.monotonic_ns()` when the packet arrived.
        pts: The time stamp itself, in units of `time_base`; None where the stream has none.
        time_base: Unit of `pts`, in seconds.
        epoch: Number of times that the source was reconnected.
        source_index: Number of the source among those of the run, from 0.
        left_ns: Stage name -> `time.monotonic_ns()` when the frame left that stage.
    """

    image: NDArray[np.uint8]
    source: str
    index: int
    time_s: float
    capture_ns: int
    pts: int | None = None
    time_base: Fraction = Fraction(1, 90_000)
    epoch: int = 0
    source_index: int = 0
    left_ns: dict[str, int] = field(default_factory=dict)


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
        live: Whether frames come at their own pace (camera, network) rather than ours.
    """

    name: str
    width: int
    height: int
    fps: float | None = None
    frame_count: int | None = None
    duration_s: float | None = None
    time_base: Fraction = Fraction(1, 90_000)
    audio_path: str | None = None
    live: bool = False
