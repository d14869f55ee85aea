"""What is changed at random in a training image: where the crop lies, whether it is mirrored, and
its colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from configs.training import AugmentationConfig


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of the image: centre and side in image pixels, turned by `rotation_degrees`, then
    shown mirrored or not.
    """

    centre: tuple[float, float]
    side_px: float
    rotation_degrees: float = 0.0
    mirrored: bool = False

    def to_unit(self) -> NDArray[np.float64]:
        """(2, 3) affine from image pixels to crop coordinates, 0..1 over the side, before
        mirroring.
        """
        angle = math.radians(self.rotation_degrees)
        cosine, sine = math.cos(angle) / self.side_px, math.sin(angle) / self.side_px
        x, y = self.centre
        return np.array(
            [
                [cosine, -sine, 0.5 - cosine * x + sine * y],
                [sine, cosine, 0.5 - sine * x - cosine * y],
            ]
        )

    def to_map(self, resolution: int) -> NDArray[np.float64]:
        """(2, 3) affine from image pixels to those of a square map, mirrored as x' = R - x - 1
        (docs/reference.md, section 4.3).
        """
        affine = self.to_unit() * resolution
        if self.mirrored:
            affine[0] = -affine[0]
            affine[0, 2] += resolution - 1
        return affine


def whole_image(width: int, height: int) -> Crop:
    """The crop that shows all of the image, centred."""
    return Crop(centre=(width / 2, height / 2), side_px=max(width, height))


def draw_crop(
    random: np.random.Generator,
    width: int,
    height: int,
    joints: NDArray[np.float64],
    config: AugmentationConfig,
) -> Crop:
    """A crop drawn as the official code does it (docs/reference.md, section 4.3): its side is a
    random multiple of the image's short side, and its centre near the image's.

    Args:
        random: What is drawn from.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        joints: (P, J, 3) labelled joints in image pixels, of which one person may become the centre
            (`centre_on_person`).
        config: What may be drawn.
    """
    side_px = min(width, height) * random.uniform(config.scale_min, config.scale_max)
    rotation = random.uniform(-config.rotation_degrees, config.rotation_degrees)
    centre = np.array((width / 2, height / 2))
    if len(joints) and random.random() < config.centre_on_person:
        person = joints[random.integers(len(joints))]
        centre = person[person[:, 2] > 0, :2].mean(axis=0)
    shift = int(config.translation * side_px)
    if shift:
        centre = centre + random.integers(-shift, shift, size=2)
    mirrored = bool(random.random() < config.flip_probability)
    return Crop((float(centre[0]), float(centre[1])), side_px, rotation, mirrored)


def draw_colours(
    random: np.random.Generator, config: AugmentationConfig
) -> NDArray[np.float32] | None:
    """(3, 4) float32 affine of BGR colours for `cv2.transform`, or None where the configuration
    changes no colour.
    """
    amounts = (config.brightness, config.contrast, config.saturation, config.hue_degrees)
    if not any(amounts):
        return None
    brightness, contrast, saturation, hue = (random.uniform(-amount, amount) for amount in amounts)
    grey = np.tile(np.array([0.114, 0.587, 0.299]), (3, 1))  # luma of BGR, ITU-R BT.601
    colours = (1 + saturation) * np.eye(3) - saturation * grey
    colours = _hue_rotation(math.radians(hue)) @ colours * (1 + brightness) * (1 + contrast)
    offset = np.full((3, 1), -128 * contrast)
    return np.hstack((colours, offset)).astype(np.float32)


def _hue_rotation(angle: float) -> NDArray[np.float64]:
    """(3, 3) rotation of colours around the grey axis (Rodrigues' formula)."""
    third, root = 1 / 3, math.sqrt(1 / 3)
    cross = root * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    rotation: NDArray[np.float64] = (
        math.cos(angle) * np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * third
    )
    return rotation
