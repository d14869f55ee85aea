"""COCO results: the array that pycocotools and every COCO tool read."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from basics.atomic import Successor, check_writable
from configs.errors import SinkError
from grouping import People
from keypoint_datasets import read_image_ids
from keypoint_datasets.images import is_image
from keypoint_datasets.results import to_results
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.claims import Claim, claim_file
from stream.sinks.files import check_output, end_successor, sink_error
from stream.sinks.json_lines import known_ids, to_json

logger = logging.getLogger(__name__)

_END = b"\n]\n"
_NUMBER = re.compile(r"[0-9]{1,15}")


class CocoResultsSink:
    """Writes one person per line, as `keypoint_datasets.to_results` has them; people who are known
    have a `track_id`.

    `image_id` is the number of the frame. Where the source is several files, `file_name` is the
    file, and a picture whose name is a number, as in COCO, has that for its `image_id`. With labels
    it is the id that they give the picture; people of pictures that are not among them are left
    out, for evaluators refuse them.

    The bracket that closes the array is there after every frame, so that the file is valid JSON at
    any moment. An older file of that name stays until this one is closed with frames in it.
    """

    needs_image = False
    resumable = True

    def __init__(self, path: str, labels: Path | None = None) -> None:
        """Nothing is created yet.

        Args:
            path: The file.
            labels: A COCO file that has the ids of the pictures.

        Raises:
            DataError: The labels cannot be read.
        """
        self.label = path
        self._labels = labels
        self._ids = None if labels is None else read_image_ids(labels)
        self._strangers = 0
        self._path = Path(path)
        self._source = ""
        self._file: BinaryIO | None = None
        self._successor: Successor | None = None
        self._end = 0
        self._first = True
        self._frames = 0
        self._complete = False

    def claims(self) -> list[Claim]:
        """The file.

        Raises:
            SinkError: The file could not be written.
        """
        check_writable(self._path)
        return [claim_file(self._path)]

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Creates the file with an empty array.

        Raises:
            SinkError: The file cannot be created.
        """
        check_output(self._path, source)
        self._source = source.name
        self._begin()

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Appends the people of one frame.

        Raises:
            SinkError: The people did not go in; the array then ends before them.
        """
        file = self._file or self._open_again()
        several = frame.source != self._source
        if self._ids is not None:
            image_id = _id_among(self._ids, frame.source)
        else:
            image_id = _image_id(frame) if several else frame.index
        if image_id is None:
            self._leave_out(frame)
            return
        results = to_results(people.keypoints, people.scores, image_id)
        if several:
            results = [{**result, "file_name": Path(frame.source).name} for result in results]
        for result, identity in zip(results, known_ids(people) or (), strict=False):
            if identity is not None:
                result["track_id"] = identity
        lines = ",\n".join(map(to_json, results)).encode()
        if not lines:
            self._complete = True
            self._frames += 1
            return
        self._complete = False
        addition = (b"\n" if self._first else b",\n") + lines
        rest = memoryview(addition + _END)
        try:
            if self._successor is not None:
                self._successor.check()
            file.seek(self._end)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            with suppress(OSError):
                file.truncate(self._end)
                file.seek(self._end)
                file.write(_END)  # fits: these bytes were there a moment ago
            self._give_back()
            raise sink_error(self._path, error) from error
        self._end += len(addition)
        self._first = False
        self._complete = True
        self._frames += 1

    def _begin(self) -> BinaryIO:
        """Creates the file with an empty array."""
        try:
            self._successor = Successor(self._path)
            self._file = cast(BinaryIO, self._successor.path.open("wb", buffering=0))
            rest = memoryview(b"[" + _END)
            while rest:  # on a full disk a part goes in without a word
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._give_back()
            raise sink_error(self._path, error) from error
        self._end, self._first = 1, True
        return self._file

    def _open_again(self) -> BinaryIO:
        """Goes on behind what is whole, or in a new file where that is gone: a disk that was away
        gives another one.
        """
        if self._successor is None:
            raise SinkError(f"cannot write {str(self._path)!r}: it is not open")
        try:
            self._successor.check()
            self._file = cast(BinaryIO, self._successor.path.open("r+b", buffering=0))
        except FileNotFoundError:
            return self._begin()
        except OSError as error:
            raise sink_error(self._path, error) from error
        return self._file

    def _give_back(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()

    def _leave_out(self, frame: Frame) -> None:
        self._strangers += 1
        if self._strangers == 1:
            logger.warning(
                "%s: %r is not among the images of %r; people of such pictures are left out",
                *(self._path, frame.source, str(self._labels)),
            )

    def close(self) -> None:
        """Finishes the file; a second call does nothing.

        Raises:
            SinkError: The file cannot take the place of an older one.
        """
        self._end_file(complete=self._complete, empty_too=True)

    def abandon(self) -> None:
        """Instead of `close`, where the run failed: an older file stays, what went in lies beside
        it, and a file without frames goes.
        """
        self._end_file(complete=False, empty_too=False)

    def _end_file(self, *, complete: bool, empty_too: bool) -> None:
        self._give_back()
        successor, self._successor = self._successor, None
        if successor is not None:
            name, frames = str(self._path), self._frames
            end_successor(successor, name, complete=complete, frames=frames, empty_too=empty_too)


def _image_id(frame: Frame) -> int:
    """The number that is the name of a picture; that of the frame where it has no such name."""
    path = Path(frame.source)
    return int(path.stem) if is_image(path.name) and _NUMBER.fullmatch(path.stem) else frame.index


def _id_among(ids: dict[str, int], source: str) -> int | None:
    """The id of a picture by as much of its path as the labels have."""
    parts = Path(source).parts
    names = (str(Path(*parts[begin:])) for begin in range(len(parts)))
    return next((ids[name] for name in names if name in ids), None)
