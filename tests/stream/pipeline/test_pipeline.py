import gc
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import stream
from configs import ExecutionError, SourceError
from grouping import Grouper, People
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.policy import EVERY_FRAME, LATEST, Policy
from stream.pipeline.progress import Progress
from stream.render.renderer import RenderConfig, Renderer
from stream.sinks import Controls, make_sinks
from stream.sources import State, open_source
from stream.sources.config import SourceConfig
from tests.stream.pipeline.parts import MemorySink, counted
from tests.support.blank_engine import BlankEngine
from tests.support.media import make_clip
from tests.support.people import no_people, nobody
from tests.support.plaza_engine import KEYPOINT_SET, PlazaEngine, similarity_of_record
from tests.support.waiting import LIMIT_S, measured, met, until, within


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """No thread outlives its run."""
    before = set(threading.enumerate())
    yield
    until(lambda: set(threading.enumerate()) <= before, "its threads have ended", pause_s=0.01)


@pytest.fixture(scope="module")
def grouper() -> Grouper:
    return Grouper("coco")


def stop_when(
    pipeline: Pipeline, condition: Callable[[], bool], limit_s: float = LIMIT_S
) -> Callable[[Progress], None]:
    """For `Pipeline.run`: stops the run when `condition` holds, or when it takes too long."""

    def look(progress: Progress) -> None:
        if condition() or progress.elapsed_s > limit_s:
            pipeline.stop()

    return look


def test_people_of_the_demo_are_found_drawn_and_recorded(tmp_path: Path, grouper: Grouper) -> None:
    """The whole way: decode, infer (with maps drawn from the truth), group, render, MP4 and JSON
    Lines.
    """
    engine = PlazaEngine()
    record, video = tmp_path / "out.jsonl", tmp_path / "out.mp4"
    renderer = Renderer(KEYPOINT_SET)
    sinks = make_sinks([str(record), str(video)])
    with (
        open_source("demo") as source,
        Pipeline([source], engine, grouper, sinks=[sinks], renderers=[renderer]) as pipeline,
    ):
        summary = pipeline.run()
    header, *frames = [json.loads(line) for line in record.read_text().splitlines()]
    assert header["size"] == [640, 480]
    assert [frame["frame"] for frame in frames] == list(range(200))
    assert [frame["time_s"] for frame in frames] == pytest.approx(
        [index / 25 for index in range(200)]
    )
    assert similarity_of_record(frames) >= 0.95
    assert summary.frames == 200
    assert summary.people == sum(len(frame["people"]) for frame in frames)
    assert f"; {summary.people / 200:.1f} people a frame; " in str(summary)
    assert summary.drops == {}
    assert engine.given == engine.released == 200
    assert engine.largest_queue == engine.in_flight == 2
    with open_source("demo") as clip, open_source(str(video)) as result:
        changes = [
            cv2.absdiff(after.image, before.image).max(axis=2)
            for before, after in zip(clip, result, strict=True)
        ]
    assert len(changes) == 200
    for index in (0, 77, 199):
        joints = [
            joint
            for person in frames[index]["people"]
            for joint in person["keypoints"]
            if joint[2] > 0.5
        ]
        at_joints = [
            changes[index][int(y), int(x)] for x, y, _ in joints if 0 <= x < 640 and 0 <= y < 440
        ]
        assert np.median(at_joints) > 40, "joints are not drawn where they were found"
        assert np.median(changes[index]) < 12, "the rest of the image changed"


def test_iterate_gives_frames_with_their_people_in_order() -> None:
    seen = []
    for frame, people in stream.iterate("demo", estimator=PlazaEngine()):
        seen.append((frame.index, len(people), frame.image.shape))
        if frame.index == 49:
            break
    assert [index for index, _, _ in seen] == list(range(50))
    assert sum(count for _, count, _ in seen) > 100
    assert {shape for _, _, shape in seen} == {(480, 640, 3)}


def test_every_frame_is_inferred_once_and_in_order(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=100)
    engine, sink = BlankEngine(), MemorySink()
    with (
        open_source(str(clip)) as source,
        Pipeline([source], engine, nobody, sinks=[[sink]]) as pipeline,
    ):
        summary = pipeline.run()
    assert engine.seen == sink.frames == list(range(100))
    assert summary.drops == {}
    assert [stage.name for stage in summary.stages] == ["decode", "infer", "group", "write"]
    assert all(stage.time_ms.n == 100 for stage in summary.stages)
    assert summary.latency_ms.n == 100
    assert sink.closed >= 1
    assert "100 frames" in str(summary)


