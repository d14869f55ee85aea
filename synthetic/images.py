"""Folders of random images with COCO labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import ConfigError, SinkError
from configs.flags import option
from configs.units import Size, parse_size
from synthetic.bodies import BODIES, load_bodies
from synthetic.capture import capture
from synthetic.coco import CocoFile
from synthetic.labels import Label
from synthetic.photos import PhotoLibrary
from synthetic.random_scene import Backgrounds, random_scene, random_sensor

ANNOTATIONS = "annotations.json"


def parse_image_size(text: str, name: str) -> Size:
    """The size of an image that can be rendered, from WIDTHxHEIGHT.

    Raises:
        ConfigError: It is anything else, or a side is not 64 to 4096 pixels long.
    """
    size = parse_size(text, name, "640x480")
    if not all(64 <= side <= 4096 for side in size.shape):
        raise ConfigError(f"{name} must be 64 to 4096 pixels a side, such as 640x480, not {text!r}")
    return size


@dataclass(frozen=True, kw_only=True)
class ImagesConfig:
    count: int = option(100, help="how many images")
    size: tuple[Size, ...] = option(
        (Size(640, 480),),
        help="of the images in pixels; of several, one at random",
        metavar="WIDTHxHEIGHT",
        parse=parse_image_size,
    )
    seed: int = option(0, help="image i depends on the seed and on i alone")
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
                "people says where people are in the backgrounds: give --backgrounds as well"
            )


class ImageMaker:
    """Random labelled images, any of which can be made at any time; a context manager, because it
    reads photographs.
    """

    def __init__(self, config: ImagesConfig) -> None:
        self._config = config
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
        """Image `index` (h, w, 3) uint8 BGR, and a label for everybody in it (see
        `labels.label_people`).
        """
        rng = np.random.default_rng([self._config.seed, index])
        size = self._config.size[int(rng.integers(len(self._config.size)))]
        scene = random_scene(size.width, size.height, self._library, self._backgrounds, rng)
        return capture(scene, random_sensor(rng), rng, self._config.supersampling)


def write_images(
    config: ImagesConfig, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> Path:
    """Writes `folder`/000000.jpg ... and the COCO file `folder`/annotations.json.

    Args:
        config: What the images are like.
        folder: Where they go; made if it is not there.
        progress: Called with the number of images that are done.

    Returns:
        The path of the COCO file. What was finished before an error or an interrupt is labelled all
        the same.

    Raises:
        SinkError: The folder or a file cannot be written.
        DataError: Backgrounds or bodies cannot be used.
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
            raise OSError(None, "the image cannot be encoded")
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise SinkError(f"cannot write {str(path)!r}: {error.strerror}") from error
