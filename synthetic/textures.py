"""Images as textures: an atlas of square, repeating, linear-light images with smaller copies for
the distance.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from synthetic.materials import GAMMA
from synthetic.mesh import Floats

SIZE_PX = 256
LEVELS = 7  # down to 4 pixels
_TEXELS = sum((SIZE_PX >> level) ** 2 for level in range(LEVELS))

_TO_LINEAR: Floats = np.asarray((np.arange(256) / 255) ** GAMMA, np.float32)


def to_linear(image: NDArray[np.uint8]) -> Floats:
    """An 8-bit image in linear light, 0 to 1."""
    return np.asarray(_TO_LINEAR[image], np.float32)


def build_atlas(images: list[NDArray[np.uint8]]) -> Floats:
    """(number of images, texels, 3) float32 from RGB images of any size; level after level, rows
    first.
    """
    atlas = np.empty((len(images), _TEXELS, 3), np.float32)
    for slot, image in zip(atlas, images, strict=True):
        level = to_linear(
            np.asarray(
                cv2.resize(image, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA), np.uint8
            )
        )
        start = 0
        for _ in range(LEVELS):
            texels = level.shape[0] ** 2
            slot[start : start + texels] = level.reshape(texels, 3)
            start += texels
            half = (level.shape[1] // 2, level.shape[0] // 2)
            level = np.asarray(cv2.resize(level, half, interpolation=cv2.INTER_AREA), np.float32)
    return atlas


@kernel(fastmath=True)
def sample(atlas: Floats, slot: int, u: float, v: float, texel_m: float, channel: int) -> float:
    """One colour channel of a texture at (u, v), in repetitions; texel_m is the width of a pixel,
    in repetitions as well.
    """
    size, start = SIZE_PX, 0
    wanted = texel_m * SIZE_PX
    for _ in range(LEVELS - 1):
        if wanted < 1.5:
            break
        start += size * size
        size //= 2
        wanted *= 0.5
    x, y = (u - np.floor(u)) * size, (v - np.floor(v)) * size
    left, top = int(x), int(y)
    fx, fy = x - left, y - top
    left, top = left % size, top % size
    right, bottom = (left + 1) % size, (top + 1) % size
    above, below = start + top * size, start + bottom * size
    upper = atlas[slot, above + left, channel] * (1 - fx) + atlas[slot, above + right, channel] * fx
    lower = atlas[slot, below + left, channel] * (1 - fx) + atlas[slot, below + right, channel] * fx
    value: float = upper * (1 - fy) + lower * fy
    return value
