"""Parquet for analytics: the rows of the CSV output, with types, in row groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basics.packages import import_package
from basics.paths import utf8_text
from configs.errors import SinkError
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks import RunInfo
from stream.sinks.json_lines import clean_keypoints, known_ids
from stream.sinks.table import COLUMNS

_GROUP_ROWS = 1 << 17


class ParquetSink:
    """Writes one row for every joint that was found: the columns of a `.csv` output.

    The file can be read once it is closed; who writes it sees to its place.

    Args:
        path: The file.
    """

    needs_image = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrow: Any = None
        self._schema: Any = None
        self._writer: Any = None
        self._names = np.zeros(0, object)
        self._source = ""
        self._rows: list[dict[str, Any]] = []
        self._waiting = 0

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Creates the file.

        Raises:
            RuntimeUnavailableError: pyarrow is not installed.
            SinkError: The file cannot be created.
        """
        install = "higherhrnet-stream[cluster]"
        self._arrow = arrow = import_package("pyarrow", install, "a .parquet output")
        parquet = import_package("pyarrow.parquet", install, "a .parquet output")
        text = arrow.dictionary(arrow.int32(), arrow.string())
        kinds = {
            **dict.fromkeys(("frame", "id"), arrow.int64()),
            **dict.fromkeys(("person", "width", "height", "epoch"), arrow.int32()),
            **dict.fromkeys(("joint", "file"), text),
            "time_s": arrow.float64(),
            **dict.fromkeys(("x", "y", "score"), arrow.float32()),
        }
        self._schema = arrow.schema([(name, kinds[name]) for name in COLUMNS])
        self._names = np.array(run.keypoint_set.names, object)
        self._source = source.name
        try:
            self._writer = parquet.ParquetWriter(self._path, self._schema, compression="zstd")
        except OSError as error:
            raise SinkError(f"cannot write {str(self._path)!r}: {error}") from error

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Adds the rows of one frame.

        Raises:
            SinkError: They cannot be written.
        """
        keypoints = clean_keypoints(people)
        persons, joints = np.nonzero(keypoints[..., 2] > 0)
        count = len(persons)
        if not count:
            return
        ids = known_ids(people)
        height, width = frame.image.shape[:2]
        found = keypoints[persons, joints]
        same = {
            "frame": frame.index,
            "time_s": round(frame.time_s, 6),
            "width": width,
            "height": height,
            "epoch": frame.epoch,
            "file": "" if frame.source == self._source else utf8_text(frame.source),
        }
        self._rows.append(
            {
                **{name: [value] * count for name, value in same.items()},
                "person": persons.tolist(),
                "id": [None] * count if ids is None else [ids[each] for each in persons.tolist()],
                "joint": self._names[joints].tolist(),
                **{name: found[:, axis].tolist() for axis, name in enumerate(("x", "y", "score"))},
            }
        )
        self._waiting += count
        if self._waiting >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Finishes the file; a second call does nothing.

        Raises:
            SinkError: It cannot be finished.
        """
        writer = self._writer
        if writer is not None:
            try:
                self._flush()
            finally:
                self._writer = None
                writer.close()

    def _flush(self) -> None:
        rows, self._rows, self._waiting = self._rows, [], 0
        if not rows:
            return
        columns = {name: [value for row in rows for value in row[name]] for name in COLUMNS}
        try:
            self._writer.write_table(self._arrow.table(columns, schema=self._schema))
        except OSError as error:
            raise SinkError(f"cannot write {str(self._path)!r}: {error}") from error
