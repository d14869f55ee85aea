"""Frames of your own: a virtual camera pans over a still image.

python examples/own_source.py photo.jpg out.mp4
"""

import sys

import cv2
import numpy as np

from higherhrnet_stream import Frame, FrameStamp, Source, SourceInfo, run


class Pan(Source):
    def __init__(self, image: np.ndarray, frames: int = 50) -> None:
        super().__init__()
        self.name, self.image, self.frames, self.index = "pan", image, frames, -1
        self.height, self.width = image.shape[0], image.shape[1] * 3 // 4

    @property
    def info(self) -> SourceInfo:
        return SourceInfo(name=self.name, width=self.width, height=self.height, fps=25.0)

    def grab(self) -> FrameStamp | None:
        self.index += 1
        if self.index == self.frames:
            return None
        return FrameStamp(source=self.name, index=self.index, time_s=self.index / 25)

    def retrieve(self, frame: Frame) -> None:
        left = (self.image.shape[1] - self.width) * self.index // self.frames
        frame.allocate(self.height, self.width)[:] = self.image[:, left : left + self.width]


if __name__ == "__main__":
    if len(sys.argv) < 3 or (image := cv2.imread(sys.argv[1])) is None:
        sys.exit(f"needs a photograph that can be read.\n{__doc__}")
    print(run(Pan(image), sys.argv[2]))
