"""Less jitter for joints that are still, little lag for those that move."""

from __future__ import annotations

import numpy as np
import pytest

from configs import load_keypoint_set
from stream.tracking import Tracker
from tests.stream.tracking.walkers import Walker, people_of

COCO = load_keypoint_set("coco")


def tracked(
    walker: Walker, times_s: np.ndarray, *, smooth: bool, noise_px: float = 0.0, score: float = 0.8
) -> np.ndarray:
    """(frames, 17, 2) where the joints are said to be."""
    tracker, rng = Tracker(COCO, smooth=smooth), np.random.default_rng(0)
    places = []
    for time_s in times_s:
        joints = walker.joints(float(time_s))
        joints[:, :2] += rng.normal(0, noise_px, (17, 2)).astype(np.float32)
        joints[:, 2] = score
        places.append(tracker.track(people_of([joints]), float(time_s)).keypoints[0, :, :2])
    return np.array(places)


def jitter(places: np.ndarray) -> float:
    """Root mean square of the second differences, in pixels."""
    return float(np.sqrt((np.diff(places, 2, axis=0) ** 2).sum(axis=2).mean()))


def still(times_s: np.ndarray, **options: float) -> tuple[float, float]:
    """Jitter with and without smoothing of somebody who stands."""
    walker = Walker(100, 50, speed_px_s=0.0)
    times_s = np.zeros_like(times_s) + times_s
    joints = walker.joints(0.0)
    frozen = type("Standing", (), {"joints": lambda self, time_s: joints.copy()})()
    results = [
        tracked(frozen, times_s, smooth=smooth, noise_px=2.0, **options) for smooth in (True, False)
    ]
    return jitter(results[0]), jitter(results[1])


@pytest.mark.parametrize("fps", [10.0, 25.0, 50.0])
def test_joints_that_are_still_jitter_less_than_half_as_much(fps: float) -> None:
    smoothed, plain = still(np.arange(200) / fps)
    assert smoothed < 0.5 * plain


def test_a_doubtful_joint_is_followed_less() -> None:
    times_s = np.arange(200) / 25
    sure, _ = still(times_s, score=0.8)
    doubtful, _ = still(times_s, score=0.15)
    assert doubtful < 0.7 * sure


def test_joints_at_walking_pace_lag_less_than_a_frame_and_a_half() -> None:
    times_s = np.arange(100) / 25
    walker = Walker(100, 50, speed_px_s=0.8 * 150)
    behind_px = tracked(walker, times_s, smooth=False) - tracked(walker, times_s, smooth=True)
    trunk = behind_px[25:, [0, 5, 6, 11, 12], 0]
    assert 0 < trunk.mean() / walker.speed_px_s < 0.06  # seconds


def test_near_and_far_people_are_smoothed_alike() -> None:
    times_s = np.arange(50) / 25
    near = tracked(Walker(100, 50, speed_px_s=100, height_px=400), times_s, smooth=True)
    far = tracked(Walker(25, 12.5, speed_px_s=25, height_px=100), times_s, smooth=True)
    assert near == pytest.approx(4 * far, abs=0.02)


def test_scores_and_missing_joints_stay_as_they_are() -> None:
    tracker, walker = Tracker(COCO, smooth=True), Walker(100, 50)
    for time_s in np.arange(10) / 25:
        joints = walker.joints(float(time_s))
        joints[3] = (7, 8, 0)
        people = people_of([joints])
        found = tracker.track(people, float(time_s))
        assert (found.keypoints[..., 2] == people.keypoints[..., 2]).all()
        assert found.keypoints[0, 3].tolist() == [7, 8, 0]
    assert people.keypoints is not found.keypoints  # what came in is not changed


def test_somebody_who_comes_back_does_not_slide_in_from_where_they_were() -> None:
    tracker, walker = Tracker(COCO, smooth=True), Walker(100, 50)
    for time_s in np.arange(20) / 25:
        tracker.track(people_of([walker.joints(float(time_s))]), float(time_s))
    later = walker.joints(1.7)
    assert (tracker.track(people_of([later]), 1.7).keypoints[0] == later).all()
