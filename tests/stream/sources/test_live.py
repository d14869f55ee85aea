"""Live sources against real servers on loopback: what is lost comes back, and what is wrong is said
in time.

The RTSP server is killed and restarted twice; POSE_STREAM_KILLS=20 for a long look.
"""

import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import cv2
import pytest

from configs import SourceError
from stream.backoff import LONGEST_WAIT_S, backoff_s
from stream.frame import Frame
from stream.pipeline.config import PipelineConfig
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.policy import EVERY_FRAME
from stream.pipeline.progress import Progress
from stream.sources import Source, open_source
from stream.sources.config import SourceConfig
from tests.support.blank_engine import BlankEngine
from tests.support.media import make_clip, numbered_image, read_number
from tests.support.people import no_people
from tests.support.servers import RtspServer, free_port, tcp_server, web_server
from tests.support.waiting import LIMIT_S, TooSlow, joined, measured, until, within

ROOT = Path(__file__).resolve().parents[3]
KILLS = int(os.environ.get("POSE_STREAM_KILLS", "2"))
# Where it is not the stall that is looked at, a server may be slow.
PATIENT = SourceConfig(open_timeout_s=60, read_timeout_s=60)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 seconds at 30 fps with a key frame every half second, as cameras send: no B-frames."""
    path = tmp_path_factory.mktemp("camera") / "clip.mp4"
    return make_clip(
        path, frames=1800, fps=30, gop=15, options={"tune": "zerolatency", "preset": "ultrafast"}
    )


@pytest.fixture(scope="module")
def transport(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One second of MPEG-TS."""
    path = tmp_path_factory.mktemp("camera") / "clip.ts"
    return make_clip(path, frames=30, fps=30, gop=15, options={"tune": "zerolatency"}).read_bytes()


@contextmanager
def opened(address: str, config: SourceConfig = PATIENT) -> Iterator[Source]:
    """The source, interrupted in the end so that a test that fails does not hang."""
    with open_source(address, config) as source:
        watchdog = threading.Timer(LIMIT_S, source.interrupt)
        watchdog.start()
        try:
            yield source
        finally:
            watchdog.cancel()
            joined(watchdog)


def take(source: Source, count: int) -> list[Frame]:
    return list(itertools.islice(source, count))


@measured
def test_a_stream_that_ends_is_connected_again_and_goes_on_in_a_new_epoch(transport: bytes) -> None:
    with (
        tcp_server(lambda connection: connection.sendall(transport)) as port,
        opened(f"tcp://127.0.0.1:{port}") as source,
    ):
        frames = take(source, 80)
    assert [frame.index for frame in frames] == list(range(80))
    assert {frame.epoch for frame in frames} == {0, 1, 2}
    assert source.health.reconnects == 2
    assert all(later.time_s > earlier.time_s for earlier, later in pairwise(frames))
    gaps = [
        later.time_s - earlier.time_s
        for earlier, later in pairwise(frames)
        if later.epoch > earlier.epoch
    ]
    assert all(gap > 0.1 for gap in gaps), "the time that passed while it was away is kept"
    if max(gaps) >= 10:
        raise TooSlow(f"away for {gaps} s")
    assert all(later.capture_ns >= earlier.capture_ns for earlier, later in pairwise(frames))


def test_a_source_that_is_not_there_yet_is_waited_for(transport: bytes) -> None:
    port = free_port()
    started = threading.Event()

    def serve_late() -> None:
        time.sleep(0.8)
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(1)
            started.set()
            connection, _ = listener.accept()
            with connection:
                connection.sendall(transport)

    server = threading.Thread(target=serve_late)
    server.start()
    with opened(f"tcp://127.0.0.1:{port}") as source:
        assert source.info is None
        frames = take(source, 10)
        assert source.info is not None
    joined(server)
    assert started.is_set()
    assert [frame.epoch for frame in frames] == [0] * 10


def test_a_number_of_tries_ends_in_an_error_that_says_why() -> None:
    config = replace(PATIENT, reconnect=1)
    with (
        opened(f"tcp://127.0.0.1:{free_port()}", config) as source,
        pytest.raises(SourceError, match="refused") as caught,
    ):
        take(source, 1)
    assert "after 2 tries" in str(caught.value)


