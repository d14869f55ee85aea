"""Every kind of output crossed with every way of failing: the others are whole, one line names it,
and nothing of it claims to be more than it is.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from configs import SinkError
from configs.errors import PoseStreamError
from stream import VideoConfig, run
from stream.sinks.mqtt import sink
from tests.stream.pipeline.test_outlet import FILES, NoisySource, two_people
from tests.support.blank_engine import BlankEngine
from tests.support.servers import tcp_server
from tests.support.waiting import LIMIT_S, joined

FRAMES = 30
DISK_BYTES = 768 << 10

KINDS = {
    **FILES,
    "pictures": "{}/out_{{frame:03d}}.jpg",
    "mov": "{}/out.mov",
    "segments": "{}/out.mp4",
}
_GROWING = ("jsonl", "csv", "coco", "mot", "npz", "mp4", "mov", "mkv", "segments")
"""Files that are open for longer than a frame takes."""


class WatchedSource(NoisySource):
    """As NoisySource; `then` is called once, when so many frames were handed out."""

    def __init__(self, *, then: Callable[[], None] | None = None, **choices: Any) -> None:
        super().__init__(FRAMES, **choices)
        self._then = then

    def retrieve(self, frame: Any) -> None:
        if self._then is not None and self.index == FRAMES * 2 // 3:
            self._then()
            self._then = None
        super().retrieve(frame)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def write(kind: str, place: Path, source: NoisySource, *others: Path) -> Any:
    """Runs a source into an output of that kind and into others."""
    options = VideoConfig(
        video_preset="ultrafast",
        faststart=kind != "mov",
        segment=Fraction(1, 2) if kind == "segments" else None,
    )
    outputs = [KINDS[kind].format(place), *map(str, others)]
    # Everybody is known at once, so that tables of tracks have rows as well.
    return run(source, outputs, estimator=BlankEngine(), grouper=two_people, video=options)


def read_back(kind: str, place: Path) -> int:
    """How many frames are there to be read; what does not open is a failure."""
    if kind in ("mp4", "mov", "mkv", "segments"):
        count = 0
        for path in sorted(place.glob("out*")):
            with av.open(str(path)) as video:
                count += sum(1 for _ in video.decode(video=0))
        return count
    if kind == "npz":
        return len(np.load(place / "out.npz")["frame"])
    if kind == "jsonl":
        return len((place / "out.jsonl").read_text().splitlines()) - 1
    if kind in ("openpose", "pictures"):
        return len([path for path in place.rglob("*_*") if path.is_file()])
    raise AssertionError(kind)


def bytes_used(place: Path) -> int:
    status = os.statvfs(place)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


@pytest.mark.parametrize("kind", KINDS)
def test_room_that_ends_anywhere_is_told_and_costs_that_output_alone(
    kind: str, disk: Path, tmp_path: Path
) -> None:
    """At the start, in the middle, and with a page less than the whole needs: FFmpeg says nothing
    of the end of a fragmented MP4 that did not reach the disk.
    """
    others = tmp_path / "good.jsonl", tmp_path / "good.csv"
    write(kind, disk, WatchedSource(), *others)
    needed = bytes_used(disk)
    page = os.sysconf("SC_PAGE_SIZE")
    for room in (0, needed // 2 // page * page, needed - page):
        for path in (*disk.iterdir(), *others):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        (disk / "ballast").write_bytes(bytes(DISK_BYTES - room))
        threads = set(threading.enumerate())
        try:
            write(kind, disk, WatchedSource(), *others)
        except SinkError as error:
            assert str(error).startswith(f"cannot write '{disk}/"), error
            assert "No space left on device" in str(error) and "\n" not in str(error)
        else:  # room for the frames, not for a copy with the index in front, or rounded up before
            assert room == needed - page, f"nothing was said with {room} of {needed} bytes"
            if kind not in ("csv", "coco", "mot", "hls"):
                assert read_back(kind, disk) == FRAMES
        assert set(threading.enumerate()) <= threads
        temporary = [path.name for path in disk.rglob(".*") if path.suffix == ".part"]
        assert not temporary
        if others[0].exists():  # else it was told before anything was written
            assert len(others[0].read_text().splitlines()) == FRAMES + 1
            assert others[1].read_text().count("\n") > FRAMES


@pytest.mark.parametrize("older", [False, True], ids=["new", "older"])
@pytest.mark.parametrize("kind", _GROWING)
def test_a_file_that_is_removed_while_it_is_written_is_told(
    kind: str, older: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything that follows would go into a file that nobody can open any more."""
    place, good = tmp_path / "place", tmp_path / "good.jsonl"
    place.mkdir()
    name = KINDS[kind].format("").rpartition("/")[2]
    if older and kind != "segments":
        (place / name).write_text("older")

    def remove() -> None:
        place.rename(tmp_path / "away")

    with pytest.raises(SinkError, match=r"removed|No such file") as caught:
        write(kind, place, WatchedSource(then=remove), good)
    # Of segments either the name as it was given, or that of the segment (`out-0000.mp4`).
    said = str(caught.value)
    assert str(place / Path(name).stem) in said and "\n" not in said
    assert len(good.read_text().splitlines()) == FRAMES + 1
    assert not place.exists(), "no folder is made for what is lost"
    if older and kind != "segments":
        assert (tmp_path / "away" / name).read_text() == "older"
        assert "incomplete, and lies in" not in caplog.text


