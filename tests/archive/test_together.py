"""Videos and parts that are done at the same time, in batches, have the records of single runs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest

from archive import ClusterConfig, OutputsConfig, Settings
from archive.driver import Driver, resume
from archive.inputs import find_videos
from archive.manifest import Manifest
from archive.schedule import Schedule
from archive.storage import Folder
from archive.units import Outcome, Unit, Video
from archive.worker import Worker
from archive.workers import LocalWorkers, Share
from basics.demo import DEMO_CLIP
from configs import ConfigError
from configs.units import parse_duration
from engine import open_estimator
from stream import run
from tests.support.archive_clips import WalkersEngine, overburdened_worker, records, walkers_clip

LENGTHS = {"a": 40, "b": 33, "c": 25}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, frames in LENGTHS.items():
        walkers_clip(folder / f"{name}.mp4", frames)
    return folder


def video(path: Path) -> Video:
    return Video(address=str(path), name=path.stem, size=path.stat().st_size)


def settings(folder: Path, cut: str, **options: object) -> Settings:
    outputs = OutputsConfig(cut=parse_duration(cut, "cut"))
    return Settings(folder=str(folder), outputs=outputs, **options)  # type: ignore[arg-type]


def work_off_together(
    schedule: Schedule, worker: Worker, limit: int
) -> list[list[tuple[Unit, Outcome]]]:
    """Does all units in groups, and says what came of each."""
    done = []
    while units := schedule.take_group(limit):
        found = list(zip(units, worker.do_together(units), strict=True))
        for unit, outcome in found:
            schedule.settle(unit, outcome)
        done.append(found)
    return done


def check_equal(out: Path, clips: Path, names: Sequence[str], tmp_path: Path) -> None:
    for name in names:
        one = tmp_path / f"{name}.jsonl"
        run(str(clips / f"{name}.mp4"), one, estimator=WalkersEngine())
        assert records(out / one.name) == records(one) and len(records(one)) == LENGTHS[name] + 1


@pytest.mark.parametrize(
    ("cut", "kinds"), [("1h", ["video"]), ("400ms", ["video", "part", "join"])]
)
def test_videos_and_parts_that_are_done_together_have_the_records_of_single_runs(
    clips: Path, tmp_path: Path, cut: str, kinds: list[str]
) -> None:
    out, engine = tmp_path / "out", WalkersEngine(batch_size=3)
    with Worker(settings(out, cut), engine) as worker:
        assert worker.together == 3
        schedule = Schedule([video(clips / f"{name}.mp4") for name in LENGTHS])
        done = work_off_together(schedule, worker, worker.together)
    assert list(dict.fromkeys(group[0][0].kind for group in done)) == kinds
    assert len(done[0]) == 3 and max(engine.batches) == 3
    assert sum(engine.batches) == sum(LENGTHS.values())
    assert {last.frames for last in schedule.finished.values()} == set(LENGTHS.values())
    check_equal(out, clips, list(LENGTHS), tmp_path)


def test_a_video_that_cannot_be_read_fails_none_of_those_that_are_done_with_it(
    clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("no video\n" * 50)
    out = tmp_path / "out"
    with Worker(settings(out, "1h"), WalkersEngine(batch_size=3)) as worker:
        paths = [clips / "a.mp4", tmp_path / "text.mp4", clips / "b.mp4"]
        schedule = Schedule([video(path) for path in paths])
        done = work_off_together(schedule, worker, 3)
    states = [[outcome.state for _, outcome in group] for group in done]
    assert states[0] == ["failed"] * 3 and len(states) == 4
    assert "done together" in done[0][0][1].reason
    last = {name: each.state for name, each in schedule.finished.items()}
    assert last == {"a": "done", "b": "done", "text": "unreadable"}
    assert "looks like text" in schedule.finished["text"].reason
    check_equal(out, clips, ["a", "b"], tmp_path)


def test_units_that_a_worker_died_of_together_are_done_one_by_one(
    clips: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first one, after which it is known how many the engine likes, was done alone."""
    out = tmp_path / "out"
    chosen = settings(out, "1h")
    manifest, found = Manifest(Folder(str(out))), find_videos([str(clips)])
    schedule = resume(manifest, found, chosen.outputs.format, retry_failed=False)
    with LocalWorkers(chosen, [Share()], overburdened_worker) as workers:
        assert workers.room == 1
        Driver(schedule, manifest, workers).run()
    told = [record.getMessage() for record in caplog.records if "SIGKILL" in record.getMessage()]
    assert [text.split(":")[0] for text in told] == ["b", "c"]
    assert {last.state for last in manifest.finished(manifest.folder.names()).values()} == {"done"}
    check_equal(out, clips, list(LENGTHS), tmp_path)


def test_with_the_real_network_batches_over_videos_change_no_record(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.mp4" for name in "abc"]
    with av.open(str(DEMO_CLIP)) as source:
        images = [image for _, image in zip(range(30), source.decode(video=0), strict=False)]
    for number, path in enumerate(paths):
        with av.open(str(path), "w") as target:
            stream = target.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = (
                images[0].width,
                images[0].height,
                "yuv420p",
            )
            for index, image in enumerate(images[number * 10 :][: 5 + number]):
                image.pts, image.time_base = index, Fraction(1, 25)
                image.pict_type = av.video.frame.PictureType.NONE
                target.mux(stream.encode(image))
            target.mux(stream.encode(None))
    out = tmp_path / "out"
    with (
        open_estimator("lite", input_size=128, batch_size=3) as engine,
        Worker(settings(out, "1h"), engine) as worker,
    ):
        units = [Unit(kind="video", video=video(path)) for path in paths]
        assert [outcome.state for outcome in worker.do_together(units)] == ["done"] * 3
        assert worker.together == 3
        for path in paths:
            one = tmp_path / f"{path.stem}.jsonl"
            run(str(path), one, estimator=engine)  # one source: one image at a time
            assert records(out / one.name) == records(one)
            assert any(record["people"] for record in records(one)[1:])


def test_how_many_are_done_together_is_1_at_least_and_known_once_the_engine_is_open(
    tmp_path: Path,
) -> None:
    assert Worker(Settings(folder=str(tmp_path))).together == 1
    assert Worker(Settings(folder=str(tmp_path), together=4)).together == 4
    with pytest.raises(ConfigError, match="together must be at least 1"):
        ClusterConfig(together=0)
    assert Settings(folder="a", together=4).identity() == Settings(folder="a").identity()
