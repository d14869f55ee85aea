"""Found people as COCO results, the format that every COCO evaluator and the COCO server read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Result = dict[str, Any]
"""`image_id`, `category_id`, `keypoints` (J times x, y, score), `score` and `bbox`."""

PERSON = 1
"""COCO's category."""

_PIXEL_DECIMALS = 2  # far below what a network resolves
_SCORE_DECIMALS = 4  # of joints, which no evaluator looks at


def to_results(
    keypoints: NDArray[np.float32],
    scores: NDArray[np.float32],
    image_id: int,
    category_id: int = PERSON,
) -> list[Result]:
    """One COCO result per person.

    Coordinates are rounded to 1/100 pixel, scores of joints to 1/10000. Scores of people are the
    shortest decimals that give the same float32 again: evaluators sort by them, and rounding would
    make ties. A joint that is missing (score 0 or anything not finite) is 0, 0, 0. The box is the
    extent of the joints that are there: evaluators take a result's area from it, and without it
    from all joints, so that missing ones would make a person large.

    Args:
        keypoints: (P, J, 3) x, y in pixels of the image, score.
        scores: (P,) of the people; what is not finite becomes 0, because JSON has no word for it.
        image_id: Id of the image in the labels.
        category_id: Id of the people's category in the labels.

    Returns:
        Dictionaries of Python's own numbers and lists, which `json` takes.
    """
    points = keypoints.astype(np.float64)
    found = (points[..., 2] > 0) & np.isfinite(points).all(axis=2)
    points = np.where(found[..., None], points, 0.0)
    boxes = _boxes(points, found).round(_PIXEL_DECIMALS)
    points[..., :2] = points[..., :2].round(_PIXEL_DECIMALS)
    points[..., 2] = points[..., 2].round(_SCORE_DECIMALS)
    flat = points.reshape(len(points), 3 * points.shape[1])
    usable = np.where(np.isfinite(scores), scores, np.float32(0))
    return [
        {
            "image_id": image_id,
            "category_id": category_id,
            "keypoints": person,
            "score": float(str(score)),
            "bbox": box,
        }
        for person, score, box in zip(flat.tolist(), usable, boxes.tolist(), strict=True)
    ]


def _boxes(points: NDArray[np.float64], found: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(P, 4) x, y, width, height of the joints that were found; zeros where none was."""
    shown = found[..., None]
    low = np.where(shown, points[..., :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(shown, points[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    empty = ~found.any(axis=1)
    low[empty], high[empty] = 0, 0
    return np.concatenate((low, high - low), axis=1)
