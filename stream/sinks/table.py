"""A tidy table: one CSV row for every joint that was found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from configs.errors import SinkError
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.files import LineFileSink
from stream.sinks.json_lines import clean_keypoints, known_ids

COLUMNS = (
    *("frame", "time_s", "person", "id", "joint", "x", "y", "score"),
    *("width", "height", "epoch", "file"),
)


class TableSink(LineFileSink):
    """Writes rows of COLUMNS to `path`. `person` counts the people of one frame from 0; `id` is who
    it is from frame to frame, empty for people who are not known (yet). `width` and `height` are
    those of the frame, `file` is empty where the source is one.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._names: tuple[str, ...] = ()
        self._source = ""

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Creates the file and writes the column names.

        Raises:
            SinkError: The file cannot be created.
        """
        self._names, self._source = run.keypoint_set.names, source.name
        self._file.open(source, ",".join(COLUMNS))

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Appends the rows of one frame, all or none.

        Raises:
            SinkError: The rows did not go in.
        """
        if not self._names:
            raise SinkError(f"cannot write {self.label!r}: it is not open")
        keypoints = clean_keypoints(people)
        persons, joints = np.nonzero(keypoints[..., 2] > 0)
        ids = ["" if identity is None else identity for identity in known_ids(people) or []]
        begin = f"{frame.index},{frame.time_s:.6f}"
        height, width = frame.image.shape[:2]
        end = f"{width},{height},{frame.epoch},{self._file_of(frame)}"
        rows = [
            f"{begin},{person},{ids[person] if ids else ''},{self._names[joint]},"
            f"{x:.2f},{y:.2f},{score:.4f},{end}"
            for person, joint, (x, y, score) in zip(
                persons.tolist(), joints.tolist(), keypoints[persons, joints].tolist(), strict=True
            )
        ]
        self._file.write_frame("\n".join(rows))

    def _file_of(self, frame: Frame) -> str:
        """The name of the file as a field (RFC 4180)."""
        name = "" if frame.source == self._source else frame.source
        return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\r\n') else name
