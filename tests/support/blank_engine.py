"""Engines that see nobody, in a time of their choice."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from configs import load_keypoint_set
from engine import PoseMaps, align
from tests.support.media import read_number


def blank_maps() -> PoseMaps:
    """Maps without a peak, of an image of 96 x 64."""
    alignment = align((64, 96), 64).with_map_size((16, 24))
    return PoseMaps(
        np.zeros((17, 16, 24), np.float32), np.zeros((17, 16, 24, 1), np.float32), alignment
    )


class WorkEngine:
    """An Estimator whose every image takes `work`, as if a device computed elsewhere.

    maps: its answers, in turns; blank ones by default. batches: how many images were submitted each
    time.
    """

    model, runtime, precision = "work", "fixture", "exact"
    keypoint_set = load_keypoint_set("coco")
    input_size = 64
    min_person_score = 0.0

    def __init__(
        self,
        work: Callable[[], None],
        *,
        maps: Iterable[PoseMaps] | None = None,
        in_flight: int = 2,
        batch_size: int = 1,
    ) -> None:
        self.in_flight = in_flight
        self.batch_size = batch_size
        self.batches: list[int] = []
        self._work = work
        self._maps = itertools.cycle([blank_maps()] if maps is None else maps)

    def submit_batch(self, images_bgr: Sequence[np.ndarray]) -> list[Any]:
        self.batches.append(len(images_bgr))
        return [self.submit(image) for image in images_bgr]

    def submit(self, image_bgr: np.ndarray) -> Any:
        return None

    def result(self, ticket: Any) -> PoseMaps:
        self._work()
        return next(self._maps)


class BlankEngine(WorkEngine):
    """An Estimator that takes `delay_s` for an image and finds nobody.

    seen: the numbers that the images showed (tests.support.media.numbered_image).
    """

    model = "blank"

    def __init__(self, delay_s: float = 0.0, in_flight: int = 2, batch_size: int = 1) -> None:
        super().__init__(
            lambda: time.sleep(self.delay_s), in_flight=in_flight, batch_size=batch_size
        )
        self.delay_s = delay_s
        self.seen: list[int] = []

    def submit(self, image_bgr: np.ndarray) -> int:
        self.seen.append(read_number(image_bgr))
        return len(self.seen) - 1
