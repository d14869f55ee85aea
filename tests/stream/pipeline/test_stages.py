"""A user's own stages: where they stand, what they may do, and what their faults do to a run."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs import StageError
from engine import PoseMaps
from grouping import People
from stream.frame import Frame
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.stages import PerSource, stage_names
from stream.profile import Profiler
from stream.profile.config import ProfileConfig
from stream.profile.figures import RunFacts
from stream.render.renderer import Renderer
from tests.stream.pipeline.parts import MemorySink, counted
from tests.support.blank_engine import BlankEngine
from tests.support.plaza_engine import KEYPOINT_SET
from tests.support.waiting import LIMIT_S, joined, measured, met, within

JOINTS = len(KEYPOINT_SET)


def people_of(count: int) -> People:
    return People(
        np.ones((count, JOINTS, 3), np.float32),
        np.ones(count, np.float32),
        np.zeros((count, 1), np.float32),
    )


def two_people(*arguments: object) -> People:
    return people_of(2)


class PeopleSink(MemorySink):
    """Remembers how many people each frame had, and the corner of its image."""

    def __init__(self, **choices: Any) -> None:
        super().__init__(**choices)
        self.counts: list[int] = []
        self.corners: list[int] = []

    def write(self, frame: Frame, people: People, *arguments: Any, **keywords: Any) -> None:
        super().write(frame, people, *arguments, **keywords)
        self.counts.append(len(people))
        self.corners.append(int(frame.image[-1, -1, 0]))


def test_stages_stand_between_group_and_render_in_their_order() -> None:
    seen: list[tuple[str, int, int, str]] = []

    def double(frame: Frame, people: People) -> People:
        seen.append(("double", frame.index, len(people), threading.current_thread().name))
        return people_of(2 * len(people))

    def watch(frame: Frame, people: People) -> None:
        seen.append(("watch", frame.index, len(people), threading.current_thread().name))
        frame.image[-1, -1] = 7

    drawn: list[int] = []

    class SeeingRenderer(Renderer):
        def draw(self, image: np.ndarray, people: People, *rest: Any, **keywords: Any) -> None:
            drawn.append(len(people))
            assert image[-1, -1, 0] == 7

    sink = PeopleSink(needs_image=True)
    with Pipeline(
        [counted(20)],
        BlankEngine(),
        two_people,
        sinks=[[sink]],
        renderers=[SeeingRenderer(KEYPOINT_SET)],
        stages=[double, watch],
    ) as pipeline:
        summary = pipeline.run()
    assert sink.counts == drawn == [4] * 20
    assert sink.corners == [7] * 20
    for name, count in (("double", 2), ("watch", 4)):
        assert [entry for entry in seen if entry[0] == name] == [
            (name, index, count, name) for index in range(20)
        ]
    names = ["decode", "infer", "group", "double", "watch", "render", "write"]
    assert [stage.name for stage in summary.stages] == names
    assert all(stage.time_ms.n == 20 for stage in summary.stages)
    assert summary.depths["double"].n == 20


def test_results_pass_through_stages_too() -> None:
    options = PipelineConfig(frames=5)
    with Pipeline(
        [counted(9)],
        BlankEngine(),
        two_people,
        stages=[lambda frame, people: people_of(frame.index)],
        options=options,
    ) as pipeline:
        found = [(frame.index, len(people)) for frame, people in pipeline.results()]
    assert found == [(index, index) for index in range(5)]
    assert pipeline.summary().people == sum(range(5))


@measured
def test_a_slow_stage_is_seen_as_the_slowest_and_its_queue_is_counted() -> None:
    def slow(frame: Frame, people: People) -> None:
        time.sleep(0.01)

    with Pipeline([counted(40)], BlankEngine(), two_people, stages=[slow]) as pipeline:
        summary = pipeline.run()
    assert summary.slowest is not None
    assert summary.slowest.name == "slow"
    met(summary.slowest.busy_share > 0.5, f"busy for {summary.slowest.busy_share} of the time")
    assert summary.depths["slow"].p50 >= 1
    assert "slowest stage: slow" in str(summary)


def test_a_slow_stage_makes_a_live_source_drop_and_every_drop_is_counted() -> None:
    def slow(frame: Frame, people: People) -> None:
        time.sleep(0.02)

    sink = PeopleSink()
    with Pipeline(
        [counted(60, fps=200.0)], BlankEngine(), two_people, sinks=[[sink]], stages=[slow]
    ) as pipeline:
        summary = pipeline.run()
    assert sum(summary.drops.values()) > 10
    assert len(sink.frames) + sum(summary.drops.values()) == 60
    assert sink.frames == sorted(sink.frames)


class Counting:
    """Numbers the frames that it sees; `closed` lists those that were closed."""

    closed: list[int]

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, frame: Frame, people: People) -> People:
        assert frame.index == self.seen, "frames of another source came between"
        self.seen += 1
        return people_of(self.seen % 5)

    def close(self) -> None:
        type(self).closed.append(self.seen)


def test_a_stage_can_have_state_of_its_own_for_every_source() -> None:
    Counting.closed = []
    sinks = [PeopleSink(), PeopleSink()]
    sources = [counted(30, name="a"), counted(20, name="b")]
    with Pipeline(
        sources,
        BlankEngine(),
        two_people,
        sinks=[[sink] for sink in sinks],
        stages=[PerSource(Counting)],
    ) as pipeline:
        summary = pipeline.run()
    assert [sink.counts for sink in sinks] == [
        [(index + 1) % 5 for index in range(count)] for count in (30, 20)
    ]
    assert sorted(Counting.closed) == [20, 30]
    assert "Counting" in [stage.name for stage in summary.stages]


class LendingEngine(BlankEngine):
    """Counts the maps that are out."""

    def __init__(self) -> None:
        super().__init__()
        self.lent = 0

    def result(self, ticket: int) -> PoseMaps:
        maps = super().result(ticket)
        self.lent += 1
        return PoseMaps(maps.heatmaps, maps.tags, maps.alignment, _give_back=self._take_back)

    def _take_back(self) -> None:
        self.lent -= 1


def boom(frame: Frame, people: People) -> People:
    if frame.index >= 5:
        raise KeyError("wrist")
    return people


def a_list(frame: Frame, people: People) -> Any:
    return [] if frame.index >= 5 else people


def fewer_joints(frame: Frame, people: People) -> People:
    if frame.index < 5:
        return people
    return replace(people, keypoints=people.keypoints[:, :3])


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (boom, "stage 'boom' failed at frame 5 of 'counted': KeyError: 'wrist'"),
        (a_list, "stage 'a_list' must return People or None, and returned a list at frame 5"),
        (fewer_joints, "stage 'fewer_joints' returned keypoints of shape (2, 3, 3) at frame 5"),
    ],
)
@pytest.mark.parametrize("way", ["run", "results"])
@pytest.mark.parametrize("fps", [None, 200.0], ids=["file", "live"])
@measured
def test_a_fault_in_a_stage_ends_the_run_with_one_line_that_names_it(
    stage: Any, message: str, way: str, fps: float | None
) -> None:
    sink = PeopleSink()
    source = counted(10_000, fps=fps)
    engine = LendingEngine()
    pipeline = Pipeline([source], engine, two_people, sinks=[[sink]], stages=[stage])
    with within(4), pytest.raises(StageError) as caught, pipeline:
        if way == "run":
            pipeline.run()
        else:
            list(pipeline.results())
    said = re.sub(r"frame \d+", "frame 5", str(caught.value)) if fps else str(caught.value)
    assert said.startswith(message)
    assert "\n" not in str(caught.value)
    assert engine.lent == 0, "maps of frames that were under way are given back"
    if way == "run":
        assert sink.closed
        if fps is None:
            assert sink.frames == list(range(5)), "what was done before is to be written"


def test_a_fault_while_a_stage_is_closed_is_told_and_the_sinks_are_finished() -> None:
    class Careless:
        def __call__(self, frame: Frame, people: People) -> None:
            return None

        def close(self) -> None:
            raise OSError("disk full")

    sink = PeopleSink()
    with (
        pytest.raises(StageError, match=r"stage 'Careless' could not be closed: OSError: disk"),
        Pipeline(
            [counted(5)], BlankEngine(), two_people, sinks=[[sink]], stages=[Careless()]
        ) as pipeline,
    ):
        pipeline.run()
    assert sink.closed
    assert sink.frames == list(range(5))


@measured
def test_a_stage_that_hangs_does_not_hang_the_run() -> None:
    free = threading.Event()

    def hang(frame: Frame, people: People) -> None:
        free.wait(LIMIT_S)

    pipeline = Pipeline([counted(5)], BlankEngine(), two_people, stages=[hang])
    stopper = threading.Timer(0.3, pipeline.stop)
    stopper.start()
    try:
        with within(5), pipeline:
            pipeline.run()
    finally:
        free.set()
        joined(stopper)
    assert pipeline.left_behind == ("hang",)


def test_names_of_stages_are_their_own_and_never_those_of_built_in_ones() -> None:
    class Named:
        name = "smooth"

        def __call__(self, frame: Frame, people: People) -> None:
            return None

    def group(frame: Frame, people: People) -> None:
        return None

    stages = [Named(), Named(), group, lambda frame, people: None, PerSource(Named), Named]
    assert stage_names(stages) == [  # type: ignore[arg-type]
        "smooth",
        "smooth-2",
        "group-2",
        "lambda",
        "smooth-3",
        "smooth-4",
    ]


def test_stages_are_in_the_profile(tmp_path: Path) -> None:
    def smooth(frame: Frame, people: People) -> None:
        time.sleep(0.002)

    profiler = Profiler(ProfileConfig(profile=tmp_path))
    source = counted(30)
    with (
        profiler,
        Pipeline(
            [source], BlankEngine(), two_people, stages=[smooth], timings=profiler.timings
        ) as pipeline,
    ):
        summary = pipeline.run()
    facts = RunFacts(
        command="run_stream.py",
        model="blank",
        runtime="none",
        precision="none",
        input_size="64x64",
        policy="every-frame",
        sources=(source.info,),
        error=None,
    )
    document = profiler.document(facts, summary)
    profiler.write(document)
    assert "smooth" in [stage["name"] for stage in document["stages"]]
    assert document["queues"]["smooth"]["n"] == 30
    assert document["slowest_frames"][0]["stages_ms"]["smooth"] >= 2
    assert '"smooth"' in (tmp_path / "trace.json").read_text()
    page = (tmp_path / "report.html").read_text()
    assert "<td>smooth</td>" in page or ">smooth<" in page
    assert re.search(r"stage-own-\d", page)
