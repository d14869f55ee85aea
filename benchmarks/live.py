"""Do live sources stay live and stay up? Against GStreamer's RTSP server on loopback, at 30 frames
a second.

    python -m benchmarks.live kills --times 20        a server killed and restarted: what is lost
    python -m benchmarks.live pair                    two cameras, one killed: the other's pace
    python -m benchmarks.live latency --seconds 300   with an engine that keeps up, and a slow one
                        [--engine slow]               only one of them
    python -m benchmarks.live batch-window            two cameras, one engine: what it gains

Pictures carry their number. Drift compares when a picture was handed to the sink with when its
number was due, in the first 30 s and in the last 30 s; what it cannot see is the constant part,
from the server to our socket. What FFmpeg looked at to know the stream, up to half a second,
arrives at once after a connection; the policy `latest` drops all of it but one picture.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process import open_files, resident_mib
from grouping import People
from stream.frame import Frame
from stream.pipeline.config import BATCH_WINDOW_MS, PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.summary import Summary
from stream.sources import make_source
from stream.sources.config import SourceConfig
from stream.sources.pattern import FPS as PATTERN_FPS
from stream.sources.pattern import PatternSource
from tests.support.blank_engine import WorkEngine
from tests.support.media import BITS, make_clip, read_number
from tests.support.people import nobody
from tests.support.servers import RtspServer

FPS = 30
ENGINES_S = {"fast": 0.010, "slow": 0.080}
PART_S = 30.0
SETTLED_S = 2.0  # the burst after the connection is over
CONFIG = SourceConfig(open_timeout_s=5, read_timeout_s=2)


class Notes:
    """A sink that notes when each picture came, which number it shows, and its index and epoch."""

    needs_image = False

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.numbers: list[int] = []
        self.indices: list[int] = []
        self.epochs: list[int] = []

    def open(self, *arguments: object) -> None:
        pass

    def close(self) -> None:
        pass

    def write(
        self, frame: Frame, people: People, picture: Any, *, latency_ms: float, drops: int
    ) -> None:
        self.times_s.append(time.monotonic())
        self.numbers.append(read_number(frame.image))
        self.indices.append(frame.index)
        self.epochs.append(frame.epoch)


@contextmanager
def running(urls: list[str], sinks: list[Notes], delay_s: float) -> Iterator[Pipeline]:
    """A pipeline over `urls` that runs in a thread inside the block and is stopped at its end."""
    sources = [make_source(url, CONFIG) for url in urls]
    for source in sources:
        source.open()
    pipeline = Pipeline(
        sources, WorkEngine(lambda: time.sleep(delay_s)), nobody, sinks=[[sink] for sink in sinks]
    )
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    try:
        yield pipeline
    finally:
        pipeline.stop()
        thread.join(10)
        for source in sources:
            source.close()


def wait_for_frames(sink: Notes, count: int, limit_s: float = 30.0) -> None:
    """Waits until `sink` has `count` more frames."""
    target, deadline_s = len(sink.times_s) + count, time.monotonic() + limit_s
    while len(sink.times_s) < target:
        if time.monotonic() > deadline_s:
            raise TimeoutError(
                f"{target - len(sink.times_s)} frames are missing after {limit_s:g} s"
            )
        time.sleep(0.01)


def kills(clip: Path, times: int) -> None:
    sink = Notes()
    with RtspServer(clip) as server, running([server.url], [sink], 0.0) as pipeline:
        wait_for_frames(sink, 30)
        begin = threading.active_count(), open_files(), resident_mib()
        gaps_s = []
        for _ in range(times):
            server.kill()
            last_s = sink.times_s[-1]
            server.start()
            wait_for_frames(sink, 30)
            gaps_s.append(
                max(
                    b - a
                    for a, b in zip(sink.times_s, sink.times_s[1:], strict=False)
                    if b > last_s
                )
            )
        end = threading.active_count(), open_files(), resident_mib()
        (source,) = pipeline.summary().sources
    in_order = sink.indices == sorted(set(sink.indices)) and sink.epochs == sorted(sink.epochs)
    print(
        f"{times} kills, {source.health.reconnects} reconnects, {len(sink.times_s)} frames, in "
        f"order: {in_order}"
    )
    print(
        f"threads {begin[0]} -> {end[0]}, open files {begin[1]} -> {end[1]}, resident "
        f"{begin[2]:.1f} -> {end[2]:.1f} MiB"
    )
    print(
        f"gap, restart of the server included: median {np.median(gaps_s):.2f} s, longest "
        f"{max(gaps_s):.2f} s"
    )


def pair(clip: Path, seconds: float) -> None:
    sinks = [Notes(), Notes()]
    with (
        RtspServer(clip) as steady,
        RtspServer(clip) as doomed,
        running([steady.url, doomed.url], sinks, 0.0),
    ):
        wait_for_frames(sinks[0], 60)
        wait_for_frames(sinks[1], 60)
        begin_s = time.monotonic()
        time.sleep(seconds)
        killed_s = time.monotonic()
        doomed.kill()
        time.sleep(seconds)
        end_s = time.monotonic()
    times_s = np.array(sinks[0].times_s)
    intervals_ms = np.diff(times_s) * 1e3
    before = intervals_ms[(times_s[1:] > begin_s) & (times_s[1:] < killed_s)]
    after = intervals_ms[(times_s[1:] > killed_s) & (times_s[1:] < end_s)]
    for name, values in (("both alive", before), ("other killed", after)):
        p50, p99 = np.percentile(values, (50, 99))
        print(
            f"{name:12} {len(values)} frames, interval p50 {p50:.1f} ms, p99 {p99:.1f} ms, max "
            f"{values.max():.1f} ms"
        )
    print(f"p99 after / before {np.percentile(after, 99) / np.percentile(before, 99):.3f}")


def latency(clip: Path, seconds: float, engines: Sequence[str]) -> None:
    for name in engines:
        sink = Notes()
        with RtspServer(clip) as server, running([server.url], [sink], ENGINES_S[name]) as pipeline:
            wait_for_frames(sink, 5)
            time.sleep(seconds)
            summary = pipeline.summary()
        report(name, sink, summary)


def report(name: str, sink: Notes, summary: Summary) -> None:
    numbers = np.unwrap(np.array(sink.numbers, float), period=1 << BITS)
    times_s = np.array(sink.times_s)
    lateness_ms = (times_s - numbers / FPS) * 1e3
    lateness_ms -= lateness_ms.min()
    begin_s, end_s = times_s[0] + SETTLED_S, times_s[-1]
    part_s = min(PART_S, (end_s - begin_s) / 2)
    time_ms, delay_ms = summary.latency_ms, ENGINES_S[name] * 1e3
    span_s = end_s - times_s[0]
    print(
        f"{name} engine, {delay_ms:.0f} ms a picture: {summary.frames} frames in {span_s:.0f} s, "
        f"drops {summary.drops}"
    )
    print(
        f"  capture to sink p50 {time_ms.p50:.1f}, p95 {time_ms.p95:.1f}, p99 {time_ms.p99:.1f}, "
        f"max {time_ms.max:.1f} ms; "
        f"one frame and one inference are {1e3 / FPS + delay_ms:.1f} ms"
    )
    for part, first_s in (("first", begin_s), ("last", end_s - part_s)):
        chosen = lateness_ms[(times_s >= first_s) & (times_s <= first_s + part_s)]
        p50, p99 = np.percentile(chosen, (50, 99))
        print(
            f"  behind the burnt-in clock, {part} {part_s:.0f} s: p50 {p50:.1f}, p99 {p99:.1f} ms "
            "over the least",
            flush=True,
        )


class PairEngine(WorkEngine):
    """Takes as long for two pictures as for one, as a GPU that has room does."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(self._wait, batch_size=2)
        self._delay_s = delay_s
        self._due_s = 0.0

    def submit_batch(self, images_bgr: Sequence[np.ndarray]) -> list[None]:
        self._due_s = time.monotonic() + self._delay_s
        return super().submit_batch(images_bgr)

    def _wait(self) -> None:
        time.sleep(max(0.0, self._due_s - time.monotonic()))


