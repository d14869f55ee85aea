"""Bodies baked from `anny` (Apache-2.0 code, MakeHuman CC0 data) into the small file that rendering
needs.

Only this module needs `anny` and torch. Everything comes out of the package itself: no network, and
none of the data for other topologies that `anny` can download under non-commercial terms. `anny`
keeps a cache of about 1 GB in `ANNY_CACHE_DIR`; the bake points that to a temporary folder unless
the variable is set.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import DataError, RuntimeUnavailableError, SinkError
from synthetic.phenotypes import GROUPS, PHENOTYPES, Phenotype

# Colours of the eyes in `body_parts_segmentation.png` (eye_front of both sides, from its yaml).
_EYE_COLOURS = ((16, 231, 186), (16, 115, 231))
_EYE_COLOUR_DISTANCE = 40
_KEYPOINTS = 17
_INFLUENCES = 6
_METRE = 10_000  # one step of the stored positions is 0.1 mm


def bake_bodies(path: Path) -> None:
    """Writes `path`: rest meshes of all phenotypes scaled to a height of 1 m, bones, skin weights
    and keypoint regressors.

    Raises:
        RuntimeUnavailableError: `anny` is not installed.
        SinkError: The file cannot be written.
    """
    with _anny() as anny:
        arrays = _bake(anny)
    try:
        np.savez_compressed(path, allow_pickle=False, **arrays)
    except OSError as error:
        raise SinkError(f"cannot write {str(path)!r}: {error.strerror}") from error


@contextmanager
def _anny() -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix="anny-cache-") as folder:
        os.environ.setdefault("ANNY_CACHE_DIR", folder)
        try:
            import anny  # type: ignore[import-not-found]
        except ImportError as error:
            raise RuntimeUnavailableError(
                f"baking bodies needs the package 'anny' ({error}): pip install anny, beside torch"
            ) from error
        yield anny


def _bake(anny: Any) -> dict[str, NDArray[Any]]:
    import torch

    data = Path(anny.__file__).parent / "data"
    model = anny.Anny(topology="anny-full", phenotypes="all", skinning_method="lbs")
    identity = torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1)
    faces, texture = _read_obj(data / "mpfb2" / "3dobjs" / "base.obj", len(model.template_vertices))
    parts = {
        "body": model.faces.numpy(),
        **{name: faces[f"helper-{name}"] for name in ("tights", "skirt", "hair")},
    }
    weights, bones = _strongest(
        model.vertex_bone_weights.numpy(), model.vertex_bone_indices.numpy()
    )
    regressor = anny.KeypointsRegressor.coco(model).regression_weights.numpy()[:_KEYPOINTS]

    used = np.unique(
        np.concatenate(
            [part.ravel() for part in parts.values()] + [np.nonzero(regressor.any(0))[0]]
        )
    )
    renumbered = np.zeros(len(model.template_vertices), np.int64)
    renumbered[used] = np.arange(len(used))

    positions, heads = [], []
    for phenotype in PHENOTYPES:
        rest = model(
            pose_parameters=identity,
            phenotype_kwargs=_anny_arguments(phenotype, model.phenotype_labels),
        )
        vertices, head = rest["rest_vertices"][0].numpy(), rest["rest_bone_heads"][0].numpy()
        body_height = vertices[parts["body"], 2]
        # Heights vary oddly with the other parameters: people get theirs when they are drawn.
        scale = 1.0 / (body_height.max() - body_height.min())
        positions.append(vertices[used] * scale)
        heads.append(head * scale)
    mean = np.mean(positions, axis=0)
    keypoint, vertex = np.nonzero(regressor)
    return {
        "mean": np.round(mean * _METRE).astype(np.int16),
        "deltas": np.round((np.array(positions) - mean) * _METRE).astype(np.int16),
        "heads": np.array(heads, np.float32),
        "groups": np.array([GROUPS.index(phenotype.group) for phenotype in PHENOTYPES], np.uint8),
        "bone_names": np.array(model.bone_labels),
        "bone_parents": np.array(model.bone_parents, np.int16),
        "skin_weights": np.round(weights[used] * 255).astype(np.uint8),
        "skin_bones": bones[used].astype(np.uint8),
        "lips": np.round(
            _texture_at(data / "mpfb2" / "textures" / "mpfb_lips.jpg", texture)[used].mean(1)
        ).astype(np.uint8),
        "eyes": _eyes(data / "segmentation" / "body_parts_segmentation.png", texture)[used],
        "keypoint": keypoint.astype(np.uint8),
        "keypoint_vertex": renumbered[vertex].astype(np.uint16),
        "keypoint_weight": regressor[keypoint, vertex].astype(np.float32),
        **{f"faces_{name}": renumbered[part].astype(np.uint16) for name, part in parts.items()},
    }


def _anny_arguments(phenotype: Phenotype, labels: list[str]) -> dict[str, float]:
    values = {
        "height": 0.5,
        "african": 0.0,
        "asian": 0.0,
        "caucasian": 0.0,
        phenotype.ancestry: 1.0,
    }
    return {
        label: values[label] if label in values else float(getattr(phenotype, label))
        for label in labels
    }


def _strongest(weights: NDArray[Any], bones: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    order = np.argsort(-weights, axis=1)[:, :_INFLUENCES]
    strongest = np.take_along_axis(weights, order, 1)
    return strongest / strongest.sum(1, keepdims=True), np.take_along_axis(bones, order, 1)


def _read_obj(
    path: Path, vertex_count: int
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.float64]]:
    """Triangles of every group of MakeHuman's base mesh, and one texture coordinate (u, v) per
    vertex.
    """
    triangles: dict[str, list[tuple[int, int, int]]] = {}
    coordinates: list[tuple[float, float]] = []
    texture = np.zeros((vertex_count, 2))
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "g":
            group = words[1]
        elif words[0] == "vt":
            coordinates.append((float(words[1]), float(words[2])))
        elif words[0] == "f":
            corners = [word.split("/") for word in words[1:]]
            vertices = [int(corner[0]) - 1 for corner in corners]
            for vertex, corner in zip(vertices, corners, strict=True):
                texture[vertex] = coordinates[int(corner[1]) - 1]
            fan = [(vertices[0], vertices[i], vertices[i + 1]) for i in range(1, len(vertices) - 1)]
            triangles.setdefault(group, []).extend(fan)
    return {name: np.array(rows) for name, rows in triangles.items()}, texture


def _texture_at(path: Path, texture: NDArray[np.float64]) -> NDArray[np.float64]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(
            f"the package anny lacks {path.name!r}; install version 0.6.2, which this was written "
            "for"
        )
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.float64)
    height, width = image.shape[:2]
    row = np.clip(np.round((1 - texture[:, 1]) * (height - 1)), 0, height - 1).astype(int)
    column = np.clip(np.round(texture[:, 0] * (width - 1)), 0, width - 1).astype(int)
    return np.asarray(image[row, column])


def _eyes(path: Path, texture: NDArray[np.float64]) -> NDArray[np.bool_]:
    colour = _texture_at(path, texture)
    distance = np.min([np.abs(colour - eye).sum(1) for eye in _EYE_COLOURS], axis=0)
    return np.asarray(distance < _EYE_COLOUR_DISTANCE)
