"""Small labelled datasets, and an estimator that draws its maps from the labels."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from configs import KeypointSet, load_keypoint_set
from evaluation.measuring.ideal_maps import draw_maps
from keypoint_datasets import ImageStore, KeypointDataset, load_dataset

STRIDE = 2  # of the oracle's maps


def label(
    identity: int,
    image_id: int,
    keypoints: NDArray[np.float64],
    *,
    area: float | None = None,
    crowd: int = 0,
) -> dict[str, Any]:
    """A COCO annotation for (J, 3) x, y, visibility; its box is the extent of labelled joints."""
    seen = keypoints[keypoints[:, 2] > 0]
    low, high = (
        (seen[:, :2].min(0), seen[:, :2].max(0)) if len(seen) else (np.zeros(2), np.full(2, 10.0))
    )
    entry = {
        "id": identity,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": crowd,
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "keypoints": keypoints.reshape(-1).tolist(),
        "num_keypoints": len(seen),
    }
    return entry if area is None else {**entry, "area": area}


def standing(
    keypoint_set: KeypointSet, x: float, y: float, height_px: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """(J, 3) joints of somebody about `height_px` tall around x, y: scattered, every joint visible,
    none on another.
    """
    count = len(keypoint_set)
    down = np.linspace(-0.5, 0.5, count) * height_px
    across = generator.uniform(-0.15, 0.15, count) * height_px
    return np.stack((x + across, y + down, np.full(count, 2.0)), axis=1)


@dataclass(frozen=True)
class Written:
    """A dataset on disk."""

    annotations: Path
    images: Path


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., Written]:
    """Writes blank pictures, each with its image id burned into the corner, and their labels."""

    def write(
        labels: Sequence[dict[str, Any]],
        *,
        keypoint_set: KeypointSet,
        sizes: dict[int, tuple[int, int]],
        crowd_indices: dict[int, float] | None = None,
        zipped: bool = True,
        area: bool = True,
    ) -> Written:
        images = []
        files: dict[str, bytes] = {}
        for image_id, (width, height) in sizes.items():
            picture = np.full((height, width, 3), 90, dtype=np.uint8)
            picture[0, 0] = image_id % 256, image_id // 256 % 256, image_id // 65536
            name = f"{image_id:012d}.png"
            files[name] = cv2.imencode(".png", picture)[1].tobytes()
            entry: dict[str, Any] = {
                "id": image_id,
                "file_name": name,
                "width": width,
                "height": height,
            }
            if crowd_indices is not None:
                entry["crowdIndex"] = crowd_indices[image_id]
            images.append(entry)
        place = tmp_path / ("images.zip" if zipped else "images")
        if zipped:
            with zipfile.ZipFile(place, "w") as archive:
                for name, content in files.items():
                    archive.writestr(f"val/{name}", content)
        else:
            place.mkdir()
            for name, content in files.items():
                (place / name).write_bytes(content)
        annotations = tmp_path / "labels.json"
        categories = [
            {"id": 1, "name": "person", "keypoints": list(keypoint_set.names), "skeleton": []}
        ]
        annotations.write_text(
            json.dumps({"images": images, "annotations": list(labels), "categories": categories})
        )
        return Written(annotations, place)

    return write


@pytest.fixture
def coco() -> KeypointSet:
    return load_keypoint_set("coco")


@pytest.fixture
def crowdpose() -> KeypointSet:
    return load_keypoint_set("crowdpose")


@pytest.fixture
def load(write_dataset: Callable[..., Written]) -> Callable[..., KeypointDataset]:
    """Writes a dataset and loads it back."""

    def make(
        labels: Sequence[dict[str, Any]], *, keypoint_set: KeypointSet, **options: Any
    ) -> KeypointDataset:
        written = write_dataset(labels, keypoint_set=keypoint_set, **options)
        return load_dataset(written.annotations, ImageStore([written.images]), keypoint_set)

    return make


@dataclass(frozen=True)
class OracleAlignment:
    """Map pixels to image pixels: the stride, no padding."""

    def to_image(self, keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
        return keypoints * np.array([STRIDE, STRIDE, 1], dtype=np.float32)


@dataclass
class OracleMaps:
    heatmaps: NDArray[np.float32]
    tags: NDArray[np.float32]
    alignment: OracleAlignment
    candidates: None = None
    released: int = 0

    def release(self) -> None:
        self.released += 1


class Oracle:
    """An estimator that knows the labels: Gaussians (sigma 2, as in training) at the joints, one
    tag a person.
    """

    in_flight = 2

    def __init__(
        self, dataset: KeypointDataset, identify: Callable[[NDArray[np.uint8]], int]
    ) -> None:
        self._dataset = dataset
        self._identify = identify
        self.maps: list[OracleMaps] = []

    def submit(self, image_bgr: NDArray[np.uint8]) -> tuple[int, tuple[int, int]]:
        return self._identify(image_bgr), image_bgr.shape[:2]

    def result(self, ticket: tuple[int, tuple[int, int]]) -> OracleMaps:
        image_id, (height, width) = ticket
        (image,) = (image for image in self._dataset.images if image.id == image_id)
        keypoints = image.keypoints[~image.crowds]
        # labels outside the image would otherwise be seen in the last, partial map pixel
        keypoints[..., 2] *= (keypoints[..., :2] >= 0).all(-1) & (
            keypoints[..., :2] < (width, height)
        ).all(-1)
        size = -(-height // STRIDE), -(-width // STRIDE)
        heatmaps, tags = draw_maps(keypoints / (STRIDE, STRIDE, 1), size)
        self.maps.append(OracleMaps(heatmaps, tags, OracleAlignment()))
        return self.maps[-1]


def burned_id(image: NDArray[np.uint8]) -> int:
    """The image id that `write_dataset` put into the corner."""
    blue, green, red = (int(value) for value in image[0, 0])
    return blue + 256 * green + 65536 * red


@pytest.fixture
def oracle() -> Callable[[KeypointDataset], Oracle]:
    return lambda dataset: Oracle(dataset, burned_id)


@pytest.fixture
def people() -> Any:
    """The helpers that make labels, as a namespace: `people.label`, `people.standing`."""

    class Helpers:
        label = staticmethod(label)
        standing = staticmethod(standing)

    return Helpers
