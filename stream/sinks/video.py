"""Video outputs: annotated images with the time stamps and the audio of the source."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from basics.atomic import check_folder, check_writable
from configs.errors import SinkError
from configs.units import counted
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.audio import AudioReader
from stream.sinks.background_encoder import BackgroundEncoder
from stream.sinks.base import Controls, RunInfo
from stream.sinks.claims import Claim, claim_file, claim_names
from stream.sinks.containers import FORMATS, RELAYED
from stream.sinks.encoders import choose_encoder
from stream.sinks.files import check_output, shown_target, sink_error
from stream.sinks.segments import VideoSeries
from stream.sinks.stream_out import StreamOut
from stream.sinks.timeline import OutputClock
from stream.sinks.video_config import VideoConfig
from stream.sinks.video_file import VideoFormat

logger = logging.getLogger(__name__)

# Nothing was written for this long: the disk or the receiver is gone, and close must not wait for
# ever. What sends to a receiver gives up earlier, and says why.
_STALLED_S = 30.0
_LEAVE_S = 1.2  # for the end of a stream once the run is stopped: that takes two seconds at most


def _never() -> bool:
    return False


class _Opened(NamedTuple):
    """What there is while a video output is open."""

    source: SourceInfo
    encoder: BackgroundEncoder
    output: VideoSeries | StreamOut
    clock: OutputClock


class VideoSink:
    """Writes the annotated images to `target`: a video file, or a stream.

    Images are copied; a thread converts, encodes and writes them. Where it cannot keep up, `write`
    waits for a file and leaves the frame out for a live source, where waiting would only add delay.
    A file of a live source that could not be written is gone on with in a next one.

    Args:
        target: A path, or the address of a stream.
        options: How it is encoded.
        container: FFmpeg's name of the format of a stream; None for a file, whose suffix tells.
    """

    needs_image = True

    def __init__(
        self, target: str, options: VideoConfig | None = None, *, container: str | None = None
    ) -> None:
        self._target = target
        self._options = options or VideoConfig()
        self._container = container
        self._opened: _Opened | None = None
        self._dropped = 0
        self._told = False
        self._stopping: Callable[[], bool] = _never

    def attach(self, controls: Controls) -> None:
        """Once the run is to stop, a receiver is no longer waited for."""
        self._stopping = controls.stopping

    @property
    def dropped(self) -> int:
        """Frames left out so far: of a live source those that came while the encoder was busy, and
        of a stream those that came while its receiver was away.
        """
        opened = self._opened
        return self._dropped + (0 if opened is None else _dropped(opened))

    @property
    def label(self) -> str:
        """The target, without credentials."""
        return shown_target(self._target)

    @property
    def place(self) -> str | None:
        """Where a stream is sent; None for files."""
        return None if self._container in (None, "hls") else self._target

    def claims(self) -> list[Claim]:
        """The file, its segments, or those of a playlist; none where it is sent somewhere.

        Raises:
            SinkError: The file could not be written.
            ConfigError: There is no such encoder.
        """
        choose_encoder(self._options.video_codec, self._options.video_encoder)
        path = Path(self._target)
        if self._container == "hls":
            check_folder(path.parent)
            return [claim_names(path.parent, r"index(\.m3u8|\d+\.ts)(\.tmp)?", str(path.parent))]
        if self._container is not None:
            return []
        check_writable(path)
        if self._options.segment is None:
            return [claim_file(path)]
        names = re.escape(path.stem) + r"-\d{4,}" + re.escape(path.suffix)
        return [claim_names(path.parent, names, str(path))]

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Creates the output and starts the encoder.

        Raises:
            SinkError: The output cannot be created.
            ConfigError: The encoder cannot be started.
        """
        self._check_target(source)
        choose_encoder(self._options.video_codec, self._options.video_encoder)
        if source.silent_because is not None:
            logger.warning(
                "the sound of %r is not in %r: %s", source.name, self.label, source.silent_because
            )
        self._opened = self._start(source)

    def _start(self, source: SourceInfo, follows: VideoSeries | None = None) -> _Opened:
        """Begins a file or a stream, behind one that failed if there is one."""
        video = VideoFormat(
            container=self._container or FORMATS[Path(self._target).suffix.lower()],
            size=(source.width, source.height),
            time_base=source.time_base,
            fps=source.fps,
            options=self._options,
            live=source.live,
        )
        audio = AudioReader(source.audio_path, origin_s=source.audio_origin_s)
        output: StreamOut | VideoSeries
        if video.container in RELAYED:
            output = StreamOut(self._target, video, audio)
        else:
            output = VideoSeries(self._target, video, audio, follows)
        encoder = BackgroundEncoder(
            output,
            label=self.label,
            size=video.size,
            waits=not video.live,
            frame_count=source.frame_count,
        )
        return _Opened(source, encoder, output, OutputClock(source.time_base))

    @property
    def resumable(self) -> bool:
        """Whether a write that failed may be tried again with the next frame: into a next file."""
        opened = self._opened
        return opened is not None and opened.source.live and isinstance(opened.output, VideoSeries)

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Takes a copy of `image`.

        Raises:
            SinkError: An earlier image could not be written.
        """
        if self._opened is None:
            raise SinkError(f"cannot write {self.label!r}: it is not open")
        if self._told and self.resumable:
            self._resume(self._opened)
        encoder = self._opened.encoder
        if image is None:
            raise SinkError(
                f"cannot write {self.label!r}: a video needs images, and the pipeline drew none"
            )
        if encoder.error is None:
            encoder.put(image, self._opened.clock.stamp(frame.time_s), index=frame.index)
        if encoder.error is not None:
            self._told = True
            raise encoder.error

    def close(self) -> None:
        """Waits until everything is encoded and the file is finished.

        Raises:
            SinkError: The file could not be finished.
        """
        self._finish(complete=True)

    def abandon(self) -> None:
        """Instead of `close`, where the run failed: an older file stays, and what was encoded lies
        beside it.

        Raises:
            SinkError: The file could not be finished.
        """
        self._finish(complete=False)

    def _finish(self, *, complete: bool) -> None:
        opened, stopping = self._opened, self._stopping
        self._stopping = _never  # the run's, which would stay in a circle with this sink
        if opened is None:
            return
        self._opened, before = None, self._dropped
        self._dropped = before + _dropped(opened)
        encoder, output = opened.encoder, opened.output
        encoder.finish(complete=complete)
        stalled_s = _STALLED_S
        if isinstance(output, StreamOut):
            ended = encoder.join(stalled_s, lambda: output.progress, stopping)
            if not ended and stopping():
                stalled_s = _LEAVE_S
                ended = encoder.join(stalled_s)
            if not ended:
                output.kill()
                ended = encoder.join(_LEAVE_S)
        else:
            ended = encoder.join(stalled_s, self._written)
        self._dropped = before + _dropped(opened)
        if not ended:
            for part in self._parts():
                part.unlink(missing_ok=True)
            raise SinkError(
                f"cannot finish {self.label!r}: nothing was written for {stalled_s:g} s"
            )
        if encoder.overrun:
            logger.warning(
                "%s left out of %r: the encoder could not keep up",
                counted(encoder.overrun, "frame"),
                self.label,
            )
        if encoder.error is not None and not self._told:
            raise encoder.error

    def _resume(self, failed: _Opened) -> None:
        """Goes on behind what failed, which its thread has finished as far as it could."""
        failed.encoder.join(_STALLED_S)
        self._dropped += _dropped(failed)
        self._check_target(failed.source)  # its folder may be gone, or back
        follows = failed.output if isinstance(failed.output, VideoSeries) else None
        self._opened = self._start(failed.source, follows)
        self._told = False

    def __enter__(self) -> VideoSink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _parts(self) -> list[Path]:
        """Files beside the target that are to take its place: those of `basics.atomic` only."""
        path = Path(self._target)
        suffix, digits = re.escape(path.suffix), "[0-9a-f]{8}"
        # Of an index that is moved in what is to take the place of an older file, there are two.
        name = re.compile(
            rf"\.\.?{re.escape(path.name[:39])}.?(\.{digits}{suffix})?\.{digits}(\.part|{suffix})"
        )
        found = path.parent.glob(f".*{glob.escape(path.name[:39])}*")
        return [file for file in found if name.fullmatch(file.name)]

    def _written(self) -> list[tuple[int, int]]:
        """Sizes and times of the files that are being written: a slow disk is not a dead one."""
        path = Path(self._target)
        found = []
        for file in (*path.parent.glob(f"{glob.escape(path.stem)}*"), *self._parts()):
            with suppress(OSError):
                status = file.stat()
                found.append((status.st_size, status.st_mtime_ns))
        return found

    def _check_target(self, source: SourceInfo) -> None:
        path = Path(self._target)
        try:
            if self._container == "hls":
                path.parent.mkdir(parents=True, exist_ok=True)
            elif self._container is None:
                check_output(path, source)
        except OSError as error:
            raise error if isinstance(error, SinkError) else sink_error(path, error) from error


def _dropped(opened: _Opened) -> int:
    output = opened.output
    return opened.encoder.overrun + (output.lost if isinstance(output, StreamOut) else 0)
