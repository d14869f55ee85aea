"""A dressed person who stands somewhere in the world in some pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.clothes import Figure, Part
from synthetic.materials import Material
from synthetic.mesh import Floats, skin
from synthetic.pose import Pose, bone_rotations


@dataclass(frozen=True)
class Actor:
    """World coordinates in metres: vertices and normals (n, 3) of the figure's mesh, keypoints (17,
    3), pelvis (3,).
    """

    figure: Figure
    palette: dict[Part, Material]
    vertices: Floats
    normals: Floats
    keypoints: Floats
    pelvis: Floats

    @classmethod
    def stand(
        cls,
        figure: Figure,
        palette: dict[Part, Material],
        pose: Pose,
        x_m: float,
        y_m: float,
        floor_m: float | None = 0.0,
    ) -> Actor:
        """The figure posed at (x, y), its lowest point `pose.lift_m` above the floor."""
        body = figure.body
        library = body.library
        transforms = library.skeleton.transforms(body.heads, bone_rotations(pose, body))
        vertices, normals = skin(
            figure.vertices, figure.normals, figure.weights, figure.bones, transforms
        )
        support = library.keypoint_vertices
        at_rest = body.vertices[support]
        posed, _ = skin(
            at_rest, at_rest, library.weights[support], library.bones[support], transforms
        )
        keypoints = library.keypoint_weights @ posed
        pelvis = keypoints[11:13].mean(0)
        offset = np.array(
            [
                x_m - pelvis[0],
                y_m - pelvis[1],
                (floor_m or 0.0) + pose.lift_m - vertices[:, 2].min(),
            ],
            np.float32,
        )
        return cls(figure, palette, vertices + offset, normals, keypoints + offset, pelvis + offset)

    @property
    def scale(self) -> float:
        """Body height over that of the adult whose lengths are written down (1.7 m)."""
        return self.figure.body.height_m / 1.7
