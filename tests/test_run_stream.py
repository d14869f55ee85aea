"""The command, end to end: in a process of its own where starting and ending are part of what is
tested, elsewhere in a fork (0.1 instead of 1 s). Where a network is not what is tested, an engine
of the tests stands in.
"""

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import run_stream
from tests.support.commands import (
    ENVIRONMENT,
    ROOT,
    assert_one_line_error,
    command,
    read_record,
    run,
)
from tests.support.fork_server import ForkServer
from tests.support.media import cut, make_clip, read_numbers
from tests.support.plaza_engine import similarity_of_record
from tests.support.servers import tcp_server
from tests.support.waiting import LIMIT_S, ended, happened, measured, until, within


def test_the_demo_becomes_a_video_and_a_record(tmp_path: Path) -> None:
    result = run("demo", "-o", tmp_path / "out.mp4", tmp_path / "out.jsonl", engine="plaza")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    header, frames = read_record(tmp_path / "out.jsonl")
    assert header["source"] == "demo"
    assert len(frames) == 200
    assert similarity_of_record(frames) >= 0.95
    assert len(result.stdout.strip().splitlines()) == 1
    for words in (
        "200 frames",
        "FPS",
        "people",
        "drops: none",
        "latency p50",
        "p95",
        "slowest stage",
    ):
        assert words in result.stdout
    import av

    with av.open(str(tmp_path / "out.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 200


def test_without_outputs_two_files_named_after_the_source_are_written_here(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "holiday.mp4", frames=10)
    here = tmp_path / "here"
    here.mkdir()
    result = fork_server.run(clip, cwd=here)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in here.iterdir()) == [
        "holiday_pose.jsonl",
        "holiday_pose.mp4",
    ]
    assert result.stdout.splitlines()[-1] == "written: holiday_pose.mp4, holiday_pose.jsonl"
    record = here / "holiday_pose.jsonl"
    found, other = record.read_bytes(), tmp_path / "2025" / "holiday.mp4"
    other.parent.mkdir()
    shutil.copy(clip, other)
    assert_one_line_error(run(other, engine="blank", folder=here), str(clip), "--overwrite")
    assert record.read_bytes() == found, "it is another video's"


def test_without_outputs_a_photograph_becomes_a_picture_and_not_a_video(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((48, 64, 3), 90, np.uint8))
    result = fork_server.run("photo.png", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert cv2.imread(str(tmp_path / "photo_pose.jpg")).shape == (48, 64, 3)
    assert result.stdout.splitlines()[-1] == "written: photo_pose.jpg, photo_pose.jsonl"
    assert not list(tmp_path.glob("*.mp4"))


def test_a_window_that_cannot_be_and_nothing_else_ends_at_once(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    """Or the whole video would be computed for nobody."""
    none = {"DISPLAY": None, "WAYLAND_DISPLAY": None}
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    assert_one_line_error(
        fork_server.run(clip, "--show", cwd=tmp_path, environment=none), "no display", "-o"
    )
    done = fork_server.run(clip, "--show", "-o", "a.jsonl", cwd=tmp_path, environment=none)
    assert done.returncode == 0


def test_records_can_go_to_standard_output(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=10)
    result = run(clip, "-o", "-", "--frames", 4, engine="blank")
    assert result.returncode == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["frame"] for line in lines[1:]] == [0, 1, 2, 3]
    assert "4 frames" in result.stderr


def test_several_sources_write_files_of_their_own(fork_server: ForkServer, tmp_path: Path) -> None:
    first = make_clip(tmp_path / "first.mp4", frames=10)
    second = make_clip(tmp_path / "second.mp4", frames=20)
    result = fork_server.run(first, second, "-o", tmp_path / "{source}.jsonl", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(read_record(tmp_path / "first.jsonl")[1]) == 10
    assert len(read_record(tmp_path / "second.jsonl")[1]) == 20
    assert_one_line_error(
        fork_server.run(first, second, "-o", tmp_path / "one.jsonl", cwd=tmp_path),
        "{source}",
        "one.jsonl",
    )


def test_the_output_may_come_before_the_source(fork_server: ForkServer, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    assert fork_server.run("-o", tmp_path / "out.jsonl", clip, cwd=tmp_path).returncode == 0
    assert len(read_record(tmp_path / "out.jsonl")[1]) == 5


def test_people_with_a_low_score_can_be_left_out(fork_server: ForkServer, tmp_path: Path) -> None:
    counts = []
    for least in (0, 0.5):
        record = tmp_path / f"{least}.jsonl"
        words = ("demo", "-o", record, "--frames", 60, "--min-score", least)
        assert fork_server.run(*words, cwd=tmp_path, engine="plaza").returncode == 0
        counts.append(
            [person["score"] for frame in read_record(record)[1] for person in frame["people"]]
        )
    assert min(counts[0]) < 0.5 <= min(counts[1])
    assert len(counts[1]) == sum(score >= 0.5 for score in counts[0])


def test_verbose_shows_a_table_and_quiet_shows_nothing(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    loud = fork_server.run(clip, "-v", "-o", tmp_path / "out.jsonl", cwd=tmp_path)
    for word in ("decode", "infer", "group", "write", "p99"):
        assert word in loud.stderr
    silent = fork_server.run(clip, "-q", "-o", tmp_path / "out.jsonl", cwd=tmp_path)
    assert (silent.stdout, silent.stderr) == ("", "")


# Bad input: one clear line, exit code 2, nothing lost.


def test_no_such_file() -> None:
    assert_one_line_error(run("nothing.mp4"), "no such file", "nothing.mp4")


def test_a_text_file(fork_server: ForkServer, tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("hello\n" * 1000)
    assert_one_line_error(fork_server.run(path, cwd=tmp_path, engine=None), "notes.mp4", "text")


def test_a_file_of_zero_bytes(fork_server: ForkServer, tmp_path: Path) -> None:
    path = tmp_path / "zero.mp4"
    path.touch()
    assert_one_line_error(fork_server.run(path, cwd=tmp_path, engine=None), "zero.mp4", "empty")


def test_sound_without_pictures(fork_server: ForkServer, tmp_path: Path) -> None:
    assert_one_line_error(
        fork_server.run(
            make_clip(tmp_path / "song.m4a", audio=True, video=False), cwd=tmp_path, engine=None
        ),
        "song.m4a",
        "no video stream",
    )


@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi"])
def test_a_video_cut_off_in_the_middle_is_written_up_to_the_cut(
    fork_server: ForkServer, tmp_path: Path, name: str
) -> None:
    codec = {"codec": "mpeg4", "options": {"qscale": "2"}} if name.endswith("avi") else {}
    whole = make_clip(tmp_path / name, frames=200, **codec)  # type: ignore[arg-type]
    half = cut(whole, tmp_path / f"half_{name}", 0.5)
    result = fork_server.run(half, "-o", tmp_path / "out.mp4", tmp_path / "out.jsonl", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    warnings = result.stderr.strip().splitlines()
    assert len(warnings) == 1, result.stderr
    assert warnings[0].startswith("warning: ")
    _, frames = read_record(tmp_path / "out.jsonl")
    assert 60 <= len(frames) < 200
    assert len(read_numbers(tmp_path / "out.mp4")) == len(frames)


@pytest.mark.parametrize("output", ["no_folder/out.mp4", "no_folder/out.jsonl", ".", "out.xyz"])
def test_an_output_that_cannot_be_written(
    fork_server: ForkServer, tmp_path: Path, output: str
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    assert_one_line_error(
        fork_server.run(clip, "-o", tmp_path / output, cwd=tmp_path), str(tmp_path)
    )


def test_the_source_as_output(fork_server: ForkServer, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    before = clip.read_bytes()
    assert_one_line_error(fork_server.run(clip, "-o", clip, cwd=tmp_path), "source")
    assert clip.read_bytes() == before


def test_an_unknown_preset(fork_server: ForkServer, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    assert_one_line_error(
        fork_server.run(clip, "--model", "w32_513", cwd=tmp_path, engine=None),
        "w32_513",
        "did you mean 'w32_512'",
    )


def test_a_checkpoint_of_another_width(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    from engine import load_network

    clip = make_clip(tmp_path / "clip.mp4", frames=5)
    torch.save(load_network("w32_512").state_dict(), tmp_path / "w32.pth")
    # Here, where torch is imported already.
    words = [str(clip), "--model", "w48_640", "--weights", str(tmp_path / "w32.pth")]
    code = run_stream.main([*words, "-o", str(tmp_path / "out.jsonl")])
    result = subprocess.CompletedProcess(words, code, *capsys.readouterr())
    assert_one_line_error(result, "w32.pth")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--input-size", "big"), ("big",)),
        (("--policy", "newest"), ("--policy", "newest")),
        (("--min-score", "2"), ("--min-score", "2")),
        (("--frames", "0"), ("--frames",)),
        (("--frames", "many"), ("--frames", "many")),
        (("--no-such-flag",), ("--no-such-flag",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_bad_flags(
    flags: tuple[str, ...], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_stream.main(["demo", *flags])
    assert_one_line_error(subprocess.CompletedProcess(flags, code, *capsys.readouterr()), *words)


def test_an_input_size_that_is_no_multiple_of_32(fork_server: ForkServer, tmp_path: Path) -> None:
    assert_one_line_error(
        fork_server.run("demo", "--input-size", 500, cwd=tmp_path, engine=None),
        "multiple of 32",
        "500",
        "480",
        "512",
    )


def test_a_scale_of_zero(fork_server: ForkServer, tmp_path: Path) -> None:
    assert_one_line_error(
        fork_server.run("demo", "--scales", 0, cwd=tmp_path, engine=None), "--scales", "not 0"
    )


def test_no_source(fork_server: ForkServer, tmp_path: Path) -> None:
    assert_one_line_error(fork_server.run(cwd=tmp_path, engine=None), "SOURCE")


def test_a_stream_that_cannot_be_reached_is_one_line_without_its_password(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    result = fork_server.run(
        "rtsp://viewer:s3cret@127.0.0.1:1/live?token=s3cret",
        "-o",
        "-",
        "--reconnect",
        0,
        cwd=tmp_path,
    )
    assert_one_line_error(result, "rtsp://127.0.0.1:1/live", "refused")
    assert "s3cret" not in result.stdout + result.stderr


# Stopping.


def start_and_wait_for_output(
    record: Path, *arguments: object, engine: str
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command(*arguments, "-o", record, record.with_suffix(".mp4"), engine=engine),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    until(
        lambda: (
            process.poll() is not None or (record.exists() and record.read_text().count("\n") > 5)
        ),
        "frames are written",
    )
    assert process.poll() is None, process.communicate()
    return process


@pytest.mark.alone
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@measured
def test_one_signal_finishes_everything_within_two_seconds(
    tmp_path: Path, number: int, code: int
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=2000)
    record = tmp_path / "out.jsonl"
    process = start_and_wait_for_output(record, clip, engine="blank:0.02")
    with within(2):
        process.send_signal(number)
        output, errors = ended(process)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    _, frames = read_record(record)
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))
    assert 5 <= len(frames) < 2000
    assert len(read_numbers(record.with_suffix(".mp4"))) == len(frames)
    assert f"{len(frames)} frames" in output


@pytest.mark.alone
@measured
def test_one_signal_is_enough_for_an_engine_that_hangs(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=100)
    line = command(clip, "-o", tmp_path / "out.jsonl", engine="blank:60")
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    until((tmp_path / "out.jsonl").exists, "it has begun")
    time.sleep(0.3)
    with within(2.5):
        process.send_signal(signal.SIGINT)
        _, errors = ended(process)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert read_record(tmp_path / "out.jsonl")[1] == []


@pytest.mark.alone
@measured
def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=2000)
    record = tmp_path / "out.jsonl"
    process = start_and_wait_for_output(record, clip, engine="blank:0.5")
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    with within(0.5):
        process.send_signal(signal.SIGINT)
        ended(process)
    assert process.returncode == 130


@pytest.mark.alone
@measured
def test_one_signal_is_enough_for_a_source_that_does_not_answer() -> None:
    asked, hold = threading.Event(), threading.Event()

    def answer(connection: socket.socket) -> None:
        asked.set()
        hold.wait(LIMIT_S)

    with tcp_server(answer) as port:
        line = command(f"rtsp://127.0.0.1:{port}/live", "-o", "-", engine="blank")
        process = subprocess.Popen(
            line,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        happened(asked, "the source is asked")
        time.sleep(0.3)
        with within(2.5):
            process.send_signal(signal.SIGINT)
            _, errors = ended(process)
        hold.set()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
