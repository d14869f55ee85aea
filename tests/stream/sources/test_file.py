import logging
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from configs import SourceError
from stream.frame import Frame
from stream.sources import open_source
from tests.support.media import cut, damage, make_clip, numbered_image, read_number, read_numbers
from tests.support.waiting import measured, met


def numbers(path: Path | str) -> list[int]:
    with open_source(str(path)) as source:
        return [read_number(frame.image) for frame in source]


def times_s(path: Path) -> list[float]:
    with open_source(str(path)) as source:
        return [frame.time_s for frame in source]


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("plain.mp4", {}),
        ("b_frames.mp4", {"options": {"bf": "3", "b-adapt": "0"}}),
        ("odd.mp4", {"width": 97, "height": 63, "pix_fmt": "yuv444p"}),
        ("gray.mp4", {"pix_fmt": "gray"}),
        ("ten_bit.mp4", {"pix_fmt": "yuv420p10le"}),
        ("alpha.mkv", {"codec": "ffv1", "pix_fmt": "bgra"}),
        ("mpeg4.avi", {"codec": "mpeg4", "options": {"qscale": "2"}}),
        ("mjpeg.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("h265.mkv", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}}),
        ("stream.ts", {}),
        ("interlaced.ts", {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}}),
    ],
)
def test_every_frame_is_delivered_once_and_in_order(
    tmp_path: Path, name: str, choices: dict[str, object]
) -> None:
    clip = make_clip(tmp_path / name, **choices)  # type: ignore[arg-type]
    assert numbers(clip) == list(range(30))


def test_frames_carry_index_time_and_capture_time(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=10, fps=25)
    with open_source(str(clip)) as source:
        frames = list(source)
        assert source.info is not None
        assert (
            source.info.width,
            source.info.height,
            source.info.fps,
            source.info.frame_count,
        ) == (96, 64, 25.0, 10)
        assert source.info.duration_s == pytest.approx(0.4)
        assert not source.info.live
    assert [frame.index for frame in frames] == list(range(10))
    assert [frame.time_s for frame in frames] == pytest.approx([index / 25 for index in range(10)])
    assert all(
        frame.pts is not None and float(frame.pts * frame.time_base) == pytest.approx(frame.time_s)
        for frame in frames
    )
    captured = [frame.capture_ns for frame in frames]
    assert captured == sorted(captured)
    assert {frame.source for frame in frames} == {str(clip)}


def test_variable_frame_rate_keeps_its_gaps(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 10, 11, 40]
    clip = make_clip(tmp_path / "vfr.mkv", frames=6, stamps=stamps)
    assert times_s(clip) == pytest.approx([stamp / 25 for stamp in stamps], abs=2e-3)


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, 1), (180, 2), (-90, 3)])
def test_the_frame_is_shown_as_its_metadata_says(
    tmp_path: Path, rotation: int, turns: int, mirrored: bool
) -> None:
    clip = make_clip(tmp_path / "phone.mp4", rotation=rotation, mirrored=mirrored, frames=3)
    expected = np.rot90(numbered_image(0, 96, 64), turns)
    if mirrored:
        expected = expected[:, ::-1]
    with open_source(str(clip)) as source:
        frame = next(iter(source))
        assert source.info is not None
        assert (
            (source.info.height, source.info.width) == frame.image.shape[:2] == expected.shape[:2]
        )
    assert np.abs(frame.image.astype(int) - expected).mean() < 4
    if ffmpeg := shutil.which("ffmpeg"):
        command = [
            ffmpeg,
            "-v",
            "error",
            "-i",
            str(clip),
            "-frames:v",
            "1",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "bgr24",
            "-",
        ]
        shown = np.frombuffer(
            subprocess.run(command, capture_output=True, check=True).stdout, np.uint8
        )
        assert np.abs(frame.image.astype(int) - shown.reshape(expected.shape)).mean() < 4


@pytest.mark.parametrize("matrix", ["bt709", "bt470bg"])
@pytest.mark.parametrize("limits", ["tv", "pc"])
def test_colours_are_right_for_both_matrices_and_ranges(
    tmp_path: Path, matrix: str, limits: str
) -> None:
    """A colour is coded by the formula of each standard (Kr and Kb of BT.709 and BT.601) and must
    come out as it went in.
    """
    import av

    blue, green, red = 30, 90, 200
    kr, kb = (0.2126, 0.0722) if matrix == "bt709" else (0.299, 0.114)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    if limits == "tv":
        coded = (16 + luma * 219 / 255, 128 + cb * 224 / 255, 128 + cr * 224 / 255)
    else:
        coded = (luma, 128 + cb, 128 + cr)
    rows = (64, 16, 16)
    planes = np.concatenate(
        [
            np.full(count * 64, round(value), np.uint8)
            for count, value in zip(rows, coded, strict=True)
        ]
    )
    path = tmp_path / "colour.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = {"bt709": 1, "bt470bg": 5}[matrix]
        context.color_range = {"tv": 1, "pc": 2}[limits]
        image = av.VideoFrame.from_ndarray(planes.reshape(96, 64), "yuv420p")
        image.colorspace, image.color_range, image.pts = (
            context.colorspace,
            context.color_range,
            0,
        )
        container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    with open_source(str(path)) as source:
        pixel = next(iter(source)).image[32, 32].astype(int)
    assert np.abs(pixel - (blue, green, red)).max() <= 2


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("clip.mkv", {}),
        ("clip.ts", {}),
        ("clip.avi", {"codec": "mpeg4", "options": {"qscale": "2"}}),
        ("faststart.mp4", {"container_options": {"movflags": "faststart"}}),
        ("fragments.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    ],
)
def test_a_file_that_is_cut_off_gives_what_came_before_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, choices: dict[str, object]
) -> None:
    whole = make_clip(tmp_path / name, frames=300, **choices)  # type: ignore[arg-type]
    half = cut(
        whole, tmp_path / f"half_{name}", 0.75
    )  # the index at the front of an MP4 of tiny images takes up half of it
    with caplog.at_level(logging.WARNING):
        found = numbers(half)
    assert 100 <= len(found) < 300
    assert found[:-1] == list(range(len(found) - 1))  # the image at the cut itself may be damaged
    if (
        name != "clip.ts"
        # a transport stream announces no length and has no end: who knows that it was longer?
    ):
        assert "ends early" in caplog.text or "damaged" in caplog.text


