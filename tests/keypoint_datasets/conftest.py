"""A COCO keypoint file with images, which a test changes before it is read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from configs import KeypointSet, load_keypoint_set
from keypoint_datasets import CocoLabels, read_labels

WIDTH, HEIGHT = 120, 96


def annotation(
    identity: int, image_id: int, keypoints: dict[int, tuple[float, float, int]], **changes: Any
) -> dict[str, Any]:
    """A COCO annotation of the joints that `keypoints` names by their index."""
    values = np.zeros((17, 3))
    for joint, point in keypoints.items():
        values[joint] = point
    return {
        "id": identity,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [10.0, 20.0, 30.0, 40.0],
        "area": 636.0,
        "num_keypoints": len(keypoints),
        "keypoints": values.reshape(-1).tolist(),
        **changes,
    }


class LabelFile:
    """Two images of one person each; `content` may be changed before `read` writes and reads it."""

    def __init__(self, folder: Path, keypoint_set: KeypointSet) -> None:
        self.path = folder / "people.json"
        self.images = folder / "images"
        self.keypoint_set = keypoint_set
        category = {"id": 1, "name": "person", "keypoints": list(keypoint_set.names)}
        self.content: dict[str, Any] = {
            "images": [
                {"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT}
                for number in (1, 2)
            ],
            "annotations": [
                annotation(number, number, {5: (20, 20, 2), 11: (20, 60, 1)}) for number in (1, 2)
            ],
            "categories": [category],
        }
        self.images.mkdir()
        for number in (1, 2):
            picture = np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8)
            cv2.imwrite(str(self.images / f"{number}.png"), picture)

    def write(self) -> Path:
        """Writes `content`."""
        self.path.write_text(json.dumps(self.content))
        return self.path

    def read(self, **options: Any) -> CocoLabels:
        """What the reader makes of `content`."""
        return read_labels(self.write(), self.keypoint_set, **options)

    def zipped(self, folder: str = "val") -> Path:
        """The images in a zip archive, below `folder`."""
        path = self.images.with_suffix(".zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for image in sorted(self.images.iterdir()):
                archive.write(image, f"{folder}/{image.name}")
        return path


@pytest.fixture
def coco() -> KeypointSet:
    return load_keypoint_set("coco")


@pytest.fixture
def label_file(tmp_path: Path, coco: KeypointSet) -> LabelFile:
    return LabelFile(tmp_path, coco)
