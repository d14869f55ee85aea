"""Labels as a COCO keypoint file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from basics.atomic import replacing
from configs.keypoint_set import load_keypoint_set
from synthetic.labels import HIDDEN, OUTSIDE, VISIBLE, Label

_SMALLEST_AREA_PX = 32.0
_FEWEST_VISIBLE = 3
"""With fewer visible keypoints an annotator would not label the person's joints, and no network
could find them.
"""


class CocoFile:
    """Images and annotations that are collected and then written in one go."""

    def __init__(self, description: str) -> None:
        self._info = {"description": description}
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, file_name: str, width: int, height: int, labels: list[Label]) -> None:
        """One image and its people; those of whom next to nothing is seen are left out."""
        image_id = len(self._images) + 1
        self._images.append(
            {"id": image_id, "file_name": file_name, "width": width, "height": height}
        )
        for label in labels:
            if label.area >= _SMALLEST_AREA_PX:
                annotation = {
                    "id": len(self._annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "iscrowd": 0,
                }
                self._annotations.append(annotation | _person(label))

    def write(self, path: Path) -> None:
        """Writes the file whole or not at all; raises SinkError if it cannot."""
        content = {
            "info": self._info,
            "images": self._images,
            "annotations": self._annotations,
            "categories": [_category()],
        }
        with replacing(path) as partial:
            partial.write_text(json.dumps(content), encoding="utf-8")


def _person(label: Label) -> dict[str, Any]:
    visibility = label.keypoints[:, 2]
    if (visibility == VISIBLE).sum() < _FEWEST_VISIBLE:
        visibility = visibility * OUTSIDE
    keypoints: list[float] = []
    for (x, y, _), seen in zip(label.keypoints, visibility, strict=True):
        keypoints += (
            [round(float(x), 2), round(float(y), 2), int(seen)]
            if seen >= HIDDEN
            else [0.0, 0.0, OUTSIDE]
        )
    return {
        "bbox": [round(edge, 2) for edge in label.box],
        "area": round(label.area, 2),
        "keypoints": keypoints,
        "num_keypoints": int((visibility >= HIDDEN).sum()),
    }


def _category() -> dict[str, Any]:
    coco = load_keypoint_set("coco")
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(coco.names),
        "skeleton": [[start + 1, end + 1] for start, end in coco.links],
    }
