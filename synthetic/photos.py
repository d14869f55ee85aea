"""Photographs for backgrounds, from folders, zip archives and scikit-image's CC0 textures, and
crops of them.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import DataError, RuntimeUnavailableError
from keypoint_datasets.images import ImageStore, is_image

Image = NDArray[np.uint8]

_TEXTURES = ("brick.png", "grass.png", "gravel.png")  # CC0, per scikit-image's data/README.txt
_TRIES = 30
_SMALLEST_CROP_PX = 128
_MARGIN_PX = 12
"""How far a crop stays away from annotated people: boxes are often a little tight."""


class PhotoLibrary:
    """Photographs, read when they are asked for: a context manager that owns the store they are in.

    Attributes:
        names: Of the photographs in the store.
        people: Boxes (k, 4) x, y, width, height that crops keep clear of, by file name.
    """

    def __init__(
        self, store: ImageStore, people: dict[str, NDArray[np.float64]] | None = None
    ) -> None:
        self.names = tuple(filter(is_image, store.names))
        self.people = people or {}
        self._store = store

    @classmethod
    def open(cls, sources: tuple[str, ...], annotations: tuple[str, ...] = ()) -> PhotoLibrary:
        """All photographs in some places.

        Args:
            sources: Folders, zip archives and single files.
            annotations: COCO files that say where people are in them. Their boxes are of the pixels
                as they are stored: photographs are not turned as their orientation tags say then.

        Raises:
            DataError: A source is missing, damaged or without photographs, or the annotations
                cannot be used.
        """
        people: dict[str, NDArray[np.float64]] = {}
        for path in annotations:
            people.update(_read_boxes(Path(path)))
        for source in sources:
            with ImageStore([Path(source)]) as each:
                if not any(map(is_image, each.names)):
                    raise DataError(f"no photographs in {source!r}")
        store = ImageStore([Path(source) for source in sources], upright=not annotations)
        return cls(store, people)

    @classmethod
    def textures(cls) -> PhotoLibrary:
        """scikit-image's brick, grass and gravel.

        Raises:
            RuntimeUnavailableError: scikit-image is not installed.
        """
        package = importlib.util.find_spec("skimage")
        if package is None or package.origin is None:
            raise RuntimeUnavailableError(
                "textures come with scikit-image, which is not installed: pip install "
                "'higherhrnet-stream[synthetic]'"
            )
        folder = Path(package.origin).parent / "data"
        return cls(ImageStore([folder / name for name in _TEXTURES]))

    def __len__(self) -> int:
        return len(self.names)

    def __enter__(self) -> PhotoLibrary:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the archives."""
        self._store.close()

    def read(self, index: int) -> Image:
        """A whole photograph (h, w, 3) RGB.

        Raises:
            DataError: It cannot be read or decoded.
        """
        image = self._store.read(self.names[index])
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def crop(
        self, height: int, width: int, rng: np.random.Generator, largest: float = 1.0
    ) -> Image:
        """A random, perhaps mirrored part of a random photograph without people, resized to
        (height, width, 3) RGB.

        Raises:
            DataError: No photograph has enough room beside its people.
        """
        for _ in range(_TRIES):
            index = int(rng.integers(len(self)))
            image, name = self.read(index), PurePosixPath(self.names[index]).name
            window = self._window(image, width / height, name, largest, rng)
            if window is None:
                continue
            left, top, right, bottom = window
            part = image[top:bottom, left:right]
            if rng.random() < 0.5:
                part = part[:, ::-1]
            shrinks = part.shape[0] > height
            return np.asarray(
                cv2.resize(
                    part,
                    (width, height),
                    interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
                ),
                np.uint8,
            )
        raise DataError(
            f"the backgrounds have hardly any room without people: none in {_TRIES} of them; give "
            "more photographs"
        )

    def _window(
        self, image: Image, aspect: float, name: str, largest: float, rng: np.random.Generator
    ) -> tuple[int, int, int, int] | None:
        rows, columns = image.shape[:2]
        boxes = self.people.get(name)
        whole = min(rows, columns / aspect)
        for attempt in range(_TRIES):
            share = rng.uniform(0.55, 1.0) * largest * (1 - 0.6 * attempt / _TRIES)
            height = max(share * whole, 2.0)
            width = height * aspect
            if boxes is not None and min(height, width) < _SMALLEST_CROP_PX:
                return None
            left, top = rng.uniform(0, columns - width), rng.uniform(0, rows - height)
            window = (int(left), int(top), int(left + width), int(top + height))
            if boxes is None or not _meets(boxes, window):
                return window
        return None


def _meets(boxes: NDArray[np.float64], window: tuple[int, int, int, int]) -> bool:
    left, top, right, bottom = window
    x, y, width, height = boxes.T
    across = (x - _MARGIN_PX < right) & (x + width + _MARGIN_PX > left)
    return bool((across & (y - _MARGIN_PX < bottom) & (y + height + _MARGIN_PX > top)).any())


def _read_boxes(path: Path) -> dict[str, NDArray[np.float64]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {image["id"]: Path(image["file_name"]).name for image in content["images"]}
        boxes: dict[str, list[list[float]]] = {}
        for annotation in content["annotations"]:
            boxes.setdefault(names[annotation["image_id"]], []).append(annotation["bbox"])
        return {name: np.asarray(rows, np.float64).reshape(-1, 4) for name, rows in boxes.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"cannot read people's boxes from the COCO file {str(path)!r}: {error!r}"
        ) from error
