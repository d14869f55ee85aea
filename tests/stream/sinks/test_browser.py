"""The page: what is served, to whom, and that no client can hurt the run."""

from __future__ import annotations

import http.client
import json
import logging
import shutil
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.errors import ConfigError, SinkError
from stream.render.config import RenderConfig
from stream.sinks import BrowserConfig, Controls, make_sinks
from stream.sinks.browser import BrowserSink
from stream.sinks.browser.live_state import LiveState
from tests.stream.sinks.samples import VALIDATOR, make_frames, make_people, read_index, video_times
from tests.support.chromium import browser
from tests.support.waiting import LIMIT_S, joined, until

TOKEN = "0123456789abcdef-token"
CHANGE = {"X-Pose-Stream": "1", "Content-Type": "application/json"}


@pytest.fixture
def serve(source_info, run_info):
    """Opens a sink at a free port of this machine; `run` feeds it at about 100 frames a second in
    the background.
    """
    sinks, threads, stopping = [], [], threading.Event()

    def start(options=None, *, run=True, url="http://127.0.0.1:0", controls=None, name="camera"):
        sink = BrowserSink(url, options)
        if controls is not None:
            sink.attach(controls)
        sink.open(replace(source_info, name=name), run_info)
        sinks.append(sink)
        if run:
            threads.append(threading.Thread(target=feed, args=(sink, stopping)))
            threads[-1].start()
        return sink

    yield start
    stopping.set()
    joined(*threads)
    for sink in sinks:
        sink.close()


def feed(sink, stopping):
    for frame in make_frames(range(0, 10**12, 3600)):
        if stopping.wait(0.01):
            return
        for bit in range(8):  # 256 frames are soon over where clients are slow
            frame.image[16:32, bit * 12 : bit * 12 + 12] = 255 * (frame.index >> (8 + bit) & 1)
        frame.capture_ns = time.monotonic_ns() - 30_000_000
        frame.left_ns = {
            "decode": frame.capture_ns + 5_000_000,
            "infer": frame.capture_ns + 25_000_000,
        }
        sink.write(
            frame,
            make_people(2),
            frame.image if sink.needs_image else None,
            latency_ms=30.0,
            drops=1,
        )


def address(sink):
    return "127.0.0.1", int(sink.url.rsplit(":", 1)[1].strip("/"))


@contextmanager
def asked(sink, path, *, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection(*address(sink), timeout=LIMIT_S)
    try:
        connection.request(method, path, body=body, headers=headers)
        with connection.getresponse() as reply:
            yield reply
    finally:
        connection.close()


def status_of(sink, path, **keywords):
    with asked(sink, path, **keywords) as reply:
        reply.read()
        return reply.status


def test_the_page_needs_nothing_from_elsewhere(serve):
    sink = serve(run=False)
    for path, kind in [
        ("/", "text/html"),
        ("/page.js", "text/javascript"),
        ("/page.css", "text/css"),
        ("/login", "text/html"),
    ]:
        with asked(sink, path) as reply:
            text = reply.read().decode()
            assert (reply.status, reply.headers["Content-Type"].split(";")[0]) == (200, kind)
            assert "http://" not in text
            assert "https://" not in text
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
            assert "Python" not in reply.headers["Server"]


def test_state_has_the_numbers_of_the_page(serve):
    sink = serve()

    def at_pace():
        with asked(sink, "/api/state") as reply:
            [source] = json.loads(reply.read())["sources"]
        return source["fps"] > 20 and source

    source = until(at_pace, "frames come at their pace", pause_s=0.1)
    assert (source["label"], source["state"], source["people"], source["drops"]) == (
        "camera",
        "running",
        2,
        1,
    )
    assert source["latency_ms"] == 30.0
    assert source["stages_ms"] == {"decode": 5.0, "infer": 20.0}
    assert source["fps"] < 120


def test_a_file_is_on_the_page_until_it_is_over_and_that_is_said(serve, caplog):
    serve(run=False, name="clip.mp4")
    assert "'clip.mp4' is on the page until it is over; --realtime" in caplog.text


def test_the_page_calls_a_source_by_its_label_and_shows_no_path(source_info, run_info):
    secret = replace(source_info, name="/home/me/secret/clip.mp4")
    state = LiveState("", secret, run_info)
    try:
        shown = json.dumps(state.state())
    finally:
        state.close()
    assert '"clip"' in shown
    assert "secret" not in shown


def test_an_image_that_nobody_saw_is_not_shown_to_who_comes_later(source_info, run_info):
    state = LiveState("", source_info, run_info)
    old, new = (np.full((32, 32, 3), shade, np.uint8) for shade in (0, 255))
    try:
        state.put_image(old)  # the last viewer left while it was written
        state.watch(1)
        assert state.next_jpeg(0, 0.2) is None
        state.put_image(new)
        _, jpeg = until(lambda: state.next_jpeg(0, 1.0), "it is compressed")
    finally:
        state.close()
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).min() > 250