def test_no_image_is_drawn_unless_a_sink_wants_it() -> None:
    drawn: list[int] = []

    class CountingRenderer(Renderer):
        def draw(self, *arguments: Any, **keywords: Any) -> None:
            drawn.append(1)
            super().draw(*arguments, **keywords)

    for needed in (False, True):
        sinks = [MemorySink(), MemorySink(needs_image=needed)]
        renderers = [CountingRenderer(KEYPOINT_SET)]
        with Pipeline(
            [counted(10)], BlankEngine(), nobody, sinks=[sinks], renderers=renderers
        ) as pipeline:
            pipeline.run()
        assert len(drawn) == (10 if needed else 0)
        assert sinks[0].images == [False] * 10
        assert sinks[1].images == [needed] * 10


class FailingEngine(BlankEngine):
    def __init__(self, call: str) -> None:
        super().__init__()
        self.call = call

    def submit(self, image_bgr: np.ndarray) -> int:
        if self.call == "submit" and len(self.seen) == 5:
            raise RuntimeError("boom in submit")
        return super().submit(image_bgr)

    def result(self, ticket: int) -> Any:
        if self.call == "result" and ticket == 5:
            raise RuntimeError("boom in result")
        return super().result(ticket)


class Fault:
    """Raises at the sixth call, if it is the one that is to break."""

    def __init__(self, name: str, broken: str) -> None:
        self.name, self.left = name, 5 if name == broken else 10**9

    def __call__(self, *arguments: object, **keywords: object) -> People:
        if self.left == 0:
            raise RuntimeError(f"boom in {self.name}")
        self.left -= 1
        return no_people()


@pytest.mark.parametrize("broken", ["source", "submit", "result", "group", "draw", "open", "close"])
@pytest.mark.parametrize("live", [False, True])
def test_an_error_at_any_stage_ends_the_run_with_that_error_and_finished_sinks(
    broken: str, live: bool
) -> None:
    source = counted(10_000, fps=200.0 if live else None, fail_at=5 if broken == "source" else None)
    good = MemorySink(needs_image=True)
    bad = MemorySink(fail_in=broken)
    expected = {
        "source": "cable",
        "open": "cannot open",
        "close": "cannot finish",
    }
    options = PipelineConfig(frames=8 if broken == "close" else None)
    renderer = Renderer(KEYPOINT_SET)
    renderer.draw = Fault("draw", broken)  # type: ignore[method-assign, assignment]
    pipeline = Pipeline(
        [source],
        FailingEngine(broken),
        Fault("group", broken),
        sinks=[[good, bad]],
        renderers=[renderer],
        options=options,
    )
    with (
        within(4),
        pytest.raises((RuntimeError, OSError), match=expected.get(broken, f"boom in {broken}")),
        pipeline,
    ):
        pipeline.run()
    assert good.closed and bad.closed
    if broken in ("source", "submit", "group", "draw") and not live:
        assert good.frames == list(range(5)), "what was done before the error is to be written"


class PausedSink(MemorySink):
    """Waits for somebody who watches, as a window does."""

    controls: Controls

    def attach(self, controls: Controls) -> None:
        self.controls = controls

    def write(self, *arguments: Any, **keywords: Any) -> None:
        super().write(*arguments, **keywords)
        if len(self.frames) > 1:
            until(lambda: self.controls.over(), "it is let go")


@pytest.mark.parametrize("end", ["engine", "loop"])
@measured
def test_an_output_that_waits_for_a_person_is_let_go_when_nothing_more_comes(end: str) -> None:
    """The engine fails behind a paused window, or a loop is left: held for ever, and for 30 s."""
    sink = PausedSink(needs_image=True)
    engine = FailingEngine("result" if end == "engine" else "")
    pipeline = Pipeline(
        [counted(10_000)], engine, nobody, sinks=[[sink]], renderers=[Renderer(KEYPOINT_SET)]
    )
    with within(4), pipeline:
        if end == "engine":
            with pytest.raises(RuntimeError, match="boom in result"):
                pipeline.run()
        else:
            people = pipeline.results()
            next(people)
            until(lambda: len(sink.frames) == 2, "it waits with the second")
            people.close()
    assert sink.closed == 1
    assert pipeline.left_behind == ()


