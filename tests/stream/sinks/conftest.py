"""Runs, sources and clips that the tests of all sinks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from configs import load_keypoint_set
from stream.frame import Frame, SourceInfo
from stream.sinks import RunInfo, Sink
from tests.stream.sinks.samples import HEIGHT, TIME_BASE, WIDTH, make_people


@pytest.fixture
def run_info() -> RunInfo:
    return RunInfo(
        model="lite",
        runtime="onnxruntime",
        precision="fp32",
        keypoint_set=load_keypoint_set("coco"),
    )


@pytest.fixture
def source_info() -> SourceInfo:
    return SourceInfo(name="camera", width=WIDTH, height=HEIGHT, fps=25.0, time_base=TIME_BASE)


@pytest.fixture
def write_all() -> Callable[..., None]:
    """Writes frames to a sink as the pipeline does: open, write each, close whatever happened."""

    def write(
        sink: Sink, source: SourceInfo, run: RunInfo, frames: Iterator[Frame], people: int = 2
    ) -> None:
        try:
            sink.open(source, run)
            for frame in frames:
                image = frame.image if sink.needs_image else None
                sink.write(
                    frame, make_people(people, seed=frame.index), image, latency_ms=1.5, drops=0
                )
        finally:
            sink.close()

    return write


@pytest.fixture
def clip_with_audio(tmp_path: Path) -> Callable[..., SourceInfo]:
    """Makes a clip of `count` frames at 25 fps with AAC audio that is longer than the video."""

    def make(count: int = 50, *, audio_s: float = 2.5, name: str = "source.mp4") -> SourceInfo:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            video: Any = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            audio: Any = container.add_stream("aac", rate=48_000)
            audio.layout = "mono"
            for index in range(count):
                image = av.VideoFrame.from_ndarray(
                    np.full((HEIGHT, WIDTH, 3), index, np.uint8), "bgr24"
                )
                container.mux(video.encode(image))
            container.mux(video.encode(None))
            time = np.arange(int(48_000 * audio_s)) / 48_000
            tone = np.float32(0.2 * np.sin(2 * np.pi * (440 + 200 * time) * time))
            for start in range(0, len(tone), 1024):
                block = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], "fltp", "mono")
                block.sample_rate, block.pts, block.time_base = 48_000, start, Fraction(1, 48_000)
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
        info = SourceInfo(
            name=str(path),
            width=WIDTH,
            height=HEIGHT,
            fps=25.0,
            frame_count=count,
            audio_path=str(path),
        )
        return replace(info, time_base=Fraction(1, 12_800), duration_s=count / 25)

    return make