def test_video_shows_the_newest_image(serve):
    sink = serve()
    with asked(sink, "/video") as reply:
        assert reply.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        seen = [number(next_image(reply)) for _ in range(5)]
        time.sleep(0.5)
    assert seen == sorted(set(seen)), "an image came twice or out of order"


def number(image):
    """The index of the frame that `feed` wrote."""
    return read_index(image) + 256 * read_index(image[16:])


def next_image(reply):
    line = reply.readline()
    while not line.lower().startswith(b"content-length"):
        line = reply.readline()
    length = int(line.split(b":")[1])
    reply.readline()
    jpeg = reply.read(length)
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_records_come_as_events_in_the_format_of_json_lines(serve):
    with asked(serve(), "/api/records") as reply:
        assert reply.headers["Content-Type"] == "text/event-stream"
        lines = (reply.readline() for _ in range(20))
        records = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
    assert len(records) >= 5
    for record in records:
        VALIDATOR.validate(record)


def test_nobody_watching_costs_no_images(serve):
    sink = serve()
    assert not sink.needs_image
    with asked(sink, "/video") as reply:
        next_image(reply)
        assert sink.needs_image
        reply.close()
    until(lambda: not sink.needs_image, "nobody watches")


def test_a_screenshot_is_the_current_image(serve):
    with asked(serve(), "/image") as reply:
        image = cv2.imdecode(np.frombuffer(reply.read(), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (64, 96, 3)


def has_frames(folder):
    return any(film.stat().st_size > 5_000 for film in folder.glob("camera_*.mp4"))


def test_recording_starts_and_stops_from_the_page(serve, tmp_path):
    sink = serve(BrowserConfig(record_folder=tmp_path / "films"))
    for on in (True, False):
        assert (
            status_of(sink, "/api/record", method="POST", body=json.dumps({"on": on}), **CHANGE)
            == 200
        )
        until(
            lambda on=on: (sink.shown.live.recording is not None) == on,
            f"it {'records' if on else 'does not record any more'}",
        )
        until(lambda: has_frames(tmp_path / "films"), "frames are in the film")
    [film] = (tmp_path / "films").glob("camera_*.mp4")
    until(lambda: b"moof" not in film.read_bytes(), "the film is finished")
    assert len(video_times(film)) > 5


def test_a_recording_that_cannot_be_written_does_not_end_the_run(serve, tmp_path, caplog):
    taken = tmp_path / "films"
    taken.write_text("a file where the folder should be")
    sink = serve(BrowserConfig(record_folder=taken))
    body = json.dumps({"on": True})
    assert status_of(sink, "/api/record", method="POST", body=body, **CHANGE) == 200
    until(lambda: "recording stopped" in caplog.text, "it is told")
    assert str(taken) in caplog.text
    with asked(sink, "/api/records") as reply:  # frames still come
        for _ in range(3):
            assert reply.readline()
    until(lambda: not sink.needs_image, "nobody watches")
    with asked(sink, "/api/state") as reply:
        [source] = json.loads(reply.read())["sources"]
    assert (source["state"], source["recording"]) == ("running", None)


def test_overlays_are_toggled_from_the_page(serve):
    renderer = SimpleNamespace(options=RenderConfig())
    sink = serve(controls=Controls(renderer=renderer, stop=lambda: None), run=False)
    assert (
        status_of(
            sink, "/api/overlay", method="POST", body=json.dumps({"overlay": "boxes"}), **CHANGE
        )
        == 200
    )
    assert renderer.options.boxes
    for wrong in ({}, {"overlay": "everything"}, {"overlay": ["boxes"]}, {"overlay": "theme"}):
        body = json.dumps(wrong)
        assert status_of(sink, "/api/overlay", method="POST", body=body, **CHANGE) == 400
    assert status_of(serve(run=False), "/api/overlay", method="POST", body="{}", **CHANGE) == 404


def test_sources_at_one_address_share_the_page(serve):
    first = serve(run=False, url="http://127.0.0.1:0/left", name="a")
    port = address(first)[1]
    second = serve(run=False, url=f"http://127.0.0.1:{port}/right", name="b")
    with asked(second, "/api/state") as reply:
        assert [source["label"] for source in json.loads(reply.read())["sources"]] == [
            "left",
            "right",
        ]
    first.close()
    assert status_of(second, "/") == 200
    second.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)


def test_without_the_token_nothing_is_answered(serve):
    sink = serve(BrowserConfig(token=TOKEN))
    for path in (
        "/api/state",
        "/api/events",
        "/api/records",
        "/video",
        "/image",
        "/page.js",
        "/nothing",
    ):
        assert status_of(sink, path) == 401, path
        assert status_of(sink, path, Authorization="Bearer wrong") == 401, path
        assert status_of(sink, path, Cookie="pose_stream=wrong; x=y") == 401, path
    assert status_of(sink, "/") == 303
    assert status_of(sink, "/api/record", method="POST", body='{"on": true}', **CHANGE) == 401
    assert status_of(sink, "/api/state", Authorization=f"Bearer {TOKEN}") == 200


def test_logging_in_gives_a_cookie_that_is_not_the_token(serve):
    sink = serve(BrowserConfig(token=TOKEN), run=False)
    assert status_of(sink, "/api/login", method="POST", body='{"token": "wrong"}', **CHANGE) == 401
    with asked(
        sink, "/api/login", method="POST", body=json.dumps({"token": TOKEN}), **CHANGE
    ) as reply:
        assert reply.status == 204
        cookie = reply.headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert status_of(sink, "/api/state", Cookie=cookie.split(";")[0]) == 200


def test_pages_of_other_sites_can_change_nothing(serve):
    sink = serve(run=False)
    body = json.dumps({"on": True})
    assert status_of(sink, "/api/record", method="POST", body=body) == 403
    assert (
        status_of(
            sink, "/api/record", method="POST", body=body, Origin="http://evil.example", **CHANGE
        )
        == 403
    )
    assert status_of(sink, "/api/record", method="OPTIONS") == 501
    assert not sink.shown.record_wanted


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[", ""]
)
def test_other_names_of_this_machine_are_not_answered(serve, host):
    assert status_of(serve(run=False), "/api/state", Host=host) == 421


@pytest.mark.parametrize(
    "path",
    [
        "/../config.py",
        "/page/../../sink.py",
        "/..%2f..%2fsink.py",
        "//etc/passwd",
        "/page.js/",
        "/video?source=-1",
        "/video?source=9",
        "/video?source=1e9",
        "/video?source=%00",
        "/image?source=9999999999999999",
    ],
)
def test_only_what_is_listed_is_served(serve, path):
    assert status_of(serve(run=False), path) in (404, 400)


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"[" * 3000, {}, 400),
        (b"x" * 5000, {}, 413),
        (b"\xff\xfe", {}, 400),
        (b"[]", {}, 400),
        (b"{}", {"Content-Length": "-1"}, 400),
        (b"{}", {"Content-Length": "\u00b2".encode("latin-1")}, 400),
        (b"{}", {"Transfer-Encoding": "chunked"}, 400),
    ],
)
def test_bodies_that_make_no_sense_are_refused(serve, body, headers, expected):
    assert (
        status_of(serve(run=False), "/api/record", method="POST", body=body, **CHANGE, **headers)
        == expected
    )


