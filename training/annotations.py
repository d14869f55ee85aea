"""COCO keypoint files as arrays, checked, so that a mistake in the labels is one clear line before
training starts.
"""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs import DataError, KeypointSet

logger = logging.getLogger(__name__)

# Of the labelled joints of the development data's training set, 10.8 % lie in the box of somebody
# without keypoints.
# radius around a labelled joint that is supervised in spite of a box, as a part of the person's
# extent
_UNCOVERED = 0.06
_UNCOVERED_PX = 6.0  # and at least
_EDGE_PX = 1.0  # official labels lie up to one pixel outside the image


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image and its people.

    joints: (P, J, 3) float64 x, y in image pixels, and visibility (0 unlabelled, 1 hidden, 2
    visible), of people with keypoints.
    unlabelled: where there are people without keypoints or crowds, as annotated: a segmentation
        (polygons or RLE) or, where there is none, a box (x, y, width, height).
    """

    image_id: int
    file_name: str
    width: int
    height: int
    joints: NDArray[np.float64]
    unlabelled: tuple[Any, ...]

    def mask(self) -> NDArray[np.uint8] | None:
        """(height, width) uint8, 0 in the `unlabelled` regions and 255 elsewhere; None if there are
        no such regions.

        A box covers more than the person in it, and often joints of a labelled neighbour: around
        those the mask is 255 again.
        """
        if not self.unlabelled:
            return None
        mask = np.full((self.height, self.width), 255, np.uint8)
        for region in self.unlabelled:
            if _is_box(region):
                x, y, width, height = region
                mask[_span(y, height), _span(x, width)] = 0
            else:
                mask[_decode(region, self.height, self.width)] = 0
        if any(_is_box(region) for region in self.unlabelled):
            self._uncover_joints(mask)
        return mask

    def _uncover_joints(self, mask: NDArray[np.uint8]) -> None:
        for person in self.joints:
            labelled = person[person[:, 2] > 0, :2]
            radius_px = max(_UNCOVERED * float(np.ptp(labelled, axis=0).max()), _UNCOVERED_PX)
            for x, y in labelled.round().astype(int).tolist():
                cv2.circle(mask, (x, y), round(radius_px), 255, cv2.FILLED)


def read_annotations(
    path: Path, keypoint_set: KeypointSet, *, mask_unlabelled: bool = True
) -> list[LabelledImage]:
    """The images of a COCO keypoint file that have at least one person annotation, sorted by id.

    Labelled joints more than a pixel outside their image are taken as unlabelled, and counted in
    one warning. Raises DataError if the file cannot be read or is not such a file, if an annotation
    names an unknown category or image, or if its numbers are not finite or too few; the message
    names the annotation.
    """
    content = _load(path)
    categories = {category.get("id"): category for category in content["categories"]}
    people = {key for key, category in categories.items() if _is_person(category)}
    if not people:
        raise DataError(
            f"{str(path)!r} has no category with keypoints; it must be a COCO keypoint file"
        )
    images = {image["id"]: image for image in content["images"]}
    joints: dict[int, list[NDArray[np.float64]]] = {}
    unlabelled: dict[int, list[Any]] = {}
    outside = 0
    for annotation in content["annotations"]:
        where = f"annotation {annotation.get('id')!r} of {str(path)!r}"
        category = annotation.get("category_id")
        if category not in categories:
            raise DataError(
                f"{where} has category {category!r}, which the file does not define; known: "
                f"{sorted(categories)}"
            )
        if category not in people:
            continue
        image = images.get(annotation.get("image_id"))
        if image is None:
            raise DataError(
                f"{where} is for image {annotation.get('image_id')!r}, which the file does not list"
            )
        person = _joints(annotation, len(keypoint_set), where)
        found = joints.setdefault(image["id"], [])
        if not (person[:, 2] > 0).any():
            if mask_unlabelled:
                unlabelled.setdefault(image["id"], []).append(_region(annotation, where))
            continue
        x, y, visible = person.T
        off = (
            (x < -_EDGE_PX)
            | (y < -_EDGE_PX)
            | (x > image["width"] + _EDGE_PX)
            | (y > image["height"] + _EDGE_PX)
        )
        outside += int((off & (visible > 0)).sum())
        person[off, 2] = 0
        found.append(person)
    if outside:
        logger.warning("%s: %d keypoints lie outside their image and are not used", path, outside)
    if not joints:
        raise DataError(
            f"{str(path)!r} has no annotation of a person; nothing can be learnt from it"
        )
    empty = np.zeros((0, len(keypoint_set), 3))
    return [
        LabelledImage(
            image_id=key,
            file_name=images[key]["file_name"],
            width=images[key]["width"],
            height=images[key]["height"],
            joints=np.stack(joints[key]) if joints[key] else empty,
            unlabelled=tuple(unlabelled.get(key, ())),
        )
        for key in sorted(joints)
    ]


def _load(path: Path) -> Mapping[str, Any]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read annotations {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{str(path)!r} is not valid JSON: {error}") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, Mapping) or not isinstance(content.get(key), list):
            raise DataError(f"{str(path)!r} is not a COCO keypoint file: it has no list {key!r}")
    assert isinstance(content, Mapping)
    for image in content["images"]:
        for key, kind in (("id", int), ("file_name", str), ("width", int), ("height", int)):
            if not isinstance(image.get(key), kind):
                raise DataError(
                    f"image {image.get('id')!r} of {str(path)!r} needs {key!r}, which is "
                    f"{image.get(key)!r}"
                )
    return content


def _is_person(category: Mapping[str, Any]) -> bool:
    return category.get("name") == "person" or bool(category.get("keypoints"))


def _joints(annotation: Mapping[str, Any], count: int, where: str) -> NDArray[np.float64]:
    values = annotation.get("keypoints") or [0] * (3 * count)
    if len(values) != 3 * count:
        raise DataError(
            f"{where} has {len(values)} keypoint numbers, not {3 * count}; is it of another "
            "keypoint set?"
        )
    try:
        joints = np.asarray(values, dtype=np.float64).reshape(count, 3)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} has keypoints that are not numbers") from error
    if not np.isfinite(joints).all():
        raise DataError(
            f"{where} has a keypoint that is not a finite number; correct or remove the annotation"
        )
    return joints


def _region(annotation: Mapping[str, Any], where: str) -> Any:
    segmentation = annotation.get("segmentation")
    if segmentation:
        return segmentation
    box = annotation.get("bbox")
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in box)
    ):
        raise DataError(
            f"{where} has neither keypoints nor a segmentation nor a box of four finite numbers"
        )
    return tuple(float(value) for value in box)


def _is_box(region: Any) -> bool:
    return isinstance(region, tuple)


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
