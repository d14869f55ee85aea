"""One clock: whatever time stamps do, every frame comes out, time moves forward, and its length is
that of what was recorded.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from stream.frame import Frame
from stream.sources import open_source
from tests.support.media import make_clip, read_number

PERIOD_S = 1 / 25
WRAP = 2**33  # ticks of a transport stream's clock


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
    """A transport stream of one group that begins at `start` ticks; `steps` are from frame to frame."""
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


def test_250_transport_streams_whose_clock_jumps_wraps_and_has_gaps(
    folder: Path, group: list[bytes]
) -> None:
    for seed in range(250):
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


def test_250_files_with_time_stamps_that_are_wrong_repeated_or_put_back(folder: Path) -> None:
    clip = make_clip(folder / "whole.flv", frames=24, options={"bf": "0"}, gop=6).read_bytes()
    count = len(list(tags(bytearray(clip))))
    assert count == 24
    put_back = 0
    for seed in range(250):
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
    assert put_back > 20
