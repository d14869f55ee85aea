"""Where an image has people whose joints nobody labelled: masks from boxes, polygons and RLE."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Region = Any
"""A box as a tuple (x, y, width, height), or a COCO segmentation: a list of polygons, or a
run-length encoding as a dictionary.
"""

# Of the labelled joints of the development data's training set, 10.8 % lie in the box of somebody
# without keypoints. Radius around a labelled joint that is supervised in spite of a box, as a part
# of the person's extent, and at least so many pixels:
_UNCOVERED = 0.06
_UNCOVERED_PX = 6.0


def draw_mask(
    regions: Sequence[Region], joints: NDArray[np.float64], height: int, width: int
) -> NDArray[np.uint8]:
    """What of an image is labelled completely.

    A box covers more than the person in it, and often joints of a labelled neighbour: around those
    the mask is 255 again.

    Args:
        regions: Where there are people without labelled joints.
        joints: (P, J, 3) x, y in image pixels, visibility, of those with labelled joints.
        height: Rows of the image.
        width: Columns of the image.

    Returns:
        (height, width) uint8, 0 in the regions and 255 elsewhere.
    """
    mask = np.full((height, width), 255, np.uint8)
    for region in regions:
        if isinstance(region, tuple):
            x, y, across, down = region
            mask[_span(y, down), _span(x, across)] = 0
        else:
            mask[_decode(region, height, width)] = 0
    if any(isinstance(region, tuple) for region in regions):
        _uncover_joints(mask, joints)
    return mask


def is_segmentation(segmentation: Any, height: int, width: int) -> bool:
    """Whether pycocotools can draw `segmentation` in an image of that size."""
    if isinstance(segmentation, dict):
        return segmentation.get("size") == [height, width] and isinstance(
            segmentation.get("counts"), (list, str)
        )
    return isinstance(segmentation, list) and all(map(_is_polygon, segmentation))


def _is_polygon(polygon: Any) -> bool:
    return (
        isinstance(polygon, list)
        and len(polygon) >= 4  # four numbers are a box to pycocotools
        and all(isinstance(value, (int, float)) and math.isfinite(value) for value in polygon)
    )


def _uncover_joints(mask: NDArray[np.uint8], joints: NDArray[np.float64]) -> None:
    for person in joints:
        labelled = person[person[:, 2] > 0, :2]
        radius_px = max(_UNCOVERED * float(np.ptp(labelled, axis=0).max()), _UNCOVERED_PX)
        for x, y in labelled.round().astype(int).tolist():
            cv2.circle(mask, (x, y), round(radius_px), 255, cv2.FILLED)


def _span(start: float, length: float) -> slice:
    return slice(max(math.floor(start), 0), max(math.ceil(start + length), 0))


def _decode(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    from pycocotools import mask as coco_mask

    encoded = segmentation
    if isinstance(segmentation, list):
        encoded = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        encoded = coco_mask.frPyObjects(segmentation, height, width)
    with warnings.catch_warnings():
        # pycocotools 2.0.11 hands NumPy 2 an array without the `copy` keyword, which NumPy only
        # deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        decoded: NDArray[np.bool_] = np.asarray(coco_mask.decode(encoded)).astype(bool)
    return decoded
