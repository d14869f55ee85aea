"""Pictures of a run: what the network sees in some images, and the learning curves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import nn

from configs import GroupingConfig
from training.dataset import PoseDataset
from training.scalars import read_scalars

_HEIGHT_PX = 240
_COLUMNS = 2
_COLOURS = (
    (66, 135, 245),
    (96, 200, 80),
    (230, 120, 60),
    (60, 200, 230),
    (200, 90, 200),
    (180, 180, 60),
)


def draw_samples(path: Path, network: nn.Module, dataset: PoseDataset, images: int) -> None:
    """Writes one JPEG with the first `images` images of `dataset`: people found (labels as white
    dots), and heatmaps.
    """
    from engine import infer_maps
    from grouping import Grouper

    keypoint_set = dataset.keypoint_set
    grouper = Grouper(keypoint_set.name, config=GroupingConfig())
    input_size: int = network.config.input_size  # type: ignore[union-attr, assignment]
    tiles = []
    for index in range(min(images, len(dataset))):
        image = dataset.image(index)
        maps = infer_maps(network, image, input_size)
        people = grouper(maps.heatmaps, maps.tags).to_image(maps.alignment)
        picture = image.copy()
        for x, y, visible in dataset.images[index].joints.reshape(-1, 3):
            if visible > 0:
                cv2.circle(picture, (round(x), round(y)), 3, (255, 255, 255), 1, cv2.LINE_AA)
        for number, person in enumerate(people.keypoints):
            _draw_person(picture, person, keypoint_set.links, _COLOURS[number % len(_COLOURS)])
        tiles.append(_beside(picture, maps.heatmaps.max(axis=0)))
        maps.release()
    if tiles:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, _grid(tiles))[1].tobytes())


def draw_curves(folder: Path) -> None:
    """Draws `curves.png` in `folder` from `scalars.csv` and `validation.csv` there."""
    from matplotlib.figure import Figure

    rows, checks = read_scalars(folder / "scalars.csv"), read_scalars(folder / "validation.csv")
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    for panel, title, prefixes in (
        (axes[0], "heatmap error", ("heatmaps_",)),
        (axes[1], "tag error", ("push", "pull", "position")),
        (axes[2], "learning rate", ("learning_rate",)),
        (axes[3], "held-out AP", ("ap",)),
    ):
        for source, label, style in ((rows, "", "-"), (checks, " (held out)", "o-")):
            names = [key for key in (source[-1] if source else {}) if key.startswith(prefixes)]
            for name in names:
                points = [(row["step"], row[name]) for row in source if row.get(name)]
                if points:
                    panel.plot(
                        *zip(*points, strict=True),
                        style,
                        markersize=3,
                        linewidth=1,
                        label=name + label,
                    )
        panel.set(title=title, xlabel="step")
        if title.endswith("error") and panel.lines:
            panel.set_yscale("log")
        if panel.lines:
            panel.legend(fontsize=7)
    figure.savefig(folder / "curves.png", dpi=100)


def _draw_person(
    picture: NDArray[np.uint8],
    person: NDArray[np.float32],
    links: tuple[tuple[int, int], ...],
    colour: tuple[int, int, int],
) -> None:
    seen = person[:, 2] > 0.1
    points = [(int(x), int(y)) for x, y in np.clip(np.nan_to_num(person[:, :2]), -9999, 9999)]
    for first, second in links:
        if seen[first] and seen[second]:
            cv2.line(picture, points[first], points[second], colour, 2, cv2.LINE_AA)
    for joint in np.flatnonzero(seen):
        cv2.circle(picture, points[joint], 3, colour, -1, cv2.LINE_AA)


def _beside(picture: NDArray[np.uint8], heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    width = round(picture.shape[1] * _HEIGHT_PX / picture.shape[0])
    left = cv2.resize(picture, (width, _HEIGHT_PX), interpolation=cv2.INTER_AREA)
    right = cv2.applyColorMap((heatmap.clip(0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    right = cv2.resize(right, (round(right.shape[1] * _HEIGHT_PX / right.shape[0]), _HEIGHT_PX))
    return np.hstack((left, right)).astype(np.uint8)


def _grid(tiles: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    rows = [np.hstack(tiles[first : first + _COLUMNS]) for first in range(0, len(tiles), _COLUMNS)]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    return np.vstack(padded).astype(np.uint8)
