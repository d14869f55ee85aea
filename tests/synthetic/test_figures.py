"""Bodies have the height they are given, and every cut of clothes fits every body."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from configs.errors import DataError
from synthetic.bodies import BODIES, Body, BodyLibrary, load_bodies
from synthetic.clothes import Cut, Part, dress
from synthetic.wardrobe import random_cut


def test_the_bodies_that_come_along_are_small() -> None:
    assert BODIES.stat().st_size < 1_500_000


@pytest.mark.parametrize("height_m", [1.1, 1.95])
def test_bodies_stand_as_tall_as_they_should(library: BodyLibrary, height_m: float) -> None:
    shares = np.full(len(library.groups), 1 / len(library.groups))
    body = library.blend(shares, height_m)
    skin = body.vertices[library.faces["body"].ravel(), 2]
    assert skin.max() - skin.min() == pytest.approx(height_m, rel=1e-3)


def test_keypoints_of_a_body_are_where_coco_has_them(body: Body) -> None:
    library = body.library
    keypoints = library.keypoint_weights @ body.vertices[library.keypoint_vertices]
    nose, left_eye, right_eye = keypoints[:3]
    assert nose[1] < left_eye[1]  # the nose sticks out, forwards is -y
    assert left_eye[0] > 0 > right_eye[0]
    heights = keypoints[[1, 5, 7, 11, 13, 15], 2]
    assert (np.diff(heights) < 0).all()  # eye, shoulder, elbow, hip, knee, ankle


def test_every_cut_gives_a_sound_mesh(body: Body) -> None:
    choices = itertools.product(
        ("none", "short", "long"),
        ("long", "short", "skirt"),
        ("low", "boots", "none"),
        ("short", "long", "none"),
        ("none", "cap"),
    )
    for sleeve, bottom, shoes, hair, hat in itertools.islice(choices, 0, None, 7):
        cut = Cut(sleeve=sleeve, bottom=bottom, shoes=shoes, hair=hair, hat=hat)
        figure = dress(body, cut)
        assert figure.faces.min() == 0
        assert figure.faces.max() == len(figure.vertices) - 1
        assert np.isfinite(figure.vertices).all()
        assert figure.weights.sum(1) == pytest.approx(1, abs=1e-4)
        assert np.linalg.norm(figure.normals, axis=1) == pytest.approx(1, abs=1e-3)
        parts = set(figure.parts)
        assert {Part.SKIN, Part.TOP} <= parts
        assert (Part.SKIRT in parts) == (bottom == "skirt")
        assert (Part.SHOES in parts) == (shoes != "none")
        assert (Part.HAIR in parts) == (hair != "none")


def test_hems_are_straight(body: Body) -> None:
    figure = dress(body, Cut(hem_m=0.03, sleeve="none", bottom="short"))
    for part in (Part.TOP, Part.BOTTOM):
        heights = figure.vertices[np.unique(figure.faces[figure.parts == part]), 2]
        assert (np.abs(heights - heights.min()) < 1e-4).sum() > 20


def test_random_cuts_dress_random_bodies(library: BodyLibrary) -> None:
    rng = np.random.default_rng(3)
    for _ in range(15):
        figure = dress(library.sample(rng), random_cut(bool(rng.integers(2)), rng))
        assert np.isfinite(figure.vertices).all()


def test_a_file_that_is_no_body_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bodies.npz"
    with pytest.raises(DataError, match="bodies"):
        load_bodies(path)
    path.write_bytes(b"not a zip archive")
    with pytest.raises(DataError, match="python -m synthetic bodies"):
        load_bodies(path)
    np.savez(path, mean=np.zeros(3))
    with pytest.raises(DataError):
        load_bodies(path)
