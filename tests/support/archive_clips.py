"""Videos of an archive, made on the spot, and workers that need no network for them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archive import OutputsConfig, Settings
from archive.driver import Driver, resume
from archive.inputs import find_videos
from archive.manifest import Manifest
from archive.schedule import Change, Schedule
from archive.storage import Folder
from archive.units import Outcome, Unit
from archive.worker import Worker
from archive.workers import LocalWorkers, Share
from configs.units import parse_duration
from engine import PoseMaps, align
from tests.support.blank_engine import WorkEngine
from tests.support.media import make_clip, read_number

WIDTH, HEIGHT = 192, 128
_STRIDE = 2
_SURE, _DOUBTFUL = 0.9, 0.15


class WalkersEngine(WorkEngine):
    """An Estimator that reads the number of a frame and draws two people who walk to and fro; one
    of them is doubtful in every third frame, and gone in every eleventh.
    """

    min_person_score = 0.2

    def __init__(self, delay_s: float = 0.0, batch_size: int = 1) -> None:
        super().__init__(lambda: time.sleep(delay_s) if delay_s else None, batch_size=batch_size)
        self.input_size = HEIGHT
        self._alignment = align((HEIGHT, WIDTH), HEIGHT).with_map_size(
            (HEIGHT // _STRIDE, WIDTH // _STRIDE)
        )

    def submit(self, image_bgr: np.ndarray) -> int:
        return read_number(image_bgr)

    def result(self, ticket: int) -> PoseMaps:
        self._work()
        shape = (17, HEIGHT // _STRIDE, WIDTH // _STRIDE)
        heatmaps, tags = np.zeros(shape, np.float32), np.zeros((*shape, 1), np.float32)
        walk = 30 - abs(ticket % 60 - 30)
        self._draw(heatmaps, tags, 5 + walk, 0.0, _SURE)
        if ticket % 11:
            score = _DOUBTFUL if ticket % 3 == 0 else _SURE
            self._draw(heatmaps, tags, 75 - walk, 9.0, score)
        return PoseMaps(heatmaps, tags, self._alignment)

    def _draw(
        self, heatmaps: np.ndarray, tags: np.ndarray, left: int, tag: float, score: float
    ) -> None:
        joints = np.arange(17)
        x, y = left + 4 * (joints % 3), 18 + 7 * (joints // 3)
        heatmaps[joints, y, x] = score
        tags[joints, y, x] = tag


def walkers_clip(path: Path, frames: int = 60, gop: int = 12) -> Path:
    """A clip for `WalkersEngine` with a key frame every `gop`."""
    options = {"preset": "ultrafast", "bf": "2", "sc_threshold": "0"}
    return make_clip(path, frames=frames, gop=gop, width=WIDTH, height=HEIGHT, options=options)


def walkers_worker(settings: Settings) -> Worker:
    """A worker that finds two people in frames of `walkers_clip`."""
    return Worker(settings, WalkersEngine())


def slow_worker(settings: Settings) -> Worker:
    """The same, in 10 ms a frame."""
    return Worker(settings, WalkersEngine(0.01))


def slower_worker(settings: Settings) -> Worker:
    """The same, in 80 ms a frame: a unit takes longer than it takes a machine to die."""
    return Worker(settings, WalkersEngine(0.08))


def overburdened_worker(settings: Settings) -> Worker:
    """A worker that dies of several units at once."""

    class Overburdened(Worker):
        def do_together(self, units: Sequence[Unit]) -> list[Outcome]:
            if len(units) > 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().do_together(units)

    return Overburdened(settings, WalkersEngine(batch_size=3))


def records(path: Path) -> list[dict[str, Any]]:
    """The objects of a .jsonl output without what is measured."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for each in found:
        each.pop("latency_ms", None)
    return found


def work_off(schedule: Schedule, worker: Worker) -> list[tuple[Unit, Outcome, Change | None]]:
    """Does all units one after the other, and says what came of each."""
    done = []
    while (unit := schedule.take()) is not None:
        outcome = worker.do(unit)
        done.append((unit, outcome, schedule.settle(unit, outcome)))
    return done


def kinds(done: Sequence[tuple[Unit, Outcome, Change | None]]) -> list[str]:
    """The kinds of units in the order in which they were done."""
    return [unit.kind for unit, _, _ in done]


def drive(folder: str, *inputs: str) -> None:
    """Runs an archive in parts of a second by one slow worker process: a program to be killed."""
    outputs = OutputsConfig(cut=parse_duration("1s", "cut"))
    settings = Settings(folder=folder, outputs=outputs)
    manifest = Manifest(Folder(folder))
    manifest.agree(settings.identity())
    videos = find_videos(inputs)
    manifest.keep_videos(videos)
    schedule = resume(manifest, videos, outputs.format, retry_failed=False)
    with LocalWorkers(settings, [Share()], slow_worker) as workers:
        Driver(schedule, manifest, workers).run()
