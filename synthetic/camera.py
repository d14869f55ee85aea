"""A pinhole camera that stands over the ground plane z = 0 and looks along +y."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synthetic.mesh import Floats

_NEAR_M = 0.15


@dataclass(frozen=True, kw_only=True)
class Camera:
    """`pitch` is positive upwards, `roll` positive clockwise as seen in the image (radians); x is
    to the right.
    """

    width: int
    height: int
    height_m: float = 1.6
    field_of_view: float = 0.82
    """Horizontal angle in radians."""
    pitch: float = 0.0
    roll: float = 0.0

    @cached_property
    def focal_px(self) -> float:
        return float(self.width / 2 / np.tan(self.field_of_view / 2))

    @cached_property
    def position(self) -> Floats:
        return np.array([0.0, 0.0, self.height_m], np.float32)

    @cached_property
    def axes(self) -> Floats:
        """(3, 3): rows are right, down and forward in world coordinates."""
        c, s = np.cos(self.pitch), np.sin(self.pitch)
        level = np.array([[1, 0, 0], [0, s, -c], [0, c, s]])
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.asarray(np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) @ level, np.float32)

    def project(self, points: Floats) -> Floats:
        """(n, 3) world points to x, y in pixels (the centre of the first pixel is 0, 0) and inverse
        depth in 1/m.

        The inverse depth is 0 for what is behind the camera.
        """
        seen = (points - self.position) @ self.axes.T
        inverse = np.where(seen[:, 2] > _NEAR_M, 1 / np.maximum(seen[:, 2], _NEAR_M), 0).astype(
            np.float32
        )
        projected = np.empty(seen.shape, np.float32)
        projected[:, 0] = seen[:, 0] * inverse * self.focal_px + (self.width / 2 - 0.5)
        projected[:, 1] = seen[:, 1] * inverse * self.focal_px + (self.height / 2 - 0.5)
        projected[:, 2] = inverse
        return projected

    def scaled(self, factor: int) -> Camera:
        """The same view with `factor` times the pixels each way."""
        return Camera(
            width=self.width * factor,
            height=self.height * factor,
            height_m=self.height_m,
            field_of_view=self.field_of_view,
            pitch=self.pitch,
            roll=self.roll,
        )
