"""What can never work is told at once; what may come back is waited for."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import pytest

from configs import SourceError
from stream.sources import Source, open_source, reasons
from stream.sources.config import SourceConfig
from stream.sources.reasons import explain
from tests.support.media import make_clip, numbered_image
from tests.support.servers import free_port, tcp_server, web_server
from tests.support.waiting import TooSlow, joined, measured, until

PATIENT = SourceConfig(open_timeout_s=60, read_timeout_s=60)


def answering(status: str, body: bytes = b"", head: str = "") -> Callable[[socket.socket], None]:
    """A web server that has one answer for everybody."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", head]

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall("\r\n".join(filter(None, lines)).encode() + b"\r\n\r\n" + body)

    return answer


def said_at_once(address: str, config: SourceConfig = PATIENT) -> str:
    """The error that ends a source at its first try; empty if it is asked for again."""
    try:
        with open_source(address, config) as source:
            over = threading.Event()
            asked_again = threading.Thread(target=_interrupt_at_second_try, args=(source, over))
            asked_again.start()
            try:
                assert source.grab() is None
                assert source.health.message, "it ended, and not for having been asked again"
            finally:
                over.set()
                joined(asked_again)
    except SourceError as error:
        return str(error)
    return ""


def _interrupt_at_second_try(source: Source, over: threading.Event) -> None:
    try:
        until(lambda: source.health.message or over.is_set(), "a try has failed", pause_s=0.005)
    finally:
        source.interrupt()


_REFUSED = (400, 401, 402, 403, 404, 405, 406, 407, 410, 418, 451)
_PASSING = (408, 425, 429, 500, 502, 503, 504)


@pytest.mark.parametrize("code", _REFUSED)
def test_a_request_that_is_refused_is_told_at_once(code: int) -> None:
    with tcp_server(answering(f"{code} No", b"no")) as port:
        said = said_at_once(f"http://user:hunter2@127.0.0.1:{port}/x")
    assert str(code) in said or "from 402 to 499" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("code", _PASSING)
def test_a_server_in_trouble_is_asked_again(code: int) -> None:
    with tcp_server(answering(f"{code} Later", b"later")) as port:
        assert said_at_once(f"http://127.0.0.1:{port}/x") == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!doctype html><html><body>Log in</body></html>", "a web page"),
        (b"\xef\xbb\xbf\n <HTML><body>Log in</body></HTML>", "a web page"),
        (b'<?xml version="1.0"?><MPD/>', "an XML document"),
        (b'{"streams": []}', "JSON"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"PK\x03\x04\x14\0\0\0", "a zip"),
        (b"no list of anything\n" * 30, "text"),
        (b"\0\0\0\x20ftypisom" + bytes(20) + b"\0\0\x10\0mdat" + bytes(4096), "without its index"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_video_is_called_what_it_is(body: bytes, said: str) -> None:
    with tcp_server(answering("200 OK", body)) as port:
        assert said in said_at_once(f"http://127.0.0.1:{port}/x")


def _closing(connection: socket.socket) -> None:
    connection.recv(4096)


@pytest.mark.parametrize("answer", [_closing, answering("200 OK")], ids=["closes", "sends nothing"])
def test_a_server_that_says_nothing_yet_is_asked_again(
    answer: Callable[[socket.socket], None],
) -> None:
    with tcp_server(answer) as port:
        assert said_at_once(f"http://127.0.0.1:{port}/x") == ""


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp", "tcp"])
def test_a_port_where_nothing_listens_is_asked_again(scheme: str) -> None:
    assert said_at_once(f"{scheme}://127.0.0.1:{free_port()}/x") == ""


def test_a_picture_on_a_web_server_is_read_once(tmp_path: Path) -> None:
    picture = cv2.imencode(".jpg", numbered_image(5, 96, 64))[1].tobytes()
    with (
        tcp_server(answering("200 OK", picture, "Content-Type: image/jpeg")) as port,
        open_source(f"http://127.0.0.1:{port}/photo.jpg", PATIENT) as source,
    ):
        assert not source.live
        assert len(list(source)) == 1


@pytest.mark.parametrize("device", ["97", "/dev/video97", "/dev/v4l/by-id/usb-nothing"])
def test_a_camera_that_was_never_there_is_told_at_once(device: str) -> None:
    assert "no such device" in said_at_once(device)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has its cameras in a folder")
@pytest.mark.parametrize(
    ("there", "said"), [((), "no camera is connected"), ((0, 2), "there are: .*video0, .*video2")]
)
def test_what_could_be_meant_instead_of_a_camera_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[int, ...], said: str
) -> None:
    for number in there:
        (tmp_path / f"video{number}").touch()
    monkeypatch.setattr(reasons, "_DEVICES", tmp_path)
    told = explain(OSError(2, "absent"), waited_s=0, limit_s=1, url="/dev/video9")
    assert re.search(said, told.text)


@pytest.mark.parametrize("reconnect", [-1, 1])
def test_a_camera_that_is_still_to_be_plugged_in_is_waited_for_where_that_is_asked_for(
    reconnect: int,
) -> None:
    assert said_at_once("97", SourceConfig(reconnect=reconnect)) == ""


@pytest.mark.parametrize(
    ("number", "said", "final"),
    [
        (13, "permission denied", True),
        (25, "no camera", True),
        (22, "size", True),
        (16, "another program", False),
        (5, "Input/output error", False),
    ],
)
def test_what_a_camera_refuses_is_told_from_what_passes(
    number: int, said: str, final: bool
) -> None:
    reason = explain(OSError(number, os.strerror(number)), waited_s=0, limit_s=1, url="/dev/video0")
    assert said in reason.text
    assert reason.final == final


def test_a_video_whose_index_is_missing_is_no_camera(tmp_path: Path) -> None:
    content = make_clip(tmp_path / "clip.mp4", frames=30).read_bytes().replace(b"moov", b"xoov")
    with tcp_server(answering("200 OK", content)) as port:
        assert "without its index" in said_at_once(f"http://127.0.0.1:{port}/clip.mp4")


def test_of_an_hls_stream_in_several_sizes_the_largest_that_is_of_use_is_taken(
    tmp_path: Path,
) -> None:
    lines = ["#EXTM3U"]
    for width, height in ((96, 64), (192, 128), (200, 1100), (128, 96)):
        name = f"{width}.m3u8"
        options = {"hls_list_size": "0"}
        make_clip(tmp_path / name, frames=40, width=width, height=height, container_options=options)
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={width * 1000},RESOLUTION={width}x{height}", name]
    (tmp_path / "master.m3u8").write_text("\n".join(lines) + "\n")
    with open_source(str(tmp_path / "master.m3u8")) as source:
        assert source.info is not None
        assert (source.info.width, source.info.height) == (192, 128)
        assert len(list(source)) == 40


@measured
def test_frames_of_live_hls_come_one_by_one_and_not_a_segment_at_once(tmp_path: Path) -> None:
    options = {"hls_time": "0.5", "hls_list_size": "0", "hls_flags": "omit_endlist"}
    make_clip(tmp_path / "list.m3u8", frames=45, fps=30, gop=15, container_options=options)
    with (
        web_server(tmp_path) as address,
        open_source(f"{address}/list.m3u8", PATIENT) as source,
    ):
        assert source.live
        frames = list(islice(source, 31))
    spent_s = (frames[-1].capture_ns - frames[0].capture_ns) * 1e-9
    assert frames[-1].time_s - frames[0].time_s == pytest.approx(1, abs=0.05)
    if spent_s <= 0.45:
        raise TooSlow("it fell behind by half a second, on a machine that is busy")
