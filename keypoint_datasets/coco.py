"""People labelled in images: the one reader of COCO keypoint files, in which CrowdPose comes too.

Whoever reads a file, for training or for evaluation, has the same checks, so that a mistake in the
labels is one clear line before the work begins, and the same labels:

- Joints more than a pixel outside their image are counted in one warning. `keypoints` keeps them,
  because the figures that are published count them; `joints`, from which a network learns, leaves
  them out, because what it would be shown there is padding.
- Annotations of categories without keypoints are passed over; a category that the file does not
  define is an error.
- Ids must be different: the evaluator would count what comes twice wrongly, and say nothing.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import DataError, KeypointSet
from configs.loading import kind_of
from keypoint_datasets.labels import CocoLabels, LabelledImage, outside
from keypoint_datasets.masks import Region, is_segmentation

logger = logging.getLogger(__name__)


def read_labels(path: Path, keypoint_set: KeypointSet, *, with_regions: bool = True) -> CocoLabels:
    """The labels in a COCO keypoint file, checked.

    Args:
        path: The annotations (`person_keypoints_*.json`, `crowdpose_*.json`).
        keypoint_set: Which keypoints it must have.
        with_regions: Whether to keep where people without joints are; segmentations take memory.

    Raises:
        DataError: The file cannot be read or is not in COCO's format, the category has no keypoints
            or others than `keypoint_set`, an annotation names an unknown category or image, or
            numbers are missing, too few or not finite. The message names the annotation.
    """
    content = _load(path)
    where = repr(str(path))
    categories = {
        entry.get("id"): entry for entry in content["categories"] if isinstance(entry, dict)
    }
    posed = any(isinstance(a, dict) and a.get("keypoints") for a in content["annotations"])
    category_id = _keypoint_category(categories.values(), keypoint_set, where, posed=posed)
    entries = {entry["id"]: entry for entry in _checked_images(content["images"], where)}
    annotations: dict[int, list[dict[str, Any]]] = {key: [] for key in entries}
    _check_ids(content["annotations"], where)
    for annotation in content["annotations"]:
        name, image_id = f"annotation {annotation['id']} of {where}", annotation["image_id"]
        if annotation.get("category_id") not in categories:
            raise DataError(
                f"{name} has the unknown category {annotation.get('category_id')!r}; the file "
                f"defines {sorted(categories, key=str)}"
            )
        if image_id not in entries:
            raise DataError(f"{name} belongs to image {image_id}, which is not among the images")
        if annotation["category_id"] == category_id:
            annotations[image_id].append(annotation)
    images = tuple(
        _image(entry, annotations[key], len(keypoint_set), where, with_regions)
        for key, entry in entries.items()
    )
    _warn_of_joints_outside(images, path)
    return CocoLabels(
        name=path.stem, keypoint_set=keypoint_set, category_id=category_id, images=images
    )


def read_image_ids(path: Path) -> dict[str, int]:
    """The ids of the images in a COCO file, by their names.

    Args:
        path: Annotations, or a list of images alone (`image_info_test-dev2017.json`).

    Returns:
        For each `file_name`, and for the last part of it where no two images share that, the id.

    Raises:
        DataError: The file cannot be read or is not in COCO's format.
    """
    entries = _checked_images(_load(path, ("images",))["images"], repr(str(path)))
    last_parts = Counter(Path(entry["file_name"]).name for entry in entries)
    ids = {
        name: entry["id"]
        for entry in entries
        if last_parts[name := Path(entry["file_name"]).name] == 1
    }
    return {**ids, **{entry["file_name"]: entry["id"] for entry in entries}}


def _load(
    path: Path, keys: Sequence[str] = ("images", "annotations", "categories")
) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read annotations {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{str(path)!r} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{str(path)!r} is not in COCO's keypoint format: it holds {kind_of(content)}"
        )
    for key in keys:
        if not isinstance(content.get(key), list):
            raise DataError(
                f"{str(path)!r} is not in COCO's keypoint format: it has no list {key!r}"
            )
    return content


def _keypoint_category(
    categories: Iterable[dict[str, Any]], keypoint_set: KeypointSet, where: str, *, posed: bool
) -> int:
    """The id of the category of people; `posed`: annotations have keypoints."""
    entries = list(categories)
    named = [entry for entry in entries if entry.get("keypoints")]
    if len(entries) == 1 and not named and posed and isinstance(entries[0].get("id"), int):
        # Many tools leave the names out; how many joints there are is checked for each annotation.
        return int(entries[0]["id"])
    if len(named) != 1 or not isinstance(named[0].get("id"), int):
        raise DataError(
            f"{where} must define exactly one category with keypoints, not {len(named)}"
        )
    names = [str(name).lower() for name in named[0]["keypoints"]]
    if len(names) != len(keypoint_set):
        raise DataError(
            f"{where} labels {len(names)} keypoints a person, but keypoint set "
            f"{keypoint_set.name!r} has {len(keypoint_set)}; choose a model for these annotations"
        )
    # Names that both know must stand in the same place; CrowdPose files differ in how they call the
    # head ("top_head").
    known = {name: joint for joint, name in enumerate(keypoint_set.names)}
    for joint, name in enumerate(names):
        if known.get(name, joint) != joint:
            raise DataError(
                f"{where} has {name!r} as keypoint {joint}, but in keypoint set "
                f"{keypoint_set.name!r} it is keypoint {known[name]}; reorder the labels"
            )
    return int(named[0]["id"])


def _checked_images(entries: Sequence[Any], where: str) -> list[dict[str, Any]]:
    if not entries:
        raise DataError(f"{where} names no images")
    for entry in entries:
        if not (
            isinstance(entry, dict)
            and isinstance(entry.get("file_name"), str)
            and isinstance(entry.get("id"), int)
            and all(_is_size(entry.get(key)) for key in ("width", "height"))
            and isinstance(entry.get("crowdIndex", 0.0), (int, float))
        ):
            raise DataError(
                f"{where} has an image whose id, file_name, width, height or crowdIndex is missing "
                f"or wrong: {str(entry)[:80]}"
            )
    _check_unique((entry["id"] for entry in entries), f"{where}: image")
    return list(entries)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and value > 0


def _check_ids(annotations: Sequence[Any], where: str) -> None:
    for entry in annotations:
        if not (
            isinstance(entry, dict)
            and isinstance(entry.get("id"), int)
            and isinstance(entry.get("image_id"), int)
        ):
            raise DataError(
                f"{where} has an annotation without whole numbers as id and image_id: "
                f"{str(entry)[:80]!r}"
            )
    _check_unique((entry["id"] for entry in annotations), f"{where}: annotation")


def _check_unique(identities: Iterable[int], what: str) -> None:
    seen: set[int] = set()
    for identity in identities:
        if identity in seen:
            raise DataError(f"{what} {identity} is there twice; ids must be different")
        seen.add(identity)


def _image(
    entry: dict[str, Any],
    annotations: Sequence[dict[str, Any]],
    joints: int,
    where: str,
    with_regions: bool,
) -> LabelledImage:
    width, height = entry["width"], entry["height"]
    names = [f"annotation {annotation['id']} of {where}" for annotation in annotations]
    keypoints = np.zeros((len(annotations), joints, 3))
    boxes, areas = np.zeros((len(annotations), 4)), np.full(len(annotations), np.nan)
    counts, crowds = np.zeros(len(annotations), np.int64), np.zeros(len(annotations), np.bool_)
    for row, (annotation, name) in enumerate(zip(annotations, names, strict=True)):
        keypoints[row] = _keypoints(annotation, joints, name)
        boxes[row] = _numbers(annotation.get("bbox"), 4, "a box", name)
        if annotation.get("area") is not None:
            areas[row] = _numbers([annotation["area"]], 1, "an area", name)[0]
        labelled = int((keypoints[row, :, 2] > 0).sum())
        given = [annotation.get("num_keypoints", labelled), annotation.get("iscrowd", 0)]
        counts[row], crowds[row] = _numbers(given, 2, "num_keypoints or iscrowd", name)
    crowd_index = entry.get("crowdIndex")
    image = LabelledImage(
        id=entry["id"],
        name=entry["file_name"],
        width=width,
        height=height,
        crowd_index=None if crowd_index is None else float(crowd_index),
        annotation_ids=np.array([annotation["id"] for annotation in annotations], np.int64),
        keypoints=keypoints,
        keypoint_counts=counts,
        boxes=boxes,
        areas=areas,
        crowds=crowds,
    )
    if not with_regions:
        return image
    usable = (keypoints[..., 2] > 0) & ~outside(keypoints, width, height)
    regions = tuple(
        _region(annotations[row], boxes[row], image, names[row])
        for row in np.flatnonzero(~usable.any(axis=1)).tolist()
    )
    return replace(image, regions=regions)


def _keypoints(annotation: dict[str, Any], joints: int, name: str) -> NDArray[np.float64]:
    values = annotation.get("keypoints") or [0] * (3 * joints)
    return _numbers(values, 3 * joints, "keypoints", name).reshape(joints, 3)


def _numbers(values: Any, count: int, what: str, name: str) -> NDArray[np.float64]:
    """(count,) finite numbers; text that looks like a number is none."""
    if not isinstance(values, list) or len(values) != count:
        found = len(values) if isinstance(values, list) else 0
        raise DataError(f"{name} has {found} numbers as {what}, but needs {count}")
    try:
        numbers = np.array(values)
    except ValueError:  # lists in the list
        numbers = np.array(None)
    if numbers.dtype.kind not in "iufb" or not np.isfinite(numbers).all():
        raise DataError(
            f"{name} has {what} with something that is not a finite number; correct or remove it"
        )
    return numbers.astype(np.float64)


def _region(
    annotation: dict[str, Any], box: NDArray[np.float64], image: LabelledImage, name: str
) -> Region:
    segmentation = annotation.get("segmentation")
    if not segmentation:
        return tuple(box.tolist())
    if not is_segmentation(segmentation, image.height, image.width):
        raise DataError(
            f"{name} has a segmentation that is neither polygons nor a run-length encoding of its "
            "image; correct or remove it"
        )
    return segmentation


def _warn_of_joints_outside(images: Iterable[LabelledImage], path: Path) -> None:
    count = 0
    for image in images:
        labelled = image.keypoints[..., 2] > 0
        count += int((labelled & outside(image.keypoints, image.width, image.height)).sum())
    if count:
        logger.warning(
            "%s: %d keypoints lie outside their image and are not learnt from", path, count
        )
