"""A video output that somebody receives: it goes on when the receiver comes back."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from configs.errors import SinkError
from stream.backoff import backoff_s
from stream.sinks.audio import AudioReader
from stream.sinks.video_file import VideoFile, VideoFormat

logger = logging.getLogger(__name__)


class StreamOut:
    """Encodes frames into a network stream.

    A receiver that was reached and is lost ends the run of a file, but not of a live source, whose
    other outputs have to go on: it is asked again, with growing waits, for as long as the run
    lasts. One that was never reached is an error in each case.

    Attributes:
        lost: Frames that came while there was no receiver.
    """

    def __init__(self, target: str, video: VideoFormat, audio: AudioReader) -> None:
        self._target = target
        self._video = video
        self._audio = audio
        self._file: VideoFile | None = None
        self._started = 0
        self._reached = False
        self._unsure = 0  # images sent to a receiver that has not answered yet
        self._failures = 0  # in a row
        self._try_again_s = 0.0
        self.lost = 0

    def encode(self, image: NDArray[np.uint8], pts: int) -> None:
        """Adds an image (H, W, 3) uint8 BGR that is shown from `pts` on.

        Raises:
            SinkError: The receiver cannot be reached, or the stream of a file is lost.
        """
        if self._file is None and time.monotonic() < self._try_again_s:
            self.lost += 1
            return
        try:
            if self._file is None:
                self._started = pts  # a receiver that joins late would wait for the time before
                begin_s = Fraction(pts * self._video.time_base)
                self._file = VideoFile(
                    self._target, self._video, audio=self._audio, begin_s=begin_s
                )
            self._file.encode(image, pts - self._started)
            self._unsure += 1
            if self._file.connected:
                self._reached, self._failures, self._unsure = True, 0, 0
        except SinkError as error:
            self._lose(error)

    def close(self, *, all_audio: bool, complete: bool = True) -> bool:
        """Ends the stream, complete or not; tells whether there was one.

        Raises:
            SinkError: The receiver did not get all of it.
        """
        file = self._file
        if file is not None:
            try:
                file.close(audio_until_s=None if all_audio else file.end_s)
            except SinkError:
                if not self._goes_on(file):
                    raise
                self.lost += self._unsure
            finally:
                # not before: `kill` has to find it while it waits for the receiver
                self._file = None
        self._audio.close()
        return True

    @property
    def progress(self) -> object:
        """What changes with each step to the receiver, and while it takes the stream. For any
        thread.
        """
        file = self._file
        return None if file is None else file.progress

    def kill(self) -> None:
        """Ends it at once, whatever it waits for. For any thread."""
        file = self._file
        if file is not None:
            file.kill()

    def _lose(self, error: SinkError) -> None:
        """Waits before the next try. Raises the error if there is to be none."""
        file = self._file
        if file is not None:
            with contextlib.suppress(SinkError):
                file.close(audio_until_s=None)
        self._file = None  # not before, as in `close`
        if not self._goes_on(file):
            raise error
        self.lost += self._unsure + 1
        self._unsure = 0
        wait_s = backoff_s(self._failures, random.random())
        self._failures += 1
        self._try_again_s = time.monotonic() + wait_s
        logger.warning("%s; trying again in %.1f s", error, wait_s)

    def _goes_on(self, file: VideoFile | None) -> bool:
        self._reached = self._reached or (file is not None and file.connected)
        return self._video.live and self._reached
