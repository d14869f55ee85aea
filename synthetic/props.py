"""Simple things that stand about: boxes, cylinders and balls, as meshes in world coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthetic.materials import Material
from synthetic.mesh import Faces, Floats
from synthetic.skeleton import turn_z

Points = NDArray[np.float64]

_SIDES = 20  # of a cylinder, and segments of a ball


@dataclass(frozen=True)
class Prop:
    """A mesh of one material; texture points (n, 3) are metres along its surface."""

    vertices: Floats
    normals: Floats
    texture_points: Floats
    faces: Faces
    material: Material


def box(
    size: tuple[float, float, float],
    base: tuple[float, float, float],
    turn: float,
    material: Material,
) -> Prop:
    """A box of `size` (x, y, z) whose bottom is centred on `base`, turned about the vertical."""
    half = np.asarray(size) / 2
    vertices: list[Points] = []
    normals: list[Points] = []
    texture_points: list[Points] = []
    faces: list[tuple[int, int, int]] = []
    for axis in range(3):
        across, along = [other for other in range(3) if other != axis]
        for sign in (-1.0, 1.0):
            corners = np.zeros((4, 3))
            corners[:, axis] = sign * half[axis]
            corners[:, across] = np.array([-1, 1, 1, -1]) * half[across]
            corners[:, along] = np.array([-1, -1, 1, 1]) * half[along]
            start = 4 * len(vertices)
            vertices.append(corners)
            normals.append(np.tile(np.eye(3)[axis] * sign, (4, 1)))
            texture_points.append(
                np.stack([corners[:, across], -corners[:, along], np.zeros(4)], axis=1)
            )
            faces.extend([(start, start + 1, start + 2), (start, start + 2, start + 3)])
    raised = np.concatenate(vertices) + np.array([0, 0, half[2]])
    return _placed(
        raised, np.concatenate(normals), np.concatenate(texture_points), faces, base, turn, material
    )


def cylinder(
    radius_m: float, height_m: float, base: tuple[float, float, float], material: Material
) -> Prop:
    """An upright cylinder with a lid."""
    angle = np.linspace(0, 2 * np.pi, _SIDES + 1)
    around = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
    low, high = around * radius_m, around * radius_m + [0, 0, height_m]
    wall = np.stack([angle * radius_m, np.zeros_like(angle), np.zeros_like(angle)], axis=1)
    vertices = np.concatenate([low, high, high, [[0, 0, height_m]]])
    normals = np.concatenate([around, around, np.tile([0.0, 0, 1], (_SIDES + 2, 1))])
    texture_points = np.concatenate(
        [wall, wall - [0, height_m, 0], around * radius_m, [[0.0, 0, 0]]]
    )
    row, hub = _SIDES + 1, 3 * (_SIDES + 1)
    faces: list[tuple[int, int, int]] = []
    for side in range(_SIDES):
        faces += [
            (side, side + 1, row + side + 1),
            (side, row + side + 1, row + side),
            (2 * row + side, 2 * row + side + 1, hub),
        ]
    return _placed(vertices, normals, texture_points, faces, base, 0.0, material)


def ball(radius_m: float, centre: tuple[float, float, float], material: Material) -> Prop:
    meridians, circles = (
        np.linspace(0, 2 * np.pi, _SIDES + 1),
        np.linspace(-np.pi / 2, np.pi / 2, _SIDES // 2 + 1),
    )
    longitude, latitude = np.meshgrid(meridians, circles)
    level = np.cos(latitude)
    normals = np.stack(
        [level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)], axis=-1
    )
    texture_points = np.stack([longitude * radius_m, latitude * radius_m, 0 * latitude], axis=-1)
    faces: list[tuple[int, int, int]] = []
    for ring in range(_SIDES // 2):
        for side in range(_SIDES):
            corner = ring * (_SIDES + 1) + side
            faces += [
                (corner, corner + 1, corner + _SIDES + 2),
                (corner, corner + _SIDES + 2, corner + _SIDES + 1),
            ]
    outwards = normals.reshape(-1, 3)
    return _placed(
        outwards * radius_m, outwards, texture_points.reshape(-1, 3), faces, centre, 0.0, material
    )


def chair(
    seat_m: float, base: tuple[float, float, float], turn: float, material: Material, *, back: bool
) -> list[Prop]:
    """A seat whose top is `seat_m` high and whose front looks along -y before it is turned, on four
    legs.
    """
    rotation = turn_z(turn)

    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        offset = rotation @ [x, y, z]
        return base[0] + float(offset[0]), base[1] + float(offset[1]), base[2] + float(offset[2])

    parts = [box((0.46, 0.46, 0.05), at(0, 0, seat_m - 0.05), turn, material)]
    if seat_m > 0.12:
        legs = [(x, y) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
        parts += [box((0.04, 0.04, seat_m - 0.05), at(x, y, 0), turn, material) for x, y in legs]
    if back:
        parts.append(box((0.44, 0.04, 0.5), at(0, 0.25, seat_m), turn, material))
    return parts


def _placed(
    vertices: Points,
    normals: Points,
    texture_points: Points,
    faces: list[tuple[int, int, int]],
    base: tuple[float, float, float],
    turn: float,
    material: Material,
) -> Prop:
    rotation = turn_z(turn)
    return Prop(
        np.asarray(vertices @ rotation.T + base, np.float32),
        np.asarray(normals @ rotation.T, np.float32),
        np.asarray(texture_points, np.float32),
        np.asarray(faces, np.int32),
        material,
    )
