"""Records of a run against the truth of a clip: who was found, who was missed, who is a ghost."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import DataError, KeypointSet
from configs.loading import kind_of
from evaluation.metrics.figures import Figures, json_figures
from evaluation.metrics.oks import match_people, object_keypoint_similarity


@dataclass(frozen=True, kw_only=True)
class FrameLabels:
    """Everybody in one frame.

    Attributes:
        keypoints: (T, J, 3) x, y, visibility (0 outside, 1 hidden, 2 visible).
        areas: (T,) square pixels.
        people: (T,) who each of them is; None where the truth does not say.
    """

    keypoints: NDArray[np.float64]
    areas: NDArray[np.float64]
    people: NDArray[np.int64] | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """The people of one record.

    Attributes:
        keypoints: (P, J, 3) x, y, score in source pixels.
        scores: (P,) person scores.
        ids: (P,) identities, -1 for people without one; None where the record has no identities.
    """

    keypoints: NDArray[np.float64]
    scores: NDArray[np.float64]
    ids: NDArray[np.int64] | None = None


@dataclass(frozen=True, kw_only=True)
class TruthFigures(Figures):
    """How the records compare with the truth, at OKS >= 0.5.

    Attributes:
        frames: Frames compared.
        frames_absent: Frames of the truth that have no record, such as dropped ones; not compared.
        people: Labelled people with at least one joint inside the frame, counted in each frame.
        found: Of those.
        missed: Of those.
        ghosts: Found people that are nobody's.
        mean_oks: Of those found; nan if nobody was.
        half_visible: People with at least half of their joints visible, counted in each frame.
        half_visible_found: Of those.
    """

    frames: int
    frames_absent: int
    people: int
    found: int
    missed: int
    ghosts: int
    mean_oks: float
    half_visible: int
    half_visible_found: int

    @property
    def share_found(self) -> float:
        """Found people over labelled people; nan for nobody."""
        return self.found / self.people if self.people else math.nan

    @property
    def share_half_visible_found(self) -> float:
        """The same among people with at least half of their joints visible."""
        return self.half_visible_found / self.half_visible if self.half_visible else math.nan

    def to_json(self) -> dict[str, float | None]:
        """Name -> figure, shares included, as `Figures.to_json` has them."""
        shares = {
            "share_found": self.share_found,
            "share_half_visible_found": self.share_half_visible_found,
        }
        return super().to_json() | json_figures(shares)


def compare_with_truth(
    records: dict[int, Found],
    truth: list[FrameLabels],
    keypoint_set: KeypointSet,
    *,
    threshold: float = 0.5,
) -> TruthFigures:
    """Matches the people of each recorded frame with the labels of that frame.

    Args:
        records: Found people by frame.
        truth: The labels of every frame.
        keypoint_set: Of both.
        threshold: OKS from which a labelled person counts as found.

    Raises:
        DataError: A record is of a frame that the truth does not have.
    """
    beyond = [frame for frame in records if not 0 <= frame < len(truth)]
    if beyond:
        raise DataError(
            f"the records have frame {beyond[0]}, but the truth ends at frame {len(truth) - 1}: "
            "another clip?"
        )
    people = found = ghosts = half_visible = half_visible_found = 0
    similarities: list[NDArray[np.float64]] = []
    for frame, seen in records.items():
        labels = truth[frame]
        present = (labels.keypoints[:, :, 2] > 0).any(axis=1)
        clear = (labels.keypoints[:, :, 2] == 2).mean(axis=1) >= 0.5
        similarity = object_keypoint_similarity(
            seen.keypoints, labels.keypoints, labels.areas, keypoint_set.sigmas
        )
        matches = match_people(similarity, seen.scores, threshold=threshold)
        people += int(present.sum())
        found += len(matches.found)
        ghosts += len(seen.scores) - len(matches.found)
        half_visible += int(clear.sum())
        half_visible_found += int(clear[matches.labelled].sum())
        similarities.append(matches.similarity)
    joined = np.concatenate(similarities) if similarities else np.zeros(0)
    return TruthFigures(
        frames=len(records),
        frames_absent=len(truth) - len(records),
        people=people,
        found=found,
        missed=people - found,
        ghosts=ghosts,
        mean_oks=float(joined.mean()) if joined.size else math.nan,
        half_visible=half_visible,
        half_visible_found=half_visible_found,
    )


def read_truth(path: Path, keypoint_set: KeypointSet) -> list[FrameLabels]:
    """The labels of every frame.

    Args:
        path: JSON, `.gz` or not: a list of frames, each a list of people. A person has `keypoints`
            (J lists of x, y, visibility), `area`, and perhaps `person`, the same whole number in
            every frame.
        keypoint_set: Whose joints these are.

    Raises:
        DataError: It cannot be read or is anything else.
    """
    content = _json(path)
    if not isinstance(content, list):
        raise DataError(f"{str(path)!r} must hold a list of frames, not {kind_of(content)}")
    frames = []
    for index, people in enumerate(content):
        where = f"{str(path)!r}, frame {index}"
        if not isinstance(people, list):
            raise DataError(f"{where} must hold a list of people, not {kind_of(people)}")
        frames.append(
            FrameLabels(
                keypoints=_keypoints(
                    [_get(person, "keypoints", where) for person in people], keypoint_set, where
                ),
                areas=_numbers([_get(person, "area", where) for person in people], where),
                people=_identities(people, "person", where),
            )
        )
    return frames


def read_records(path: Path, keypoint_set: KeypointSet) -> dict[int, Found]:
    """The people that a run found, by frame index.

    Args:
        path: JSON Lines that `run_stream.py` wrote.
        keypoint_set: Whose joints these are.

    Raises:
        DataError: It cannot be read, is not such a record, or was made with another keypoint set.
    """
    records: dict[int, Found] = {}
    for number, entry in _json_lines(path):
        where = f"{str(path)!r}, line {number}"
        if "keypoint_set" in entry:
            if entry["keypoint_set"] != keypoint_set.name:
                other = entry["keypoint_set"]
                raise DataError(
                    f"{str(path)!r} was made with keypoint set {other!r}, the truth is for "
                    f"{keypoint_set.name!r}"
                )
            continue
        frame, people = entry.get("frame"), entry.get("people")
        if not isinstance(frame, int) or not isinstance(people, list):
            if "schema" in entry:
                continue
            raise DataError(
                f"{where} is no record of a frame: it has no number 'frame' and list 'people'; "
                "give the .jsonl of a run"
            )
        records[frame] = Found(
            keypoints=_keypoints(
                [_get(person, "keypoints", where) for person in people], keypoint_set, where
            ),
            scores=_numbers([_get(person, "score", where) for person in people], where),
            ids=_identities(people, "id", where),
        )
    if not records:
        raise DataError(f"{str(path)!r} has no records of frames")
    return records


def _json(path: Path) -> Any:
    try:
        data = path.read_bytes()
        return json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{str(path)!r} is a damaged gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read truth {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{str(path)!r} is not valid JSON: {error}") from error


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"cannot read records {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} is not text: give the .jsonl of a run") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise DataError(f"{str(path)!r}, line {number} is not valid JSON: {error}") from error
        if not isinstance(entry, dict):
            raise DataError(f"{str(path)!r}, line {number} is no record: it holds {kind_of(entry)}")
        yield number, entry


def _get(person: Any, key: str, where: str) -> Any:
    if not isinstance(person, dict) or key not in person:
        raise DataError(f"{where} has a person without {key!r}")
    return person[key]


def _keypoints(rows: list[Any], keypoint_set: KeypointSet, where: str) -> NDArray[np.float64]:
    try:
        keypoints = np.array(rows, dtype=np.float64).reshape(len(rows), len(keypoint_set), 3)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{where} has a person without {len(keypoint_set)} keypoints of three numbers each"
        ) from error
    return keypoints


def _numbers(values: list[Any], where: str) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64).reshape(len(values))
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} has a score or an area that is no number") from error


def _identities(people: list[Any], key: str, where: str) -> NDArray[np.int64] | None:
    """(N,) whole numbers under `key`, -1 for null; None where somebody has no such key."""
    if not all(key in person for person in people):
        return None
    values = [person[key] for person in people]
    if not all(value is None or type(value) is int for value in values):
        raise DataError(f"{where} has a person whose {key!r} is no whole number")
    return np.array([-1 if value is None else value for value in values], dtype=np.int64)
