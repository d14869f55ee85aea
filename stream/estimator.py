"""What the pipeline asks of an engine and of grouping; anything that can do this can be put in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from configs import GroupingConfig, KeypointSet
from engine import Candidates, PoseMaps
from grouping import Grouper, People


class Estimator(Protocol):
    """Images to maps, with several under way at once; used by one thread. `engine.open_estimator`
    gives one.

    in_flight: batches that may be open at a time. batch_size: images that are worth giving at
    once, 1 where a batch gains nothing. min_person_score: people below it are mostly ghosts.
    """

    @property
    def in_flight(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def model(self) -> str: ...
    @property
    def runtime(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def keypoint_set(self) -> str | KeypointSet: ...
    @property
    def min_person_score(self) -> float: ...

    def submit_batch(self, images_bgr: Sequence[NDArray[np.uint8]], /) -> list[Any]:
        """A ticket for the maps of each image (H, W, 3) uint8 BGR; all of them may be reused when
        the call returns.
        """

    def result(self, ticket: Any, /) -> PoseMaps:
        """Waits for the maps. Tickets are taken in the order in which they were given."""


class Group(Protocol):
    """Maps to people, in map pixels; `grouping.Grouper` is one."""

    def __call__(
        self,
        heatmaps: NDArray[np.float32],
        tags: NDArray[np.float32],
        candidates: Candidates | None = None,
        /,
    ) -> People: ...


def suitable_grouper(estimator: Estimator, min_score: float | None = None) -> Grouper:
    """The reference decoder, less people below `min_score`, or below what suits the estimator's
    model where none is given.

    Raises ConfigError for a keypoint set that is not known.
    """
    least = estimator.min_person_score if min_score is None else min_score
    return Grouper(
        estimator.keypoint_set, mode="tuned", config=GroupingConfig(min_person_score=least)
    )
