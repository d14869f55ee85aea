"""Records against a truth that was made by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from basics.demo import DEMO_FRAMES, DEMO_TRUTH
from configs import DataError, KeypointSet
from evaluation.__main__ import main
from evaluation.metrics.truth import (
    Found,
    FrameLabels,
    compare_with_truth,
    read_records,
    read_truth,
)


def frame_labels(*people: np.ndarray, area: float = 10_000.0) -> FrameLabels:
    return FrameLabels(
        keypoints=np.array(people).reshape(-1, 17, 3), areas=np.full(len(people), area)
    )


def frame_found(*people: np.ndarray) -> Found:
    scores = np.linspace(0.9, 0.8, len(people))
    return Found(keypoints=np.array(people).reshape(-1, 17, 3), scores=scores)


@pytest.fixture
def person(coco: KeypointSet, people: Any) -> np.ndarray:
    return people.standing(coco, 100, 100, 120, np.random.default_rng(0))


def test_found_missed_and_ghosts_are_counted(coco: KeypointSet, person: np.ndarray) -> None:
    outside = person * [1, 1, 0]
    hidden = person.copy()
    hidden[:9, 2] = 1  # 8 of 17 joints visible: less than half
    neighbour, elsewhere = person + np.array([300, 0, 0]), hidden + np.array([500, 0, 0])
    truth = [
        frame_labels(person, neighbour),  # both found
        frame_labels(person, outside),  # one found; who is outside the frame is not missed
        frame_labels(elsewhere),  # missed, and a ghost elsewhere
        frame_labels(person),  # no record: not compared
    ]
    records = {
        0: frame_found(person, neighbour),
        1: frame_found(person),
        2: frame_found(person),
    }
    figures = compare_with_truth(records, truth, coco)
    assert (figures.frames, figures.frames_absent) == (3, 1)
    assert (figures.people, figures.found, figures.missed, figures.ghosts) == (4, 3, 1, 1)
    assert figures.share_found == 0.75
    assert (figures.half_visible, figures.half_visible_found) == (3, 3)
    assert figures.mean_oks == 1.0


def test_mean_oks_is_of_those_found(coco: KeypointSet, person: np.ndarray) -> None:
    # Each joint moved by 2 sigma sqrt(area) * sqrt(2 ln(1 / 0.8)): OKS 0.8 exactly.
    moved = person.copy()
    moved[:, 0] += 2 * np.array(coco.sigmas) * 100 * np.sqrt(2 * np.log(1 / 0.8))
    truth = [frame_labels(person), frame_labels(person)]
    figures = compare_with_truth({0: frame_found(moved), 1: frame_found(person)}, truth, coco)
    assert figures.mean_oks == pytest.approx(0.9)


def test_nobody_anywhere_has_no_share(coco: KeypointSet) -> None:
    figures = compare_with_truth({0: frame_found()}, [frame_labels()], coco)
    assert figures.to_json()["share_found"] is None
    assert figures.to_json()["mean_oks"] is None


def write_lines(path: Path, *entries: Any) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


HEADER = {"schema": "higherhrnet-stream/records/2", "keypoint_set": "coco"}


def test_files_are_read_as_they_are_written(
    tmp_path: Path, coco: KeypointSet, person: np.ndarray
) -> None:
    labelled = [
        [{"person": 0, "keypoints": person.tolist(), "area": 10_000.0, "bbox": [0, 0, 1, 1]}],
        [],
    ]
    (tmp_path / "truth.json.gz").write_bytes(gzip.compress(json.dumps(labelled).encode()))
    records = write_lines(
        tmp_path / "out.jsonl",
        HEADER,
        {
            "frame": 0,
            "time_s": 0.0,
            "people": [{"score": 0.5, "box": [0, 0, 1, 1], "keypoints": person.tolist()}],
        },
        {"frame": 1, "time_s": 0.1, "people": []},
    )
    figures = compare_with_truth(
        read_records(records, coco), read_truth(tmp_path / "truth.json.gz", coco), coco
    )
    assert (figures.frames, figures.people, figures.found, figures.ghosts) == (2, 1, 1, 0)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**HEADER, "keypoint_set": "crowdpose"}, "keypoint set 'crowdpose'"),
        ({"frame": 0, "people": [{"score": 1.0}]}, "line 2 has a person without 'keypoints'"),
        (
            {"frame": 0, "people": [{"score": 1.0, "keypoints": [[1, 2, 3]]}]},
            "without 17 keypoints",
        ),
        ({"people": []}, "line 2 is no record of a frame"),
        ([1], "line 2 is no record"),
        ({"frame": "first", "people": []}, "line 2 is no record of a frame"),
        ({"frame": 0, "people": None}, "line 2 is no record of a frame"),
    ],
)
def test_records_that_cannot_be_used_say_why(
    tmp_path: Path, coco: KeypointSet, entry: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_records(write_lines(tmp_path / "out.jsonl", HEADER, entry), coco)


def test_records_of_another_clip_are_refused(coco: KeypointSet) -> None:
    with pytest.raises(DataError, match="frame 5, but the truth ends at frame 0"):
        compare_with_truth({5: frame_found()}, [frame_labels()], coco)


def test_files_that_are_no_truth_say_so(tmp_path: Path, coco: KeypointSet) -> None:
    with pytest.raises(DataError, match="cannot read truth"):
        read_truth(tmp_path / "gone.json", coco)
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(b"[[]]" * 100)[:20])
    with pytest.raises(DataError, match="damaged gzip"):
        read_truth(tmp_path / "cut.json.gz", coco)
    (tmp_path / "map.json").write_text("{}")
    with pytest.raises(DataError, match="must hold a list of frames"):
        read_truth(tmp_path / "map.json", coco)
    (tmp_path / "empty.jsonl").write_text(json.dumps(HEADER))
    with pytest.raises(DataError, match="no records of frames"):
        read_records(tmp_path / "empty.jsonl", coco)


def test_the_demo_clips_truth_can_be_read(coco: KeypointSet) -> None:
    truth = read_truth(DEMO_TRUTH, coco)
    assert len(truth) == DEMO_FRAMES
    records = {
        index: Found(keypoints=labels.keypoints, scores=np.ones(len(labels.areas)))
        for index, labels in enumerate(truth)
    }
    figures = compare_with_truth(records, truth, coco)
    assert figures.found == figures.people
    assert figures.mean_oks == 1.0


def test_the_command_says_and_writes_its_figures(
    tmp_path: Path, coco: KeypointSet, person: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps([[{"keypoints": person.tolist(), "area": 10_000.0}]]))
    people = [
        {"score": 0.5, "keypoints": person.tolist()},
        {"score": 0.4, "keypoints": (person + 500).tolist()},
    ]
    records = write_lines(tmp_path / "out.jsonl", HEADER, {"frame": 0, "people": people})
    arguments = [
        "--records",
        str(records),
        "--truth",
        str(truth),
        "--json",
        str(tmp_path / "figures.json"),
    ]
    assert main(["truth", *arguments]) == 0
    assert "| ghosts                              | 1     |" in capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["share_found"], figures["ghosts"]) == (1.0, 1)
