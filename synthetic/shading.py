"""Colours of the pixels that meshes cover: materials, sun with shadows, sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel
from synthetic.light import shadow
from synthetic.materials import Column, Kind, Pattern
from synthetic.mesh import Faces, Floats
from synthetic.noise import noise
from synthetic.textures import sample

# The kernel reads whole numbers: enumeration members would make it compile more slowly.
_SKIN, _CLOTH, _HAIR, _LEATHER, _TEXTURE = (int(kind) for kind in Kind)
_STRIPES, _PINSTRIPES, _CHECKS, _DOTS, _BLOTCHES, _PRINT, _FABRIC = (
    int(pattern) for pattern in Pattern if pattern
)
_KIND, _COLOUR, _SECOND, _PATTERN = (
    int(column) for column in (Column.KIND, Column.COLOUR, Column.SECOND, Column.PATTERN)
)
_REPEATS, _SPECULAR, _SHININESS = int(Column.REPEATS), int(Column.SPECULAR), int(Column.SHININESS)
_FOLDS, _SLOT, _EYE, _IRIS, _BEARD = (
    int(c) for c in (Column.FOLDS, Column.TEXTURE, Column.EYE, Column.IRIS, Column.BEARD)
)

_EYE_OFFSET_M = (
    0.030  # as in clothes: the face below is drawn for eyes this far from its middle, and scaled
)


@kernel(fastmath=True)
def shade(
    image: Floats,
    front: NDArray[np.int32],
    screen: Floats,
    world: Floats,
    normals: Floats,
    texture_points: Floats,
    marks: Floats,
    faces: Faces,
    face_materials: NDArray[np.int32],
    materials: Floats,
    atlas: Floats,
    table: Floats,
    light: Floats,
    shadows: Floats,
    shadow_matrix: Floats,
    eye: Floats,
    focal_px: float,
) -> None:
    """Paints linear light into `image` (h, w, 3) wherever `front` (h, w) names a face; `eye` (3,)
    is the camera's position.

    Vertex data (n, ...): screen as in `raster`, world points and normals, texture points, marks
    (lip, eye). materials is a `material_table`, light a `Light.table`.
    """
    albedo = np.empty(3, np.float32)
    height, width = front.shape
    for row in range(height):
        for column in range(width):
            face = front[row, column]
            if face < 0:
                continue
            a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
            # Perspective-correct shares of the corners.
            ax, ay, bx, by, cx, cy = (
                screen[a, 0],
                screen[a, 1],
                screen[b, 0],
                screen[b, 1],
                screen[c, 0],
                screen[c, 1],
            )
            inverse = 1 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
            sb = ((column - ax) * (cy - ay) - (row - ay) * (cx - ax)) * inverse
            sc = ((bx - ax) * (row - ay) - (by - ay) * (column - ax)) * inverse
            sa = (1 - sb - sc) * screen[a, 2]
            sb *= screen[b, 2]
            sc *= screen[c, 2]
            nearness = sa + sb + sc
            sa, sb, sc = sa / nearness, sb / nearness, sc / nearness

            px = sa * world[a, 0] + sb * world[b, 0] + sc * world[c, 0]
            py = sa * world[a, 1] + sb * world[b, 1] + sc * world[c, 1]
            pz = sa * world[a, 2] + sb * world[b, 2] + sc * world[c, 2]
            nx = sa * normals[a, 0] + sb * normals[b, 0] + sc * normals[c, 0]
            ny = sa * normals[a, 1] + sb * normals[b, 1] + sc * normals[c, 1]
            nz = sa * normals[a, 2] + sb * normals[b, 2] + sc * normals[c, 2]
            tx = sa * texture_points[a, 0] + sb * texture_points[b, 0] + sc * texture_points[c, 0]
            ty = sa * texture_points[a, 1] + sb * texture_points[b, 1] + sc * texture_points[c, 1]
            tz = sa * texture_points[a, 2] + sb * texture_points[b, 2] + sc * texture_points[c, 2]
            material = materials[face_materials[face]]
            kind = int(material[_KIND])
            pixel_m = 1 / (nearness * focal_px)
            fine = max(
                0.0, 1 - 150 * pixel_m
            )  # grain of a few millimetres would alias in the distance

            if kind == _SKIN:
                lip = sa * marks[a, 0] + sb * marks[b, 0] + sc * marks[c, 0]
                eyeball = sa * marks[a, 1] + sb * marks[b, 1] + sc * marks[c, 1]
                _skin(albedo, material, table, tx, ty, tz, lip, eyeball, fine)
            elif kind == _HAIR:
                strand = (
                    1
                    + 0.30 * fine * noise(table, 260 * tx, 260 * ty, 26 * tz)
                    + 0.12 * noise(table, 60 * tx, 60 * ty, 60 * tz)
                )
                for k in range(3):
                    albedo[k] = material[_COLOUR + k] * min(2.0, max(0.35, strand))
                nx += 0.25 * noise(table, 90 * tx, 90 * ty, 25 * tz)
                ny += 0.25 * noise(table, 90 * tx + 17, 90 * ty, 25 * tz)
            elif kind == _TEXTURE:
                for k in range(3):
                    repeats = material[_REPEATS]
                    texel = sample(
                        atlas,
                        int(material[_SLOT]),
                        tx * repeats,
                        ty * repeats,
                        pixel_m * repeats,
                        k,
                    )
                    albedo[k] = texel * material[_COLOUR + k]
            else:
                _cloth(albedo, material, atlas, table, tx, ty, tz, pixel_m, fine)
                folds = material[_FOLDS]
                if folds > 0:
                    nx += folds * noise(table, 15 * tx, 15 * ty, 9 * tz)
                    ny += folds * noise(table, 15 * tx + 31, 15 * ty, 9 * tz)
                    nz += folds * noise(table, 15 * tx, 15 * ty + 23, 9 * tz)

            length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / length, ny / length, nz / length
            vx, vy, vz = eye[0] - px, eye[1] - py, eye[2] - pz
            length = np.sqrt(vx * vx + vy * vy + vz * vz)
            vx, vy, vz = vx / length, vy / length, vz / length
            inside = 1.0
            if (
                nx * vx + ny * vy + nz * vz < -0.15
            ):  # the inside of a sleeve or a skirt, or a hollow seen from behind
                nx, ny, nz = -nx, -ny, -nz
                inside = 1.0 if kind == _SKIN else 0.5

            sun = nx * light[0, 0] + ny * light[0, 1] + nz * light[0, 2]
            wrap = 0.25 if kind == _SKIN else 0.08  # light goes a little way into skin
            direct = max(0.0, (sun + wrap) / (1 + wrap))
            if direct > 0:
                direct *= 1 - shadow(
                    shadows,
                    shadow_matrix,
                    px + 0.02 * nx,
                    py + 0.02 * ny,
                    pz + 0.02 * nz,
                    -0.015,
                    1.2,
                )
            hx, hy, hz = vx + light[0, 0], vy + light[0, 1], vz + light[0, 2]
            length = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
            glint = (
                max(0.0, (nx * hx + ny * hy + nz * hz) / length) ** material[_SHININESS]
                * material[_SPECULAR]
            )
            rim = 0.25 * material[_SPECULAR] * (1 - abs(nx * vx + ny * vy + nz * vz)) ** 3
            for k in range(3):
                sky = light[2, k] * (0.5 + 0.5 * nz) + light[3, k] * (0.5 - 0.5 * nz)
                lit = albedo[k] * inside * (direct * light[1, k] + sky)
                image[row, column, k] = lit + glint * direct * light[1, k] + rim * sky


@kernel(fastmath=True)
def _skin(
    albedo: Floats,
    material: Floats,
    table: Floats,
    x: float,
    y: float,
    z: float,
    lip: float,
    eyeball: float,
    fine: float,
) -> None:
    """Skin with lips, eyes, eyebrows, flushed cheeks and beard; x, y, z are texture coordinates (0
    between the eyes).

    `fine`, here and below, is how much of the finest grain a pixel can show.
    """
    unit = material[_EYE] / _EYE_OFFSET_M
    mottle = (
        1
        + 0.05 * noise(table, 50 * x, 50 * y, 50 * z)
        + 0.03 * fine * noise(table, 200 * x, 200 * y, 200 * z)
    )
    for k in range(3):
        albedo[k] = material[_COLOUR + k] * mottle
    height = z - material[_EYE + 2]
    if height < -0.16 * unit or height > 0.14 * unit or abs(x) > 0.09 * unit:
        return
    side = abs(x) - material[_EYE]
    aside, up = side / unit, height / unit
    from_pupil = np.sqrt(aside * aside + up * up)
    in_front = y < material[_EYE + 1] + 0.03 * unit
    if eyeball > 0.5:
        for k in range(3):
            if from_pupil < 0.003:
                albedo[k] = 0.01
            else:
                albedo[k] = material[_IRIS + k] if from_pupil < 0.0065 else 0.62
        return
    if not in_front:
        return
    if from_pupil < 0.021:  # the socket
        for k in range(3):
            albedo[k] *= 0.72 + 0.28 * max(0.0, (from_pupil - 0.012) / 0.009)
    arch = up - 0.0215 - 0.08 * aside + 5 * aside * aside
    if abs(aside - 0.003) < 0.021 and abs(arch) < 0.0045:
        for k in range(3):
            albedo[k] = 0.25 * albedo[k] + 0.75 * material[_SECOND + k]
    cheek = np.exp(-((aside - 0.008) ** 2 + (up + 0.04) ** 2) / 0.0005) * 0.18
    for k in range(1, 3):
        albedo[k] *= 1 - cheek
    beard = material[_BEARD]
    if beard > 0 and up < -0.045 and lip < 0.3:
        edge = min(1.0, (-0.045 - up) / 0.015) * (
            1.0 if up < -0.075 or abs(x) < 0.03 * unit else 0.4
        )
        cover = (
            beard * edge * min(1.0, max(0.0, 0.8 + 0.3 * noise(table, 160 * x, 160 * y, 160 * z)))
        )
        for k in range(3):
            albedo[k] = albedo[k] * (1 - cover) + cover * material[_SECOND + k]
    if lip > 0.05:
        share = min(1.0, lip)
        albedo[0] *= 1 - 0.20 * share
        albedo[1] *= 1 - 0.55 * share
        albedo[2] *= 1 - 0.50 * share


@kernel(fastmath=True)
def _cloth(
    albedo: Floats,
    material: Floats,
    atlas: Floats,
    table: Floats,
    x: float,
    y: float,
    z: float,
    pixel_m: float,
    fine: float,
) -> None:
    """Cloth or leather in its pattern."""
    pattern, repeats = int(material[_PATTERN]), material[_REPEATS]
    share = 0.0
    if pattern == _STRIPES:
        share = 1.0 if (z * repeats) % 1.0 < 0.45 else 0.0
    elif pattern == _PINSTRIPES:
        share = 1.0 if (x * 2 * repeats) % 1.0 < 0.25 else 0.0
    elif pattern == _CHECKS:
        share = (0.5 if (x * repeats) % 1.0 < 0.5 else 0.0) + (
            0.5 if (z * repeats) % 1.0 < 0.5 else 0.0
        )
    elif pattern == _DOTS:
        share = (
            1.0
            if ((x * repeats) % 1.0 - 0.5) ** 2 + ((z * repeats) % 1.0 - 0.5) ** 2 < 0.07
            else 0.0
        )
    elif pattern == _BLOTCHES:
        level = noise(table, 3 * repeats * x, 3 * repeats * y, 3 * repeats * z)
        share = 1.0 if level > 0.6 else (0.5 if level < -0.7 else 0.0)
    elif pattern == _PRINT and y < 0 and (x / 0.11) ** 2 + ((z + 0.38) / 0.11) ** 2 < 1:
        share = -1.0
        for k in range(3):
            albedo[k] = sample(
                atlas, int(material[_SLOT]), 4.5 * x + 0.5, -4.5 * z - 1.21, 4.5 * pixel_m, k
            )
    elif pattern == _FABRIC:
        share = -1.0
        for k in range(3):
            fabric = sample(
                atlas,
                int(material[_SLOT]),
                repeats * (x + 0.3 * y),
                -repeats * z,
                repeats * pixel_m,
                k,
            )
            albedo[k] = 0.35 * material[_COLOUR + k] + 0.65 * fabric
    weave = (
        1
        + 0.06 * noise(table, 12 * x, 12 * y, 12 * z)
        + 0.03 * fine * noise(table, 300 * x, 300 * y, 300 * z)
    )
    for k in range(3):
        if share >= 0:
            albedo[k] = material[_COLOUR + k] * (1 - share) + material[_SECOND + k] * share
        albedo[k] *= weave
