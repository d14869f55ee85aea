"""The sink behind the page."""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.errors import PoseStreamError
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import Controls, RunInfo
from stream.sinks.browser.config import BrowserConfig, parse_address
from stream.sinks.browser.server import PageServer, Shown, join_server, leave_server
from stream.sinks.browser.view import View
from stream.sinks.files import sink_error
from stream.sinks.json_lines import frame_record, to_json
from stream.sinks.video import VideoSink
from stream.sinks.video_config import VideoConfig

_LOG = logging.getLogger(__name__)


class BrowserSink:
    """Shows a source on the page at `url` (`http://HOST:PORT/LABEL`); sources with the same address
    share the page.

    `write` copies the image if somebody is watching and returns; clients, however slow, get the
    latest one from there. Raises ConfigError for an address that cannot be served at.
    """

    def __init__(
        self, url: str, options: BrowserConfig | None = None, video: VideoConfig | None = None
    ) -> None:
        self._options = options or BrowserConfig()
        self._video = replace(video or VideoConfig(), segment=None)
        self._address = parse_address(url, self._options)
        self._server: PageServer | None = None
        self._shown: Shown | None = None
        self._controls: Controls | None = None
        self._recorder: VideoSink | None = None

    @property
    def needs_image(self) -> bool:
        """Whether anybody watches or records; before it is open, always, so that a renderer is
        made.
        """
        shown = self._shown
        return shown is None or shown.view.watched or shown.record_wanted

    @property
    def url(self) -> str:
        """Where the page is, once it is open."""
        return self._address.url if self._server is None else self._server.address.url

    def attach(self, controls: Controls) -> None:
        """Takes what the buttons act on."""
        self._controls = controls

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Starts the server, or joins the one at this address. Raises SinkError if that is not
        possible.
        """
        self._source, self._run = source, run
        self._server = join_server(self._address, self._options.secret)
        self._shown = Shown(View(self._address.label, source, run), self._controls)
        self._server.shown.append(self._shown)

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Takes the record, and the image if somebody is watching."""
        if self._shown is None:
            return
        record = frame_record(frame, people, latency_ms=latency_ms, drops=drops)
        self._shown.view.put_record(frame, record, to_json(record))
        if image is not None and self._shown.view.watched:
            self._shown.view.put_image(image)
        if self._shown.record_wanted or self._recorder is not None:
            self._write_recording(frame, people, image, latency_ms, drops)

    def close(self) -> None:
        """Finishes a recording and takes the source off; the last source takes the server with it."""
        if self._shown is not None:
            self._stop_recording(wait=True)
            self._shown.view.close()
        if self._server is not None:
            leave_server(self._server)
        self._server = self._shown = None

    def _write_recording(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        latency_ms: float,
        drops: int,
    ) -> None:
        assert self._shown is not None
        if not self._shown.record_wanted:
            self._stop_recording(wait=False)
            return
        try:
            if self._recorder is None:
                self._start_recording()
            if self._recorder is not None and image is not None:
                self._recorder.write(frame, people, image, latency_ms=latency_ms, drops=drops)
        except PoseStreamError as error:  # somebody pressed a button; that must not end the run
            _LOG.warning("recording stopped: %s", error)
            self._shown.record_wanted = False
            self._stop_recording(wait=False)

    def _start_recording(self) -> None:
        assert self._shown is not None
        folder = Path(self._options.record_folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sink_error(folder, error) from error
        name = re.sub(r"[^\w.-]+", "_", Path(self._shown.view.label).stem) or "stream"
        path = folder / f"{name}_{time.strftime('%Y%m%d-%H%M%S')}.mp4"
        recorder = VideoSink(str(path), self._video)
        # Live, so that a slow disk costs images of the recording and never the run; the sound
        # stays with the source.
        recorder.open(replace(self._source, live=True, audio_path=None), self._run)
        self._recorder, self._shown.view.recording = recorder, str(path)

    def _stop_recording(self, *, wait: bool) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None or self._shown is None:
            return
        self._shown.view.recording = None
        finisher = threading.Thread(
            target=_finish, args=(recorder,), name="finish recording", daemon=True
        )
        finisher.start()
        if wait:
            finisher.join()


def _finish(recorder: VideoSink) -> None:
    try:
        recorder.close()
    except PoseStreamError as error:
        _LOG.warning("the recording is incomplete: %s", error)
