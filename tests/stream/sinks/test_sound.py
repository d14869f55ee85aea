"""Sound never stops frames: whatever its packets do, every frame is in the output at its time, and
the sound that can be there is there in step.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from stream.sinks import RunInfo
from stream.sinks.video import VideoSink
from stream.sinks.video_config import VideoConfig
from stream.sources import open_source
from tests.stream.sinks.samples import video_times
from tests.support.media import numbered_image, read_number

FRAMES, FPS, BEEP = 50, 25, 10
RATE = 48_000
IN_STEP_S = 0.06  # a frame and a half; the codecs' own delay is up to 25 ms


def make_film(path: Path, codec: str = "aac", *, late_s: float = 0.0, bf: int = 2) -> Path:
    """Numbered frames, and a beep with every tenth of them; `late_s`: of the frames alone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"bf": str(bf), "b-adapt": "0"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream(codec, rate=RATE, layout="mono")
        if codec == "libmp3lame":
            audio.codec_context.format = "fltp"
        size = audio.codec_context.frame_size or 1024
        moments = np.arange(int(RATE * (late_s + FRAMES / FPS))) / RATE - late_s
        beeping = (moments >= 0) & (np.floor(moments * FPS) % BEEP == 0)
        tone = (0.5 * np.sin(2 * np.pi * 1000 * moments) * beeping).astype(np.float32)
        kind = audio.codec_context.format.name
        if kind.startswith("s16"):
            tone = (tone * 32767).astype(np.int16)
        elif kind.startswith("s32"):
            tone = (tone * 2**30).astype(np.int32)
        packets = []
        for start in range(0, len(tone), size):
            samples = np.zeros((1, size), tone.dtype)
            samples[0, : len(tone[start : start + size])] = tone[start : start + size]
            block = av.AudioFrame.from_ndarray(samples, kind, "mono")
            block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
            packets += audio.encode(block)
        packets += audio.encode(None)
        for index in range(FRAMES):
            image = av.VideoFrame.from_ndarray(numbered_image(index, 96, 64), "bgr24")
            image.pts, image.time_base = round(1000 * (late_s + index / FPS)), Fraction(1, 1000)
            packets += video.encode(image)
        packets += video.encode(None)
        container.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return path


