"""What goes wrong with one output is its own failure: the others are whole."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from configs import SinkError
from grouping import People
from stream import VideoConfig, run
from stream.pipeline.config import PipelineConfig
from stream.pipeline.outlet import Outlet
from stream.pipeline.pipeline import Pipeline
from tests.stream.pipeline.parts import CountedSource, MemorySink, counted
from tests.support.blank_engine import BlankEngine
from tests.support.people import nobody
from tests.support.waiting import LIMIT_S

_ROOM_BYTES = 8_192  # on the disk that is full soon: a few frames of every format


def two_people(*maps: object) -> People:
    """Grouping that sees the same two people in every frame."""
    joints = np.stack([np.linspace(10, 60, 17), np.linspace(5, 55, 17), np.full(17, 0.9)], axis=1)
    keypoints = np.stack([joints, joints + np.array([20, 2, 0])]).astype(np.float32)
    return People(keypoints, np.full(2, 0.9, np.float32), np.zeros((2, 1), np.float32))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is nearly full; without its ballast it holds seconds of output,
    which a busy machine needs to notice.
    """
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=4000", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        (place / "ballast").write_bytes(bytes((8 << 20) - _ROOM_BYTES))
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("fail_in", ["write", "close"])
def test_the_others_have_every_frame(first: bool, fail_in: str) -> None:
    good, bad = MemorySink(), MemorySink(fail_in=fail_in)
    sinks = [bad, good] if first else [good, bad]
    with (
        pytest.raises(SinkError, match=r"disk full|cannot finish"),
        Pipeline([counted(30)], BlankEngine(), nobody, sinks=[sinks]) as pipeline,
    ):
        pipeline.run()
    assert good.frames == list(range(30)) and good.closed == 1
    assert bad.closed == 1
    assert bad.frames == list(range(5 if fail_in == "write" else 30))


def test_all_that_failed_are_named_in_one_line() -> None:
    sinks = [MemorySink(fail_in="write"), MemorySink(), MemorySink(fail_in="close")]
    with pytest.raises(SinkError, match=r"^disk full; cannot finish$"):
        run(CountedSource(9), sinks, estimator=BlankEngine(), grouper=nobody)


def test_a_source_whose_outputs_are_all_gone_is_not_read_on() -> None:
    good = MemorySink()
    sources = [counted(100_000, name="first"), counted(40, name="second")]
    with (
        pytest.raises(SinkError, match="disk full"),
        Pipeline(
            sources, BlankEngine(), nobody, sinks=[[MemorySink(fail_in="write")], [good]]
        ) as pipeline,
    ):
        pipeline.run()
    assert good.frames == list(range(40))
    assert sources[0].index < 1000


def test_without_another_output_the_run_ends_at_once() -> None:
    source = counted(100_000)
    with (
        pytest.raises(SinkError, match="disk full"),
        Pipeline(
            [source], BlankEngine(), nobody, sinks=[[MemorySink(fail_in="write")]]
        ) as pipeline,
    ):
        pipeline.run()
    assert source.index < 1000


def test_an_output_that_cannot_be_opened_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    """`-o old.jsonl good.mp4 broken`: nothing has been written yet, so nothing is lost."""
    older = {name: f"older {name}" for name in ("a.jsonl", "b.csv", "c.json", "d.npz", "e.mp4")}
    for name, text in older.items():
        (tmp_path / name).write_text(text)
    outputs = [
        *(str(tmp_path / name) for name in older),
        *(str(tmp_path / name) for name in ("new.jsonl", "new.npz", "new.mp4")),
        f"openpose:{tmp_path / 'people' / 'here'}",
        MemorySink(fail_in="open"),
    ]
    with pytest.raises(SinkError, match="cannot open"):
        run(CountedSource(9), outputs, estimator=BlankEngine(), grouper=nobody)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == older


FILES = {
    "jsonl": "{}/out.jsonl",
    "csv": "{}/out.csv",
    "coco": "{}/out.json",
    "mot": "mot:{}/out.txt",
    "npz": "{}/out.npz",
    "openpose": "openpose:{}/people",
    "mp4": "{}/out.mp4",
    "mkv": "{}/out.mkv",
    "hls": "hls:{}/live",
}


@pytest.mark.parametrize("kind", FILES)
def test_a_full_disk_ends_the_output_on_it_and_no_other(
    kind: str, small_disk: Path, tmp_path: Path
) -> None:
    bad = FILES[kind].format(small_disk)
    good = [tmp_path / "good.jsonl", tmp_path / "good.mp4"]
    with pytest.raises(SinkError, match=rf"^cannot write '{small_disk}/.*No space left on device"):
        run(
            NoisySource(120),
            [bad, *map(str, good)],
            estimator=BlankEngine(),
            grouper=two_people,
            video=VideoConfig(video_preset="ultrafast"),
        )
    assert len(good[0].read_text().splitlines()) == 121
    with av.open(str(good[1])) as video:
        assert sum(1 for _ in video.decode(video=0)) == 120
    if kind == "jsonl":
        assert all(json.loads(line) for line in (small_disk / "out.jsonl").read_text().splitlines())
    if kind == "coco":
        assert json.loads((small_disk / "out.json").read_text())