@pytest.mark.parametrize("scheme", ["rtsp", "tcp"])
@measured
def test_a_server_that_accepts_and_never_answers_is_told_within_the_time_out(scheme: str) -> None:
    hold = threading.Event()
    config = SourceConfig(open_timeout_s=0.6, read_timeout_s=0.6, reconnect=0)
    with (
        tcp_server(lambda connection: bool(hold.wait(LIMIT_S))) as port,
        opened(f"{scheme}://127.0.0.1:{port}/clip", config) as source,
    ):
        with within(3), pytest.raises(SourceError, match=r"no answer within 0.6 s"):
            take(source, 1)
        hold.set()


@measured
def test_a_stream_that_stalls_is_told_and_connected_again(
    transport: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(transport)
        release.wait(LIMIT_S)

    with (
        caplog.at_level(logging.INFO),
        tcp_server(answer) as port,
        opened(
            f"tcp://127.0.0.1:{port}", SourceConfig(open_timeout_s=60, read_timeout_s=0.5)
        ) as source,
    ):
        frames = take(source, 40)
        release.set()
    assert [frame.epoch for frame in frames] == sorted(frame.epoch for frame in frames)
    if frames[-1].epoch > 1:
        raise TooSlow("what had come was not read within half a second")
    assert frames[-1].epoch == 1
    states = [
        record.getMessage().rsplit(": ", 1)[1]
        for record in caplog.records
        if record.levelno == logging.INFO
    ]
    assert [state for state in states if state in ("running", "stalled", "reconnecting")][:4] == [
        "running",
        "stalled",
        "reconnecting",
        "running",
    ]
    assert "no answer within 0.5 s" in caplog.text


def test_a_stall_is_in_stream_time_from_the_last_frame_on() -> None:
    _, picture = cv2.imencode(".jpg", numbered_image(1, 96, 64))
    part = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
    release = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        connection.sendall(head.encode() + (part.encode() + picture.tobytes() + b"\r\n") * 10)
        release.wait(LIMIT_S)

    config = SourceConfig(open_timeout_s=60, read_timeout_s=0.5)
    with tcp_server(answer) as port, opened(f"http://127.0.0.1:{port}/camera", config) as source:
        frames = take(source, 12)
        release.set()
    gap_s = next(b.time_s - a.time_s for a, b in pairwise(frames) if b.epoch > a.epoch)
    assert gap_s > 0.7, "half a second until it counts as stalled, and the wait for the next try"


@pytest.mark.alone
@measured
def test_interrupting_a_source_that_waits_to_try_again_ends_it_at_once() -> None:
    with opened(f"tcp://127.0.0.1:{free_port()}") as source:
        timer = threading.Timer(1.5, source.interrupt)
        timer.start()
        with within(2.2):
            assert take(source, 1) == []
        joined(timer)
        assert source.health.state == "ended"


def test_waits_grow_to_a_limit_and_differ() -> None:
    longest = [backoff_s(attempt, 1.0) for attempt in range(50)]
    assert longest == sorted(longest)
    assert longest[0] <= 0.5
    assert max(longest) == LONGEST_WAIT_S
    assert backoff_s(3, 0.0) == backoff_s(3, 1.0) / 2


# The web.


def test_a_video_on_a_web_server_is_read_like_a_file(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", frames=40)
    with web_server(tmp_path) as address, opened(f"{address}/clip.mp4?token=secret") as source:
        assert not source.live
        frames = list(source)
        assert source.info is not None
        assert source.info.frame_count == 40
    assert [read_number(frame.image) for frame in frames] == list(range(40))
    assert "secret" not in source.name


def test_an_mjpeg_camera_is_a_live_source(tmp_path: Path) -> None:
    with web_server(tmp_path) as address, opened(f"{address}/camera") as source:
        assert source.live
        numbers = [read_number(frame.image) for frame in take(source, 20)]
    assert numbers == sorted(set(numbers))


def test_hls_is_read(tmp_path: Path) -> None:
    make_clip(
        tmp_path / "list.m3u8",
        frames=90,
        fps=30,
        gop=15,
        container_options={"hls_time": "1", "hls_list_size": "0"},
    )
    with web_server(tmp_path) as address, opened(f"{address}/list.m3u8") as source:
        assert [read_number(frame.image) for frame in source] == list(range(90))


def test_what_a_web_server_does_not_have_is_an_error_at_once(tmp_path: Path) -> None:
    with (
        web_server(tmp_path) as address,
        pytest.raises(SourceError, match="404"),
        opened(f"{address}/nothing.mp4"),
    ):
        pass


def test_an_encrypted_connection_to_a_camera_that_signed_for_itself(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", frames=20)
    with web_server(tmp_path, encrypted=True) as address, opened(f"{address}/clip.mp4") as source:
        assert address.startswith("https://")
        assert len(list(source)) == 20


def test_live_hls_is_followed_as_it_grows(tmp_path: Path) -> None:
    """Segments of half a second, of which the list keeps the last three: what a camera or a CDN
    publishes; it does not run away from a reader that is slow.
    """
    folder = tmp_path / "live"
    folder.mkdir()
    done = threading.Event()
    numbers: list[int] = []

    def publish() -> None:
        options = {
            "hls_time": "0.5",
            "hls_list_size": "3",
            "hls_flags": "delete_segments+omit_endlist",
        }
        with av.open(str(folder / "list.m3u8"), "w", options=options) as target:
            stream = target.add_stream(
                "libx264", rate=30, options={"tune": "zerolatency", "preset": "ultrafast"}
            )
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.gop_size = 15
            start_s = time.monotonic()
            for index in range(600):
                wait_s = max(0.0, start_s + index / 30 - time.monotonic())
                while not done.wait(wait_s) and index > (numbers or [0])[-1] + 40:
                    wait_s = 0.02
                if done.is_set():
                    return
                target.mux(
                    stream.encode(
                        av.VideoFrame.from_ndarray(numbered_image(index, 96, 64), "bgr24")
                    )
                )

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        until((folder / "list.m3u8").exists, "there is a list")
        with (
            web_server(folder) as address,
            opened(f"{address}/list.m3u8") as source,
        ):
            assert source.live
            numbers.extend(read_number(frame.image) for frame in itertools.islice(source, 60))
            assert source.health.reconnects == 0
    finally:
        done.set()
        joined(publisher)
    assert numbers == list(range(numbers[0], numbers[0] + 60))


@pytest.mark.parametrize(
    ("kind", "message"), [("sound", "no video stream"), ("unknown codec", "unsupported codec")]
)
def test_a_live_stream_that_cannot_be_shown_says_why_at_once(
    tmp_path: Path, kind: str, message: str
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", audio=kind == "sound", video=kind != "sound")
    content = clip.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_ZZZZZ/ISO/AVC")
    with (
        tcp_server(lambda connection: connection.sendall(content)) as port,
        opened(f"tcp://127.0.0.1:{port}") as source,
        pytest.raises(SourceError, match=message),
    ):
        take(source, 1)


def test_transport_stream_over_udp(clip: Path) -> None:
    port = free_port()
    done = threading.Event()

    def send() -> None:
        address = f"udp://127.0.0.1:{port}?pkt_size=1316"
        with av.open(str(clip)) as source, av.open(address, "w", format="mpegts") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            start_s = time.monotonic()
            for packet in source.demux(video=0):
                if packet.dts is None or done.is_set():
                    return
                time.sleep(
                    max(0.0, start_s + float(packet.dts * packet.time_base) - time.monotonic())
                )
                packet.stream = stream
                target.mux(packet)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with opened(f"udp://127.0.0.1:{port}") as source:
            numbers = [read_number(frame.image) for frame in take(source, 30)]
    finally:
        done.set()
        joined(sender)
    assert numbers == list(range(numbers[0], numbers[0] + 30))


# RTSP, from a real server.


@pytest.mark.parametrize("rtsp_transport", ["tcp", "udp"])
@measured
def test_rtsp(clip: Path, rtsp_transport: str) -> None:
    config = replace(PATIENT, rtsp_transport=rtsp_transport)  # type: ignore[arg-type]
    with RtspServer(clip) as server, opened(server.url, config) as source:
        frames = take(source, 60)
        assert source.info is not None
        assert source.info.live
    numbers = [read_number(frame.image) for frame in frames]
    assert numbers == list(range(60)), (
        "from the first key frame on, what FFmpeg looked at to know the stream included"
    )
    assert frames[-1].time_s == pytest.approx(59 / 30, abs=0.01)
    spent_s = (frames[-1].capture_ns - frames[30].capture_ns) * 1e-9
    if not 0.6 < spent_s < 3:
        raise TooSlow(f"in real time; a second came in {spent_s} s")


@pytest.mark.parametrize("user", ["", "viewer:wrong@"])
def test_a_wrong_or_missing_password_is_told_and_never_shown(clip: Path, user: str) -> None:
    with RtspServer(clip, user="viewer:s3cret") as server:
        address = server.url.replace("://", f"://{user}")
        with opened(address) as source, pytest.raises(SourceError, match="401") as caught:
            take(source, 1)
        assert "wrong@" not in str(caught.value)
        with opened(server.url.replace("://", "://viewer:s3cret@")) as source:
            (frame,) = take(source, 1)
            assert "s3cret" not in frame.source + source.name + str(source.info) + repr(
                source.health
            )


def test_a_wrong_path_is_told(clip: Path) -> None:
    with (
        RtspServer(clip) as server,
        opened(server.url + "2") as source,
        pytest.raises(SourceError, match="404"),
    ):
        take(source, 1)


def test_a_server_that_is_killed_and_restarted_costs_a_gap_and_nothing_else(clip: Path) -> None:
    threads = threading.active_count()
    with RtspServer(clip) as server, opened(server.url) as source:
        frames = take(source, 5)
        files = len(list(Path("/proc/self/fd").iterdir()))
        for kills in range(1, KILLS + 1):
            server.kill()
            server.start()
            for frame in source:  # first, what had come before
                frames.append(frame)
                if sum(each.epoch == kills for each in frames) == 20:
                    break
        assert len(list(Path("/proc/self/fd").iterdir())) == files
        health = source.health
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    assert health.reconnects == frames[-1].epoch == KILLS
    assert all(later.time_s > earlier.time_s for earlier, later in pairwise(frames))
    until(lambda: threading.active_count() <= threads, "its threads end")


def test_a_server_that_freezes_is_a_stall(clip: Path) -> None:
    with (
        RtspServer(clip) as server,
        opened(server.url, SourceConfig(open_timeout_s=60, read_timeout_s=0.5)) as source,
    ):
        take(source, 5)

        def wake() -> None:
            try:
                until(lambda: source.health.state != "running", "a stall is seen")
            finally:
                server.signal(signal.SIGCONT)

        server.signal(signal.SIGSTOP)
        waker = threading.Thread(target=wake)
        waker.start()
        frames = take(source, 60)
        joined(waker)
    assert frames[-1].epoch >= 1
    assert source.health.state in ("running", "ended")


def test_a_camera_that_is_killed_takes_nothing_from_the_other(clip: Path) -> None:
    """Both through one pipeline, which goes on; what remains in front of the dead one is asked
    again all the time.
    """

    class Numbers:
        needs_image = False

        def __init__(self) -> None:
            self.seen: list[tuple[int, int]] = []

        def open(self, *arguments: object) -> None: ...

        def close(self) -> None: ...

        def write(self, frame: Frame, *arguments: object, **more: object) -> None:
            self.seen.append((frame.epoch, frame.index))

    sinks = [Numbers(), Numbers()]
    with (
        RtspServer(clip) as steady,
        RtspServer(clip) as doomed,
        opened(steady.url) as first,
        opened(doomed.url) as second,
    ):
        pipeline = Pipeline(
            [first, second],
            BlankEngine(batch_size=2),
            lambda *maps: no_people(),
            sinks=[[sink] for sink in sinks],
            options=PipelineConfig(policy=EVERY_FRAME),
        )
        killed_at: list[int] = []

        def look(progress: Progress) -> None:
            if not killed_at and all(len(sink.seen) > 20 for sink in sinks):
                doomed.kill()
                killed_at.append(len(sinks[0].seen))
            if (
                killed_at and len(sinks[0].seen) > killed_at[0] + 60
            ) or progress.elapsed_s > LIMIT_S:
                pipeline.stop()

        with pipeline:
            summary = pipeline.run(look)
    assert killed_at
    assert sinks[0].seen[: killed_at[0] + 60] == [(0, index) for index in range(killed_at[0] + 60)]
    assert "refused" in second.health.message
    assert set(summary.drops) <= {"stopped"}


def test_credentials_are_in_no_output_and_no_message(clip: Path, tmp_path: Path) -> None:
    outputs = ["out.jsonl", "out.json", "out.csv", "out.npz", "openpose:people", "out.mp4"]
    command = [sys.executable, "-m", "tests.support.fixture_command", "blank"]
    with RtspServer(clip, user="viewer:s3cret") as server:
        address = server.url.replace("://", "://viewer:s3cret@") + "?key=t0ken"
        result = subprocess.run(
            [*command, address, "-v", "--frames", "5", "--reconnect", "0", "-o", *outputs],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
            timeout=LIMIT_S,
        )
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    names = " ".join(path.name for path in tmp_path.rglob("*"))
    assert result.returncode == 0, result.stderr
    assert b"rtsp://127.0.0.1" in written
    assert len(list(tmp_path.iterdir())) == len(outputs)
    for secret in ("s3cret", "t0ken", "viewer:"):
        assert secret.encode() not in written + result.stdout + result.stderr
        assert secret not in names
