"""Several sources opened side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stream.sources.address import open_source
from stream.sources.base import Source
from stream.sources.config import SourceConfig

_LOOK_S = 0.02


@contextmanager
def open_sources(
    specs: Sequence[str], config: SourceConfig | None = None
) -> Iterator[list[Source]]:
    """The sources that `specs` name, open, in that order; closed at the end of the block.

    Each is opened in a thread of its own: a web address that does not answer takes its whole
    time-out to say whether it is a file or a camera, and five of them shall not take five. Raises
    SourceError as soon as one cannot be used.
    """
    sources = [open_source(spec, config) for spec in specs]
    errors: dict[int, BaseException] = {}

    def enter(index: int) -> None:
        try:
            sources[index].open()
        except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
            errors[index] = error

    threads = [
        threading.Thread(target=enter, args=(index,), name=f"open {source.name}", daemon=True)
        for index, source in enumerate(sources)
    ]
    try:
        for thread in threads:
            thread.start()
        while not errors and any(thread.is_alive() for thread in threads):
            time.sleep(_LOOK_S)
        if errors:
            raise errors[min(errors)]
        yield sources
    finally:
        for source in sources:
            source.close()
