"""How far a run is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream.pipeline.lane import Channel


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is. expected: frames to come in all, none where unknown. finished: the last
    call of the run.
    """

    frames: int
    expected: int | None
    drops: int
    elapsed_s: float
    finished: bool


def progress_of(channels: Sequence[Channel], *, elapsed_s: float, finished: bool) -> Progress:
    """The progress of all sources together."""
    counts = [_expected(channel) for channel in channels]
    return Progress(
        frames=sum(channel.frames for channel in channels),
        expected=None if None in counts else sum(count for count in counts if count is not None),
        drops=sum(channel.ring.dropped for channel in channels),
        elapsed_s=elapsed_s,
        finished=finished,
    )


def _expected(channel: Channel) -> int | None:
    info = channel.source.info
    if info is None or info.live:
        return channel.thinning.limit
    count = info.frame_count
    if count is None and info.duration_s is not None and info.fps is not None:
        count = round(info.duration_s * info.fps)
    return channel.thinning.expected(count, info.duration_s)
