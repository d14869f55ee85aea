"""COCO results, OpenPose JSON, tables and arrays: read back by whoever reads them in the field."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from configs import load_keypoint_set
from configs.errors import SinkError
from grouping import People
from keypoint_datasets import to_results
from stream.sinks import make_sinks
from stream.sinks.arrays import ArraysSink, assemble, columns_folder
from stream.sinks.coco_results import CocoResultsSink
from stream.sinks.openpose import COCO_18, OpenPoseSink, as_coco_18, coco_18_columns
from stream.sinks.table import COLUMNS, TableSink
from tests.stream.sinks.samples import (
    FULL_DISK,
    HEIGHT,
    REPOSITORY,
    WIDTH,
    make_frames,
    make_people,
    vfr_stamps,
)

FRAMES = 12


def test_pycocotools_reads_coco_results(tmp_path, source_info, run_info, write_all):
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    path = tmp_path / "out.json"
    write_all(CocoResultsSink(str(path)), source_info, run_info, make_frames(vfr_stamps(FRAMES)))
    truth = coco.COCO()
    truth.dataset = ground_truth()
    truth.createIndex()
    results = truth.loadRes(str(path))
    assert len(results.anns) == 2 * FRAMES
    evaluator = evaluation.COCOeval(truth, results, "keypoints")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    assert evaluator.stats[0] > 0.99, "the people that were written are the truth"


def ground_truth() -> dict:
    annotations = []
    for frame in range(FRAMES):
        for person, joints in enumerate(make_people(2, seed=frame).keypoints.astype(float)):
            visible = np.where(joints[:, 2] > 0, 2, 0)
            flat = np.column_stack((joints[:, :2], visible)).ravel().tolist()
            annotations.append(
                {
                    "id": 1 + frame * 2 + person,
                    "image_id": frame,
                    "category_id": 1,
                    "keypoints": flat,
                    "iscrowd": 0,
                    "num_keypoints": int((visible > 0).sum()),
                    "bbox": [0, 0, WIDTH, HEIGHT],
                    "area": WIDTH * HEIGHT,
                }
            )
    images = [{"id": frame, "width": WIDTH, "height": HEIGHT} for frame in range(FRAMES)]
    return {
        "info": {},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }


def test_coco_results_are_those_of_evaluation(tmp_path, source_info, run_info, write_all):
    """With the box of the joints that were found: without it pycocotools takes a person's size from
    all joints, zeros of missing ones among them.
    """
    path = tmp_path / "out.json"
    write_all(CocoResultsSink(str(path)), source_info, run_info, make_frames(vfr_stamps(2)))
    rows = json.loads(path.read_text())
    people = [make_people(2, seed=frame) for frame in range(2)]
    assert rows == [
        row
        for frame, found in enumerate(people)
        for row in to_results(found.keypoints, found.scores, frame)
    ]
    assert all("bbox" in row for row in rows)


@pytest.mark.parametrize("people", [0, 1, 3])
def test_coco_results_are_valid_json_after_every_frame(tmp_path, source_info, run_info, people):
    path = tmp_path / "out.json"
    sink = CocoResultsSink(str(path))
    sink.open(source_info, run_info)
    assert json.loads(path.read_text()) == []
    for count, frame in enumerate(make_frames(vfr_stamps(5)), start=1):
        sink.write(frame, make_people(people), None, latency_ms=1.0, drops=0)
        assert len(json.loads(path.read_text())) == count * people
    sink.close()
    sink.close()


def test_openpose_has_a_file_for_every_frame(tmp_path, source_info, run_info, write_all):
    for people in (0, 2):
        folder = tmp_path / f"with {people}" / "json"
        write_all(
            OpenPoseSink(str(folder)), source_info, run_info, make_frames(vfr_stamps(3)), people
        )
        names = sorted(path.name for path in folder.iterdir())
        assert names == [f"camera_{index:012d}_keypoints.json" for index in range(3)]
        content = json.loads((folder / names[1]).read_text())
        assert content["version"] == 1.3
        assert [len(person["pose_keypoints_2d"]) for person in content["people"]] == [54] * people
        assert all(
            person["person_id"] == [-1] and person["face_keypoints_2d"] == []
            for person in content["people"]
        )


def test_openpose_joints_are_in_its_order_with_a_neck_between_the_shoulders():
    keypoint_set = load_keypoint_set("coco")
    keypoints = np.random.default_rng(0).random((2, 17, 3))
    keypoints[1, 5, 2] = 0
    result = as_coco_18(keypoints, *coco_18_columns(keypoint_set))
    for place, name in enumerate(COCO_18):
        if name != "neck":
            np.testing.assert_array_equal(
                result[:, place], keypoints[:, keypoint_set.names.index(name)]
            )
    np.testing.assert_allclose(
        result[0, 1, :2], (keypoints[0, 5, :2] + keypoints[0, 6, :2]) / 2, atol=1e-4
    )
    assert result[0, 1, 2] == pytest.approx(min(keypoints[0, 5, 2], keypoints[0, 6, 2]), abs=1e-4)
    assert (result[1, 1] == 0).all(), "half a pair of shoulders makes no neck"


def test_openpose_takes_the_neck_that_a_set_has_and_zeros_for_what_it_has_not():
    keypoint_set = load_keypoint_set("crowdpose")
    keypoints = np.random.default_rng(0).random((1, 14, 3)) + 0.1
    result = as_coco_18(keypoints, *coco_18_columns(keypoint_set))
    np.testing.assert_array_equal(result[0, 1], keypoints[0, keypoint_set.names.index("neck")])
    assert (result[0, COCO_18.index("nose")] == 0).all()


def test_a_table_has_a_row_for_every_joint_found(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "out.csv"
    write_all(TableSink(str(path)), source_info, run_info, make_frames(vfr_stamps(FRAMES)))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    (frame,) = make_frames([0])
    frame.source = "a\udcff.jpg"  # a name that is not UTF-8
    other = tmp_path / "other.csv"
    write_all(TableSink(str(other)), source_info, run_info, [frame])
    assert r"a\udcff.jpg" in other.read_text(encoding="utf-8")
    people = [make_people(2, seed=frame) for frame in range(FRAMES)]
    assert len(rows) == sum(int((item.keypoints[..., 2] > 0.00005).sum()) for item in people)
    for row in rows[::17]:
        x, y, score = people[int(row["frame"])].keypoints[
            int(row["person"]), run_info.keypoint_set.names.index(row["joint"])
        ]
        assert (float(row["x"]), float(row["y"])) == pytest.approx((x, y), abs=0.0051)
        assert float(row["score"]) == pytest.approx(score, abs=0.000051)


def test_arrays_hold_every_frame_and_person(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "out.npz"
    write_all(ArraysSink(str(path)), source_info, run_info, make_frames(vfr_stamps(FRAMES)), 3)
    with np.load(path) as arrays:
        assert arrays["frame"].tolist() == list(range(FRAMES))
        assert arrays["people"].tolist() == [3] * FRAMES
        expected = np.concatenate([make_people(3, seed=frame).keypoints for frame in range(FRAMES)])
        np.testing.assert_array_equal(arrays["keypoints"], expected)
        assert arrays["scores"].shape == (3 * FRAMES,)
        assert json.loads(str(arrays["header"]))["keypoint_names"] == list(
            run_info.keypoint_set.names
        )
    assert [item.name for item in tmp_path.iterdir()] == ["out.npz"]


@pytest.mark.parametrize("people", [0, 2])
def test_arrays_of_a_killed_run_can_be_assembled(tmp_path, source_info, run_info, people):
    path = tmp_path / "out.npz"
    sink = ArraysSink(str(path))
    sink.open(source_info, run_info)
    for frame in make_frames(vfr_stamps(5)):
        sink.write(frame, make_people(people, seed=frame.index), None, latency_ms=1.0, drops=0)
    columns = columns_folder(path)
    with (columns / "keypoints").open("ab") as file:
        file.write(b"half a person")
    kept = tmp_path / "kept"
    shutil.copytree(columns, kept)
    sink.close()
    shutil.copytree(kept, columns)
    path.unlink()
    assemble(path)
    with np.load(path) as arrays:
        assert arrays["keypoints"].shape == (5 * people, 17, 3)
        assert len(arrays["frame"]) == 5


def leave_columns(path, source_info, run_info, frames):
    """What a run leaves that is killed after so many frames."""
    sink = ArraysSink(str(path))
    sink.open(source_info, run_info)
    for frame in make_frames(vfr_stamps(frames)):
        sink.write(frame, make_people(2, seed=frame.index), None, latency_ms=1.0, drops=0)
    columns = columns_folder(path)
    shutil.copytree(columns, path.with_name("kept"))
    sink.abandon()
    path.with_name("kept").rename(columns)


def test_the_next_run_keeps_what_a_killed_one_found(tmp_path, source_info, run_info, caplog):
    path = tmp_path / "out.npz"
    for frames, name in ((5, "out.partial.npz"), (3, "out.partial-2.npz")):
        leave_columns(tmp_path / "killed.npz", source_info, run_info, frames)
        columns_folder(tmp_path / "killed.npz").rename(columns_folder(path))
        (tmp_path / "killed.npz").unlink()
        sink = ArraysSink(str(path))
        sink.open(source_info, run_info)
        with np.load(tmp_path / name) as arrays:
            assert len(arrays["frame"]) == frames
        assert f"what a killed run wrote is in '{tmp_path / name}'" in caplog.text
        with pytest.raises(SinkError, match="another run is writing it"):
            ArraysSink(str(path)).open(source_info, run_info)
        sink.close()
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "out.npz",
        "out.partial-2.npz",
        "out.partial.npz",
    ]


@pytest.mark.parametrize("older", [False, True])
def test_damaged_columns_of_a_killed_run_are_told_and_left(
    tmp_path, source_info, run_info, write_all, caplog, older
):
    path = tmp_path / "out.npz"
    leave_columns(path, source_info, run_info, 2)
    if not older:
        path.unlink()
    os.truncate(columns_folder(path) / "header.json", 5)
    write_all(ArraysSink(str(path)), source_info, run_info, make_frames(vfr_stamps(3)), 1)
    assert "what a killed run wrote is lost" in caplog.text
    assert [item.name for item in tmp_path.iterdir()] == ["out.npz"]


@pytest.mark.parametrize(("name", "size"), [("header.json", 5), ("keypoints", 0), ("files", 3)])
def test_damaged_columns_are_one_line(tmp_path, source_info, run_info, name, size):
    path = tmp_path / "out.npz"
    sink = ArraysSink(str(path))
    sink.open(source_info, run_info)
    for frame in make_frames(vfr_stamps(2)):
        sink.write(frame, make_people(2, seed=frame.index), None, latency_ms=1.0, drops=0)
    os.truncate(columns_folder(path) / name, size)
    with pytest.raises(SinkError, match=r"out\.npz\.columns' is damaged"):
        sink.close()


@pytest.mark.parametrize("output", ["a.json", "a.csv", "a.npz", "a.jsonl", "a.mp4"])
def test_records_refuse_what_cannot_be_written(tmp_path, source_info, run_info, output):
    [sink] = make_sinks([str(tmp_path / "missing" / output)])
    with pytest.raises(SinkError, match="no folder"):
        sink.open(source_info, run_info)
    sink.close()
    [sink] = make_sinks([str(tmp_path / output)])
    with pytest.raises(SinkError, match="not open"):
        sink.write(next(make_frames([0])), make_people(1), None, latency_ms=1.0, drops=0)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, source_info, run_info):
    (tmp_path / "file").touch()
    [sink] = make_sinks([f"openpose:{tmp_path}/file/folder"])
    with pytest.raises(SinkError, match="cannot write"):
        sink.open(source_info, run_info)


def test_people_with_numbers_that_are_not_finite_are_written_as_missing(
    tmp_path, source_info, run_info
):
    keypoints = np.full((1, 17, 3), np.nan, np.float32)
    keypoints[0, 3] = (1, 2, 0.5)
    people = People(keypoints, np.float32([np.inf]), np.zeros((1, 1), np.float32))
    for name in ("a.json", "b.csv", "c.jsonl"):
        [sink] = make_sinks([str(tmp_path / name)])
        sink.open(source_info, run_info)
        sink.write(next(make_frames([0])), people, None, latency_ms=1.0, drops=0)
        sink.close()
        text = (tmp_path / name).read_text()
        assert "nan" not in text.lower().replace("nano", "")
        assert "inf" not in text.lower()


@pytest.mark.parametrize("output", ["a.json", "a.csv"])
def test_a_full_disk_leaves_records_that_parse(tmp_path, output):
    path = tmp_path / output
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [f"cannot write {str(path)!r}: File too large"]
    if output.endswith(".json"):
        assert len(json.loads(path.read_text())) > 100
    else:
        assert all(len(row) == len(COLUMNS) for row in csv.reader(path.read_text().splitlines()))
        assert path.read_text().endswith("\n")


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_jq_reads_the_records(tmp_path, source_info, run_info, write_all):
    lines, array = tmp_path / "a.jsonl", tmp_path / "a.json"
    for path in (lines, array):
        write_all(make_sinks([str(path)])[0], source_info, run_info, make_frames(vfr_stamps(4)))
    count = ["jq", "-s", "map(select(.people)) | map(.people | length) | add", str(lines)]
    assert subprocess.run(count, capture_output=True, check=True).stdout == b"8\n"
    assert (
        subprocess.run(["jq", "length", str(array)], capture_output=True, check=True).stdout
        == b"8\n"
    )
    assert Path(lines).exists()
