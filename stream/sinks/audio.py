"""The audio of the source, copied into a video output packet for packet, without decoding."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from stream.sinks.containers import OUTPUT_ERRORS

logger = logging.getLogger(__name__)


class AudioCopy:
    """Copies the first audio stream of the file at `path` into a container, in step with the video.

    A file that cannot be read, or a container that cannot carry the codec, costs the audio, said
    aloud, and never the video. Packets that begin before `begin_s`, in seconds of the source's
    clock, are left out; `origin_s` is taken off the others.
    """

    def __init__(
        self, path: str | None, *, origin_s: Fraction = Fraction(0), begin_s: Fraction | None = None
    ) -> None:
        self._path = path
        self._input: Any = None
        self._source: Any = None
        self._stream: Any = None
        self._packets: Iterator[Any] = iter(())
        self._next: Any = None
        self._origin_s = origin_s
        self._begin_s = begin_s
        if path is None:
            return
        try:
            self._input = av.open(path)
            self._source = self._input.streams.audio[0]
            if begin_s is not None:
                self._input.seek(int(begin_s * av.time_base))
            self._packets = self._input.demux(self._source)
        except (*OUTPUT_ERRORS, IndexError) as error:
            self._leave_out(error)

    @property
    def found(self) -> bool:
        """Whether there is audio to copy."""
        return self._input is not None

    def add_to(self, container: Any) -> None:
        """Adds the stream to `container`, before anything is written."""
        if not self.found:
            return
        try:
            self._stream = container.add_stream_from_template(self._source, opaque=True)
        except (*OUTPUT_ERRORS, ValueError) as error:
            self._leave_out(error)
            return
        self._advance()

    def copy_until(self, container: Any, time_s: Fraction | None) -> None:
        """Muxes the packets that begin before `time_s`, all that are left where it is None."""
        while self._next is not None and (
            time_s is None or self._next.dts * self._next.time_base < time_s
        ):
            self._next.stream = self._stream
            container.mux(self._next)
            self._advance()

    def close(self) -> None:
        """Gives the input back; a second call does nothing."""
        self._next = None
        if self._input is not None:
            self._input.close()
            self._input = None

    def _leave_out(self, error: Exception) -> None:
        logger.warning("the audio of %r is left out: %s", self._path, error)
        self.close()

    def _advance(self) -> None:
        self._next = None
        try:
            for packet in self._packets:
                if packet.dts is None or packet.pts is None:
                    continue
                if self._begin_s is not None and packet.pts * packet.time_base < self._begin_s:
                    continue
                shift = round(self._origin_s / packet.time_base)
                packet.dts -= shift
                packet.pts -= shift
                self._next = packet
                return
        except OUTPUT_ERRORS as error:
            logger.warning("the audio ends early: %s", error)
