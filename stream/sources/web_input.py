"""What is at a web address, looked at where FFmpeg does not know it."""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from stream.sources.config import SourceConfig
from stream.sources.motion_jpeg import open_bytes, open_pictures
from stream.sources.network import LiveInput, Reached
from stream.sources.reasons import BusyError, NoVideoError

# A file whose connection breaks is asked for from there on, three times within two seconds; what
# has no length, and so no place to go on from, is not.
_RESUMED = {"reconnect": "1", "reconnect_delay_max": "2"}
_LOOKED_AT_BYTES = 1 << 16
_LOOK_S = 2.0  # for a second look at what has answered once
# A refusal that passes: 408 and 425 are among those that FFmpeg has one error for.
_BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_JPEG = b"\xff\xd8\xff"
_KINDS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)", re.I), "a web page"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<"), "an XML document"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*[\[{]\s*[\"{\[\]}\d]"), "JSON"),
    (
        re.compile(rb".{4}(ftyp|mdat|moof|free|wide)", re.DOTALL),
        "an MP4 without its index: it is not finished, or was cut off",
    ),
    (re.compile(rb"%PDF-"), "a PDF document"),
    (re.compile(rb"PK\x03\x04"), "a zip archive"),
    (re.compile(rb"[\t\n\f\r\x20-\x7e]+\Z"), "text"),
)


class WebInput:
    """A web address that FFmpeg can open again and again.

    MJPEG is taken apart here and not by FFmpeg, which knows one of the dialects that cameras speak
    (`image/jpeg` in every head, a boundary before the first picture).
    """

    def __init__(self, live_input: LiveInput) -> None:
        """Asks nothing yet.

        Args:
            live_input: The address, and the options that FFmpeg opens it with.
        """
        self._input = live_input
        self._is_mjpeg = False  # known from the first answer on

    @property
    def name(self) -> str:
        """For people to read, without credentials."""
        return self._input.name

    @property
    def url(self) -> str:
        """What FFmpeg opens; may have a password in it."""
        return self._input.url

    def probe(self, config: SourceConfig) -> InputContainer | None:
        """Asks what is there.

        Args:
            config: How long to wait.

        Returns:
            A file or a stream, to be read over connections that break; None for MJPEG, which has no
            end.

        Raises:
            av.FFmpegError: It cannot be reached, or what came is not known.
            NoVideoError: It is there, and no video.
            BusyError: The server wants to be asked later.
        """
        return self._open(replace(self._input, options=self._input.options | _RESUMED), config)

    def connect(self, config: SourceConfig, hardware: HWAccel | None = None) -> Reached:
        """Opens it, to be decoded by `hardware` where that can.

        Raises:
            av.FFmpegError: It cannot be reached, or what came is not known.
            NoVideoError: It is there, and no video.
            BusyError: The server wants to be asked later.
        """
        container = None if self._is_mjpeg else self._open(self._input, config, hardware)
        if container is not None:
            return Reached(container)
        timeout = (config.open_timeout_s, config.read_timeout_s)
        carrier = open_bytes(self.url, self._input.options, timeout)
        try:
            return Reached(open_pictures(carrier, timeout), carrier)
        except BaseException:
            carrier.close()
            raise

    def _open(
        self, live_input: LiveInput, config: SourceConfig, hardware: HWAccel | None = None
    ) -> InputContainer | None:
        """What FFmpeg finds; None if it is MJPEG."""
        try:
            container = live_input.connect(config, hardware).container
        except (av.InvalidDataError, av.error.ExitError):
            self._look(config)
            if not self._is_mjpeg:
                raise
            return None
        except av.error.HTTPOtherClientError:
            self._look_at_refusal(config)
            raise
        self._is_mjpeg = container.format.name == "mpjpeg"
        if not self._is_mjpeg:
            return container
        container.close()
        return None

    def _look_at_refusal(self, config: SourceConfig) -> None:
        """Raises BusyError if the refusal passes; FFmpeg keeps its number to itself."""
        import requests  # late: a tenth of a second of every start

        try:
            with requests.get(
                self.url, stream=True, timeout=min(config.open_timeout_s, _LOOK_S)
            ) as answer:
                code, text = answer.status_code, answer.reason
        except (OSError, ValueError):  # Requests' own are both
            return
        if code in _BUSY or not 400 <= code < 500:
            raise BusyError(f"the server answers {code} {text}".rstrip())

    def _look(self, config: SourceConfig) -> None:
        """Finds out what FFmpeg did not know; raises NoVideoError if asking again is no use."""
        timeout = (min(config.open_timeout_s, _LOOK_S), min(config.read_timeout_s, _LOOK_S))
        content = b""
        try:
            with open_bytes(self.url, self._input.options, timeout) as container:
                for packet in container.demux():
                    content += bytes(packet)
                    if _JPEG in content or len(content) >= _LOOKED_AT_BYTES:
                        break
        except (av.FFmpegError, OSError):
            pass  # what has come says enough, or the first error does
        for pattern, kind in _KINDS:
            if pattern.match(content):
                raise NoVideoError(f"what is there is no video but {kind}")
        self._is_mjpeg = _JPEG in content
