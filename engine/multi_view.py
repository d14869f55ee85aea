"""The maps of an image from several views of it: flip test and several scales, as
`engine.networks.inference` has them, without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.runtimes import Slot


@dataclass(frozen=True, slots=True)
class View:
    """An input that was made from a batch of images, at one scale.

    Attributes:
        slot: Its buffers.
        mirrored: Whether the images are.
        keep_tags: Whether its tags are used.
    """

    slot: Slot
    mirrored: bool
    keep_tags: bool


def combine_views(
    views: Sequence[View],
    index: int,
    size: tuple[int, int],
    flip_indices: Sequence[int],
    *,
    align_corners: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heatmaps and tags of one image from its views (docs/reference.md, section 2.3).

    Args:
        views: All of the batch's.
        index: Of the image in the batch.
        size: (height, width) of the maps.
        flip_indices: Of the keypoint set.
        align_corners: Whether maps of several sizes lie on each other by their outer pixels.

    Returns:
        Heatmaps (J, h, w), the mean over the views, and tags (J, h, w, L), those of the views that
        keep them in a row.
    """
    rows, columns = size
    joints, dimensions = views[0].slot.tags.shape[1:3]
    total = np.zeros((joints, rows, columns), np.float32)
    tags = np.empty(
        (sum(view.keep_tags for view in views), dimensions, joints, rows, columns), np.float32
    )
    kept = 0
    for view in views:
        for joint, source in enumerate(flip_indices if view.mirrored else range(joints)):
            total[joint] += _resized(
                view.slot.heatmaps[index, source], size, view.mirrored, align_corners
            )
            if view.keep_tags:
                for dimension in range(dimensions):
                    tags[kept, dimension, joint] = _resized(
                        view.slot.tags[index, source, dimension],
                        size,
                        view.mirrored,
                        align_corners,
                    )
        kept += view.keep_tags
    total /= len(views)
    return total, tags.transpose(2, 3, 4, 0, 1).reshape(joints, rows, columns, -1)


def _resized(
    plane: NDArray[np.float32], size: tuple[int, int], mirrored: bool, align_corners: bool
) -> NDArray[np.float32]:
    if plane.shape != size and align_corners:
        down, across = (
            _weights(before, after) for before, after in zip(plane.shape, size, strict=True)
        )
        plane = np.asarray(down @ plane @ across.T, np.float32)
    elif plane.shape != size:
        # Half-pixel centres, no smoothing: what torch calls bilinear with align_corners False.
        plane = np.asarray(
            cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32
        )
    return plane[:, ::-1] if mirrored else plane


@lru_cache(maxsize=16)
def _weights(before: int, after: int) -> NDArray[np.float32]:
    """(after, before), brings a row of pixels to another length, linearly, its ends on its ends.

    OpenCV has no such resize, and its affine warp rounds to 1/32 pixel.
    """
    places = np.linspace(0, before - 1, after)
    near = 1 - np.abs(places[:, None] - np.arange(before))
    return np.asarray(np.maximum(0, near), np.float32)
