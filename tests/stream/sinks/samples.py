"""Frames and people to write, and how to read back what was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jsonschema import Draft202012Validator

import stream
from grouping import People
from stream.frame import Frame, SourceInfo

REPOSITORY = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((Path(stream.__file__).parent / "schema" / "records.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
TIME_BASE = Fraction(1, 90_000)
WIDTH, HEIGHT = 96, 64
# Variable frame rate: gaps between 11 and 240 ms, none of them a multiple of anything.
GAPS = (3003, 1001, 9007, 2999, 21601, 3003, 3011, 4507)


def make_people(count: int, *, seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> People:
    """`count` people with random joints inside the image, every fourth joint missing."""
    generator = np.random.default_rng(seed)
    keypoints = generator.random((count, 17, 3), np.float32) * np.float32([*size, 1])
    keypoints[:, ::4, 2] = 0
    return People(
        keypoints, keypoints[..., 2].mean(axis=1), generator.random((count, 1), np.float32)
    )


def vfr_stamps(count: int, *, start: int = 0) -> list[int]:
    """`count` time stamps in units of TIME_BASE with uneven gaps."""
    gaps = [GAPS[index % len(GAPS)] for index in range(count - 1)]
    return [start, *(start + np.cumsum(gaps)).tolist()]


def make_frames(
    stamps: Sequence[int], *, width: int = WIDTH, height: int = HEIGHT
) -> Iterator[Frame]:
    """One frame per time stamp: the frame index as 8 black or white blocks, which survive a lossy
    codec, over a moving ramp. Stream time is that of a source: a clock that begins anywhere is
    taken off, a start within a second kept.
    """
    origin = 0 if 0 <= stamps[0] * TIME_BASE <= 1 else stamps[0]
    for index, pts in enumerate(stamps):
        image = np.zeros((height, width, 3), np.uint8)
        image[:] = (np.arange(width, dtype=np.uint16) * 2 + index * 3)[None, :, None] % 200
        for bit in range(8):
            image[:16, bit * 12 : bit * 12 + 12] = 255 * (index >> bit & 1)
        yield Frame(
            image=image,
            source="camera",
            index=index,
            time_s=float((pts - origin) * TIME_BASE),
            capture_ns=1_000_000_000 + index,
            pts=pts,
            time_base=TIME_BASE,
        )


def read_index(image: np.ndarray) -> int:
    """The frame index that `make_frames` drew."""
    return sum(
        int(image[4:12, bit * 12 + 4 : bit * 12 + 8].mean() > 128) << bit for bit in range(8)
    )


def audio_packets(path: Path | str) -> list[bytes]:
    """The bytes of every audio packet in the file."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.dts is not None]


def video_times(path: Path | str) -> list[Fraction]:
    """When every image of the file is shown, in seconds, in the order shown."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def replace_time(frame: Frame, pts: int, time_base: Fraction) -> Frame:
    """The frame itself, at another time."""
    frame.pts, frame.time_base, frame.time_s = pts, time_base, float(pts * time_base)
    return frame


def frames_of(source: SourceInfo, count: int) -> Iterator[Frame]:
    """`count` frames at 25 frames a second in the time base of `source`."""
    for index, frame in enumerate(make_frames([index * 3600 for index in range(count)])):
        yield replace_time(frame, index * 512, source.time_base)


# Writes to the outputs that it is given, on a disk of 60,000 bytes a file.
FULL_DISK = """
import resource, sys
from tests.stream.sinks.samples import *
from configs import load_keypoint_set
from configs.errors import SinkError
from stream.frame import SourceInfo
from stream.sinks import RunInfo, make_sinks
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
run = RunInfo(model="m", runtime="r", precision="fp32", keypoint_set=load_keypoint_set("coco"))
source = SourceInfo(name="camera", width=WIDTH, height=HEIGHT, fps=25.0, time_base=TIME_BASE)
[sink] = make_sinks(sys.argv[1:])
sink.open(source, run)
try:
    for frame in make_frames([3600 * index for index in range(3000)]):
        sink.write(frame, make_people(3), frame.image, latency_ms=1.0, drops=0)
except SinkError as error:
    print(error)
else:
    print("no error")
try:
    sink.close()
except SinkError:
    pass
"""
