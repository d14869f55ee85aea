"""How many cameras an engine serves: the queue that they make, without the cameras."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from basics.statistics import Statistics
from configs import ConfigError

_SETTLED_S = 2.0  # the beginning, which does not count
_JITTER = 0.05  # of the engine's times, to either side: without any, engine and camera fall in step


@dataclass(frozen=True, kw_only=True)
class EngineTimes:
    """What an engine and the stages behind it take.

    Attributes:
        batch_ms: For one image, two images together, four, ...: doubled each time. Images that do
            not fill one of these travel as several.
        rest_ms: From the maps to the outputs: grouping, drawing, writing.
        in_flight: Batches that are submitted before the first result is taken; 1 is what a run of
            live sources has.
        window_ms: How long an idle engine waits for images of other cameras.
    """

    batch_ms: tuple[float, ...]
    rest_ms: float = 0.0
    in_flight: int = 1
    window_ms: float = 2.0

    def __post_init__(self) -> None:
        if not self.batch_ms or min(self.batch_ms) <= 0:
            raise ConfigError("batch_ms must hold times above 0, of one image first")
        if self.in_flight < 1 or min(self.rest_ms, self.window_ms) < 0:
            raise ConfigError("in_flight must be at least 1, rest_ms and window_ms at least 0")

    @property
    def batch_size(self) -> int:
        """Images that travel together at most."""
        return 1 << (len(self.batch_ms) - 1)

    def spent_s(self, images: int) -> float:
        """What the engine takes for that many images that were submitted at once."""
        spent_ms = 0.0
        while images:
            power = min(len(self.batch_ms), images.bit_length()) - 1
            spent_ms += self.batch_ms[power]
            images -= 1 << power
        return spent_ms / 1e3


@dataclass(frozen=True, kw_only=True)
class Service:
    """What cameras get of an engine.

    Attributes:
        fps: Frames a second of a camera that are used, on average.
        least_fps: Those of the camera that gets the fewest.
        share: Frames that are used, of all.
        latency_ms: From the capture of a frame to its outputs.
        busy: Share of the time that the engine is at work.
    """

    fps: float
    least_fps: float
    share: float
    latency_ms: Statistics
    busy: float


def simulate(
    cameras: int, fps: float, times: EngineTimes, *, seconds: float = 60.0, seed: int = 0
) -> Service:
    """Follows frames of live cameras through one engine, as `stream.pipeline` leads them.

    Every camera keeps its newest frame alone. The engine takes turns through the cameras that have
    one, up to a batch of different cameras; frames are submitted before the result of those in
    front of them is waited for.

    Args:
        cameras: How many there are; they are not in step.
        fps: Frames a second of each.
        times: What the engine takes.
        seconds: How long it is followed.
        seed: Of the moments at which the cameras begin, and of the engine's jitter of 5 %.
    """
    if cameras < 1 or fps <= 0 or seconds <= 0:
        raise ConfigError("cameras, fps and seconds must be above 0")
    random = np.random.default_rng(seed)
    queue = _Queue(random.uniform(0, 1 / fps, cameras).tolist(), fps, times, random)
    while queue.now_s < _SETTLED_S + seconds:
        queue.step()
    counts = np.bincount(queue.served, minlength=cameras) / (queue.now_s - _SETTLED_S)
    return Service(
        fps=float(counts.mean()),
        least_fps=float(counts.min()),
        share=min(1.0, float(counts.mean()) / fps),
        latency_ms=Statistics.of(queue.latencies_ms),
        busy=queue.busy_s / queue.now_s,
    )


class _Queue:
    """The thread of the engine: what it took, what is under way, and its clock."""

    def __init__(
        self,
        begins_s: Sequence[float],
        fps: float,
        times: EngineTimes,
        random: np.random.Generator,
    ) -> None:
        self.now_s = 0.0
        self.busy_s = 0.0
        self.served: list[int] = []
        self.latencies_ms: list[float] = []
        self._begins_s, self._fps, self._times = begins_s, fps, times
        self._random = random
        self._taken = [-1] * len(begins_s)  # number of the last frame, by camera
        self._turn = 0
        self._pending: deque[list[tuple[int, float]]] = deque()  # batches of (camera, captured)

    def step(self) -> None:
        """Submits a batch, or waits for a result, or for a frame."""
        if len(self._pending) < self._times.in_flight:
            if batch := self._take(self._times.batch_size, set()):
                if not self._pending:
                    self._wait_for_more(batch)
                self._pending.append(batch)
                return
            if not self._pending:
                self.now_s = self._next_s(range(len(self._taken)))
                return
        self._finish(self._pending.popleft())

    def _take(self, limit: int, without: set[int]) -> list[tuple[int, float]]:
        """The newest frames that are there, of cameras in turns."""
        found: list[tuple[int, float]] = []
        count, first = len(self._taken), self._turn
        for camera in ((first + step) % count for step in range(count)):
            newest = self._newest(camera)
            if len(found) < limit and camera not in without and newest > self._taken[camera]:
                found.append((camera, self._begins_s[camera] + newest / self._fps))
                self._taken[camera] = newest
                self._turn = camera + 1
        return found

    def _wait_for_more(self, batch: list[tuple[int, float]]) -> None:
        """An idle engine gives the other cameras a moment."""
        end_s = self.now_s + self._times.window_ms / 1e3
        limit = min(self._times.batch_size, len(self._taken))
        while len(batch) < limit:
            there = {camera for camera, _ in batch}
            next_s = self._next_s(set(range(len(self._taken))) - there)
            if next_s > end_s:
                self.now_s = end_s
                return
            self.now_s = next_s
            batch += self._take(limit - len(batch), there)

    def _finish(self, batch: list[tuple[int, float]]) -> None:
        spent_s = self._times.spent_s(len(batch)) * self._random.uniform(1 - _JITTER, 1 + _JITTER)
        self.now_s += spent_s
        self.busy_s += spent_s
        if self.now_s >= _SETTLED_S:
            for camera, captured_s in batch:
                self.served.append(camera)
                self.latencies_ms.append(1e3 * (self.now_s - captured_s) + self._times.rest_ms)

    def _newest(self, camera: int) -> int:
        # What is captured at this very moment is there.
        return math.floor((self.now_s - self._begins_s[camera]) * self._fps + 1e-9)

    def _next_s(self, cameras: range | set[int]) -> float:
        """When the next frame of one of the cameras comes that was not taken yet."""
        return min(
            self._begins_s[camera]
            + (max(self._newest(camera), self._taken[camera]) + 1) / self._fps
            for camera in cameras
        )
