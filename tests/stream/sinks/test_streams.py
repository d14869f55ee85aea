"""Streams out, received by FFmpeg."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import replace

import pytest

from configs.errors import SinkError
from stream.sinks import open_sinks
from tests.stream.sinks.samples import make_frames, make_people, video_times

STAMPS = [3600 * index for index in range(100)]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def listening(port):
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp") as table:  # noqa: PTH123 - to connect would take the one place there is
        return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in list(table)[1:])


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg (apt-get install ffmpeg)")
@pytest.mark.parametrize(
    ("scheme", "flags"), [("rtsp", ["-rtsp_flags", "listen"]), ("rtmp", ["-listen", "1", "-f", "flv"])]
)
def test_a_server_receives_every_picture(tmp_path, source_info, run_info, write_all, scheme, flags):
    port = free_port()
    url, received = f"{scheme}://127.0.0.1:{port}/live/x", tmp_path / "received.mkv"
    command = ["ffmpeg", "-loglevel", "error", *flags, "-i", url, "-c", "copy", str(received)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            end_s = time.monotonic() + 15
            while not listening(port):
                assert time.monotonic() < end_s, "ffmpeg does not listen"
                time.sleep(0.05)
            write_all(open_sinks([url])[0], source_info, run_info, make_frames(STAMPS))
            server.wait(15)
        finally:
            server.kill()
    assert len(video_times(received)) == len(STAMPS)


def test_hls_is_a_playlist_that_plays(tmp_path, source_info, run_info, write_all):
    [sink] = open_sinks([f"hls:{tmp_path}/deep/folder"])
    write_all(sink, source_info, run_info, make_frames(STAMPS))
    playlist = tmp_path / "deep" / "folder" / "index.m3u8"
    assert playlist.read_text().rstrip().endswith("#EXT-X-ENDLIST")
    assert len(video_times(playlist)) == len(STAMPS)


def test_live_hls_keeps_only_what_is_recent(tmp_path, source_info, run_info):
    [sink] = open_sinks([f"hls:{tmp_path}/live"])
    sink.open(replace(source_info, live=True), run_info)
    written = 0
    for frame in make_frames([3600 * index for index in range(1500)]):
        before = sink.dropped
        sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
        if sink.dropped > before:
            time.sleep(0.002)
        written += sink.dropped == before
    sink.close()
    segments = sorted((tmp_path / "live").glob("*.ts"))
    assert written > 300
    assert 1 < len(segments) <= 12


def test_a_server_that_is_not_there_is_one_line_without_the_password(source_info, run_info):
    [sink] = open_sinks([f"rtsp://user:secret@127.0.0.1:{free_port()}/x"])
    sink.open(source_info, run_info)
    with pytest.raises(SinkError, match=r"cannot write 'rtsp://\*\*\*@127.0.0.1:\d+/x': Connection refused"):
        for frame in make_frames(STAMPS):
            sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
            time.sleep(0.01)
    sink.close()
