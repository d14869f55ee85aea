"""Nothing is lost and nothing is done twice, whoever is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from archive import ClusterConfig, OutputsConfig, Progress, Settings, run_archive
from archive.__main__ import main
from archive.driver import Driver, resume
from archive.inputs import find_videos
from archive.manifest import Manifest, part_file
from archive.report import aligned, rows_of, status_lines, table_of, write_table
from archive.schedule import Schedule
from archive.storage import Folder
from archive.workers import LocalWorkers, Share, share_machine
from configs.units import parse_duration
from stream import run
from tests.support.archive_clips import (
    WalkersEngine,
    kinds,
    records,
    slow_worker,
    walkers_clip,
    walkers_worker,
    work_off,
)

ROOT = Path(__file__).resolve().parents[2]
CUT = OutputsConfig(cut=parse_duration("1s", "cut"))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    walkers_clip(folder / "long.mp4", 100)
    walkers_clip(folder / "short.mkv", 20)
    (folder / "empty.mp4").touch()
    return folder


@pytest.fixture(scope="module")
def one(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a run over each."""
    folder = tmp_path_factory.mktemp("one")
    for name in ("long.mp4", "short.mkv"):
        run(str(videos / name), folder / f"{Path(name).stem}.jsonl", estimator=WalkersEngine())
    return folder


def begin(folder: Path, videos: Path) -> tuple[Settings, Manifest, Schedule]:
    settings = Settings(folder=str(folder), outputs=CUT)
    manifest = Manifest(Folder(str(folder)))
    manifest.agree(settings.identity())
    found = find_videos([str(videos)])
    manifest.keep_videos(found)
    return settings, manifest, resume(manifest, found, CUT.format, retry_failed=False)


def check_complete(folder: Path, manifest: Manifest, one: Path) -> None:
    """All is done and equal to single runs, and nothing is left over."""
    files = manifest.folder.names()
    finished = manifest.finished(files)
    assert {name: each.state for name, each in finished.items()} == {
        "long": "done",
        "short": "done",
        "empty": "unreadable",
    }
    for name in ("long", "short"):
        assert records(folder / f"{name}.jsonl") == records(one / f"{name}.jsonl")
    left = [name for name in files if "/part/" in name or "/scratch/" in name]
    assert not left and len([name for name in files if name.endswith(".jsonl")]) == 2
    assert finished["long"].frames == 100 and finished["long"].parts > 2


