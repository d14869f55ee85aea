"""Labels arrive as they were annotated, and those that cannot be used are named in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import DataError, KeypointSet, load_keypoint_set
from keypoint_datasets import ImageStore, load_dataset, read_labels, with_images
from tests.keypoint_datasets.conftest import HEIGHT, WIDTH, LabelFile, annotation


def test_what_is_annotated_is_what_is_read(label_file: LabelFile) -> None:
    label_file.content["annotations"][1].update(iscrowd=1, num_keypoints=0)
    del label_file.content["annotations"][1]["area"]
    label_file.content["images"][1]["crowdIndex"] = 0.25
    first, second = label_file.read().images
    assert (first.id, first.name, first.width, first.height) == (1, "1.png", WIDTH, HEIGHT)
    assert first.keypoints[0, [5, 11]].tolist() == [[20, 20, 2], [20, 60, 1]]
    assert (first.annotation_ids.tolist(), first.keypoint_counts.tolist()) == ([1], [2])
    assert first.boxes.tolist() == [[10, 20, 30, 40]]
    assert (first.areas.tolist(), first.crowds.tolist()) == ([636], [False])
    assert (first.crowd_index, second.crowd_index) == (None, 0.25)
    assert math.isnan(second.areas[0]) and second.crowds[0]


def test_annotations_go_to_an_evaluator_as_they_came(label_file: LabelFile) -> None:
    del label_file.content["annotations"][1]["area"]
    assert label_file.read().to_annotations() == label_file.content["annotations"]


def test_images_without_anybody_are_there_too(label_file: LabelFile) -> None:
    label_file.content["annotations"].pop()
    labels = label_file.read()
    assert [len(image) for image in labels.images] == [1, 0]
    assert labels.images[1].joints.shape == (0, 17, 3)
    assert labels.images[1].mask() is None
    assert [entry["image_id"] for entry in labels.to_annotations()] == [1]


def test_annotations_of_categories_without_keypoints_are_passed_over(
    label_file: LabelFile,
) -> None:
    label_file.content["categories"].append({"id": 18, "name": "dog"})
    label_file.content["annotations"][1]["category_id"] = 18
    assert [len(image) for image in label_file.read().images] == [1, 0]


def test_the_only_category_need_not_name_the_keypoints_of_its_people(label_file: LabelFile) -> None:
    del label_file.content["categories"][0]["keypoints"]
    assert [len(image) for image in label_file.read().images] == [1, 1]


def test_an_annotation_without_keypoints_is_a_region_that_nobody_labelled(
    label_file: LabelFile,
) -> None:
    del label_file.content["annotations"][0]["keypoints"]
    image = label_file.read().images[0]
    assert not image.keypoints.any()
    assert image.regions == ((10.0, 20.0, 30.0, 40.0),)


def test_joints_outside_the_image_are_kept_for_figures_but_not_learnt_from(
    label_file: LabelFile, caplog: pytest.LogCaptureFixture
) -> None:
    label_file.content["annotations"][0] = annotation(
        1, 1, {0: (-30, 10, 2), 1: (500, 10, 2), 2: (-0.5, HEIGHT + 0.5, 1)}
    )
    image = label_file.read().images[0]
    assert image.keypoints[0, :3, 2].tolist() == [2, 2, 1]
    assert image.joints[0, :3, 2].tolist() == [0, 0, 1]
    assert [record.message for record in caplog.records] == [
        f"{label_file.path}: 2 keypoints lie outside their image and are not learnt from"
    ]


def test_somebody_who_is_outside_the_image_altogether_is_nobody_to_learn_from(
    label_file: LabelFile,
) -> None:
    label_file.content["annotations"][0] = annotation(1, 1, {5: (-40, 20, 2), 6: (-50, 20, 2)})
    image = label_file.read().images[0]
    assert image.joints.shape == (0, 17, 3)
    mask = image.mask()
    assert mask is not None
    assert mask[30, 20] == 0


def test_the_first_images_can_be_taken_alone(label_file: LabelFile) -> None:
    labels = label_file.read()
    assert labels.first(1).images == labels.images[:1]
    assert [entry["image_id"] for entry in labels.first(1).to_annotations()] == [1]
    assert labels.first(None) is labels
    with pytest.raises(DataError, match="at least 1 image, not 0"):
        labels.first(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["annotations"][0].update(category_id=7),
            r"annotation 1 of .* has the unknown category 7; the file defines \[1\]",
        ),
        (lambda c: c["annotations"][0].update(image_id=9), "annotation 1 of .* to image 9, which"),
        (
            lambda c: c["annotations"][0].update(keypoints=[1, 2, 2]),
            "annotation 1 of .* has 3 numbers as keypoints, but needs 51",
        ),
        (
            lambda c: c["annotations"][0]["keypoints"].__setitem__(0, math.nan),
            "annotation 1 of .* keypoints with something that is not a finite number",
        ),
        (lambda c: c["annotations"][0]["keypoints"].__setitem__(2, "2"), "not a finite number"),
        (lambda c: c["annotations"][0]["keypoints"].__setitem__(2, None), "not a finite number"),
        (lambda c: c["annotations"][0]["keypoints"].__setitem__(2, [2]), "not a finite number"),
        (lambda c: c["annotations"][0].update(keypoints=["x"] * 51), "not a finite number"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), "has 3 numbers as a box"),
        (lambda c: c["annotations"][0].pop("bbox"), "has 0 numbers as a box, but needs 4"),
        (lambda c: c["annotations"][0].update(area="large"), "an area with something that is not"),
        (lambda c: c["annotations"][0].update(iscrowd="yes"), "iscrowd with something that is not"),
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
        (lambda c: c["images"][0].update(crowdIndex="much"), "crowdIndex is missing or wrong"),
        (lambda c: c["images"][0].pop("width"), "width, height or crowdIndex is missing or wrong"),
        (lambda c: c["images"][0].update(height=0), "width, height or crowdIndex is missing"),
        (lambda c: c["images"].append(None), "width, height or crowdIndex is missing or wrong"),
        (lambda c: c["categories"][0]["keypoints"].pop(), "labels 16 keypoints a person.*has 17"),
        (lambda c: c["categories"][0]["keypoints"].reverse(), "reorder the labels"),
        (
            lambda c: (
                c["categories"][0].pop("keypoints"),
                [annotation.pop("keypoints") for annotation in c["annotations"]],
            ),
            "exactly one category with keypoints, not 0",
        ),
        (lambda c: c.pop("images"), "no list 'images'"),
        (lambda c: (c["images"].clear(), c["annotations"].clear()), "names no images"),
        (
            lambda c: c["annotations"][0].update(keypoints=[0] * 51, segmentation=[[1, 2]]),
            "annotation 1 of .* neither polygons nor a run-length encoding of its image",
        ),
        (
            lambda c: c["annotations"][0].update(
                keypoints=[0] * 51, segmentation={"size": [4, 4], "counts": [16]}
            ),
            "neither polygons nor a run-length encoding of its image",
        ),
    ],
)
def test_annotations_that_cannot_be_used_say_why(
    label_file: LabelFile, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change(label_file.content)
    with pytest.raises(DataError, match=message) as raised:
        label_file.read()
    assert "\n" not in str(raised.value)


def test_crowdpose_labels_do_not_fit_a_coco_model(label_file: LabelFile) -> None:
    label_file.keypoint_set = load_keypoint_set("crowdpose")
    with pytest.raises(
        DataError, match="labels 17 keypoints a person, but keypoint set 'crowdpose' has 14"
    ):
        label_file.read()


def test_a_file_that_is_no_json_or_is_not_there_says_so(tmp_path: Path, coco: KeypointSet) -> None:
    with pytest.raises(DataError, match="cannot read annotations"):
        read_labels(tmp_path / "no.json", coco)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        read_labels(tmp_path / "bad.json", coco)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DataError, match="holds a list"):
        read_labels(tmp_path / "list.json", coco)


def test_crowds_and_people_without_keypoints_are_masked(label_file: LabelFile) -> None:
    columns_60_to_89 = {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * 60, HEIGHT * 30, HEIGHT * 30]}
    polygon = [[0.0, 80.0, 20.0, 80.0, 20.0, 96.0, 0.0, 96.0]]
    label_file.content["annotations"] = [
        annotation(1, 1, {}, bbox=[10, 10, 20, 30]),
        annotation(2, 1, {}, segmentation=columns_60_to_89, iscrowd=1),
        annotation(3, 1, {}, segmentation=polygon),
    ]
    mask = label_file.read().images[0].mask()
    assert mask is not None
    expected = np.full((HEIGHT, WIDTH), 255, np.uint8)
    expected[10:40, 10:30] = 0
    expected[:, 60:90] = 0
    expected[80:96, 0:20] = 0
    assert (mask != expected).mean() < 0.005
    assert label_file.read(with_regions=False).images[0].mask() is None


def test_a_neighbours_box_does_not_hide_labelled_joints(label_file: LabelFile) -> None:
    label_file.content["annotations"] = [
        annotation(1, 1, {}, bbox=[0, 0, 60, 96]),
        annotation(2, 1, {5: (20, 20, 2), 11: (20, 60, 2)}),
    ]
    mask = label_file.read().images[0].mask()
    assert mask is not None
    assert mask[20, 20] == mask[60, 20] == mask[60, 24] == 255
    assert mask[40, 20] == mask[20, 40] == 0


def test_a_segmentation_hides_what_it_covers(label_file: LabelFile) -> None:
    polygon = [[0.0, 0.0, 60.0, 0.0, 60.0, 96.0, 0.0, 96.0]]
    label_file.content["annotations"] = [
        annotation(1, 1, {}, segmentation=polygon),
        annotation(2, 1, {5: (20, 20, 2), 11: (20, 60, 2)}),
    ]
    mask = label_file.read().images[0].mask()
    assert mask is not None
    assert mask[20, 20] == mask[60, 20] == 0


def test_images_that_are_missing_are_counted_and_the_first_is_named(
    label_file: LabelFile, coco: KeypointSet
) -> None:
    label_file.content["images"][1]["file_name"] = "gone.jpg"
    with (
        ImageStore([label_file.images]) as store,
        pytest.raises(DataError, match=r"1 of 2 images are missing, the first is 'gone\.jpg'"),
    ):
        load_dataset(label_file.write(), store, coco)


def test_labels_made_for_another_size_are_refused(label_file: LabelFile) -> None:
    label_file.content["images"][0].update(width=640, height=480)
    with ImageStore([label_file.images]) as store:
        dataset = with_images(label_file.read(), store)
        with pytest.raises(DataError, match="is 120x96 pixels but its labels are for 640x480"):
            dataset.read(dataset.images[0])
        assert dataset.read(dataset.images[1]).shape == (HEIGHT, WIDTH, 3)


def test_a_limit_needs_only_the_images_that_are_left(
    label_file: LabelFile, coco: KeypointSet
) -> None:
    (label_file.images / "2.png").unlink()
    with ImageStore([label_file.images]) as store:
        dataset = load_dataset(label_file.write(), store, coco, limit=1)
    assert (len(dataset), dataset.name) == (1, "people")


def test_the_development_labels_are_read_whole(shared: Path, coco: KeypointSet) -> None:
    path = shared / "data" / "coco" / "dev.json"
    labels = read_labels(path, coco)
    content = json.loads(path.read_text())
    assert len(labels) == len(content["images"])
    read = {entry["id"]: entry for entry in labels.to_annotations()}
    for entry in content["annotations"]:
        assert read[entry["id"]] == {key: entry[key] for key in read[entry["id"]]}