@pytest.mark.parametrize("kind", ["jsonl", "npz", "openpose", "mp4", "hls"])
def test_an_output_of_a_live_source_goes_on_when_its_disk_has_room_again(
    kind: str, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = NoisySource(100_000, fps=200.0)
    ballast = small_disk / "ballast"

    def make_room(progress: Any) -> None:
        lines = [record.getMessage() for record in caplog.records]
        if any("trying again" in line for line in lines):
            ballast.unlink(missing_ok=True)
        if any("goes on" in line for line in lines) or progress.elapsed_s > LIMIT_S:
            source.enough()

    summary = run(
        source,
        FILES[kind].format(small_disk),
        estimator=BlankEngine(),
        grouper=two_people,
        video=VideoConfig(video_preset="ultrafast", video_quality=20),
        on_progress=make_room,
    )
    assert "goes on" in caplog.text, f"within {LIMIT_S} s"
    missing = summary.sources[0].left_out
    assert sum(missing.values()) > 0
    if kind == "jsonl":
        _, *frames = map(json.loads, (small_disk / "out.jsonl").read_text().splitlines())
        numbers = [frame["frame"] for frame in frames]
        assert numbers == sorted(numbers)
        assert len(numbers) + sum(missing.values()) == summary.frames
    if kind == "npz":
        arrays = np.load(small_disk / "out.npz")
        assert len(arrays["keypoints"]) == arrays["people"].sum() == 2 * len(arrays["frame"])
        assert np.allclose(arrays["scores"], 0.9)
    if kind == "mp4":
        assert (small_disk / "out.mp4").exists()
        with av.open(str(small_disk / "out.part2.mp4")) as video:
            first = next(video.decode(video=0))
            assert first.time is not None and first.time < 0.1
    if kind == "hls":
        assert "#EXT-X-ENDLIST" in (small_disk / "live/index.m3u8").read_text()


class NoisySource(CountedSource):
    """As CountedSource, with images that do not compress."""

    def __init__(self, count: int, **choices: Any) -> None:
        super().__init__(count, **choices)
        generator = np.random.default_rng(5)
        self.noise = generator.integers(0, 255, (8, 64, 96, 3), np.uint8)

    def retrieve(self, frame: Any) -> None:
        frame.allocate(64, 96)[:] = self.noise[self.index % 8]

    def enough(self) -> None:
        """A few more frames, then the end."""
        self.count = min(self.count, self.index + 20)


def test_a_pipe_whose_reader_is_gone_is_not_waited_for() -> None:
    """`run_stream.py rtsp://... -o - | head` has to end."""
    from stream.sinks import make_sinks

    assert not Outlet(make_sinks(["-"])[0], live=True).sink.resumable  # type: ignore[attr-defined]
    source = counted(100_000, fps=500.0)
    with (
        pytest.raises(SinkError, match="disk full"),
        Pipeline(
            [source], BlankEngine(), nobody, sinks=[[MemorySink(fail_in="write")]]
        ) as pipeline,
    ):
        pipeline.run()


def _outputs(folder: Path) -> Sequence[str]:
    return [str(folder / name) for name in ("a.jsonl", "b.csv", "c.json", "d.npz", "e.mp4")]


@pytest.mark.parametrize("broken", ["engine", "source"])
def test_a_run_that_fails_leaves_older_outputs_and_keeps_what_it_has(
    broken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for output in _outputs(tmp_path):
        Path(output).write_text("older")

    def fail_later(done: list[int]) -> Callable[..., People]:
        def group(*maps: object) -> People:
            done.append(1)
            if broken == "engine" and len(done) > 20:
                raise RuntimeError("boom")
            return two_people()

        return group

    source = CountedSource(60, fail_at=20 if broken == "source" else None)
    with pytest.raises((RuntimeError, OSError), match=r"boom|cable"):
        run(source, _outputs(tmp_path), estimator=BlankEngine(), grouper=fail_later([]))
    for output in map(Path, _outputs(tmp_path)):
        partial = output.with_stem(f"{output.stem}.partial")
        assert output.read_text() == "older"
        assert any(str(partial) in record.getMessage() for record in caplog.records)
    assert len((tmp_path / "a.partial.jsonl").read_text().splitlines()) == 21
    assert len(np.load(tmp_path / "d.partial.npz")["frame"]) == 20
    with av.open(str(tmp_path / "e.partial.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 20
    assert len(list(tmp_path.iterdir())) == 10, "no temporary file stays"


def test_a_run_that_is_stopped_has_complete_outputs(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("older")
    pipelines: list[Pipeline] = []

    def stop(progress: Any) -> None:
        if progress.frames > 5:
            pipelines[0].stop()

    run(
        CountedSource(100_000, fps=200.0),
        str(tmp_path / "a.jsonl"),
        estimator=BlankEngine(),
        grouper=nobody,
        pipeline=PipelineConfig(),
        on_start=pipelines.append,
        on_progress=stop,
    )
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) > 5
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
