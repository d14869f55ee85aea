"""Pictures as an image viewer shows them: whole, upright, moving where they move."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from configs import SourceError
from stream.frame import Frame
from stream.sources import is_photograph, open_source
from tests.support.media import make_clip, numbered_image, read_number

PERIODS_MS = [100, 200, 300, 400]
NOT_UTF_8 = "\udcff" if sys.platform == "linux" else ""  # OpenCV ended the process


def read(spec: Path) -> list[Frame]:
    with open_source(str(spec)) as source:
        return list(source)


def picture(number: int, width: int = 96, height: int = 64) -> Image.Image:
    return Image.fromarray(numbered_image(number, width, height))


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".png", {}),
        (".gif", {}),
        (".webp", {"lossless": True}),
        (".avif", {"quality": 95}),
        (".tiff", {}),
    ],
)
def test_every_picture_of_an_animation_is_a_frame_at_its_time(
    tmp_path: Path, suffix: str, options: dict[str, object]
) -> None:
    path = tmp_path / f"animation{NOT_UTF_8}{suffix}"
    first, *others = [picture(number) for number in range(4)]
    first.save(path, save_all=True, append_images=others, duration=PERIODS_MS, **options)
    with open_source(str(path)) as source:
        assert source.info is not None
        assert source.info.frame_count == 4
        frames = list(source)
    assert [read_number(frame.image) for frame in frames] == [0, 1, 2, 3]
    timed = suffix != ".tiff"
    assert [frame.time_s for frame in frames] == pytest.approx(
        [0, 0.1, 0.3, 0.6] if timed else [0, 0.04, 0.08, 0.12]
    )


def test_what_cannot_be_read_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for name in ("nothing.jpg", "text.png"):
        with pytest.raises(SourceError) as caught:
            read(tmp_path / name)
        assert str(caught.value).count(name) == 1


def test_a_photograph_is_told_from_an_animation_and_from_what_is_no_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = picture(0), picture(1)
    for name in ("one.png", "one.jpg", "one.tiff"):
        first.save(tmp_path / name)
        assert is_photograph(tmp_path / name)
    for name in ("two.png", "two.tiff", "two.webp"):
        first.save(tmp_path / name, save_all=True, append_images=[second])
        assert not is_photograph(tmp_path / name)
    (tmp_path / "damaged.png").write_bytes((tmp_path / "one.png").read_bytes()[:20])
    capfd.readouterr()
    (tmp_path / "text.webp").write_text("no picture")
    assert is_photograph(tmp_path / "text.webp")  # whoever opens it says what it is
    assert capfd.readouterr().err == ""  # OpenCV says it in three lines of its own
    for other in ("damaged.png", "nothing.jpg", "", "x" * 300 + ".jpg", "clip.mp4"):
        assert not is_photograph(tmp_path / other)
    assert not is_photograph("http://host/photo.jpg")


def test_an_animation_longer_than_a_block_is_read_to_its_end(tmp_path: Path) -> None:
    first, *others = [picture(number) for number in range(70)]
    first.save(
        tmp_path / "long.webp", save_all=True, append_images=others, duration=20, lossless=True
    )
    assert [read_number(frame.image) for frame in read(tmp_path / "long.webp")] == list(range(70))


@pytest.mark.parametrize("suffix", [".jpg", ".jfif", ".png", ".webp", ".avif", ".tif"])
def test_a_picture_that_was_taken_sideways_stands_upright(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sideways{suffix}"
    options: dict[str, object] = {"quality": 95}
    if suffix == ".tif":
        tags = ImageFileDirectory_v2()
        tags[274] = 6
        options = {"tiffinfo": tags}
    else:
        exif = Image.Exif()
        exif[274] = 6
        options["exif"] = exif
    stored = Image.fromarray(np.rot90(numbered_image(5, 96, 64)).copy())
    kind = "JPEG" if suffix == ".jfif" else None
    stored.save(path, format=kind, **options)
    (frame,) = read(path)
    assert frame.image.shape == (64, 96, 3)
    assert read_number(frame.image) == 5


def test_the_tiles_of_a_phones_avif_are_one_picture(shared: Path) -> None:
    (frame,) = read(shared / "cases" / "grid.avif")
    assert frame.image.shape == (768, 1024, 3)


def test_a_heic_is_read_or_told_what_would_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "photo.heic"
    heif.from_pillow(picture(9)).save(path, quality=90)
    assert [read_number(frame.image) for frame in read(path)] == [9]
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(SourceError, match=r"photo\.heic.*higherhrnet-stream\[heif\]"):
        read(path)


@pytest.mark.parametrize("suffix", [".tga", ".jp2", ".gif", ".jfif", ".pbm", ".avif", ".bmp"])
def test_pictures_of_less_usual_kinds_are_found_in_a_folder(tmp_path: Path, suffix: str) -> None:
    kind = {".jfif": "JPEG", ".jp2": "JPEG2000"}.get(suffix)
    shown = picture(3).convert("1" if suffix == ".pbm" else "RGB")
    shown.save(tmp_path / f"a{suffix}", format=kind)
    (tmp_path / f"a{suffix}").rename(tmp_path / f"a{NOT_UTF_8}{suffix}")  # PIL refuses it, too
    (frame,) = read(tmp_path)
    assert frame.image.shape == (64, 96, 3)
    assert suffix == ".pbm" or read_number(frame.image) == 3


def bomb(path: Path) -> Path:
    """A few bytes that announce 60000 x 60000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    end = b"IEND"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
            for chunk in (header, b"IDAT" + zlib.compress(b""), end)
        )
    )
    return path


def test_a_picture_that_announces_too_many_pixels_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SourceError, match=r"bomb\.png.*60000x60000 pixels"):
        read(bomb(tmp_path / "bomb.png"))
    picture(1).save(tmp_path / "a.png")
    picture(2).save(tmp_path / "c.png")
    assert [read_number(frame.image) for frame in read(tmp_path)] == [1, 2]
    assert "bomb.png" in caplog.text


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif", ".tif", ".avif", ".jpg", ".tga"])
def test_damaged_pictures_are_one_line(tmp_path: Path, suffix: str) -> None:
    chance = np.random.default_rng(4)
    first, *others = [picture(number) for number in range(3)]
    path = tmp_path / f"whole{suffix}"
    several = {"save_all": True, "append_images": others, "duration": 40}
    first.save(path, **({} if suffix in (".jpg", ".tga") else several))
    content = path.read_bytes()
    for _ in range(20):
        damaged = bytearray(content)
        for position in chance.integers(0, len(content), 8):
            damaged[position] = int(chance.integers(256))
        path.write_bytes(damaged[: int(chance.integers(1, len(content)))])
        try:
            assert len(read(path)) >= 1
        except SourceError as error:
            assert "\n" not in str(error)


def test_what_is_left_out_of_a_folder_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), numbered_image(1, 96, 64))
    make_clip(tmp_path / "b.mp4", frames=2)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "notes.md").write_text("no image")
    (tmp_path / ".hidden").write_text("nobody's business")
    assert len(read(tmp_path)) == 3
    assert "2 (deeper, notes.md)" in caplog.text
