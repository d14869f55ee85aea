"""Interlaced video, made as such: two fields of different moments in one image."""

from pathlib import Path

import numpy as np
import pytest
from av import VideoFrame

from stream.frame import Frame
from stream.sources import open_source
from stream.sources.config import SourceConfig
from stream.sources.conversion import FrameConverter
from stream.sources.deinterlace import Deinterlace
from stream.sources.live import LiveSource
from stream.sources.network import LiveInput
from tests.support.media import make_clip, make_interlaced_clip

SPEED_PX = 6


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_interlaced_clip(
        tmp_path_factory.mktemp("interlaced") / "clip.mp4", speed_px=SPEED_PX
    )


def read(path: Path, deinterlace: Deinterlace) -> list[Frame]:
    with open_source(str(path), SourceConfig(deinterlace=deinterlace)) as source:
        return list(source)


def combing(frame: Frame) -> float:
    """How much a line differs from the lines above and below it, in grey levels, where the bar's
    edges are.
    """
    grey = frame.image.mean(axis=2)
    return float(np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2).max(axis=1).mean())


@pytest.mark.parametrize("deinterlace", ["auto", "on"])
def test_the_two_moments_of_a_frame_become_one(clip: Path, deinterlace: Deinterlace) -> None:
    frames, combed = read(clip, deinterlace), read(clip, "off")
    assert len(frames) == len(combed) == 12, (
        "nothing is lost in the filter, the last image included"
    )
    assert [frame.time_s for frame in frames] == pytest.approx([index / 25 for index in range(12)])
    assert [(frame.index, frame.pts) for frame in frames] == [
        (frame.index, frame.pts) for frame in combed
    ]
    assert min(map(combing, combed)) > 50
    assert np.median([combing(frame) for frame in frames]) < 15
    for index, frame in enumerate(frames):
        bright = np.flatnonzero(frame.image[64].mean(axis=1) > 140)
        assert abs(bright.min() - 2 * index * SPEED_PX) <= SPEED_PX, "the bar is where it was"


def test_a_live_frame_does_not_wait_for_the_next_one(clip: Path) -> None:
    source = LiveSource(LiveInput(name="camera", url=str(clip)), SourceConfig(reconnect=0))
    frame, seen = Frame(), []
    with source:
        for _ in range(10):
            assert source.read_into(frame)
            seen.append(combing(frame))
            bright = np.flatnonzero(frame.image[64].mean(axis=1) > 140)
            assert abs(bright.min() - 2 * frame.index * SPEED_PX) <= 2
    assert np.median(seen) < 15


@pytest.mark.parametrize("height", [2, 64, 65])
def test_lines_of_the_upper_field_stay_and_the_others_are_between_them(height: int) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (height, 48, 3), np.uint8)
    frame = Frame()
    FrameConverter("on").convert(VideoFrame.from_ndarray(stored, "bgr24"), frame)
    field = stored[::2]
    between = (field[:-1].astype(float) + field[1:]) / 2
    assert np.array_equal(frame.image[::2], field)
    assert np.abs(frame.image[1:-1:2] - between).max(initial=0) <= 0.5
    assert np.array_equal(frame.image[-1], field[-1])


def test_frames_that_are_not_interlaced_are_left_alone(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=10)
    for auto, off in zip(read(path, "auto"), read(path, "off"), strict=True):
        assert np.array_equal(auto.image, off.image)


def test_a_change_of_size_between_interlaced_frames_loses_none(tmp_path: Path) -> None:
    first = make_interlaced_clip(tmp_path / "first.ts", frames=5)
    second = make_interlaced_clip(tmp_path / "second.ts", frames=6, width=256)
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    frames = read(both, "auto")
    assert [frame.image.shape[1] for frame in frames] == [192] * 5 + [256] * 6
    assert [frame.index for frame in frames] == list(range(11))
