"""Files judged by tools that are not ours: ffprobe, and Chromium."""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import subprocess
import threading
from fractions import Fraction
from functools import partial

import cv2
import pytest

from stream.sinks import make_sinks
from tests.stream.sinks.samples import TIME_BASE, frames_of, make_frames, read_index, vfr_stamps
from tests.support.chromium import browser

needs_ffprobe = pytest.mark.skipif(
    not shutil.which("ffprobe"), reason="needs ffprobe (apt-get install ffmpeg)"
)
needs_chromium = pytest.mark.skipif(
    not shutil.which("chromium"), reason="needs chromium (apt-get install chromium)"
)


def probe(path, *arguments):
    command = ["ffprobe", "-v", "error", "-of", "json", *arguments, str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def probed_times(path):
    found = probe(path, "-select_streams", "v:0", "-show_entries", "stream=time_base:frame=pts")
    time_base = Fraction(found["streams"][0]["time_base"])
    return [frame["pts"] * time_base for frame in found["frames"]]


@needs_ffprobe
@pytest.mark.parametrize(("suffix", "tick"), [(".mp4", TIME_BASE), (".mkv", Fraction(1, 1000))])
@pytest.mark.parametrize("start", [0, 30_123])
def test_ffprobe_sees_the_time_stamps_of_the_source(
    tmp_path, source_info, run_info, write_all, suffix, tick, start
):
    path, stamps = tmp_path / f"out{suffix}", vfr_stamps(60, start=start)
    write_all(make_sinks([str(path)])[0], source_info, run_info, make_frames(stamps))
    times = probed_times(path)
    assert len(times) == len(stamps)
    assert max(abs(time - pts * TIME_BASE) for time, pts in zip(times, stamps, strict=True)) <= tick


@needs_ffprobe
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_ffmpeg_sees_the_same_audio_bytes(tmp_path, run_info, write_all, clip_with_audio, suffix):
    source, path = clip_with_audio(50), tmp_path / f"out{suffix}"
    write_all(make_sinks([str(path)])[0], source, run_info, frames_of(source, 50))
    assert audio_digest(path) == audio_digest(source.name)
    [audio] = probe(path, "-select_streams", "a", "-show_entries", "stream=codec_name,sample_rate")[
        "streams"
    ]
    assert (audio["codec_name"], audio["sample_rate"]) == ("aac", "48000")


def audio_digest(path):
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(path),
        "-map",
        "0:a",
        "-c",
        "copy",
        "-f",
        "data",
        "-",
    ]
    return hashlib.sha256(
        subprocess.run(command, capture_output=True, check=True).stdout
    ).hexdigest()


@needs_ffprobe
def test_ffmpeg_decodes_it_without_a_word(tmp_path, run_info, write_all, clip_with_audio):
    source, path = clip_with_audio(50), tmp_path / "out.mp4"
    write_all(make_sinks([str(path)])[0], source, run_info, frames_of(source, 50))
    run = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(path), "-f", "null", "-"],
        capture_output=True,
        check=True,
    )
    assert run.stderr == b""
    trace = subprocess.run(
        ["ffprobe", "-v", "trace", str(path)], capture_output=True, check=True
    ).stderr
    assert trace.find(b"type:'moov'") < trace.find(b"type:'mdat'")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *arguments):
        pass


@needs_chromium
def test_chromium_plays_it_to_the_end(tmp_path, run_info, write_all, clip_with_audio):
    source = clip_with_audio(50)
    write_all(make_sinks([str(tmp_path / "out.mp4")])[0], source, run_info, frames_of(source, 50))
    (tmp_path / "index.html").write_text(
        "<body style='margin:0'><video src=out.mp4 muted autoplay></video>"
    )
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with browser(tmp_path / "profile") as page:
            page.open(f"http://127.0.0.1:{server.server_address[1]}/")
            page.wait_for("document.querySelector('video')?.ended")
            page.screenshot(tmp_path / "player.png")
            assert page.evaluate("document.querySelector('video').error") is None
            assert page.evaluate("document.querySelector('video').videoWidth") == 96
        server.shutdown()
    assert read_index(cv2.imread(str(tmp_path / "player.png"))) == 49, (
        "the last image is not the last that was written"
    )
