"""Stick people with COCO labels, drawn where a test needs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from configs import load_keypoint_set
from configs.training import DataSource

WIDTH, HEIGHT = 120, 96

# A person of height 1 around (0, 0): x, y of the 17 joints in COCO order.
STANDING = np.array(
    [
        *((0.0, -0.43), (0.03, -0.46), (-0.03, -0.46), (0.06, -0.44), (-0.06, -0.44)),
        *((0.12, -0.30), (-0.12, -0.30), (0.20, -0.15), (-0.20, -0.15), (0.22, 0.0), (-0.22, 0.0)),
        *((0.08, 0.02), (-0.08, 0.02), (0.10, 0.24), (-0.10, 0.24), (0.11, 0.46), (-0.11, 0.46)),
    ]
)


def draw_people(
    image: np.ndarray, centres: list[tuple[float, float]], height_px: float
) -> list[np.ndarray]:
    """Draws stick people on `image` and returns their (17, 3) joints."""
    people = []
    for x, y in centres:
        joints = np.column_stack((STANDING * height_px + (x, y), np.full(17, 2.0)))
        for number, (first, second) in enumerate(load_keypoint_set("coco").links):
            ends = [(round(joints[end, 0]), round(joints[end, 1])) for end in (first, second)]
            colour = (60 + 10 * number, 250 - 10 * number, 40 + (37 * number) % 200)
            cv2.line(image, ends[0], ends[1], colour, 2, cv2.LINE_AA)
        people.append(joints)
    return people


def annotation(identity: int, image_id: int, joints: np.ndarray, **changes: Any) -> dict[str, Any]:
    """A COCO annotation of one person."""
    seen = joints[joints[:, 2] > 0]
    left, top = seen[:, :2].min(axis=0) if len(seen) else (0.0, 0.0)
    right, bottom = seen[:, :2].max(axis=0) if len(seen) else (10.0, 10.0)
    box = [float(value) for value in (left, top, right - left, bottom - top)]
    return {
        "id": identity,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": box,
        "area": box[2] * box[3] * 0.53,
        "num_keypoints": len(seen),
        "keypoints": [float(value) for value in joints.reshape(-1)],
        **changes,
    }


class People:
    """A COCO keypoint set in a folder; `content` can be changed and is written by `save`."""

    def __init__(
        self,
        folder: Path,
        images: int,
        size: tuple[int, int] = (WIDTH, HEIGHT),
        height_px: float = 70,
    ) -> None:
        self.folder = folder
        self.annotations = folder / "people.json"
        random = np.random.default_rng(3)
        category = {
            "id": 1,
            "name": "person",
            "keypoints": list(load_keypoint_set("coco").names),
            "skeleton": [],
        }
        self.content: dict[str, Any] = {"images": [], "annotations": [], "categories": [category]}
        folder.mkdir(parents=True)
        for number in range(images):
            image = random.integers(0, 60, (size[1], size[0], 3)).astype(np.uint8)
            left, right = 0.28 * size[0] + number, 0.7 * size[0] - number
            people = draw_people(image, [(left, size[1] / 2), (right, size[1] / 2)], height_px)
            name = f"{number:04d}.png"
            cv2.imwrite(str(folder / name), image)
            self.content["images"].append(
                {"id": number + 1, "file_name": name, "width": size[0], "height": size[1]}
            )
            for joints in people:
                self.content["annotations"].append(
                    annotation(len(self.content["annotations"]) + 1, number + 1, joints)
                )
        self.save()

    def save(self) -> DataSource:
        self.annotations.write_text(json.dumps(self.content))
        return self.source

    @property
    def source(self) -> DataSource:
        return DataSource(annotations=self.annotations, images=(self.folder,))
