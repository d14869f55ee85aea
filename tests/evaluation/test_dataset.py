"""Annotations and images that cannot be used are named in one line."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import DataError, KeypointSet
from evaluation.dataset import PoseDataset, load_dataset
from evaluation.images import ImageStore


@pytest.fixture
def labels(people: Any, coco: KeypointSet) -> list[dict[str, Any]]:
    keypoints = people.standing(coco, 60, 60, 80, np.random.default_rng(0))
    return [people.label(index, index, keypoints, area=900.0) for index in (1, 2)]


@pytest.fixture
def written(
    write_dataset: Callable[..., Any], labels: list[dict[str, Any]], coco: KeypointSet
) -> Any:
    return write_dataset(labels, keypoint_set=coco, sizes={1: (128, 96), 2: (96, 128)})


def load_changed(
    written: Any, keypoint_set: KeypointSet, change: Callable[[dict[str, Any]], object]
) -> PoseDataset:
    """The dataset after `change` was made to its JSON."""
    content = json.loads(written.annotations.read_text())
    change(content)
    written.annotations.write_text(json.dumps(content))
    with ImageStore([written.images]) as store:
        return load_dataset(written.annotations, store, keypoint_set)


@pytest.mark.parametrize("zipped", [True, False])
def test_images_are_read_from_folders_and_archives(
    write_dataset: Callable[..., Any], labels: list[dict[str, Any]], coco: KeypointSet, zipped: bool
) -> None:
    written = write_dataset(
        labels, keypoint_set=coco, sizes={1: (128, 96), 2: (96, 128)}, zipped=zipped
    )
    with ImageStore([written.images]) as store:
        dataset = load_dataset(written.annotations, store, coco)
        assert [dataset.read(image).shape for image in dataset.images] == [
            (96, 128, 3),
            (128, 96, 3),
        ]
        assert dataset.first(1).images == dataset.images[:1]
        assert [item["image_id"] for item in dataset.first(1).annotations] == [1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["annotations"][0].update(category_id=7),
            "annotation 1 has the unknown category 7",
        ),
        (lambda c: c["annotations"][0].update(image_id=9), "annotation 1 belongs to image 9"),
        (
            lambda c: c["annotations"][0].update(keypoints=[1, 2, 2]),
            "has 3 keypoint numbers.*needs 51",
        ),
        (lambda c: c["annotations"][0]["keypoints"].__setitem__(0, math.nan), "no finite numbers"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), "no finite numbers"),
        (lambda c: c["annotations"].append("x"), "without whole numbers as id and image_id"),
        (
            lambda c: c["annotations"][0].update(image_id=[1]),
            "without whole numbers as id and image_id",
        ),
        (lambda c: c["annotations"][0].update(id=None), "without whole numbers as id and image_id"),
        (
            lambda c: c["annotations"].append(dict(c["annotations"][0])),
            r"annotation \d+ is there twice",
        ),
        (lambda c: c["images"].append(dict(c["images"][0])), r"image \d+ is there twice"),
        (lambda c: c["annotations"][0]["keypoints"].__setitem__(2, "2"), "no finite numbers"),
        (lambda c: c["annotations"][0].update(iscrowd="yes"), "no finite numbers"),
        (lambda c: c["images"][0].update(crowdIndex="much"), "crowdIndex is missing or wrong"),
        (lambda c: c["categories"][0]["keypoints"].pop(), "labels 16 keypoints a person.*has 17"),
        (lambda c: c["categories"][0]["keypoints"].reverse(), "reorder the labels"),
        (
            lambda c: c["categories"][0].pop("keypoints"),
            "exactly one category with keypoints, not 0",
        ),
        (lambda c: c["images"][0].pop("width"), "width, height or crowdIndex is missing or wrong"),
        (lambda c: c["images"][1].update(file_name="gone.jpg"), "1 of 2 images.*'gone.jpg'"),
        (lambda c: c.pop("images"), "no list 'images'"),
        (lambda c: (c["images"].clear(), c["annotations"].clear()), "names no images"),
    ],
)
def test_annotations_that_cannot_be_used_say_why(
    written: Any, coco: KeypointSet, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as raised:
        load_changed(written, coco, change)
    assert "\n" not in str(raised.value)


def test_crowdpose_labels_do_not_fit_a_coco_model(written: Any, crowdpose: KeypointSet) -> None:
    with pytest.raises(
        DataError, match="labels 17 keypoints a person, but keypoint set 'crowdpose' has 14"
    ):
        load_changed(written, crowdpose, lambda content: None)


def test_a_file_that_is_no_json_or_is_not_there_says_so(
    tmp_path: Path, written: Any, coco: KeypointSet
) -> None:
    with ImageStore([written.images]) as store:
        with pytest.raises(DataError, match="cannot read annotations"):
            load_dataset(tmp_path / "no.json", store, coco)
        (tmp_path / "bad.json").write_text("{")
        with pytest.raises(DataError, match="not valid JSON"):
            load_dataset(tmp_path / "bad.json", store, coco)
        (tmp_path / "list.json").write_text("[]")
        with pytest.raises(DataError, match="holds a list"):
            load_dataset(tmp_path / "list.json", store, coco)


def test_a_place_without_images_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images at"):
        ImageStore([tmp_path / "gone.zip"])
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match="neither a folder nor a readable zip"):
        ImageStore([tmp_path / "broken.zip"])


def test_a_damaged_image_is_named(tmp_path: Path, coco: KeypointSet, written: Any) -> None:
    with zipfile.ZipFile(written.images) as archive:
        name = archive.namelist()[0]
    with zipfile.ZipFile(tmp_path / "damaged.zip", "w") as archive:
        archive.writestr(name, b"\x89PNG\r\n\x1a\n and nothing more")
        archive.writestr("000000000002.png", b"")
    with ImageStore([tmp_path / "damaged.zip"]) as store:
        dataset = load_dataset(written.annotations, store, coco)
        for image in dataset.images:
            with pytest.raises(DataError, match="cannot decode image"):
                dataset.read(image)


def test_labels_made_for_another_size_are_refused(written: Any, coco: KeypointSet) -> None:
    content = json.loads(written.annotations.read_text())
    content["images"][0].update(width=640, height=480)
    written.annotations.write_text(json.dumps(content))
    with ImageStore([written.images]) as store:
        dataset = load_dataset(written.annotations, store, coco)
        with pytest.raises(DataError, match="is 128x96 pixels but its labels are for 640x480"):
            dataset.read(dataset.images[0])
