"""The window: off without a display; keys under a virtual one, which may die or hang."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest

from configs.errors import SinkError
from stream.pipeline.outlet import Outlet
from stream.render.config import OVERLAYS
from stream.render.renderer import RenderConfig
from stream.sinks import Controls, make_sinks, window
from stream.sinks.window import OVERLAY_KEYS, WindowSink
from tests.stream.sinks.samples import REPOSITORY, make_frames, make_people, vfr_stamps
from tests.support.commands import ENVIRONMENT, command
from tests.support.media import read_numbers
from tests.support.waiting import LIMIT_S, ended, joined, until


def test_without_a_display_it_is_off_and_says_so(
    monkeypatch, source_info, run_info, write_all, caplog
):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    [sink] = make_sinks(["window:"])
    write_all(sink, source_info, run_info, make_frames(vfr_stamps(3)))
    assert "no window" in caplog.text
    assert not sink.needs_image


class VirtualDisplay:
    """An Xvfb of its own, which can be ended while somebody uses it, and started again."""

    def __init__(self) -> None:
        self.name = ""
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; it listens when this returns."""
        reader, writer = os.pipe()
        chosen = [self.name] if self.name else []
        self._server = subprocess.Popen(
            ["Xvfb", *chosen, "-displayfd", str(writer), "-screen", "0", "640x480x24"],
            stderr=subprocess.DEVNULL,
            pass_fds=[writer],
        )
        os.close(writer)
        with os.fdopen(reader) as answer:
            self.name = f":{int(answer.readline())}"

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def freeze(self) -> None:
        """Makes it answer nobody any more."""
        if self._server is not None:
            self._server.send_signal(signal.SIGSTOP)

    def press(self, title: str, key: str) -> None:
        """Presses a key in the window of that title, once it is there."""
        self._search("--name", title, "key", "--window", "%1", key)

    def wait_for(self, title: str) -> None:
        """Returns when the window of that title is on the screen."""
        self._search("--onlyvisible", "--name", title)

    def _search(self, *arguments: str) -> None:
        subprocess.run(
            ["xdotool", "search", "--sync", *arguments],
            env={**os.environ, "DISPLAY": self.name},
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=LIMIT_S,
        )


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualDisplay]:
    if sys.platform != "linux" or not shutil.which("Xvfb") or not shutil.which("xdotool"):
        pytest.skip("needs Xvfb and xdotool (apt-get install xvfb xdotool)")
    server = VirtualDisplay()
    server.start()
    monkeypatch.setenv("DISPLAY", server.name)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    try:
        yield server
    finally:
        server.kill()


def write_until(sink: WindowSink | Outlet, done: Callable[[], bool], what: str) -> None:
    """Writes a frame again and again until that is so."""
    frame = next(make_frames([0]))

    def so() -> bool:
        if not done():
            sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
        return done()

    until(so, what, pause_s=0.001)


