"""Frames of your own: a virtual camera pans over a still image.

python examples/own_source.py photo.jpg out.mp4
"""

import sys
import time

import cv2
import numpy as np

from higherhrnet_stream import FrameSlot, Source, SourceInfo, run


class Pan(Source):
    def __init__(self, image: np.ndarray, frames: int = 50) -> None:
        super().__init__()
        self.name, self.image, self.frames, self.index = "pan", image, frames, -1
        self.height, self.width = image.shape[0], image.shape[1] * 3 // 4

    @property
    def info(self) -> SourceInfo:
        return SourceInfo(name=self.name, width=self.width, height=self.height, fps=25.0)

    def grab(self) -> bool:
        self.index += 1
        self.time_s = self.index / 25
        return self.index < self.frames

    def retrieve(self, slot: FrameSlot) -> None:
        left = (self.image.shape[1] - self.width) * self.index // self.frames
        slot.resize(self.height, self.width)[:] = self.image[:, left : left + self.width]
        now_ns = time.monotonic_ns()
        slot.describe(source="pan", index=self.index, time_s=self.time_s, capture_ns=now_ns)


if __name__ == "__main__":
    print(run(Pan(cv2.imread(sys.argv[1])), sys.argv[2]))