def test_the_end_of_one_source_that_fails_leaves_the_other_running() -> None:
    sinks = [MemorySink(), MemorySink()]
    sources = [
        counted(10_000, fps=100.0, fail_at=10, name="first"),
        counted(60, fps=100.0, name="second"),
    ]
    pipeline = Pipeline(sources, BlankEngine(), nobody, sinks=[[sinks[0]], [sinks[1]]])
    with pytest.raises(SourceError, match="cable"), pipeline:
        pipeline.run()
    assert len(sinks[0].frames) <= 10
    assert sinks[1].frames[-1] >= 58
    summary = pipeline.summary()
    assert [source.name for source in summary.sources] == ["first", "second"]
    assert summary.sources[0].health.state == "failed"


@measured
def test_several_sources_share_one_engine_and_keep_their_order() -> None:
    engine = BlankEngine(delay_s=0.005)
    sinks = [MemorySink(), MemorySink(), MemorySink()]
    sources = [counted(40, name=str(index)) for index in range(3)]
    with Pipeline(sources, engine, nobody, sinks=[[sink] for sink in sinks]) as pipeline:
        pipeline.run()
    assert [sink.frames for sink in sinks] == [list(range(40))] * 3
    assert sorted(engine.seen) == sorted([*range(40)] * 3)
    met(max(engine.seen[:30]) < 20, "the sources, which begin at once, take turns")


def test_frames_of_several_sources_travel_together_in_order_and_each_once() -> None:
    engine = BlankEngine(delay_s=0.004, batch_size=3)
    sinks = [MemorySink(), MemorySink(), MemorySink()]
    sources = [counted(40, name=str(index)) for index in range(3)]
    options = PipelineConfig(batch_window_ms=1000)
    with Pipeline(
        sources, engine, nobody, sinks=[[sink] for sink in sinks], options=options
    ) as pipeline:
        pipeline.run()
    assert [sink.frames for sink in sinks] == [list(range(40))] * 3
    assert sorted(engine.seen) == sorted([*range(40)] * 3)
    assert max(engine.batches) == 3
    assert len(engine.batches) < 60, "most frames travel in batches"


def test_a_batch_is_no_larger_than_the_engine_likes() -> None:
    engine = BlankEngine(batch_size=2)
    sources = [counted(20, name=str(index)) for index in range(3)]
    with Pipeline(sources, engine, nobody) as pipeline:
        pipeline.run()
    assert len(engine.seen) == 60
    assert max(engine.batches) <= 2


def engine_on(device: str, **choices: Any) -> BlankEngine:
    engine = BlankEngine(**choices)
    engine.device = device  # type: ignore[attr-defined]
    return engine


def test_several_engines_share_the_sources_which_stay_where_they_are(tmp_path: Path) -> None:
    engines = [engine_on("cuda:0 (A)"), engine_on("cuda:1 (B)", delay_s=0.002, batch_size=2)]
    sources = [counted(20 + index, name=str(index)) for index in range(3)]
    records = [tmp_path / f"{index}.jsonl" for index in range(3)]
    sinks = [make_sinks([str(path)]) for path in records]
    with Pipeline(sources, engines, nobody, sinks=sinks) as pipeline:
        summary = pipeline.run()
    assert [source.frames for source in summary.sources] == [20, 21, 22]
    assert sorted(engines[0].seen) == sorted([*range(20), *range(22)])
    assert engines[1].seen == [*range(21)]
    for path, device in zip(records, ("cuda:0 (A)", "cuda:1 (B)", "cuda:0 (A)"), strict=True):
        header, *frames = [json.loads(line) for line in path.read_text().splitlines()]
        assert header["device"] == device
        assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    assert [stage.name for stage in summary.stages if "infer" in stage.name] == [
        "infer 0",
        "infer 1",
    ]
    assert "on cuda:0 (A) and cuda:1 (B)" in str(summary)


def test_an_engine_without_a_source_is_left_alone() -> None:
    engines = [BlankEngine(), BlankEngine()]
    with Pipeline([counted(5)], engines, nobody) as pipeline:
        summary = pipeline.run()
    assert (summary.frames, engines[1].seen) == (5, [])