def test_damage_in_the_middle_is_skipped_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = make_clip(
        tmp_path / "clip.mp4", frames=200, codec="mpeg4", options={"qscale": "2"}, gop=5
    )
    size = whole.stat().st_size
    broken = damage(whole, tmp_path / "broken.mp4", start=size // 3, length=60)
    with open_source(str(broken)) as source:
        found = [read_number(frame.image) for frame in source]
        health = source.health
    assert len(found) >= 190
    assert found[:50] == list(range(50))
    assert found[-50:] == list(range(150, 200))
    assert health.state == "ended"
    assert len(found) == 200 or health.corrupt_packets > 0


def test_a_change_of_size_in_mid_stream_changes_the_image(tmp_path: Path) -> None:
    small = make_clip(tmp_path / "small.ts", frames=10, width=96, height=64)
    large = make_clip(tmp_path / "large.ts", frames=10, width=192, height=128)
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes() + small.read_bytes())
    with open_source(str(both)) as source:
        frames = list(source)
    assert [read_number(frame.image) for frame in frames] == [*range(10)] * 3
    assert [frame.image.shape[:2] for frame in frames] == [(64, 96)] * 10 + [(128, 192)] * 10 + [
        (64, 96)
    ] * 10
    moments = [frame.time_s for frame in frames]
    assert all(later > earlier for earlier, later in pairwise(moments))


def test_a_slot_is_filled_in_place() -> None:
    frame = Frame()
    with open_source("demo") as source:
        source.read_into(frame)
        pixels = frame.image
        first = pixels.copy()
        while source.read_into(frame):
            pass
    assert frame.image is pixels
    assert frame.index == 199
    assert not np.array_equal(first, pixels)


def test_frames_can_be_passed_over_without_being_converted(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=9)
    frame = Frame()
    seen = []
    with open_source(str(clip)) as source:
        while (stamp := source.grab()) is not None:
            if len(seen) % 2 == 0:
                source.retrieve(frame)
                seen.append((stamp.index, read_number(frame.image)))
            else:
                seen.append((None, None))
    assert seen[::2] == [(index, index) for index in range(0, 9, 2)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "nothing.mp4", "no such file"),
        (lambda path: path, "no images and no videos in folder"),
        (lambda path: write(path / "zero.mp4", b""), "empty"),
        (lambda path: write(path / "notes.mp4", b"not a video\n" * 400), "looks like text"),
        (lambda path: write(path / "notes.txt", b"not a video\n" * 400), "looks like text"),
        (
            lambda path: write(path / "noise.mp4", bytes(range(256)) * 64),
            "not a video|no video stream",
        ),
        (lambda path: make_clip(path / "sound.m4a", audio=True, video=False), "no video stream"),
        (
            lambda path: cut(make_clip(path / "a.mp4", frames=99), path / "no_index.mp4", 0.5),
            "without its index",
        ),
    ],
    ids=[
        "missing",
        "empty folder",
        "zero bytes",
        "text as mp4",
        "text",
        "noise",
        "audio only",
        "mp4 without index",
    ],
)
def test_what_is_no_video_is_refused_in_one_line(
    tmp_path: Path, make: object, message: str
) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(SourceError, match=message) as caught, open_source(str(path)):
        pass
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@measured
def test_realtime_delivers_at_the_pace_of_the_stamps(tmp_path: Path) -> None:
    import time

    from stream.sources.config import SourceConfig

    clip = make_clip(tmp_path / "clip.mp4", frames=11, fps=25)
    with open_source(str(clip), SourceConfig(realtime=True)) as source:
        start = time.monotonic()
        count = sum(1 for _ in source)
        assert source.live
    assert count == 11
    spent_s = time.monotonic() - start
    assert spent_s > 0.38
    met(spent_s < 3, f"0.4 s and not {spent_s}")


def test_the_factory_itself_is_right(tmp_path: Path) -> None:
    assert read_numbers(make_clip(tmp_path / "clip.mp4", frames=40)) == list(range(40))
