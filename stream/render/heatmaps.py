"""What the network saw: heatmaps or tags laid over the image."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel


class MapAlignment(Protocol):
    """Where map pixels lie in the image (`engine.PoseMaps.alignment` has it)."""

    def to_image(self, keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
        """(P, J, 3) in map pixels -> (P, J, 3) in source pixels."""


class Maps(Protocol):
    """Heatmaps (J, h, w) and tags (J, h, w, L) float32 with their alignment; an `engine.PoseMaps`
    is one.
    """

    @property
    def heatmaps(self) -> NDArray[np.float32]: ...
    @property
    def tags(self) -> NDArray[np.float32]: ...
    @property
    def alignment(self) -> MapAlignment: ...


# Colours for values 0..255: light for heat; every hue for tags, whose differences and not sizes
# matter.
_RAMP = np.arange(256, dtype=np.uint8)[None]
_HEAT = cv2.applyColorMap(_RAMP, cv2.COLORMAP_TURBO)[0].astype(np.float32)
_HUES = cv2.applyColorMap(_RAMP, cv2.COLORMAP_HSV)[0].astype(np.float32)
# Tags of different people lie about 1 apart, and the paper's Figure 4 spreads over less than this;
# those of `lite`, which are places, go beyond it and begin at the first hue again.
_TAG_RANGE = 8.0
_STRENGTH = 0.75


def draw_maps(image: NDArray[np.uint8], maps: Maps, kind: str) -> None:
    """Lays `heatmaps` (the strongest joint of a pixel) or `tags` (its tag as a hue) over `image`
    (H, W, 3), in place.
    """
    strength, value = _flatten(maps.heatmaps, maps.tags, _TAG_RANGE)
    corners = np.array([[[0, 0, 1], [1, 0, 1], [0, 1, 1]]], np.float32)
    placed = maps.alignment.to_image(corners)[0, :, :2].astype(np.float32)
    matrix = cv2.getAffineTransform(
        np.ascontiguousarray(corners[0, :, :2]), np.ascontiguousarray(placed)
    )
    size = image.shape[1], image.shape[0]
    strength = np.asarray(cv2.warpAffine(strength, matrix, size, flags=cv2.INTER_LINEAR))
    if kind == "tags":
        value = np.asarray(cv2.warpAffine(value, matrix, size, flags=cv2.INTER_NEAREST))
        _lay_over(image, strength, value, _HUES, _STRENGTH)
    else:
        _lay_over(image, strength, strength, _HEAT, _STRENGTH)


@kernel
def _flatten(
    heatmaps: NDArray[np.float32], tags: NDArray[np.float32], tag_range: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Per pixel the strongest joint: its score 0..255, and its tag (the first one) over `tag_range`
    as 0..255, beginning again beyond it.
    """
    joints, height, width = heatmaps.shape
    strength = np.zeros((height, width), np.uint8)
    value = np.zeros((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            best = 0
            for joint in range(1, joints):
                if heatmaps[joint, row, column] > heatmaps[best, row, column]:
                    best = joint
            score = min(1.0, max(0.0, heatmaps[best, row, column]))
            strength[row, column] = np.uint8(255 * score)
            turns = tags[best, row, column, 0] / tag_range + 0.5
            value[row, column] = np.uint8(255 * (turns - np.floor(turns)))
    return strength, value


@kernel
def _lay_over(
    image: NDArray[np.uint8],
    strength: NDArray[np.uint8],
    value: NDArray[np.uint8],
    colours: NDArray[np.float32],
    most: float,
) -> None:
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            share = strength[row, column]
            if share < 12:  # the floor of the heatmaps would tint the whole image
                continue
            # The square root lifts what is weak: it is what one looks for.
            weight = most * np.sqrt(share / 255.0)
            for channel in range(3):
                before = image[row, column, channel]
                image[row, column, channel] = np.uint8(
                    before + (colours[value[row, column], channel] - before) * weight
                )
