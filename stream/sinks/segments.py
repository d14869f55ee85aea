"""A video output as one file, or as a file for every so many minutes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.sinks.audio import AudioReader
from stream.sinks.video_file import VideoFile, VideoFormat


class VideoSeries:
    """Encodes frames into `target`, or into NAME-0000.mp4, NAME-0001.mp4, ... where the options
    name a segment length.

    Every segment begins with a key frame at time 0, plays by itself, and is finished as soon as the
    next one begins.

    Args:
        target: Path of the file, or what the names of segments are made from.
        video: What the files are made of.
        audio: The sound that belongs to the frames; closed here.
    """

    def __init__(self, target: str, video: VideoFormat, audio: AudioReader) -> None:
        self._target = target
        self._video = video
        self._audio = audio
        self._file: VideoFile | None = None
        self._started = 0
        self._count = 0

    def encode(self, image: NDArray[np.uint8], pts: int) -> None:
        """Adds an image (H, W, 3) uint8 BGR that is shown from `pts` on. Raises SinkError."""
        segment_s = self._video.options.segment
        since_s = (pts - self._started) * self._video.time_base
        if self._file is not None and segment_s is not None and since_s >= segment_s:
            file, self._file = self._file, None
            file.close(audio_until_s=since_s)
        if self._file is None:
            self._file = self._open_next(pts)
        self._file.encode(image, pts - self._started)

    def close(self, *, all_audio: bool) -> bool:
        """Finishes the last file, with the audio until its last frame or all that is left; tells
        whether there was a file.
        """
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close(audio_until_s=None if all_audio else file.end_s)
        finally:
            self._audio.close()
        return self._count > 0

    def _open_next(self, pts: int) -> VideoFile:
        target = self._target
        if self._video.options.segment is not None:
            path = Path(self._target)
            target = str(path.with_name(f"{path.stem}-{self._count:04d}{path.suffix}"))
            if self._count:
                self._started = pts
        begin_s = Fraction(self._started * self._video.time_base)
        file = VideoFile(target, self._video, audio=self._audio, begin_s=begin_s)
        self._count += 1
        return file
