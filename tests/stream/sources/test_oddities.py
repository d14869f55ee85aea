"""Streams that do not keep to the rules: time stamps, announced rates, beginnings and codecs that
make no sense.
"""

import struct
from itertools import pairwise
from pathlib import Path

import av
import pytest

from configs import SourceError
from stream.frame import Frame
from stream.sources import SourceHealth, open_source
from tests.support.media import make_clip, read_number


def read(path: Path) -> tuple[list[Frame], SourceHealth]:
    with open_source(str(path)) as source:
        return list(source), source.health


def numbers(frames: list[Frame]) -> list[int]:
    return [read_number(frame.image) for frame in frames]


def times_s(frames: list[Frame]) -> list[float]:
    return [frame.time_s for frame in frames]


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("gray16.mkv", {"codec": "ffv1", "pix_fmt": "gray16le"}),
        ("gray10.mp4", {"codec": "libx264", "pix_fmt": "gray10le"}),
        ("ten_bit_422.mp4", {"pix_fmt": "yuv422p10le"}),
        (
            "alpha.webm",
            {"codec": "libvpx-vp9", "pix_fmt": "yuva420p", "options": {"deadline": "realtime"}},
        ),
        (
            "odd.webm",
            {"codec": "libvpx-vp9", "width": 97, "height": 63, "options": {"deadline": "realtime"}},
        ),
        ("tiny.mkv", {"codec": "ffv1", "width": 33, "height": 25}),
    ],
)
def test_unusual_pixels_arrive_like_others(
    tmp_path: Path, name: str, choices: dict[str, object]
) -> None:
    frames, _ = read(make_clip(tmp_path / name, **choices))  # type: ignore[arg-type]
    assert numbers(frames) == list(range(30))


def test_a_stream_without_time_stamps_counts_frames(tmp_path: Path) -> None:
    frames, health = read(make_clip(tmp_path / "raw.h264", options={"bf": "0"}))
    assert numbers(frames) == list(range(30))
    assert times_s(frames) == pytest.approx([index / 25 for index in range(30)])
    assert {frame.pts for frame in frames} == {None}
    assert health.bad_stamps == 30


def test_a_transport_stream_whose_clock_wraps_goes_on(tmp_path: Path) -> None:
    wraps_at = 2**33 * 25 // 90_000  # in frames
    stamps = [wraps_at - 20 + index for index in range(40)]
    frames, _ = read(make_clip(tmp_path / "wrap.ts", frames=40, stamps=stamps, options={"bf": "0"}))
    assert numbers(frames) == list(range(40))
    assert times_s(frames) == pytest.approx([index / 25 for index in range(40)], abs=1e-3)


def test_a_clock_that_starts_again_goes_on(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "one.ts", frames=40, options={"bf": "0"}).read_bytes()
    (tmp_path / "spliced.ts").write_bytes(clip + clip)
    frames, _ = read(tmp_path / "spliced.ts")
    assert numbers(frames) == [*range(40), *range(40)]
    assert all(later > earlier for earlier, later in pairwise(times_s(frames)))
    assert times_s(frames)[-1] == pytest.approx(79 / 25, abs=0.05)


def test_a_stream_joined_between_key_frames_begins_with_the_next_one(tmp_path: Path) -> None:
    """As a camera does that is joined in mid-stream, or a transport stream that was cut."""
    whole = make_clip(tmp_path / "whole.ts", frames=60, gop=10, options={"bf": "0"})
    with av.open(str(whole)) as source, av.open(str(tmp_path / "joined.ts"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux()):
            if packet.dts is not None and number >= 4:
                packet.stream = stream
                target.mux(packet)
    frames, _ = read(tmp_path / "joined.ts")
    assert numbers(frames) == list(range(10, 60))
    assert frames[0].time_s == 0


@pytest.mark.parametrize(
    ("scale", "rate"), [(1, 0), (0, 0), (1, 90_000)], ids=["zero", "not a number", "90000"]
)
def test_a_frame_rate_that_cannot_be_true_is_not_believed(
    tmp_path: Path, scale: int, rate: int
) -> None:
    content = bytearray(
        make_clip(tmp_path / "clip.avi", codec="mpeg4", options={"qscale": "2"}).read_bytes()
    )
    stream_header = content.index(b"strh") + 8
    content[stream_header + 20 : stream_header + 28] = struct.pack("<II", scale, rate)
    (tmp_path / "lies.avi").write_bytes(content)
    with open_source(str(tmp_path / "lies.avi")) as source:
        frames = list(source)
        assert source.info is not None
        assert source.info.fps == 25
    assert numbers(frames) == list(range(30))
    assert times_s(frames) == pytest.approx([index / 25 for index in range(30)])


@pytest.mark.parametrize(
    ("name", "known", "unknown"),
    [("clip.mp4", b"avc1", b"zzz1"), ("clip.mkv", b"V_MPEG4/ISO/AVC", b"V_ZZZZZ/ISO/AVC")],
)
def test_a_codec_that_nobody_knows_is_called_that(
    tmp_path: Path, name: str, known: bytes, unknown: bytes
) -> None:
    clip = make_clip(tmp_path / name)
    clip.write_bytes(clip.read_bytes().replace(known, unknown))
    with pytest.raises(SourceError, match=f"{name}.*codec.*cannot decode"), open_source(str(clip)):
        pass
