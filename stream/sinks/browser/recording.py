"""What the page's record button does."""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from basics.atomic import unused_path
from configs.errors import PoseStreamError
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.browser.live_state import ShownSource
from stream.sinks.files import sink_error
from stream.sinks.video import VideoSink
from stream.sinks.video_config import VideoConfig

logger = logging.getLogger(__name__)


class Recording:
    """Writes a source into a video file while the record button of its page is on.

    Somebody pressed a button; whatever comes of it must not end the run. What goes wrong is told,
    and the button is off again.
    """

    def __init__(
        self, shown: ShownSource, source: SourceInfo, run: RunInfo, folder: Path, video: VideoConfig
    ) -> None:
        self._shown = shown
        # Live, so that a slow disk costs frames of the recording and never the run; the sound
        # stays with the source.
        self._source = replace(source, live=True, audio_path=None)
        self._run = run
        self._folder = folder
        self._video = video
        self._recorder: VideoSink | None = None

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Takes one frame, where the button is on."""
        if not self._shown.record_wanted:
            self._stop(wait=False)
            return
        try:
            if self._recorder is None:
                self._recorder = self._start()
            if image is not None:
                self._recorder.write(frame, people, image, latency_ms=latency_ms, drops=drops)
        except PoseStreamError as error:
            logger.warning("recording stopped: %s", error)
            self._shown.record_wanted = False
            self._stop(wait=False)

    def close(self) -> None:
        """Finishes a recording that is under way."""
        self._stop(wait=True)

    def _start(self) -> VideoSink:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sink_error(self._folder, error) from error
        began = time.strftime("%Y%m%d-%H%M%S")
        path = unused_path(self._folder / f"{recording_stem(self._shown.live.label)}_{began}.mp4")
        recorder = VideoSink(str(path), self._video)
        recorder.open(self._source, self._run)
        self._shown.live.recording = str(path)
        return recorder

    def _stop(self, *, wait: bool) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        self._shown.live.recording = None
        finisher = threading.Thread(
            target=_finish, args=(recorder,), name="finish recording", daemon=True
        )
        finisher.start()
        if wait:
            finisher.join()


def recording_stem(label: str) -> str:
    """How the names of recordings of a source begin, which the page calls `label`."""
    return re.sub(r"[^\w.-]+", "_", Path(label).stem) or "stream"


def _finish(recorder: VideoSink) -> None:
    try:
        recorder.close()
    except PoseStreamError as error:
        logger.warning("the recording is incomplete: %s", error)
