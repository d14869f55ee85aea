"""Identities against truths whose figures can be counted by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import DataError, KeypointSet
from evaluation.__main__ import main
from evaluation.metrics.tracking import compare_tracks, intersection_over_union
from evaluation.metrics.tracks import Enlargement, FramePeople, Tracks, read_mot, read_tracks

pytest.importorskip("trackeval")

LEFT, MIDDLE, RIGHT = (0.0, 0.0, 20.0, 60.0), (100.0, 0.0, 20.0, 60.0), (200.0, 0.0, 20.0, 60.0)


def frame_people(
    ids: Sequence[int], boxes: Sequence[Sequence[float]], scored: Sequence[bool] | None = None
) -> FramePeople:
    return FramePeople(
        ids=np.array(ids, np.int64),
        boxes=np.array(boxes, float).reshape(-1, 4),
        scored=np.array([True] * len(ids) if scored is None else scored, bool),
    )


def repeated(people: FramePeople, frames: int) -> Tracks:
    return dict.fromkeys(range(frames), people)


def test_the_truth_against_itself_is_perfect(coco: KeypointSet) -> None:
    truth = repeated(frame_people([7, 9], [LEFT, RIGHT]), 6)
    figures = compare_tracks(truth, truth, coco)
    assert (figures.idf1, figures.mota, figures.hota) == (1, 1, pytest.approx(1))
    assert (figures.switches, figures.fragmentations) == (0, 0)
    assert (figures.people, figures.identities, figures.identities_found) == (12, 2, 2)


def test_names_of_identities_do_not_matter(coco: KeypointSet) -> None:
    truth = repeated(frame_people([7, 9], [LEFT, RIGHT]), 6)
    found = repeated(frame_people([1000, 3], [RIGHT, LEFT]), 6)
    assert compare_tracks(found, truth, coco).idf1 == 1


def test_a_switch_halfway_costs_half_of_the_identity(coco: KeypointSet) -> None:
    truth = repeated(frame_people([1], [LEFT]), 10)
    found = {frame: frame_people([10 if frame < 5 else 11], [LEFT]) for frame in range(10)}
    figures = compare_tracks(found, truth, coco)
    assert figures.switches == 1
    assert figures.idf1 == 0.5
    assert figures.mota == 0.9
    assert figures.recall == 1


def test_people_without_an_identity_are_missed_and_fragment_a_track(coco: KeypointSet) -> None:
    truth = repeated(frame_people([1, 2], [LEFT, RIGHT]), 9)
    found = {frame: frame_people([-1 if frame == 4 else 0, 7], [LEFT, RIGHT]) for frame in range(9)}
    figures = compare_tracks(found, truth, coco)
    assert figures.recall == pytest.approx(17 / 18)
    assert (figures.switches, figures.fragmentations) == (0, 1)


def test_people_that_are_not_scored_are_neither_missed_nor_ghosts(coco: KeypointSet) -> None:
    truth = repeated(frame_people([1, 2], [LEFT, RIGHT], [True, False]), 4)
    both = repeated(frame_people([1, 2], [LEFT, RIGHT]), 4)
    one = repeated(frame_people([1], [LEFT]), 4)
    for found in (both, one):
        figures = compare_tracks(found, truth, coco)
        assert (figures.people, figures.recall, figures.precision) == (4, 1, 1)


def test_ghosts_count_unless_the_truth_is_not_complete_there(coco: KeypointSet) -> None:
    truth = repeated(frame_people([1], [LEFT]), 4)
    found = repeated(frame_people([1, 2], [LEFT, MIDDLE]), 4)
    assert compare_tracks(found, truth, coco).precision == 0.5
    region = (90.0, 0.0, 40.0, 100.0)
    assert compare_tracks(found, truth, coco, ignored=[region]).precision == 1
    assert (
        compare_tracks(found, found, coco, ignored=[region]).people == 8
    )  # found ones still count


def test_a_truth_of_every_fifth_frame_is_compared_there_and_nowhere_else(coco: KeypointSet) -> None:
    person = frame_people([1], [LEFT])
    truth = {0: person, 5: person, 15: person}  # nobody at 10
    found = {frame: person for frame in range(16) if frame != 15}
    figures = compare_tracks(found, truth, coco)
    assert (figures.frames, figures.frames_absent) == (3, 1)
    assert (figures.people, figures.precision) == (2, pytest.approx(2 / 3))


def test_another_clip_is_said_to_be_one(coco: KeypointSet) -> None:
    person = frame_people([1], [LEFT])
    with pytest.raises(DataError, match="another clip"):
        compare_tracks({7: person}, {3: person}, coco)


def test_boxes_that_do_not_touch_share_nothing() -> None:
    boxes = np.array([LEFT, (10.0, 0.0, 20.0, 60.0), (0.0, 0.0, 0.0, 0.0)])
    shares = intersection_over_union(boxes, boxes)
    assert shares[0].tolist() == [1, pytest.approx(1 / 3), 0]
    assert intersection_over_union(np.array([LEFT]), np.array([RIGHT])) == 0


def test_enlarged_boxes_grow_by_shares_of_their_sides() -> None:
    grown = Enlargement(side=0.5, up=0.1, down=0.2)(np.array([[10.0, 20.0, 4.0, 10.0]]))
    assert grown.tolist() == [[8, 19, 8, 13]]


def test_mot_text_is_read_with_or_without_a_heading(tmp_path: Path) -> None:
    rows = "1,4,10,20,30,40,1,-1,-1,-1\n2,4,11,20,30,40,0\n2,5,1,2,3,4,1,7,1\n2,6,1,2,3,4,1,1,0.5\n"
    for heading in ("", "frame,id,left,top,width,height,flag\n"):
        path = tmp_path / "gt.txt"
        path.write_text(heading + rows)
        tracks = read_mot(path)
        assert sorted(tracks) == [0, 1]
        assert tracks[1].ids.tolist() == [4, 5, 6]
        assert tracks[1].scored.tolist() == [False, False, True]  # flag 0; class 7, a static person
        assert tracks[0].boxes.tolist() == [[10, 20, 30, 40]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1,0,0,9,9\n1,1,5,5,9,9\n", "one id twice in frame 1"),
        ("1,1,0,0,9\n", "line 1 is no row"),
        ("0,1,0,0,9,9\n", "frame \\(from 1\\)"),
        ("1,1,0,nan,9,9\n", "line 1 is no row"),
        ("1,1,0,0,9,9\n2;1;0;0;9;9\n", "line 2 has a column that is no number"),
        ("frame,id\n", "has no rows"),
    ],
)
def test_text_that_is_not_of_motchallenge_is_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "gt.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_mot(tmp_path / "gt.txt")


def test_a_record_is_compared_with_a_synthetic_truth_by_joints(
    tmp_path: Path, coco: KeypointSet, people: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    places = [people.standing(coco, 100 + 200 * index, 100, 120, rng) for index in range(3)]
    hidden = places[2].copy()
    hidden[4:, 2] = 1  # 4 of 17 joints visible: not scored
    labels = [
        {"person": index, "keypoints": joints.tolist(), "area": 9000.0}
        for index, joints in enumerate((places[0], places[1], hidden))
    ]
    header = {"schema": "higherhrnet-stream/records/2", "keypoint_set": "coco"}
    lines: list[dict[str, Any]] = [header]
    for frame in range(4):
        found = [
            {"id": identity, "score": 0.9, "keypoints": joints.tolist()}
            for identity, joints in ((5, places[0]), (None, places[1]), (6, places[2]))
        ]
        lines.append({"frame": frame, "people": found})
    (tmp_path / "truth.json").write_text(json.dumps([labels] * 4))
    (tmp_path / "run.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    out = tmp_path / "figures.json"
    arguments = ["--records", "run.jsonl", "--truth", "truth.json", "--json", "figures.json"]
    paths = [str(tmp_path / word) if "." in word else word for word in arguments]
    assert main(["track", *paths]) == 0
    assert "IDF1" in capsys.readouterr().out
    figures = json.loads(out.read_text())
    assert (figures["people"], figures["recall"], figures["precision"]) == (8, 0.5, 1)
    assert figures["switches"] == 0


def test_a_record_without_identities_is_one_line(
    tmp_path: Path, coco: KeypointSet, people: Any
) -> None:
    joints = people.standing(coco, 100, 100, 120, np.random.default_rng(0)).tolist()
    line = {"frame": 0, "people": [{"score": 0.9, "keypoints": joints}]}
    (tmp_path / "run.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(DataError, match="no identities"):
        read_tracks(tmp_path / "run.jsonl", coco)


@pytest.mark.parametrize("flags", [["--ignore", "1,2,3"], ["--enlarge", "a"], ["--threshold", "2"]])
def test_bad_flags_are_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    (tmp_path / "gt.txt").write_text("1,1,0,0,9,9\n")
    path = str(tmp_path / "gt.txt")
    assert main(["track", "--records", path, "--truth", path, *flags]) == 2
    assert capsys.readouterr().err.count("\n") == 1
