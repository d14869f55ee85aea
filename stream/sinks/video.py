"""Video outputs: annotated images with the time stamps and the audio of the source, encoded by a
worker of their own.
"""

from __future__ import annotations

import logging
import queue
import threading
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.errors import PoseStreamError, SinkError
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.containers import FORMATS, RELAYED
from stream.sinks.encoders import choose_encoder
from stream.sinks.files import check_output, shown_target, sink_error
from stream.sinks.segments import VideoSeries
from stream.sinks.stream_out import StreamOut
from stream.sinks.timeline import Timeline
from stream.sinks.video_config import VideoConfig
from stream.sinks.video_file import VideoFormat

_LOG = logging.getLogger(__name__)

# One frame being encoded, one waiting, one being copied, and one to absorb a key frame that takes
# longer than the others.
_SLOTS = 4
# No frame was finished for this long: the disk or the receiver is gone, and close must not wait
# for ever.
_STALLED_FILE_S, _STALLED_STREAM_S = 30.0, 0.7


class VideoSink:
    """Writes the annotated images to `target`: a video file, or a stream where `container` names
    its format.

    Frames are copied into one of a few slots that were allocated once; a thread converts, encodes
    and writes them. When all slots are full, `write` waits for a file and drops the frame for a
    live source, where waiting would only add delay.

    Frames that are left out are counted: of a live source those that came while all slots were
    full, and of a stream those that came while its receiver was away.
    """

    needs_image = True

    def __init__(
        self, target: str, options: VideoConfig | None = None, *, container: str | None = None
    ) -> None:
        self._target = target
        self._options = options or VideoConfig()
        self._container = container
        self._overrun = 0
        self._series: VideoSeries | StreamOut | None = None
        self._thread: threading.Thread | None = None
        self._slots: list[NDArray[np.uint8]] = []
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._filled: queue.SimpleQueue[tuple[int, int, int] | None] = queue.SimpleQueue()
        self._error: PoseStreamError | None = None
        self._told = False
        self._encoded = 0

    @property
    def dropped(self) -> int:
        """Frames left out so far."""
        return self._overrun + (self._series.lost if isinstance(self._series, StreamOut) else 0)

    @property
    def label(self) -> str:
        """The target, without credentials."""
        return shown_target(self._target)

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Creates the output and starts the encoder. Raises SinkError or ConfigError if either is
        not possible.
        """
        self._source = source
        self._timeline = Timeline(source.time_base)
        self._check_target(source)
        self._video = VideoFormat(
            container=self._container or FORMATS[Path(self._target).suffix.lower()],
            size=(source.width, source.height),
            time_base=source.time_base,
            fps=source.fps,
            options=self._options,
            live=source.live,
        )
        choose_encoder(self._options.video_codec, self._options.video_encoder)
        kind = StreamOut if self._video.container in RELAYED else VideoSeries
        self._series = kind(self._target, self._video, audio_path=source.audio_path)
        self._slots = [np.empty((source.height, source.width, 3), np.uint8) for _ in range(_SLOTS)]
        for slot in range(_SLOTS):
            self._free.put(slot)
        self._thread = threading.Thread(target=self._run, name=f"encode {self.label}", daemon=True)
        self._thread.start()

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Takes a copy of `image`. Raises SinkError if an earlier one could not be written."""
        if self._error is not None:
            raise self._fail(self._error)
        if self._thread is None:
            raise SinkError(f"cannot write {self.label!r}: it is not open")
        if image is None:
            raise SinkError(
                f"cannot write {self.label!r}: a video needs images, and the pipeline drew none"
            )
        slot = self._take_slot()
        if slot is None:
            self._overrun += 1
            return
        if image.shape == self._slots[slot].shape:
            np.copyto(self._slots[slot], image)
        else:  # the source changed its size; a video file cannot
            cv2.resize(image, self._video.size, dst=self._slots[slot], interpolation=cv2.INTER_AREA)
        self._filled.put((slot, self._timeline.stamp(frame), frame.index))

    def close(self) -> None:
        """Waits until everything is encoded and the file is finished. Raises SinkError if that did
        not work.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._filled.put(None)
        stalled_s = _STALLED_STREAM_S if isinstance(self._series, StreamOut) else _STALLED_FILE_S
        progress = -1
        while thread.is_alive() and progress != self._encoded:
            progress = self._encoded
            thread.join(stalled_s)
        if thread.is_alive() and isinstance(self._series, StreamOut):
            self._series.kill()
            thread.join(stalled_s)
        if thread.is_alive():
            raise SinkError(
                f"cannot finish {self.label!r}: nothing was written for {stalled_s:g} s"
            )
        if self._overrun:
            _LOG.warning(
                "%d frames are not in %r: the encoder could not keep up",
                self._overrun,
                self.label,
            )
        if self._error is not None and not self._told:
            raise self._fail(self._error)

    def __enter__(self) -> VideoSink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_target(self, source: SourceInfo) -> None:
        path = Path(self._target)
        try:
            if self._container == "hls":
                path.parent.mkdir(parents=True, exist_ok=True)
            elif self._container is None:
                check_output(path, source)
                if self._options.segment_s is None:
                    path.write_bytes(b"")
        except OSError as error:
            raise error if isinstance(error, SinkError) else sink_error(path, error) from error

    def _fail(self, error: PoseStreamError) -> PoseStreamError:
        self._told = True
        return error

    def _take_slot(self) -> int | None:
        while True:
            try:
                return self._free.get(block=not self._video.live, timeout=0.1)
            except queue.Empty:
                if self._error is not None:
                    raise self._fail(self._error) from None
                if self._video.live:
                    return None

    def _run(self) -> None:
        last_index = -1
        try:
            assert self._series is not None
            try:
                while (item := self._filled.get()) is not None:
                    slot, pts, last_index = item
                    self._series.encode(self._slots[slot], pts, origin_s=self._timeline.origin_s)
                    self._free.put(slot)
                    self._encoded += 1
            finally:
                self._finish(to_the_end=self._is_last(last_index))
        except PoseStreamError as error:
            self._error = self._error or error
        except Exception as error:  # noqa: BLE001 - whatever ends this thread must reach the caller
            self._error = SinkError(f"cannot write {self.label!r}: {type(error).__name__}: {error}")

    def _finish(self, *, to_the_end: bool) -> None:
        assert self._series is not None
        if not self._series.close(all_audio=to_the_end) and self._container is None:
            Path(self._target).unlink(
                missing_ok=True
            )  # not a single frame came: an empty file would only look like a video

    def _is_last(self, index: int) -> bool:
        """Whether the run went to the end of the source, so that audio that is longer than the
        video belongs to it.
        """
        return self._source.frame_count is not None and index + 1 >= self._source.frame_count
