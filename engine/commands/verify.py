"""The command `verify`: a runtime's maps against torch's in single precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basics.demo import DEMO_CLIP
from configs import ExecutionError
from configs.commands import Say
from configs.flags import option
from engine.config import RuntimeConfig
from engine.maps import PoseMaps
from engine.model_source import ModelSource, find_model
from engine.runtimes import Workload, open_runtime
from engine.verify.maps import TOLERANCES, measure_parity
from engine.verify.people import GroupPeople
from engine.verify.reference import open_reference
from keypoint_datasets.images import load_images


@dataclass(frozen=True, kw_only=True)
class VerifyConfig(RuntimeConfig):
    """Flags of `verify`."""

    images: tuple[Path, ...] = option(
        (), help="images or clips to compare on (default: the demo)", metavar="FILE"
    )


def run_verify(config: VerifyConfig, say: Say) -> None:
    """Says how far the maps are from each other, and the people in them.

    Raises:
        ExecutionError: They are out of tolerance, or a runtime failed.
        ModelError, DataError, RuntimeUnavailableError: What is to be compared is not there.
    """
    source = find_model(config.model, config.weights, offline=config.offline)
    images = load_images(config.images or [DEMO_CLIP])
    input_size = config.input_size or source.metadata.input_size
    workload = Workload(input_size=input_size)
    with (
        open_runtime(
            source.path,
            source.metadata,
            config.runtime,
            config.precision,
            workload,
            config.device.single,
        ) as runtime,
        open_reference(source, runtime) as reference,
    ):
        parity = measure_parity(runtime, reference, images, input_size, group_people(source))
        name, precision = runtime.name, runtime.precision
    say(f"{source.name} on {name} in {precision}: {in_a_line(parity.to_dict())}")
    wrong = TOLERANCES[precision].exceeded_by(parity)
    if wrong:
        raise ExecutionError(
            f"{source.name} on {name} is out of tolerance for {precision}: {wrong}"
        )
    say("within tolerance")


def in_a_line(values: Mapping[str, Any]) -> str:
    """Names and figures, three digits of each."""
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())


def group_people(source: ModelSource) -> GroupPeople:
    """Groups the maps of a model into the people whom runs show."""
    from grouping import Grouper

    grouper = Grouper.for_model(source.metadata.model)

    def group(maps: PoseMaps) -> NDArray[np.float32]:
        people = grouper(maps.heatmaps, maps.tags, maps.candidates)
        return people.to_image(maps.alignment).keypoints

    return group
