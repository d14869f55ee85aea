"""JSON Lines: a header object, then one object per frame; `stream/schema/records.schema.json`
describes both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.files import LineFileSink

SCHEMA = "higherhrnet-stream/records/2"
_SCHEMAS = "higherhrnet-stream/records/"
_LONGEST_HEADER = 65536

# A hundredth of a pixel and a ten-thousandth of a score are far below what a network resolves, and
# halve the file.
_PIXEL_DECIMALS = 2
_SCORE_DECIMALS = 4


class JsonLinesSink(LineFileSink):
    """Writes people to `path` as JSON Lines; `-` is standard output. Every line is complete as soon
    as it is there.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._source: SourceInfo | None = None

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Creates the file and writes the header.

        Raises:
            SinkError: The file cannot be created.
        """
        self._source = source
        self._file.open(source, to_json(header(source, run)))

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Appends the object of one frame.

        Raises:
            SinkError: The line did not go in completely.
        """
        record = frame_record(frame, people, latency_ms=latency_ms, drops=drops)
        if self._source is not None:
            record |= origin(frame, self._source)
        self._file.write_frame(to_json(record))


def header(source: SourceInfo, run: RunInfo) -> dict[str, Any]:
    """The first object of a record: what was read, and with what."""
    return {
        "schema": SCHEMA,
        "model": run.model,
        "runtime": run.runtime,
        "precision": run.precision,
        "device": run.device,
        "keypoint_set": run.keypoint_set.name,
        "keypoint_names": list(run.keypoint_set.names),
        "source": source.name,
        "size": [source.width, source.height],
        "fps": source.fps,
    }


def recorded_source(path: Path) -> str | None:
    """What the people of a record were found in; None where there is no record."""
    try:
        with path.open("rb") as file:
            values = json.loads(file.readline(_LONGEST_HEADER))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not str(values.get("schema")).startswith(_SCHEMAS):
        return None
    source = values.get("source")
    return source if isinstance(source, str) else None


def frame_record(frame: Frame, people: People, *, latency_ms: float, drops: int) -> dict[str, Any]:
    """The object of one frame, people in displayed source pixels; `drops` is named only once there
    are any.
    """
    record: dict[str, Any] = {
        "frame": frame.index,
        "time_s": round(frame.time_s, 6),
        "people": people_records(people),
        "latency_ms": round(latency_ms, 3),
    }
    if drops:
        record["drops"] = drops
    return record


def origin(frame: Frame, source: SourceInfo) -> dict[str, Any]:
    """Where a frame comes from, as far as the header does not say so: `file` where the source is
    several, `epoch` once it was connected again, `size` where that is another one.
    """
    found: dict[str, Any] = {}
    if frame.source != source.name:
        found["file"] = frame.source
    if frame.epoch:
        found["epoch"] = frame.epoch
    height, width = frame.image.shape[:2]
    if (width, height) != (source.width, source.height):
        found["size"] = [width, height]
    return found


def people_records(people: People) -> list[dict[str, Any]]:
    """One object per person: id, score, box [x, y, width, height] and keypoints [x, y, score].

    A missing joint is [0, 0, 0]. The id is null for people who are not known (yet), and left out
    where nobody is tracked.
    """
    keypoints = clean_keypoints(people)
    boxes = People(keypoints.astype(np.float32), people.scores, people.tags).boxes
    ids = known_ids(people)
    names: list[dict[str, Any]] = (
        [{}] * len(people) if ids is None else [{"id": identity} for identity in ids]
    )
    rows = zip(
        names,
        clean_scores(people).tolist(),
        np.round(boxes.astype(np.float64), _PIXEL_DECIMALS).tolist(),
        keypoints.tolist(),
        strict=True,
    )
    return [
        {**name, "score": score, "box": box, "keypoints": joints}
        for name, score, box, joints in rows
    ]


def known_ids(people: People) -> list[int | None] | None:
    """Everybody's identity, None for people who are not known (yet); None without tracking."""
    if people.ids is None:
        return None
    return [identity if identity >= 0 else None for identity in people.ids.tolist()]


def clean_keypoints(people: People) -> NDArray[np.float64]:
    """(P, J, 3) x, y, score, rounded for writing; the joints that are missing (score 0 or not
    finite) are all zeros.
    """
    keypoints = people.keypoints.astype(np.float64)
    found = (keypoints[..., 2:] > 0) & np.isfinite(keypoints).all(axis=2, keepdims=True)
    keypoints = np.where(found, keypoints, 0.0)
    np.round(keypoints[..., :2], _PIXEL_DECIMALS, out=keypoints[..., :2])
    np.round(keypoints[..., 2], _SCORE_DECIMALS, out=keypoints[..., 2])
    return keypoints


def clean_scores(people: People) -> NDArray[np.float64]:
    """(P,) person scores, rounded for writing; what is not finite is 0, because JSON has no word
    for it.
    """
    scores: NDArray[np.float64] = np.nan_to_num(
        people.scores.astype(np.float64), posinf=0.0, neginf=0.0
    )
    return np.round(scores, _SCORE_DECIMALS)


def to_json(content: Any) -> str:
    """`content` as compact JSON on one line."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)
