"""A stage of your own: who crosses the middle of the image, seen and written by all behind it.

python examples/line_counter.py demo out.mp4
"""

import sys

import numpy as np

from higherhrnet_stream import Frame, People, PerSource, run


class LineCounter:
    """Called with every frame, in a thread of its own, between grouping and drawing."""

    def __init__(self) -> None:
        self.before = np.empty((0, 2))
        self.rightward = self.leftward = 0

    def __call__(self, frame: Frame, people: People) -> None:
        line = frame.image.shape[1] // 2
        now = people.boxes[:, :2] + people.boxes[:, 2:] / 2
        for x, y in now:
            distances = np.hypot(*(self.before - (x, y)).T)
            if len(distances) and distances.min() < 40:  # the same person, a frame ago
                was = self.before[distances.argmin(), 0]
                self.rightward += was < line <= x
                self.leftward += x < line <= was
        self.before = now
        frame.image[:, line - 1 : line + 1] = (80, 220, 80)  # under the skeletons

    def close(self) -> None:
        print(f"to the right: {self.rightward}, to the left: {self.leftward}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(run(sys.argv[1], sys.argv[2:], stages=[PerSource(LineCounter)]))
