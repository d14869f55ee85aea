"""Files on disk and in object stores, through fsspec: connections break, half a file is none."""

from __future__ import annotations

import logging
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from basics.atomic import atomic_path
from basics.packages import import_package
from configs import FetchError, SinkError, SourceError
from configs.errors import one_line, redact_url
from stream.backoff import backoff_s

logger = logging.getLogger(__name__)

T = TypeVar("T")

TRIES = 5
_HALF = ".half"  # how a file ends that is not complete; its name begins with a dot
_BLOCK = 8 << 20  # bytes of a remote file that are fetched together
# What asking again does not change.
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


def is_remote(address: str) -> bool:
    """Whether it is an address rather than a path: `s3://bucket/a.mp4`."""
    scheme, separator, _ = address.partition("://")
    return bool(separator) and scheme.isalnum() and scheme.lower() != "file"


def file_system(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path in it.

    Raises:
        RuntimeUnavailableError: A package for it is not installed.
        SourceError: The address is none.
    """
    fsspec = import_package("fsspec", "higherhrnet-stream[cluster]", "an archive")
    try:
        found, path = fsspec.core.url_to_fs(address, use_listings_cache=False)
    except ImportError:
        scheme = urlsplit(address).scheme
        package = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}.get(scheme)
        import_package(package or "s3fs", package or "higherhrnet-stream[cluster]", f"{scheme}://")
        raise
    except (ValueError, TypeError) as error:
        raise SourceError(f"{redact_url(address)!r} cannot be used: {one_line(error)}") from error
    return found, str(path)


def retried(call: Callable[[], T], what: str, *, first_wait_s: float = 1.0) -> T:
    """What `call` returns, asked for again while the network fails, up to five times.

    Args:
        call: Does it; may be called again after it failed half-way.
        what: What it does, for messages: `fetch 's3://...'`.
        first_wait_s: About how long to wait before the second try.

    Raises:
        FetchError: It failed each time; or asking again changes nothing.
    """
    for attempt in range(TRIES):
        try:
            return call()
        except _FINAL as error:
            raise FetchError(f"cannot {what}: {_said(error)}") from error
        except Exception as error:  # each store has errors of its own, many of them no OSError
            if attempt == TRIES - 1:
                raise FetchError(f"cannot {what}: {_said(error)} ({TRIES} tries)") from error
            logger.warning("cannot %s, trying again: %s", what, _said(error))
            time.sleep(first_wait_s * 2 * backoff_s(attempt, random.random()))
    raise AssertionError("not reached")


def _said(error: Exception) -> str:
    text = redact_url(one_line(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class RemoteFile:
    """A file in a store, to be read anywhere in it; a connection that breaks is made again.

    Args:
        address: Of the file.

    Raises:
        FetchError: It is not there, or cannot be reached.
        SourceError: It has no length, so that there is no going on in the middle of it.
    """

    def __init__(self, address: str) -> None:
        self.name = redact_url(address)
        self._what = f"read {self.name!r}"
        self._system, self._path = file_system(address)
        info = retried(lambda: self._system.info(self._path), self._what)
        size = info.get("size")
        if size is None:
            raise SourceError(
                f"cannot {self._what} in parts: its server does not say how long it is"
            )
        self._size = int(size)
        self._position = 0
        self._blocks: dict[int, bytes] = {}

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; empty at the end.

        Raises:
            FetchError: They cannot be fetched.
        """
        rest = self._size - self._position
        size = rest if size < 0 else min(size, rest)
        pieces = []
        while size > 0:
            number, begin = divmod(self._position, _BLOCK)
            piece = self._block(number)[begin : begin + size]
            if not piece:
                raise FetchError(f"cannot {self._what}: it became shorter meanwhile")
            pieces.append(piece)
            self._position += len(piece)
            size -= len(piece)
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves to a place, as files do; returns it."""
        self._position = max(0, offset + (0, self._position, self._size)[whence])
        return self._position

    def tell(self) -> int:
        """Where it is."""
        return self._position

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            begin = number * _BLOCK
            end = min(begin + _BLOCK, self._size)
            found = retried(lambda: self._fetch(begin, end), self._what)
            while len(self._blocks) > 3:  # the index at one end, frames and sound elsewhere
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[number] = found
        return self._blocks[number]

    def _fetch(self, begin: int, end: int) -> bytes:
        found = bytes(self._system.cat_file(self._path, start=begin, end=end))
        if len(found) != end - begin:
            raise OSError(f"{len(found)} of {end - begin} bytes came")
        return found


@contextmanager
def fetched(address: str, folder: Path) -> Iterator[Path]:
    """A path at which the whole of a file can be read, within the block; what is wrong with what is
    in it is told of the address.

    Args:
        address: A path, which is given back as it is; or an address, which is fetched.
        folder: Where what is fetched lies meanwhile.

    Raises:
        FetchError: It cannot be fetched.
        SourceError: As in the block.
    """
    if not is_remote(address):
        yield Path(address)
        return
    system, path = file_system(address)
    local = folder / PurePosixPath(urlsplit(address).path).name
    what = f"fetch {redact_url(address)!r}"

    def fetch() -> None:
        size = system.info(path).get("size")
        system.get_file(path, str(local))
        if size is not None and local.stat().st_size != size:
            raise OSError(f"{local.stat().st_size} of {size} bytes came")

    try:
        retried(fetch, what)
        yield local
    except SourceError as error:
        raise type(error)(str(error).replace(str(local), redact_url(address))) from error
    finally:
        local.unlink(missing_ok=True)


class Folder:
    """A folder on disk or in a store, whose files appear whole or not at all.

    Args:
        address: Path, or address such as `s3://bucket/people`; need not be there yet.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.local = None if is_remote(address) else Path(address)
        self._system: Any = None
        self._root = ""
        if self.local is None:
            self._system, root = file_system(address)
            self._root = root.rstrip("/")

    def publish(self, file: Path, name: str) -> int:
        """Makes a finished file appear under `name`, in place of an older one.

        Args:
            file: On this machine; may be moved away.
            name: Relative to the folder.

        Returns:
            Its bytes.

        Raises:
            SinkError: It cannot be written.
        """
        size = file.stat().st_size
        if self.local is not None:
            with atomic_path(self.local / name, durable=True, suffix=_HALF) as temporary:
                file.replace(temporary) if _same_disk(file, temporary) else shutil.copyfile(
                    file, temporary
                )
            return size
        target = f"{self._root}/{name}"

        def put() -> None:
            self._system.put_file(str(file), target)
            found = self._system.info(target)["size"]
            if found != size:
                raise OSError(f"{found} of {size} bytes arrived")

        self._write(put, name)
        return size

    def write(self, name: str, content: bytes) -> None:
        """Writes a small file, in place of an older one.

        Raises:
            SinkError: It cannot be written.
        """
        if self.local is not None:
            with atomic_path(self.local / name, durable=True, suffix=_HALF) as temporary:
                temporary.write_bytes(content)
            return
        self._write(lambda: self._system.pipe_file(f"{self._root}/{name}", content), name)

    def read(self, names: list[str]) -> dict[str, bytes]:
        """The contents of small files by name, without those that are not there.

        Raises:
            FetchError: They cannot be read.
        """
        if self.local is not None:
            return {
                name: path.read_bytes() for name in names if (path := self.local / name).is_file()
            }
        if not names:
            return {}
        paths = {f"{self._root}/{name}": name for name in names}
        found = retried(
            lambda: self._system.cat(list(paths), on_error="return"), f"read {self._shown()}"
        )
        if not isinstance(found, dict):
            found = {next(iter(paths)): found}
        for path, content in found.items():
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                raise FetchError(f"cannot read {path!r}: {_said(content)}") from content
        return {
            paths[path]: content for path, content in found.items() if isinstance(content, bytes)
        }

    def names(self) -> set[str]:
        """All files in it and below, relative to it.

        Raises:
            FetchError: They cannot be listed.
        """
        if self.local is not None:
            root = self.local
            return {
                path.relative_to(root).as_posix()
                for path in root.rglob("*")
                if path.is_file() and not _is_half(path)
            }
        found = retried(lambda: self._find(), f"list {self._shown()}")
        return {path.removeprefix(f"{self._root}/") for path in found}

    def clean(self) -> None:
        """Removes what killed processes left half-written; only while no other writes here."""
        if self.local is not None:
            for path in self.local.rglob(f".*{_HALF}"):
                path.unlink(missing_ok=True)

    def remove(self, names: list[str]) -> None:
        """Removes files; one that is not there is none.

        Raises:
            SinkError: They cannot be removed.
        """
        if self.local is not None:
            for name in names:
                (self.local / name).unlink(missing_ok=True)
            return
        for name in names:

            def remove(path: str = f"{self._root}/{name}") -> None:
                if self._system.exists(path):
                    self._system.rm_file(path)

            self._write(remove, name)

    def address_of(self, name: str) -> str:
        """Path or address of a file in it."""
        if self.local is not None:
            return str(self.local / name)
        return f"{self.address.rstrip('/')}/{name}"

    def _find(self) -> list[str]:
        try:
            return [str(path) for path in self._system.find(self._root)]
        except FileNotFoundError:
            return []

    def _write(self, call: Callable[[], None], name: str) -> None:
        try:
            retried(call, f"write {redact_url(self.address_of(name))!r}")
        except FetchError as error:
            raise SinkError(str(error)) from error

    def _shown(self) -> str:
        return repr(redact_url(self.address))


def _is_half(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix == _HALF


def _same_disk(file: Path, other: Path) -> bool:
    return file.stat().st_dev == other.stat().st_dev