WORDS = (
    b"GET ", b"POST ", b"HEAD ", b"/ ", b"/video?source=", b"/api/login ",
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"\r\n", b"Host: 127.0.0.1",
    b"Content-Length: 5", b"Content-Length: 99999999999", b"Cookie: pose_stream=",
    b"Expect: 100-continue", b"\x00", b"\xff\xfe", b": ", b"A" * 70_000, b"%", b"?", b"#", b"//[",
    b"{}", b"Upgrade: x", b"Authorization: Bearer ", b"\n",
)  # fmt: skip


def test_whatever_is_sent_there_is_no_exception_and_no_leak(serve, caplog, capfd, monkeypatch):
    caplog.set_level(logging.DEBUG, logger="stream.sinks.browser")
    failures = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: failures.append(arguments))
    sink = serve(BrowserConfig(token=TOKEN), run=False)
    before = threading.active_count()

    @settings(
        max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.lists(st.one_of(st.integers(0, len(WORDS) - 1), st.binary(max_size=30)), max_size=14))
    def send(parts):
        with socket.create_connection(address(sink), timeout=LIMIT_S) as client:
            try:
                client.sendall(
                    b"".join(WORDS[part] if isinstance(part, int) else part for part in parts)
                )
                client.shutdown(socket.SHUT_WR)
                reply = b"".join(iter(lambda: client.recv(65536), b""))
            except OSError:  # refused in the middle of a word
                return
        assert TOKEN.encode() not in reply
        assert b"Traceback" not in reply

    send()
    assert status_of(sink, "/login") == 200
    until(lambda: threading.active_count() <= before + 1, "the threads of the clients end")
    assert failures == []
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [error for error in errors if not isinstance(error, ConnectionError)] == []
    assert capfd.readouterr().err == ""


