"""Decoded frames into the images that a viewer sees: BGR in standard dynamic range, square pixels,
the right way up.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TypeVar

import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from configs import SourceError
from stream.frame import Frame
from stream.sources.deinterlace import Deinterlace, is_wanted
from stream.sources.orientation import UPRIGHT, Orientation, displayed_size, orientation
from stream.sources.tone_mapping import HLG, PQ, tone_map

# What brings a transposed frame upright in one pass, by whether it is mirrored across and down
# after that.
_TURNS = {(True, False): cv2.ROTATE_90_CLOCKWISE, (False, True): cv2.ROTATE_90_COUNTERCLOCKWISE}

# Pixels that are wider or narrower than this are damage; those that are square but for a hundredth
# come from sizes that codecs round up.
_WIDEST, _SQUARE = 4, Fraction(1, 100)


_Pixel = TypeVar("_Pixel", np.uint8, np.uint16)


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width of the pixels of `stream`, in their heights: 1 unless it says something credible."""
    aspect = stream.sample_aspect_ratio
    if not aspect or not Fraction(1, _WIDEST) <= aspect <= _WIDEST or abs(aspect - 1) <= _SQUARE:
        return Fraction(1)
    return aspect


class FrameConverter:
    """Converts frames of any size, pixel format, colour matrix and range; for one thread.

    swscale reads the matrix (BT.601, BT.709, ...) and the range from the frame. Its result is
    copied once more into the frame (0.17 ms at 1080p), because PyAV cannot convert into memory that
    it does not own; libavutil's allocator gives it the same memory every time. One thread: for a
    conversion of 0.6 ms a pool costs more than it gains. Frames of high dynamic range take 25 ms
    more at 1080p.

    Args:
        deinterlace: Which frames are shown by their upper field alone, lines between interpolated.
            That costs half of the vertical resolution, of which a network input has little use, and
            1.4 ms at 1080p: for live sources, where every better filter would hold a frame back
            until the next one is there.
        aspect: Width of the frames' pixels, in their heights; those that are not square are widened
            or narrowed.
    """

    def __init__(self, deinterlace: Deinterlace = "off", aspect: Fraction = Fraction(1)) -> None:
        self.aspect = aspect
        self._reformatter = VideoReformatter()
        self._deinterlace = deinterlace
        self._toned = np.empty((0, 0, 3), np.uint8)
        self._between = np.empty((0, 0, 3), np.uint8)

    def size(self, decoded: VideoFrame) -> tuple[int, int]:
        """Width and height of the image that is made of `decoded`."""
        return displayed_size(decoded, self.aspect)

    def convert(self, decoded: VideoFrame, frame: Frame) -> None:
        """Fills the image of `frame`.

        Raises:
            SourceError: The pixel format cannot be converted.
        """
        if decoded.color_trc in (PQ, HLG):
            deep = self._pixels(decoded, "bgr48le", np.uint16)
            if self._toned.shape != deep.shape:
                self._toned = np.empty(deep.shape, np.uint8)
            pixels = self._toned
            tone_map(deep, decoded.color_trc, pixels)
        else:
            pixels = self._pixels(decoded, "bgr24", np.uint8)
        if is_wanted(decoded, self._deinterlace):
            if self._between.shape != pixels.shape:
                self._between = np.empty(pixels.shape, np.uint8)
            _interpolate(pixels[::2], self._between)
            pixels = self._between
        width, height = self.size(decoded)
        _turn(pixels, orientation(decoded), frame.allocate(height, width))

    def _pixels(
        self, decoded: VideoFrame, pixel_format: str, kind: type[_Pixel]
    ) -> NDArray[_Pixel]:
        """(H, W, 3) BGR as stored, with square pixels; lent until the next call."""
        width = round(decoded.width * self.aspect)
        try:
            bgr = self._reformatter.reformat(decoded, width=width, format=pixel_format, threads=1)
        except (ValueError, OSError) as error:
            raise SourceError(
                f"frames in pixel format {decoded.format.name!r} cannot be converted: {error}"
            ) from error
        plane = bgr.planes[0]
        rows = np.frombuffer(memoryview(plane), kind).reshape(
            -1, plane.line_size // np.dtype(kind).itemsize
        )
        return rows[: bgr.height, : width * 3].reshape(bgr.height, width, 3)


def _interpolate(field: NDArray[np.uint8], image: NDArray[np.uint8]) -> None:
    """Fills `image` with the lines of its upper field, and the means of two between them."""
    np.copyto(image[::2], field)
    if len(field) > 1:
        cv2.addWeighted(field[:-1], 0.5, field[1:], 0.5, 0, image[1:-1:2])
    image[-1] = field[-1]


def _turn(pixels: NDArray[np.uint8], way: Orientation, image: NDArray[np.uint8]) -> None:
    """Copies `pixels` into `image`, the right way up."""
    mirrors = way.across, way.down
    if way == UPRIGHT:
        np.copyto(image, pixels)
    elif not way.transposed:
        cv2.flip(pixels, {(True, False): 1, (False, True): 0, (True, True): -1}[mirrors], dst=image)
    elif mirrors in _TURNS:
        cv2.rotate(pixels, _TURNS[mirrors], dst=image)
    else:
        cv2.transpose(pixels, dst=image)
        if way.across:
            cv2.flip(image, -1, dst=image)
