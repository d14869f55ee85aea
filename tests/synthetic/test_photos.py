"""Backgrounds: crops keep clear of people, and unusable ones are named."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.errors import DataError
from synthetic.photos import PhotoLibrary


def _with_red_box(folder: Path, box: tuple[int, int, int, int]) -> tuple[PhotoLibrary, Path]:
    """A grey picture in which everything that is red is inside an annotated box."""
    x, y, width, height = box
    picture = np.full((300, 400, 3), 128, np.uint8)
    picture[y : y + height, x : x + width] = (0, 0, 255)
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "one.png"), picture)
    annotations = folder / "people.json"
    content = {
        "images": [{"id": 5, "file_name": "one.png"}],
        "annotations": [{"image_id": 5, "bbox": list(box)}],
    }
    annotations.write_text(json.dumps(content), encoding="utf-8")
    return PhotoLibrary.open((str(folder),), (str(annotations),)), annotations


@given(st.integers(0, 90), st.integers(0, 60), st.integers(0, 2**31))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_crops_keep_clear_of_annotated_people(tmp_path: Path, x: int, y: int, seed: int) -> None:
    photos, _ = _with_red_box(tmp_path / "photos", (x, y, 60, 80))
    crop = photos.crop(64, 80, np.random.default_rng(seed)).astype(int)
    assert crop.shape == (64, 80, 3)
    assert np.abs(crop - 128).max() < 10


def test_a_photograph_full_of_people_is_refused(tmp_path: Path) -> None:
    photos, _ = _with_red_box(tmp_path, (20, 20, 360, 260))
    with pytest.raises(DataError, match="room"):
        photos.crop(64, 80, np.random.default_rng(0))


def test_a_zip_and_a_folder_of_the_same_pictures_give_the_same_crops(
    photographs: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "photographs.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for path in sorted(photographs.iterdir()):
            content.write(path, f"deep/inside/{path.name}")
    with (
        PhotoLibrary.open((str(archive),)) as zipped,
        PhotoLibrary.open((str(photographs),)) as folder,
    ):
        for seed in range(4):
            first, second = (
                photos.crop(70, 90, np.random.default_rng(seed)) for photos in (zipped, folder)
            )
            assert np.array_equal(first, second)


def test_unusable_backgrounds_are_named(tmp_path: Path) -> None:
    empty, damaged, junk = tmp_path / "empty", tmp_path / "damaged.zip", tmp_path / "junk"
    empty.mkdir()
    damaged.write_bytes(b"PK but no archive")
    junk.mkdir()
    (junk / "broken.jpg").write_bytes(b"\xff\xd8 and no more")
    for source in (empty, damaged, tmp_path / "missing"):
        with pytest.raises(DataError, match=source.name):
            PhotoLibrary.open((str(source),))
    with pytest.raises(DataError, match=r"broken\.jpg"):
        PhotoLibrary.open((str(junk),)).crop(64, 64, np.random.default_rng(0))


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"images": []}', '{"images": [], "annotations": [{"image_id": 1, "bbox": []}]}'],
)
def test_a_file_without_people_boxes_is_named(
    photographs: Path, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "people.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"people\.json"):
        PhotoLibrary.open((str(photographs),), (str(path),))
