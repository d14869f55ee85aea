"""Decoders that are chosen: GStreamer's software decoder stands in for a Jetson's, in the same
pipeline; what is not there is told, or done without.
"""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from configs import SourceError
from stream.sources import SourceConfig, decoders, gstreamer, open_source
from stream.sources.decoders import DecoderChoice, choose_decoder
from stream.sources.gstreamer import GStreamerDecoder
from stream.sources.gstreamer_process import CODECS, find_element
from tests.support.media import make_clip, make_interlaced_clip, read_number
from tests.support.servers import tcp_server

needs_gstreamer = pytest.mark.skipif(
    find_element(CODECS["h264"]) is None, reason="needs GStreamer with a decoder of H.264"
)
GSTREAMER = SourceConfig(decoder="gstreamer")
CAMERA = {"tune": "zerolatency", "preset": "ultrafast"}  # no B-frames


@pytest.fixture
def fallback(monkeypatch: pytest.MonkeyPatch) -> SourceConfig:
    """A machine whose `auto` is GStreamer, as on a Jetson."""
    monkeypatch.setattr(decoders, "_is_jetson", lambda: True)
    monkeypatch.setattr(decoders, "has_jetson_decoder", lambda: True)
    assert choose_decoder("auto") == DecoderChoice("gstreamer")
    return SourceConfig(decoder="auto")


def read(spec: Path | str, config: SourceConfig) -> tuple[list[tuple[int, float]], str]:
    """Numbers and times of the frames, and what decoded them."""
    with open_source(str(spec), config) as source:
        frames = [(read_number(frame.image), round(frame.time_s, 6)) for frame in source]
        return frames, source.health.decoder


@needs_gstreamer
@pytest.mark.parametrize(("width", "height", "frames"), [(96, 64, 40), (98, 70, 3)])
def test_gstreamer_gives_the_frames_of_software_at_their_times(
    width: int, height: int, frames: int, tmp_path: Path
) -> None:
    stamps = [index + index // 7 for index in range(frames)]  # gaps, as cameras leave
    path = make_clip(
        tmp_path / "clip.mp4", frames=frames, width=width, height=height, stamps=stamps
    )
    expected, software = read(path, SourceConfig(decoder="software"))
    found, decoder = read(path, GSTREAMER)
    assert found == expected and [number for number, _ in found] == list(range(frames))
    assert (software, decoder.split()[0]) == ("software", "gstreamer")


@needs_gstreamer
def test_a_stream_that_changes_its_size_goes_on(tmp_path: Path) -> None:
    parts = [
        make_clip(tmp_path / f"{width}.ts", frames=12, width=width, height=64).read_bytes()
        for width in (96, 160)
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(parts))
    with open_source(str(joined), GSTREAMER) as source:
        frames = [(frame.image.shape[1], read_number(frame.image)) for frame in source]
    assert frames == [(width, number) for width in (96, 160) for number in range(12)]


def packets(path: Path, live: bool) -> Iterator[tuple[GStreamerDecoder, list[int]]]:
    """The decoder after each packet, and the time stamps of what came; the rest at the end."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder: GStreamerDecoder | None = None
        for packet in container.demux(stream):
            if packet.size:
                decoder = decoder or GStreamerDecoder(stream, packet, live=live, stall_s=0.7)
                found = [frame.pts for frame in decoder.decode(packet)]
                yield decoder, [pts for pts in found if pts is not None]
        assert decoder is not None
        yield decoder, [frame.pts or 0 for frame in decoder.rest()]
        decoder.close()


@needs_gstreamer
def test_what_a_decoder_prints_is_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Jetson's prints to standard output when it opens."""
    real = shutil.which("gst-launch-1.0")
    talkative = tmp_path / "gst-launch-1.0"
    talkative.write_text(f'#!/bin/sh\necho "Opening in BLOCKING MODE"\nexec {real} "$@"\n')
    talkative.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    path = make_clip(tmp_path / "clip.mp4", frames=5)
    frames, decoder = read(path, GSTREAMER)
    assert [number for number, _ in frames] == list(range(5))
    assert decoder.startswith("gstreamer")


@needs_gstreamer
@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP])
def test_a_pipeline_that_dies_or_hangs_is_replaced_and_no_frame_is_lost(
    trouble: signal.Signals, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=90, gop=25)
    found: list[int] = []
    children: set[int] = set()
    troubles = [5, 40]
    for decoder, stamps in packets(path, live=False):
        found += stamps
        assert decoder.process_id is not None
        children.add(decoder.process_id)
        if troubles and len(found) >= troubles[0]:
            troubles.pop(0)
            os.kill(decoder.process_id, trouble)
    with av.open(str(path)) as container:
        assert found == [frame.pts for frame in container.decode(video=0)]
    assert decoder.restarts == 2
    said = "it said nothing for 0.7 s" if trouble is signal.SIGSTOP else "it ended with code -9"
    assert f"is started again: {said}" in caplog.text
    assert len(children) == 3
    for child in children:
        with pytest.raises(ProcessLookupError):  # nobody is left behind
            os.kill(child, 0)