@pytest.mark.parametrize("when", ["submit", "result"])
@measured
def test_an_engine_that_fails_ends_the_run_of_the_others(when: str) -> None:
    def fail(*arguments: Any) -> Any:
        raise ExecutionError("fell off the bus")

    broken, sink = BlankEngine(), MemorySink()
    setattr(broken, when, fail)
    sources = [counted(100_000, fps=200.0, name="well"), counted(9, name="ill")]
    with (
        Pipeline(sources, [BlankEngine(), broken], nobody, sinks=[[sink], []]) as pipeline,
        pytest.raises(ExecutionError, match="fell off the bus"),
    ):
        pipeline.run(stop_when(pipeline, lambda: False))
    assert sink.closed == 1
    met(pipeline.summary().elapsed_s < 4, "at once")


@measured
def test_a_single_source_never_waits_for_company() -> None:
    engine = BlankEngine(batch_size=8)
    options = PipelineConfig(batch_window_ms=1000)
    with Pipeline(
        [counted(5)], engine, nobody, sinks=[[MemorySink()]], options=options
    ) as pipeline:
        summary = pipeline.run()
    assert engine.batches == [1] * 5
    met(summary.elapsed_s < 2, "less than two windows for five frames")


@pytest.mark.parametrize("state", ["connecting", "stalled", "reconnecting", "failed"])
@measured
def test_nobody_waits_for_a_source_that_has_nothing_to_give(state: State) -> None:
    engine, sink = BlankEngine(batch_size=2), MemorySink()
    silent = counted(2, fps=0.05, name="silent")  # its second frame is 20 s away
    silent.health.state = state
    options = PipelineConfig(batch_window_ms=1000, policy=EVERY_FRAME)
    with Pipeline(
        [silent, counted(30, fps=100.0)], engine, nobody, sinks=[[], [sink]], options=options
    ) as pipeline:
        summary = pipeline.run(stop_when(pipeline, lambda: len(sink.frames) == 30))
    assert sink.frames == list(range(30))
    met(summary.elapsed_s < 10, "a third of 30 windows")


@pytest.mark.alone
@measured
def test_a_source_that_stalls_costs_the_others_the_window_at_most() -> None:
    engine, sink = BlankEngine(batch_size=2), MemorySink()
    silent = counted(2, fps=0.05, name="silent")
    options = PipelineConfig(batch_window_ms=20, policy=EVERY_FRAME)
    with Pipeline(
        [silent, counted(20, fps=20.0)], engine, nobody, sinks=[[], [sink]], options=options
    ) as pipeline:
        pipeline.run(stop_when(pipeline, lambda: len(sink.frames) == 20))
    assert sink.frames == list(range(20))
    met(np.median(sink.latencies_ms) < 20 + 30, f"latencies {sink.latencies_ms}")


@pytest.mark.alone
@measured
def test_with_latest_the_delay_is_at_most_one_frame_and_one_inference() -> None:
    engine, sink = BlankEngine(delay_s=0.06), MemorySink()
    with Pipeline(
        [counted(90, fps=60.0)],
        engine,
        nobody,
        sinks=[[sink]],
        options=PipelineConfig(policy=LATEST),
    ) as pipeline:
        summary = pipeline.run()
    assert sink.frames == sorted(set(sink.frames))
    assert len(sink.frames) < 40
    met(len(sink.frames) > 15, f"{len(sink.frames)} frames got through")
    assert summary.drops["superseded"] + len(sink.frames) == 90
    assert sink.drops == summary.drops["superseded"]
    # 2 x 60 ms of inference (one under way, one own) and a frame; half as much again for a busy
    # machine.
    met(np.percentile(sink.latencies_ms, 90) < 1.5 * (120 + 17), f"latencies {sink.latencies_ms}")
    early, late = np.median(sink.latencies_ms[3:12]), np.median(sink.latencies_ms[-9:])
    met(late < early + 30, "delay does not grow")


def test_with_max_age_frames_that_are_too_old_are_dropped() -> None:
    sink = MemorySink()
    options = PipelineConfig(policy=Policy(kind="max-age", max_age_s=0.05))
    with Pipeline(
        [counted(60, fps=100.0)], BlankEngine(delay_s=0.08), nobody, sinks=[[sink]], options=options
    ) as pipeline:
        summary = pipeline.run()
    assert len(sink.frames) + sum(summary.drops.values()) == 60
    assert set(summary.drops) <= {"stale", "full"}
    assert summary.drops


