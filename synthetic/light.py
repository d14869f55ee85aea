"""Sun and sky, and the map of what the sun sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from basics.kernels import kernel
from synthetic.mesh import Faces, Floats
from synthetic.raster import rasterise

_MAP_PX = 1024
_FAR_M = 200.0


@dataclass(frozen=True, kw_only=True)
class Light:
    """`sun` is the direction towards it; the colours are linear irradiances (a white surface of 1
    is just white).
    """

    sun: tuple[float, float, float] = (-0.55, -0.6, 0.85)
    sun_colour: tuple[float, float, float] = (1.0, 0.95, 0.86)
    sky_colour: tuple[float, float, float] = (0.34, 0.38, 0.44)
    ground_colour: tuple[float, float, float] = (0.16, 0.14, 0.11)
    blur_px: float = 1.2
    """How soft shadows on the ground are, in pixels of the image."""

    @cached_property
    def table(self) -> Floats:
        """(4, 3): unit vector to the sun, then the colours of sun, sky and ground."""
        direction = np.asarray(self.sun) / np.linalg.norm(self.sun)
        return np.asarray(
            [direction, self.sun_colour, self.sky_colour, self.ground_colour], np.float32
        )


@dataclass(frozen=True)
class ShadowMap:
    """Orthographic depth as seen from the sun, over a square around `centre`."""

    nearness: Floats
    matrix: Floats = field(repr=False)
    """(3, 4): world to map x, map y and nearness."""

    @classmethod
    def of(cls, light: Light, world: Floats, faces: Faces) -> ShadowMap:
        """The map of a mesh; the square is as wide as the mesh needs."""
        sun = light.table[0].astype(np.float64)
        across = np.cross([0.0, 0.0, 1.0], sun) + np.array([1e-6, 0, 0])
        across /= np.linalg.norm(across)
        axes = np.stack([across, np.cross(sun, across), sun])
        flat = axes[:2].astype(np.float32) @ world.T
        low, high = flat.min(1), flat.max(1)
        scale = (_MAP_PX - 8) / max(float((high - low).max()), 0.1)
        matrix = np.zeros((3, 4), np.float32)
        matrix[:2, :3] = axes[:2] * scale
        matrix[:2, 3] = _MAP_PX / 2 - scale * (low + high) / 2
        matrix[2, :3], matrix[2, 3] = axes[2], _FAR_M
        nearness = np.zeros((_MAP_PX, _MAP_PX), np.float32)
        front = np.empty((_MAP_PX, _MAP_PX), np.int32)
        rasterise(world @ matrix[:, :3].T + matrix[:, 3], faces, nearness, front)
        return cls(nearness, matrix)


@kernel(fastmath=True)
def shadow(
    nearness: Floats, matrix: Floats, x: float, y: float, z: float, bias_m: float, spread_px: float
) -> float:
    """How much of the sun is hidden at a point, 0 to 1, from five taps."""
    column = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
    row = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
    size = nearness.shape[0]
    if column < 2 or row < 2 or column > size - 3 or row > size - 3:
        return 0.0
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3] + bias_m
    hidden = 0.0
    for tap in range(5):
        dx = spread_px * (0.0 if tap == 0 else (1.0 if tap == 1 or tap == 2 else -1.0))
        dy = spread_px * (0.0 if tap == 0 else (1.0 if tap == 1 or tap == 3 else -1.0))
        i, j = (
            min(size - 1, max(0, int(row + dy + 0.5))),
            min(size - 1, max(0, int(column + dx + 0.5))),
        )
        if nearness[i, j] > depth:
            hidden += 0.2
    return hidden
