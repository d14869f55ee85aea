"""Pictures to time a model on: from a clip or from images, decoded in advance or while it runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from configs import DataError

_IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def read_pictures(source: Path, count: int) -> Iterator[NDArray[np.uint8]]:
    """`count` pictures (H, W, 3) uint8 BGR of a clip or a folder of images, from the beginning
    again where it is shorter.

    Raises DataError if nothing can be decoded.
    """
    left = count
    while left > 0:
        delivered = 0
        for picture in itertools.islice(
            _folder(source) if source.is_dir() else _clip(source), left
        ):
            delivered += 1
            yield picture
        if not delivered:
            raise DataError(f"no pictures in {str(source)!r}: give a clip or a folder of images")
        left -= delivered


def _folder(folder: Path) -> Iterator[NDArray[np.uint8]]:
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _IMAGES:
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is None:
                raise DataError(
                    f"cannot decode image {str(path)!r}: the file is damaged or no image"
                )
            yield picture.astype(np.uint8, copy=False)


def _clip(path: Path) -> Iterator[NDArray[np.uint8]]:
    try:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DataError(f"cannot read pictures from {str(path)!r}: {error}") from error
