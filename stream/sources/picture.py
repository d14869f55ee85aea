"""Decoded pictures into ring-buffer slots: BGR, displayed the right way up."""

from __future__ import annotations

import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import VideoReformatter

from configs import SourceError
from stream.sources.base import FrameSlot

# Display matrices turn counter-clockwise (FFmpeg's av_display_rotation_get, which `VideoFrame.rotation` reports).
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def displayed_size(picture: VideoFrame) -> tuple[int, int]:
    """Width and height in pixels after rotation."""
    if picture.rotation % 180 == 90:
        return picture.height, picture.width
    return picture.width, picture.height


class PictureConverter:
    """Converts pictures of any size, pixel format, colour matrix and range; for one thread.

    swscale reads the matrix (BT.601, BT.709, ...) and the range from the picture. Its result is copied once more into the slot
    (0.17 ms at 1080p), because PyAV cannot convert into memory that it does not own; libavutil's allocator gives it the same
    memory every time. One thread: for a conversion of 0.6 ms a pool costs more than it gains.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, picture: VideoFrame, slot: FrameSlot) -> None:
        """Fills the image of `slot`. Raises SourceError for a pixel format that cannot be converted."""
        try:
            bgr = self._reformatter.reformat(picture, format="bgr24", threads=1)
        except (ValueError, OSError) as error:
            raise SourceError(f"pictures in pixel format {picture.format.name!r} cannot be converted: {error}") from error
        plane = bgr.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        pixels = rows[: bgr.height, : bgr.width * 3].reshape(bgr.height, bgr.width, 3)
        width, height = displayed_size(picture)
        image = slot.resize(height, width)
        turn = _TURNS.get(picture.rotation % 360)
        if turn is None:
            np.copyto(image, pixels)
        else:
            cv2.rotate(pixels, turn, dst=image)