def batch_window(seconds: float) -> None:
    for apart_ms in (1.0, 500 / PATTERN_FPS):
        for window_ms in (0.0, BATCH_WINDOW_MS, 5.0):
            engine, sources = PairEngine(ENGINES_S["fast"]), [PatternSource(), PatternSource()]
            options = PipelineConfig(frames=round(seconds * PATTERN_FPS), batch_window_ms=window_ms)
            with Pipeline(sources, engine, nobody, options=options) as pipeline:
                sources[0].open()
                time.sleep(apart_ms * 1e-3)
                sources[1].open()
                summary = pipeline.run()
            time_ms, pairs = summary.latency_ms, np.mean(np.array(engine.batches) == 2)
            print(
                f"cameras {apart_ms:4.1f} ms apart, window {window_ms:.0f} ms: {pairs:4.0%} of "
                "batches are of two; latency "
                f"p50 {time_ms.p50:.1f}, p95 {time_ms.p95:.1f} ms; drops {summary.drops}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question", choices=("kills", "pair", "latency", "batch-window"))
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--engine", choices=tuple(ENGINES_S), help="latency: only this one")
    options = parser.parse_args()
    if options.question == "batch-window":
        batch_window(options.seconds)
        return
    seconds = {"kills": 60, "pair": 2 * options.seconds + 10, "latency": options.seconds + 10}[
        options.question
    ]
    encoder = {"tune": "zerolatency", "preset": "ultrafast"}
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(
            Path(folder) / "clip.mp4", frames=round(seconds * FPS), fps=FPS, gop=15, options=encoder
        )
        if options.question == "kills":
            kills(clip, options.times)
        elif options.question == "pair":
            pair(clip, options.seconds)
        else:
            latency(clip, options.seconds, [options.engine] if options.engine else list(ENGINES_S))


if __name__ == "__main__":
    main()
