"""The z-buffer covers what it should, once, and the nearest wins."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic.raster import rasterise

_SIZE = 24
_corner = st.floats(-4, _SIZE + 4, width=32)


def _draw(screen: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    nearness = np.zeros((_SIZE, _SIZE), np.float32)
    front = np.full((_SIZE, _SIZE), -1, np.int32)
    rasterise(screen.astype(np.float32), faces.astype(np.int32), nearness, front)
    return nearness, front


@given(st.tuples(*[_corner] * 6))
@settings(max_examples=100, deadline=None)
def test_a_triangle_covers_the_pixel_centres_inside_it(corners: tuple[float, ...]) -> None:
    screen = np.concatenate([np.reshape(corners, (3, 2)), np.ones((3, 1))], axis=1)
    (ax, ay), (bx, by), (cx, cy) = screen[:, :2].astype(np.float32).astype(np.float64)
    y, x = np.mgrid[:_SIZE, :_SIZE]
    sides = np.stack(
        [
            (bx - ax) * (y - ay) - (by - ay) * (x - ax),
            (cx - bx) * (y - by) - (cy - by) * (x - bx),
            (ax - cx) * (y - cy) - (ay - cy) * (x - cx),
        ]
    )
    margin = 1e-2
    inside, outside = (
        (sides > margin).all(0) | (sides < -margin).all(0),
        (sides > margin).any(0) & (sides < -margin).any(0),
    )
    covered = _draw(screen, np.array([[0, 1, 2]]))[1] == 0
    assert covered[inside].all()
    assert not covered[outside].any()


def test_two_triangles_that_share_an_edge_leave_no_crack() -> None:
    screen = np.array([[1, 2, 1], [22, 3, 1], [20, 21, 1], [3, 19, 1]])
    quad = _draw(screen, np.array([[0, 1, 2], [0, 2, 3]]))[1]
    rows = [np.flatnonzero(row >= 0) for row in quad]
    assert all(np.array_equal(row, np.arange(row[0], row[-1] + 1)) for row in rows if len(row))
    assert {0, 1} <= set(quad.ravel())


def test_the_nearer_face_wins_in_either_order() -> None:
    square = [[2, 2], [20, 2], [2, 20]]
    screen = np.array([[*corner, 0.5] for corner in square] + [[*corner, 0.8] for corner in square])
    far_first = _draw(screen, np.array([[0, 1, 2], [3, 4, 5]]))
    near_first = _draw(screen, np.array([[3, 4, 5], [0, 1, 2]]))
    assert set(far_first[1].ravel()) == {-1, 1}
    assert set(near_first[1].ravel()) == {-1, 0}
    assert np.allclose(far_first[0][far_first[1] == 1], 0.8)


def test_faces_behind_the_camera_are_left_out() -> None:
    screen = np.array([[2, 2, 1], [20, 2, 1], [2, 20, 0]])
    assert (_draw(screen, np.array([[0, 1, 2]]))[1] == -1).all()
