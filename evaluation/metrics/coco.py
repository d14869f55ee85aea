"""COCO keypoint AP: the ten figures, from pycocotools.

Why pycocotools (2.0.11): it is what published figures come from, needs NumPy only, and has wheels
for Python 3.10 to 3.14 on x86-64 and ARM. faster-coco-eval 1.8.0 gives the same ten figures (to
1e-6) and the same CrowdPose figures, and takes 0.23 s instead of 0.50 s for 400 images (2 cores):
too little, beside the minutes that the network takes, to leave the reference.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import DataError, RuntimeUnavailableError
from evaluation.metrics.figures import Figures
from keypoint_datasets import CocoLabels, Result

# Areas in square pixels (COCO keypoint evaluation; there is no "small" for keypoints).
AREAS_PX2 = {"all": (0.0, 1e10), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
MAX_PEOPLE = 20  # of one image, the best by score


@dataclass(frozen=True, kw_only=True)
class CocoFigures(Figures):
    """The ten figures of COCO's keypoint evaluation, 0 to 1; nan where nobody of that size is
    labelled.

    Attributes:
        ap: Average precision, mean over OKS thresholds 0.50, 0.55 ... 0.95.
        ap50: At threshold 0.50.
        ap75: At threshold 0.75.
        ap_medium: `ap` of people of 32 x 32 to 96 x 96 pixels.
        ap_large: `ap` of larger people.
        ar: Average recall with at most 20 people an image, over the same thresholds.
        ar50: At threshold 0.50.
        ar75: At threshold 0.75.
        ar_medium: `ar` of people of 32 x 32 to 96 x 96 pixels.
        ar_large: `ar` of larger people.
    """

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_medium: float
    ar_large: float


def score(labels: CocoLabels, results: Sequence[Result]) -> CocoFigures:
    """COCO's figures for found people.

    Args:
        labels: The truth.
        results: People in pixels of the images of `labels`.

    Raises:
        DataError: Results of unknown images or with another number of keypoints, or labels without
            an area.
        RuntimeUnavailableError: pycocotools is missing.
    """
    check_areas(labels)
    curves = accumulate(labels, labels.to_annotations(), results)
    return CocoFigures(
        ap=curves.precision("all"),
        ap50=curves.precision("all", 0.5),
        ap75=curves.precision("all", 0.75),
        ap_medium=curves.precision("medium"),
        ap_large=curves.precision("large"),
        ar=curves.recall("all"),
        ar50=curves.recall("all", 0.5),
        ar75=curves.recall("all", 0.75),
        ar_medium=curves.recall("medium"),
        ar_large=curves.recall("large"),
    )


def check_areas(labels: CocoLabels) -> None:
    """Makes sure that COCO's figures can be had of some labels.

    Raises:
        DataError: An annotation has no area.
    """
    for image in labels.images:
        without = image.annotation_ids[np.isnan(image.areas)]
        if len(without):
            raise DataError(
                f"annotation {without[0]} has no area, which COCO's OKS needs; CrowdPose labels "
                "have none"
            )


@dataclass(frozen=True)
class Curves:
    """What the evaluator accumulated; -1 where nobody is labelled.

    Attributes:
        thresholds: (T,) of OKS.
        precisions: (T, R, A) at R levels of recall.
        recalls: (T, A).
        areas: A names.
    """

    thresholds: NDArray[np.float64]
    precisions: NDArray[np.float64]
    recalls: NDArray[np.float64]
    areas: tuple[str, ...]

    def precision(self, area: str, threshold: float | None = None) -> float:
        """Average precision over recall levels, at one OKS threshold or averaged over all; nan for
        nobody.
        """
        return _mean(self.precisions[self._at(threshold), ..., self.areas.index(area)])

    def recall(self, area: str, threshold: float | None = None) -> float:
        """Highest recall with at most 20 people an image, at one OKS threshold or averaged over
        all; nan for nobody.
        """
        return _mean(self.recalls[self._at(threshold), self.areas.index(area)])

    def _at(self, threshold: float | None) -> Any:
        return (
            slice(None)
            if threshold is None
            else np.flatnonzero(np.isclose(self.thresholds, threshold))
        )


def accumulate(
    labels: CocoLabels,
    annotations: Collection[dict[str, Any]],
    results: Sequence[Result],
    *,
    areas: Collection[str] = tuple(AREAS_PX2),
    image_ids: Collection[int] | None = None,
) -> Curves:
    """Precision and recall by OKS threshold and area.

    Args:
        labels: Images and keypoint set.
        annotations: The truth in COCO's format, each with an area.
        results: Found people.
        areas: Names of `AREAS_PX2`.
        image_ids: The images that count; by default all.

    Raises:
        DataError: Results that do not fit `labels`.
        RuntimeUnavailableError: pycocotools is missing.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise RuntimeUnavailableError(
            "COCO figures need pycocotools: pip install 'higherhrnet-stream[evaluation]'"
        ) from error
    _check_results(labels, results)
    images = [
        {"id": image.id, "width": image.width, "height": image.height} for image in labels.images
    ]
    categories = [{"id": labels.category_id, "name": "person"}]
    # The evaluator writes into the dictionaries that it is given, and talks to standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        truth.dataset = {
            "images": images,
            "categories": categories,
            "annotations": [dict(item) for item in annotations],
        }
        truth.createIndex()
        if results:
            found = truth.loadRes([dict(result) for result in results])
        else:  # loadRes looks at the first result to learn what kind they are
            found.dataset = {"images": images, "categories": categories, "annotations": []}
            found.createIndex()
        evaluator = COCOeval(truth, found, "keypoints")
        evaluator.params.kpt_oks_sigmas = np.array(labels.keypoint_set.sigmas)
        evaluator.params.maxDets = [MAX_PEOPLE]
        evaluator.params.areaRng = [list(AREAS_PX2[area]) for area in areas]
        evaluator.params.areaRngLbl = list(areas)
        if image_ids is not None:
            evaluator.params.imgIds = sorted(image_ids)
        evaluator.evaluate()
        evaluator.accumulate()
    # (T, R, K, A, M) and (T, K, A, M) with one category K and one limit M
    precision, recall = (
        evaluator.eval["precision"][:, :, 0, :, 0],
        evaluator.eval["recall"][:, 0, :, 0],
    )
    return Curves(evaluator.params.iouThrs, precision, recall, tuple(areas))


def _check_results(labels: CocoLabels, results: Sequence[Result]) -> None:
    known = {image.id for image in labels.images}
    numbers = 3 * len(labels.keypoint_set)
    for result in results:
        if result["image_id"] not in known:
            raise DataError(
                f"a result is for image {result['image_id']!r}, which is not in {labels.name!r}"
            )
        if len(result["keypoints"]) != numbers:
            raise DataError(
                f"a result for image {result['image_id']!r} has {len(result['keypoints'])} "
                "keypoint numbers, "
                f"but {labels.keypoint_set.name!r} needs {numbers}"
            )


def _mean(values: NDArray[np.float64]) -> float:
    present = values[values > -1]
    return float(present.mean()) if present.size else math.nan
