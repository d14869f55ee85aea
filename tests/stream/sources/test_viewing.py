"""The image is the one that a viewer sees: square pixels, standard dynamic range."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from configs import load_keypoint_set
from stream.frame import Frame
from stream.sinks import RunInfo, make_sinks
from stream.sources import open_source

# BT.709 to BT.2020, from the chromaticities of both (ITU-R BT.2087).
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
LUMINANCE = np.array([0.2627, 0.6780, 0.0593])
HLG, PQ = 18, 16


def encode(
    path: Path,
    image: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    aspect: Fraction = Fraction(1),
    transfer: int | None = None,
    rotation: int | None = None,
) -> Path:
    """A clip of three frames that are all `image`, BGR."""
    deep = image.dtype == np.uint16
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1" if deep else "libx264", rate=25)
        stream.width, stream.height = image.shape[1], image.shape[0]
        stream.pix_fmt = "yuv444p10le" if deep else "yuv420p"
        context = stream.codec_context
        context.sample_aspect_ratio = aspect
        if transfer is not None:
            context.color_trc, context.color_primaries, context.colorspace = transfer, 9, 9
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(image, "bgr48le" if deep else "bgr24")
            if transfer is not None:
                frame = frame.reformat(format="yuv444p10le", dst_colorspace=9)
                frame.color_trc, frame.color_primaries, frame.colorspace = transfer, 9, 9
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def first(path: Path) -> Frame:
    with open_source(str(path)) as source:
        frame = next(iter(source))
        assert source.info is not None
        assert (source.info.height, source.info.width) == frame.image.shape[:2]
    return frame


def squeezed_circle(aspect: Fraction) -> NDArray[np.uint8]:
    """A circle of 120 px, as a recorder with pixels of that aspect stores it."""
    image = np.full((160, 240, 3), 40, np.uint8)
    cv2.circle(image, (120, 80), 60, (220, 220, 220), -1)
    width = round(240 / aspect / 2) * 2
    return cv2.resize(image, (width, 160), interpolation=cv2.INTER_AREA)


def extent(image: NDArray[np.uint8]) -> tuple[int, int]:
    bright = image[..., 1] > 130
    return int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())


@pytest.mark.parametrize("aspect", [Fraction(64, 45), Fraction(8, 9), Fraction(4, 3)])
@pytest.mark.parametrize("rotation", [None, 90])
def test_pixels_that_are_not_square_are_made_so(
    tmp_path: Path, aspect: Fraction, rotation: int | None
) -> None:
    clip = encode(tmp_path / "clip.mp4", squeezed_circle(aspect), aspect=aspect, rotation=rotation)
    image = first(clip).image
    assert extent(image) == pytest.approx((120, 120), abs=3)
    shape = image.shape[:2] if rotation is None else image.shape[1::-1]
    assert shape == pytest.approx((160, 240), abs=2)


@pytest.mark.parametrize("aspect", [Fraction(1000, 1), Fraction(136, 135)])
def test_aspects_of_pixels_that_nobody_means_are_ignored(tmp_path: Path, aspect: Fraction) -> None:
    clip = encode(tmp_path / "clip.mkv", squeezed_circle(Fraction(1)), aspect=aspect)
    assert first(clip).image.shape == (160, 240, 3)


def test_outputs_have_the_size_that_coordinates_are_in(tmp_path: Path) -> None:
    aspect = Fraction(64, 45)
    clip = encode(tmp_path / "clip.mp4", squeezed_circle(aspect), aspect=aspect)
    run = RunInfo(
        model="none", runtime="none", precision="fp32", keypoint_set=load_keypoint_set("coco")
    )
    (sink,) = make_sinks([str(tmp_path / "out.mp4")])
    with open_source(str(clip)) as source:
        assert source.info is not None
        sink.open(source.info, run)
        for frame in source:
            sink.write(frame, None, frame.image, latency_ms=0.0, drops=0)  # type: ignore[arg-type]
        sink.close()
    written = first(tmp_path / "out.mp4").image
    assert written.shape[:2] == pytest.approx((160, 240), abs=2)
    assert extent(written) == pytest.approx((120, 120), abs=4)


def in_high_dynamic_range(image: NDArray[np.uint8], transfer: int) -> NDArray[np.uint16]:
    """`image` as a phone (HLG) or a disc (PQ) has it, diffuse white at 203 nits (BT.2408)."""
    nits = 203 * (image[..., ::-1] / 255) ** 2.2 @ TO_BT2020.T
    if transfer == PQ:
        power = (nits / 10_000) ** (2610 / 16384)
        code = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    else:
        luminance = np.maximum(nits @ LUMINANCE, 1e-6)[..., None] / 1000
        scene = nits / 1000 * luminance ** (1 / 1.2 - 1)
        code = np.where(
            scene <= 1 / 12,
            np.sqrt(3 * scene),
            0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073,
        )
    return np.round(code[..., ::-1] * 65535).astype(np.uint16)


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_high_dynamic_range_looks_as_the_same_scene_does_without(
    tmp_path: Path, transfer: int
) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, :48] = np.linspace(20, 180, 48).astype(np.uint8)[None, :, None]
    image[:, 48:, 0] = np.linspace(30, 160, 48).astype(np.uint8)[None, :]
    image[:, 48:, 1] = 90
    image[:, 48:, 2] = np.linspace(150, 60, 64).astype(np.uint8)[:, None]
    clip = encode(tmp_path / "clip.mkv", in_high_dynamic_range(image, transfer), transfer=transfer)
    difference = np.abs(first(clip).image.astype(int) - image)
    assert difference.mean() < 2
    assert np.percentile(difference, 99) < 8


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_lights_brighter_than_white_keep_their_order(tmp_path: Path, transfer: int) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    clip = encode(
        tmp_path / "clip.mkv",
        np.broadcast_to(ramp[None, :, None], (16, 256, 3)).copy(),
        transfer=transfer,
    )
    shown = first(clip).image[8, :, 1].astype(int)
    assert (np.diff(shown) >= -1).all()
    assert shown[0] <= 2
    assert shown[-1] == 255
    white = round(255 * (0.75 if transfer == HLG else 0.58))  # 203 nits in either
    assert 210 <= shown[white] <= 240
