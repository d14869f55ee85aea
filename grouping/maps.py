"""Checking what comes in, and one shape for every layout of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from configs.errors import DataError

# A heatmap value or tag beyond this is as useless as NaN. Squares of differences and sums over
# joints stay finite below it.
LARGEST_VALUE = np.float32(1e18)


class TagMaps(NamedTuple):
    """Tag maps as one flat array and the strides, in elements, of joint, y, x and tag dimension.

    So the kernels take (J, h, w, L) arrays of any layout without a copy: interleaved, or a
    transposed view of planes as networks deliver them.
    """

    flat: NDArray[np.float32]
    strides: tuple[int, int, int, int]


def check_maps(
    heatmaps: NDArray[np.float32], tags: NDArray[np.float32], joints: int, keypoint_set: str
) -> None:
    """Makes sure that maps can be grouped.

    Args:
        heatmaps: Must be (joints, h, w) float32.
        tags: Must be (joints, h, w, L) float32.
        joints: Number of joints.
        keypoint_set: Its name; stands in the message.

    Raises:
        DataError: They are anything else.
    """
    for name, array, axes in (("heatmaps", heatmaps, "(J, h, w)"), ("tags", tags, "(J, h, w, L)")):
        if not isinstance(array, np.ndarray):
            raise DataError(
                f"{name} must be a numpy array of shape {axes}, not {type(array).__name__}"
            )
        if array.dtype != np.float32:
            raise DataError(
                f"{name} must be float32, not {array.dtype}: convert them with "
                ".astype(numpy.float32)"
            )
        if array.ndim != axes.count(",") + 1 or 0 in array.shape:
            raise DataError(f"{name} must have shape {axes}, not {array.shape}")
    if tags.shape[:3] != heatmaps.shape:
        raise DataError(
            f"tags of shape {tags.shape} do not fit heatmaps of shape {heatmaps.shape}: J, h and w "
            "must be equal"
        )
    if heatmaps.shape[0] != joints:
        raise DataError(
            f"the maps have {heatmaps.shape[0]} joints, but keypoint set {keypoint_set!r} has "
            f"{joints}: "
            "make the Grouper with the keypoint set that the network was trained for"
        )


def read_only_heatmaps(heatmaps: NDArray[np.float32]) -> NDArray[np.float32]:
    """A read-only C-contiguous view of `heatmaps`, or a copy where they are not contiguous.

    One array type whoever made the maps, so that the kernels are compiled once.
    """
    view = np.ascontiguousarray(heatmaps).view()
    view.flags.writeable = False
    return view


def flatten_tags(tags: NDArray[np.float32]) -> TagMaps:
    """`tags` (J, h, w, L) without a copy, except where an axis runs backwards or values are not
    aligned.
    """
    if (
        min(tags.strides) < 0
        or any(stride % tags.itemsize for stride in tags.strides)
        or not tags.flags.aligned
    ):
        tags = np.ascontiguousarray(tags)
    joint, row, column, dimension = (stride // tags.itemsize for stride in tags.strides)
    span = 1 + sum(
        (length - 1) * (stride // tags.itemsize)
        for length, stride in zip(tags.shape, tags.strides, strict=True)
    )
    flat = np.lib.stride_tricks.as_strided(tags, (span,), (tags.itemsize,), writeable=False)
    return TagMaps(flat, (joint, row, column, dimension))
