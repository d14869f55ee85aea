"""Object keypoint similarity: how near found people are to labelled ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def object_keypoint_similarity(
    found: ArrayLike, labelled: ArrayLike, areas: ArrayLike, sigmas: Sequence[float]
) -> Floats:
    """How near each of P found people is to each of T labelled ones.

    The mean over labelled joints of exp(-d^2 / (2 area (2 sigma)^2)) (COCO keypoint evaluation;
    docs/reference.md, section 5.1).

    Args:
        found: (P, J, 2 or more) x, y in pixels.
        labelled: (T, J, 3) x, y, visibility; joints with visibility 0 do not count.
        areas: (T,) area of each labelled person in square pixels.
        sigmas: (J,) fall-off of each joint, as a keypoint set has them.

    Returns:
        (P, T) similarity, 0 to 1. A person without labelled joints has similarity 0 with everybody.
    """
    labels = np.asarray(labelled, dtype=np.float64).reshape(-1, len(sigmas), 3)
    points = np.asarray(found, dtype=np.float64)
    points = points.reshape(-1, len(sigmas), points.shape[-1])[:, :, :2]
    visible = labels[:, :, 2] > 0
    variance = (2 * np.asarray(sigmas, dtype=np.float64)) ** 2
    # the evaluator's own guard against people without area
    scale = 2 * variance * (np.asarray(areas, dtype=np.float64).reshape(-1, 1) + np.spacing(1.0))
    squared = np.square(points[:, None] - labels[None, :, :, :2]).sum(axis=3)
    likeness: Floats = np.exp(-squared / scale) * visible
    similarity: Floats = likeness.sum(axis=2) / np.maximum(visible.sum(axis=1), 1)
    return similarity


@dataclass(frozen=True)
class Matches:
    """Who was found; the rest are ghosts and missed.

    Attributes:
        found: (N,) index of the found person of each pair.
        labelled: (N,) index of the labelled one.
        similarity: (N,) of the two.
    """

    found: NDArray[np.intp]
    labelled: NDArray[np.intp]
    similarity: Floats


def match_people(similarity: Floats, scores: ArrayLike, *, threshold: float = 0.5) -> Matches:
    """Pairs of found and labelled people, each used once.

    As in COCO's evaluator, found people choose in descending order of score, each the most similar
    one that is still free.

    Args:
        similarity: (P, T) of found and labelled people.
        scores: (P,) of the found ones.
        threshold: Least similarity of a pair.
    """
    free = np.array(similarity, dtype=np.float64)
    pairs: list[tuple[int, int]] = []
    for person in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable"):
        if free.shape[1] == 0:
            break
        best = int(np.argmax(free[person]))
        if free[person, best] >= threshold:
            pairs.append((int(person), best))
            free[:, best] = -1
    indices = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return Matches(
        indices[:, 0], indices[:, 1], np.asarray(similarity)[indices[:, 0], indices[:, 1]]
    )