@pytest.mark.alone
@measured
def test_a_fast_engine_drops_nothing_of_a_live_source(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=16, fps=10)
    sink = MemorySink()
    with (
        open_source(str(clip), SourceConfig(realtime=True)) as source,
        Pipeline([source], BlankEngine(), nobody, sinks=[[sink]]) as pipeline,
    ):
        summary = pipeline.run()
    # A busy machine may hold a thread back for longer than a frame.
    met(summary.drops == {}, f"drops {summary.drops}")
    assert sink.frames == list(range(16))
    decode = next(stage for stage in summary.stages if stage.name == "decode")
    met(decode.busy_share < 0.5, "waiting is no work")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PipelineConfig(frames=7), list(range(7))),
        (PipelineConfig(stride=10), list(range(0, 100, 10))),
        (PipelineConfig(stride=10, frames=3), [0, 10, 20]),
        (PipelineConfig(max_fps=5.0), list(range(0, 100, 5))),
        (PipelineConfig(max_fps=1000.0), list(range(100))),
    ],
    ids=["frames", "stride", "both", "max fps", "max fps above"],
)
def test_fewer_frames_can_be_asked_for(options: PipelineConfig, expected: list[int]) -> None:
    sink = MemorySink()
    with Pipeline(
        [counted(100)], BlankEngine(), nobody, sinks=[[sink]], options=options
    ) as pipeline:
        summary = pipeline.run()
    assert sink.frames == expected
    assert summary.drops == {}


@pytest.mark.alone
@pytest.mark.parametrize("delay_s", [0.01, 5.0], ids=["quick engine", "engine that hangs"])
@measured
def test_stop_finishes_everything_within_two_seconds(delay_s: float) -> None:
    released = threading.Event()

    class Engine(BlankEngine):
        def result(self, ticket: int) -> Any:
            released.wait(delay_s)
            return super().result(ticket)

    sink = MemorySink()
    with Pipeline([counted(1_000_000)], Engine(), nobody, sinks=[[sink]]) as pipeline:
        threading.Timer(0.3, pipeline.stop).start()
        try:
            with within(0.3 + 2):
                summary = pipeline.run()
        finally:
            released.set()  # leaving waits for the engine, which would take another ten seconds
        assert sink.closed
        assert summary.stopped


def test_a_slow_sink_holds_up_a_file_and_loses_nothing() -> None:
    sink = MemorySink(delay_s=0.005)
    with Pipeline([counted(60)], BlankEngine(), nobody, sinks=[[sink]]) as pipeline:
        summary = pipeline.run()
    assert sink.frames == list(range(60))
    assert summary.slowest is not None
    assert summary.slowest.name == "write"


def test_frames_that_an_output_had_to_leave_out_are_in_the_summary() -> None:
    class SlowVideo(MemorySink):
        label = "rtmp://***@host/live"
        dropped = 7

    sink = SlowVideo()
    with Pipeline([counted(5)], BlankEngine(), nobody, sinks=[[MemorySink(), sink]]) as pipeline:
        summary = pipeline.run()
    assert summary.sources[0].left_out == {"rtmp://***@host/live": 7}
    assert "7 frames not in 'rtmp://***@host/live'" in str(summary)


def test_a_source_that_gave_nothing_is_in_the_summary() -> None:
    sources = [counted(0, name="dead"), counted(5, name="alive")]
    sources[0].health.message = "connection refused"
    with Pipeline(sources, BlankEngine(), nobody) as pipeline:
        summary = pipeline.run()
    assert "nothing came from 'dead' (connection refused)" in str(summary)
    assert "alive" not in str(summary)


def test_progress_is_told_in_the_callers_thread() -> None:
    told: list[Progress] = []
    threads: set[int] = set()

    def hear(progress: Progress) -> None:
        told.append(progress)
        threads.add(threading.get_ident())

    with Pipeline(
        [counted(40)], BlankEngine(delay_s=0.01), nobody, sinks=[[MemorySink()]]
    ) as pipeline:
        pipeline.run(hear)
    assert threads == {threading.get_ident()}
    assert [progress.frames for progress in told] == sorted(progress.frames for progress in told)
    assert told[-1].finished
    assert told[-1].frames == told[-1].expected == 40
    assert len(told) >= 4


def test_the_process_is_as_before_after_a_run() -> None:
    before = sys.getswitchinterval(), cv2.getNumThreads(), gc.get_freeze_count()
    during = []

    def look(heatmaps: np.ndarray, tags: np.ndarray, candidates: object = None) -> People:
        during.append((sys.getswitchinterval(), gc.get_freeze_count() > 10_000))
        return no_people()

    with Pipeline([counted(3)], BlankEngine(), look, sinks=[[MemorySink()]]) as pipeline:
        pipeline.run()
    assert during == [(pytest.approx(0.0005), True)] * 3
    assert (sys.getswitchinterval(), cv2.getNumThreads(), gc.get_freeze_count()) == before


