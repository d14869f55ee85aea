"""Folders of random pictures with COCO labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import ConfigError, SinkError
from configs.flags import option
from synthetic.bodies import BODIES, load_bodies
from synthetic.coco import CocoFile
from synthetic.labels import Label
from synthetic.photos import PhotoLibrary
from synthetic.shot import take
from synthetic.staging import Backgrounds, random_film, random_scene

ANNOTATIONS = "annotations.json"


@dataclass(frozen=True, kw_only=True)
class ImagesConfig:
    count: int = option(100, help="how many pictures")
    size: tuple[str, ...] = option(
        ("480x640",), help="height and width in pixels; of several, one at random", metavar="HxW"
    )
    seed: int = option(0, help="picture i depends on the seed and on i alone")
    backgrounds: tuple[str, ...] = option(
        (), help="folders, zip archives or files with photographs to stand people before"
    )
    people: tuple[str, ...] = option(
        (),
        help="COCO files with the people in those photographs: backgrounds are cut beside them",
        metavar="JSON",
    )
    bodies: str = option(
        "",
        help="bodies made with `python -m synthetic bodies` (default: those that come along)",
        metavar="NPZ",
    )
    supersampling: int = option(1, help="samples per pixel each way")
    quality: int = option(90, help="JPEG quality")

    def __post_init__(self) -> None:
        for size in self.size:
            parse_size(size)
        for name, low, high in (
            ("count", 1, 10_000_000),
            ("seed", 0, 2**63),
            ("supersampling", 1, 4),
            ("quality", 1, 100),
        ):
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} must be {low} to {high}, not {getattr(self, name)}")
        if self.people and not self.backgrounds:
            raise ConfigError(
                "people says where people are in the backgrounds: give backgrounds as well"
            )


def parse_size(size: str) -> tuple[int, int]:
    """Height and width from `HxW`; raises ConfigError."""
    parts = size.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ConfigError(f"size must be HxW in pixels, such as 480x640, not {size!r}")
    height, width = int(parts[0]), int(parts[1])
    if not (64 <= height <= 4096 and 64 <= width <= 4096):
        raise ConfigError(f"size must be 64 to 4096 pixels a side, not {size!r}")
    return height, width


class ImageMaker:
    """Random labelled pictures, any of which can be made at any time; a context manager, because it
    reads photographs.
    """

    def __init__(self, config: ImagesConfig) -> None:
        self._config = config
        self._sizes = [parse_size(size) for size in config.size]
        self._library = load_bodies(Path(config.bodies) if config.bodies else BODIES)
        photos = (
            PhotoLibrary.open(config.backgrounds, config.people) if config.backgrounds else None
        )
        self._backgrounds = Backgrounds(photos, PhotoLibrary.textures())

    def __enter__(self) -> ImageMaker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._backgrounds.photos is not None:
            self._backgrounds.photos.close()

    def make(self, index: int) -> tuple[NDArray[np.uint8], list[Label]]:
        """Picture `index` (h, w, 3) uint8 BGR, and a label for everybody in it (see
        `labels.label_people`).
        """
        rng = np.random.default_rng([self._config.seed, index])
        height, width = self._sizes[int(rng.integers(len(self._sizes)))]
        scene = random_scene(width, height, self._library, self._backgrounds, rng)
        return take(scene, random_film(rng), rng, self._config.supersampling)


def write_images(
    config: ImagesConfig, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> Path:
    """Writes `folder`/000000.jpg ... and the COCO file `folder`/annotations.json, whose path it
    returns.

    What was finished before an error or an interrupt is labelled all the same. Raises SinkError if
    the folder cannot be written, DataError for unusable backgrounds or bodies.
    """
    coco = CocoFile(f"synthetic people, seed {config.seed}")
    annotations = folder / ANNOTATIONS
    with ImageMaker(config) as maker:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"cannot make the folder {str(folder)!r}: {error.strerror}") from error
        try:
            for index in range(config.count):
                image, labels = maker.make(index)
                name = f"{index:06d}.jpg"
                _write_jpeg(folder / name, image, config.quality)
                coco.add(name, image.shape[1], image.shape[0], labels)
                progress(index + 1)
        finally:
            coco.write(annotations)
    return annotations


def _write_jpeg(path: Path, image: NDArray[np.uint8], quality: int) -> None:
    encoded, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    try:
        if not encoded:
            raise OSError(None, "the picture cannot be encoded")
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise SinkError(f"cannot write {str(path)!r}: {error.strerror}") from error
