"""Whether a run is alive, and whether it is ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from configs.errors import SourceError
from stream.pipeline.lane import Lane
from stream.pipeline.pipeline import Pipeline

# Longer than any frame takes, the first one that compiles included; starting again takes about as
# long.
STUCK_S = 60.0


class Verdict(NamedTuple):
    """The answer to a probe: whether all is well, and in words what is not, one thing a line."""

    well: bool
    text: str


@dataclass
class _Watched:
    """A source, how far it was when it was looked at last, and since when frames of it wait."""

    lane: Lane
    label: str
    delivered: int = 0
    arrived: int = 0
    waiting_since_s: float | None = None

    def look(self, now_s: float) -> None:
        delivered, arrived = self.lane.frames, self.lane.ring.committed
        if delivered != self.delivered or self.lane.ring.closed is not None:
            self.waiting_since_s = None
        elif arrived != self.arrived and self.waiting_since_s is None:
            self.waiting_since_s = now_s
        self.delivered, self.arrived = delivered, arrived


class Health:
    """Judges a run by what comes in and what comes out.

    Alive is a run that may yet give results: a camera that is gone is no reason to start a process
    again, a stage that hangs is. Ready is one that gives results: the model is there and frames of
    at least one source have gone all the way.

    `look` is called about ten times a second by the thread that runs the pipeline; answers are for
    any thread.
    """

    def __init__(
        self, stuck_s: float = STUCK_S, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Judges nothing before `watch`: what is starting is alive and not ready.

        Args:
            stuck_s: How long frames may wait without a result.
            clock_s: Seconds of a clock that only goes forward.
        """
        self._stuck_s = stuck_s
        self._clock_s = clock_s
        self._pipeline: Pipeline | None = None
        self._watched: tuple[_Watched, ...] = ()

    def watch(self, pipeline: Pipeline, labels: Sequence[str]) -> None:
        """Judges this run from now on; sources are called as in `labels`."""
        self._watched = tuple(map(_Watched, pipeline.lanes, labels))
        self._pipeline = pipeline

    def look(self) -> None:
        """Sees how far the run is."""
        now_s = self._clock_s()
        for watched in self._watched:
            watched.look(now_s)

    def alive(self) -> Verdict:
        """Whether the run may yet give results."""
        error = None if self._pipeline is None else self._pipeline.error
        if error is not None and not isinstance(error, SourceError):  # other sources go on
            return Verdict(False, "the run has failed")
        now_s = self._clock_s()
        stuck = [
            f"{watched.label}: frames come, and no result for {now_s - since_s:.0f} s"
            for watched in self._watched
            if (since_s := watched.waiting_since_s) is not None and now_s - since_s > self._stuck_s
        ]
        return Verdict(not stuck, "\n".join(stuck) or "alive")

    def ready(self) -> Verdict:
        """Whether the run gives results."""
        if self._pipeline is None:
            return Verdict(False, "the model is being loaded")
        states = [
            (watched.label, watched.lane.source.health.state, watched.lane.frames)
            for watched in self._watched
        ]
        text = "\n".join(f"{label}: {state}, {frames} frames" for label, state, frames in states)
        return Verdict(any(state == "running" and frames for _, state, frames in states), text)
