"""Sources that are open within a block, several side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stream.sources.base import Source
from stream.sources.config import SourceConfig
from stream.sources.making import make_source

_LOOK_S = 0.02


@contextmanager
def open_source(spec: str, config: SourceConfig | None = None) -> Iterator[Source]:
    """The source that `spec` names, open; closed at the end of the block.

        with open_source("clip.mp4") as source:
            for frame in source:
                ...

    Args:
        spec: A video, an image, a folder, a camera number, an address, ...: see `make_source`.
        config: How cameras and network streams are opened.

    Yields:
        The source. A live one is reached by its first frame.

    Raises:
        SourceError: It cannot be used.
    """
    with make_source(spec, config) as source:
        yield source


@contextmanager
def open_sources(
    specs: Sequence[str], config: SourceConfig | None = None
) -> Iterator[list[Source]]:
    """The sources that `specs` name, open, in that order; closed at the end of the block.

    Args:
        specs: As for `open_source`.
        config: How cameras and network streams are opened.

    Yields:
        The sources. Live ones are reached by their first frame.

    Raises:
        SourceError: One of them cannot be used; told without waiting for the others.
    """
    sources = [make_source(spec, config) for spec in specs]
    with opened(sources):
        yield sources


@contextmanager
def opened(sources: Sequence[Source]) -> Iterator[None]:
    """Opens the sources side by side, and closes them at the end of the block.

    Each is opened in a thread of its own: a web address that does not answer takes its whole
    time-out to say whether it is a file or a camera, and five of them shall not take five. Raises
    SourceError as soon as one cannot be used.
    """
    errors: dict[int, BaseException] = {}
    left = threading.Event()

    def enter(index: int) -> None:
        try:
            sources[index].open()
        except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
            errors[index] = error
        if left.is_set():  # another one could not be used, and nobody waited
            sources[index].close()

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
        yield
    finally:
        left.set()
        for source in sources:
            source.close()
