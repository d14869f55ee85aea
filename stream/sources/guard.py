"""Closing something that another thread may be using."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType


class Guard:
    """Calls `release` once after `close`, but never while a thread is inside the block `with
    guard:`; that thread does it then.

    FFmpeg must not lose a container under a call that is reading it, and such a call may take as
    long as a time-out.
    """

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Releases now, or as soon as nobody is inside."""
        self._closed = True
        self._release_if_free()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()
        if (
            self._closed
        ):  # looked at after the lock is free: whoever closes in between finds it free
            self._release_if_free()

    def _release_if_free(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                # Forgotten: it belongs to our owner, and the circle would keep a decoder until the
                # next full collection.
                release, self._release = self._release, _nothing
                release()
            finally:
                self._lock.release()


def _nothing() -> None:
    pass
