"""People that were labelled by hand: COCO and CrowdPose annotations with their images."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import DataError, KeypointSet
from evaluation.images import ImageStore


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """One image entry of the annotations.

    crowd_index: CrowdPose's measure of crowding, 0 to 1; none elsewhere.
    """

    id: int
    name: str
    width: int
    height: int
    crowd_index: float | None = None


@dataclass(frozen=True, kw_only=True)
class PoseDataset:
    """Labels in COCO's keypoint format and where their images are.

    name: what tables call it, by default the name of the annotation file.
    annotations: COCO annotation dictionaries; x, y and area in pixels of the stored image.
    category_id: the category that has keypoints.
    """

    name: str
    keypoint_set: KeypointSet
    images: tuple[LabelledImage, ...]
    annotations: tuple[dict[str, Any], ...]
    category_id: int
    store: ImageStore

    def __len__(self) -> int:
        return len(self.images)

    def read(self, image: LabelledImage) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR. Raises DataError if it cannot be read or has another size than the
        labels say.
        """
        pixels = self.store.read(image.name)
        height, width = pixels.shape[:2]
        if (width, height) != (image.width, image.height):
            raise DataError(
                f"image {image.name!r} is {width}x{height} pixels but its labels are for "
                f"{image.width}x{image.height}; "
                "use the images that the annotations were made for"
            )
        return pixels

    def first(self, count: int | None) -> PoseDataset:
        """The dataset cut down to its first `count` images, or all of it."""
        if count is None or count >= len(self.images):
            return self
        if count < 1:
            raise DataError(f"a dataset needs at least 1 image, not {count}")
        images = self.images[:count]
        kept = {image.id for image in images}
        return PoseDataset(
            name=self.name,
            keypoint_set=self.keypoint_set,
            images=images,
            annotations=tuple(item for item in self.annotations if item["image_id"] in kept),
            category_id=self.category_id,
            store=self.store,
        )


def load_dataset(
    annotations: Path, store: ImageStore, keypoint_set: KeypointSet, *, limit: int | None = None
) -> PoseDataset:
    """The dataset in a COCO keypoint file, checked; `limit` keeps the first images only.

    Raises DataError for a file that cannot be read or is not in COCO's format, a category without
    keypoints or with other keypoints than `keypoint_set`, labels of unknown images, keypoints that
    are no numbers, and images that `store` lacks.
    """
    content = _load_json(annotations)
    where = repr(str(annotations))
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise DataError(f"{where} is not in COCO's keypoint format: it has no list {key!r}")
    category_id = _category(content["categories"], keypoint_set, where)
    images = tuple(_image(entry, where) for entry in content["images"])
    if not images:
        raise DataError(f"{where} names no images")
    _check_unique((image.id for image in images), f"{where}: image")
    _check_annotations(
        content["annotations"], {image.id for image in images}, category_id, keypoint_set, where
    )
    dataset = PoseDataset(
        name=annotations.stem,
        keypoint_set=keypoint_set,
        images=images,
        annotations=tuple(content["annotations"]),
        category_id=category_id,
        store=store,
    ).first(limit)
    missing = store.missing(image.name for image in dataset.images)
    if missing:
        raise DataError(
            f"{len(missing)} of {len(dataset)} images of {where} are in none of the given folders "
            "and archives, "
            f"the first is {missing[0]!r}; check --images"
        )
    return dataset


def _load_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read annotations {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{str(path)!r} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{str(path)!r} is not in COCO's keypoint format: it holds a {type(content).__name__}"
        )
    return content


def _category(categories: Sequence[Any], keypoint_set: KeypointSet, where: str) -> int:
    posed = [entry for entry in categories if isinstance(entry, dict) and entry.get("keypoints")]
    if len(posed) != 1 or not isinstance(posed[0].get("id"), int):
        raise DataError(
            f"{where} must define exactly one category with keypoints, not {len(posed)}"
        )
    names = [str(name).lower() for name in posed[0]["keypoints"]]
    if len(names) != len(keypoint_set):
        raise DataError(
            f"{where} labels {len(names)} keypoints a person, but keypoint set "
            f"{keypoint_set.name!r} has "
            f"{len(keypoint_set)}; choose a model for these annotations"
        )
    # Names that both know must stand in the same place; CrowdPose files differ in how they call the
    # head ("top_head").
    known = {name: joint for joint, name in enumerate(keypoint_set.names)}
    for joint, name in enumerate(names):
        if known.get(name, joint) != joint:
            raise DataError(
                f"{where} has {name!r} as keypoint {joint}, but in keypoint set "
                f"{keypoint_set.name!r} it is keypoint "
                f"{known[name]}; reorder the labels"
            )
    return int(posed[0]["id"])


def _image(entry: Any, where: str) -> LabelledImage:
    try:
        crowd = entry.get("crowdIndex")
        return LabelledImage(
            id=int(entry["id"]),
            name=str(entry["file_name"]),
            width=int(entry["width"]),
            height=int(entry["height"]),
            crowd_index=None if crowd is None else float(crowd),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{where} has an image whose id, file_name, width, height or crowdIndex is missing or "
            f"wrong: {str(entry)[:80]}"
        ) from error


def _check_annotations(
    annotations: Sequence[Any],
    images: set[int],
    category_id: int,
    keypoint_set: KeypointSet,
    where: str,
) -> None:
    for entry in annotations:
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("id"), int)
            or not isinstance(entry.get("image_id"), int)
        ):
            raise DataError(
                f"{where} has an annotation without whole numbers as id and image_id: "
                f"{str(entry)[:80]!r}"
            )
        name = f"{where}: annotation {entry['id']}"
        if entry.get("category_id") != category_id:
            raise DataError(
                f"{name} has the unknown category {entry.get('category_id')!r}; {category_id} has "
                "keypoints"
            )
        if entry["image_id"] not in images:
            raise DataError(
                f"{name} belongs to image {entry['image_id']}, which is not among the images"
            )
        keypoints, box = entry.get("keypoints"), entry.get("bbox")
        if not isinstance(keypoints, list) or len(keypoints) != 3 * len(keypoint_set):
            count = len(keypoints) if isinstance(keypoints, list) else 0
            raise DataError(
                f"{name} has {count} keypoint numbers, but keypoint set {keypoint_set.name!r} "
                f"needs {3 * len(keypoint_set)}"
            )
        entry.setdefault("iscrowd", 0)
        entry.setdefault("num_keypoints", sum(value != 0 for value in keypoints[2::3]))
        numbers = [*keypoints, entry.get("area", 0), entry["iscrowd"], entry["num_keypoints"]]
        if not isinstance(box, list) or len(box) != 4 or not _finite([*numbers, *box]):
            raise DataError(
                f"{name} has keypoints, a box, an area or counts that are no finite numbers; "
                "correct or remove it"
            )
    _check_unique((entry["id"] for entry in annotations), f"{where}: annotation")


def _check_unique(identities: Iterable[int], what: str) -> None:
    """Raises DataError for an id that comes twice: the evaluator would count what has it wrongly,
    and say nothing.
    """
    seen: set[int] = set()
    for identity in identities:
        if identity in seen:
            raise DataError(f"{what} {identity} is there twice; ids must be different")
        seen.add(identity)


def _finite(values: list[Any]) -> bool:
    """Whether all are finite numbers; text that looks like a number is none."""
    return all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)
