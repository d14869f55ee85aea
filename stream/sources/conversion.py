"""Decoded frames into images: BGR, displayed the right way up."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from av import VideoFrame
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from configs import SourceError
from stream.frame import Frame
from stream.sources.deinterlace import Deinterlace, is_wanted

# What brings a transposed frame upright in one pass, by whether it is mirrored across and down
# after that.
_TURNS = {(True, False): cv2.ROTATE_90_CLOCKWISE, (False, True): cv2.ROTATE_90_COUNTERCLOCKWISE}
_MATRIX = "DISPLAYMATRIX"


class Orientation(NamedTuple):
    """What is to be done to a frame before it is shown: rows and columns exchanged, then mirrored
    across, then down.
    """

    transposed: bool = False
    across: bool = False
    down: bool = False


def orientation(frame: VideoFrame) -> Orientation:
    """How the stream says that `frame` is to be shown, to the nearest quarter turn.

    FFmpeg's display matrix sends (x, y) to (a x + c y, b x + d y), y downwards, in 16.16
    (libavutil/display.h). PyAV's `VideoFrame.rotation` is only its angle, and cannot tell a
    mirrored frame from a turned one.
    """
    # Not `frame.side_data`: the frame keeps what that returns and is kept by it, pixels and
    # all, until the next full garbage collection, and there is none while a pipeline runs.
    side_data = SideDataContainer(frame).get(_MATRIX)  # type: ignore[call-arg]
    if side_data is None:
        return _UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
    if abs(a) >= abs(b):
        return Orientation(across=a < 0, down=d < 0)
    return Orientation(transposed=True, across=c < 0, down=b < 0)


_UPRIGHT = Orientation()


def displayed_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height in pixels, the right way up."""
    if orientation(frame).transposed:
        return frame.height, frame.width
    return frame.width, frame.height


class FrameConverter:
    """Converts frames of any size, pixel format, colour matrix and range; for one thread.

    swscale reads the matrix (BT.601, BT.709, ...) and the range from the frame. Its result is
    copied once more into the frame (0.17 ms at 1080p), because PyAV cannot convert into memory that
    it does not own; libavutil's allocator gives it the same memory every time. One thread: for a
    conversion of 0.6 ms a pool costs more than it gains.

    deinterlace: interlaced frames are shown by their upper field alone, lines between
        interpolated. That costs half of the vertical resolution, of which a network input has
        little use, and no time: for live sources, where every better filter would hold a frame
        back until the next one is there.
    """

    def __init__(self, deinterlace: Deinterlace = "off") -> None:
        self._reformatter = VideoReformatter()
        self._deinterlace = deinterlace

    def convert(self, decoded: VideoFrame, frame: Frame) -> None:
        """Fills the image of `frame`. Raises SourceError for a pixel format that cannot be
        converted.
        """
        try:
            bgr = self._reformatter.reformat(decoded, format="bgr24", threads=1)
        except (ValueError, OSError) as error:
            raise SourceError(
                f"frames in pixel format {decoded.format.name!r} cannot be converted: {error}"
            ) from error
        plane = bgr.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        pixels = rows[: bgr.height, : bgr.width * 3].reshape(bgr.height, bgr.width, 3)
        if is_wanted(decoded, self._deinterlace):
            pixels = _lines_between(pixels[::2], bgr.height)
        width, height = displayed_size(decoded)
        _turn(pixels, orientation(decoded), frame.allocate(height, width))


def _lines_between(field: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    size = (field.shape[1], height)
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _turn(pixels: NDArray[np.uint8], way: Orientation, image: NDArray[np.uint8]) -> None:
    """Copies `pixels` into `image`, the right way up."""
    mirrors = way.across, way.down
    if way == _UPRIGHT:
        np.copyto(image, pixels)
    elif not way.transposed:
        cv2.flip(pixels, {(True, False): 1, (False, True): 0, (True, True): -1}[mirrors], dst=image)
    elif mirrors in _TURNS:
        cv2.rotate(pixels, _TURNS[mirrors], dst=image)
    else:
        cv2.transpose(pixels, dst=image)
        if way.across:
            cv2.flip(image, -1, dst=image)
