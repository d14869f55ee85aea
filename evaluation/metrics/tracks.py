"""Who is where in each frame: MOTChallenge text, the records of a run, and the truth of a clip."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from configs import DataError, KeypointSet
from evaluation.metrics.truth import read_records, read_truth

NOBODY = -1  # the identity of people who have none (yet)
_PEDESTRIAN_CLASSES = (-1, 1)  # what the eighth column of a scored row may hold
_LEAST_VISIBLE = 0.25  # share of joints; people hidden beyond it are neither a miss nor a hit


@dataclass(frozen=True, kw_only=True)
class FramePeople:
    """The people of one frame and who they are.

    Attributes:
        ids: (N,) int64 identities, `NOBODY` for people without one.
        boxes: (N, 4) float64 left, top, width, height in pixels.
        scored: (N,) whether a person counts. In a truth, whoever does not is neither a miss nor,
            found, a hit.
        keypoints: (N, J, 3) float64 x, y, score (or visibility, 0 to 2, in a truth); None where
            only boxes are known.
        areas: (N,) float64 area in square pixels that distances of joints are measured by; None
            where `keypoints` is.
    """

    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scored: NDArray[np.bool_]
    keypoints: NDArray[np.float64] | None = None
    areas: NDArray[np.float64] | None = None

    def only(self, kept: NDArray[np.bool_]) -> FramePeople:
        """The people for whom `kept` (N,) is true."""
        return FramePeople(
            ids=self.ids[kept],
            boxes=self.boxes[kept],
            scored=self.scored[kept],
            keypoints=None if self.keypoints is None else self.keypoints[kept],
            areas=None if self.areas is None else self.areas[kept],
        )


Tracks: TypeAlias = dict[int, FramePeople]
"""Frame index, from 0, -> people."""


@dataclass(frozen=True, kw_only=True)
class Enlargement:
    """What a box around joints lacks of a box around a body, as shares of its width and height.

    The defaults suit all frames of PETS 2009 S2.L1 at once (docs/tracking.md).

    Attributes:
        side: Added on the left and again on the right, over the width.
        up: Added above, over the height.
        down: Added below, over the height.
    """

    side: float = 0.35
    up: float = 0.12
    down: float = 0.08

    def __call__(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 4) enlarged boxes for (N, 4) left, top, width, height."""
        left, top, width, height = boxes.T
        return np.stack(
            (
                left - self.side * width,
                top - self.up * height,
                (1 + 2 * self.side) * width,
                (1 + self.up + self.down) * height,
            ),
            axis=1,
        )


def read_tracks(
    path: Path, keypoint_set: KeypointSet, enlargement: Enlargement | None = None
) -> Tracks:
    """Tracks from a file, by its suffix.

    Args:
        path: `.jsonl` is the record of a run, `.json` or `.json.gz` the truth of a synthetic clip,
            anything else MOTChallenge text.
        keypoint_set: Of records and truths.
        enlargement: Applied to the boxes of a record, which are around joints.

    Raises:
        DataError: The file cannot be read, or is none of these.
    """
    if path.suffix == ".jsonl":
        return _record_tracks(path, keypoint_set, enlargement or Enlargement())
    if path.name.endswith((".json", ".json.gz")):
        return _truth_tracks(path, keypoint_set)
    return read_mot(path)


def read_mot(path: Path) -> Tracks:
    """Tracks from MOTChallenge text: frame (from 1), id, left, top, width, height, and more
    columns.

    The seventh column of a truth is 0, and the eighth neither 1 nor -1, for rows that are not
    scored. A heading is skipped.

    Raises:
        DataError: The file is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"cannot read tracks {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} is not text: give MOTChallenge text") from error
    rows: dict[int, list[tuple[int, list[float], bool]]] = defaultdict(list)
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == 1 and line.lstrip()[:1].isalpha()):
            continue
        frame, identity, box, is_scored = _row(line, f"{str(path)!r}, line {number}")
        rows[frame - 1].append((identity, box, is_scored))
    if not rows:
        raise DataError(f"{str(path)!r} has no rows")
    tracks = {}
    for index in sorted(rows):
        ids, boxes, scored = zip(*rows[index], strict=True)
        if len(set(ids)) < len(ids):
            raise DataError(f"{str(path)!r} has one id twice in frame {index + 1}")
        tracks[index] = FramePeople(
            ids=np.array(ids, np.int64), boxes=np.array(boxes, float), scored=np.array(scored, bool)
        )
    return tracks


def _row(line: str, where: str) -> tuple[int, int, list[float], bool]:
    """Frame from 1, identity, box, whether it is scored."""
    try:
        values = [float(cell) for cell in line.split(",")]
    except ValueError as error:
        raise DataError(f"{where} has a column that is no number: {line!r}") from error
    if len(values) < 6 or not np.isfinite(values[:6]).all() or values[0] < 1:
        raise DataError(
            f"{where} is no row of MOTChallenge text: frame (from 1), id, left, top, width, height"
        )
    scored = (len(values) < 7 or values[6] != 0) and (
        len(values) < 8 or values[7] in _PEDESTRIAN_CLASSES
    )
    return int(values[0]), int(values[1]), values[2:6], scored


def _record_tracks(path: Path, keypoint_set: KeypointSet, enlargement: Enlargement) -> Tracks:
    tracks = {}
    for frame, found in read_records(path, keypoint_set).items():
        if found.ids is None:
            raise DataError(f"{str(path)!r} has no identities: it was made with --track off")
        boxes = enlargement(boxes_around(found.keypoints))
        tracks[frame] = FramePeople(
            ids=found.ids,
            boxes=boxes,
            scored=np.ones(len(boxes), bool),
            keypoints=found.keypoints,
            areas=boxes[:, 2] * boxes[:, 3],
        )
    return tracks


def _truth_tracks(path: Path, keypoint_set: KeypointSet) -> Tracks:
    tracks = {}
    for frame, labels in enumerate(read_truth(path, keypoint_set)):
        if labels.people is None:
            raise DataError(f"{str(path)!r}, frame {frame} does not say which 'person' is which")
        inside = np.asarray((labels.keypoints[:, :, 2] > 0).any(axis=1))
        visible = (labels.keypoints[:, :, 2] == 2).mean(axis=1)
        everybody = FramePeople(
            ids=labels.people,
            boxes=boxes_around(labels.keypoints),
            scored=visible >= _LEAST_VISIBLE,
            keypoints=labels.keypoints,
            areas=labels.areas,
        )
        tracks[frame] = everybody.only(inside)
    return tracks


def boxes_around(keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4) left, top, width, height around the joints (N, J, 3) with a third value above 0."""
    x, y, score = np.moveaxis(keypoints, 2, 0)
    there = score > 0
    low = [np.where(there, values, np.inf).min(axis=1, initial=np.inf) for values in (x, y)]
    high = [np.where(there, values, -np.inf).max(axis=1, initial=-np.inf) for values in (x, y)]
    boxes = np.stack((*low, high[0] - low[0], high[1] - low[1]), axis=1)
    return np.where(there.any(axis=1)[:, None], boxes, 0.0)
