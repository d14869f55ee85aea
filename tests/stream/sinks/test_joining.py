"""Every record says which file its frame is in, how large that is, and after which reconnection."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from configs import DataError
from keypoint_datasets import read_image_ids
from stream.frame import Frame, SourceInfo
from stream.sinks import OutputConfig, RunInfo, make_sinks
from stream.sources import open_source
from tests.stream.sinks.samples import REPOSITORY, make_frames, make_people, vfr_stamps
from tests.support.media import numbered_image

PEOPLE = 2
NAMES = ["1.png", "000000000139.jpg", 'odd, "name".png']


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of two sizes, and one that is none between them."""
    place = tmp_path / "pictures"
    place.mkdir()
    for name in NAMES:
        wide = name == NAMES[1]
        cv2.imwrite(str(place / name), numbered_image(1, 128 if wide else 96, 64))
    (place / "2.png").write_bytes(b"no picture")
    return place


def write(
    folder: Path, output: str, run_info: RunInfo, config: OutputConfig | None = None
) -> list[Frame]:
    """Writes the pictures of the folder; gives their frames."""
    (sink,) = make_sinks([output], config or OutputConfig())
    with open_source(str(folder)) as source:
        assert source.info is not None
        sink.open(source.info, run_info)
        frames = []
        for frame in source:
            frames.append(frame)
            people = make_people(PEOPLE, seed=frame.index)
            sink.write(frame, people, frame.image, latency_ms=1.0, drops=0)
        sink.close()
    return frames


def test_a_picture_that_cannot_be_read_leaves_a_gap_in_the_numbers(folder: Path) -> None:
    with open_source(str(folder)) as source:
        found = {Path(frame.source).name: frame.index for frame in source}
    assert found == {NAMES[0]: 0, NAMES[1]: 2, NAMES[2]: 3}


def test_json_lines_name_the_file_and_the_size_that_is_another(
    folder: Path, tmp_path: Path, run_info: RunInfo
) -> None:
    write(folder, str(tmp_path / "out.jsonl"), run_info)
    header, *frames = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    schema = json.loads((REPOSITORY / "stream/schema/records.schema.json").read_text())
    for record in (header, *frames):
        jsonschema.validate(record, schema)
    assert [record["file"] for record in frames] == [str(folder / name) for name in NAMES]
    assert header["size"] == [96, 64]
    assert [record.get("size") for record in frames] == [None, [128, 64], None]


def test_tables_name_the_file_and_the_size(folder: Path, tmp_path: Path, run_info: RunInfo) -> None:
    write(folder, str(tmp_path / "out.csv"), run_info)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = dict.fromkeys((row["file"], row["width"], row["height"]) for row in rows)
    assert list(found) == [
        (str(folder / name), "128" if name == NAMES[1] else "96", "64") for name in NAMES
    ]


def test_coco_results_have_the_ids_of_coco(folder: Path, tmp_path: Path, run_info: RunInfo) -> None:
    write(folder, str(tmp_path / "out.json"), run_info)
    results = json.loads((tmp_path / "out.json").read_text())
    found = dict.fromkeys((result["file_name"], result["image_id"]) for result in results)
    assert list(found) == [(NAMES[0], 1), (NAMES[1], 139), (NAMES[2], 3)]


def test_coco_results_have_the_ids_that_labels_give_the_pictures(
    folder: Path, tmp_path: Path, run_info: RunInfo, caplog: pytest.LogCaptureFixture
) -> None:
    """Also by a path in the labels, and also where names are numbers; what is not labelled would be
    refused by evaluators.
    """
    images = [
        {"id": 70_001, "file_name": f"pictures/{NAMES[0]}", "width": 96, "height": 64},
        {"id": 5, "file_name": NAMES[2], "width": 96, "height": 64},
    ]
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"images": images}))
    write(folder, str(tmp_path / "out.json"), run_info, OutputConfig(coco_ids=labels))
    results = json.loads((tmp_path / "out.json").read_text())
    found = dict.fromkeys((result["file_name"], result["image_id"]) for result in results)
    assert list(found) == [(NAMES[0], 70_001), (NAMES[2], 5)]
    assert len(results) == 2 * PEOPLE
    assert caplog.text.count("is not among the images of") == 1


def test_names_that_two_images_share_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    labels = tmp_path / "labels.json"
    names = ["a/1.png", "b/1.png", "b/2.png"]
    entries = [
        {"id": number, "file_name": name, "width": 9, "height": 9}
        for number, name in enumerate(names)
    ]
    labels.write_text(json.dumps({"images": entries}))
    assert read_image_ids(labels) == {"a/1.png": 0, "b/1.png": 1, "b/2.png": 2, "2.png": 2}


@pytest.mark.parametrize("content", ["", "[]", '{"images": 1}', '{"images": [{"id": "x"}]}'])
def test_labels_without_ids_are_refused_before_anything_is_written(
    tmp_path: Path, content: str
) -> None:
    labels = tmp_path / "labels.json"
    labels.write_text(content)
    with pytest.raises(DataError, match=r"labels\.json"):
        make_sinks([str(tmp_path / "out.json")], OutputConfig(coco_ids=labels))
    assert not (tmp_path / "out.json").exists()


def test_openpose_files_are_called_as_the_pictures(
    folder: Path, tmp_path: Path, run_info: RunInfo
) -> None:
    write(folder, f"openpose:{tmp_path / 'out'}", run_info)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{Path(name).stem}_{index:012d}_keypoints.json"
        for name, index in zip(NAMES, (0, 2, 3), strict=True)
    )


def test_arrays_name_the_files(folder: Path, tmp_path: Path, run_info: RunInfo) -> None:
    frames = write(folder, str(tmp_path / "out.npz"), run_info)
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["files"][arrays["file_index"]].tolist() == [frame.source for frame in frames]
        assert arrays["size"].tolist() == [[96, 64], [128, 64], [96, 64]]
        assert arrays["epoch"].tolist() == [0, 0, 0]


def reconnected() -> Iterator[Frame]:
    for frame in make_frames(vfr_stamps(4)):
        frame.epoch = frame.index // 2
        yield frame


def test_records_count_reconnections(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo, write_all: Callable[..., Any]
) -> None:
    for name in ("out.jsonl", "out.csv", "out.npz"):
        (sink,) = make_sinks([str(tmp_path / name)])
        write_all(sink, source_info, run_info, reconnected())
    _, *frames = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert [record.get("epoch") for record in frames] == [None, None, 1, 1]
    assert not {"file", "size"} & set(frames[0])
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["frame"], row["epoch"]) for row in rows} == {
        (str(index), str(index // 2)) for index in range(4)
    }
    assert {row["file"] for row in rows} == {""}
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["epoch"].tolist() == [0, 0, 1, 1]


def test_an_image_of_another_size_keeps_its_proportions_in_a_video(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo, write_all: Callable[..., Any]
) -> None:
    frames = list(make_frames(vfr_stamps(4)))
    for frame in frames[2:]:
        frame.image = np.full((100, 100, 3), 200, np.uint8)
    (sink,) = make_sinks([str(tmp_path / "out.mp4")])
    write_all(sink, source_info, run_info, frames, people=0)
    with open_source(str(tmp_path / "out.mp4")) as source:
        bright = [frame.image[..., 1] > 150 for frame in source][-1]
    assert bright.any(axis=0).sum() == pytest.approx(bright.any(axis=1).sum(), abs=4)
    assert bright.any(axis=1).sum() == pytest.approx(min(source_info.height, 1000), abs=2)