def test_the_unit_of_a_worker_that_is_killed_is_done_by_another(
    videos: Path, one: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    settings, manifest, schedule = begin(out, videos)
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.frames and not killed:  # the next part is being done
            killed.append(multiprocessing.active_children()[0].pid or 0)
            os.kill(killed[0], signal.SIGKILL)

    with LocalWorkers(settings, [Share()], slow_worker) as workers:
        end = Driver(schedule, manifest, workers, on_progress=kill).run()
    assert killed and not end.stopped and end.progress.failed == 1
    assert end.progress.finished == end.progress.videos == 3
    assert not multiprocessing.active_children()
    # What the killed one left half-written goes with the next run; there is nothing to do in it.
    again = run_archive([str(videos)], settings)
    assert again.progress.finished == 3
    check_complete(out, manifest, one)


def test_a_run_whose_driver_was_killed_goes_on_where_it_was(
    videos: Path, one: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code = "import sys; from tests.support.archive_clips import drive; drive(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(out), str(videos)]
    parts = out / "_archive" / "part" / "long"
    with subprocess.Popen(command, cwd=ROOT) as driver:
        limit_s = time.monotonic() + 600
        while len(list(parts.glob("0*.json"))) < 2:
            assert driver.poll() is None and time.monotonic() < limit_s
            time.sleep(0.02)
        driver.kill()
    done_before = len(list(parts.glob("0*.json")))
    settings, manifest, schedule = begin(out, videos)
    with walkers_worker(settings) as worker:
        done = work_off(schedule, worker)
    assert kinds(done).count("part") <= 5 - done_before and kinds(done).count("join") == 1
    for _, _, change in done:
        assert change is not None
    for name, last in schedule.finished.items():
        manifest.finish(last)
        manifest.clear(name, last.parts)
    # A worker that was given up wrote a part after the last word on its video.
    manifest.folder.write(part_file("long", 3), b"late")
    run_archive([str(videos)], settings)  # removes that, and what was half-written
    check_complete(out, manifest, one)


def test_an_output_that_is_gone_is_made_again(videos: Path, tmp_path: Path) -> None:
    settings, manifest, schedule = begin(tmp_path / "out", videos)
    with walkers_worker(settings) as worker:
        work_off(schedule, worker)
    for last in schedule.finished.values():
        manifest.finish(last)
    (tmp_path / "out/short.jsonl").unlink()
    _, _, schedule = begin(tmp_path / "out", videos)
    unit = schedule.take()
    assert unit is not None and unit.video.name == "short" and schedule.take() is None


def test_the_report_says_what_came_of_each_video(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    settings, manifest, schedule = begin(out, videos)
    with walkers_worker(settings) as worker:
        whole = schedule.take()
        assert whole is not None and whole.video.name == "long"
        found = schedule.settle(whole, worker.do(whole))
        manifest.cut("long", found.cut)  # type: ignore[union-attr]
        while (unit := schedule.take()) is not None and unit.kind == "part":
            outcome = worker.do(unit)
            schedule.settle(unit, outcome)
            manifest.finish_part("long", unit.number, outcome)
            break
        rest = Schedule([video for video in schedule.videos if video.name != "long"])
        work_off(rest, worker)
        for last in rest.finished.values():
            manifest.finish(last)
    rows = rows_of(manifest)
    lines = status_lines(rows)
    assert lines[0].startswith("2 of 3 videos finished") and "1 of them failed" in lines[0]
    assert any(line.startswith("long: 1 of ") for line in lines)
    (unreadable,) = (line for line in lines if "unreadable" in line and "0 bytes" in line)
    address = next(row[-1] for row in table_of(rows) if row[1] == "unreadable")
    assert unreadable.count(address) == 1
    table = {row[0]: row for row in table_of(rows)}
    assert table["short"][1:3] == ["done", "20"] and int(table["short"][3]) > 20
    other = replace(rows[0], finished=None, video=replace(rows[0].video, name="a\udcff"))
    write_table([other], tmp_path / "other.csv")
    assert r"a\udcff," in (tmp_path / "other.csv").read_text(encoding="utf-8")
    assert len({line.index(" ", 30) for line in aligned(table_of(rows))}) >= 1
    assert main(["report", "-o", str(out), "--csv", str(tmp_path / "r.csv")]) == 0
    assert (tmp_path / "r.csv").read_text().count("\n") == 4
    assert main(["status", "-o", str(out)]) == 0
    assert capsys.readouterr().out.startswith("2 of 3 videos finished")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["status", "-o", "nowhere"], "no archive in 'nowhere'"),
        (["run", "gone.mp4", "-o", "out"], "no such file: 'gone.mp4'"),
        (["run", "gone.mp4"], "-o"),
        (["run", "gone.mp4", "-o", "out", "--format", "gif"], "--format"),
        (["run", "gone.mp4", "-o", "out", "--workers", "0"], "--workers must be at least 1"),
        (["run", "gone.mp4", "-o", "out", "--gpus", "1.5"], "--gpus"),
        (["run", "gone.mp4", "-o", "out", "--gpus", "-1"], "--gpus must be 0..1 or a whole number"),
        (["run", "gone.mp4", "-o", "out", "--cluster", "ray:/x"], "ray://head:10001"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    words: list[str],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and why in said


def test_too_many_failures_end_the_run_and_its_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.mp4").touch()
    words = [str(tmp_path), "-o", str(tmp_path / "out"), "--cluster", "local"]
    assert main(["run", *words, "--max-failures", "0"]) == 1
    said = capsys.readouterr().err
    assert "1 video failed, more than the 0 that may" in said
    assert main(["status", "-o", str(tmp_path / "out")]) == 0
    assert "1 of 3 videos finished" in capsys.readouterr().out


def test_workers_share_the_machine() -> None:
    def cores(config: ClusterConfig, count: int, gpus: int = 0) -> list[tuple[int, ...]]:
        return [share.cores for share in share_machine(config, range(count), gpus)]

    assert cores(ClusterConfig(), 8) == [()]
    assert cores(ClusterConfig(workers=2), 8) == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert cores(ClusterConfig(cores=2), 5) == [(0, 1), (2, 3)]
    assert cores(ClusterConfig(cores=1, workers=3), 2) == [(0,), (1,), (0,)]
    shares = share_machine(ClusterConfig(gpus=0.5), range(8), 2)
    assert [share.device for share in shares] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert [share.cores for share in shares] == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert share_machine(ClusterConfig(gpus=0), range(8), 2) == [Share()]
