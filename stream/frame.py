"""What flows through the pipeline: a decoded image with its times."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Frame:
    """One moment of one source. It has one owner at a time; its image lives in a ring-buffer slot.

    image: (H, W, 3) uint8 BGR, in display orientation (rotation applied).
    source: name of the source, without credentials.
    index: number of the frame among all that the source delivered, dropped ones included, from 0.
    time_s: stream time in seconds, from the time stamps of the stream, from 0 at its beginning.
    pts: the time stamp itself, in units of `time_base`; none where the stream has none.
    capture_ns: `time.monotonic_ns()` when the packet arrived.
    epoch: number of times that the source was reconnected.
    left_ns: stage name -> `time.monotonic_ns()` when the frame left that stage.
    """

    image: NDArray[np.uint8]
    source: str
    index: int
    time_s: float
    capture_ns: int
    pts: int | None = None
    time_base: Fraction = Fraction(1, 90_000)
    epoch: int = 0
    left_ns: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What is known of a source once it is open.

    name: path or URL without credentials.
    width, height: displayed size in pixels.
    fps: average frame rate that the container announces, none where it announces none that is
    credible.
    frame_count: frames to expect, none where unknown or live.
    duration_s: length in seconds, none where unknown or live.
    audio_path: file that has an audio stream to copy, none where there is none.
    live: whether frames come at their own pace (camera, network) rather than ours.
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
