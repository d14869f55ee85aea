"""Real media made on the spot: small clips whose images say which frame they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stream.sinks.encoders import ordinary_scheduling

BLOCK_PX = 8
BITS = 12


def numbered_image(index: int, width: int, height: int) -> np.ndarray:
    """A grey BGR image with `index` in its top left corner: one block a bit, black or white, to
    survive lossy codecs.
    """
    image = np.full((height, width, 3), 96, np.uint8)
    for bit in range(BITS):
        row, column = divmod(bit, 4)
        value = 235 if index >> bit & 1 else 20
        image[
            row * BLOCK_PX : (row + 1) * BLOCK_PX, column * BLOCK_PX : (column + 1) * BLOCK_PX
        ] = value
    return image


def read_number(image: np.ndarray) -> int:
    """The number that `numbered_image` wrote."""
    half = BLOCK_PX // 2
    number = 0
    for bit in range(BITS):
        row, column = divmod(bit, 4)
        number |= int(image[row * BLOCK_PX + half, column * BLOCK_PX + half].mean() > 128) << bit
    return number


def make_clip(
    path: Path,
    *,
    frames: int = 30,
    width: int = 96,
    height: int = 64,
    fps: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    rotation: int | None = None,
    mirrored: bool = False,
    stamps: list[int] | None = None,
    audio: bool = False,
    video: bool = True,
    gop: int = 12,
) -> Path:
    """A clip at `path` whose frame i shows i. `stamps`: presentation times in units of 1/fps, 0, 1,
    2, ... if not given.

    rotation, mirrored: how players are to show it: turned counter-clockwise by so many degrees,
    then mirrored across.
    """
    with (
        ordinary_scheduling(),
        av.open(str(path), "w", options=container_options or {}) as container,
    ):
        if video:
            stream = container.add_stream(codec, rate=fps, options=options or {})
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            stream.codec_context.time_base = Fraction(1, fps)
            stream.codec_context.gop_size = gop
            if rotation is not None or mirrored:
                stream.set_display_rotation(rotation or 0, hflip=mirrored)
        if audio:
            sound = container.add_stream("aac", rate=16000, layout="mono")
            for start in range(0, 16000 * frames // fps, 1024):
                samples = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
                )
                samples.sample_rate, samples.pts = 16000, start
                container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
        if video:
            for index in range(frames):
                image = av.VideoFrame.from_ndarray(numbered_image(index, width, height), "bgr24")
                image.pts = index if stamps is None else stamps[index]
                image.time_base = Fraction(1, fps)
                container.mux(stream.encode(image))
            container.mux(stream.encode(None))
    return path


def make_interlaced_clip(
    path: Path, *, frames: int = 12, width: int = 192, height: int = 128, speed_px: int = 6
) -> Path:
    """A clip at 25 fps whose two fields are half a period apart: a bar moves by `speed_px` from
    field to field.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"x264-params": "tff=1", "crf": "10"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for index in range(frames):
            pixels = np.full((height, width, 3), 60, np.uint8)
            for field in (0, 1):
                left = (2 * index + field) * speed_px
                pixels[field::2, left : left + 24] = 220
            image = av.VideoFrame.from_ndarray(pixels, "bgr24")
            image.pts, image.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


def read_numbers(path: Path) -> list[int]:
    """The numbers that the images of the clip at `path` show, read with nothing of this project."""
    with av.open(str(path)) as container:
        return [
            read_number(image.to_ndarray(format="bgr24")) for image in container.decode(video=0)
        ]


def cut(path: Path, target: Path, share: float) -> Path:
    """The first `share` of the bytes of the file at `path`, as a file at `target`."""
    content = path.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])
    return target


def damage(path: Path, target: Path, *, start: int, length: int) -> Path:
    """A copy of the file at `path` with `length` bytes from `start` replaced by noise."""
    content = bytearray(path.read_bytes())
    noise = np.random.default_rng(5).integers(0, 256, length, np.uint8)
    content[start : start + length] = noise.tobytes()
    target.write_bytes(content)
    return target
