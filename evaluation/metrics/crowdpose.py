"""CrowdPose AP: overall, and on easy, medium and hard images, through the evaluator that COCO uses.

The data set's own evaluator (`crowdposetools`) no longer runs with NumPy >= 1.24. It differs from
COCO's in three things, which are given here to pycocotools as data: 14 joints with their sigmas,
the area 0.53 * box width * box height in OKS, and no division by size. See
docs/reference.md, section 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from configs import DataError
from evaluation.metrics.coco import accumulate
from evaluation.metrics.figures import Figures
from keypoint_datasets import CocoLabels, Result

BOX_AREA_SHARE = 0.53  # of a box that a person fills
EASY_BELOW, HARD_FROM = 0.2, 0.8  # crowdIndex, as the evaluator has it; the paper says 0.1 and 0.8


@dataclass(frozen=True, kw_only=True)
class CrowdPoseFigures(Figures):
    """CrowdPose's nine figures, 0 to 1; nan for a split without labelled people.

    Attributes:
        ap: Average precision, mean over OKS thresholds 0.50, 0.55 ... 0.95.
        ap50: At threshold 0.50.
        ap75: At threshold 0.75.
        ar: Average recall with at most 20 people an image, over the same thresholds.
        ar50: At threshold 0.50.
        ar75: At threshold 0.75.
        ap_easy: `ap` on images with crowdIndex below 0.2.
        ap_medium: `ap` on images with crowdIndex from 0.2, below 0.8.
        ap_hard: `ap` on images with crowdIndex from 0.8.
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


def score_crowdpose(labels: CocoLabels, results: Sequence[Result]) -> CrowdPoseFigures:
    """CrowdPose's figures for found people.

    Args:
        labels: The truth, with a crowdIndex for each image.
        results: People with 14 keypoints in pixels of the images of `labels`.

    Raises:
        DataError: Images without crowdIndex, or results that do not fit.
        RuntimeUnavailableError: pycocotools is missing.
    """
    annotations = [
        {**entry, "area": BOX_AREA_SHARE * entry["bbox"][2] * entry["bbox"][3]}
        for entry in labels.to_annotations()
    ]
    overall = accumulate(labels, annotations, results, areas=("all",))
    by_crowding = {}
    for name, image_ids in crowding_of(labels).items():
        by_crowding[name] = math.nan
        if image_ids:
            curves = accumulate(labels, annotations, results, areas=("all",), image_ids=image_ids)
            by_crowding[name] = curves.precision("all")
    return CrowdPoseFigures(
        ap=overall.precision("all"),
        ap50=overall.precision("all", 0.5),
        ap75=overall.precision("all", 0.75),
        ar=overall.recall("all"),
        ar50=overall.recall("all", 0.5),
        ar75=overall.recall("all", 0.75),
        ap_easy=by_crowding["easy"],
        ap_medium=by_crowding["medium"],
        ap_hard=by_crowding["hard"],
    )


def crowding_of(labels: CocoLabels) -> dict[str, list[int]]:
    """Ids of the easy, medium and hard images.

    Raises:
        DataError: An image has no crowdIndex, or an impossible one.
    """
    splits: dict[str, list[int]] = {"easy": [], "medium": [], "hard": []}
    for image in labels.images:
        if image.crowd_index is None:
            raise DataError(
                f"image {image.name!r} of {labels.name!r} has no crowdIndex: is this a CrowdPose "
                "file?"
            )
        if not 0 <= image.crowd_index <= 1:
            raise DataError(
                f"image {image.name!r} of {labels.name!r} has crowdIndex {image.crowd_index}; it "
                "must be 0 to 1"
            )
        splits[_crowding(image.crowd_index)].append(image.id)
    return splits


def _crowding(crowd_index: float) -> str:
    if crowd_index < EASY_BELOW:
        return "easy"
    return "medium" if crowd_index < HARD_FROM else "hard"