def test_slow_clients_do_not_hold_up_the_run_nor_each_other(serve):
    sink = serve()
    with ExitStack() as clients:
        for _ in range(20):
            client = clients.enter_context(socket.create_connection(address(sink), timeout=LIMIT_S))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /video HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        until(lambda: sink.shown.live.viewers == 20, "all watch")
        until(lambda: sink.shown.live.state()["frame"] is not None, "there is a frame")
        before = sink.shown.live.state()["frame"]
        with asked(sink, "/video") as reply:
            first = number(next_image(reply))
            later = [number(next_image(reply)) for _ in range(20)][-1]
        assert later > first, "the quick client waits for the slow ones"
        assert sink.shown.live.state()["frame"] > before + 10
    until(lambda: sink.shown.live.viewers == 0, "nobody watches")


def test_more_connections_than_there_is_room_for_are_refused(serve):
    sink = serve(run=False)
    with ExitStack() as clients:
        for _ in range(150):
            clients.enter_context(socket.create_connection(address(sink), timeout=LIMIT_S))
    until(lambda: can_reach(sink), "the page is there again")


def can_reach(sink):
    try:
        return status_of(sink, "/") == 200
    except (OSError, http.client.HTTPException):
        return False


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://0.0.0.0:8080", "add --token"),
        ("http://192.168.1.5:8080/", "add --token"),
        ("http://127.0.0.1", "not an address"),
        ("http://127.0.0.1:99999", "not an address"),
        ("http://user:pass@127.0.0.1:80", "not an address"),
    ],
)
def test_addresses_that_cannot_be_served_are_one_line(url, message, monkeypatch):
    monkeypatch.delenv("POSE_STREAM_TOKEN", raising=False)
    with pytest.raises(ConfigError, match=message) as error:
        make_sinks([url])
    assert "pass@" not in str(error.value)


def test_a_token_opens_other_addresses_and_must_not_be_short(monkeypatch):
    assert make_sinks(["http://0.0.0.0:8080"], BrowserConfig(token=TOKEN))
    monkeypatch.setenv("POSE_STREAM_TOKEN", TOKEN)
    assert make_sinks(["http://0.0.0.0:8080"])
    with pytest.raises(ConfigError, match="at least 16"):
        make_sinks(["http://0.0.0.0:8080"], BrowserConfig(token="short"))


def test_an_address_in_use_is_one_line(source_info, run_info):
    with socket.create_server(("127.0.0.1", 0)) as other:
        sink = BrowserSink(f"http://127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(SinkError, match="in use"):
            sink.open(source_info, run_info)
        sink.close()


@pytest.mark.skipif(
    not shutil.which("chromium"), reason="needs chromium (apt-get install chromium)"
)
def test_a_real_browser_shows_the_image(serve, tmp_path):
    sink = serve(BrowserConfig(record_folder=tmp_path))
    with browser(tmp_path / "profile") as page:
        page.open(sink.url)
        page.wait_for("document.querySelector('img')?.naturalWidth > 0")
        page.wait_for("parseFloat(document.querySelector('.fps')?.textContent) > 5")
        assert page.evaluate("document.querySelector('.people').textContent") == "2"
        assert page.evaluate("document.querySelectorAll('.stage').length") == 2
        page.evaluate("document.querySelector('.record').click()")
        until(lambda: sink.shown.record_wanted, "the button is pressed")
        page.screenshot(tmp_path / "page.png")
        lost = "(events.onerror(), document.querySelector('h2 .state').textContent)"
        assert page.evaluate(lost) == "not connected"
    image = cv2.imread(str(tmp_path / "page.png"))
    assert image[150:500, 100:700].std() > 20, "the live image is not on the page"
