"""Found people as COCO results, the format that every COCO evaluator and the COCO server read."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs import SinkError
from grouping import People

Result = dict[str, Any]


def to_results(people: People, image_id: int, category_id: int) -> list[Result]:
    """One COCO result a person; `people` are in pixels of the image.

    Coordinates are rounded to 1/100 pixel. A missing joint is 0, 0, 0. The box is the extent of the
    joints that were found: the evaluator takes a result's area from it, so that missing joints do
    not make a person large.
    """
    keypoints = np.where(people.keypoints[:, :, 2:] > 0, people.keypoints, 0).astype(np.float64)
    keypoints[:, :, :2] = keypoints[:, :, :2].round(2)
    keypoints[:, :, 2] = keypoints[:, :, 2].round(5)
    boxes = people.boxes.astype(np.float64).round(2)
    return [
        {
            "image_id": image_id,
            "category_id": category_id,
            "keypoints": keypoints[person].reshape(-1).tolist(),
            # json refuses numpy's float32 (reference 6.1)
            "score": float(people.scores[person]),
            "bbox": boxes[person].tolist(),
        }
        for person in range(len(people))
    ]


def write_results(path: Path, results: Sequence[Result]) -> None:
    """Writes a COCO results array, whole or not at all. Raises SinkError if it cannot be written."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(results), encoding="utf-8")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well; what was there
    stays if it does not.

    Raises SinkError for anything that the file system refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise SinkError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_writable(*paths: Path | None) -> None:
    """Raises SinkError now for a path that could not be written after minutes of work; creates
    nothing.
    """
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise SinkError(f"cannot write {str(path)!r}: it is a folder; give a file name")
        if not path.parent.is_dir():
            raise SinkError(
                f"cannot write {str(path)!r}: the folder {str(path.parent)!r} does not exist; "
                "create it first"
            )
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise SinkError(f"cannot write {str(path)!r}: permission denied; choose another place")
