"""Compiled drawing: everything is an anti-aliased capsule (a line with round ends) blended into the
image.

OpenCV draws one anti-aliased line a call, without opacity: the outlines, limbs and joints of 10
people are 900 calls. One compiled call for all of them takes 2.0 to 2.3 ms of CPU at 1080p, OpenCV
1.7 times as long (benchmarks/render.py); and threads that decode or infer go on meanwhile (nogil).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel


class Style(NamedTuple):
    """Numbers of a theme for one image size: lengths in its pixels, opacities 0..1, scores 0..1."""

    threshold: float
    full_score: float
    faintest: float
    opacity: float
    limb_width: float
    limb_min_px: float
    limb_max_px: float
    joint_width: float
    outline_px: float
    outline_opacity: float


class Skeleton(NamedTuple):
    """What to draw of a person. Shades are rows of `Theme.shades`; weights scale the width, less
    for the joints of a face.
    """

    links: NDArray[np.int32]  # (K, 2) joints
    link_shades: NDArray[np.int32]  # (K,)
    joint_shades: NDArray[np.int32]  # (J,)
    joint_weights: NDArray[np.float32]  # (J,)


@kernel
def capsule(
    image: NDArray[np.uint8],
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    radius: float,
    colour: NDArray[np.float32],
    opacity: float,
    hole: float,
) -> None:
    """Blends the capsule from (x0, y0) to (x1, y1), in pixel centres, into `image` (H, W, 3)
    uint8.

    All numbers are float64 and `colour` is (3,) float32 everywhere, so that it is compiled once and
    not once a caller. Pixels that are nearer to the line than `hole` are left alone: what an
    outline is drawn for will cover them.
    """
    reach = radius + 0.5
    inner = hole if hole > 0 else max(0.0, radius - 0.5)
    along_x, along_y = x1 - x0, y1 - y0
    squared = along_x * along_x + along_y * along_y
    inverse = 1.0 / math.sqrt(squared) if squared > 0 else 0.0
    left, right = min(x0, x1) - reach, max(x0, x1) + reach
    first_row = max(0, math.ceil(min(y0, y1) - reach))
    last_row = min(image.shape[0] - 1, math.floor(max(y0, y1) + reach))
    last_column = image.shape[1] - 1
    # A row meets the strip beside the line between two columns, `half` to both sides of its middle,
    # and the two cuts across the strip's ends at two more. Divisions are done here, once: rows of a
    # limb are only about ten pixels long.
    steep, slanted = abs(along_y) * 1000 > abs(along_x), abs(along_x) * 1000 > abs(along_y)
    slope = along_x / along_y if steep else 0.0
    half = squared * inverse / abs(along_y) if steep else 0.0
    cut_slope = along_y / along_x if slanted else 0.0
    cut_length = squared / along_x if slanted else 0.0
    # Fixed point for the inside, where all pixels are blended alike.
    keep = int(256 * (1 - opacity) + 0.5)
    blue = int(colour[0] * (256 - keep) + 128)
    green = int(colour[1] * (256 - keep) + 128)
    red = int(colour[2] * (256 - keep) + 128)
    for row in range(first_row, last_row + 1):
        down = row - y0
        begin, end = left, right
        inside, outside = -np.inf, np.inf
        if steep:
            middle = x0 + down * slope
            begin, end = max(left, middle - reach * half), min(right, middle + reach * half)
            inside, outside = middle - inner * half, middle + inner * half
        elif abs(down) >= inner:
            inside, outside = 1.0, 0.0
        if slanted:
            cut = x0 - down * cut_slope
            inside, outside = (
                max(inside, min(cut, cut + cut_length)),
                min(outside, max(cut, cut + cut_length)),
            )
        elif squared == 0:
            half_chord = math.sqrt(max(0.0, inner * inner - down * down))
            inside, outside = max(inside, x0 - half_chord), min(outside, x0 + half_chord)
        elif not 0 <= down * along_y <= squared:
            inside, outside = 1.0, 0.0
        first, last = max(0, math.ceil(begin)), min(last_column, math.floor(end))
        first_inside, last_inside = max(first, math.ceil(inside)), min(last, math.floor(outside))
        if first_inside > last_inside:
            first_inside, last_inside = last + 1, last
        elif hole <= 0:
            for column in range(first_inside, last_inside + 1):
                pixel = image[row, column]
                pixel[0] = np.uint8((pixel[0] * keep + blue) >> 8)
                pixel[1] = np.uint8((pixel[1] * keep + green) >> 8)
                pixel[2] = np.uint8((pixel[2] * keep + red) >> 8)
        column = first - 1
        while column < last:
            column += 1
            if column == first_inside:
                column = last_inside
                continue
            from_x = column - x0
            projection = from_x * along_x + down * along_y
            if projection <= 0:
                distance = math.sqrt(from_x * from_x + down * down)
            elif projection >= squared:
                distance = math.sqrt((column - x1) * (column - x1) + (row - y1) * (row - y1))
            else:
                distance = abs(from_x * along_y - down * along_x) * inverse
            if distance >= reach or distance < hole:
                continue
            weight = opacity * min(1.0, reach - distance)
            pixel = image[row, column]
            for channel in range(3):
                pixel[channel] = np.uint8(
                    pixel[channel] + (colour[channel] - pixel[channel]) * weight + 0.5
                )


@kernel
def _opacity(score: float, style: Style) -> float:
    share = (score - style.threshold) / max(1e-6, style.full_score - style.threshold)
    return style.opacity * (style.faintest + (1 - style.faintest) * min(1.0, max(0.0, share)))


@kernel
def person_size(joints: NDArray[np.float64], threshold: float) -> float:
    """Larger side in pixels of the box around the joints (J, 3) with at least this score; 0 where
    there are none.
    """
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for joint in range(joints.shape[0]):
        if joints[joint, 2] >= threshold:
            left, right = min(left, joints[joint, 0]), max(right, joints[joint, 0])
            top, bottom = min(top, joints[joint, 1]), max(bottom, joints[joint, 1])
    return max(0.0, right - left, bottom - top)


@kernel
def draw_people(
    image: NDArray[np.uint8],
    keypoints: NDArray[np.float64],
    order: NDArray[np.int64],
    colours: NDArray[np.float32],
    skeleton: Skeleton,
    style: Style,
    outline: NDArray[np.float32],
    centre: NDArray[np.float32],
) -> None:
    """Draws people (P, J, 3) x, y, score in `order`, each with its colours (P, 3 shades, 3).

    `outline` and `centre` (3,) are the colours around limbs and in the middle of joints.
    """
    for index in range(order.shape[0]):
        person = order[index]
        joints, shades = keypoints[person], colours[person]
        size = person_size(joints, style.threshold)
        radius = 0.5 * min(style.limb_max_px, max(style.limb_min_px, style.limb_width * size))
        for dark in (True, False):
            if not dark or style.outline_opacity > 0:
                _draw_person(image, joints, shades, skeleton, style, outline, centre, radius, dark)


@kernel
def _draw_person(
    image: NDArray[np.uint8],
    joints: NDArray[np.float64],
    shades: NDArray[np.float32],
    skeleton: Skeleton,
    style: Style,
    outline: NDArray[np.float32],
    centre: NDArray[np.float32],
    radius: float,
    dark: bool,
) -> None:
    grow = style.outline_px if dark else 0.0
    fade = style.outline_opacity if dark else 1.0
    for link in range(skeleton.links.shape[0]):
        start, stop = skeleton.links[link, 0], skeleton.links[link, 1]
        score = min(joints[start, 2], joints[stop, 2])
        if not (score >= style.threshold and score > 0):
            continue
        width = radius * min(skeleton.joint_weights[start], skeleton.joint_weights[stop])
        colour = outline if dark else shades[skeleton.link_shades[link]]
        opacity = fade * _opacity(score, style)
        hole = max(0.0, width - 0.5) if dark else 0.0
        x0, y0, x1, y1 = joints[start, 0], joints[start, 1], joints[stop, 0], joints[stop, 1]
        capsule(image, x0, y0, x1, y1, width + grow, colour, opacity, hole)
    for joint in range(joints.shape[0]):
        if not (joints[joint, 2] >= style.threshold and joints[joint, 2] > 0):
            continue
        width = radius * style.joint_width * skeleton.joint_weights[joint]
        colour = outline if dark else shades[skeleton.joint_shades[joint]]
        opacity = fade * _opacity(joints[joint, 2], style)
        hole = max(0.0, width - 0.5) if dark else 0.0
        x, y = joints[joint, 0], joints[joint, 1]
        capsule(image, x, y, x, y, width + grow, colour, opacity, hole)
        if not dark:
            # A light centre makes the joint readable where limbs of one colour cross.
            capsule(image, x, y, x, y, 0.42 * width, centre, opacity, 0.0)


@kernel
def draw_boxes(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float64],
    order: NDArray[np.int64],
    colours: NDArray[np.float32],
    radius: float,
    opacity: float,
) -> None:
    """Draws boxes (P, 4) x, y, width, height as thin frames in the middle shade of each person."""
    for index in range(order.shape[0]):
        person = order[index]
        left, top = boxes[person, 0], boxes[person, 1]
        right, bottom = left + boxes[person, 2], top + boxes[person, 3]
        if right <= left or bottom <= top:
            continue
        colour = colours[person, 0]
        capsule(image, left, top, right, top, radius, colour, opacity, 0.0)
        capsule(image, right, top, right, bottom, radius, colour, opacity, 0.0)
        capsule(image, right, bottom, left, bottom, radius, colour, opacity, 0.0)
        capsule(image, left, bottom, left, top, radius, colour, opacity, 0.0)


@kernel
def draw_trails(
    image: NDArray[np.uint8],
    places: NDArray[np.float64],
    newest: int,
    colours: NDArray[np.float32],
    radius: float,
    opacity: float,
) -> None:
    """Draws trails: places (P, N, E, 3) x, y, seen, a ring whose latest entry is `newest`; they
    thin and fade with age.
    """
    count = places.shape[1]
    for person in range(places.shape[0]):
        for end in range(places.shape[2]):
            for age in range(count - 1):
                later = (newest - age) % count
                earlier = (newest - age - 1) % count
                if not (places[person, later, end, 2] > 0 and places[person, earlier, end, 2] > 0):
                    continue
                rest = 1.0 - age / (count - 1)
                x0, y0 = places[person, earlier, end, 0], places[person, earlier, end, 1]
                x1, y1 = places[person, later, end, 0], places[person, later, end, 1]
                capsule(
                    image,
                    x0,
                    y0,
                    x1,
                    y1,
                    max(0.5, radius * rest),
                    colours[person, 0],
                    opacity * rest,
                    0.0,
                )
