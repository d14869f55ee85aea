"""From light to an 8-bit image: antialiasing, lens blur, exposure, noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from synthetic.materials import GAMMA
from synthetic.mesh import Floats
from synthetic.scene import Rendering

_STEPS = 4096
_GRAINS = 1 << 16
_MINIMUM_BLUR_PX = 0.25


@dataclass(frozen=True, kw_only=True)
class Sensor:
    exposure: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    grain: float = 0.010
    """Standard deviation of the noise, as a share of white."""
    blur_px: float = 0.0


def expose(rendering: Rendering, sensor: Sensor, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The image (h, w, 3) uint8 BGR. Edges of surfaces are softened, because the z-buffer has one
    sample per pixel.
    """
    image = rendering.image
    soft = cv2.GaussianBlur(image, (3, 3), 0.75)
    cv2.copyTo(soft, rendering.edges, image)
    if sensor.blur_px > _MINIMUM_BLUR_PX:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sensor.blur_px), np.float32)
    pixels = np.empty(image.shape, np.uint8)
    starts = rng.integers(0, _GRAINS, size=(image.shape[0], 2))
    gain = np.asarray(sensor.balance, np.float32) * np.float32(sensor.exposure)
    _expose(
        image, gain, _curve(round(sensor.contrast, 2)), _grain(), starts, 255 * sensor.grain, pixels
    )
    return pixels


@kernel(fastmath=True)
def _expose(
    image: Floats,
    gain: Floats,
    curve: Floats,
    grain: Floats,
    starts: NDArray[np.int64],
    grain_size: float,
    pixels: NDArray[np.uint8],
) -> None:
    """RGB light to BGR bytes; luminance grain, and half as much in each colour."""
    height, width, _ = image.shape
    for row in range(height):
        for column in range(width):
            common = grain[(starts[row, 0] + column) & 0xFFFF]
            for k in range(3):
                step = int(min(1.0, max(0.0, image[row, column, k] * gain[k])) * 4095)
                speck = common + 0.5 * grain[(starts[row, 1] + 3 * column + k) & 0xFFFF]
                pixels[row, column, 2 - k] = np.uint8(
                    min(255.0, max(0.0, curve[step] + grain_size * speck + 0.5))
                )


@lru_cache(maxsize=64)
def _curve(contrast: float) -> Floats:
    """(4096,): linear light to a byte; highlights roll off, contrast pivots on middle grey."""
    light = np.linspace(0, 1, _STEPS)
    tone = light ** (1 / GAMMA)
    return np.asarray(255 * np.clip(0.46 + (tone - 0.46) * contrast, 0, 1), np.float32)


@lru_cache(maxsize=1)
def _grain() -> Floats:
    return np.random.default_rng(2).standard_normal(_GRAINS, dtype=np.float32)
