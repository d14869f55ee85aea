"""A test pattern: a camera that is always there."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import cv2
import numpy as np

from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources.base import Source

WIDTH, HEIGHT, FPS = 640, 480, 25


class PatternSource(Source):
    """Colour bars, a moving bar and the frame number, 25 a second, for ever: to try outputs and
    windows without a camera.
    """

    name = "test pattern"
    live = True

    def __init__(self) -> None:
        super().__init__()
        self._stopped = threading.Event()
        self._index = -1
        self._began_s = 0.0
        ramp = np.repeat(np.arange(8, dtype=np.uint8), WIDTH // 8)
        bars = np.stack([(ramp >> bit & 1) * 160 + 40 for bit in range(3)], axis=1)
        self._bars = np.ascontiguousarray(
            np.broadcast_to(bars.astype(np.uint8), (HEIGHT, WIDTH, 3))
        )

    @property
    def info(self) -> SourceInfo:
        return SourceInfo(
            name=self.name,
            width=WIDTH,
            height=HEIGHT,
            fps=float(FPS),
            time_base=Fraction(1, FPS),
            live=True,
        )

    def open(self) -> None:
        self._began_s = time.monotonic()
        self.health.state = "running"

    def grab(self) -> FrameStamp | None:
        self._index += 1
        asked_ns, time_s = time.monotonic_ns(), self._index / FPS
        self._stopped.wait(max(0.0, self._began_s + time_s - time.monotonic()))
        now_ns = time.monotonic_ns()
        self.health.waited_ns += now_ns - asked_ns
        if self._stopped.is_set():
            return None
        return FrameStamp(
            source=self.name,
            index=self._index,
            time_s=time_s,
            capture_ns=now_ns,
            pts=self._index,
            time_base=Fraction(1, FPS),
        )

    def retrieve(self, frame: Frame) -> None:
        image = frame.allocate(HEIGHT, WIDTH)
        image[:] = self._bars
        column = self._index * 4 % WIDTH
        image[:, column : column + 8] = 255
        cv2.putText(
            image,
            str(self._index),
            (16, HEIGHT - 24),
            cv2.FONT_HERSHEY_SIMPLEX,
            1.5,
            (255, 255, 255),
            3,
        )

    def interrupt(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
