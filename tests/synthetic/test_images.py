"""Pictures are reproducible, and their COCO file is one that the evaluator reads."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs.errors import ConfigError, SinkError
from configs.units import Size
from synthetic.images import ImageMaker, ImagesConfig, parse_image_size, write_images
from tests.synthetic.conftest import SIZE


def test_a_seed_and_an_index_give_one_picture(maker: ImageMaker) -> None:
    again = ImageMaker(ImagesConfig(size=(SIZE,), seed=7))
    again.make(0)  # what was made before does not matter
    first, labels = maker.make(3)
    second, same_labels = again.make(3)
    assert np.array_equal(first, second)
    assert all(
        np.array_equal(one.keypoints, other.keypoints)
        for one, other in zip(labels, same_labels, strict=True)
    )


def test_other_seeds_and_indices_give_other_pictures(maker: ImageMaker) -> None:
    picture = maker.make(0)[0]
    assert not np.array_equal(picture, maker.make(1)[0])
    assert not np.array_equal(picture, ImageMaker(ImagesConfig(size=(SIZE,), seed=8)).make(0)[0])


def test_the_coco_file_loads_and_names_the_joints_as_coco_does(
    tmp_path: Path, shared: Path
) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    path = write_images(
        ImagesConfig(count=3, size=(SIZE, Size(120, 160)), seed=1), tmp_path / "set"
    )
    dataset = coco.COCO(str(path))
    real = json.loads((shared / "data" / "coco" / "train.json").read_text(encoding="utf-8"))
    (category,), (expected,) = dataset.loadCats(dataset.getCatIds()), real["categories"]
    assert category["keypoints"] == expected["keypoints"]
    assert {frozenset(link) for link in category["skeleton"]} == {
        frozenset(link) for link in expected["skeleton"]
    }
    assert set(category) == set(expected)
    assert len(dataset.getImgIds()) == 3
    for image in dataset.loadImgs(dataset.getImgIds()):
        picture = cv2.imread(str(tmp_path / "set" / image["file_name"]))
        assert picture is not None and picture.shape[:2] == (image["height"], image["width"])
    annotations = dataset.loadAnns(dataset.getAnnIds())
    assert annotations
    for annotation in annotations:
        assert set(annotation) >= set(real["annotations"][0])
        seen = annotation["keypoints"][2::3]
        assert annotation["num_keypoints"] == sum(value > 0 for value in seen)


def test_an_interrupt_leaves_labels_for_what_is_there(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_images(ImagesConfig(count=50, size=(SIZE,)), tmp_path, stop)
    content = json.loads((tmp_path / "annotations.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in content["images"]] == ["000000.jpg", "000001.jpg"]
    assert len(list(tmp_path.glob("*.jpg"))) == 2
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(SinkError, match="file"):
        write_images(ImagesConfig(count=1, size=(SIZE,)), tmp_path / "file")


@pytest.mark.parametrize(
    "size", ["640", "640x", "x480", "axb", "640x32", "9999x640", "-64x640", "６４０x480"]
)
def test_sizes_that_are_none_are_refused(size: str) -> None:
    with pytest.raises(ConfigError, match=r"^--size must be .+, such as 640x480, not ") as caught:
        parse_image_size(size, "--size")
    assert repr(size) in str(caught.value)


def test_a_size_is_width_before_height() -> None:
    config = ImagesConfig(size=(parse_image_size("96x64", "--size"),))
    with ImageMaker(config) as maker:
        assert maker.make(0)[0].shape == (64, 96, 3)


def test_people_without_backgrounds_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="backgrounds"):
        ImagesConfig(people=("people.json",))
