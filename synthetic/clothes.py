"""Clothes and hair cut from the body's helper meshes, and the dressed figure that they make.

MakeHuman's helper "tights" is a smooth body suit: a garment is the part of it that its cut covers,
smoothed (cloth bridges hollows) and pushed outwards. Skin that clothes hide is left out. Hair is
the scalp, grown outwards; long hair and skirts are helper meshes of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synthetic.bodies import Body
from synthetic.mesh import (
    Faces,
    Floats,
    faces_touching,
    faces_within,
    smoothed,
    subdivided,
    vertex_normals,
)

Mask = NDArray[np.bool_]

_HEIGHT_M = (
    1.7  # every length below is in metres for an adult of this height, and shrinks with the person
)
_EYE_OFFSET_M = 0.030  # from the middle of that adult's face to an eye; the head is measured by it
# Hairline: height over the eyes at distances behind the ears (negative: in front of them).
_HAIRLINE_BEHIND_M = (-0.09, -0.04, -0.01, 0.02, 0.10)
_HAIRLINE_HEIGHT_M = (0.062, 0.055, 0.015, -0.06, -0.085)


class Part(IntEnum):
    """What a face of a figure is made of: an index into the person's materials."""

    SKIN = 0
    TOP = 1
    BOTTOM = 2
    SHOES = 3
    HAIR = 4
    SKIRT = 5
    HAT = 6


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Which clothes, and how they sit; lengths are for a person of 1.7 m."""

    sleeve: Literal["none", "short", "long"] = "short"
    hem_m: float = 0.05
    """How far the top reaches below the hip joint; from 0.08 on it would part at the crotch."""
    top_ease_m: float = 0.016
    """Distance between skin and cloth."""
    bottom: Literal["long", "short", "skirt"] = "long"
    bottom_hem_m: float = 0.0
    """How much lower the hem of shorts or of a skirt hangs than just above the knee."""
    bottom_ease_m: float = 0.009
    shoes: Literal["low", "boots", "none"] = "low"
    hair: Literal["short", "long", "none"] = "short"
    hair_volume_m: float = 0.012
    nape_m: float = 0.0
    hat: Literal["none", "beanie", "cap"] = "none"


@dataclass(frozen=True)
class Figure:
    """A dressed body at rest: one mesh, ready for skinning.

    texture_points (n, 3) are rest coordinates relative to the point between the eyes, for a height
    of 1.7 m;
    marks (n, 2) say how much a vertex is lip and eye; parts (m,) is the `Part` of each face.
    """

    body: Body
    vertices: Floats
    normals: Floats
    texture_points: Floats
    marks: Floats
    weights: Floats
    bones: NDArray[np.uint8]
    faces: Faces
    parts: NDArray[np.uint8]
    eye: Floats
    """The left eye in texture coordinates (3,)."""


@dataclass(frozen=True)
class _Piece:
    part: Part
    faces: Faces
    vertices: Floats
    fine: bool = False
    """Whether the mesh is so coarse that it is subdivided once."""


def dress(body: Body, cut: Cut) -> Figure:
    """The body in clothes and hair."""
    tailor = _Tailor(body, cut)
    pieces = [
        tailor.skin(),
        *tailor.bottoms(),
        tailor.top(),
        *tailor.shoes(),
        *tailor.hair(),
        *tailor.hat(),
    ]
    return _assemble(body, [piece for piece in pieces if len(piece.faces)])


@dataclass(frozen=True)
class _Hem:
    """Where a garment ends: at `end` along the unit vector `direction`, for the vertices in `where`
    (n,).
    """

    direction: NDArray[np.floating]
    end: float
    where: Mask


class _Tailor:
    """Measurements of a body, and the pieces cut to them."""

    def __init__(self, body: Body, cut: Cut) -> None:
        library = body.library
        self._body, self._cut, self._faces, self._region = body, cut, library.faces, library.region
        self._scale = body.height_m / _HEIGHT_M
        self._head_scale = float(body.joint("eye.L")[0]) / _EYE_OFFSET_M
        self._vertices, self._z = body.vertices, body.vertices[:, 2]
        self._tights_normals = vertex_normals(body.vertices, library.faces["tights"])
        self._body_normals = vertex_normals(body.vertices, library.faces["body"])
        self._ankle_z, self._hip_z = body.joint("foot.L")[2], body.joint("upperleg01.L")[2]
        self._knee_z, self._neck_z = body.joint("lowerleg01.L")[2], body.joint("neck01")[2]
        self._arms = self._region["upper_arm"] + self._region["forearm"] + self._region["hand"]
        self._top_hem_z = self._hip_z - cut.hem_m * self._scale
        self._top_region, self._top_hems = self._cut_top()
        self._trouser_hem_z = {
            "long": self._ankle_z + 0.035 * self._scale,
            "short": self._knee_z + (0.05 - cut.bottom_hem_m) * self._scale,
            "skirt": np.inf,
        }[cut.bottom]

    def skin(self) -> _Piece:
        """Skin and eyes, less what clothes hide well inside their edges."""
        region, scale = self._region, self._scale
        margin = 0.03 * scale
        hidden = (
            self._top_region & (self._z < self._neck_z - 0.05 * scale) & (region["hand"] < 0.05)
        )
        for hem in self._top_hems:
            hidden &= ~hem.where | (
                self._vertices @ hem.direction.astype(np.float32) < hem.end - margin
            )
        trousers = (
            (self._z < self._hip_z + 0.05 * scale)
            & (self._z > self._trouser_hem_z + margin)
            & (self._arms < 0.05)
        )
        hidden |= trousers
        if self._cut.shoes != "none":
            hidden |= (region["foot"] > 0.6) & (self._z < self._ankle_z + 0.01 * scale)
        faces = self._faces["body"]
        return _Piece(Part.SKIN, faces_touching(faces, ~hidden), self._vertices)

    def top(self) -> _Piece:
        ease = np.full(len(self._z), self._cut.top_ease_m * self._scale, np.float32)
        near_hem = np.clip(0.3 - np.abs(self._z - self._top_hem_z) / self._scale, 0, 1)
        flare = np.where(self._arms < 0.5, near_hem, 0) * 0.02 * self._scale
        return self._garment(Part.TOP, self._top_region, self._top_hems, ease + flare, rounds=14)

    def bottoms(self) -> list[_Piece]:
        scale, cut = self._scale, self._cut
        if cut.bottom == "skirt":
            hem_z = self._knee_z + (0.05 - cut.bottom_hem_m) * scale
            waist_z = (
                self._top_hem_z + 0.012 * scale
            )  # higher up it would only poke through the top
            faces = faces_within(self._faces["skirt"], self._z > hem_z)
            faces = faces_touching(faces, self._z < waist_z)
            flared = self._vertices + vertex_normals(self._vertices, faces) * np.float32(
                0.014 * scale
            )
            flared[:, 2] = np.minimum(flared[:, 2], waist_z)
            return [_Piece(Part.SKIRT, faces, flared, fine=True)]
        hem = _Hem(
            np.array([0.0, 0.0, -1.0]), -self._trouser_hem_z, np.ones(len(self._z), np.bool_)
        )
        region = (self._z < self._hip_z + 0.12 * scale) & (self._arms < 0.05)
        down = np.clip((self._hip_z - self._z) / (self._hip_z - self._ankle_z), 0, 1)
        flare = np.where(self._region["leg"] > 0.5, down, 0) * 1.4 * cut.bottom_ease_m * scale
        return [
            self._garment(Part.BOTTOM, region, [hem], cut.bottom_ease_m * scale + flare, rounds=4)
        ]

    def shoes(self) -> list[_Piece]:
        if self._cut.shoes == "none":
            return []
        shaft_m = 0.035 if self._cut.shoes == "low" else 0.16
        region = (self._z < self._ankle_z + shaft_m * self._scale) & (
            self._region["foot"] + self._region["leg"] > 0.5
        )
        faces = faces_within(self._faces["tights"], region)
        grown = smoothed(self._vertices, faces, 2) + self._tights_normals * np.float32(
            0.010 * self._scale
        )
        return [_Piece(Part.SHOES, faces, grown)]

    def hair(self) -> list[_Piece]:
        cut, unit = self._cut, self._head_scale
        if cut.hair == "none":
            return []
        height, behind = self._over_eyes / unit, self._behind_ears / unit
        line = np.interp(behind, _HAIRLINE_BEHIND_M, _HAIRLINE_HEIGHT_M) - cut.nape_m * (behind > 0)
        scalp = self._is_head & (height > line) & (self._ear_distance > 0.027 * unit)
        growth = (0.006 + cut.hair_volume_m * np.clip((height - line) / 0.05, 0.1, 1)) * unit
        pieces = [self._head_shell(Part.HAIR, scalp, growth)]
        if cut.hair == "long":
            faces = self._faces["hair"]
            low = (self._z[faces] < self._eyes[2] + 0.045 * unit) & (
                self._vertices[faces][:, :, 1] < self._ears[1] - 0.012 * unit
            )
            faces = faces[(self._z[faces] > self._neck_z - 0.10 * self._scale).all(1) & ~low.any(1)]
            pieces.append(_Piece(Part.HAIR, faces, self._vertices, fine=True))
        return pieces

    def hat(self) -> list[_Piece]:
        cut, unit = self._cut, self._head_scale
        if cut.hat == "none":
            return []
        height, behind = self._over_eyes / unit, self._behind_ears / unit
        brim = np.interp(
            behind, (-0.09, 0.09), (0.048, 0.012) if cut.hat == "cap" else (0.040, 0.0)
        )
        covered = self._is_head & (height > brim) & (self._ear_distance > 0.02 * unit)
        piece = self._head_shell(
            Part.HAT, covered, np.full(len(height), (0.014 + cut.hair_volume_m) * unit)
        )
        if cut.hat == "cap":  # the visor: the lowest front of the shell, drawn forwards
            front = covered & (behind < -0.055) & (height < brim + 0.022)
            piece.vertices[front] += np.array([0.0, -0.055, -0.012], np.float32) * np.float32(unit)
        return [piece]

    def _cut_top(self) -> tuple[Mask, list[_Hem]]:
        """What the top covers were its hems not there, and its hems."""
        body, region, scale = self._body, self._region, self._scale
        covered = (
            (self._z < self._neck_z + 0.02 * scale)
            & (region["head"] < 0.6)
            & (region["foot"] < 0.1)
        )
        hems = [_Hem(np.array([0.0, 0.0, -1.0]), -self._top_hem_z, self._arms < 0.5)]
        for suffix in (".L", ".R"):
            shoulder, elbow, wrist = (
                body.joint(bone + suffix) for bone in ("upperarm01", "lowerarm01", "wrist")
            )
            start, end, share = (
                (elbow, wrist, 0.93) if self._cut.sleeve == "long" else (shoulder, elbow, 0.62)
            )
            if self._cut.sleeve == "none":
                share = 0.06
            direction = (end - start) / np.linalg.norm(end - start)
            this_arm = (self._arms > 0.1) & (np.sign(self._vertices[:, 0]) == np.sign(shoulder[0]))
            hems.append(
                _Hem(direction, float(direction @ (start + share * (end - start))), this_arm)
            )
        return np.asarray(covered), hems

    def _garment(
        self, part: Part, region: Mask, hems: list[_Hem], ease: NDArray[np.floating], rounds: int
    ) -> _Piece:
        """The region of the tights up to its hems, smoothed but nowhere inside the body, and `ease`
        (n,) away from it.

        What reaches over a hem is drawn back to it, so that hems are straight however coarse the
        mesh is.
        """
        over = [
            np.where(hem.where, self._vertices @ hem.direction.astype(np.float32) - hem.end, 0)
            for hem in hems
        ]
        inside = np.max(over, axis=0) <= 0
        cloth_faces = faces_within(self._faces["tights"], region)
        faces = faces_touching(cloth_faces, inside)
        smooth = smoothed(
            self._vertices, cloth_faces, rounds
        )  # past the hems as well: free edges would shrink
        sunk = np.maximum(0, ((self._vertices - smooth) * self._tights_normals).sum(1))
        cloth = smooth + self._tights_normals * (sunk + ease)[:, None]
        for hem in hems:
            beyond = np.where(hem.where, cloth @ hem.direction - hem.end, 0)
            cloth -= np.maximum(0, beyond)[:, None] * hem.direction
        return _Piece(part, faces, cloth.astype(np.float32))

    def _head_shell(self, part: Part, covered: Mask, growth: NDArray[np.floating]) -> _Piece:
        faces = faces_within(self._faces["body"], covered)
        shell = smoothed(self._vertices, faces, 3) + self._body_normals * growth[:, None]
        return _Piece(part, faces, shell.astype(np.float32))

    @cached_property
    def _eyes(self) -> Floats:
        return np.asarray(self._keypoints[1:3].mean(0))

    @cached_property
    def _ears(self) -> Floats:
        return np.asarray(self._keypoints[3:5].mean(0))

    @cached_property
    def _keypoints(self) -> Floats:
        library = self._body.library
        return np.asarray(library.keypoint_weights @ self._vertices[library.keypoint_vertices])

    @cached_property
    def _over_eyes(self) -> Floats:
        return np.asarray(self._z - self._eyes[2])

    @cached_property
    def _behind_ears(self) -> Floats:
        return np.asarray(self._vertices[:, 1] - self._ears[1])

    @cached_property
    def _is_head(self) -> Mask:
        mask = self._region["head"] > 0.5
        mask[int(self._faces["body"].max()) + 1 :] = False
        return mask

    @cached_property
    def _ear_distance(self) -> Floats:
        ears = self._ears.copy()
        offset = np.abs(self._vertices[:, 0]) - abs(self._keypoints[3, 0])
        rest = self._vertices[:, 1:] - ears[1:]
        return np.asarray(np.sqrt((0.6 * offset) ** 2 + (rest**2).sum(1)))


def _assemble(body: Body, pieces: list[_Piece]) -> Figure:
    library = body.library
    scale = np.float32(body.height_m / _HEIGHT_M)
    keypoints = library.keypoint_weights @ body.vertices[library.keypoint_vertices]
    between_eyes = np.array([0.0, 0.0, keypoints[1:3, 2].mean()], np.float32)
    marks = np.stack([library.lips, library.eyes.astype(np.float32)], axis=1)
    columns: list[tuple[Floats, ...]] = []
    bones, faces, parts = [], [], []
    count = 0
    for piece in pieces:
        mesh, positions, weights, piece_bones, piece_marks = (
            piece.faces,
            piece.vertices,
            library.weights,
            library.bones,
            marks,
        )
        if piece.fine:
            mesh, pairs = subdivided(mesh, len(positions))
            positions = np.concatenate([positions, positions[pairs].mean(1)])
            piece_marks = np.concatenate([marks, marks[pairs].mean(1)])
            # Neighbours move nearly alike: the weights of one end will do.
            weights = np.concatenate([weights, weights[pairs[:, 0]]])
            piece_bones = np.concatenate([piece_bones, piece_bones[pairs[:, 0]]])
        used = np.zeros(len(positions), np.bool_)
        used[mesh] = True
        kept = np.flatnonzero(used)
        renumbered = np.zeros(len(positions), np.int32)
        renumbered[kept] = np.arange(count, count + len(kept), dtype=np.int32)
        normals = vertex_normals(positions, mesh)
        columns.append(
            (
                positions[kept],
                normals[kept],
                (positions[kept] - between_eyes) / scale,
                piece_marks[kept],
                weights[kept],
            )
        )
        bones.append(piece_bones[kept])
        faces.append(renumbered[mesh])
        parts.append(np.full(len(mesh), piece.part, np.uint8))
        count += len(kept)
    vertices, normals, texture_points, all_marks, all_weights = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    return Figure(
        body=body,
        vertices=vertices,
        normals=normals,
        texture_points=texture_points,
        marks=all_marks,
        weights=all_weights,
        bones=np.concatenate(bones),
        faces=np.concatenate(faces),
        parts=np.concatenate(parts),
        eye=(body.joint("eye.L") - between_eyes) / scale,
    )
