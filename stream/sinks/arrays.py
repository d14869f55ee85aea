"""NumPy arrays of a whole run in one `.npz`."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from basics.atomic import (
    atomic_path,
    check_writable,
    is_locked,
    lock_file,
    partial_path,
    reserve_path,
)
from configs.errors import SinkError, one_line
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.claims import Claim, claim_file, claim_names
from stream.sinks.files import check_output, sink_error
from stream.sinks.json_lines import header

logger = logging.getLogger(__name__)

# One row per frame, then one row per person, then the names of files, one per line, as JSON.
_OF_FRAMES: dict[str, str] = {
    "frame": "<i8",
    "time_s": "<f8",
    "latency_ms": "<f4",
    "people": "<i4",
    "size": "<i4",
    "epoch": "<i4",
    "file_index": "<i4",
}
_COLUMNS: dict[str, str] = {
    **_OF_FRAMES,
    "files": "|u1",
    "keypoints": "<f4",
    "scores": "<f4",
    "ids": "<i8",
}


class ArraysSink:
    """Writes `path` when the run ends: `np.load(path)` then gives, for N frames with M people of J
    joints altogether,

    frame (N,) int64, time_s (N,) float64, latency_ms (N,) float32, people (N,) int32 people in the
    frame, size (N, 2) int32 width and height in pixels, epoch (N,) int32 reconnections,
    file_index (N,) int32 which of files (F,) str it is in,
    keypoints (M, J, 3) float32 x, y, score in frame order, scores (M,) float32, ids (M,)
    int64 (-1 for people who are not known, and where nobody is tracked), and header () a JSON text.

    Until then the columns grow in the folder `.NAME.columns` beside it. From those of a killed run
    the next one makes `NAME.partial.npz` before it begins, and `assemble` the file. Where there is
    an older file, what a failed run found lies beside it under such a name.
    """

    needs_image = False
    resumable = True

    def __init__(self, path: str) -> None:
        self.label = path
        self._path = Path(path)
        self._files: dict[str, BinaryIO] = {}
        self._sizes: dict[str, int] = {}  # of what is whole
        self._numbers: dict[str, int] = {}  # of the files
        self._began: tuple[SourceInfo, RunInfo] | None = None
        self._complete = False
        self._lock: int | None = None  # tells other runs that this one is at it

    def claims(self) -> list[Claim]:
        """The file, and its columns.

        Raises:
            SinkError: The file could not be written.
        """
        check_writable(self._path)
        columns = columns_folder(self._path)
        return [claim_file(self._path), claim_names(columns, ".*", str(self._path))]

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Creates the folder of columns; what a killed run left in it becomes a file.

        Raises:
            SinkError: The folder of columns cannot be created, that file cannot be written, or
                another run is writing it.
        """
        check_output(self._path, source)
        folder = columns_folder(self._path)
        self._check_alone(folder)
        self._rescue()
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "header.json").write_text(json.dumps(header(source, run)), encoding="utf-8")
            self._lock = lock_file(folder / "header.json")
            for name in _COLUMNS:
                self._files[name] = (folder / name).open("wb", buffering=0)
        except OSError as error:
            self._give_back()
            self._remove_columns()
            raise sink_error(self._path, error) from error
        self._began = source, run
        self._sizes = dict.fromkeys(_COLUMNS, 0)
        self._numbers = {}

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Appends one frame to the columns, all of it or nothing.

        Raises:
            SinkError: The frame did not go into the columns.
        """
        if not self._files and self._began is not None:
            self.open(*self._began)  # in columns of its own: those before were removed
        if not self._files:
            raise SinkError(f"cannot write {str(self._path)!r}: it is not open")
        number = self._numbers.get(frame.source, len(self._numbers))
        new = number == len(self._numbers)
        name_line = json.dumps(frame.source).encode() + b"\n" if new else b""
        rows: dict[str, Any] = {
            "keypoints": people.keypoints,
            "scores": people.scores,
            "ids": np.full(len(people), -1) if people.ids is None else people.ids,
            "people": len(people),
            "size": frame.image.shape[1::-1],
            "epoch": frame.epoch,
            "files": np.frombuffer(name_line, np.uint8),
            "file_index": number,
            "time_s": frame.time_s,
            "latency_ms": latency_ms,
            "frame": frame.index,  # last: a frame counts once it is here
        }
        self._complete = False
        sizes = dict(self._sizes)
        try:
            self._check_columns()
            for name, row in rows.items():
                content = np.ascontiguousarray(row, _COLUMNS[name]).tobytes()
                if self._files[name].write(content) != len(content):
                    raise OSError("No space left on device")
                sizes[name] += len(content)
        except OSError as error:
            self._cut_off()
            raise sink_error(self._path, error) from error
        self._numbers[frame.source] = number
        self._sizes = sizes
        self._complete = True

    def close(self) -> None:
        """Makes the file from the columns.

        Raises:
            SinkError: The file cannot be made; the columns then stay.
        """
        self._began = None
        if not self._give_back():
            return
        if self._complete or not self._path.exists():
            assemble(self._path)
        elif self._sizes["frame"]:
            self._keep_older()
        else:
            self._remove_columns()

    def abandon(self) -> None:
        """Instead of `close`, where the run failed: an older file stays, what went in lies beside
        it, and without frames there is no file.
        """
        self._began = None
        if not self._give_back():
            return
        if not self._sizes["frame"]:
            self._remove_columns()
        elif self._path.exists():
            self._keep_older()
        else:
            assemble(self._path)

    def _check_alone(self, folder: Path) -> None:
        if is_locked(folder / "header.json"):
            raise SinkError(
                f"cannot write {str(self._path)!r}: another run is writing it; give one of them "
                "another name"
            )

    def _rescue(self) -> None:
        """Makes a file of columns that a killed run left."""
        folder = columns_folder(self._path)
        try:
            if not (folder / "frame").stat().st_size:
                return
        except OSError:  # there are none
            return
        try:
            place = self._set_aside()  # not `path`, which this run is going to replace
        except _DamagedError as error:
            logger.warning("what a killed run wrote is lost: %s", error)
            return
        logger.warning("what a killed run wrote is in %r", str(place))

    def _keep_older(self) -> None:
        logger.warning(
            "%r is the older file still: the new one is incomplete, and lies in %r",
            str(self._path),
            str(self._set_aside()),
        )

    def _set_aside(self) -> Path:
        """Makes the file from the columns beside an older one; returns where."""
        try:
            place = reserve_path(partial_path(self._path))
        except OSError as error:
            raise sink_error(self._path, error) from error
        try:
            assemble(self._path, place)
        except SinkError:
            place.unlink(missing_ok=True)  # empty
            raise
        return place

    def _cut_off(self) -> None:
        """Takes out what only went in half, so that a next frame is joined to what is whole."""
        for name, file in self._files.items():
            with suppress(OSError):
                file.truncate(self._sizes[name])
                file.seek(self._sizes[name])

    def _check_columns(self) -> None:
        """Raises OSError where they were removed: no `write` would say so."""
        folder = columns_folder(self._path)
        if not folder.exists():
            self._give_back()
            raise FileNotFoundError(errno.ENOENT, f"{str(folder)!r} was removed")

    def _give_back(self) -> bool:
        """Closes the columns; whether there were any."""
        files, self._files = self._files, {}
        for file in files.values():
            file.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
        return bool(files)

    def _remove_columns(self) -> None:
        shutil.rmtree(columns_folder(self._path), ignore_errors=True)


class _DamagedError(SinkError):
    """Columns that no file can be made of."""


def columns_folder(path: Path) -> Path:
    """Where the columns of `path` grow during the run."""
    return path.with_name(f".{path.name}.columns")


def assemble(path: Path, place: Path | None = None) -> None:
    """Makes `path` from its columns, as far as they are whole, and removes them.

    Args:
        path: What the columns are called after.
        place: Where the file is made; `path` itself by default.

    Raises:
        SinkError: There are no columns that can be read, or the file cannot be written.
    """
    folder = columns_folder(path)
    try:
        head = json.loads((folder / "header.json").read_text(encoding="utf-8"))
        joints = len(head["keypoint_names"])
        columns = {name: _read_column(folder / name, kind) for name, kind in _COLUMNS.items()}
        names = columns.pop("files").tobytes().decode().splitlines()
        columns["size"] = columns["size"][: len(columns["size"]) // 2 * 2].reshape(-1, 2)
        frames = min(len(columns[name]) for name in _OF_FRAMES)
        people = int(columns["people"][:frames].sum())
        columns["keypoints"] = columns["keypoints"][: people * joints * 3].reshape(
            people, joints, 3
        )
        for name in ("scores", "ids"):
            columns[name] = columns[name][:people]
        for name in _OF_FRAMES:
            columns[name] = columns[name][:frames]
        columns["files"] = np.array([json.loads(name) for name in names], str)
        with atomic_path(place or path) as part, part.open("wb") as file:
            np.savez(file, header=np.array(json.dumps(head)), **columns)  # type: ignore[arg-type]
    except OSError as error:
        kept = f"; what was found stays in {str(folder)!r}" if folder.is_dir() else ""
        raise SinkError(f"{sink_error(path, error)}{kept}") from error
    except (KeyError, ValueError) as error:  # after a power cut, what was in no cache is there
        raise _DamagedError(
            f"cannot write {str(path)!r}: {str(folder)!r} is damaged ({one_line(error)})"
        ) from error
    shutil.rmtree(folder, ignore_errors=True)


def _read_column(path: Path, kind: str) -> NDArray[Any]:
    dtype = np.dtype(kind)
    count = path.stat().st_size // dtype.itemsize
    # Mapped, not read: a day of people does not fit into memory.
    return np.memmap(path, dtype, "r", shape=(count,)) if count else np.empty(0, dtype)