def test_keys_take_a_screenshot_toggle_and_quit(
    display: VirtualDisplay, source_info, run_info, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    sink, renderer, stopped = WindowSink("watched"), SimpleNamespace(options=RenderConfig()), []
    sink.attach(Controls(renderer=renderer, stop=lambda: stopped.append(True)))
    sink.open(source_info, run_info)
    before = renderer.options.boxes
    for key, seen in (
        ("b", lambda: renderer.options.boxes != before),
        ("s", lambda: bool(list(tmp_path.glob("camera_*.png")))),
        ("q", lambda: bool(stopped)),
    ):
        display.press("watched", key)
        write_until(sink, seen, f"the key '{key}' is seen")
    sink.close()
    assert len(list(tmp_path.glob("camera_*.png"))) == 1


def test_a_paused_window_waits_and_a_point_goes_one_frame_further(
    display: VirtualDisplay, source_info, run_info
):
    sink, written = WindowSink("steps"), []
    stopping = threading.Event()
    sink.attach(Controls(renderer=SimpleNamespace(), stop=int, stopping=stopping.is_set))
    sink.open(source_info, run_info)
    more = threading.Semaphore(0)
    display.press("steps", "space")

    def write() -> None:
        frame = next(make_frames([0]))
        while not stopping.is_set():
            sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
            written.append(frame.index)
            more.release()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        until(lambda: sink.paused, "it is paused")
        while more.acquire(timeout=0.5):  # a frame may be under way when that is said
            pass
        paused_at = len(written)
        display.press("steps", "period")
        assert more.acquire(timeout=LIMIT_S)
        assert not more.acquire(timeout=0.3) and len(written) == paused_at + 1
    finally:
        stopping.set()
        joined(thread)
        sink.close()


def test_a_paused_window_of_a_camera_keeps_its_image_and_holds_nothing_up(
    display: VirtualDisplay, source_info, run_info, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    sink, frame = WindowSink("camera"), next(make_frames([0]))
    sink.open(replace(source_info, live=True), run_info)
    display.press("camera", "space")
    write_until(sink, lambda: sink.paused, "it is paused")
    for count in (1, 2, 3):
        display.press("camera", "s")
        while len(list(tmp_path.glob("camera_*.png"))) < count:  # what comes has another image
            frame.index += 1
            frame.image[:] = frame.index % 250
            sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
            time.sleep(0.001)
    sink.close()
    shots = sorted(tmp_path.glob("camera_*.png"), key=lambda path: path.stat().st_mtime_ns)[1:]
    numbers = {int(path.stem.split("_")[1].split("-")[0]) for path in shots}
    assert len(numbers) == 1 and numbers.pop() < frame.index
    first, second = (cv2.imread(str(path)) for path in shots)
    assert (first == second).all(), "what is shown, not what comes meanwhile"


def test_a_photograph_stays_until_somebody_has_seen_it_or_the_run_has_failed(
    display: VirtualDisplay, source_info, run_info
):
    """So does a paused window: it held a run for ever whose engine had failed."""
    sink, frame, failed = WindowSink("photo"), next(make_frames([0])), threading.Event()
    controls = Controls(renderer=SimpleNamespace(), stop=int, over=failed.is_set)
    sink.attach(controls)
    sink.open(replace(source_info, frame_count=1), run_info)
    thread = threading.Thread(
        target=sink.write,
        args=(frame, make_people(1), frame.image),
        kwargs={"latency_ms": 1.0, "drops": 0},
    )
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    failed.set()
    joined(thread)
    sink.close()


def test_a_display_that_dies_in_mid_run_is_the_windows_failure_alone(
    display: VirtualDisplay, tmp_path: Path
) -> None:
    """Qt ends its process then, and aborts it where it cannot connect."""
    video, record = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    process = subprocess.Popen(
        command("demo", "--frames", 200, "--show", "-o", video, record, engine="blank:0.005"),
        cwd=REPOSITORY,
        env={**ENVIRONMENT, "DISPLAY": display.name},
        stderr=subprocess.PIPE,
        text=True,
    )
    until(
        lambda: (
            process.poll() is not None or (record.exists() and record.read_text().count("\n") > 5)
        ),
        "frames are written",
    )
    assert process.poll() is None
    display.kill()
    _, errors = ended(process)
    assert process.returncode == 2, errors
    assert len(record.read_text().splitlines()) == 201
    assert len(read_numbers(video)) == 200
    *warnings, last = errors.strip().splitlines()
    said = f"window 'demo - blank' is lost: the display '{display.name}' is gone"
    assert last == f"error: {said}"
    assert warnings == [f"warning: {said}; the other outputs go on"]


def test_a_window_of_a_live_source_opens_again_with_its_display(
    display: VirtualDisplay, source_info, run_info, caplog
):
    outlet = Outlet(WindowSink("camera 1"), live=True)
    outlet.open(replace(source_info, live=True), run_info)
    display.kill()
    write_until(outlet, lambda: outlet.failure is not None, "the display is missed")
    assert "is gone; trying again" in caplog.text
    display.start()
    write_until(outlet, lambda: outlet.failure is None, "it is shown again")
    outlet.close(complete=True)
    assert outlet.failure is None
    assert outlet.lost > 0
    assert "goes on" in caplog.text


def test_a_display_that_hangs_is_given_up(
    display: VirtualDisplay, source_info, run_info, monkeypatch
):
    monkeypatch.setattr(window, "_SILENT_S", 0.5)
    sink = WindowSink("hanging")
    sink.open(source_info, run_info)
    try:
        display.wait_for("hanging")  # before that nothing is drawn, and a display need not answer
        display.freeze()
        with pytest.raises(SinkError, match=r"'hanging' is lost: .* shows nothing for 0.5 s"):
            write_until(sink, lambda: False, "it is given up")
    finally:
        sink.close()


def test_a_title_may_be_of_a_file_whose_name_is_not_utf_8(
    display: VirtualDisplay, source_info, run_info
):
    sink = WindowSink("a\udcff\n.mp4")
    sink.open(source_info, run_info)
    for frame in make_frames(vfr_stamps(3)):
        sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
    sink.close()


def test_the_window_is_used_only_where_it_was_opened(monkeypatch, source_info, run_info):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    sink = WindowSink()
    sink.close()
    sink.open(source_info, run_info)
    for frame in make_frames(vfr_stamps(2)):
        sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
    sink.close()


def test_every_overlay_has_a_key() -> None:
    assert sorted(OVERLAY_KEYS.values()) == sorted(OVERLAYS)