@needs_gstreamer
def test_a_camera_that_sends_one_key_frame_for_ever_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gstreamer, "_GROUP", 10)
    path = make_clip(tmp_path / "clip.mp4", frames=120, gop=1000, options=CAMERA)
    kept = [len(decoder._delivered) for decoder, _ in packets(path, live=True)]  # noqa: SLF001
    assert max(kept) < 30


@needs_gstreamer
def test_a_live_frame_comes_with_its_packet(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=30, options=CAMERA)
    counts = [len(stamps) for _, stamps in packets(path, live=True)]
    assert sum(counts) == 30
    assert counts[5:30].count(1) >= 22, "hardly ever is one waited for in vain"


@needs_gstreamer
def test_a_live_source_is_decoded_and_lost_and_found_like_any_other(tmp_path: Path) -> None:
    transport = make_clip(tmp_path / "clip.ts", frames=20, options=CAMERA).read_bytes()
    with (
        tcp_server(lambda connection: connection.sendall(transport)) as port,
        open_source(f"tcp://127.0.0.1:{port}", GSTREAMER) as source,
    ):
        frames = list(itertools.islice(source, 30))
    assert [read_number(frame.image) for frame in frames] == [*range(20), *range(10)]
    assert source.health.reconnects == 1 and source.health.decoder.startswith("gstreamer")


@needs_gstreamer
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: make_clip(path, codec="mpeg4", frames=15), "mpeg4 is not one of h264"),
        (lambda path: make_clip(path, rotation=90, frames=15), "are to be turned"),
        (lambda path: make_interlaced_clip(path, frames=15), "it is interlaced"),
    ],
)
def test_what_gstreamer_cannot_do_is_decoded_in_software_or_told(
    make: Callable[[Path], Path],
    reason: str,
    fallback: SourceConfig,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = make(tmp_path / "clip.mp4")
    with caplog.at_level(logging.WARNING):
        frames, decoder = read(path, fallback)
    assert (len(frames), decoder) == (15, "software")
    assert "is decoded in software: " in caplog.text and reason in caplog.text
    with pytest.raises(SourceError) as caught:
        read(path, GSTREAMER)
    assert reason in str(caught.value) and "take --decoder auto" in str(caught.value)


@needs_gstreamer
def test_a_pipeline_that_fails_again_and_again_gives_way_to_software(
    fallback: SourceConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = "fdsrc fd=0 ! nosuchelement"
    monkeypatch.setattr(
        "stream.sources.gstreamer_process.describe_pipeline", lambda codec, element: broken
    )
    path = make_clip(tmp_path / "clip.mp4", frames=50, gop=10)
    frames, decoder = read(path, fallback)
    assert decoder == "software"
    assert [number for number, _ in frames] == list(range(50)), "nothing is lost"
    assert 'failed again and again: WARNING: erroneous pipeline: no element "nosuch' in caplog.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", "decoder cuda cannot be used: FFmpeg cannot open such a device"),
        ("vaapi", "decoder vaapi cannot be used: this build of FFmpeg does not have it"),
    ],
)
def test_hardware_that_is_not_there_is_told_in_one_line(
    name: str, message: str, tmp_path: Path
) -> None:
    if not decoders.hardware_refusal(name):
        pytest.skip(f"this machine has {name}")
    path = make_clip(tmp_path / "clip.mp4", frames=3)
    config = SourceConfig(decoder=name)  # type: ignore[arg-type]
    for spec in (str(path), "rtsp://127.0.0.1:9/camera"):
        with pytest.raises(SourceError) as caught, open_source(spec, config):
            pass
        assert message in str(caught.value)


def test_auto_takes_what_there_is_and_says_once_why_it_is_software(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    decoders._warn_once.cache_clear()  # noqa: SLF001 - other tests may have chosen before
    path = make_clip(tmp_path / "clip.mp4", frames=5)
    for _ in range(2):
        frames, decoder = read(path, SourceConfig(decoder="auto"))
        assert len(frames) == 5 and decoder == choose_decoder("auto").name
    said = [each for each in caplog.messages if each.startswith("decoder auto is software here")]
    assert len(said) == (decoder == "software")
    assert all("cuda: FFmpeg cannot open" in each and "vaapi: " in each for each in said)


def test_a_stream_that_the_hardware_cannot_decode_is_told_where_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What FFmpeg does where the hardware has no such profile: frames from software.
    path = make_clip(tmp_path / "clip.mp4", frames=5)
    monkeypatch.setattr(decoders, "hardware_refusal", lambda kind, gpu: "")
    monkeypatch.setattr(DecoderChoice, "hardware", lambda choice: None)
    with pytest.raises(SourceError, match=r"decoder cuda cannot decode this h264 \(yuv420p\)"):
        read(path, SourceConfig(decoder="cuda"))
    assert read(path, SourceConfig(decoder="auto"))[1] == "software"


def test_without_gstreamer_it_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoders, "find_element", lambda codec: None)
    with pytest.raises(SourceError, match=r"are not installed \(gstreamer1.0-tools"):
        choose_decoder("gstreamer")
