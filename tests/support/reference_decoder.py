"""The official decoder written plainly in NumPy: what `benchmarks.grouping` compares with, and
what tests hold as the truth.

One step after the other as in docs/reference.md, section 3, one person after the other,
every map in full. The assignment is the munkres package itself, in the version whose choice among
equal costs belongs to the recorded results.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
MUNKRES_VERSION = "1.1.4"


class Decoded(NamedTuple):
    """Candidates (J, K, 3+L) and people (P, J, 3+L), each x, y, score, tag; person scores (P,)."""

    candidates: Array
    grouped: Array
    adjusted: Array
    scores: Array
    refined: Array


def munkres_missing() -> str | None:
    """What is wrong with the installed munkres package, none if it is the right one."""
    try:
        found = version("munkres")
    except PackageNotFoundError:
        found = "none"
    if found == MUNKRES_VERSION:
        return None
    return f"needs munkres {MUNKRES_VERSION}, found {found}: pip install munkres=={MUNKRES_VERSION}"


def find_candidates(heatmaps: Array, tags: Array, count: int = 30, radius: int = 2) -> Array:
    """The `count` largest pixels per joint after NMS, row-major among equals."""
    joints, height, width = heatmaps.shape
    padded = np.pad(heatmaps, ((0, 0), (radius, radius), (radius, radius)), constant_values=-np.inf)
    side = range(2 * radius + 1)
    windows = [padded[:, y : y + height, x : x + width] for y in side for x in side]
    peaks = np.where(np.maximum.reduce(windows) == heatmaps, heatmaps, 0).reshape(joints, -1)
    order = np.argsort(-peaks, axis=1, kind="stable")[:, :count]
    y, x = np.divmod(order, width)
    joint = np.arange(joints)[:, None]
    place = np.stack((x, y, peaks[joint, order]), axis=-1)
    return np.concatenate((place, tags[joint, y, x]), axis=-1).astype(np.float32)


def match(
    candidates: Array,
    visiting_order: Sequence[int],
    threshold: float = 0.1,
    tag_threshold: float = 1.0,
) -> Array:
    """Groups (P, J, 3+L), in a dictionary under the first component of the tag that opened the
    group.
    """
    from munkres import Munkres

    joints, window, columns = candidates.shape
    groups: dict[np.float32, Array] = {}
    group_tags: dict[np.float32, list[Array]] = {}

    def open_group(joint: int, candidate: Array) -> None:
        key = candidate[3]
        groups.setdefault(key, np.zeros((joints, columns), np.float32))[joint] = candidate
        group_tags[key] = [candidate[3:]]

    for joint in visiting_order:
        found = candidates[joint][candidates[joint, :, 2].astype(float) > threshold]
        if not len(found):
            continue
        if not groups:
            for candidate in found:
                open_group(joint, candidate)
            continue
        keys = list(groups)[:window]
        means = np.array([np.mean(group_tags[key], axis=0) for key in keys])
        distance = np.linalg.norm(found[:, None, 3:].astype(float) - means[None], axis=2)
        cost = np.round(distance) * 100 - found[:, 2:3].astype(float)
        surplus = max(len(found) - len(keys), 0)
        cost = np.concatenate((cost, np.full((len(found), surplus), 1e10)), axis=1)
        for row, column in Munkres().compute(cost):
            if column < len(keys) and distance[row, column] < tag_threshold:
                groups[keys[column]][joint] = found[row]
                group_tags[keys[column]].append(found[row, 3:])
            else:
                open_group(joint, found[row])
    return np.array(list(groups.values()), np.float32).reshape(-1, joints, columns)


def _quarter_step(heatmap: Array, x: int, y: int) -> tuple[float, float]:
    height, width = heatmap.shape
    right = heatmap[y, min(x + 1, width - 1)] > heatmap[y, max(x - 1, 0)]
    below = heatmap[min(y + 1, height - 1), x] > heatmap[max(y - 1, 0), x]
    return x + 0.5 + (0.25 if right else -0.25), y + 0.5 + (0.25 if below else -0.25)


def adjust(heatmaps: Array, grouped: Array) -> Array:
    """Found joints a quarter pixel towards the higher neighbour, in pixel centres."""
    adjusted = grouped.copy()
    for person, joint in zip(*np.nonzero(grouped[:, :, 2] > 0), strict=True):
        x, y = grouped[person, joint, :2].astype(int)
        adjusted[person, joint, :2] = _quarter_step(heatmaps[joint], x, y)
    return adjusted


def refine(heatmaps: Array, tags: Array, adjusted: Array) -> Array:
    """Missing joints where the heatmap less the rounded distance to the person's mean tag is
    largest.
    """
    refined = adjusted.copy()
    for person in refined:
        present = np.flatnonzero(person[:, 2] > 0)
        x, y = person[present, :2].astype(int).T
        mean = np.mean(list(tags[present, y, x]), axis=0)
        for joint, heatmap in enumerate(heatmaps):
            distance = ((tags[joint] - mean) ** 2).sum(axis=2) ** 0.5
            best = int(np.argmax(heatmap - np.round(distance)))
            row, column = divmod(best, heatmap.shape[1])
            if person[joint, 2] == 0 and heatmap[row, column] > 0:
                person[joint, :2] = _quarter_step(heatmap, column, row)
                person[joint, 2] = heatmap[row, column]
    return refined


def decode(heatmaps: Array, tags: Array, visiting_order: Sequence[int]) -> Decoded:
    """Everything, stage by stage."""
    candidates = find_candidates(heatmaps, tags)
    grouped = match(candidates, visiting_order)
    adjusted = adjust(heatmaps, grouped)
    scores = np.array([person[:, 2].mean() for person in adjusted], np.float32)
    return Decoded(candidates, grouped, adjusted, scores, refine(heatmaps, tags, adjusted))
