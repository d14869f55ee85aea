"""What a worker writes is what a run over the video writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import fsspec
import numpy as np
import pyarrow.parquet
import pytest

from archive import OutputsConfig, Settings
from archive.manifest import part_file
from archive.parts import Part
from archive.schedule import Schedule
from archive.units import Unit, Video
from configs.units import parse_duration
from stream import TrackingConfig, run
from stream.sources.segment import CutFrame
from tests.support.archive_clips import (
    WalkersEngine,
    kinds,
    records,
    walkers_clip,
    walkers_worker,
    work_off,
)

FRAMES = 40  # key frames at 0, 12, 24 and 36


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return walkers_clip(tmp_path_factory.mktemp("clip") / "walkers.mp4", FRAMES)


def settings(folder: Path | str, *formats: str, cut: str = "400ms", **options: object) -> Settings:
    length = parse_duration(cut, "cut")
    outputs = OutputsConfig(format=formats, cut=length)  # type: ignore[arg-type]
    return Settings(folder=str(folder), outputs=outputs, **options)  # type: ignore[arg-type]


def video(path: Path) -> Video:
    return Video(address=str(path), name=path.stem, size=path.stat().st_size)


def test_joined_parts_are_the_records_of_one_run_with_identities_and_smoothing(
    clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    tracking = TrackingConfig(smooth=True)
    with walkers_worker(settings(out, "jsonl", "csv", "parquet", tracking=tracking)) as worker:
        schedule = Schedule([video(clip)])
        done = work_off(schedule, worker)
    assert kinds(done) == ["video", *["part"] * 4, "join"]
    assert schedule.finished["walkers"].state == "done"
    run(str(clip), [tmp_path / "one.jsonl", tmp_path / "one.csv"], estimator=WalkersEngine(),
        tracking=tracking)  # fmt: skip
    one = records(tmp_path / "one.jsonl")
    assert records(out / "walkers.jsonl") == one
    found = [len(record["people"]) for record in one[1:]]
    assert len(one) == FRAMES + 1 and set(found) == {1, 2} and found.count(2) > FRAMES / 2
    assert (out / "walkers.csv").read_text() == (tmp_path / "one.csv").read_text()
    rows = (out / "walkers.csv").read_text().splitlines()[1:]
    table = pyarrow.parquet.read_table(out / "walkers.parquet").to_pylist()
    assert len(table) == len(rows)
    for row, line in zip(table, rows, strict=True):
        frame, time_s, person, identity, joint, x, y, score, *_ = line.split(",")
        assert (row["frame"], row["person"], row["joint"]) == (int(frame), int(person), joint)
        assert row["time_s"] == float(time_s) and row["id"] == (int(identity) if identity else None)
        assert (row["x"], row["y"], row["score"]) == (
            np.float32(x), np.float32(y), np.float32(score)
        )  # fmt: skip
    finished = schedule.finished["walkers"]
    assert (finished.frames, finished.parts) == (FRAMES, 4)
    assert finished.outputs["csv"] == (out / "walkers.csv").stat().st_size


def test_an_annotated_video_of_a_cut_one_has_all_frames(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with walkers_worker(settings(out, "jsonl", "mp4", cut="600ms")) as worker:
        work_off(Schedule([video(clip)]), worker)
    with av.open(str(out / "walkers.mp4")) as container:
        drawn = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    with av.open(str(clip)) as container:
        plain = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(drawn) == len(plain) == FRAMES
    changed = [
        (abs(a.astype(int) - b) > 90).any(axis=2).mean() for a, b in zip(drawn, plain, strict=True)
    ]
    assert min(changed) > 0.001  # skeletons are drawn into every frame


def take_as_another(part: Path) -> None:
    """The frame at the beginning of a part is another one than at the end of the one before."""
    first = Part(part).first
    assert first is not None
    content = dict(np.load(part))
    text = content["facts"].tobytes().decode()
    other = text.replace(str(first.checksum), str(first.checksum ^ 1), 1)
    content["facts"] = np.frombuffer(other.encode(), np.uint8)
    np.savez(part, **content)
    assert Part(part).first == CutFrame(pts=first.pts, checksum=first.checksum ^ 1)


def cut_off(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:500])


@pytest.mark.parametrize(
    ("hurt", "reason"),
    [
        (take_as_another, "another one when decoding begins there"),
        (cut_off, "holds no part of a video"),
    ],
)
def test_parts_that_do_not_agree_or_are_damaged_are_done_whole(
    clip: Path, tmp_path: Path, hurt: Callable[[Path], None], reason: str
) -> None:
    out = tmp_path / "out"
    with walkers_worker(settings(out, "jsonl")) as worker:
        schedule = Schedule([video(clip)])
        whole = schedule.take()
        assert whole is not None
        schedule.settle(whole, worker.do(whole))
        for _ in range(4):
            part = schedule.take()
            assert part is not None
            schedule.settle(part, worker.do(part))
        hurt(out / part_file("walkers", 1))
        rest = work_off(schedule, worker)
    assert kinds(rest) == ["join", "video"]
    finished = schedule.finished["walkers"]
    assert finished.state == "done" and reason in finished.reason
    assert len(records(out / "walkers.jsonl")) == FRAMES + 1


def test_what_cannot_be_read_is_told_as_a_run_tells_it(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video\n" * 50)
    with walkers_worker(settings(tmp_path / "out", "jsonl")) as worker:
        for name, why in (("empty", "0 bytes"), ("text", "looks like text"), ("gone", "no such")):
            unit = Unit(kind="video", video=Video(address=f"{tmp_path / name}.mp4", name=name))
            outcome = worker.do(unit)
            assert outcome.state == "unreadable" and why in outcome.reason
    assert not list((tmp_path / "out").glob("*.jsonl"))
    assert not list((tmp_path / "out/_archive/scratch").glob("pose-*"))


def test_an_output_that_cannot_be_written_fails_and_may_be_tried_again(
    clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "walkers.jsonl" / "in the way").mkdir(parents=True)
    with walkers_worker(settings(out, "jsonl", cut="1h")) as worker:
        outcome = worker.do(Unit(kind="video", video=video(clip)))
    assert outcome.state == "failed" and "walkers.jsonl" in outcome.reason


def test_videos_of_a_store_are_cut_read_in_parts_and_written_back(
    clip: Path, tmp_path: Path
) -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/videos/walkers.mp4", clip.read_bytes())
    try:
        remote = settings("memory://videos/people", "jsonl", cut="600ms")
        there = replace(video(clip), address="memory://videos/walkers.mp4")
        with walkers_worker(remote) as worker:
            schedule = Schedule([there])
            assert kinds(work_off(schedule, worker)) == ["video", *["part"] * 3, "join"]
        here = tmp_path / "walkers.jsonl"
        here.write_bytes(store.cat("/videos/people/walkers.jsonl"))
    finally:
        store.rm("/videos", recursive=True)
    run(str(clip), tmp_path / "one.jsonl", estimator=WalkersEngine())
    far, near = records(here), records(tmp_path / "one.jsonl")
    assert far[0]["source"] == "memory://videos/walkers.mp4" and far[1:] == near[1:]


def test_with_a_stride_a_video_stays_whole(tmp_path: Path, clip: Path) -> None:
    outputs = OutputsConfig(cut=parse_duration("400ms", "cut"), stride=3)
    with walkers_worker(Settings(folder=str(tmp_path / "out"), outputs=outputs)) as worker:
        assert kinds(work_off(Schedule([video(clip)]), worker)) == ["video"]
    found = records(tmp_path / "out/walkers.jsonl")[1:]
    assert [record["frame"] for record in found] == list(range(0, FRAMES, 3))
