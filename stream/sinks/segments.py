"""A video output as one file, or as a file for every so many minutes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from basics.atomic import Successor
from stream.sinks.audio import AudioReader
from stream.sinks.containers import FORMATS
from stream.sinks.files import sink_error
from stream.sinks.video_file import VideoFile, VideoFormat


class VideoSeries:
    """Encodes frames into `target`, or into NAME-0000.mp4, NAME-0001.mp4, ... where the options
    name a segment length.

    Every segment begins with a key frame at time 0, plays by itself, and is finished as soon as the
    next one begins. An older file of that name stays until the new one is finished.

    Args:
        target: Path of the file, or what the names of segments are made from.
        video: What the files are made of.
        audio: The sound that belongs to the frames; closed here.
        follows: What could not be gone on with, on a full disk for instance: this is written behind
            it, as the next segment, or as NAME.part2.mp4, and begins at time 0 as well.

    Attributes:
        parts: Files that were begun under the name of `target`.
        count: Segments that were begun, those of what it follows included.
    """

    def __init__(
        self,
        target: str,
        video: VideoFormat,
        audio: AudioReader,
        follows: VideoSeries | None = None,
    ) -> None:
        self.parts: int = 1 if follows is None else follows.parts + 1
        self._target = target
        self._video = replace(video, appended=follows is not None)
        self._audio = audio
        self._file: VideoFile | None = None
        self._successor: Successor | None = None
        self._started = 0
        self.count: int = 0 if follows is None else follows.count
        self._first = self.count
        self._failed = False

    def encode(self, image: NDArray[np.uint8], pts: int) -> None:
        """Adds an image (H, W, 3) uint8 BGR that is shown from `pts` on.

        Raises:
            SinkError: The file cannot be written.
        """
        segment_s = self._video.options.segment
        since_s = (pts - self._started) * self._video.time_base
        if self._file is not None and segment_s is not None and since_s >= segment_s:
            self._finish(audio_until_s=since_s)
        if self._file is None:
            self._file = self._open_next(pts)
        try:
            if self._successor is not None:
                self._successor.check()
            self._file.encode(image, pts - self._started)
        except BaseException as error:
            self._failed = True
            if isinstance(error, FileNotFoundError):
                self._file.give_up()
                raise sink_error(self._target, error) from error
            raise

    def close(self, *, all_audio: bool, complete: bool = True) -> bool:
        """Finishes the last file, with the audio until its last frame or all that is left; tells
        whether there was a file. One that is not `complete` does not replace an older one.
        """
        self._failed = self._failed or not complete
        try:
            if self._file is not None:
                self._finish(audio_until_s=None if all_audio else self._file.end_s)
        finally:
            self._audio.close()
        return self.count > self._first

    def _finish(self, *, audio_until_s: Fraction | None) -> None:
        """Finishes the file, which takes the place of an older one if it is complete."""
        file, self._file = self._file, None
        successor, self._successor = self._successor, None
        removed: OSError | None = None
        complete = False
        try:
            if successor is not None and not self._failed:
                successor.check()
        except OSError as error:
            removed, self._failed = error, True
        try:
            if file is not None:
                if removed is not None:
                    file.give_up()
                file.close(audio_until_s=audio_until_s)
                complete = not self._failed
        finally:
            if successor is not None and not complete:
                successor.set_aside()
        if removed is not None:
            raise sink_error(self._target, removed) from removed
        if successor is not None and complete:
            try:
                successor.commit()
            except OSError as error:
                raise sink_error(self._target, error) from error

    def _open_next(self, pts: int) -> VideoFile:
        target = self._next_name()
        if self.count or self.parts > 1:
            self._started = pts
        begin_s = Fraction(self._started * self._video.time_base)
        name = target
        if self._video.container in FORMATS.values():
            try:
                self._successor = Successor(Path(target))
            except OSError as error:
                raise sink_error(target, error) from error
            target = str(self._successor.path)
        try:
            file = VideoFile(target, self._video, audio=self._audio, begin_s=begin_s, name=name)
        except BaseException:
            if self._successor is not None:
                self._successor.discard()
            raise
        self.count += 1
        return file

    def _next_name(self) -> str:
        path = Path(self._target)
        if self._video.options.segment is not None:
            return str(path.with_name(f"{path.stem}-{self.count:04d}{path.suffix}"))
        if self.parts == 1 or self._video.container not in FORMATS.values():
            return self._target
        while (place := path.with_stem(f"{path.stem}.part{self.parts}")).exists():
            self.parts += 1
        return str(place)
