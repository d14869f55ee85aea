"""The whole way from maps to people, and what it promises besides exactness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from configs import KeypointSet, load_model_config
from configs.errors import ConfigError, DataError
from configs.grouping import GroupingConfig
from grouping import Grouper
from tests.grouping.support import assert_same_people, pick
from tests.support import reference_decoder
from tests.support.pose_maps import draw_maps

Maps = tuple[NDArray[np.float32], NDArray[np.float32]]


def draw(
    seed: int, people: int = 4, *, tag_length: int = 2, stray: int = 1, joints: int = 17
) -> Maps:
    return draw_maps(
        np.random.default_rng(seed),
        people,
        64,
        96,
        tag_length=tag_length,
        stray=stray,
        joints=joints,
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    people=st.integers(0, 12),
    stray=st.integers(0, 4),
    tag_length=st.integers(1, 4),
)
@settings(deadline=None, max_examples=25)
def test_drawn_frames_are_decoded_as_by_the_plain_decoder(
    munkres: None, grouper: Grouper, seed: int, people: int, stray: int, tag_length: int
) -> None:
    heatmaps, tags = draw(seed, people, stray=stray, tag_length=tag_length)
    expected = reference_decoder.decode(heatmaps, tags, grouper.keypoint_set.visiting_order)
    found = grouper(heatmaps, tags)
    np.testing.assert_array_equal(found.keypoints, expected.refined[..., :3])
    np.testing.assert_array_equal(found.scores, expected.scores)
    present = expected.grouped[..., 2] > 0
    for person, tag in enumerate(found.tags):
        np.testing.assert_allclose(
            tag, expected.grouped[person, present[person], 3:].mean(axis=0), atol=1e-5
        )
    assert_same_people(grouper(heatmaps, tags, pick(heatmaps, tags)), found)


@pytest.mark.parametrize("name", ["lite", "w32_512", "w32_512_udp", "w32_512_crowdpose"])
def test_what_suits_a_model_is_taken_from_the_model(name: str) -> None:
    model = load_model_config(name)
    grouper = Grouper.for_model(model)
    assert grouper.keypoint_set.name == model.keypoint_set
    assert grouper.config.adjustment == model.adjustment
    assert grouper.config.min_person_score == model.min_person_score
    assert Grouper.for_model(model, min_person_score=0.4).config.min_person_score == 0.4


def test_crowdpose_visits_its_joints_in_its_own_order(
    munkres: None, groupers: dict[int, Grouper]
) -> None:
    heatmaps, tags = draw(2, 6, joints=14)
    expected = reference_decoder.decode(heatmaps, tags, groupers[14].keypoint_set.visiting_order)
    np.testing.assert_array_equal(groupers[14](heatmaps, tags).keypoints, expected.refined[..., :3])


def test_any_keypoint_set_will_do(munkres: None) -> None:
    order = (2, 0, 1)
    keypoint_set = KeypointSet(
        name="three",
        names=("a", "b", "c"),
        flip_pairs=(),
        sigmas=(0.1,) * 3,
        links=(),
        visiting_order=order,
    )
    heatmaps, tags = draw(4, joints=3)
    expected = reference_decoder.decode(heatmaps, tags, order)
    np.testing.assert_array_equal(
        Grouper(keypoint_set)(heatmaps, tags).keypoints, expected.refined[..., :3]
    )


@pytest.mark.parametrize("max_people", [1, 3, 70])
def test_another_number_of_people_means_as_many_candidates_and_comparisons(
    munkres: None, max_people: int
) -> None:
    heatmaps, tags = draw(6, 6, stray=2)
    grouper = Grouper(config=GroupingConfig(max_people=max_people))
    grouped = reference_decoder.match(
        reference_decoder.find_candidates(heatmaps, tags, max_people),
        grouper.keypoint_set.visiting_order,
    )
    expected = reference_decoder.refine(heatmaps, tags, reference_decoder.adjust(heatmaps, grouped))
    np.testing.assert_array_equal(grouper(heatmaps, tags).keypoints, expected[..., :3])


@pytest.mark.parametrize("tag_length", [1, 2, 4])
def test_an_empty_frame_is_a_normal_frame(grouper: Grouper, tag_length: int) -> None:
    heatmaps, tags = (
        np.zeros((17, 64, 96), np.float32),
        np.zeros((17, 64, 96, tag_length), np.float32),
    )
    for people in (grouper(heatmaps, tags), grouper(heatmaps, tags, pick(heatmaps, tags))):
        assert len(people) == 0
        assert people.keypoints.shape == (0, 17, 3)
        assert people.tags.shape == (0, tag_length)
        assert people.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("threshold", "score", "found"),
    [
        (0.1, np.float32(0.1), True),  # as a double it is 0.100000001
        (0.1, np.nextafter(np.float32(0.1), np.float32(0)), False),
        (0.5, np.float32(0.5), False),
        (0.5, np.nextafter(np.float32(0.5), np.float32(1)), True),
    ],
)
def test_a_joint_must_be_above_the_threshold(
    threshold: float, score: np.float32, found: bool
) -> None:
    heatmaps, tags = np.zeros((17, 32, 32), np.float32), np.zeros((17, 32, 32, 1), np.float32)
    heatmaps[3, 9, 9] = score
    grouper = Grouper(config=GroupingConfig(detection_threshold=threshold))
    for people in (grouper(heatmaps, tags), grouper(heatmaps, tags, pick(heatmaps, tags))):
        assert len(people) == found


def test_people_belong_to_the_caller_and_maps_are_left_alone(grouper: Grouper) -> None:
    heatmaps, tags = draw(1)
    before = heatmaps.copy(), tags.copy()
    heatmaps.flags.writeable = False
    people = grouper(heatmaps, tags)
    kept = people.keypoints.copy(), people.scores.copy(), people.tags.copy()
    grouper(*draw(2))
    for array, copy in zip(
        (heatmaps, tags, people.keypoints, people.scores, people.tags),
        (*before, *kept),
        strict=True,
    ):
        np.testing.assert_array_equal(array, copy)


def test_frames_of_changing_size_do_not_disturb_each_other(grouper: Grouper) -> None:
    frames = [
        draw_maps(
            np.random.default_rng(n), n, 40 + 9 * n, 50 + 31 * n, tag_length=1 + n % 3, stray=1
        )
        for n in range(1, 6)
    ]
    alone = [Grouper()(*frame) for frame in frames]
    for people, frame in zip(alone * 2, frames * 2, strict=True):
        assert_same_people(grouper(*frame), people)


@given(seed=st.integers(0, 2**32 - 1), tag_length=st.integers(1, 3))
@settings(deadline=None, max_examples=15)
def test_the_sign_of_the_tags_does_not_matter(grouper: Grouper, seed: int, tag_length: int) -> None:
    heatmaps, tags = draw(seed, tag_length=tag_length)
    people, mirrored = grouper(heatmaps, tags), grouper(heatmaps, -tags)
    np.testing.assert_array_equal(people.keypoints, mirrored.keypoints)
    np.testing.assert_array_equal(people.tags, -mirrored.tags)


@given(seed=st.integers(0, 2**32 - 1), shift=st.tuples(st.integers(0, 20), st.integers(0, 40)))
@settings(deadline=None, max_examples=15)
def test_people_move_with_the_picture(grouper: Grouper, seed: int, shift: tuple[int, int]) -> None:
    """Peaks over an empty background, moved by whole pixels: the same people, elsewhere."""
    heatmaps, tags = draw(seed, tag_length=1)
    heatmaps[heatmaps < 0.1] = 0
    tags[heatmaps == 0] = 0
    heatmaps, tags = (
        np.pad(maps, ((0, 0), (3, 25), (3, 45), (0, 0))[: maps.ndim]) for maps in (heatmaps, tags)
    )
    people, moved = (
        grouper(heatmaps, tags),
        grouper(np.roll(heatmaps, shift, (1, 2)), np.roll(tags, shift, (1, 2))),
    )
    seen = people.keypoints[..., 2] > 0
    np.testing.assert_array_equal(moved.keypoints[..., 2], people.keypoints[..., 2])
    np.testing.assert_array_equal(
        moved.keypoints[seen][:, :2], people.keypoints[seen][:, :2] + shift[::-1]
    )


@given(seed=st.integers(0, 2**32 - 1), permutation=st.permutations(range(17)))
@settings(deadline=None, max_examples=15)
def test_channels_may_come_in_any_order_if_they_are_visited_in_the_same(
    grouper: Grouper, seed: int, permutation: list[int]
) -> None:
    """Tags in steps of 1/256: then sums are exact, and their order does not matter either."""
    heatmaps, tags = draw(seed)
    tags = np.round(tags * 256) / np.float32(256)
    place = np.argsort(permutation)
    shuffled = KeypointSet(
        name="shuffled",
        names=grouper.keypoint_set.names,
        flip_pairs=(),
        sigmas=grouper.keypoint_set.sigmas,
        links=(),
        visiting_order=tuple(int(place[joint]) for joint in grouper.keypoint_set.visiting_order),
    )
    people = grouper(heatmaps, tags)
    other = Grouper(shuffled)(heatmaps[permutation], tags[permutation])
    np.testing.assert_array_equal(other.keypoints, people.keypoints[:, permutation])
    np.testing.assert_allclose(other.scores, people.scores, atol=1e-6)


@given(
    seed=st.integers(0, 2**32 - 1),
    value=st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e18, -1e18]),
    where=st.sampled_from(["heatmaps", "tags", "both"]),
)
@settings(deadline=None, max_examples=40)
def test_values_that_are_not_finite_are_nobody(
    grouper: Grouper, seed: int, value: float, where: str
) -> None:
    heatmaps, tags = draw(seed, tag_length=2)
    spots = np.random.default_rng(seed).random(heatmaps.shape) < (0.01 if seed % 2 else 0.5)
    if where != "tags":
        heatmaps[spots] = value
    if where != "heatmaps":
        tags[spots] = value
    for people in (grouper(heatmaps, tags), grouper(heatmaps, tags, pick(heatmaps, tags))):
        assert np.isfinite(people.keypoints).all()
        assert np.isfinite(people.scores).all()
        assert np.isfinite(people.tags).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_maps_without_one_finite_value_are_empty(grouper: Grouper, value: float) -> None:
    heatmaps, tags = (
        np.full((17, 40, 40), value, np.float32),
        np.full((17, 40, 40, 2), value, np.float32),
    )
    assert len(grouper(heatmaps, tags)) == 0


def spoil(
    heatmaps: NDArray[np.float32], tags: NDArray[np.float32], how: str
) -> tuple[object, object]:
    ways: dict[str, tuple[object, object]] = {
        "14 joints": (heatmaps[:14], tags[:14]),
        "float16": (heatmaps.astype(np.float16), tags),
        "float64 tags": (heatmaps, tags.astype(float)),
        "a batch": (heatmaps[None], tags[None]),
        "no tag axis": (heatmaps, tags[..., 0]),
        "no tags": (heatmaps, tags[..., :0]),
        "other size": (heatmaps, tags[:, ::2]),
        "channels last": (heatmaps.transpose(1, 2, 0), tags.transpose(1, 2, 0, 3)),
        "a list": (heatmaps.tolist(), tags),
        "no pixels": (heatmaps[:, :0], tags[:, :0]),
    }
    return ways[how]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("14 joints", "14 joints, but keypoint set 'coco' has 17"),
        ("float16", "heatmaps must be float32, not float16"),
        ("float64 tags", "tags must be float32, not float64"),
        ("a batch", r"heatmaps must have shape \(J, h, w\), not \(1, 17, 64, 96\)"),
        ("no tag axis", r"tags must have shape \(J, h, w, L\), not \(17, 64, 96\)"),
        ("no tags", r"tags must have shape \(J, h, w, L\), not \(17, 64, 96, 0\)"),
        ("other size", "do not fit"),
        ("channels last", "64 joints, but keypoint set 'coco' has 17"),
        ("a list", "heatmaps must be a numpy array of shape .*, not list"),
        ("no pixels", "heatmaps must have shape"),
    ],
)
def test_wrong_maps_are_named_in_one_line(grouper: Grouper, how: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        grouper(*spoil(*draw(0), how))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x": np.zeros((17, 30), np.int64)},
            r"candidates.x must be int32 of shape \(17, K\).*not int64",
        ),
        ({"y": np.zeros((14, 30), np.int32)}, r"candidates.y must be int32 of shape \(17, K\)"),
        ({"score": np.zeros((17, 29), np.float32)}, r"candidates.x must be"),
        (
            {"tag": np.zeros((17, 30, 1), np.float32)},
            r"candidates.tag must be float32 of shape \(17, K, 2\)",
        ),
        (
            {"x": np.full((17, 30), 96, np.int32)},
            "0 of joint 0 is at x 96, y .*, outside the map of width 96 and height 64",
        ),
        ({"y": np.full((17, 30), -1, np.int32)}, "outside the map"),
    ],
)
def test_wrong_candidates_are_named_in_one_line(
    grouper: Grouper, change: dict[str, NDArray[np.int32]], message: str
) -> None:
    heatmaps, tags = draw(0)
    candidates = pick(heatmaps, tags)
    for name, array in change.items():
        object.__setattr__(candidates, name, array)
    with pytest.raises(DataError, match=message):
        grouper(heatmaps, tags, candidates)


def test_fewer_or_more_candidates_than_people_are_fine(grouper: Grouper) -> None:
    heatmaps, tags = draw(0, 3, stray=0)
    everything = pick(heatmaps, tags)
    for count in (0, 1, 8, 30):
        some = pick(heatmaps, tags)
        for name in ("x", "y", "score", "tag"):
            object.__setattr__(some, name, getattr(everything, name)[:, :count])
        people = grouper(heatmaps, tags, some)
        if count >= 8:
            assert_same_people(people, grouper(heatmaps, tags))
        assert len(people) <= 17 * count


@pytest.mark.parametrize(
    "option",
    [
        {"refine_floor": 0.05},
        {"min_person_score": 0.1},
        {"duplicate_distance_px": 3.0},
        {"reweight_by_distance": True},
    ],
)
def test_reference_mode_refuses_what_the_official_parser_does_not_have(
    option: dict[str, float],
) -> None:
    config = GroupingConfig(**option)  # type: ignore[arg-type]
    with pytest.raises(
        ConfigError, match=f"{next(iter(option))}: not in the reference decoder.* use mode 'tuned'"
    ):
        Grouper(config=config)
    Grouper(mode="tuned", config=config)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown keypoint set 'cocoa'"):
        Grouper("cocoa")
    with pytest.raises(ConfigError, match="mode must be 'reference' or 'tuned', not 'fast'"):
        Grouper(mode="fast")  # type: ignore[arg-type]


def test_tuned_mode_without_options_is_the_reference(grouper: Grouper) -> None:
    maps = draw(7, 5, stray=2)
    assert_same_people(Grouper(mode="tuned")(*maps), grouper(*maps))


def test_stages_can_be_left_out(grouper: Grouper) -> None:
    heatmaps, tags = draw(9)
    frame = grouper.prepare(heatmaps, tags)
    grouper.find_candidates(frame)
    grouped = grouper.match(frame)
    people = Grouper(config=GroupingConfig(adjust=False, refine=False))(heatmaps, tags)
    assert_same_people(people, grouped)
    people = Grouper(config=GroupingConfig(refine=False))(heatmaps, tags)
    np.testing.assert_array_equal(
        people.keypoints, reference_decoder.adjust(heatmaps, grouped.keypoints)
    )


def test_people_with_a_low_score_are_left_out_and_the_others_stay_as_they_are(
    grouper: Grouper,
) -> None:
    maps = draw(11, 5, stray=3)
    everybody = grouper(*maps)
    people = Grouper(mode="tuned", config=GroupingConfig(min_person_score=0.2))(*maps)
    strong = everybody.scores >= 0.2
    assert 0 < strong.sum() < len(strong)
    np.testing.assert_array_equal(people.keypoints, everybody.keypoints[strong])
    np.testing.assert_array_equal(people.scores, everybody.scores[strong])
