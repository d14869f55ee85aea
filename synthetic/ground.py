"""The ground plane z = 0: shadows on a photograph of some ground, or a texture of its own."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from basics.kernels import kernel
from synthetic.camera import Camera
from synthetic.light import Light, ShadowMap, shadow
from synthetic.mesh import Floats
from synthetic.textures import sample


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Without a texture the backdrop is kept and only darkened."""

    texture: int | None = None
    tile_m: float = 1.5
    """Width of one repetition of the texture."""
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    reach_m: float = 30.0
    """Where the texture has faded into the backdrop."""
    shadow: float = 0.5
    """How much of the light on a photographed ground the sun's shadow takes away."""


def lay_ground(
    image: Floats, ground: Ground, camera: Camera, light: Light, shadows: ShadowMap, atlas: Floats
) -> None:
    """Paints the ground and the shadows on it into `image` (h, w, 3), linear light."""
    sun, colours = light.table[0], light.table[1:]
    level = colours[1] + colours[0] * max(0.0, float(sun[2]))
    if ground.texture is None:
        strength = np.full(3, ground.shadow, np.float32)
        slot, lit = -1, level
    else:
        strength = colours[0] * max(0.0, float(sun[2])) / level
        slot, lit = ground.texture, (level * np.asarray(ground.tint, np.float32)).astype(np.float32)
    hidden = np.zeros(image.shape[:2], np.float32)
    _ground(
        image, hidden, camera.axes, camera.height_m, camera.focal_px, shadows.nearness,
        shadows.matrix, atlas, slot, lit, ground.tile_m, ground.reach_m,
    )  # fmt: skip
    hidden = np.asarray(cv2.GaussianBlur(hidden, (0, 0), light.blur_px), np.float32)
    for channel in range(3):
        image[:, :, channel] *= 1 - strength[channel] * hidden


@kernel(fastmath=True)
def _ground(
    image: Floats,
    hidden: Floats,
    axes: Floats,
    height_m: float,
    focal_px: float,
    shadows: Floats,
    shadow_matrix: Floats,
    atlas: Floats,
    slot: int,
    lit: Floats,
    tile_m: float,
    reach_m: float,
) -> None:
    rows, columns = hidden.shape
    for row in range(rows):
        for column in range(columns):
            right, down = (column - (columns - 1) / 2) / focal_px, (row - (rows - 1) / 2) / focal_px
            fall = -(right * axes[0, 2] + down * axes[1, 2] + axes[2, 2])
            if fall < 1e-3:
                continue
            distance = height_m / fall
            if distance > 60:
                continue
            x = distance * (right * axes[0, 0] + down * axes[1, 0] + axes[2, 0])
            y = distance * (right * axes[0, 1] + down * axes[1, 1] + axes[2, 1])
            hidden[row, column] = shadow(shadows, shadow_matrix, x, y, 0.0, 0.01, 1.5)
            if slot >= 0 and distance < reach_m:
                cover = min(1.0, 3 * (1 - distance / reach_m))
                texel = distance / focal_px / max(0.2, fall) / tile_m
                for k in range(3):
                    paint = sample(atlas, slot, x / tile_m, y / tile_m, texel, k) * lit[k]
                    image[row, column, k] = image[row, column, k] * (1 - cover) + paint * cover
