import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from configs import SourceError
from stream.sources import open_source
from stream.sources.config import SourceConfig
from stream.sources.sequence import read_playlist
from tests.support.media import damage, make_clip, numbered_image, read_number
from tests.support.waiting import measured, met


def write_image(path: Path, number: int, **sizes: int) -> Path:
    cv2.imwrite(str(path), numbered_image(number, sizes.get("width", 96), sizes.get("height", 64)))
    return path


def numbers(spec: Path | str) -> list[int]:
    with open_source(str(spec)) as source:
        return [read_number(frame.image) for frame in source]


def test_a_folder_of_images_is_read_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1, 2):
        write_image(tmp_path / f"shot{number}.png", number)
    (tmp_path / "notes.md").write_text("no image")
    assert numbers(tmp_path) == [1, 2, 9, 10]
    with open_source(str(tmp_path)) as source:
        frames = list(source)
        assert source.info is not None
        assert source.info.frame_count == 4
        assert not source.live
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12])
    assert frames[0].source == str(tmp_path / "shot1.png")


def test_a_pattern_finds_images_of_different_sizes(tmp_path: Path) -> None:
    write_image(tmp_path / "a1.jpg", 1)
    write_image(tmp_path / "a2.jpg", 2, width=128, height=96)
    write_image(tmp_path / "b3.jpg", 3)
    assert numbers(tmp_path / "a*.jpg") == [1, 2]


def test_videos_and_images_follow_each_other_and_time_goes_on(tmp_path: Path) -> None:
    make_clip(tmp_path / "1.mp4", frames=5)
    write_image(tmp_path / "2.png", 77)
    make_clip(tmp_path / "3.mp4", frames=4)
    with open_source(str(tmp_path)) as source:
        frames = list(source)
    assert [read_number(frame.image) for frame in frames] == [0, 1, 2, 3, 4, 77, 0, 1, 2, 3]
    assert [frame.index for frame in frames] == list(range(10))
    assert all(
        later.time_s - earlier.time_s == pytest.approx(0.04) for earlier, later in pairwise(frames)
    )


def test_a_list_names_files_beside_it(tmp_path: Path) -> None:
    make_clip(tmp_path / "one.mp4", frames=3)
    write_image(tmp_path / "two.png", 50)
    (tmp_path / "list.txt").write_text("# my files\none.mp4\n\ntwo.png\n")
    assert numbers(tmp_path / "list.txt") == [0, 1, 2, 50]


@pytest.mark.parametrize("name", ["list.txt", "list.ffconcat"])
def test_a_list_of_ffmpeg_names_files_beside_it(tmp_path: Path, name: str) -> None:
    make_clip(tmp_path / "one.mp4", frames=3)
    write_image(tmp_path / "it is two.png", 50)
    (tmp_path / name).write_text(
        "ffconcat version 1.0\nfile one.mp4\nduration 0.12\nfile 'it is two.png'\n"
    )
    assert numbers(tmp_path / name) == [0, 1, 2, 50]


def test_a_list_whose_first_file_is_missing_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_image(tmp_path / "two.png", 2)
    (tmp_path / "list.txt").write_text("\ufeffone.png\ntwo.png\n", encoding="utf-8")
    assert numbers(tmp_path / "list.txt") == [2]
    assert "one.png" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", "one.mp4\ntwo.mp4\n", r"none of the 2 files in .*a\.txt"),
        ("list.streams", "rtsp://user:secret@camera/1\n", r"rtsp://camera/1\).*source of its own"),
        ("a.ffconcat", "file a.mp4\ninpoint 3\n", r"parts of files \('inpoint 3'\)"),
        ("b.txt", "what I did in my holidays\n", r"b\.txt.*looks like text"),
    ],
)
def test_lists_that_cannot_be_read_are_told(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=told) as caught, open_source(str(tmp_path / name)):
        pass
    assert "secret" not in str(caught.value)


def test_a_list_that_is_gone_or_no_text_is_told_without_numbers_of_errors(tmp_path: Path) -> None:
    (tmp_path / "old.m3u").write_bytes("Fr\xfchling.mp4\n".encode("latin-1"))
    with pytest.raises(SourceError, match=r"old\.m3u': it is no text in UTF-8$"):
        read_playlist(str(tmp_path / "old.m3u"))
    with pytest.raises(SourceError, match=r"gone\.m3u': No such file or directory$"):
        read_playlist(str(tmp_path / "gone.m3u"))


def test_one_image_is_a_source(tmp_path: Path) -> None:
    assert numbers(write_image(tmp_path / "one.png", 3)) == [3]


@pytest.mark.parametrize("shape", [(64, 96), (64, 96, 4)], ids=["grey", "transparent"])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_images_of_every_kind_become_bgr(
    tmp_path: Path, shape: tuple[int, ...], depth: type
) -> None:
    image = np.full(shape, 100, depth) * (257 if depth is np.uint16 else 1)
    cv2.imwrite(str(tmp_path / "image.png"), image.astype(depth))
    with open_source(str(tmp_path / "image.png")) as source:
        (frame,) = list(source)
    assert frame.image.shape == (64, 96, 3)
    assert np.abs(frame.image.astype(int) - 100).max() <= 1


def test_what_cannot_be_read_is_skipped_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_image(tmp_path / "1.png", 1)
    (tmp_path / "2.png").write_bytes(b"no image")
    write_image(tmp_path / "3.png", 3)
    assert numbers(tmp_path) == [1, 3]
    assert "2.png" in caplog.text


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    for spec in (tmp_path, tmp_path / "*.png"):
        with pytest.raises(SourceError, match="no images and no videos"), open_source(str(spec)):
            pass
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match="none of the 1 files"), open_source(str(tmp_path)):
        pass


@measured
def test_realtime_counts_through_all_files(tmp_path: Path) -> None:
    make_clip(tmp_path / "1.mp4", frames=5)
    write_image(tmp_path / "2.png", 77)
    make_clip(tmp_path / "3.mp4", frames=5)
    with open_source(str(tmp_path), SourceConfig(realtime=True)) as source:
        assert source.live
        begin_s = time.monotonic()
        assert len(list(source)) == 11
    spent_s = time.monotonic() - begin_s
    assert spent_s > 0.38
    met(spent_s < 3, f"0.4 s and not {spent_s}")


def test_a_sequence_runs_until_its_last_video_and_adds_up_their_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_clip(tmp_path / "1.mp4", frames=20)
    whole = make_clip(tmp_path / "whole.mp4", frames=20, options={"bf": "0"})
    size = whole.stat().st_size
    for name in ("2.mp4", "3.mp4"):
        damage(whole, tmp_path / name, start=size // 3, length=60)
    whole.unlink()
    make_clip(tmp_path / "4.mp4", frames=20)
    with open_source(str(tmp_path / "2.mp4")) as alone:
        assert len(list(alone)) > 10
    assert alone.health.corrupt_packets > 0
    with open_source(str(tmp_path)) as source:
        states = {source.health.state for _ in source}
    assert states == {"running"}
    assert source.health.state == "ended"
    assert source.health.corrupt_packets == 2 * alone.health.corrupt_packets
    assert "3.mp4" in source.health.message
