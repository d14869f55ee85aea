"""Whose joint a candidate is: matching by tag."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from grouping.assignment import Assignment, assign
from grouping.candidates import CandidateBuffer

# What the official parser writes into surplus columns. Together with float64 rounding it decides
# between equal costs.
_PADDING_COST = 1e10


class Groups(NamedTuple):
    """The people that are being put together, in the order in which they were opened.

    Attributes:
        key: (capacity,) float32, first component of the tag that opened the group.
        member: (capacity, J) int64, index of the candidate that is the joint, or -1.
        tag: (capacity, J, L) float32, tags of the candidates that joined, in that order.
        tag_count: (capacity,) how many joined.
        mean: (N, L) float32 mean tags; scratch of one joint.
        distance: (N groups, N candidates) float64 tag distances; scratch of one joint.
    """

    key: NDArray[np.float32]
    member: NDArray[np.int64]
    tag: NDArray[np.float32]
    tag_count: NDArray[np.int64]
    mean: NDArray[np.float32]
    distance: NDArray[np.float64]

    @classmethod
    def allocate(cls, joints: int, max_people: int, tag_length: int) -> Groups:
        """Room for every candidate to open a group."""
        capacity = joints * max_people
        return cls(
            key=np.zeros(capacity, np.float32),
            member=np.zeros((capacity, joints), np.int64),
            tag=np.zeros((capacity, joints, tag_length), np.float32),
            tag_count=np.zeros(capacity, np.int64),
            mean=np.zeros((max_people, tag_length), np.float32),
            distance=np.zeros((max_people, max_people)),
        )


@kernel
def _mean(values: NDArray[np.float32], count: int, in_blocks: bool) -> np.float32:
    """Mean of the first `count` values as NumPy computes it in float32, rounding included.

    NumPy adds along a contiguous axis in eight interleaved sums (`in_blocks`), along any other one
    after the other.
    """
    total = np.float32(0)
    first_single = 0
    if in_blocks and count >= 8:
        sums = (
            values[0],
            values[1],
            values[2],
            values[3],
            values[4],
            values[5],
            values[6],
            values[7],
        )
        first_single = 8
        while first_single + 8 <= count:
            i = first_single
            sums = (
                sums[0] + values[i], sums[1] + values[i + 1], sums[2] + values[i + 2],
                sums[3] + values[i + 3], sums[4] + values[i + 4], sums[5] + values[i + 5],
                sums[6] + values[i + 6], sums[7] + values[i + 7],
            )  # fmt: skip
            first_single += 8
        total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + (
            (sums[4] + sums[5]) + (sums[6] + sums[7])
        )
    for i in range(first_single, count):
        total += values[i]
    return total / np.float32(count)


@kernel
def _open_group(
    groups: Groups, count: int, candidates: CandidateBuffer, joint: int, place: int
) -> int:
    """Opens a group with one candidate; returns the number of groups.

    The official parser keeps its groups in a dictionary under the tag's first component. So where
    that key is taken, the group there loses this joint and its tags to the newcomer and keeps its
    other joints.
    """
    keys, key = groups.key, candidates.tag[joint, place, 0]
    group = 0
    while group < count and keys[group] != key:
        group += 1
    if group == count:
        keys[group] = key
        groups.member[group] = -1
        count += 1
    groups.tag_count[group] = 0
    _join(groups, group, candidates, joint, place)
    return count


@kernel
def _join(groups: Groups, group: int, candidates: CandidateBuffer, joint: int, place: int) -> None:
    """Makes a candidate the joint of a group, and its tag one of the group's."""
    groups.member[group, joint] = place
    of_group, of_candidate, number = groups.tag, candidates.tag, groups.tag_count[group]
    for dimension in range(of_group.shape[2]):
        of_group[group, number, dimension] = of_candidate[joint, place, dimension]
    groups.tag_count[group] = number + 1


@kernel
def _measure_distances(
    groups: Groups, compared: int, candidates: CandidateBuffer, joint: int
) -> None:
    """Fills `groups.mean` and `groups.distance` for the first `compared` groups and the joint's
    candidates.
    """
    of_group, of_candidate, mean, distance = (
        groups.tag,
        candidates.tag,
        groups.mean,
        groups.distance,
    )
    places, tag_length = candidates.counts[joint], mean.shape[1]
    for group in range(compared):
        for dimension in range(tag_length):
            mean[group, dimension] = _mean(
                of_group[group, :, dimension], groups.tag_count[group], tag_length == 1
            )
        for place in range(places):
            total = 0.0
            for dimension in range(tag_length):
                difference = np.float64(of_candidate[joint, place, dimension]) - np.float64(
                    mean[group, dimension]
                )
                total += difference * difference
            distance[group, place] = np.sqrt(total)


