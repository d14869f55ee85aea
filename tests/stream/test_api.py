"""What programs call: sources in, people, files and objects out."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import ConfigError, DataError, SinkError, SourceError
from engine import EstimatorConfig, open_estimator, parse_devices
from grouping import Grouper
from stream import (
    PeopleConfig,
    Pipeline,
    PipelineConfig,
    ProfileConfig,
    SourceConfig,
    annotate,
    iterate,
    open_source,
    run,
)
from stream.pipeline.policy import EVERY_FRAME
from stream.render.renderer import Renderer, Status
from tests.stream.pipeline.parts import CountedSource, MemorySink
from tests.support.blank_engine import BlankEngine
from tests.support.media import make_clip, read_numbers
from tests.support.people import nobody
from tests.support.plaza_engine import PlazaEngine
from tests.support.servers import tcp_server


def test_sources_and_sinks_of_ones_own_are_opened_and_closed() -> None:
    source, sink = CountedSource(12), MemorySink()
    summary = run(source, sink, estimator=BlankEngine(), grouper=nobody)
    assert (summary.frames, sink.frames) == (12, list(range(12)))
    assert sink.info is not None and sink.info.name == "counted"
    assert sink.closed >= 1


def test_a_path_is_as_good_as_its_text(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    run(clip, tmp_path / "{source}.jsonl", estimator=BlankEngine())
    assert len((tmp_path / "clip.jsonl").read_text().splitlines()) == 1 + 5


@pytest.mark.parametrize("live", [False, True])
def test_only_of_a_live_source_the_picture_shows_latency(
    monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    shown: list[Status] = []
    draw = Renderer.draw

    def noting(self: Renderer, image: Any, people: Any, status: Any = None, **maps: Any) -> None:
        shown.append(status)
        draw(self, image, people, status, **maps)

    source, sink = CountedSource(3), MemorySink(needs_image=True)
    source.live = live
    monkeypatch.setattr(Renderer, "draw", noting)
    run(source, sink, estimator=BlankEngine(), pipeline=PipelineConfig(policy=EVERY_FRAME))
    of_frames = [status for status in shown if status.runtime]  # not those of warming up
    assert len(of_frames) == 3
    assert [status.latency_ms is not None for status in of_frames] == [live] * 3
    assert of_frames[0].fps is None
    assert of_frames[2].fps is not None


def test_several_sources_get_sinks_of_their_own(tmp_path: Path) -> None:
    made: dict[str, MemorySink] = {}

    def sink_of(label: str) -> MemorySink:
        made[label] = MemorySink()
        return made[label]

    sources = [CountedSource(3, name="left"), CountedSource(4, name="right")]
    summary = run(sources, [sink_of, str(tmp_path / "{source}.csv")], estimator=BlankEngine())
    assert {label: sink.frames for label, sink in made.items()} == {
        "left": [0, 1, 2],
        "right": [0, 1, 2, 3],
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["left.csv", "right.csv"]
    assert [source.frames for source in summary.sources] == [3, 4]


def test_every_device_with_a_source_gets_an_engine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = EstimatorConfig(
        runtime="onnxruntime", input_size=(64, 96), device=parse_devices("cpu,cpu,cpu")
    )
    summary = run(
        ["demo", "demo"],
        tmp_path / "{source}.jsonl",
        estimator=config,
        pipeline=PipelineConfig(frames=3),
    )
    assert "only cpu, cpu of the devices cpu,cpu,cpu has a source" in caplog.text
    assert [source.frames for source in summary.sources] == [3, 3]
    assert "; on cpu;" in str(summary)
    assert [stage.name for stage in summary.stages][2:4] == ["infer 0", "infer 1"]
    header = json.loads((tmp_path / "demo_2.jsonl").read_text().splitlines()[0])
    assert header["device"] == "cpu"


def test_several_sources_cannot_share_a_sink() -> None:
    sources = [CountedSource(3, name="left"), CountedSource(4, name="right")]
    with pytest.raises(ConfigError, match="several sources cannot share a MemorySink"):
        run(sources, [MemorySink()], estimator=BlankEngine())
    with pytest.raises(ConfigError, match=r"needs \{source\} in its name"):
        run(sources, "out.jsonl", estimator=BlankEngine())


def test_what_is_chosen_reaches_what_it_configures(tmp_path: Path) -> None:
    sink = MemorySink()
    source = CountedSource(40)
    run(source, sink, estimator=BlankEngine(), pipeline=PipelineConfig(frames=6, stride=2))
    assert sink.frames == [0, 2, 4, 6, 8, 10]
    scores = {
        least: [
            score
            for _, people in iterate(
                "demo",
                estimator=PlazaEngine(),
                people=PeopleConfig(min_score=least),
                pipeline=PipelineConfig(frames=40),
            )
            for score in people.scores
        ]
        for least in (0.0, 0.5)
    }
    assert min(scores[0.0]) < 0.5 <= min(scores[0.5])


def test_a_run_can_be_stopped_and_shows_how_far_it_is() -> None:
    counts: list[int] = []
    running: list[Pipeline] = []

    def progress(told: object) -> None:
        counts.append(told.frames)  # type: ignore[attr-defined]
        running[0].stop()

    ended: list[int] = []
    summary = run(
        CountedSource(1_000_000, fps=100.0),
        MemorySink(),
        estimator=BlankEngine(),
        grouper=nobody,
        on_start=running.append,
        on_progress=progress,
        on_end=lambda pipeline: ended.append(pipeline.summary().frames),
    )
    assert summary.stopped
    assert ended == [summary.frames] and counts


def test_the_end_is_told_when_a_run_fails() -> None:
    ended: list[Pipeline] = []
    with pytest.raises(SinkError, match="disk full"):
        run(
            CountedSource(30),
            MemorySink(fail_in="write"),
            estimator=BlankEngine(),
            on_end=ended.append,
        )
    assert len(ended) == 1


def test_a_model_that_cannot_be_is_told_before_a_server_is_asked(tmp_path: Path) -> None:
    asked = threading.Event()
    with tcp_server(lambda connection: asked.set()) as port:
        with pytest.raises(ConfigError, match="unknown model 'lit'"):
            run(f"http://127.0.0.1:{port}/clip.mp4", MemorySink(), estimator="lit")
        missing = EstimatorConfig(weights=tmp_path / "missing.pth")
        with pytest.raises(Exception, match=r"missing\.pth"):
            run(f"http://127.0.0.1:{port}/clip.mp4", MemorySink(), estimator=missing)
    assert not asked.is_set()


def test_a_file_that_is_missing_is_told_before_the_model_is_opened() -> None:
    with pytest.raises(SourceError, match="no such file"):
        run("missing.mp4", MemorySink(), estimator="lit")


def test_an_output_that_cannot_be_is_told_before_anything_is_opened() -> None:
    with pytest.raises(ConfigError, match=r"\.xyz"):
        run("missing.mp4", "out.xyz", estimator="lit")


def test_stages_come_between_grouping_and_outputs() -> None:
    seen: list[int] = []
    sink = MemorySink()
    run(
        CountedSource(5),
        sink,
        estimator=BlankEngine(),
        stages=[lambda frame, people: seen.append(frame.index)],
    )
    assert seen == sink.frames == [0, 1, 2, 3, 4]


def test_a_profile_is_written_of_a_run_from_python(tmp_path: Path) -> None:
    run(
        CountedSource(20),
        MemorySink(),
        estimator=BlankEngine(),
        profile=ProfileConfig(profile=tmp_path / "profile"),
    )
    figures = json.loads((tmp_path / "profile" / "profile.json").read_text())
    assert figures["frames_out"] == 20
    assert figures["run"]["command"] == "run_stream.py CountedSource -o MemorySink"


def test_iterate_writes_outputs_as_well(tmp_path: Path) -> None:
    outputs = [tmp_path / "out.jsonl", tmp_path / "out.mp4"]
    indices = [
        frame.index
        for frame, _ in iterate(CountedSource(10), outputs, estimator=BlankEngine(), grouper=nobody)
    ]
    assert indices == list(range(10))
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1 + 10
    assert read_numbers(tmp_path / "out.mp4") == list(range(10))


def test_leaving_the_loop_finishes_the_outputs(tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    for frame, _ in iterate(CountedSource(500), video, estimator=BlankEngine(), grouper=nobody):
        if frame.index == 20:
            break
    written = read_numbers(video)
    assert written == list(range(len(written)))
    assert 21 <= len(written) < 500


def test_iterate_tells_several_sources_apart() -> None:
    sources = [CountedSource(3, name="left"), CountedSource(4, name="right")]
    seen = [(frame.source, frame.index) for frame, _ in iterate(sources, estimator=BlankEngine())]
    assert sorted(seen) == [("left", index) for index in range(3)] + [
        ("right", index) for index in range(4)
    ]


def test_iterate_opens_the_model_that_is_described() -> None:
    with pytest.raises(ConfigError, match=r"iterate: input_size must be .* such as 448x320"):
        next(iterate("demo", input_size="big"))
    with pytest.raises(ConfigError, match="'onnxruntim'"):
        next(iterate("demo", runtime="onnxruntim"))
    with pytest.raises(ConfigError, match="device must be auto, cpu, cuda"):
        next(iterate("demo", device="gpu"))
    with pytest.raises(ConfigError, match="runs on the CPU only, not on device cuda:1"):
        next(iterate("demo", runtime="onnxruntime", device="cuda:1"))
    frame, people = next(iterate("demo", runtime="onnxruntime", device="cpu", input_size="192x128"))
    assert frame.image.shape == (480, 640, 3)
    assert people.keypoints.shape[1:] == (17, 3)


def test_a_live_file_is_a_choice_of_the_source(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=10)
    sink = MemorySink()
    run(clip, sink, estimator=BlankEngine(), source=SourceConfig(realtime=True))
    assert sink.info is not None and sink.info.live


def test_an_image_is_annotated_and_stays_as_it_is() -> None:
    with open_source("demo") as source:
        image = next(frame.image for frame in source if frame.index == 20)
    before = image.copy()
    drawn, people = annotate(image, estimator=PlazaEngine())
    np.testing.assert_array_equal(image, before)
    assert len(people) > 1
    changed = (drawn != image).any(axis=2)
    x, y, _ = people.keypoints[people.keypoints[..., 2] > 0.5].astype(int).T
    inside = (x >= 0) & (x < 640) & (y >= 0) & (y < 480)
    assert changed[y[inside], x[inside]].mean() > 0.9, "joints are drawn where they were found"
    assert changed.mean() < 0.3


def test_people_found_step_by_step_are_those_of_annotate() -> None:
    with open_source("demo") as source:
        image = next(frame.image for frame in source if frame.index == 20)
    config = EstimatorConfig(runtime="onnxruntime", input_size=(192, 256))
    with open_estimator(config) as estimator:
        _, expected = annotate(image, estimator=estimator)
        maps = estimator.result(estimator.submit(image))
        found, official = (
            group(maps.heatmaps, maps.tags, maps.candidates).to_image(maps.alignment)
            for group in (Grouper.for_model(estimator), Grouper(estimator.keypoint_set))
        )
        maps.release()
    assert len(expected) > 1
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    assert len(official) > len(found), "the official parser keeps ghosts, and is for figures alone"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "not None: cv2.imread gives None for a file it cannot read"),
        ("photo.jpg", "not str"),
        (np.zeros((8, 8), np.uint8), r"not \(8, 8\) of uint8"),
        (np.zeros((8, 8, 4), np.uint8), r"not \(8, 8, 4\) of uint8"),
        (np.zeros((8, 8, 3)), r"not \(8, 8, 3\) of float64"),
        (np.zeros((0, 8, 3), np.uint8), r"not \(0, 8, 3\)"),
    ],
)
def test_what_is_no_image_is_told_before_a_model_is_opened(image: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"image must be an array .*, {message}"):
        annotate(image, estimator="nosuchmodel")


_LEAVING = """
import sys
from engine import EstimatorConfig, open_estimator, parse_devices
from grouping import Grouper
from stream import iterate, run

large = EstimatorConfig(runtime="onnxruntime", input_size=768)  # a second an image

if sys.argv[1] == "loop":
    for frame, people in iterate("demo", estimator=large):
        break

class Full:
    needs_image = False
    def open(self, source, run): pass
    def write(self, *frame, **facts): raise OSError("disk full")
    def close(self): pass

if sys.argv[1] == "sink":
    try:
        run("demo", Full(), estimator=large)
    except OSError as error:
        print(error)
"""


@pytest.mark.parametrize("where", ["loop", "sink"])
def test_leaving_while_the_engine_is_inside_an_image_waits_for_it(where: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _LEAVING, where],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == ("disk full\n" if where == "sink" else "")
