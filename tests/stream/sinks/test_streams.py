"""Streams out, received by FFmpeg."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from configs.errors import SinkError
from stream.render.renderer import Renderer
from stream.sinks import Controls, make_sinks, relay, video
from stream.sinks.files import shown_target
from tests.stream.sinks.samples import make_frames, make_people, video_times
from tests.support.cut_proxy import CutProxy
from tests.support.servers import free_port, tcp_server
from tests.support.waiting import LIMIT_S, TooSlow, ended, measured, until, within

STAMPS = range(0, 360_000, 3600)
WITHOUT_END = range(0, 10**12, 3600)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that sends may stand still for as long as the machine does."""
    monkeypatch.setattr(relay, "_START_S", LIMIT_S)
    monkeypatch.setattr(video, "_STALLED_S", LIMIT_S)
    monkeypatch.setattr(relay, "_PATIENCE_S", int(LIMIT_S))


def stoppable(sink, run_info):
    """The event that tells `sink` that the run is to stop, as Ctrl-C does."""
    stopped = threading.Event()
    renderer = Renderer(run_info.keypoint_set)
    sink.attach(Controls(renderer=renderer, stop=stopped.set, stopping=stopped.is_set))
    return stopped


def listening(port):
    wanted = f"0100007F:{port:04X}"
    # To connect would take the one place there is.
    with Path("/proc/net/tcp").open() as table:
        return any(
            line.split()[1] == wanted and line.split()[3] == "0A" for line in list(table)[1:]
        )


def slowed(start_s, folder):
    """The process that sends, which takes longer to start, as on a busy machine."""
    script, process = folder / "slow_relay.py", Path(relay.__file__).with_name("relay_process.py")
    script.write_text(
        f"import runpy, time\ntime.sleep({start_s})\n"
        f"runpy.run_path({str(process)!r}, run_name='__main__')\n"
    )
    return script


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg (apt-get install ffmpeg)")
@pytest.mark.parametrize(
    ("scheme", "flags", "delay_s"),
    [
        ("rtsp", ["-rtsp_flags", "listen"], 0),
        ("rtmp", ["-listen", "1", "-f", "flv"], 0),
        ("rtmp", ["-listen", "1", "-f", "flv"], 2),
    ],
)
def test_a_server_receives_every_image(
    tmp_path, source_info, run_info, write_all, scheme, flags, delay_s, monkeypatch, unhurried
):
    # The frames are all there at once; the process that sends them may start slowly, and the
    # server may take as long to answer.
    monkeypatch.setattr(relay, "_PROCESS", slowed(delay_s, tmp_path))
    port = free_port()
    url, received = f"{scheme}://127.0.0.1:{port}/live/x", tmp_path / "received.mkv"
    command = ["ffmpeg", "-loglevel", "error", *flags, "-i", url, "-c", "copy", str(received)]
    with (
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server,
        CutProxy(port, delay_s=delay_s) as proxy,
    ):
        try:
            until(lambda: listening(port), "ffmpeg listens")
            [sink] = make_sinks([url.replace(str(port), str(proxy.port)) if delay_s else url])
            write_all(sink, source_info, run_info, make_frames(STAMPS))
            ended(server)
        finally:
            server.kill()
    assert len(video_times(received)) == len(STAMPS)


def test_hls_is_a_playlist_that_plays(tmp_path, source_info, run_info, write_all):
    [sink] = make_sinks([f"hls:{tmp_path}/deep/folder"])
    write_all(sink, source_info, run_info, make_frames(STAMPS))
    playlist = tmp_path / "deep" / "folder" / "index.m3u8"
    assert playlist.read_text().rstrip().endswith("#EXT-X-ENDLIST")
    assert len(video_times(playlist)) == len(STAMPS)


def test_live_hls_keeps_only_what_is_recent(tmp_path, source_info, run_info):
    [sink] = make_sinks([f"hls:{tmp_path}/live"])
    sink.open(replace(source_info, live=True), run_info)
    written = 0
    for frame in make_frames(WITHOUT_END):
        if frame.index >= 1500 and written > 300:  # it may be written slowly
            break
        before = sink.dropped
        sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
        if sink.dropped > before:
            time.sleep(0.002)
        written += sink.dropped == before
    sink.close()
    segments = sorted((tmp_path / "live").glob("*.ts"))
    assert 1 < len(segments) <= 12


def test_a_server_that_is_not_there_is_one_line_without_the_password(source_info, run_info):
    [sink] = make_sinks([f"rtsp://user:secret@127.0.0.1:{free_port()}/x"])
    sink.open(source_info, run_info)
    with pytest.raises(
        SinkError, match=r"cannot write 'rtsp://\*\*\*@127.0.0.1:\d+/x': Connection refused"
    ):
        write_until(sink, make_frames(WITHOUT_END), lambda: False, "it is told")
    sink.close()


