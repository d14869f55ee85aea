"""Video files: time stamps, audio, sizes, crashes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from basics.atomic import atomic_path
from configs.errors import ConfigError, SinkError
from configs.loading import from_mapping
from stream.frame import SourceInfo
from stream.sinks import VideoConfig
from stream.sinks.encoders import choose_encoder
from stream.sinks.video import VideoSink
from tests.stream.sinks.samples import (
    FULL_DISK,
    HEIGHT,
    REPOSITORY,
    TIME_BASE,
    WIDTH,
    audio_packets,
    frames_of,
    make_frames,
    make_people,
    read_index,
    replace_time,
    vfr_stamps,
    video_times,
)
from tests.support.waiting import happened, measured, met, until

# Matroska knows milliseconds and nothing finer (FFmpeg's muxer), everything else the source's own
# ticks.
TICK = {".mp4": Fraction(0), ".mov": Fraction(0), ".mkv": Fraction(1, 1000)}


SOFTWARE = {"h264": "libx264", "hevc": "libx265"}


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("start", [0, 30_123])
def test_uneven_time_stamps_of_the_source_are_kept(
    tmp_path, source_info, run_info, write_all, suffix, start
):
    path = tmp_path / f"out{suffix}"
    stamps = vfr_stamps(60, start=start)
    write_all(VideoSink(str(path)), source_info, run_info, make_frames(stamps))
    expected = [pts * TIME_BASE for pts in stamps]
    assert max(abs(a - b) for a, b in zip(video_times(path), expected, strict=True)) <= TICK[suffix]


@pytest.mark.parametrize(
    "time_base",
    [Fraction(1, 10), Fraction(1001, 30_000), Fraction(500, 105_611), Fraction(1, 1_000_000)],
)
def test_odd_time_bases_are_kept(tmp_path, source_info, run_info, write_all, time_base):
    path = tmp_path / "out.mp4"
    stamps = [0, 1, 2, 5, 6, 9] if time_base > Fraction(1, 1000) else [0, 33_367, 66_734, 166_000]
    frames = [
        replace_time(frame, stamps[frame.index], time_base)
        for frame in make_frames(vfr_stamps(len(stamps)))
    ]
    write_all(VideoSink(str(path)), replace(source_info, time_base=time_base), run_info, frames)
    assert video_times(path) == [pts * time_base for pts in stamps]


def test_an_arbitrary_clock_is_taken_off(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "out.mp4"
    stamps = vfr_stamps(20, start=90_000 * 5000)
    write_all(VideoSink(str(path)), source_info, run_info, make_frames(stamps))
    assert video_times(path) == [(pts - stamps[0]) * TIME_BASE for pts in stamps]


def test_time_goes_on_after_a_reconnect_and_without_time_stamps(
    tmp_path, source_info, run_info, write_all
):
    path = tmp_path / "out.mp4"
    frames = list(make_frames(vfr_stamps(20)))
    for frame in frames[10:]:
        frame.epoch, frame.pts = 1, None
        frame.time_s -= frames[10].time_s
        frame.capture_ns = 1_000_000_000 + frame.index * 40_000_000
    write_all(VideoSink(str(path)), source_info, run_info, frames)
    times = video_times(path)
    assert len(times) == 20
    assert all(earlier < later for earlier, later in pairwise(times))


def test_every_image_is_the_one_that_was_written(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "out.mp4"
    write_all(VideoSink(str(path)), source_info, run_info, make_frames(vfr_stamps(60)))
    with av.open(str(path)) as container:
        seen = [read_index(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    assert seen == list(range(60))


def test_colours_come_back_as_they_went_in(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "out.mp4"
    frames = list(make_frames([0, 3000]))
    colours = np.uint8([[0, 0, 255], [0, 255, 0], [255, 0, 0], [40, 120, 200]])
    for frame in frames:
        frame.image[:] = colours.repeat(WIDTH // 4, axis=0)[None]
    write_all(VideoSink(str(path), VideoConfig(video_quality=5)), source_info, run_info, frames)
    with av.open(str(path)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="bgr24").astype(int)
    centres = image[HEIGHT // 2, WIDTH // 8 :: WIDTH // 4]
    assert np.abs(centres - colours).max() < 16


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_audio_is_copied_packet_for_packet(tmp_path, run_info, write_all, clip_with_audio, suffix):
    source = clip_with_audio(50)
    path = tmp_path / f"out{suffix}"
    write_all(VideoSink(str(path)), source, run_info, frames_of(source, 50))
    assert audio_packets(path) == audio_packets(source.name)
    with av.open(str(path)) as copied, av.open(source.name) as original:
        pairs = zip(copied.demux(audio=0), original.demux(audio=0), strict=True)
        late = [a.pts * a.time_base - b.pts * b.time_base for a, b in pairs if a.pts is not None]
    assert max(map(abs, late)) <= TICK[suffix]


def test_audio_ends_with_the_video_when_the_run_stops_early(
    tmp_path, run_info, write_all, clip_with_audio
):
    source = clip_with_audio(50)
    path = tmp_path / "out.mp4"
    write_all(VideoSink(str(path)), source, run_info, frames_of(source, 10))
    with av.open(str(path)) as container:
        last = [
            packet.pts * packet.time_base
            for packet in container.demux(audio=0)
            if packet.pts is not None
        ][-1]
    assert Fraction(35, 100) < last < Fraction(40, 100)


def test_audio_that_the_container_refuses_does_not_cost_the_video(
    tmp_path, run_info, write_all, clip_with_audio, caplog
):
    source = clip_with_audio(20)
    text = tmp_path / "no_audio.txt"
    text.write_text("not a video")
    path = tmp_path / "out.mp4"
    write_all(
        VideoSink(str(path)), replace(source, audio_path=str(text)), run_info, frames_of(source, 20)
    )
    assert len(video_times(path)) == 20
    assert "audio" in caplog.text


@pytest.mark.parametrize("size", [(97, 64), (96, 63), (33, 31)])
def test_odd_sizes_grow_to_even_ones(tmp_path, source_info, run_info, write_all, size):
    path = tmp_path / "out.mp4"
    frames = make_frames(vfr_stamps(5), width=size[0], height=size[1])
    write_all(
        VideoSink(str(path)), replace(source_info, width=size[0], height=size[1]), run_info, frames
    )
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 40), (40, 3), (40, 64)])
def test_tiny_images_grow_to_what_encoders_take(
    tmp_path, source_info, run_info, write_all, size, codec
):
    path = tmp_path / "out.mp4"
    frames = list(make_frames(vfr_stamps(3)))
    for frame in frames:
        frame.image = np.full((size[1], size[0], 3), 150, np.uint8)
    source = replace(source_info, width=size[0], height=size[1])
    options = VideoConfig(video_codec=codec, video_encoder=SOFTWARE[codec])
    write_all(VideoSink(str(path), options), source, run_info, frames)
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(images) == 3
    least = 64 if codec == "hevc" else 32
    assert images[0].shape[:2] == tuple(max(least, side + side % 2) for side in size[::-1])
    assert np.abs(images[0].astype(int) - 150).max() < 8


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or "libsvtav1" not in av.codecs_available,
    reason="needs root, whose threads SVT-AV1 gives priority 99, and that encoder",
)
def test_an_encoder_takes_no_priority_over_everything_else(
    tmp_path, source_info, run_info, write_all, monkeypatch
):
    monkeypatch.setenv("SVT_LOG", "1")
    path = tmp_path / "out.mp4"
    sink = VideoSink(str(path), VideoConfig(video_encoder="libsvtav1"))
    policies = []

    class Watched:
        needs_image = True
        open, close = sink.open, sink.close

        def write(self, *frame, **facts):
            sink.write(*frame, **facts)
            (encoder,) = (each for each in threading.enumerate() if each.name.startswith("encode"))
            policies.append(os.sched_getscheduler(encoder.native_id))

    write_all(Watched(), source_info, run_info, make_frames(vfr_stamps(3)))
    assert video_times(path)
    assert {*policies, os.sched_getscheduler(0)} == {os.SCHED_OTHER}


def test_an_image_of_another_size_is_fitted(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "out.mp4"
    frames = list(make_frames(vfr_stamps(6)))
    for frame in frames[3:]:
        frame.image = cv2.resize(frame.image, (200, 150))
    write_all(VideoSink(str(path)), source_info, run_info, frames)
    assert len(video_times(path)) == 6


def test_the_index_of_a_closed_mp4_comes_first(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "out.mp4"
    write_all(VideoSink(str(path)), source_info, run_info, make_frames(vfr_stamps(30)))
    content = path.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")
    assert b"moof" not in content
    assert [item.name for item in tmp_path.iterdir()] == ["out.mp4"]


def test_segments_play_by_themselves_and_lose_nothing(
    tmp_path, run_info, write_all, clip_with_audio
):
    source = clip_with_audio(50)
    sink = VideoSink(str(tmp_path / "out.mp4"), VideoConfig(segment=Fraction(4, 5)))
    write_all(sink, source, run_info, frames_of(source, 50))
    parts = sorted(tmp_path.glob("out*.mp4"))
    assert [part.name for part in parts] == ["out-0000.mp4", "out-0001.mp4", "out-0002.mp4"]
    assert [len(video_times(part)) for part in parts] == [20, 20, 10]
    assert all(video_times(part)[0] == 0 for part in parts)
    assert list(chain.from_iterable(map(audio_packets, parts))) == audio_packets(source.name)


def test_no_images_leave_no_file(tmp_path, source_info, run_info, write_all):
    write_all(VideoSink(str(tmp_path / "out.mp4")), source_info, run_info, iter(()))
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, os, signal, time
from itertools import chain, pairwise
from pathlib import Path
from tests.stream.sinks.samples import *
from configs import load_keypoint_set
from stream.frame import SourceInfo
from stream.sinks import RunInfo, make_sinks
run = RunInfo(model="m", runtime="r", precision="fp32", keypoint_set=load_keypoint_set("coco"))
source = SourceInfo(
    name="camera", width=WIDTH, height=HEIGHT, fps=25.0, time_base=TIME_BASE, audio_path=sys.argv[1]
)
sinks = make_sinks(sys.argv[2:])
for sink in sinks:
    sink.open(source, run)
for frame in make_frames([3600 * index for index in range(1_000_000)]):
    for sink in sinks:
        sink.write(frame, make_people(3), frame.image, latency_ms=1.0, drops=0)
    if frame.index == 500:
        print("500 frames", flush=True)
"""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_killed_run_leaves_a_video_that_plays(tmp_path, clip_with_audio, suffix):
    paths = [str(tmp_path / f"out{suffix}"), str(tmp_path / "out.jsonl")]
    source = clip_with_audio(50)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, source.name, *paths], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"500 frames\n"
        process.kill()
        process.wait()
    times = video_times(paths[0])
    assert len(times) > 350, (
        "at most a fragment of images and what the encoder held back may be missing"
    )
    assert times == [Fraction(index, 25) for index in range(len(times))]
    assert len(audio_packets(paths[0])) > 50
    assert Path(paths[1]).read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".jsonl"])
