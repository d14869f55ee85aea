"""A scene and its rendering."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from synthetic.actor import Actor
from synthetic.camera import Camera
from synthetic.ground import Ground, lay_ground
from synthetic.light import Light, ShadowMap
from synthetic.materials import Material, material_table
from synthetic.mesh import Faces, Floats
from synthetic.noise import noise_table
from synthetic.props import Prop
from synthetic.raster import rasterise
from synthetic.shading import shade

_FAR_M = 30.0


@dataclass(frozen=True, kw_only=True)
class Scene:
    """backdrop (h, w, 3) float32 is what the camera sees behind everything, linear RGB; atlas:
    `textures.build_atlas`.
    """

    camera: Camera
    actors: list[Actor]
    props: list[Prop] = field(default_factory=list)
    light: Light
    ground: Ground
    backdrop: Floats
    atlas: Floats


@dataclass(frozen=True)
class Rendering:
    """image (h, w, 3) float32 linear RGB; owner (h, w) int16 is the actor in front, -1 for anything
    else.

    nearness (h, w) float32 is in 1/m, 0 for the background; edges (h, w) uint8 is 255 where two
    surfaces meet.
    """

    camera: Camera
    image: Floats
    owner: NDArray[np.int16]
    nearness: Floats
    edges: NDArray[np.uint8]


@dataclass(frozen=True)
class _Geometry:
    """All meshes of a scene as one."""

    vertices: Floats
    normals: Floats
    texture_points: Floats
    marks: Floats
    faces: Faces
    face_materials: NDArray[np.int32]
    face_owners: NDArray[np.int16]
    materials: Floats


def render(scene: Scene) -> Rendering:
    """The scene as its camera sees it, before the sensor (`synthetic.sensor.expose`)."""
    geometry, camera = _gather(scene), scene.camera
    screen = camera.project(geometry.vertices)
    nearness = np.zeros((camera.height, camera.width), np.float32)
    front = np.full((camera.height, camera.width), -1, np.int32)
    rasterise(screen, geometry.faces, nearness, front)
    shadows = ShadowMap.of(scene.light, geometry.vertices, geometry.faces)

    image = scene.backdrop.copy()
    lay_ground(image, scene.ground, camera, scene.light, shadows, scene.atlas)
    shade(
        image, front, screen, geometry.vertices, geometry.normals, geometry.texture_points,
        geometry.marks, geometry.faces, geometry.face_materials, geometry.materials, scene.atlas,
        noise_table(), scene.light.table, shadows.nearness, shadows.matrix, camera.position,
        camera.focal_px,
    )  # fmt: skip
    _darken_hollows(image, nearness)
    covered = front >= 0
    owner = np.where(covered, geometry.face_owners[front], np.int16(-1))
    surface = np.where(covered, geometry.face_materials[front], np.int32(-1))
    return Rendering(camera, image, owner, nearness, _edges(surface))


def _gather(scene: Scene) -> _Geometry:
    """One mesh of all actors and props, of which a scene holds at least one."""
    columns: list[tuple[Floats, Floats, Floats, Floats]] = []
    faces, face_materials, face_owners = [], [], []
    materials: list[Material] = []
    count = 0
    for owner, actor in enumerate(scene.actors):
        figure = actor.figure
        parts = np.zeros(max(actor.palette) + 1, np.int32)
        for part, material in actor.palette.items():
            parts[part] = len(materials)
            materials.append(material)
        columns.append((actor.vertices, actor.normals, figure.texture_points, figure.marks))
        faces.append(figure.faces + np.int32(count))
        face_materials.append(parts[figure.parts])
        face_owners.append(np.full(len(figure.faces), owner, np.int16))
        count += len(actor.vertices)
    for prop in scene.props:
        columns.append(
            (
                prop.vertices,
                prop.normals,
                prop.texture_points,
                np.zeros((len(prop.vertices), 2), np.float32),
            )
        )
        faces.append(prop.faces + np.int32(count))
        face_materials.append(np.full(len(prop.faces), len(materials), np.int32))
        face_owners.append(np.full(len(prop.faces), -1, np.int16))
        materials.append(prop.material)
        count += len(prop.vertices)
    vertices, normals, texture_points, marks = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    return _Geometry(
        vertices, normals, texture_points, marks, np.concatenate(faces),
        np.concatenate(face_materials), np.concatenate(face_owners), material_table(materials),
    )  # fmt: skip


def _darken_hollows(image: Floats, nearness: Floats) -> None:
    """Cheap ambient occlusion: what lies behind its surroundings gets less of the sky (at half the
    resolution).
    """
    height, width = nearness.shape
    small = cv2.resize(nearness, (width // 2, height // 2), interpolation=cv2.INTER_NEAREST)
    depth = 1 / np.maximum(small, 1 / _FAR_M)
    behind = np.clip((depth - cv2.GaussianBlur(depth, (0, 0), 3.0)) * 2.0, 0, 0.3) * (small > 0)
    factor = cv2.resize(
        1 - behind.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    factor[nearness <= 0] = 1
    image *= factor[:, :, None]


def _edges(surface: NDArray[np.int32]) -> NDArray[np.uint8]:
    edges = np.zeros(surface.shape, np.uint8)
    across = surface[:, 1:] != surface[:, :-1]
    along = surface[1:] != surface[:-1]
    edges[:, 1:][across] = 255
    edges[:, :-1][across] = 255
    edges[1:][along] = 255
    edges[:-1][along] = 255
    return edges
