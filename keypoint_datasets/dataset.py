"""Labels together with where their images are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import DataError, KeypointSet
from keypoint_datasets.coco import read_labels
from keypoint_datasets.images import ImageStore
from keypoint_datasets.labels import CocoLabels, LabelledImage


@dataclass(frozen=True, kw_only=True)
class KeypointDataset(CocoLabels):
    """Labels whose images can be read.

    Attributes:
        store: Where the images are; whoever opened it closes it.
    """

    store: ImageStore

    def read(self, image: LabelledImage) -> NDArray[np.uint8]:
        """The pixels of an image, (H, W, 3) uint8 BGR.

        Raises:
            DataError: It cannot be read, or has another size than the labels say.
        """
        pixels = self.store.read(image.name)
        height, width = pixels.shape[:2]
        if (width, height) != (image.width, image.height):
            raise DataError(
                f"image {image.name!r} is {width}x{height} pixels but its labels are for "
                f"{image.width}x{image.height}; use the images that the annotations were made for"
            )
        return pixels


def with_images(labels: CocoLabels, store: ImageStore) -> KeypointDataset:
    """The labels with their images.

    Raises:
        DataError: `store` lacks some of the images.
    """
    store.require([image.name for image in labels.images])
    return KeypointDataset(
        **{field.name: getattr(labels, field.name) for field in fields(CocoLabels)}, store=store
    )


def load_dataset(
    annotations: Path, store: ImageStore, keypoint_set: KeypointSet, *, limit: int | None = None
) -> KeypointDataset:
    """The labels of a COCO keypoint file with their images, for evaluation.

    Args:
        annotations: The file.
        store: Where the images are.
        keypoint_set: Which keypoints the file must have.
        limit: How many images to take, from the first; by default all.

    Raises:
        DataError: What `read_labels` and `with_images` raise.
    """
    labels = read_labels(annotations, keypoint_set, with_regions=False).first(limit)
    return with_images(labels, store)
