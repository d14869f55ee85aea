"""One clock: whatever time stamps do, every frame comes out, time moves forward, and its length is
that of what was recorded.
"""

from __future__ import annotations

import os
import random
import struct
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from stream.frame import Frame
from stream.sources import open_source
from tests.support.media import make_clip, read_number
from tests.support.waiting import joined

PERIOD_S = 1 / 25
WRAP = 2**33  # ticks of a transport stream's clock
SEEDS = int(os.environ.get("TIME_FUZZ", "80")) // 2  # of each of two kinds; 500 takes 7 s alone


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("times")


@pytest.fixture(scope="module")
def group(folder: Path) -> list[bytes]:
    """What is in a group of six pictures, packet by packet."""
    clip = make_clip(folder / "group.mkv", frames=6, options={"bf": "0"}, gop=6)
    with av.open(str(clip)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def piece(path: Path, group: list[bytes], start: int, steps: list[int]) -> bytes:
    """A transport stream of one group that begins at `start` ticks; `steps`: between frames."""
    with (
        av.open(str(path.parent / "group.mkv")) as template,
        av.open(str(path), "w", format="mpegts", options={"mpegts_copyts": "1"}) as container,
    ):
        stream = container.add_stream_from_template(template.streams.video[0])
        stream.time_base = Fraction(1, 90_000)
        stamp = start
        for content, step in zip(group, [*steps, 0], strict=True):
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, Fraction(1, 90_000)
            packet.dts = packet.pts = stamp  # the muxer wraps it
            container.mux(packet)
            stamp += step
    return path.read_bytes()


def read(path: Path) -> list[Frame]:
    with open_source(str(path)) as source:
        return list(source)


def assert_one_clock(frames: list[Frame], count: int, length_s: float) -> None:
    times_s = [frame.time_s for frame in frames]
    assert len(frames) == count
    assert times_s[0] == 0
    assert all(later > earlier for earlier, later in pairwise(times_s))
    assert abs(times_s[-1] + PERIOD_S - length_s) <= PERIOD_S + 1e-3


def test_transport_streams_whose_clock_jumps_wraps_and_has_gaps(
    folder: Path, group: list[bytes]
) -> None:
    for seed in range(SEEDS):
        chance = random.Random(seed)
        path, length_s, content = folder / f"{seed}.ts", 0.0, b""
        ends = 0
        for number in range(chance.randint(2, 4)):
            gap = 0
            kind = chance.choice(["on", "gap", "back", "ahead", "wrap", "anywhere"])
            if number == 0 or kind == "anywhere":
                start = chance.randrange(WRAP)
            elif kind == "wrap":
                start = WRAP - 3 * 3600
            elif kind == "gap":
                gap = chance.randint(3600, 8 * 90_000)
                start = ends + gap
            else:
                start = (
                    ends
                    + {
                        "on": 0,
                        "back": -chance.randint(90_000, 10**9),
                        "ahead": chance.randint(12 * 90_000, 10**9),
                    }[kind]
                )
            start %= WRAP
            if number and (start - ends) % WRAP <= 10 * 90_000:
                gap = (start - ends) % WRAP  # wherever it came from, so short it is a gap
            steps = [chance.choice([3600, 3600, 3600, 7200]) for _ in group[1:]]
            content += piece(path, group, start, steps)
            ends = (start + sum(steps) + 3600) % WRAP
            length_s += (gap + sum(steps) + 3600) / 90_000
        path.write_bytes(content)
        frames = read(path)
        path.unlink()
        try:
            assert_one_clock(frames, len(group) * (number + 1), length_s)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {[frame.time_s for frame in frames]}") from error


def tags(content: bytearray) -> Iterator[int]:
    """Where the video tags of an FLV begin."""
    position = 13
    while position + 11 < len(content):
        if content[position] == 9 and content[position + 12] == 1:  # a picture, no header
            yield position
        position += 15 + int.from_bytes(content[position + 1 : position + 4], "big")


def set_time(content: bytearray, position: int, time_ms: int) -> None:
    low, high = time_ms & 0xFFFFFF, time_ms >> 24 & 0xFF
    content[position + 4 : position + 8] = struct.pack(">I", low)[1:] + bytes([high])


def test_files_with_time_stamps_that_are_wrong_repeated_or_put_back(folder: Path) -> None:
    clip = make_clip(folder / "whole.flv", frames=24, options={"bf": "0"}, gop=6).read_bytes()
    count = len(list(tags(bytearray(clip))))
    assert count == 24
    put_back = 0
    for seed in range(SEEDS):
        chance = random.Random(seed)
        content, stamps = bytearray(clip), []
        stamp = chance.choice([0, 40, 700])
        length_ms = 0
        for index in range(count):
            stamps.append(stamp)
            step, gap = 40, 0
            if index and chance.random() < 0.06 and index < count - 2:
                gap = chance.choice([200, 3000, 60_000])
            length_ms += step + (gap if index < count - 1 else 0)
            stamp += step + gap
        wrong = chance.sample(range(2, count - 2), chance.randint(0, 3))
        for index in wrong:
            if any(abs(index - other) == 1 for other in wrong):
                continue
            kind = chance.choice(["far ahead", "far back", "repeated", "a little back"])
            if kind == "far ahead":
                stamps[index] += chance.randint(90_000, 80_000_000)
            elif kind == "far back":
                stamps[index] = max(0, stamps[index] - chance.randint(2000, 100_000))
            elif kind == "repeated":
                stamps[index] = stamps[index - 1]
            else:
                stamps[index] = max(0, stamps[index - 1] - 20)
        cut, back = chance.randint(3, count - 3), chance.randint(1100, 50_000)
        regular = {40} == {after - before for before, after in pairwise(stamps[cut - 3 : cut + 3])}
        if regular and stamps[cut] > back:  # the clock is put back and stays so
            stamps[cut:] = [value - back for value in stamps[cut:]]
        for position, value in zip(tags(content), stamps, strict=True):
            set_time(content, position, value)
        path = folder / f"{seed}.flv"
        path.write_bytes(content)
        frames = read(path)
        path.unlink()
        try:
            times_s = [frame.time_s for frame in frames]
            assert [read_number(frame.image) for frame in frames] == list(range(count))
            assert all(later > earlier for earlier, later in pairwise(times_s))
            length_s = times_s[-1] - times_s[0] + PERIOD_S
            assert abs(length_s - length_ms / 1000) <= PERIOD_S + 1e-3
            put_back += regular
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {stamps} {times_s}") from error
    assert put_back >= SEEDS // 12


def test_frames_of_an_avi_with_b_frames_are_evenly_spaced_and_none_is_missed(
    tmp_path: Path,
) -> None:
    """AVI says when a frame is decoded, not when it is shown, and counts packets without one."""
    clip = make_clip(tmp_path / "clip.avi", frames=60, options={"bf": "3", "b-adapt": "0"})
    with open_source(str(clip)) as source:
        frames = list(source)
    assert [read_number(frame.image) for frame in frames] == list(range(60))
    steps_s = [after.time_s - before.time_s for before, after in pairwise(frames)]
    assert steps_s == pytest.approx([PERIOD_S] * 59)
    assert source.health.message == ""


def test_frames_that_an_edit_list_hides_are_no_damage(tmp_path: Path) -> None:
    """As a trim without loss leaves them: from the key frame before the cut."""
    whole = make_clip(tmp_path / "whole.mp4", frames=60, gop=12, options={"bf": "0"})
    with av.open(str(whole)) as container, av.open(str(tmp_path / "cut.mp4"), "w") as target:
        stream = target.add_stream_from_template(container.streams.video[0])
        packets = [packet for packet in container.demux(video=0) if packet.size]
        begin = packets[20].pts
        for packet in packets[12:]:
            packet.pts -= begin
            packet.dts -= begin
            packet.stream = stream
            target.mux(packet)
    with open_source(str(tmp_path / "cut.mp4")) as source:
        frames = list(source)
    assert [read_number(frame.image) for frame in frames] == list(range(20, 60))
    assert source.health.hidden_frames == 8
    assert source.health.message == ""


def test_a_video_that_begins_after_its_sound_has_one_time_for_record_and_player(
    tmp_path: Path,
) -> None:
    stamps = [20 + index for index in range(30)]  # 0.8 s
    clip = make_clip(tmp_path / "late.mp4", stamps=stamps, audio=True)
    with av.open(str(clip)) as container:
        shown_s = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert shown_s[0] == pytest.approx(0.8)
    assert [frame.time_s for frame in read(clip)] == pytest.approx(shown_s)


def test_a_transport_stream_has_its_first_frame_or_sound_at_0(tmp_path: Path) -> None:
    stamps = [500 + index for index in range(30)]
    with_sound = make_clip(tmp_path / "sound.ts", stamps=stamps, audio=False)
    assert read(with_sound)[0].time_s == 0


@pytest.mark.parametrize(
    ("name", "options", "shown"),
    [
        ("clip.mp4", {"movflags": "+negative_cts_offsets"}, 10),  # an edit list hides the others
        ("clip.flv", {}, 30),  # a counter of 31 bits that wraps
        ("clip.ts", {"mpegts_copyts": "1"}, 30),
    ],
)
def test_a_clock_that_begins_before_0_loses_no_frame(
    tmp_path: Path, name: str, options: dict[str, str], shown: int
) -> None:
    clip = make_clip(
        tmp_path / name,
        stamps=[index - 20 for index in range(30)],
        options={"bf": "0"},
        container_options={"avoid_negative_ts": "disabled", **options},
    )
    with open_source(str(clip)) as source:
        frames = list(source)
    assert [read_number(frame.image) for frame in frames] == list(range(30 - shown, 30))
    assert [frame.time_s for frame in frames] == pytest.approx(
        [index * PERIOD_S for index in range(shown)], abs=1e-3
    )
    assert source.health.message == ""


def test_a_clock_that_jumps_is_no_damage(folder: Path, group: list[bytes]) -> None:
    steps = [3600] * 5
    path = folder / "jump.ts"
    first = piece(path, group, 3600 * 90_000, steps)
    path.write_bytes(first + piece(folder / "second.ts", group, 0, steps))
    with open_source(str(path)) as source:
        frames = list(source)
    assert_one_clock(frames, 12, 12 * PERIOD_S)
    assert "cut off" not in source.health.message


def test_what_can_be_read_only_once_is_read_only_once(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.ts", frames=40, audio=True)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(clip.read_bytes()), daemon=True)
    writer.start()
    with open_source(str(pipe)) as source:
        frames = list(source)
        assert source.info is not None
        assert (source.info.audio_path, source.info.silent_because) == (
            None,
            "it can be read only once",
        )
    joined(writer)
    assert [read_number(frame.image) for frame in frames] == list(range(40))


def test_a_recording_whose_clock_begins_late_is_not_called_cut_off(tmp_path: Path) -> None:
    """A piece of a longer one, as recorders cut them: Matroska says when it ends, not how long it
    is.
    """
    whole, piece = make_clip(tmp_path / "whole.mp4", frames=40), tmp_path / "piece.mkv"
    with av.open(str(whole)) as container, av.open(str(piece), "w") as target:
        stream = container.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in container.demux(stream):
            if packet.dts is not None:
                packet.pts += round(100 / packet.time_base)
                packet.dts += round(100 / packet.time_base)
                packet.stream = copy
                target.mux(packet)
    with open_source(str(piece)) as source:
        times = []
        while (stamp := source.grab()) is not None:
            times.append(stamp.time_s)
        assert source.info.duration_s == pytest.approx(1.6, abs=0.1)
    assert source.health.message == ""
    assert (len(times), times[0]) == (40, 0.0) and times[-1] == pytest.approx(1.56)