def joined(path: Path, codec: str, start_s: int = 0) -> Path:
    """Two recordings one after the other; the clock of the first begins at `start_s`."""
    plain = make_film(path.with_name("plain.ts"), codec)
    first = path.with_name("first.ts")
    with av.open(str(plain)) as source, av.open(str(first), "w") as target:
        streams = {item.index: target.add_stream_from_template(item) for item in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.dts += 90_000 * start_s
                packet.pts += 90_000 * start_s
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    path.write_bytes(first.read_bytes() + plain.read_bytes())
    return path


def sound_tags(content: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Where the sound of an FLV is, and how much; not the header of the codec."""
    position = 13
    while position + 11 < len(content):
        size = int.from_bytes(content[position + 1 : position + 4], "big")
        if content[position] == 8 and content[position + 12] == 1:
            yield position, size
        position += 15 + size


def retimed(path: Path, change: Callable[[int, int], int]) -> Path:
    """An FLV whose sound has other time stamps: `change` of number and milliseconds."""
    content = bytearray(make_film(path).read_bytes())
    for number, (position, _) in enumerate(sound_tags(bytes(content))):
        time_ms = int.from_bytes(content[position + 4 : position + 7], "big")
        time_ms = max(0, change(number, time_ms))
        content[position + 4 : position + 8] = struct.pack(">I", time_ms & 0xFFFFFF)[1:] + bytes(
            [time_ms >> 24]
        )
    path.write_bytes(content)
    return path


def damaged(path: Path) -> Path:
    """An FLV with noise where a third of its sound was."""
    content = bytearray(make_film(path).read_bytes())
    noise = np.random.default_rng(3)
    for number, (position, size) in enumerate(sound_tags(bytes(content))):
        if number % 3 == 1:
            content[position + 13 : position + 11 + size] = noise.bytes(size - 2)
    path.write_bytes(content)
    return path


FILMS: dict[str, tuple[str, Callable[[Path], Path], bool]] = {
    "aac in mp4": ("a.mp4", make_film, True),
    "aac in a transport stream": ("a.ts", make_film, True),
    "mp2 in a transport stream": ("a.ts", lambda path: make_film(path, "mp2"), True),
    "mp3 in avi": ("a.avi", lambda path: make_film(path, "libmp3lame"), True),
    "opus in matroska": ("a.mkv", lambda path: make_film(path, "libopus"), True),
    "pcm in mov": ("a.mov", lambda path: make_film(path, "pcm_s16le"), False),
    "frames that begin later": ("a.mp4", lambda path: make_film(path, late_s=0.7), True),
    "frames that begin later, in ts": ("a.ts", lambda path: make_film(path, late_s=0.7), True),
    "two recordings": ("a.ts", lambda path: joined(path, "mp2"), True),
    "two recordings with aac": ("a.ts", lambda path: joined(path, "aac"), True),
    "a recorder that restarts": ("a.ts", lambda path: joined(path, "mp2", 3600), True),
    "a stamp that is there twice": (
        "a.flv",
        lambda path: retimed(path, lambda number, ms: ms - 21 if number == 40 else ms),
        True,
    ),
    "stamps that go back": (
        "a.flv",
        lambda path: retimed(path, lambda number, ms: ms - 900 if number > 50 else ms),
        False,
    ),
    "a stamp far ahead": (
        "a.flv",
        lambda path: retimed(path, lambda number, ms: 9_000_000 if number == 30 else ms),
        True,
    ),
    "stamps that are all the same": ("a.flv", lambda path: retimed(path, lambda *_: 500), False),
    "sound that is noise": ("a.flv", damaged, False),
}


def write(source: Path, target: Path, run_info: RunInfo, **options: object) -> list[float]:
    """Writes every frame as it is; gives their times."""
    times_s = []
    with open_source(str(source)) as frames:
        sink = VideoSink(str(target), VideoConfig(video_preset="ultrafast", **options))
        assert frames.info is not None
        sink.open(frames.info, run_info)
        try:
            for frame in frames:
                times_s.append(frame.time_s)
                sink.write(frame, None, frame.image, latency_ms=0.0, drops=0)
        finally:
            sink.close()
    return times_s


def beeps_s(path: Path) -> list[float]:
    """When beeps begin, as a player hears them."""
    loud, last_s, found = False, 0.0, []
    with av.open(str(path)) as container:
        for block in container.decode(audio=0):
            samples = np.abs(block.to_ndarray().astype(np.float32)).reshape(-1, block.samples)[0]
            samples = samples / (32768 if block.format.name.startswith("s16") else 1)
            for start in range(0, len(samples), 240):
                now = bool(samples[start : start + 240].max() > 0.2)
                last_s = float(block.pts * block.time_base) + start / RATE
                if now and not loud:
                    found.append(last_s)
                loud = now
    return found


def flashes_s(path: Path) -> list[float]:
    """When the frames with a beep are shown."""
    with av.open(str(path)) as container:
        return [
            float(frame.pts * frame.time_base)
            for frame in container.decode(video=0)
            if read_number(frame.to_ndarray(format="bgr24")) % BEEP == 0
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("film", FILMS)
def test_every_frame_is_there_whatever_the_sound_does(
    tmp_path: Path, run_info: RunInfo, film: str, suffix: str
) -> None:
    name, make, in_step = FILMS[film]
    source, target = make(tmp_path / name), tmp_path / f"out{suffix}"
    times_s = write(source, target, run_info)
    assert len(times_s) == FRAMES * (2 if "record" in film else 1)
    assert all(later > earlier for earlier, later in pairwise(times_s))
    written = [float(time_s) for time_s in video_times(target)]
    assert written == pytest.approx(times_s, abs=1.1e-3)
    if in_step:
        flashes, beeps = flashes_s(target), beeps_s(target)
        assert len(beeps) == len(flashes)
        assert beeps == pytest.approx(flashes, abs=IN_STEP_S)


@pytest.mark.parametrize("film", ["aac in a transport stream", "a recorder that restarts"])
def test_segments_have_their_own_sound(tmp_path: Path, run_info: RunInfo, film: str) -> None:
    name, make, _ = FILMS[film]
    write(make(tmp_path / name), tmp_path / "out.mp4", run_info, segment=Fraction(1))
    parts = sorted(tmp_path.glob("out-*.mp4"))
    assert len(parts) >= 2
    for part in parts:
        flashes, beeps = flashes_s(part), beeps_s(part)
        late = [min(abs(beep - flash) for beep in beeps) for flash in flashes[1:]]
        assert max(late) < IN_STEP_S


@pytest.mark.parametrize(("codec", "suffix"), [("pcm_s24le", ".mp4"), ("pcm_s16be", ".m4v")])
def test_sound_that_players_of_mp4_take_for_another_is_left_out(
    tmp_path: Path, run_info: RunInfo, caplog: pytest.LogCaptureFixture, codec: str, suffix: str
) -> None:
    source = make_film(tmp_path / "a.mov", codec)
    for target in (tmp_path / f"out{suffix}", tmp_path / "out.mov", tmp_path / "out.mkv"):
        write(source, target, run_info)
        with av.open(str(target)) as container:
            assert len(video_times(target)) == FRAMES
            assert bool(container.streams.audio) == (target.suffix != suffix)
    assert f"{codec} is noise to many players of MP4; write a .mov or a .mkv" in caplog.text


def test_sound_that_cannot_be_copied_is_told(
    tmp_path: Path, run_info: RunInfo, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    make_film(folder / "a.mp4")
    write(folder, tmp_path / "out.mp4", run_info)
    assert "sound" in caplog.text
    assert "several files" in caplog.text
