"""Remembers what the timings of a run tell."""

from __future__ import annotations

import threading
import time

import numpy as np
from numpy.typing import NDArray

from stream.profile.rows import CAPACITY, Rows


class Recorder:
    """An Observer of `stream.pipeline.timing.Timings` that remembers.

    Every stage and every queue has rows of its own, so no thread waits for another.

    Attributes:
        works: By stage or part of one: begin and end of the work on every frame.
        queues: By stage: `value` is how many frames waited in front of it; `index` counts the
            looks.
        deliveries: Begin is the capture and end the delivery of a frame; `value` is how many people
            are in it, `drops` what its source had dropped until then.
        threads: By stage: the thread that does it. Not its number, which the system gives to the
            next thread as soon as one has ended.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self.works: dict[str, Rows] = {}
        self.queues: dict[str, Rows] = {}
        self.deliveries = Rows(capacity)
        self.threads: dict[str, threading.Thread] = {}

    def work(self, stage: str, begin_ns: int, end_ns: int, index: int, source: int) -> None:
        rows = self.works.get(stage)
        if rows is None:
            self.threads[stage] = threading.current_thread()
            rows = self.works[stage] = Rows(self._capacity)
        rows.append(index, begin_ns, end_ns, source)

    def queue(self, stage: str, depth: int) -> None:
        rows = self.queues.get(stage)
        if rows is None:
            rows = self.queues[stage] = Rows(self._capacity)
        now_ns = time.perf_counter_ns()
        rows.append(rows.seen, now_ns, now_ns, 0, depth)

    def delivered(self, index: int, source: int, latency_ns: int, people: int, drops: int) -> None:
        now_ns = time.perf_counter_ns()
        self.deliveries.append(index, now_ns - latency_ns, now_ns, source, people, drops)

    @property
    def every(self) -> int:
        """1 where every frame of the run is here; n where every n-th is, and those that were
        unusually slow.
        """
        return max([self.deliveries.every, *(rows.every for rows in self.works.values())])

    def per_frame(self, stage: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(n,) positions in `deliveries.kept()` and (n,) milliseconds that `stage` spent on those
        frames.

        Frames that it was not seen to work on, because they were thinned out, are left out.
        """
        if stage not in self.works:
            return np.zeros(0, np.int64), np.zeros(0)
        rows, frames = self.works[stage].kept(), self.deliveries.kept()
        sources = 1 + max(int(rows["source"].max(initial=0)), int(frames["source"].max(initial=0)))
        keys, wanted = (
            rows["index"] * sources + rows["source"],
            frames["index"] * sources + frames["source"],
        )
        order = np.argsort(keys, kind="stable")
        found = np.searchsorted(keys[order], wanted)
        inside = found < len(keys)
        matches = np.flatnonzero(inside)[keys[order][found[inside]] == wanted[inside]]
        hits = rows[order[found[matches]]]
        return matches, (hits["end_ns"] - hits["begin_ns"]) * 1e-6
