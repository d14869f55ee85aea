"""Heatmaps and tags of people at random places, drawn and not from a network.

Of each person 90 % of the joints are Gaussian peaks of sigma 2 px and height 0.3 to 1, with the
person's tag around them; stray peaks have tags of their own, so that most become a person and miss
all other joints. What is between people (`background`) matters for the search of missing joints:

noise (as in the recorded cases, and the hard case): heatmaps up to 0.02, tags of sigma 0.25 around
    one value per map. Nobody's tag is anywhere but on their peaks, so everybody who misses a joint
    has every tile of its map looked at.
people (as a trained network has it): heatmaps of sigma 0.003 with a weak response where a joint is
    missing, tags near those of the nearest person.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw_maps(
    rng: np.random.Generator,
    people: int,
    height: int,
    width: int,
    *,
    tag_length: int = 1,
    stray: int = 0,
    joints: int = 17,
    background: str = "noise",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heatmaps (joints, height, width) and tags (joints, height, width, tag_length) with `people`
    people and
    `stray` peaks per joint that belong to nobody; the tags are a view of planes, as networks
    deliver them.
    """
    reaches = rng.uniform(0.05, 0.25, people) * min(height, width)
    centres = rng.uniform(reaches[:, None], np.array((width, height)) - reaches[:, None])
    person_tags = _distinct_tags(rng, people, tag_length)
    tags = rng.normal(0, 0.25, (joints, tag_length, height, width)).astype(np.float32)
    if background == "noise" or people == 0:
        heatmaps = rng.uniform(0, 0.02, (joints, height, width)).astype(np.float32)
        tags += rng.normal(0, 2, (joints, tag_length, 1, 1)).astype(np.float32)
    else:
        heatmaps = rng.normal(0, 0.003, (joints, height, width)).astype(np.float32)
        y, x = np.mgrid[:height, :width]
        nearest = np.argmin([(x - x0) ** 2 + (y - y0) ** 2 for x0, y0 in centres], axis=0)
        tags += person_tags[nearest].transpose(2, 0, 1).astype(np.float32)
    offsets = np.arange(-6, 7)
    peak = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 2.0**2)).astype(np.float32)

    def add_peak(joint: int, x: float, y: float, score: float, tag: NDArray[np.float64]) -> None:
        column, row = (int(np.clip(v, 6, size - 7)) for v, size in ((x, width), (y, height)))
        window = (joint, slice(row - 6, row + 7), slice(column - 6, column + 7))
        heatmaps[window] = np.maximum(heatmaps[window], score * peak)
        near = (joint, slice(None), slice(row - 4, row + 5), slice(column - 4, column + 5))
        tags[near] = (tag + rng.normal(0, 0.05, tag_length)).astype(np.float32)[:, None, None]

    for reach, centre, tag in zip(reaches, centres, person_tags, strict=True):
        for joint in range(joints):
            place = centre + rng.uniform(-reach, reach, 2)
            if rng.random() < 0.9:
                add_peak(joint, *place, rng.uniform(0.3, 1), tag)
            elif background == "people":
                add_peak(joint, *place, rng.uniform(0.02, 0.09), tag)
    for joint in range(joints):
        for _ in range(stray):
            tag = rng.uniform(-people - 2, people + 2, tag_length)
            add_peak(
                joint, rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.15, 0.5), tag
            )
    return heatmaps, tags.transpose(0, 2, 3, 1)


def _distinct_tags(rng: np.random.Generator, people: int, tag_length: int) -> NDArray[np.float64]:
    """(people, tag_length) tags about 2 apart in the first dimension, in random order: what
    training pulls apart.
    """
    tags = rng.normal(0, max(people, 3), (people, tag_length))
    tags[:, 0] = rng.permutation(people) * 2.0 - people + rng.uniform(-0.2, 0.2, people)
    return tags
