"""The way from image pixels to network input and from map pixels back: the only place that knows
about resizing and padding.

The rule `centre` is the official one (docs/reference.md, section 2.2): the image is scaled about
its centre, the same in x and y, until its short side fills the network input; the long side is
padded with black to a multiple of 64. The rule `udp` (section 2.5) has input and maps of the same
size, and lays the centres of first and last pixels on each other.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs import AlignmentRule, ConfigError, check_input_side
from configs.model import SIZE_MULTIPLE_PX
from configs.units import Size, parse_size_or_side

logger = logging.getLogger(__name__)

# of the official code, which rounds up to this although the network needs multiples of 32 only
ALIGNMENT_PX = 64
SCALE_RANGE = (0.1, 4.0)
# Long side of an input by its short one. A strip of 20 x 3000 pixels would become 512 x 76800;
# COCO's longest images are 11 times as long as wide.
LONGEST = 12

InputSize = int | tuple[int, int]
"""The short side in pixels, whose long side follows the image up to `LONGEST` times as long; or
(height, width), into which any image is fitted.
"""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How one size of image is laid into a network input, and where points of a map lie in the
    image.

    Attributes:
        image_size: (height, width) of the image in pixels.
        input_size: (height, width) of the network input in pixels.
        map_size: (height, width) of the maps in their own pixels.
        zoom: Input pixels per image pixel.
        centre: The image point (x, y) that lies in the middle of the input.
        rule: Whether points of the image count from the corner of its first pixel or, with `udp`,
            from its centre. Points of maps count from the corner with both.
        aspect: Horizontal zoom by `zoom`; 1 but for `udp` at several scales.
    """

    image_size: tuple[int, int]
    input_size: tuple[int, int]
    map_size: tuple[int, int]
    zoom: float
    centre: tuple[float, float]
    rule: AlignmentRule = "centre"
    aspect: float = 1.0

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(2, 3), takes image pixels (x, y, 1) to input pixels."""
        if self.rule == "udp":
            return np.array([[self.zoom * self.aspect, 0, 0], [0, self.zoom, 0]])
        height, width = self.input_size
        x, y = self.centre
        return np.array(
            [[self.zoom, 0, width / 2 - self.zoom * x], [0, self.zoom, height / 2 - self.zoom * y]]
        )

    def warp(
        self, image: NDArray[np.uint8], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """The image laid into the network input, bilinear, black around it; releases the GIL.

        Args:
            image: (H, W, 3) uint8 BGR.
            out: Written to if given, so that nothing is allocated: (h, w, 3) uint8, C-contiguous.

        Returns:
            (h, w, 3) uint8 BGR.

        Raises:
            ValueError: `out` is of another shape or type.
        """
        height, width = self.input_size
        if out is not None and (
            out.shape != (height, width, 3) or out.dtype != np.uint8 or not out.flags.c_contiguous
        ):
            # OpenCV would quietly write to an array of its own.
            raise ValueError(
                f"out must be a contiguous uint8 array of shape {(height, width, 3)}, not "
                f"{out.dtype} {out.shape}"
            )
        result: Any = cv2.warpAffine(
            image, self.matrix, (width, height), dst=out, flags=cv2.INTER_LINEAR
        )
        return result  # type: ignore[no-any-return]

    def with_map_size(self, map_size: tuple[int, int]) -> Alignment:
        """The same alignment for maps of another size (height, width)."""
        return replace(self, map_size=map_size)

    def to_image(self, keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
        """Keypoints of the maps in pixels of the image.

        A missing joint at (0, 0) becomes some point off the image, as in the official code: judge
        joints by their score.

        Args:
            keypoints: (..., 2 or more) float32, x and y in map pixels first.

        Returns:
            The same shape; what follows x and y is kept.
        """
        moved = np.array(keypoints, np.float32)
        for axis, (offset, step, origin) in enumerate(self._axes()):
            points = np.asarray(keypoints[..., axis], np.float64)
            moved[..., axis] = (points - offset) * step + origin
        return moved

    def to_map(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """The inverse of `to_image`."""
        moved = np.array(points, np.float32)
        for axis, (offset, step, origin) in enumerate(self._axes()):
            coordinates = np.asarray(points[..., axis], np.float64)
            moved[..., axis] = (coordinates - origin) / step + offset
        return moved

    def _axes(self) -> tuple[tuple[float, float, float], ...]:
        """For x, then for y: a point of the map, image pixels per map pixel, and the point of the
        image that lies there.
        """
        (rows, columns), (height, width) = self.map_size, self.input_size
        if self.rule == "udp":
            zoom_x = self.zoom * self.aspect
            return (
                (0.5, (width - 1) / (columns - 1) / zoom_x, 0.0),
                (0.5, (height - 1) / (rows - 1) / self.zoom, 0.0),
            )
        return (
            (columns / 2, width / columns / self.zoom, self.centre[0]),
            (rows / 2, height / rows / self.zoom, self.centre[1]),
        )


def align(
    image_size: tuple[int, int],
    input_size: InputSize,
    *,
    scale: float = 1.0,
    min_scale: float | None = None,
    rule: AlignmentRule = "centre",
) -> Alignment:
    """How an image is laid into a network input; maps are as large as the input.

    Args:
        image_size: (height, width) of the image in pixels.
        input_size: Short side, or (height, width); multiples of 32.
        scale: Of a multi-scale test; multiplies the input size.
        min_scale: The smallest of that test's scales, at which the official rule rounds to
            multiples of 64; by default `scale` itself or 1, whichever is smaller.
        rule: What the network was trained with.

    Raises:
        ConfigError: A side is not a multiple of 32.
    """
    check_input_size(input_size)
    input_size = _bounded(image_size, input_size)
    height, width = image_size
    smallest = min(scale, 1.0) if min_scale is None else min_scale
    size = _size_at(image_size, input_size, scale, smallest)
    if rule == "udp":
        return _align_pixels(image_size, input_size, size, smallest)
    along_x, along_y = size[1] / width, size[0] / height
    return Alignment(
        image_size=image_size,
        input_size=size,
        map_size=size,
        zoom=_filling(image_size, input_size, along_x, along_y),
        centre=(int(width / 2 + 0.5), int(height / 2 + 0.5)),
    )


def _bounded(image_size: tuple[int, int], input_size: InputSize) -> InputSize:
    """The input size for an image, for which a strip has a long side that is not its own."""
    height, width = image_size
    if isinstance(input_size, tuple) or max(image_size) <= LONGEST * min(image_size):
        return input_size
    long = LONGEST * input_size
    size = (long, input_size) if width < height else (input_size, long)
    _warn_of_strip(image_size, size)
    return size


@lru_cache(maxsize=256)  # said once of a size; a folder may have any number of them
def _warn_of_strip(image_size: tuple[int, int], size: tuple[int, int]) -> None:
    shown = [f"{columns}x{rows}" for rows, columns in (image_size, size)]
    logger.warning(
        "an image of %s is more than %d times as long as wide: it is made small enough for an "
        "input of %s",
        *(shown[0], LONGEST, shown[1]),
    )


def _size_at(
    image_size: tuple[int, int], input_size: InputSize, scale: float, smallest: float
) -> tuple[int, int]:
    """(height, width) of the input: sides are rounded at the smallest scale and then multiplied."""
    height, width = image_size
    if isinstance(input_size, tuple):
        rows, columns = (_round_up(side * smallest, 32) for side in input_size)
    else:
        short = _round_up(smallest * input_size, ALIGNMENT_PX)
        if width < height:
            rows, columns = _round_up(short / width * height, ALIGNMENT_PX), short
        else:
            rows, columns = short, _round_up(short / height * width, ALIGNMENT_PX)
    return int(rows * scale / smallest), int(columns * scale / smallest)


def _filling(
    image_size: tuple[int, int], input_size: InputSize, along_x: float, along_y: float
) -> float:
    """The zoom at which the image is in the input: by its short side, or by whichever side fits."""
    if isinstance(input_size, tuple):
        return min(along_x, along_y)
    height, width = image_size
    return along_x if width < height else along_y


def _align_pixels(
    image_size: tuple[int, int], input_size: InputSize, size: tuple[int, int], smallest: float
) -> Alignment:
    """The rule `udp`: all lengths are from the centre of the first pixel to that of the last.

    What the input covers of the image is the same at every scale, so that maps of all scales, laid
    on each other by their outer pixels, are of the same place.
    """
    height, width = (max(side - 1, 1) for side in image_size)
    rows, columns = (side - 1 for side in _size_at(image_size, input_size, smallest, smallest))
    base = _filling(image_size, input_size, columns / width, rows / height)
    covered_x, covered_y = columns / base, rows / base
    zoom_x, zoom_y = (size[1] - 1) / covered_x, (size[0] - 1) / covered_y
    return Alignment(
        image_size=image_size,
        input_size=size,
        map_size=size,
        zoom=zoom_y,
        centre=(covered_x / 2, covered_y / 2),
        rule="udp",
        aspect=zoom_x / zoom_y,
    )


def check_input_size(
    input_size: InputSize, name: str = "input size", multiple_px: int = SIZE_MULTIPLE_PX
) -> None:
    """Refuses a size that the network cannot take.

    Args:
        input_size: The size.
        name: What it is; begins the message.
        multiple_px: What the sides of (height, width) must be multiples of; a short side may be a
            multiple of 32, and is rounded up for the image.

    Raises:
        ConfigError: A side is not such a positive multiple.
    """
    if isinstance(input_size, int):
        check_input_side(input_size, name)
        return
    for side in input_size:
        check_input_side(side, name, multiple_px)


def parse_input_size(text: str, name: str = "input size") -> InputSize:
    """The input size that is written as its short side or as WIDTHxHEIGHT.

    Args:
        text: `384`, or `448x320` for (320, 448).
        name: What it was written for, such as `--input-size`; stands in the message.

    Returns:
        The short side, or (height, width).

    Raises:
        ConfigError: It is anything else, or a side is not a multiple of 32.
    """
    written = parse_size_or_side(text, name)
    size = written.shape if isinstance(written, Size) else written
    check_input_size(size, name)
    return size


def format_input_size(size: InputSize) -> str:
    """An input size as `parse_input_size` reads it: `384`, or `448x320` for (320, 448)."""
    return str(size if isinstance(size, int) else Size(width=size[1], height=size[0]))


def check_scales(scales: Sequence[float], name: str = "scales") -> None:
    """Refuses scales that a multi-scale test cannot use.

    Each is 0.1 to 4; several hold 1, because tags are those of scale 1.

    Raises:
        ConfigError: A multi-scale test cannot use these scales; the message begins with `name`.
    """
    low, high = SCALE_RANGE
    if not scales:
        raise ConfigError(f"{name} must hold at least one scale, such as 1")
    for scale in scales:
        if not low <= scale <= high:
            raise ConfigError(f"{name} must be {low:g} to {high:g}, not {scale:g}")
    if len(scales) > 1 and 1.0 not in scales:
        shown = " ".join(f"{scale:g}" for scale in scales)
        raise ConfigError(
            f"{name} must include 1 where there are several, because its tags are kept: add it to "
            f"{shown}"
        )


def _round_up(value: float, multiple: int) -> int:
    return int(value + multiple - 1) // multiple * multiple
