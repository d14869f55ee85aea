"""HTTP(S): a file on a server, read to its end, or a stream that never ends."""

from __future__ import annotations

import time

import av
from av.container import InputContainer

from configs import SourceError
from stream.frame import Frame, FrameStamp, SourceInfo
from stream.sources.base import Source
from stream.sources.config import SourceConfig
from stream.sources.file import FileSource
from stream.sources.live import LiveSource
from stream.sources.network import LiveInput
from stream.sources.reasons import explain
from stream.sources.web_input import WebInput


class WebSource(Source):
    """What is at a web address. One that announces its length is read like a file: every frame,
    once, and no faster than asked.

    Everything else (MJPEG, live HLS, an address that does not answer yet) is a LiveSource. Which it
    is can only be known by asking, so `live` holds once the source is open.
    """

    def __init__(self, live_input: LiveInput, config: SourceConfig) -> None:
        super().__init__()
        self.name = live_input.name
        self.live = True
        self._input = WebInput(live_input)
        self._config = config
        self._source: Source = LiveSource(self._input, config)
        self.health = self._source.health

    @property
    def info(self) -> SourceInfo | None:
        return self._source.info

    def open(self) -> None:
        """Asks once.

        Raises:
            SourceError: Asking again would change nothing.
        """
        self._source.open()
        began_s = time.monotonic()
        try:
            container = self._input.probe(self._config)
        except (av.FFmpegError, OSError, ValueError) as error:
            waited_s = time.monotonic() - began_s
            reason = explain(
                error, waited_s=waited_s, limit_s=self._config.open_timeout_s, url=self._input.url
            )
            if reason.final or self._config.reconnect == 0:
                raise SourceError(f"cannot read {self.name!r}: {reason.text}") from error
            return
        if container is None:
            return
        if container.duration or _is_picture(container):
            self._use(container)
        else:
            container.close()

    def grab(self) -> FrameStamp | None:
        return self._source.grab()

    def retrieve(self, frame: Frame) -> None:
        self._source.retrieve(frame)

    def interrupt(self) -> None:
        self._source.interrupt()

    def close(self) -> None:
        self._source.close()

    def _use(self, container: InputContainer) -> None:
        self._source = FileSource(
            self.name, self._config, name=self.name, connect=lambda: container
        )
        self._source.open()
        self.live = self._source.live
        self.health = self._source.health


def _is_picture(container: InputContainer) -> bool:
    """Whether it is one picture, as `photo.jpg` is."""
    name = container.format.name
    return name == "image2" or name.endswith("_pipe")
