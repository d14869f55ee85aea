"""How far a run is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream.pipeline.lane import Lane


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        frames: Written so far.
        expected: Frames to come in all; None where unknown.
        drops: Frames given up so far.
        elapsed_s: Seconds since the run began.
        finished: Whether this is the last call of the run.
    """

    frames: int
    expected: int | None
    drops: int
    elapsed_s: float
    finished: bool


def progress_of(lanes: Sequence[Lane], *, elapsed_s: float, finished: bool) -> Progress:
    """The progress of all sources together."""
    counts = [_expected(lane) for lane in lanes]
    return Progress(
        frames=sum(lane.frames for lane in lanes),
        expected=None if None in counts else sum(count for count in counts if count is not None),
        drops=sum(lane.ring.dropped for lane in lanes),
        elapsed_s=elapsed_s,
        finished=finished,
    )


def _expected(lane: Lane) -> int | None:
    info = lane.source.info
    if info is None or info.live:
        return lane.sampler.limit
    count = info.frame_count
    if count is None and info.duration_s is not None and info.fps is not None:
        count = round(info.duration_s * info.fps)
    return lane.sampler.expected(count, info.duration_s)
