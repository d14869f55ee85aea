"""MOTChallenge text: a line per person and frame, for the tools that score and show tracks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.files import LineFileSink
from stream.sinks.json_lines import clean_keypoints, clean_scores

# What a box around joints lacks of a box around a body, as shares of its width (to each side) and
# height (above, below); they suit all frames of PETS 2009 S2.L1 at once (docs/tracking.md).
_SIDE, _UP, _DOWN = 0.35, 0.12, 0.08


class MotSink(LineFileSink):
    """Writes `frame, id, left, top, width, height, score, -1, -1, -1` for everybody with an
    identity; frames count from 1, boxes are around bodies.
    """

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Creates the file.

        Raises:
            SinkError: The file cannot be created.
        """
        self._file.open(source)

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Appends the people of one frame, all or none.

        Raises:
            SinkError: The rows did not go in.
        """
        known = people.only(np.zeros(len(people), bool) if people.ids is None else people.ids >= 0)
        rows = zip(
            [] if known.ids is None else known.ids.tolist(),
            body_boxes(known).tolist(),
            clean_scores(known).tolist(),
            strict=True,
        )
        lines = [
            f"{frame.index + 1},{identity},{left:.2f},{top:.2f},{width:.2f},{height:.2f},{score},"
            "-1,-1,-1"
            for identity, (left, top, width, height), score in rows
        ]
        self._file.write_frame("\n".join(lines))


def body_boxes(people: People) -> NDArray[np.float64]:
    """(P, 4) left, top, width, height of bodies, guessed from their joints."""
    keypoints = clean_keypoints(people).astype(np.float32)
    left, top, width, height = (
        People(keypoints, people.scores, people.tags).boxes.astype(np.float64).T
    )
    return np.stack(
        (
            left - _SIDE * width,
            top - _UP * height,
            (1 + 2 * _SIDE) * width,
            (1 + _UP + _DOWN) * height,
        ),
        axis=1,
    )
