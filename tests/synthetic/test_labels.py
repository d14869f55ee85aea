"""Labels agree with the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synthetic.actor import Actor
from synthetic.capture import capture
from synthetic.images import ImageMaker
from synthetic.labels import HIDDEN, OUTSIDE, VISIBLE, label_people
from synthetic.materials import Kind, Material
from synthetic.pose import Pose
from synthetic.props import box
from synthetic.scene import Scene, render
from synthetic.sensor import Sensor

_GREY = Material(kind=Kind.LEATHER, colour=(0.5, 0.5, 0.5))


def test_box_and_area_are_those_of_the_mask(standing: Scene) -> None:
    rendering = render(standing)
    (label,) = label_people(rendering, standing.actors)
    rows, columns = np.nonzero(rendering.owner == 0)
    assert label.area == len(rows)
    assert label.box == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    left, top, width, height = label.full_box
    assert left <= columns.min() and top <= rows.min()
    assert left + width >= columns.max() and top + height >= rows.max()


def test_a_person_who_faces_the_camera_shows_all_keypoints(standing: Scene) -> None:
    (label,) = label_people(render(standing), standing.actors)
    assert (label.keypoints[:, 2] == VISIBLE).all()
    left, right = label.keypoints[1::2, 0], label.keypoints[2::2, 0]
    assert (left > right).all()  # the person's left is on the right of the picture


def test_from_behind_the_face_is_hidden(standing: Scene) -> None:
    actor = standing.actors[0]
    turned = Actor.stand(actor.figure, actor.palette, Pose(heading=np.pi), 0.0, 3.0)
    (label,) = label_people(render(replace(standing, actors=[turned])), [turned])
    assert (label.keypoints[:3, 2] == HIDDEN).all()
    assert (label.keypoints[5:7, 2] == VISIBLE).all()


def test_a_wall_in_front_hides_what_is_behind_it(standing: Scene) -> None:
    wall = box((4.0, 0.1, 1.2), (0.0, 2.0, 0.0), 0.0, _GREY)
    (label,) = label_people(render(replace(standing, props=[wall])), standing.actors)
    assert (label.keypoints[13:, 2] == HIDDEN).all()
    assert (label.keypoints[:5, 2] == VISIBLE).all()
    closed = box((4.0, 0.1, 4.0), (0.0, 2.0, 0.0), 0.0, _GREY)
    (label,) = label_people(render(replace(standing, props=[closed])), standing.actors)
    assert (label.keypoints[:, 2] == HIDDEN).all()
    assert label.area == 0


def test_a_person_in_front_hides_the_one_behind(standing: Scene) -> None:
    actor = standing.actors[0]
    behind = Actor.stand(actor.figure, actor.palette, Pose(), 0.0, 4.5)
    front, back = label_people(render(replace(standing, actors=[actor, behind])), [actor, behind])
    assert (front.keypoints[:, 2] == VISIBLE).all()
    assert (back.keypoints[11:13, 2] == HIDDEN).all()
    assert back.area < front.area / 3


def test_keypoints_outside_the_picture_say_so(standing: Scene) -> None:
    actor = standing.actors[0]
    away = Actor.stand(actor.figure, actor.palette, Pose(), 1.3, 3.0)
    (label,) = label_people(render(replace(standing, actors=[away])), [away])
    outside = (label.keypoints[:, 0] < -0.5) | (label.keypoints[:, 0] >= 159.5)
    assert outside.any() and not outside.all()
    assert np.array_equal(label.keypoints[:, 2] == OUTSIDE, outside)


def test_supersampling_changes_edges_and_not_labels(standing: Scene) -> None:
    sensor = Sensor(grain=0)
    coarse, (label,) = capture(standing, sensor, np.random.default_rng(0), 1)
    fine, (fine_label,) = capture(standing, sensor, np.random.default_rng(0), 3)
    assert fine.shape == coarse.shape
    assert np.abs(fine.astype(int) - coarse).mean() < 4
    assert fine_label.keypoints[:, :2] == pytest.approx(label.keypoints[:, :2], abs=0.01)
    assert fine_label.area == pytest.approx(label.area, rel=0.03)
    assert fine_label.box == pytest.approx(label.box, abs=1)


def test_visible_keypoints_of_random_pictures_lie_in_their_boxes(maker: ImageMaker) -> None:
    for index in range(12):
        image, labels = maker.make(index)
        assert image.shape == (120, 160, 3)
        for label in labels:
            x, y, seen = label.keypoints.T
            left, top, width, height = label.box
            visible = seen == VISIBLE
            assert ((x[visible] >= left - 3) & (x[visible] <= left + width + 3)).all()
            assert ((y[visible] >= top - 3) & (y[visible] <= top + height + 3)).all()
            assert label.area <= width * height
