"""What the pipeline asks of an engine and of grouping; anything that can do this can be put in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from configs import ConfigError, GroupingConfig, KeypointSet, suitable_adjustment
from configs.flags import option
from engine import Candidates, PoseMaps
from grouping import Grouper, People


class Estimator(Protocol):
    """Images to maps, with several under way at once; used by one thread.

    `engine.open_estimator` gives one.

    Attributes:
        in_flight: Batches that may be open at a time.
        batch_size: Images that are worth giving at once; 1 where a batch gains nothing.
        model: What to call the model.
        runtime: What executes it.
        precision: In which precision.
        keypoint_set: The joints that its maps have.
        min_person_score: People below it are mostly ghosts.
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
    def keypoint_set(self) -> KeypointSet: ...
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


@dataclass(frozen=True, kw_only=True)
class PeopleConfig:
    """Which people are kept.

    Attributes:
        min_score: People whose joints score less on average, 0..1, are left out; None is what suits
            the model.

    Raises:
        ConfigError: The score is out of range.
    """

    TITLE: ClassVar[str] = "people"

    min_score: float | None = option(
        None,
        help="leave out people whose joints score less on average; default: what suits the model",
        metavar="0..1",
    )

    def __post_init__(self) -> None:
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ConfigError(f"min_score must be 0..1, not {self.min_score:g}")


def least_score(estimator: Estimator, config: PeopleConfig | None = None) -> float:
    """The score from which people are kept: what was asked for, else what suits the model."""
    least = None if config is None else config.min_score
    return estimator.min_person_score if least is None else least


def suitable_grouper(
    estimator: Estimator, config: PeopleConfig | None = None, *, share: float = 1.0
) -> Grouper:
    """The reference decoder for what an estimator computes.

    Args:
        estimator: Tells the joints, and below which score people are mostly ghosts.
        config: Which people are kept.
        share: Factor on that score, below 1 where a stage behind it tells doubtful people from
            ghosts.

    Raises:
        ConfigError: The keypoint set is not known.
    """
    grouping = GroupingConfig(
        min_person_score=share * least_score(estimator, config),
        # an estimator of one's own may not say it
        adjustment=suitable_adjustment(getattr(estimator, "alignment", "centre")),
    )
    return Grouper(estimator.keypoint_set, mode="tuned", config=grouping)
