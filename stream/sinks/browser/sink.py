"""The sink behind the page."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import NEWS, Controls, RunInfo
from stream.sinks.browser.config import BrowserConfig, parse_address
from stream.sinks.browser.live_state import LiveState, ShownSource
from stream.sinks.browser.recording import Recording, recording_stem
from stream.sinks.browser.requests import PageRequests
from stream.sinks.browser.server import PageServer, join_server, leave_server
from stream.sinks.claims import Claim, claim_names
from stream.sinks.json_lines import frame_record, to_json
from stream.sinks.video_config import VideoConfig

logger = logging.getLogger(__name__)


class _Opened(NamedTuple):
    """What there is while the source is on the page."""

    server: PageServer
    shown: ShownSource
    recording: Recording


class BrowserSink:
    """Shows a source on a page; sources with the same address share the page.

    `write` copies the image if somebody is watching and returns; clients, however slow, get the
    latest one from there.

    Args:
        url: Where the page is, `http://HOST:PORT/LABEL`.
        options: Who may see it, and where recordings go.
        video: How recordings are encoded.

    Raises:
        ConfigError: Nothing can be served at this address, or everybody could see it.
    """

    def __init__(
        self, url: str, options: BrowserConfig | None = None, video: VideoConfig | None = None
    ) -> None:
        self._options = options or BrowserConfig()
        self._video = replace(video or VideoConfig(), segment=None)
        self._address = parse_address(url, self._options)
        self._controls: Controls | None = None
        self._opened: _Opened | None = None

    @property
    def needs_image(self) -> bool:
        """Whether anybody watches or records; before it is open, always, so that a renderer is
        made.
        """
        opened = self._opened
        return opened is None or opened.shown.live.watched or opened.shown.record_wanted

    @property
    def shown(self) -> ShownSource | None:
        """What the page has of the source; None while it is not open."""
        return None if self._opened is None else self._opened.shown

    @property
    def url(self) -> str:
        """Where the page is, once it is open."""
        return self._address.url if self._opened is None else self._opened.server.address.url

    def claims(self) -> list[Claim]:
        """Recordings, which take names that are free."""
        stem = re.escape(recording_stem(self._address.label)) if self._address.label else ".*"
        names = rf"{stem}_\d{{8}}-\d{{6}}(-\d+)?\.mp4"
        folder = self._options.record_folder
        return [claim_names(folder, names, f"recordings in {folder}", replaces=False)]

    def attach(self, controls: Controls) -> None:
        """Takes what the buttons act on."""
        self._controls = controls

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Starts the server, or joins the one at this address.

        Raises:
            SinkError: The address cannot be served.
        """
        server = join_server(self._address, self._options.secret, PageRequests)
        shown = ShownSource(LiveState(self._address.label, source, run), self._controls)
        recording = Recording(shown, source, run, self._options.record_folder, self._video)
        self._opened = _Opened(server, shown, recording)
        server.shown.append(shown)
        if not source.live:
            logger.warning(
                "%r is on the page until it is over; --realtime gives it the pace of a camera",
                source.name,
                extra=NEWS,
            )

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
        if self._opened is None:
            return
        live = self._opened.shown.live
        record = frame_record(frame, people, latency_ms=latency_ms, drops=drops)
        live.put_record(frame, record, to_json(record))
        if image is not None and live.watched:
            live.put_image(image)
        self._opened.recording.write(frame, people, image, latency_ms=latency_ms, drops=drops)

    def close(self) -> None:
        """Finishes a recording and takes the source off; the last source ends the server, too."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.recording.close()
            opened.shown.live.close()
            leave_server(opened.server)
