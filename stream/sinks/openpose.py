"""OpenPose JSON: a file per frame, for tools that were written for OpenPose's `--write_json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basics.atomic import atomic_path, check_folder
from configs import KeypointSet
from configs.errors import SinkError, redact_url
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.claims import Claim, claim_names
from stream.sinks.files import OutputFolder, sink_error
from stream.sinks.json_lines import clean_keypoints, to_json

# OpenPose's COCO model (doc/02_output.md in its repository), in our names.
COCO_18 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
_VERSION = 1.3
_OTHER_PARTS = (
    "face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d",
    "pose_keypoints_3d", "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d",
)  # fmt: skip


class OpenPoseSink:
    """Writes `NAME_000000000012_keypoints.json` into a folder for every frame, empty ones too; NAME
    is that of the source, or of the file of the frame where that is several.

    Each file appears complete or not at all; those of an older run are replaced one by one.
    """

    needs_image = False
    resumable = True

    def __init__(self, folder: str) -> None:
        self.label = folder
        self._folder = OutputFolder(Path(folder))
        self._name = self._source = ""
        self._columns = np.empty(0, np.int64)
        self._shoulders: tuple[int, int] | None = None

    def claims(self) -> list[Claim]:
        """A file for every frame.

        Raises:
            SinkError: The folder could not be made or written.
        """
        check_folder(self._folder.path)
        return [claim_names(self._folder.path, r".*_\d{12}_keypoints\.json")]

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Creates the folder.

        Raises:
            SinkError: The folder cannot be created.
        """
        self._folder.make()
        self._name, self._source = _stem(source.name), source.name
        self._columns, self._shoulders = coco_18_columns(run.keypoint_set)

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Writes the file of one frame.

        Raises:
            SinkError: The file could not be written.
        """
        if not self._name:
            raise SinkError(
                f"cannot write into {redact_url(str(self._folder.path))!r}: it is not open"
            )
        name = self._name if frame.source == self._source else _stem(frame.source)
        path = self._folder.path / f"{name}_{frame.index:012d}_keypoints.json"
        try:
            with atomic_path(path, suffix=".part") as part:
                part.write_text(to_json(self._record(people)), encoding="ascii")
        except OSError as error:
            raise sink_error(path, error) from error

    def close(self) -> None:
        """Nothing is held open."""
        self._name = ""

    def abandon(self) -> None:
        """Instead of `close`, where the run failed: folders that were made for nothing go."""
        self.close()
        self._folder.remove_unused()

    def _record(self, people: People) -> dict[str, Any]:
        flat = as_coco_18(clean_keypoints(people), self._columns, self._shoulders).reshape(
            len(people), 3 * len(COCO_18)
        )
        ids = [-1] * len(people) if people.ids is None else people.ids.tolist()
        rest: dict[str, list[float]] = {part: [] for part in _OTHER_PARTS}
        return {
            "version": _VERSION,
            "people": [
                {"person_id": [identity], "pose_keypoints_2d": keypoints, **rest}
                for identity, keypoints in zip(ids, flat.tolist(), strict=True)
            ],
        }


def _stem(name: str) -> str:
    return Path(name.rstrip("/")).stem or "stream"


def coco_18_columns(keypoint_set: KeypointSet) -> tuple[NDArray[np.int64], tuple[int, int] | None]:
    """For every joint of COCO_18 its index in `keypoint_set` (-1 where it has none), and the
    shoulders that make a neck.
    """
    names = keypoint_set.names
    columns = np.array([names.index(name) if name in names else -1 for name in COCO_18])
    if "neck" in names or not {"left_shoulder", "right_shoulder"} <= set(names):
        return columns, None
    return columns, (names.index("left_shoulder"), names.index("right_shoulder"))


def as_coco_18(
    keypoints: NDArray[np.float64], columns: NDArray[np.int64], shoulders: tuple[int, int] | None
) -> NDArray[np.float64]:
    """(P, 18, 3) x, y, score of the joints (P, J, 3); the neck is midway between shoulders that
    were both found.

    OpenPose learned its neck from the same rule; its score is the lower one of the shoulders.
    """
    result = np.where((columns >= 0)[:, None], keypoints[:, columns], 0.0)
    if shoulders is not None:
        left, right = keypoints[:, shoulders[0]], keypoints[:, shoulders[1]]
        both = (left[:, 2] > 0) & (right[:, 2] > 0)
        neck = np.column_stack(
            ((left[:, :2] + right[:, :2]) / 2, np.minimum(left[:, 2], right[:, 2]))
        )
        result[:, COCO_18.index("neck")] = np.round(np.where(both[:, None], neck, 0.0), 4)
    return result
