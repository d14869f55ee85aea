"""CrowdPose AP: overall, and on easy, medium and hard images, through the evaluator that COCO uses.

The data set's own evaluator (`crowdposetools`) no longer runs with NumPy >= 1.24. It differs from
COCO's in three things, which are given here to pycocotools as data: 14 joints with their sigmas,
the area 0.53 * box width * box height in OKS, and no division by size. See
docs/reference.md, section 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from configs import DataError
from evaluation.dataset import PoseDataset
from evaluation.measuring.prediction import Estimator, Progress, predict
from evaluation.metrics.coco import accumulate
from evaluation.results import Result
from grouping import Grouper

BOX_AREA_SHARE = 0.53  # of a box that a person fills
EASY_BELOW, HARD_FROM = 0.2, 0.8  # crowdIndex, as the evaluator has it; the paper says 0.1 and 0.8


@dataclass(frozen=True, kw_only=True)
class CrowdPoseFigures:
    """CrowdPose's nine figures, 0 to 1; nan for a split without labelled people.

    ap_easy, ap_medium, ap_hard: AP on images with crowdIndex below 0.2, below 0.8, and from there.
    """

    ap: float
    ap50: float
    ap75: float
    ar: float
    ar50: float
    ar75: float
    ap_easy: float
    ap_medium: float
    ap_hard: float

    def to_json(self) -> dict[str, float | None]:
        """Name -> figure, with none for nan, which JSON does not know."""
        return {
            name: None if math.isnan(value) else round(value, 6)
            for name, value in asdict(self).items()
        }


def evaluate_crowdpose(
    estimator: Estimator, grouper: Grouper, dataset: PoseDataset, progress: Progress | None = None
) -> CrowdPoseFigures:
    """How well `estimator` and `grouper` find the people of a CrowdPose dataset. Raises what
    `score_crowdpose` raises.
    """
    crowding_of(dataset)  # say so before the work if the labels have none
    return score_crowdpose(dataset, predict(estimator, grouper, dataset, progress))


def score_crowdpose(dataset: PoseDataset, results: Sequence[Result]) -> CrowdPoseFigures:
    """CrowdPose's figures for COCO results with 14 keypoints.

    Raises DataError for images without crowdIndex and for results that do not fit;
    RuntimeUnavailableError where pycocotools is missing.
    """
    annotations = [
        {**item, "area": BOX_AREA_SHARE * item["bbox"][2] * item["bbox"][3]}
        for item in dataset.annotations
    ]
    overall = accumulate(dataset, annotations, results, areas=("all",))
    splits = {
        name: accumulate(
            dataset, annotations, results, areas=("all",), image_ids=image_ids
        ).precision("all")
        if image_ids
        else math.nan
        for name, image_ids in crowding_of(dataset).items()
    }
    return CrowdPoseFigures(
        ap=overall.precision("all"),
        ap50=overall.precision("all", 0.5),
        ap75=overall.precision("all", 0.75),
        ar=overall.recall("all"),
        ar50=overall.recall("all", 0.5),
        ar75=overall.recall("all", 0.75),
        ap_easy=splits["easy"],
        ap_medium=splits["medium"],
        ap_hard=splits["hard"],
    )


def crowding_of(dataset: PoseDataset) -> dict[str, list[int]]:
    """Ids of the easy, medium and hard images. Raises DataError for a missing or impossible
    crowdIndex.
    """
    splits: dict[str, list[int]] = {"easy": [], "medium": [], "hard": []}
    for image in dataset.images:
        if image.crowd_index is None:
            raise DataError(
                f"image {image.name!r} of {dataset.name!r} has no crowdIndex: is this a CrowdPose "
                "file?"
            )
        if not 0 <= image.crowd_index <= 1:
            raise DataError(
                f"image {image.name!r} of {dataset.name!r} has crowdIndex {image.crowd_index}; it "
                "must be 0 to 1"
            )
        split = (
            "easy"
            if image.crowd_index < EASY_BELOW
            else "medium"
            if image.crowd_index < HARD_FROM
            else "hard"
        )
        splits[split].append(image.id)
    return splits
