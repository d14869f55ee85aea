"""What the page shows of one source: the latest image, record and numbers, and never anything
older.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stream.frame import Frame, SourceInfo
from stream.sinks.base import Controls, RunInfo
from stream.sources import source_labels

_WIDEST_PX = 1280  # a page shows no more; a quarter of the JPEG work of a 4K source
_JPEG_QUALITY = 80
_STALLED_S = 2.0
_RATE_S = 2.0
_SMOOTHING = 0.1


class LiveState:
    """The latest state of a source, for any number of readers; the writer never waits for them.

    Images are compressed once for everybody, by a thread of its own, and only while somebody is
    watching.
    """

    def __init__(self, label: str, source: SourceInfo, run: RunInfo) -> None:
        self.label = label or source_labels([source.name])[0]  # no path of this machine
        self.live = source.live
        self._source = source
        self._run = run
        # One lock, but a condition for each kind of news: 20 viewers must not be woken for what
        # only the compressor wants.
        self._lock = threading.Lock()
        self._to_compress = threading.Condition(self._lock)
        self._new_jpeg = threading.Condition(self._lock)
        self._new_record = threading.Condition(self._lock)
        self._viewers = 0
        self._closed = False
        self._fresh: NDArray[np.uint8] | None = None  # filled by `put_image`, for the compressor
        self._spare: NDArray[np.uint8] | None = None
        self._jpeg = b""
        self._jpeg_number = 0
        self._record = ""
        self._record_number = 0
        self._written_ns: deque[int] = deque(maxlen=512)
        self._stages_ms: dict[str, float] = {}
        self._numbers: dict[str, Any] = {
            "frame": None,
            "time_s": 0.0,
            "people": 0,
            "latency_ms": 0.0,
            "drops": 0,
            "epoch": 0,
        }
        self.recording: str | None = None
        self._compressor = threading.Thread(
            target=self._compress, name=f"jpeg {self.label}", daemon=True
        )
        self._compressor.start()

    @property
    def viewers(self) -> int:
        """How many look at the images."""
        return self._viewers

    @property
    def watched(self) -> bool:
        """Whether anybody looks at the images."""
        return self._viewers > 0

    @property
    def jpeg_number(self) -> int:
        """Number of the latest JPEG; 0 before the first."""
        return self._jpeg_number

    def put_record(self, frame: Frame, record: dict[str, Any], text: str) -> None:
        """Takes the record of a frame, as it is and as JSON."""
        now_ns = time.monotonic_ns()
        with self._lock:
            self._written_ns.append(now_ns)
            self._numbers = {
                "frame": frame.index,
                "time_s": record["time_s"],
                "people": len(record["people"]),
                "latency_ms": record["latency_ms"],
                "drops": record.get("drops", 0),
                "epoch": frame.epoch,
            }
            self._smooth_stages(frame)
            self._record, self._record_number = text, self._record_number + 1
            self._new_record.notify_all()

    def put_image(self, image: NDArray[np.uint8]) -> None:
        """Copies `image` (H, W, 3) uint8 BGR for whoever watches; one that nobody got to see yet
        is replaced.
        """
        with self._lock:
            if not self._viewers:  # they have left meanwhile
                return
            if self._fresh is None:
                self._fresh, self._spare = self._spare, None
            if self._fresh is None or self._fresh.shape != image.shape:
                self._fresh = np.empty_like(image)
            np.copyto(self._fresh, image)
            self._to_compress.notify()

    def next_jpeg(self, after: int, timeout_s: float) -> tuple[int, bytes] | None:
        """Number and JPEG of the latest image once it is newer than `after`; None when the time
        is over.
        """
        with self._lock:
            self._new_jpeg.wait_for(lambda: self._jpeg_number > after or self._closed, timeout_s)
            return (self._jpeg_number, self._jpeg) if self._jpeg_number > after else None

    def next_record(self, after: int, timeout_s: float) -> tuple[int, str] | None:
        """Number and JSON of the latest record once it is newer than `after`; None when the time is
        over.
        """
        with self._lock:
            self._new_record.wait_for(
                lambda: self._record_number > after or self._closed, timeout_s
            )
            return (self._record_number, self._record) if self._record_number > after else None

    def watch(self, step: int) -> None:
        """Counts somebody in (1) or out (-1)."""
        with self._lock:
            self._viewers += step
            if not self._viewers and self._fresh is not None:
                # Whoever comes next, maybe in an hour, must not be shown it as what there is now.
                self._fresh, self._spare = None, self._fresh
            self._to_compress.notify()

    def state(self) -> dict[str, Any]:
        """The numbers of the page, ready for JSON."""
        now_ns = time.monotonic_ns()
        with self._lock:
            recent = [at_ns for at_ns in self._written_ns if now_ns - at_ns < _RATE_S * 1e9]
            last_s = (now_ns - self._written_ns[-1]) * 1e-9 if self._written_ns else None
            span_s = (recent[-1] - recent[0]) * 1e-9 if len(recent) > 1 else 0.0
            return {
                "label": self.label,
                "live": self.live,
                "size": [self._source.width, self._source.height],
                "model": self._run.model,
                "runtime": f"{self._run.runtime} {self._run.precision}",
                "state": self._word_for(last_s),
                "fps": round((len(recent) - 1) / span_s, 2) if span_s > 0 else 0.0,
                "stages_ms": {name: round(value, 2) for name, value in self._stages_ms.items()},
                "recording": self.recording,
                **self._numbers,
            }

    def _word_for(self, last_s: float | None) -> str:
        if self._closed:
            return "ended"
        if last_s is None:
            return "waiting"
        return "stalled" if last_s > _STALLED_S else "running"

    def close(self) -> None:
        """Wakes whoever waits and ends the compressor; a second call does nothing."""
        with self._lock:
            self._closed = True
            for news in (self._to_compress, self._new_jpeg, self._new_record):
                news.notify_all()
        self._compressor.join(5.0)

    def _smooth_stages(self, frame: Frame) -> None:
        before_ns = frame.capture_ns
        for stage, left_ns in sorted(frame.left_ns.items(), key=lambda item: item[1]):
            spent_ms = max(0, left_ns - before_ns) * 1e-6
            known = self._stages_ms.get(stage, spent_ms)
            self._stages_ms[stage] = known + _SMOOTHING * (spent_ms - known)
            before_ns = left_ns

    def _compress(self) -> None:
        while True:
            with self._lock:
                self._to_compress.wait_for(
                    lambda: (self._fresh is not None and self._viewers > 0) or self._closed
                )
                image, self._fresh = self._fresh, None
                if self._closed or image is None:
                    return
            jpeg = compress(image)
            with self._lock:
                self._spare = image
                self._jpeg, self._jpeg_number = jpeg, self._jpeg_number + 1
                self._new_jpeg.notify_all()


class ShownSource:
    """A source on the page.

    Attributes:
        live: What the page shows of it.
        controls: What the overlay buttons act on; None where nothing is drawn.
        record_wanted: Set by the page, acted on by the thread that writes.
    """

    def __init__(self, live: LiveState, controls: Controls | None) -> None:
        self.live = live
        self.controls = controls
        self.record_wanted = False


def compress(image: NDArray[np.uint8]) -> bytes:
    """`image` (H, W, 3) uint8 BGR as a JPEG of at most 1280 columns."""
    height, width = image.shape[:2]
    if width > _WIDEST_PX:
        size = _WIDEST_PX, round(height * _WIDEST_PX / width)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
