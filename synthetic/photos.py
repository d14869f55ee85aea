"""Photographs for backgrounds, from folders, zip archives and scikit-image's CC0 textures, and
crops of them.
"""

from __future__ import annotations

import importlib.util
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import DataError, RuntimeUnavailableError

Image = NDArray[np.uint8]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_TEXTURES = ("brick.png", "grass.png", "gravel.png")  # CC0, per scikit-image's data/README.txt
_TRIES = 30
_SMALLEST_CROP_PX = 128
_MARGIN_PX = 12
"""How far a crop stays away from annotated people: boxes are often a little tight."""


@dataclass
class PhotoLibrary:
    """Photographs by name, read when they are asked for; keeps archives open until it is closed.

    `people` maps a file's name to boxes (k, 4) x, y, width, height that crops keep clear of.
    """

    files: list[tuple[Path, str]]
    people: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _archives: dict[Path, zipfile.ZipFile] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, sources: tuple[str, ...], annotations: tuple[str, ...] = ()) -> PhotoLibrary:
        """All pictures in `sources` (folders, zip archives, single files).

        annotations are COCO files that say where people are in them. Raises DataError for a source
        that is missing, damaged or without pictures.
        """
        files: list[tuple[Path, str]] = []
        for source in sources:
            found = _list(Path(source))
            if not found:
                raise DataError(f"no pictures ({', '.join(_SUFFIXES)}) in {source!r}")
            files += found
        people: dict[str, NDArray[np.float64]] = {}
        for path in annotations:
            people.update(_read_boxes(Path(path)))
        return cls(files, people)

    @classmethod
    def textures(cls) -> PhotoLibrary:
        """scikit-image's brick, grass and gravel; RuntimeUnavailableError where it is not
        installed.
        """
        package = importlib.util.find_spec("skimage")
        if package is None or package.origin is None:
            raise RuntimeUnavailableError(
                "textures come with scikit-image, which is not installed; run `pip install "
                "higherhrnet-stream[synthetic]`"
            )
        folder = Path(package.origin).parent / "data"
        return cls([(folder / name, "") for name in _TEXTURES])

    def __len__(self) -> int:
        return len(self.files)

    def __enter__(self) -> PhotoLibrary:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for archive in self._archives.values():
            archive.close()
        self._archives.clear()

    def read(self, index: int) -> Image:
        """A whole photograph (h, w, 3) RGB; raises DataError if it cannot be decoded."""
        path, member = self.files[index]
        try:
            if member:
                if path not in self._archives:
                    self._archives[path] = zipfile.ZipFile(path)
                content = self._archives[path].read(member)
            else:
                content = path.read_bytes()
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot read {str(path)!r} {member}: {error}".rstrip()) from error
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(
                f"{member or str(path)!r} is not a picture that OpenCV can read; take it out of "
                "the backgrounds"
            )
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def crop(
        self, height: int, width: int, rng: np.random.Generator, largest: float = 1.0
    ) -> Image:
        """A random, perhaps mirrored part of a random photograph without people, resized to
        (height, width, 3) RGB.

        Raises DataError if no photograph has enough room beside its people.
        """
        for _ in range(_TRIES):
            index = int(rng.integers(len(self.files)))
            image = self.read(index)
            path, member = self.files[index]
            window = self._window(image, width / height, Path(member or path).name, largest, rng)
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


def _list(source: Path) -> list[tuple[Path, str]]:
    if source.is_dir():
        return [
            (path, "") for path in sorted(source.rglob("*")) if path.suffix.lower() in _SUFFIXES
        ]
    if source.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(source) as archive:
                return [
                    (source, name)
                    for name in sorted(archive.namelist())
                    if name.lower().endswith(_SUFFIXES)
                ]
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot open the archive {str(source)!r}: {error}") from error
    if not source.exists():
        raise DataError(
            f"no backgrounds at {str(source)!r}: give a folder, a zip archive or a picture"
        )
    return [(source, "")] if source.suffix.lower() in _SUFFIXES else []


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
