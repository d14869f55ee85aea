"""The drawn image: what must be seen, what must not, and what may never crash it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from configs import load_keypoint_set
from configs.errors import ConfigError
from grouping import People
from stream.render.heatmaps import draw_maps
from stream.render.renderer import RenderConfig, Renderer, Status, make_skeleton
from stream.render.skeleton import capsule
from stream.render.text import draw_glyphs, text_codes
from stream.render.theme import LEFT, MIDDLE, RIGHT, load_theme, theme_names
from tests.support.people import STANDING_ACROSS, STANDING_DOWN

COCO = load_keypoint_set("coco")
HEIGHT, WIDTH = 240, 320
STATUS = Status(fps=29.7, latency_ms=34.2, drops=3, runtime="lite, openvino bf16")


def standing(x: float, y: float = 60.0, *, height: float = 140.0, score: float = 0.9) -> np.ndarray:
    """(17, 3) joints of somebody who stands facing the camera, nose at (x, y)."""
    joints = np.stack(
        (x + height * STANDING_ACROSS, y + height * STANDING_DOWN, np.full(17, score)), axis=1
    )
    return joints.astype(np.float32)


def people_of(*keypoints: np.ndarray) -> People:
    stacked = np.stack(keypoints) if keypoints else np.zeros((0, 17, 3), np.float32)
    return People(stacked, stacked[..., 2].mean(axis=1), np.zeros((len(stacked), 1), np.float32))


def drawn(
    people: People,
    *,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    status: Status | None = None,
    **options,
) -> np.ndarray:
    image = np.full((*size, 3), 128, np.uint8)
    Renderer(COCO, options=RenderConfig(**options)).draw(image, people, status)
    return image


def changed(image: np.ndarray) -> np.ndarray:
    return (image != 128).any(axis=2)


def test_nobody_and_no_status_leave_the_image_as_it_was():
    assert not changed(drawn(people_of())).any()


def test_every_joint_and_link_is_covered():
    joints = standing(160)
    seen = changed(drawn(people_of(joints)))
    for x, y, _ in joints:
        assert seen[round(y), round(x)]
    for first, second in COCO.links:
        x, y = (joints[first, :2] + joints[second, :2]) / 2
        assert seen[round(y), round(x)]


def test_joints_below_the_threshold_are_not_drawn():
    joints = standing(160)
    joints[:, 2] = 0.1
    assert not changed(drawn(people_of(joints), joint_threshold=0.15)).any()
    joints[9] = (40, 200, 0.9)
    seen = changed(drawn(people_of(joints), joint_threshold=0.15))
    assert seen[200, 40]
    assert not seen[:, 80:].any(), "a limb to a joint below the threshold was drawn"


def test_a_surer_person_is_drawn_more_opaque():
    strength = [
        np.abs(drawn(people_of(standing(160, score=score))).astype(int) - 128).sum()
        for score in (0.2, 0.4, 0.6)
    ]
    assert strength[0] < strength[1] < strength[2]


def test_near_people_get_thicker_limbs_than_far_ones():
    far = changed(drawn(people_of(standing(160, height=60)), size=(1080, 1920))).sum() / 60
    near = changed(drawn(people_of(standing(160, height=900)), size=(1080, 1920))).sum() / 900
    assert near > 1.8 * far


def test_left_and_right_are_told_apart():
    joints = standing(160)
    for theme in theme_names():
        image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        Renderer(COCO, theme).draw(image, people_of(joints))
        left = image[tuple(np.round((joints[11, 1::-1] + joints[13, 1::-1]) / 2).astype(int))]
        right = image[tuple(np.round((joints[12, 1::-1] + joints[14, 1::-1]) / 2).astype(int))]
        assert np.abs(left.astype(int) - right).max() > 40, theme


def test_edges_are_smooth():
    joints = np.zeros((17, 3), np.float32)
    joints[5], joints[7] = (40.3, 30.2, 0.9), (280.6, 180.9, 0.9)
    image = drawn(people_of(joints)).astype(int)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 40, (
        "few shades: the limb has jagged edges"
    )


def test_a_limb_covers_what_opencv_covers():
    """The compiled capsule and OpenCV's thick anti-aliased line cover the same pixels, up to their
    edges.
    """
    ours, theirs = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    capsule(ours, 40.0, 50.0, 260.0, 170.0, 6.0, np.full(3, 255, np.float32), 1.0, 0.0)
    cv2.line(theirs, (40, 50), (260, 170), (255, 255, 255), 12, cv2.LINE_AA)
    inside = cv2.erode(theirs, np.ones((3, 3), np.uint8)) == 255
    outside = cv2.dilate(theirs, np.ones((3, 3), np.uint8)) == 0
    assert (ours[inside] == 255).all()
    assert (ours[outside] == 0).all()


def test_sides_of_links_follow_the_flip_pairs():
    skeleton = make_skeleton(COCO)
    assert [skeleton.joint_shades[joint] for joint in (0, 5, 6)] == [MIDDLE, LEFT, RIGHT]
    sides = {
        tuple(link): side
        for link, side in zip(skeleton.links.tolist(), skeleton.link_shades.tolist(), strict=True)
    }
    assert (sides[5, 7], sides[6, 8], sides[5, 6], sides[0, 1]) == (LEFT, RIGHT, MIDDLE, LEFT)


@pytest.mark.parametrize("name", ["coco", "crowdpose"])
def test_every_keypoint_set_and_theme_can_be_drawn(name):
    keypoint_set = load_keypoint_set(name)
    keypoints = np.random.default_rng(0).random((3, len(keypoint_set), 3), np.float32) * np.float32(
        [WIDTH, HEIGHT, 1]
    )
    people = People(keypoints, np.ones(3, np.float32), np.zeros((3, 1), np.float32))
    for theme in theme_names():
        image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        Renderer(
            keypoint_set, theme, RenderConfig(boxes=True, ids=True, scores=True, trails=5)
        ).draw(image, people, STATUS)
        assert changed(image).any()


def test_the_same_person_keeps_the_colour_when_the_order_changes():
    renderer = Renderer(COCO)
    places = (standing(80), standing(240))
    images = []
    for order in ((0, 1), (1, 0)):
        images.append(np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
        people = people_of(*(places[index] for index in order))
        renderer.draw(images[-1], replace(people, ids=np.array(order) + 7))
    assert (images[0] == images[1]).all()


def test_somebody_unknown_has_no_number_and_leaves_no_trail():
    options = RenderConfig(skeletons=False, boxes=False, ids=True, trails=3, status=False)
    renderer = Renderer(COCO, options=options)
    people = replace(people_of(standing(80)), ids=np.array([-1]))
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for _ in range(4):
        renderer.draw(image, people)
    assert not changed(image).any()
    renderer.draw(image, replace(people, ids=np.array([1])))
    assert changed(image).any()


def test_a_black_background_shows_nothing_of_the_image():
    image = np.random.default_rng(0).integers(1, 255, (HEIGHT, WIDTH, 3), np.uint8)
    Renderer(COCO, options=RenderConfig(background="black")).draw(image, people_of())
    assert not image.any()


def test_a_blurred_background_has_no_detail_left():
    board = np.kron(np.indices((HEIGHT // 6, WIDTH // 8)).sum(axis=0) % 2, np.ones((6, 8))) * 255
    image = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    Renderer(COCO, options=RenderConfig(background="blur")).draw(image, people_of())
    assert image.std() < 25


@pytest.mark.parametrize("hidden", [[], [0, 1, 2, 3, 4], [1, 2, 3, 4, 6], [0, 1, 2, 3, 4, 11, 12]])
def test_faces_are_gone_and_the_rest_is_not(hidden):
    joints = standing(160)
    joints[hidden, 2] = 0
    pattern = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    image = pattern.copy()
    Renderer(COCO, options=RenderConfig(blur_faces=True, skeletons=False)).draw(
        image, people_of(joints)
    )
    face = (slice(54, 66), slice(152, 168))
    assert (image[face] == pattern[face]).mean() < 0.1
    assert len(np.unique(image[face].reshape(-1, 3), axis=0)) < 20
    assert (image[140:] == pattern[140:]).all()


def test_the_status_line_stays_in_its_corner():
    seen = changed(drawn(people_of(), status=STATUS, size=(720, 1280)))
    rows, columns = np.nonzero(seen)
    assert rows.min() > 660
    assert columns.max() < 640


@pytest.mark.parametrize(
    ("status", "people", "words"),
    [
        (STATUS, 2, ["29.7 FPS", "34 ms", "2 people", "3 dropped", "lite, openvino bf16"]),
        (replace(STATUS, drops=0), 1, ["29.7 FPS", "34 ms", "1 person", "0 dropped"]),
        (Status(fps=12.0, latency_ms=None, drops=0), 0, ["12.0 FPS", "0 people"]),
        (Status(fps=12.0, latency_ms=None, drops=5), 0, ["12.0 FPS", "0 people", "5 dropped"]),
        (Status(fps=None, latency_ms=None, drops=0, runtime="lite"), 4, ["4 people", "lite"]),
    ],
)
def test_the_status_line_says_nothing_that_means_nothing(status, people, words):
    """Of a file that is read ahead a latency is the length of the queue."""
    assert status.words(people)[: len(words)] == words
    assert len(status.words(people)) == len(words) or status.runtime == "lite, openvino bf16"


def test_the_status_line_can_be_turned_off():
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    Renderer(COCO, options=RenderConfig(status=False)).draw(image, people_of(), STATUS)
    assert not changed(image).any()


def test_boxes_ids_and_scores_are_drawn_when_asked():
    people = replace(people_of(standing(160)), ids=np.array([3]))
    plain = drawn(people)
    for option in ("boxes", "ids", "scores"):
        assert (drawn(people, **{option: True}) != plain).sum() > 100, option


def test_trails_show_where_hands_and_feet_were():
    renderer = Renderer(COCO, options=RenderConfig(trails=10, skeletons=False))
    for step in range(10):
        image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        renderer.draw(image, replace(people_of(standing(60 + 15 * step)), ids=np.array([3])))
    seen = changed(image)
    ankle_row = round(float(standing(0)[15, 1]))
    assert seen[ankle_row - 2 : ankle_row + 3, 90:190].any(axis=0).mean() > 0.9
    # Its older parts are still to be seen, not only to be found.
    old = np.abs(image[ankle_row - 2 : ankle_row + 3, 75:90].astype(int) - 128).max(axis=(0, 2))
    assert old.min() > 35
    renderer.draw(second := np.full((HEIGHT, WIDTH, 3), 128, np.uint8), people_of())
    assert not changed(second).any() or changed(second).sum() <= seen.sum()


@dataclass
class FakeAlignment:
    scale: float

    def to_image(self, keypoints):
        return keypoints * np.float32([self.scale, self.scale, 1])


@dataclass
class FakeMaps:
    heatmaps: np.ndarray
    tags: np.ndarray
    alignment: FakeAlignment


@pytest.mark.parametrize("kind", ["heatmaps", "tags"])
def test_maps_are_laid_where_they_belong(kind):
    heatmaps = np.zeros((17, 60, 80), np.float32)
    heatmaps[3, 20:24, 50:54] = 1
    maps = FakeMaps(heatmaps, np.zeros((17, 60, 80, 1), np.float32), FakeAlignment(4))
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    Renderer(COCO, options=RenderConfig(maps=kind)).draw(image, people_of(), maps=maps)
    rows, columns = np.nonzero(changed(image))
    assert 74 <= rows.min() <= 80
    assert 92 <= rows.max() <= 98
    assert 194 <= columns.min() <= 200
    assert 212 <= columns.max() <= 218


def test_people_beyond_the_range_of_tags_still_have_colours_of_their_own():
    """The tags of `lite` are places; right of the middle all people were red."""
    heatmaps = np.ones((1, 4, 40), np.float32)
    tags = np.repeat(np.float32([5, 6, 7.5, 9, 11]), 8)[None, None, :, None] * np.ones((1, 4, 1, 1))
    image = np.full((4, 40, 3), 128, np.uint8)
    maps = FakeMaps(heatmaps, tags.astype(np.float32), FakeAlignment(1))
    draw_maps(image, maps, "tags")
    colours = image[2, 4::8].astype(int)
    for first, second in itertools.combinations(colours, 2):
        assert np.abs(first - second).max() > 60, colours


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float32, (2, 17, 3), elements=st.floats(width=32)),
    st.sampled_from([(1, 1), (2, 7), (64, 48)]),
    st.sampled_from(["none", "black", "blur"]),
)
def test_no_coordinates_and_no_image_size_crash_it(keypoints, size, background):
    with np.errstate(all="ignore"):
        people = People(
            keypoints, np.nan_to_num(keypoints[:, :, 2]).mean(axis=1), np.zeros((2, 1), np.float32)
        )
    options = RenderConfig(
        background=background, boxes=True, ids=True, scores=True, blur_faces=True, trails=3
    )
    Renderer(COCO, options=options).draw(np.full((*size, 3), 128, np.uint8), people, STATUS)


def test_unknown_themes_and_bad_colours_are_one_line(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'night'"):
        Renderer(COCO, "nihgt")
    path = tmp_path / "mine.yaml"
    path.write_text(
        "palette: [red]\nleft: {towards: '#ffffff', amount: 0}\nright: "
        "{towards: '#ffffff', amount: 0}\n"
        "middle: {towards: '#ffffff', amount: 0}\n"
    )
    with pytest.raises(ConfigError, match="#rrggbb, not 'red'"):
        Renderer(COCO, str(path))
    with pytest.raises(ConfigError, match="joint_threshold"):
        RenderConfig(joint_threshold=2)


def test_a_theme_file_of_ones_own_is_a_theme(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "palette: ['#ff0000']\nleft: {towards: '#ffffff', amount: 0}\nright: "
        "{towards: '#ffffff', amount: 0}\n"
        "middle: {towards: '#ffffff', amount: 0}\n"
    )
    assert (load_theme(str(path)).shades() == np.float32([0, 0, 255])).all()


def test_warming_up_does_not_touch_what_is_drawn():
    renderer = Renderer(COCO, options=RenderConfig(trails=4))
    renderer.warm_up()
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    renderer.draw(image, people_of(standing(160)))
    fresh = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    Renderer(COCO, options=replace(renderer.options)).draw(fresh, people_of(standing(160)))
    assert (image == fresh).all()


@pytest.mark.parametrize("height", [14, 24, 49])
def test_letters_are_drawn_with_and_without_the_fonts_of_opencv_5(height, monkeypatch):
    for has_fonts in (True, False):
        if not has_fonts:
            monkeypatch.delattr(cv2, "FontFace", raising=False)
        glyphs = draw_glyphs(height)
        ink = glyphs.masks.astype(bool).sum(axis=(1, 2))
        assert (ink[1:] > 0).all(), "a character left no trace"
        digits = glyphs.advances[text_codes("0123456789")]
        assert len(set(digits.tolist())) == 1, "a number that changes would make the line jump"
        assert (glyphs.advances > 0).all()
        assert glyphs.masks[:, :, -1].max() == 0, "a character is cut off"