def test_a_full_disk_is_one_line_and_what_was_written_stays_readable(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [f"cannot write {str(path)!r}: File too large"]
    assert run.stderr == ""
    assert 50_000 < path.stat().st_size <= 60_000
    if suffix == ".jsonl":
        assert path.read_bytes().endswith(b"}\n")
    else:
        assert len(video_times(path)) > 20


def test_outputs_that_cannot_be_written_are_refused_at_once(
    tmp_path, source_info, run_info, clip_with_audio
):
    source = clip_with_audio(5)
    for path, reason in [
        (tmp_path / "missing" / "out.mp4", "no folder"),
        (tmp_path / "folder.mp4", "it is a folder"),
        (Path(source.name), "it is the source itself"),
    ]:
        if path.name == "folder.mp4":
            path.mkdir()
        sink = VideoSink(str(path))
        with pytest.raises(SinkError, match=reason):
            sink.open(source, run_info)
        sink.close()
    assert len(video_times(source.name)) == 5


def test_unknown_encoders_are_named_with_the_nearest(tmp_path, source_info, run_info):
    sink = VideoSink(str(tmp_path / "out.mp4"), VideoConfig(video_encoder="libx26"))
    with pytest.raises(ConfigError, match="did you mean 'libx26"):
        sink.open(source_info, run_info)
    with pytest.raises(ConfigError, match=r"0\.\.51"):
        VideoConfig(video_quality=52)
    with pytest.raises(ConfigError, match="segment"):
        VideoConfig(segment=Fraction(0))
    with pytest.raises(ConfigError, match=r"segment must be .*\(ms, s, m, h\).*'ten'"):
        from_mapping(VideoConfig, {"segment": "ten"}, "video")
    with pytest.raises(ConfigError, match="video_preset"):
        from_mapping(VideoConfig, {"video_preset": "quick"}, "video")


def test_files_wait_for_a_slow_encoder_and_live_sources_drop(
    tmp_path, source_info, run_info, monkeypatch
):
    from stream.sinks import video_file

    encode = video_file.VideoFile.encode

    def slowly(self, image, pts):
        time.sleep(0.01)
        encode(self, image, pts)

    monkeypatch.setattr(video_file.VideoFile, "encode", slowly)
    for live, name in [(False, "file.mp4"), (True, "live.mp4")]:
        with VideoSink(str(tmp_path / name)) as sink:
            sink.open(replace(source_info, live=live), run_info)
            for frame in make_frames(vfr_stamps(40)):
                sink.write(frame, make_people(1), frame.image, latency_ms=1.0, drops=0)
        assert len(video_times(tmp_path / name)) == 40 - sink.dropped
        assert (sink.dropped > 0) == live


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_outputs_give_back_files_and_threads(tmp_path, source_info, run_info, write_all):
    before, threads = open_files(), threading.active_count()
    for _ in range(3):
        write_all(
            VideoSink(str(tmp_path / "out.mp4")), source_info, run_info, make_frames(vfr_stamps(5))
        )
    assert open_files() == before
    until(lambda: threading.active_count() <= threads, "its threads have ended")


def open_files():
    return sorted(entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists())


def test_audio_that_a_container_cannot_carry_costs_the_audio_only(
    tmp_path, run_info, write_all, caplog
):
    path = tmp_path / "source.asf"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("wmav2", rate=44_100, bit_rate=64_000)
        audio.layout = "mono"
        for start in range(0, 44_100, 2048):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = 44_100, start, Fraction(1, 44_100)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    source = SourceInfo(
        name="camera",
        width=WIDTH,
        height=HEIGHT,
        fps=25.0,
        time_base=TIME_BASE,
        audio_path=str(path),
    )
    write_all(VideoSink(str(tmp_path / "out.mp4")), source, run_info, make_frames(vfr_stamps(10)))
    assert len(video_times(tmp_path / "out.mp4")) == 10
    assert "left out" in caplog.text


def test_hevc_carries_the_tag_that_apple_players_want(tmp_path, source_info, run_info, write_all):
    path = tmp_path / "out.mp4"
    sink = VideoSink(str(path), VideoConfig(video_codec="hevc", video_preset="ultrafast"))
    try:
        write_all(sink, source_info, run_info, make_frames(vfr_stamps(10)))
    except ConfigError as error:
        pytest.skip(str(error))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "hevc"
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"
    assert video_times(path) == [pts * TIME_BASE for pts in vfr_stamps(10)]


def test_the_choice_of_the_encoder_is_said_aloud(caplog):
    choose_encoder.cache_clear()
    with caplog.at_level("INFO", logger="stream.sinks.encoders"):
        name = choose_encoder("h264", "auto")
    assert f"video encoder: {name}" in caplog.text


def test_a_gap_of_a_night_is_no_reason_to_end(tmp_path, source_info, run_info, write_all):
    """A camera that is away for longer than MP4 can count in one step."""
    path, night_s = tmp_path / "out.mp4", 9 * 3600
    frames = list(make_frames([3600 * index for index in range(20)]))
    for frame in frames[10:]:
        frame.time_s += night_s
    write_all(VideoSink(str(path)), source_info, run_info, frames)
    times = [float(time_s) for time_s in video_times(path)]
    assert {round(time_s, 4) for time_s in times} >= {round(frame.time_s, 4) for frame in frames}
    assert times[-1] == pytest.approx(night_s + 19 / 25)


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("moving", [True, False])
@measured
def test_a_slow_disk_is_waited_for_and_a_dead_one_is_not(
    tmp_path, source_info, run_info, write_all, monkeypatch, moving, older
):
    from stream.sinks import video, video_file

    path = tmp_path / "out.mp4"
    if older:
        write_all(VideoSink(str(path)), source_info, run_info, make_frames(vfr_stamps(2)))
    done = threading.Event()

    def move(target, time_base):
        with suppress(FileNotFoundError), atomic_path(target, suffix=".part") as part:
            content = target.read_bytes()
            for _ in range(16):  # 1.6 s
                if moving:
                    with part.open("ab") as file:
                        file.write(content[:1])
                time.sleep(0.1)
            if part.exists():
                part.write_bytes(content)
        done.set()

    monkeypatch.setattr(video, "_STALLED_S", 1.2)
    monkeypatch.setattr(video_file, "move_index_to_front", move)
    sink = VideoSink(str(path))
    if moving:
        try:
            write_all(sink, source_info, run_info, make_frames(vfr_stamps(5)))
        except SinkError as error:
            happened(done, "it is moved")
            met("nothing was written for" not in str(error), "something is written all the time")
            raise
    else:
        with pytest.raises(SinkError, match=r"nothing was written for 1\.2 s"):
            write_all(sink, source_info, run_info, make_frames(vfr_stamps(5)))
        happened(done, "it is moved")
    assert [item.name for item in tmp_path.iterdir() if item.suffix == ".part"] == []
    assert len(video_times(path)) == (5 if moving or not older else 2)


def test_hls_on_a_full_disk_is_one_line(tmp_path):
    """And its playlist, which was empty then, has the segments that are whole."""
    noise = "np.random.default_rng(frame.index).integers(0, 255, frame.image.shape, np.uint8)"
    script = FULL_DISK.replace(
        "        sink.write",
        f"        if frame.index > 120: frame.image[:] = {noise}\n        sink.write",
    )
    command = [sys.executable, "-c", script, f"hls:{tmp_path}/live"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout == f"cannot write '{tmp_path}/live/index.m3u8': File too large\n"
    assert run.stderr == ""
    assert len(video_times(tmp_path / "live" / "index.m3u8")) >= 50
    assert not list((tmp_path / "live").glob("*.tmp"))
