"""Images go into the network as the official code lays them, and points come back to where they
were.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import ConfigError
from engine.geometry import LONGEST, align, format_input_size, parse_input_size
from tests.engine.golden import load_arrays

sides = st.integers(16, 4000)
input_sizes = st.one_of(
    st.sampled_from([128, 320, 512, 640]),
    st.tuples(st.sampled_from([256, 320, 512]), st.sampled_from([288, 448, 960])),
)


@pytest.mark.parametrize(
    "image, side, expected",
    [
        ((480, 640), 512, (512, 704)),
        ((720, 1280), 512, (512, 960)),
        ((1080, 1920), 640, (640, 1152)),
        ((640, 480), 512, (704, 512)),
        ((480, 640), 320, (320, 448)),
    ],
)
def test_input_sizes_are_those_worked_out_in_the_reference(image, side, expected):
    assert align(image, side).input_size == expected


def test_the_size_at_scale_1_is_rounded_at_the_smallest_scale():
    assert align((480, 640), 512, scale=1, min_scale=0.5).input_size == (512, 768)
    assert align((480, 640), 512, scale=2, min_scale=0.5).input_size == (1024, 1536)


@pytest.mark.parametrize("case, scales", [(0, [1]), (1, [1]), (2, [0.5, 1, 2])])
def test_network_inputs_equal_those_of_the_official_code(case, scales, shared):
    recorded = load_arrays(shared / "golden" / "network" / f"inference_{case}.npz")
    image = recorded["image_bgr"]
    for scale in scales:
        alignment = align(image.shape[:2], 128, scale=scale, min_scale=min(scales))
        np.testing.assert_array_equal(
            alignment.warp(image), recorded[f"network_input_bgr_scale_{scale}"]
        )


@pytest.mark.parametrize("case", [0, 1, 2])
def test_poses_come_back_to_the_image_as_in_the_official_code(case, shared):
    recorded = load_arrays(shared / "golden" / "network" / f"inference_{case}.npz")
    alignment = align(recorded["image_bgr"].shape[:2], 128, min_scale=0.5 if case == 2 else 1)

    poses = alignment.to_image(recorded["grouped"][..., :3])

    np.testing.assert_allclose(poses, recorded["poses"][..., :3], rtol=0, atol=1e-3)


@given(sides, sides, input_sizes, st.sampled_from([1, 2, 4]))
def test_points_survive_the_way_to_the_map_and_back(height, width, input_size, stride):
    alignment = align((height, width), input_size)
    rows, columns = alignment.input_size
    alignment = alignment.with_map_size((rows // stride, columns // stride))
    points = np.array(
        [[0, 0, 0.5], [width, 0, 0.25], [width / 3, height, 0], [width, height, 1]], np.float32
    )

    back = alignment.to_image(alignment.to_map(points))

    np.testing.assert_allclose(back, points, rtol=1e-5, atol=1e-2)


@given(sides, sides, input_sizes)
def test_the_whole_image_is_inside_the_input_and_fills_one_side(height, width, input_size):
    alignment = align((height, width), input_size)
    rows, columns = alignment.input_size

    corners = alignment.to_map(np.array([[0, 0], [width, height]], np.float32))

    slack = (
        alignment.zoom * 0.5 + 0.51
    )  # the centre is rounded to whole image pixels, the size down to whole input pixels
    assert (corners[0] >= -slack).all()
    assert (corners[1] <= np.array([columns, rows]) + slack).all()
    filled = corners[1] - corners[0]
    assert filled[0] == pytest.approx(columns, abs=0.1) or filled[1] == pytest.approx(rows, abs=0.1)
    assert rows % 32 == columns % 32 == 0


@given(st.integers(1, 60), st.integers(1, 30_000), st.booleans(), st.sampled_from([128, 512]))
def test_no_image_is_so_long_that_its_input_fills_the_memory(short, long, upright, side):
    image = (long, short) if upright else (short, long)
    alignment = align(image, side)
    assert max(alignment.input_size) <= LONGEST * side
    assert min(alignment.input_size) == side
    corners = alignment.to_map(np.array([[0, 0], image[::-1]], np.float32))
    assert (corners[0] >= -alignment.zoom * 0.5 - 0.51).all()
    assert (corners[1] <= np.array(alignment.input_size[::-1]) + alignment.zoom * 0.5 + 0.51).all()


def test_an_image_that_is_made_small_for_its_length_is_said(caplog):
    align((20, 3001), 64)
    align((20, 3001), 64)
    assert caplog.messages == [
        "an image of 3001x20 is more than 12 times as long as wide: it is made small enough for an "
        "input of 768x64"
    ]


def test_a_picture_is_where_its_points_say():
    image = np.zeros((300, 500, 3), np.uint8)
    image[120:125, 340:345] = 255
    alignment = align((300, 500), (320, 320))
    out = np.empty((320, 320, 3), np.uint8)

    assert alignment.warp(image, out=out) is out

    rows, columns = np.nonzero(out[..., 0] > 100)
    found = alignment.to_image(np.array([[columns.mean(), rows.mean()]], np.float32))
    np.testing.assert_allclose(found, [[342, 122]], atol=0.6)


def test_a_buffer_that_opencv_would_not_fill_is_refused():
    alignment = align((300, 500), 128)
    with pytest.raises(ValueError, match="must be a contiguous uint8 array"):
        alignment.warp(np.zeros((300, 500, 3), np.uint8), out=np.empty((1, 1, 3), np.uint8))


@pytest.mark.parametrize(
    "text, expected", [("512", 512), ("448x320", (320, 448)), (" 448 X 320 ", (320, 448))]
)
def test_input_sizes_are_read_from_text(text, expected):
    assert parse_input_size(text) == expected
    assert parse_input_size(format_input_size(expected)) == expected


@pytest.mark.parametrize(
    "text, message",
    [
        ("500", "multiple of 32, not 500; the nearest are 480 and 512"),
        ("0", "not '0'"),
        ("450x320", "not 450"),
        ("big", "or WIDTHxHEIGHT, such as 448x320, not 'big'"),
    ],
)
def test_input_sizes_that_cannot_be_used_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_input_size(text)
