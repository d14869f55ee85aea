"""The window: off without a display; keys under a virtual one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest

from stream.render.config import OVERLAYS
from stream.sinks import make_sinks
from stream.sinks.window import OVERLAY_KEYS, WindowSink
from tests.stream.sinks.samples import REPOSITORY, make_frames, make_people, vfr_stamps


def test_without_a_display_it_is_off_and_says_so(
    monkeypatch, source_info, run_info, write_all, caplog
):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    [sink] = make_sinks(["window:"])
    write_all(sink, source_info, run_info, make_frames(vfr_stamps(3)))
    assert "no window" in caplog.text
    assert not sink.needs_image


WATCHED = """
import logging, sys, threading
from types import SimpleNamespace
from configs import load_keypoint_set
from stream.frame import SourceInfo
from stream.render.renderer import RenderConfig
from stream.sinks import Controls, RunInfo
from stream.sinks.window import WindowSink
from tests.stream.sinks.samples import *
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
run = RunInfo(model="m", runtime="r", precision="fp32", keypoint_set=load_keypoint_set("coco"))
source = SourceInfo(name="camera", width=WIDTH, height=HEIGHT)
sink = WindowSink("watched")
stopped = []
renderer = SimpleNamespace(options=RenderConfig())
sink.attach(Controls(renderer=renderer, stop=lambda: stopped.append(True)))
def work():  # as in the pipeline: one thread, not the main one
    sink.open(source, run)
    for frame in make_frames([3600 * index for index in range(100_000)]):
        if stopped:
            break
        sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
        if frame.index == 20:
            print("showing", flush=True)
    sink.close()
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("boxes", renderer.options.boxes)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("Xvfb"), reason="needs Xvfb (apt-get install xvfb)"
)
@pytest.mark.skipif(not shutil.which("xdotool"), reason="needs xdotool")
def test_keys_take_a_screenshot_toggle_and_quit(tmp_path):
    display = f":{90 + os.getpid() % 100}"
    with subprocess.Popen(
        ["Xvfb", display, "-screen", "0", "640x480x24"], stderr=subprocess.DEVNULL
    ) as server:
        try:
            time.sleep(0.5)
            environment = {
                **os.environ,
                "DISPLAY": display,
                "PYTHONPATH": str(REPOSITORY),
                "QT_LOGGING_RULES": "*=false",
            }
            command = [sys.executable, "-c", WATCHED]
            with subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
            ) as process:
                assert process.stdout is not None
                lines = iter(process.stdout.readline, "")
                assert any("showing" in line for line in lines)
                for key in ("b", "s", "q"):
                    press = ["xdotool", "search", "--name", "watched", "key", "--window", "%1", key]
                    subprocess.run(press, env=environment, check=True)
                    time.sleep(0.3)
                rest, _ = process.communicate(timeout=20)
        finally:
            server.terminate()
    assert "boxes True" in rest
    assert len(list(tmp_path.glob("camera_*.png"))) == 1


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
