"""Triangle meshes: vertices (n, 3) float32 in metres with z up, faces (m, 3) int32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from basics.kernels import kernel

Floats = NDArray[np.float32]
Faces = NDArray[np.int32]


@kernel(fastmath=True)
def vertex_normals(vertices: Floats, faces: Faces) -> Floats:
    """Unit normals (n, 3), the area-weighted mean over the faces around each vertex; 0 where there
    is no face.
    """
    normals = np.zeros_like(vertices)
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in range(3):
            vertex = faces[f, corner]
            normals[vertex, 0] += nx
            normals[vertex, 1] += ny
            normals[vertex, 2] += nz
    for v in range(vertices.shape[0]):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
        if length > 1e-12:
            for k in range(3):
                normals[v, k] /= length
    return normals


@kernel(fastmath=True)
def smoothed(vertices: Floats, faces: Faces, rounds: int) -> Floats:
    """A copy in which every vertex moved `rounds` times half-way to the mean of its neighbours
    along `faces`.
    """
    count = vertices.shape[0]
    current = vertices.copy()
    sums = np.zeros((count, 3), np.float32)
    degree = np.zeros(count, np.float32)
    for f in range(faces.shape[0]):
        for corner in range(3):
            degree[faces[f, corner]] += 2
    for _ in range(rounds):
        sums[:] = 0
        for f in range(faces.shape[0]):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            for k in range(3):
                va, vb, vc = current[a, k], current[b, k], current[c, k]
                sums[a, k] += vb + vc
                sums[b, k] += va + vc
                sums[c, k] += va + vb
        for v in range(count):
            if degree[v] > 0:
                for k in range(3):
                    current[v, k] = 0.5 * current[v, k] + 0.5 * sums[v, k] / degree[v]
    return current


def faces_within(faces: Faces, mask: NDArray[np.bool_]) -> Faces:
    """The faces all of whose corners are in the vertex mask (n,)."""
    return faces[mask[faces[:, 0]] & mask[faces[:, 1]] & mask[faces[:, 2]]]


def faces_touching(faces: Faces, mask: NDArray[np.bool_]) -> Faces:
    """The faces at least one of whose corners is in the vertex mask (n,)."""
    return faces[mask[faces[:, 0]] | mask[faces[:, 1]] | mask[faces[:, 2]]]


def subdivided(faces: Faces, count: int) -> tuple[Faces, NDArray[np.int64]]:
    """`faces` split in four at their edges' midpoints, and the pairs (k, 2) of old vertices whose
    means are the new vertices.

    New vertex `count + i` is the mean of pair `i`.
    """
    edges = np.sort(
        np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1
    ).astype(np.int64)
    pairs, inverse = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = (inverse.reshape(3, -1) + count).astype(np.int32)
    a, b, c = faces.T
    split = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([np.stack(corner, axis=1) for corner in split]), pairs


@kernel(fastmath=True)
def skin(
    vertices: Floats, normals: Floats, weights: Floats, bones: NDArray[np.uint8], transforms: Floats
) -> tuple[Floats, Floats]:
    """Posed vertices and normals by linear blend skinning.

    weights (n, k) with rows that sum to 1, bones (n, k) indices into transforms (b, 3, 4).
    """
    posed, turned = np.empty_like(vertices), np.empty_like(normals)
    for v in range(vertices.shape[0]):
        x, y, z = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
        for row in range(3):
            position, normal = np.float32(0), np.float32(0)
            for k in range(weights.shape[1]):
                weight = weights[v, k]
                if weight > 0:
                    bone = bones[v, k]
                    m0, m1, m2 = (
                        transforms[bone, row, 0],
                        transforms[bone, row, 1],
                        transforms[bone, row, 2],
                    )
                    position += weight * (m0 * x + m1 * y + m2 * z + transforms[bone, row, 3])
                    normal += weight * (m0 * nx + m1 * ny + m2 * nz)
            posed[v, row] = position
            turned[v, row] = normal
    return posed, turned