def test_a_run_leaves_nothing_to_the_garbage_collector(tmp_path: Path, grouper: Grouper) -> None:
    """It looks at the young alone while a pipeline runs, and does not know how large images and
    decoders are.
    """
    large = {
        "VideoFrame",
        "ndarray",
        "Frame",
        "InputContainer",
        "OutputContainer",
        "VideoCodecContext",
        "FileSource",
        "FileReader",
    }
    clip = make_clip(tmp_path / "clip.mp4", frames=20, rotation=90)
    folder = tmp_path / "two"
    folder.mkdir()
    make_clip(folder / "1.mkv", frames=10)
    make_clip(folder / "2.ts", frames=10)

    def run(spec: Path) -> None:
        sinks = make_sinks([str(tmp_path / "out.mp4"), str(tmp_path / "out.jsonl")])
        with (
            open_source(str(spec)) as source,
            Pipeline(
                [source], BlankEngine(), nobody, sinks=[sinks], renderers=[Renderer(KEYPOINT_SET)]
            ) as pipeline,
        ):
            pipeline.run()

    for spec in (clip, folder):
        run(spec)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            run(spec)
            gc.collect()
            kinds = {type(item).__name__ for item in gc.garbage}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert not kinds & large, spec


def test_no_file_and_no_native_thread_stays_open(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=10)
    counts: list[list[int]] = []

    def now() -> list[int]:
        return [len(list(Path(f"/proc/self/{kind}").iterdir())) for kind in ("fd", "task")]

    def no_more() -> bool:
        return all(later <= earlier for later, earlier in zip(now(), counts[1], strict=True))

    for _ in range(3):
        sinks = make_sinks(
            [str(tmp_path / name) for name in ("out.mp4", "out.jsonl", "out.csv", "out.json")]
        )
        with (
            open_source(str(clip)) as source,
            Pipeline(
                [source], BlankEngine(), nobody, sinks=[sinks], renderers=[Renderer(KEYPOINT_SET)]
            ) as pipeline,
        ):
            pipeline.run()
        counts.append(now())
    until(no_more, f"not more than after the second run: {counts}")  # a thread leaves /proc late


def test_a_source_that_changes_its_size_keeps_all_outputs_going(tmp_path: Path) -> None:
    small = make_clip(tmp_path / "small.ts", frames=10)
    large = make_clip(tmp_path / "large.ts", frames=10, width=192, height=128)
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes() + small.read_bytes())
    engine, sink = BlankEngine(), MemorySink()
    sinks = [*make_sinks([str(tmp_path / "out.mp4")]), sink]
    with (
        open_source(str(both)) as source,
        Pipeline(
            [source], engine, nobody, sinks=[sinks], renderers=[Renderer(KEYPOINT_SET)]
        ) as pipeline,
    ):
        pipeline.run()
    assert engine.seen == [*range(10)] * 3
    assert sink.frames == list(range(30))
    with open_source(str(tmp_path / "out.mp4")) as result:
        assert [frame.image.shape for frame in result] == [(64, 96, 3)] * 30


def test_maps_are_kept_until_they_are_drawn_and_given_back_then() -> None:
    engine, sink = PlazaEngine(), MemorySink(needs_image=True)
    renderer = Renderer(KEYPOINT_SET, options=RenderConfig(maps="heatmaps"))
    options = PipelineConfig(frames=8)
    with (
        open_source("demo") as source,
        Pipeline(
            [source], engine, nobody, sinks=[[sink]], renderers=[renderer], options=options
        ) as pipeline,
    ):
        pipeline.run()
    assert sink.frames == list(range(8))
    assert engine.given == engine.released == 8


def test_a_sink_that_wants_images_needs_a_renderer() -> None:
    with pytest.raises(ValueError, match="renderer"):
        Pipeline([counted(3)], BlankEngine(), nobody, sinks=[[MemorySink(needs_image=True)]])


def test_a_pipeline_runs_once() -> None:
    with Pipeline([counted(3)], BlankEngine(), nobody, sinks=[[MemorySink()]]) as pipeline:
        pipeline.run()
        with pytest.raises(RuntimeError, match="once"):
            pipeline.run()
