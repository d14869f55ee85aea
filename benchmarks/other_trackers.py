"""Other people's trackers, and the nearest skeleton, behind one call."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.tracks import Enlargement, boxes_around

_LOST_S = 2.0  # the same patience for everybody


def _boxes(moment: Any) -> NDArray[np.float64]:
    """(P, 4) left, top, right, bottom around bodies."""
    boxes = Enlargement()(boxes_around(moment.people.keypoints.astype(np.float64)))
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)


def nearest_skeleton(clip: Any) -> Any:
    """What drew the numbers of `--ids` before there was tracking: greedy, mean distance of joints
    below 0.35 of the person's size, forgotten after 20 frames.
    """
    known: dict[int, tuple[NDArray[np.float32], int]] = {}
    state = {"next": 0, "frame": 0}

    def update(moment: Any) -> NDArray[np.int64]:
        state["frame"] += 1
        people = moment.people
        ids = np.full(len(people), -1, np.int64)
        pairs = []
        sure = people.scores >= clip.min_score
        for person in np.flatnonzero(sure):
            joints = people.keypoints[person]
            seen = joints[:, 2] >= 0.15
            if not seen.any():
                continue
            size = np.ptp(joints[seen, :2], axis=0).max()
            for identity, (other, _) in known.items():
                both = seen & (other[:, 2] >= 0.15)
                if both.any():
                    apart = np.linalg.norm(joints[both, :2] - other[both, :2], axis=1).mean()
                    pairs.append((apart / max(1.0, size), person, identity))
        taken: set[int] = set()
        for distance, person, identity in sorted(pairs):
            if distance < 0.35 and ids[person] < 0 and identity not in taken:
                ids[person] = identity
                taken.add(identity)
        for person in np.flatnonzero(sure & (ids < 0)):
            ids[person] = state["next"]
            state["next"] += 1
        for person in np.flatnonzero(sure):
            known[int(ids[person])] = people.keypoints[person], state["frame"]
        for identity in [key for key, (_, seen) in known.items() if state["frame"] - seen > 20]:
            del known[identity]
        return ids

    return update


def _roboflow(name: str, **options: Any) -> Any:
    def make(clip: Any) -> Any:
        try:
            import supervision as sv
            import trackers
        except ImportError:
            return None
        times = [moment.time_s for moment in clip.moments]
        rate = 1 / float(np.median(np.diff(times)))
        least = clip.min_score
        # their thresholds are for scores of detectors; ours have the same meaning for people
        scaled = {key: factor * least for key, factor in options.items()}
        tracker = getattr(trackers, name)(
            lost_track_buffer=round(30 * _LOST_S),
            frame_rate=rate,
            minimum_consecutive_frames=2,
            **scaled,
        )

        def update(moment: Any) -> NDArray[np.int64]:
            people = moment.people
            detections = sv.Detections(
                xyxy=_boxes(moment), confidence=people.scores.astype(np.float64),
                class_id=np.arange(len(people)),
            )  # fmt: skip
            found = tracker.update(detections, timestamp=moment.time_s)
            ids = np.full(len(people), -1, np.int64)
            if found.tracker_id is not None and len(found):
                ids[found.class_id] = found.tracker_id
            return ids

        return update

    return make


def norfair(clip: Any) -> Any:
    """Norfair as its own pose example uses it, with the speed of this clip."""
    try:
        package: Any = import_module("norfair")
    except ImportError:
        return None
    height = clip.moments[0].image.shape[0]
    rate = 1 / float(np.median(np.diff([moment.time_s for moment in clip.moments])))
    near_px = height / 40

    def distance(detection: Any, tracked: Any) -> float:
        apart = np.linalg.norm(detection.points - tracked.estimate, axis=1)
        both = (detection.scores > 0.1) & (tracked.last_detection.scores > 0.1)
        return float(1 / (1 + np.count_nonzero((apart < near_px) & both)))

    tracker = package.Tracker(
        distance_function=distance, distance_threshold=0.4, detection_threshold=0.1,
        hit_counter_max=max(3, round(_LOST_S * rate)), initialization_delay=1,
        pointwise_hit_counter_max=10,
    )  # fmt: skip

    def update(moment: Any) -> NDArray[np.int64]:
        people = moment.people
        detections = [
            package.Detection(
                points=joints[:, :2].astype(float), scores=joints[:, 2].astype(float), data=index
            )
            for index, joints in enumerate(people.keypoints)
            if people.scores[index] >= clip.min_score
        ]
        ids = np.full(len(people), -1, np.int64)
        for found in tracker.update(detections=detections):
            if found.last_detection in detections:
                ids[found.last_detection.data] = found.id
        return ids

    return update


OTHERS: dict[str, Any] = {
    "nearest skeleton (before)": nearest_skeleton,
    "trackers ByteTrack": _roboflow(
        "ByteTrackTracker", track_activation_threshold=1.5, high_conf_det_threshold=1.25
    ),
    "trackers OC-SORT": _roboflow("OCSORTTracker", high_conf_det_threshold=1.25),
    "trackers SORT": _roboflow("SORTTracker", track_activation_threshold=1.5),
    "norfair": norfair,
}
