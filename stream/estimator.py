"""What the pipeline asks of an engine and of grouping; anything that can do this can be put in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from configs import ConfigError, KeypointSet
from configs.flags import option
from engine import (
    Candidates,
    Device,
    DeviceList,
    EstimatorConfig,
    PoseMaps,
    Preparation,
    format_input_size,
    open_estimator,
)
from grouping import Grouper, People

logger = logging.getLogger(__name__)


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


@runtime_checkable
class PreparingEstimator(Estimator, Protocol):
    """An estimator whose images can be laid into the network's input by other threads than the one
    that submits; `engine.Estimator` is one.

    Attributes:
        align_threads: How many are worth it; 0 where the network takes far longer.
    """

    @property
    def align_threads(self) -> int: ...

    def prepare_batch(self, images_bgr: Sequence[NDArray[np.uint8]], /) -> Preparation:
        """As `submit_batch`, but every image is to be laid before `submit_prepared`."""

    def submit_prepared(self, preparation: Preparation, /) -> list[Any]:
        """Starts work, and gives a ticket for the maps of each image."""

    def cancel(self, preparation: Preparation, /) -> None:
        """Gives back what was prepared and is not going to be submitted."""

    def warm_up(
        self, image_sizes: Sequence[tuple[int, int]], batches: Sequence[int] = (1,)
    ) -> None:
        """Computes images of these (height, width), so that the first ones do not have to wait."""


Model = str | Path | EstimatorConfig | Estimator
"""A preset or a file; all that can be chosen about it; or an estimator that is open already."""


def device_of(estimator: Estimator) -> str:
    """What computes: `cpu`, or number and name of the GPU; empty for an estimator of one's own that
    does not say.
    """
    return str(getattr(estimator, "device", ""))


def shown_input_size(estimator: Estimator) -> str | None:
    """The size of its input, for people to read; None for one of one's own that does not say."""
    size = getattr(estimator, "input_size", None)
    return None if size is None else format_input_size(size)


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
    """What groups the maps of an estimator, with the people who are kept.

    Args:
        estimator: Tells the joints, and below which score people are mostly ghosts.
        config: Which people are kept.
        share: Factor on that score, below 1 where a stage behind it tells doubtful people from
            ghosts.

    Raises:
        ConfigError: The keypoint set is not known.
    """
    return Grouper.for_model(estimator, min_person_score=share * least_score(estimator, config))


def enter_estimator(
    estimator: Model, stack: ExitStack, streams: int = 1, batch_size: int | None = None
) -> Estimator:
    """One that was named is opened here, and closed with the stack; `streams` where it does not say
    itself, and `batch_size` as for `engine.open_estimator`.
    """
    if isinstance(estimator, (str, Path)):
        return stack.enter_context(
            open_estimator(estimator, streams=streams, batch_size=batch_size)
        )
    if isinstance(estimator, EstimatorConfig):
        chosen = replace(estimator, streams=estimator.streams or streams)
        return stack.enter_context(open_estimator(chosen, batch_size=batch_size))
    return estimator


def used_devices(estimator: EstimatorConfig, sources: int) -> list[Device]:
    """Those that get a source; source k is computed by the one at k modulo their number."""
    return list(estimator.device)[: max(1, sources)]


def enter_estimators(
    estimator: Model, sources: int, stack: ExitStack, streams: int = 1
) -> list[Estimator]:
    """One for each device that is named and has a source to work for; they share the `streams`."""
    if not isinstance(estimator, EstimatorConfig):
        return [enter_estimator(estimator, stack, streams)]
    devices = used_devices(estimator, sources)
    if len(devices) < len(estimator.device):
        logger.warning(
            "only %s of the devices %s has a source: a source stays on one device",
            ", ".join(map(str, devices)),
            estimator.device,
        )
    return [
        enter_estimator(
            replace(estimator, device=DeviceList((device,))), stack, max(1, streams // len(devices))
        )
        for device in devices
    ]