@pytest.mark.parametrize("kind", ["jsonl", "coco", "npz", "mkv", "hls", "openpose"])
def test_an_output_of_a_live_source_goes_on_when_its_folder_is_back(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, good = tmp_path / "place", tmp_path / "good.jsonl"
    place.mkdir()
    source = NoisySource(100_000, fps=100.0)
    state, written = ["there"], 0

    def see(progress: Any) -> None:
        nonlocal written
        text = caplog.text
        if state[-1] == "there" and source.index > 10:
            place.rename(tmp_path / "away")
            place.write_text("a disk that is not mounted")
            state.append("away")
        elif state[-1] == "away" and "trying again" in text:
            place.unlink()
            place.mkdir()
            state.append("back")
        elif state[-1] == "back" and "goes on" in text:
            written = progress.frames
            state.append("goes on")
        elif progress.elapsed_s > LIMIT_S or (written and progress.frames > written + 20):
            source.enough()

    run(
        source,
        [KINDS[kind].format(place), str(good)],
        estimator=BlankEngine(),
        grouper=two_people,
        video=VideoConfig(video_preset="ultrafast"),
        on_progress=see,
    )
    assert "goes on" in caplog.text, state
    assert len(good.read_text().splitlines()) > 20
    if kind == "mkv":
        with av.open(str(place / "out.part2.mkv")) as video:
            assert sum(1 for _ in video.decode(video=0)) > 5
    elif kind == "hls":
        assert (place / "live" / "index.m3u8").exists()
    else:
        assert kind == "coco" or read_back(kind, place) > 5


def _hang_up(connection: socket.socket) -> None:
    connection.recv(4096)


def _talk_nonsense(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 418 I'm a teapot\r\n\r\n" * 40)


@pytest.mark.parametrize("answer", [_hang_up, _talk_nonsense], ids=["hangs up", "other protocol"])
@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "mqtt"])
def test_a_receiver_that_fails_is_named_without_its_password(
    scheme: str,
    answer: Callable[[socket.socket], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = tmp_path / "good.jsonl"
    if scheme == "mqtt":
        pytest.importorskip("paho.mqtt.client")
        monkeypatch.setattr(sink, "CONNECT_S", 0.3)
    with tcp_server(answer) as port:
        target = f"{scheme}://me:geh%40im@127.0.0.1:{port}/live/x"
        with pytest.raises(PoseStreamError) as caught:
            run(
                WatchedSource(),
                [target, str(good)],
                estimator=BlankEngine(),
                grouper=two_people,
                video=VideoConfig(video_preset="ultrafast"),
            )
    assert f"127.0.0.1:{port}/live/" in str(caught.value)
    assert "geh" not in str(caught.value) and "\n" not in str(caught.value)
    # A broker is asked before anything is written.
    assert not good.exists() or len(good.read_text().splitlines()) == FRAMES + 1


@pytest.mark.parametrize("kind", ["jsonl", "csv", "mot", "mkv"])
def test_a_pipe_whose_reader_leaves_is_told(kind: str, tmp_path: Path) -> None:
    good = tmp_path / "good.jsonl"
    pipe = Path(KINDS[kind].format(tmp_path).removeprefix("mot:"))
    os.mkfifo(pipe)
    began = threading.Event()

    def read() -> None:
        with pipe.open("rb") as reader:
            reader.read(16)
        began.set()

    reader = threading.Thread(target=read)
    reader.start()
    with pytest.raises(SinkError, match=rf"^cannot write '{pipe}': what read it has ended$"):
        write(kind, tmp_path, WatchedSource(then=began.wait), good)
    joined(reader)
    assert len(good.read_text().splitlines()) == FRAMES + 1
    assert pipe.is_fifo()


def test_what_fails_first_does_not_hide_what_fails_at_the_end(disk: Path, tmp_path: Path) -> None:
    """Two outputs on two disks: the line names both."""
    removed = tmp_path / "removed"
    removed.mkdir()
    (disk / "ballast").write_bytes(bytes(DISK_BYTES - 8192))

    def remove() -> None:
        removed.rename(tmp_path / "away")

    with pytest.raises(SinkError) as caught:
        write("csv", removed, WatchedSource(then=remove), disk / "a.jsonl", tmp_path / "b.jsonl")
    assert str(disk / "a.jsonl") in str(caught.value)
    assert str(removed / "out.csv") in str(caught.value)
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == FRAMES + 1
