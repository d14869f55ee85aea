"""Which way up a stream says that its frames are."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from av import VideoFrame
from av.sidedata.sidedata import SideDataContainer

_MATRIX = "DISPLAYMATRIX"


class Orientation(NamedTuple):
    """What is to be done to a frame before it is shown: rows and columns exchanged, then mirrored
    across, then down.
    """

    transposed: bool = False
    across: bool = False
    down: bool = False


UPRIGHT = Orientation()


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
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
    if abs(a) >= abs(b):
        return Orientation(across=a < 0, down=d < 0)
    return Orientation(transposed=True, across=c < 0, down=b < 0)


def displayed_size(frame: VideoFrame, aspect: Fraction) -> tuple[int, int]:
    """Width and height in square pixels, the right way up; `aspect`: of the pixels of `frame`."""
    width = round(frame.width * aspect)
    return (frame.height, width) if orientation(frame).transposed else (width, frame.height)
