"""Images and the people in them, as they were labelled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from configs import DataError, KeypointSet
from keypoint_datasets.masks import Region, draw_mask

_EDGE_PX = 1.0  # official labels lie up to one pixel outside the image

Labels = TypeVar("Labels", bound="CocoLabels")


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledImage:
    """One image and its A annotations, in the order of the file; `len(image)` is A.

    Attributes:
        id: Id of the image.
        name: File name, as the file has it.
        width: Pixels of the stored image, whatever an orientation tag says.
        height: The same.
        crowd_index: CrowdPose's measure of crowding, 0 to 1; None elsewhere.
        annotation_ids: (A,) int64.
        keypoints: (A, J, 3) float64 x, y in pixels of the image, and visibility (0 unlabelled, 1
            hidden, 2 visible).
        keypoint_counts: (A,) int64, how many of the keypoints are labelled.
        boxes: (A, 4) float64 x, y, width, height in pixels.
        areas: (A,) float64 square pixels; nan where the file has none.
        crowds: (A,) bool, annotations of a crowd and not of one person.
        regions: Segmentation, or else box, of each annotation that no joint can be learnt from.
    """

    id: int
    name: str
    width: int
    height: int
    crowd_index: float | None
    annotation_ids: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    keypoint_counts: NDArray[np.int64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowds: NDArray[np.bool_]
    regions: tuple[Region, ...] = ()

    def __len__(self) -> int:
        return len(self.annotation_ids)

    @property
    def joints(self) -> NDArray[np.float64]:
        """(P, J, 3) keypoints of the people with labelled joints; those off the image have
        visibility 0.
        """
        joints = self.keypoints.copy()
        joints[outside(joints, self.width, self.height), 2] = 0
        return joints[(joints[:, :, 2] > 0).any(axis=1)]

    def mask(self) -> NDArray[np.uint8] | None:
        """(height, width) uint8, 0 in `regions` and 255 elsewhere and around the labelled joints of
        neighbours; None if there are no regions.
        """
        if not self.regions:
            return None
        return draw_mask(self.regions, self.joints, self.height, self.width)


@dataclass(frozen=True, kw_only=True)
class CocoLabels:
    """What a COCO keypoint file says; `len(labels)` is the number of its images.

    Attributes:
        name: What tables call it, by default the name of the file.
        keypoint_set: What J and the order of joints mean.
        category_id: The category that has keypoints.
        images: Its images, in the order of the file.
    """

    name: str
    keypoint_set: KeypointSet
    category_id: int
    images: tuple[LabelledImage, ...]

    def __len__(self) -> int:
        return len(self.images)

    def first(self: Labels, count: int | None) -> Labels:
        """The labels of the first `count` images only, or of all.

        Raises:
            DataError: `count` is below 1.
        """
        if count is None or count >= len(self.images):
            return self
        if count < 1:
            raise DataError(f"a dataset needs at least 1 image, not {count}")
        return replace(self, images=self.images[:count])

    def to_annotations(self) -> list[dict[str, Any]]:
        """The annotations as dictionaries in COCO's format, without segmentations; `area` is left
        out where it is not known.
        """
        return [
            entry for image in self.images for entry in _to_annotations(image, self.category_id)
        ]


def outside(keypoints: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """(A, J) whether a keypoint lies more than a pixel outside the image."""
    x, y = keypoints[..., 0], keypoints[..., 1]
    beyond = (x > width + _EDGE_PX) | (y > height + _EDGE_PX)
    result: NDArray[np.bool_] = (x < -_EDGE_PX) | (y < -_EDGE_PX) | beyond
    return result


def _to_annotations(image: LabelledImage, category_id: int) -> list[dict[str, Any]]:
    entries = [
        {
            "id": identity,
            "image_id": image.id,
            "category_id": category_id,
            "iscrowd": int(crowd),
            "num_keypoints": count,
            "bbox": box,
            "keypoints": keypoints,
            "area": area,
        }
        for identity, crowd, count, box, keypoints, area in zip(
            image.annotation_ids.tolist(),
            image.crowds.tolist(),
            image.keypoint_counts.tolist(),
            image.boxes.tolist(),
            image.keypoints.reshape(len(image), 3 * image.keypoints.shape[1]).tolist(),
            image.areas.tolist(),
            strict=True,
        )
    ]
    for entry in entries:
        if np.isnan(entry["area"]):
            del entry["area"]
    return entries
