"""Maps to people for `build` and `verify`, which hand grouping to the engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from configs import GroupingConfig, suitable_adjustment
from engine.maps import PoseMaps
from engine.model_source import ModelSource
from engine.verify.people import GroupPeople


def group_people(source: ModelSource) -> GroupPeople:
    """Groups the maps of a model into the people whom runs show."""
    from grouping import Grouper

    model = source.metadata.model
    config = GroupingConfig(
        min_person_score=model.min_person_score, adjustment=suitable_adjustment(model.alignment)
    )
    grouper = Grouper(model.keypoint_set, mode="tuned", config=config)

    def group(maps: PoseMaps) -> NDArray[np.float32]:
        people = grouper(maps.heatmaps, maps.tags, maps.candidates)
        return people.to_image(maps.alignment).keypoints

    return group
