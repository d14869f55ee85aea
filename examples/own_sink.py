"""An output of your own: saves the annotated image of the fullest moment as fullest.png.

python examples/own_sink.py demo
"""

import sys

import cv2
import numpy as np

from higherhrnet_stream import Frame, People, RunInfo, SourceInfo, run


class Fullest:
    """Whatever has these methods is a sink; `needs_image` asks for the annotated image."""

    needs_image = True

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        self.most, self.image = -1, np.zeros((source.height, source.width, 3), np.uint8)

    def write(
        self, frame: Frame, people: People, image: np.ndarray | None, **facts: float
    ) -> None:  # facts: latency_ms, drops
        if image is not None and len(people) > self.most:
            self.most = len(people)
            self.image = image.copy()  # it is only lent

    def close(self) -> None:
        cv2.imwrite("fullest.png", self.image)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(run(sys.argv[1], Fullest()))