@contextmanager
def receiver(url, received):
    """ffmpeg listening at `url` (RTMP), writing what comes to `received`."""
    at_once = ["-probesize", "32", "-analyzeduration", "0"]
    command = [
        "ffmpeg",
        "-loglevel",
        "error",
        *at_once,
        "-listen",
        "1",
        "-f",
        "flv",
        "-i",
        url,
        "-c",
        "copy",
    ]
    command += ["-flush_packets", "1", str(received)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: listening(int(url.split(":")[2].split("/")[0])), "ffmpeg listens")
            yield process
        finally:
            process.kill()


def write_until(sink, frames, condition, what):
    """Writes a frame every 5 ms, as a camera would, until `condition()`; returns how many were
    written.
    """
    count = 0

    def so():
        nonlocal count
        if condition():
            return True
        frame = next(frames)
        sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
        count += 1
        return False

    until(so, what, pause_s=0.005)
    return count


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg (apt-get install ffmpeg)")
def test_a_receiver_of_a_live_source_may_go_and_come_back(
    tmp_path, source_info, run_info, caplog, unhurried
):
    url = f"rtmp://viewer:s3cret@127.0.0.1:{free_port()}/live/x"
    plain = url.replace("viewer:s3cret@", "")
    frames = make_frames(WITHOUT_END)
    [sink] = make_sinks([url])
    first, second = tmp_path / "first.mkv", tmp_path / "second.mkv"
    sink.open(replace(source_info, live=True), run_info)
    with receiver(plain, first) as server:
        written = write_until(
            sink, frames, lambda: first.exists() and first.stat().st_size > 5_000, "it is received"
        )
        server.kill()
        server.wait()
        written += write_until(sink, frames, lambda: "trying again" in caplog.text, "it is lost")
    with receiver(plain, second) as server:
        written += write_until(
            sink,
            frames,
            lambda: second.exists() and second.stat().st_size > 5_000,
            "it is received again",
        )
        sink.close()
        ended(server)
    kept = len(video_times(second))
    assert kept > 10
    assert video_times(second)[0] < 1, (
        "a receiver that joins late does not wait for the time before"
    )
    assert 0 < sink.dropped < written - kept
    assert "s3cret" not in caplog.text
    assert "s3cret" not in sink.label


@pytest.mark.alone
@pytest.mark.parametrize("scheme", ["rtsp", "rtmp"])
@measured
def test_a_receiver_that_accepts_and_never_answers_stops_nobody(source_info, run_info, scheme):
    asked, hold = threading.Event(), threading.Event()
    beats = []
    with tcp_server(lambda connection: asked.set() or bool(hold.wait(LIMIT_S))) as port:
        [sink] = make_sinks([f"{scheme}://127.0.0.1:{port}/live/x"])
        stopped = stoppable(sink, run_info)
        sink.open(replace(source_info, live=True), run_info)
        frames = make_frames(WITHOUT_END)
        begin_s = time.monotonic()
        write_until(
            sink,
            frames,
            lambda: (
                beats.append(time.monotonic())
                or (asked.is_set() and time.monotonic() > begin_s + 1.5)
            ),
            "it is asked",
        )
        said = pytest.raises(SinkError, match=rf"{scheme}://127.0.0.1:\d+/live/.*no answer")
        with within(4), said:
            threading.Timer(0.3, stopped.set).start()  # Ctrl-C while it is waited for
            sink.close()
        hold.set()
    if (longest_s := max(later - earlier for earlier, later in pairwise(beats))) >= 0.5:
        raise TooSlow(f"a frame took {longest_s} s")


def test_a_receiver_that_is_silent_for_too_long_is_given_up(source_info, run_info, monkeypatch):
    monkeypatch.setattr(relay, "_PATIENCE_S", 1)
    hold = threading.Event()
    with tcp_server(lambda connection: bool(hold.wait(LIMIT_S))) as port:
        [sink] = make_sinks([f"rtmp://127.0.0.1:{port}/live/x"])
        sink.open(replace(source_info, live=True), run_info)
        frames = make_frames(WITHOUT_END)
        with pytest.raises(SinkError, match="no answer within 1 s"):
            write_until(sink, frames, lambda: False, "it is given up")
        sink.close()
        hold.set()


def test_a_process_that_does_not_start_is_one_line(
    tmp_path, source_info, run_info, write_all, monkeypatch
):
    monkeypatch.setattr(relay, "_PROCESS", slowed(300, tmp_path))
    monkeypatch.setattr(relay, "_START_S", 0.2)
    [sink] = make_sinks([f"rtmp://127.0.0.1:{free_port()}/live/x"])
    with pytest.raises(SinkError, match="the process that sends it did not start in time"):
        write_all(sink, source_info, run_info, make_frames(STAMPS))


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("rtmp://a.rtmp.host/live2/abcd-key-efgh?x=1", "rtmp://a.rtmp.host/live2/***"),
        ("rtmps://user:s3cret@host:443/app/key", "rtmps://***@host:443/app/***"),
        ("rtsp://user:s3cret@host/path?token=1", "rtsp://***@host/path"),
        ("out/what?.mp4", "out/what?.mp4"),
    ],
)
def test_stream_keys_and_passwords_are_not_shown(target, shown):
    assert shown_target(target) == shown
