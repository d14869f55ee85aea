"""Bones and forward kinematics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from synthetic.mesh import Floats

Rotation = NDArray[np.float64]


@dataclass(frozen=True)
class Skeleton:
    """Bone names, and the parent of each (-1 for the root); a parent comes before its children."""

    names: tuple[str, ...]
    parents: NDArray[np.int32]

    @cached_property
    def index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    def transforms(self, heads: Floats, rotations: dict[str, Rotation]) -> Floats:
        """Rest to posed coordinates of every bone, (b, 3, 4) float32.

        heads (b, 3) are the joints at rest. rotations are global, (3, 3), and turn the rest pose; a
        bone without one moves rigidly with its parent.
        """
        given = np.zeros(len(self.names), np.bool_)
        matrices = np.zeros((len(self.names), 3, 3), np.float32)
        for name, rotation in rotations.items():
            index = self.index[name]
            given[index] = True
            matrices[index] = rotation
        return _forward(heads, self.parents, given, matrices)


@kernel(fastmath=True)
def _forward(
    heads: Floats, parents: NDArray[np.int32], given: NDArray[np.bool_], rotations: Floats
) -> Floats:
    transforms = np.zeros((heads.shape[0], 3, 4), np.float32)
    for bone in range(heads.shape[0]):
        parent = parents[bone]
        for row in range(3):
            for column in range(3):
                if given[bone]:
                    transforms[bone, row, column] = rotations[bone, row, column]
                elif parent >= 0:
                    transforms[bone, row, column] = transforms[parent, row, column]
                else:
                    transforms[bone, row, column] = 1.0 if row == column else 0.0
        for row in range(3):
            joint = heads[bone, row]
            if parent >= 0:
                joint = transforms[parent, row, 3]
                for column in range(3):
                    joint += transforms[parent, row, column] * heads[bone, column]
            for column in range(3):
                joint -= transforms[bone, row, column] * heads[bone, column]
            transforms[bone, row, 3] = joint
    return transforms


def turn_x(angle: float) -> Rotation:
    """Positive swings what hangs down forwards (towards -y), and tips what stands up backwards."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


def turn_y(angle: float) -> Rotation:
    """Positive tips the top towards +x, the person's left."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turn_z(angle: float) -> Rotation:
    """Positive turns counter-clockwise seen from above: a person at rest (facing -y) turns to the
    own left.
    """
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def turn_about(axis: NDArray[np.floating], angle: float) -> Rotation:
    """Rotation by `angle` about the unit vector `axis` (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def shortest_turn(start: NDArray[np.floating], end: NDArray[np.floating]) -> Rotation:
    """The smallest rotation that takes the direction `start` to the direction `end`."""
    start, end = unit(start), unit(end)
    (x, y, z), cosine = np.cross(start, end), float(start @ end)
    if cosine < -0.9999:
        # The axis vanishes where the two are opposite: half a turn about any axis across, and what
        # is left from there.
        across = np.cross(start, np.eye(3)[np.argmin(np.abs(start))])
        return np.asarray(shortest_turn(-start, end) @ turn_about(unit(across), np.pi))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))


def unit(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector), np.float64)