@kernel
def _distance_factor(
    groups: Groups, group: int, candidates: CandidateBuffer, joint: int, place: int
) -> float:
    """Pixel distance of a candidate to the centre of a group's joints so far."""
    x = y = 0.0
    members = 0
    for other in range(groups.member.shape[1]):
        index = groups.member[group, other]
        if index >= 0:
            x += candidates.x[other, index]
            y += candidates.y[other, index]
            members += 1
    return float(
        np.hypot(candidates.x[joint, place] - x / members, candidates.y[joint, place] - y / members)
    )


@kernel
def match_by_tag(
    candidates: CandidateBuffer,
    visiting_order: NDArray[np.int64],
    tag_threshold: float,
    reweight_by_distance: bool,
    groups: Groups,
    scratch: Assignment,
) -> int:
    """Puts candidates together into groups, joint by joint.

    The official parser's match_by_tag (lib/core/group.py; docs/reference.md, section 3.2): cost is
    the rounded distance to the group's mean tag times 100 less the score.

    Args:
        candidates: What is put together.
        visiting_order: The joints, in the order in which they are looked at.
        tag_threshold: A pair counts only below this distance.
        reweight_by_distance: Whether distances below the threshold, before rounding, grow with the
            distance in pixels to the group's centre, relative to the nearest candidate
            (docs/reference.md, section 3.7).
        groups: Written to.
        scratch: Memory for the assignment.

    Returns:
        How many groups there are.
    """
    count = 0
    max_people = groups.mean.shape[0]
    cost, distance = scratch.cost, groups.distance
    for joint in visiting_order:
        rows = candidates.counts[joint]
        if count == 0:
            for place in range(rows):
                count = _open_group(groups, count, candidates, joint, place)
            continue
        if rows == 0:
            continue
        columns = min(count, max_people)
        _measure_distances(groups, columns, candidates, joint)
        for column in range(columns):
            for row in range(rows):
                cost[column, row] = distance[column, row]
            if reweight_by_distance:
                _reweight(groups, column, candidates, joint, tag_threshold, cost[column])
            for row in range(rows):
                cost[column, row] = np.rint(cost[column, row]) * 100 - np.float64(
                    candidates.score[joint, row]
                )
        size = max(rows, columns)
        cost[columns:size, :size] = _PADDING_COST
        cost[:size, rows:size] = 0.0
        assign(scratch, size)
        for row in range(rows):
            column = scratch.star_in_row[row]
            if column < columns and distance[column, row] < tag_threshold:
                _join(groups, column, candidates, joint, row)
            else:
                count = _open_group(groups, count, candidates, joint, row)
    return count


@kernel
def _reweight(
    groups: Groups,
    group: int,
    candidates: CandidateBuffer,
    joint: int,
    tag_threshold: float,
    distance: NDArray[np.float64],
) -> None:
    """Multiplies the `distance` of each candidate near a group by its pixel distance relative to
    the nearest one's.
    """
    nearest = np.inf
    for place in range(candidates.counts[joint]):
        if groups.distance[group, place] < tag_threshold:
            nearest = min(nearest, _distance_factor(groups, group, candidates, joint, place))
    for place in range(candidates.counts[joint]):
        if groups.distance[group, place] < tag_threshold:
            distance[place] *= _distance_factor(groups, group, candidates, joint, place) / max(
                nearest, 1e-10
            )


@kernel
def collect_people(
    candidates: CandidateBuffer,
    groups: Groups,
    keypoints: NDArray[np.float32],
    scores: NDArray[np.float32],
    tags: NDArray[np.float32],
) -> None:
    """Fills `keypoints` (P, J, 3), whole pixels, zeros where missing; `scores` (P,) and `tags` (P,
    L), means over joints.

    A score is the mean over all J joints, a tag that over the joints that were found, in the order
    of their index.
    """
    joints = keypoints.shape[1]
    tag_length = tags.shape[1]
    found_tags = (
        groups.tag
    )  # matching is over, so this is free to hold the tags in the order of the joints
    for person in range(keypoints.shape[0]):
        for joint in range(joints):
            place = groups.member[person, joint]
            if place < 0:
                keypoints[person, joint] = 0
            else:
                keypoints[person, joint, 0] = candidates.x[joint, place]
                keypoints[person, joint, 1] = candidates.y[joint, place]
                keypoints[person, joint, 2] = candidates.score[joint, place]
        scores[person] = _mean(keypoints[person, :, 2], joints, True)
        for dimension in range(tag_length):
            found = 0
            for joint in range(joints):
                place = groups.member[person, joint]
                if place >= 0:
                    found_tags[person, found, dimension] = candidates.tag[joint, place, dimension]
                    found += 1
            tags[person, dimension] = _mean(
                found_tags[person, :, dimension], found, tag_length == 1
            )
