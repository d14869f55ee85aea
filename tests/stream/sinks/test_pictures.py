"""Pictures as outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from configs.errors import ConfigError, PoseStreamError, SinkError
from stream.frame import SourceInfo
from stream.sinks import RunInfo, make_sinks
from stream.sinks.claims import check_claims
from stream.sources import make_source, open_source
from tests.stream.sinks.samples import make_frames, make_people, vfr_stamps
from tests.support.media import make_clip, numbered_image, read_number

SUFFIXES = [".jpg", ".jpeg", ".png", ".webp"]
WriteAll = Callable[..., Any]


def write(spec: Path, output: str, run_info: RunInfo, *, overwrite: bool = False) -> None:
    """What a run does: plans, opens, writes every frame, closes."""
    (sink,) = make_sinks([output])
    source = make_source(str(spec))
    check_claims([source], [sink], overwrite=overwrite)
    with source:
        assert source.info is not None
        sink.open(source.info, run_info)
        for frame in source:
            sink.write(frame, make_people(0), frame.image, latency_ms=0.0, drops=0)
        sink.close()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_photograph_becomes_a_picture_that_everybody_reads(
    tmp_path: Path, run_info: RunInfo, suffix: str
) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), numbered_image(5, 96, 64))
    target = tmp_path / f"out{suffix}"
    write(tmp_path / "photo.png", str(target), run_info)
    assert read_number(cv2.imread(str(target))) == 5
    assert read_number(np.asarray(Image.open(target))) == 5
    with open_source(str(target)) as source:
        assert [read_number(frame.image) for frame in source] == [5]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["photo.png", target.name])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_video_becomes_a_picture_per_frame(
    tmp_path: Path, run_info: RunInfo, suffix: str
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    target = tmp_path / "frames" / ("shot_{frame:04d}" + suffix)
    for _ in range(2):  # its own pictures may be replaced
        write(clip, str(target), run_info)
    found = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in found] == [f"shot_{index:04d}{suffix}" for index in range(5)]
    assert [read_number(cv2.imread(str(path))) for path in found] == list(range(5))


def test_pictures_of_a_folder_keep_their_names(tmp_path: Path, run_info: RunInfo) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(["a.png", "b.jpg"]):
        cv2.imwrite(str(folder / name), numbered_image(number, 96, 64))
    write(folder, str(tmp_path / "out" / "{file}_people.png"), run_info)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a_people.png",
        "b_people.png",
    ]


def test_pictures_beside_those_that_are_read_are_left_out_of_the_next_run(
    tmp_path: Path, run_info: RunInfo
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), numbered_image(3, 96, 64))
    for _ in range(3):
        write(tmp_path, str(tmp_path / "{file}_people.png"), run_info)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a_people.png"]


def test_pictures_of_others_are_kept(tmp_path: Path, run_info: RunInfo) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=2)
    photo = tmp_path / "0001.jpg"
    cv2.imwrite(str(photo), numbered_image(3, 96, 64))
    before = photo.read_bytes()
    with pytest.raises(ConfigError, match=r"0001\.jpg.*did not write"):
        write(clip, str(tmp_path / "{frame:04d}.jpg"), run_info)
    assert photo.read_bytes() == before
    write(clip, str(tmp_path / "{frame:04d}.jpg"), run_info, overwrite=True)
    assert photo.read_bytes() != before


@pytest.mark.parametrize("name", ["a.png", "{frame}.png", "{file}.png"])
def test_a_source_is_never_written(tmp_path: Path, run_info: RunInfo, name: str) -> None:
    source = tmp_path / ("7.png" if "frame" in name else "a.png")
    cv2.imwrite(str(source), numbered_image(3, 96, 64))
    before = source.read_bytes()
    with pytest.raises(SinkError, match="it is the source itself"):
        write(source, str(tmp_path / name), run_info, overwrite=True)
    assert source.read_bytes() == before


def test_a_video_does_not_fit_into_one_picture(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo, write_all: WriteAll
) -> None:
    (sink,) = make_sinks([str(tmp_path / "out.jpg")])
    with pytest.raises(SinkError, match=r"more than one frame.*out_\{frame:06d\}\.jpg"):
        write_all(sink, source_info, run_info, make_frames(vfr_stamps(3)))
    (sink,) = make_sinks([str(tmp_path / "{file}.jpg")])
    with pytest.raises(SinkError, match=r"earlier frame.*\{frame:06d\}"):
        write_all(sink, source_info, run_info, make_frames(vfr_stamps(3)))
    assert [path.name for path in tmp_path.iterdir()] == ["camera.jpg"]


@pytest.mark.parametrize("name", ["{fram}.png", "{frame:x}.png", "{.png", "{frame}/a.png"])
def test_braces_that_mean_nothing_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"\{frame:06d\}"):
        make_sinks([str(tmp_path / name)])


def test_an_image_that_a_kind_cannot_hold_is_one_line(
    tmp_path: Path, source_info: SourceInfo, run_info: RunInfo
) -> None:
    (sink,) = make_sinks([str(tmp_path / "out.webp")])
    (frame,) = make_frames([0])
    frame.image = np.zeros((8, 17_000, 3), np.uint8)
    sink.open(replace(source_info, frame_count=1), run_info)
    with pytest.raises(PoseStreamError, match=r"out\.webp.*too large"):
        sink.write(frame, make_people(0), frame.image, latency_ms=0.0, drops=0)
    sink.close()
    assert list(tmp_path.iterdir()) == []
