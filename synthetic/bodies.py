"""Naked bodies: the baked rest meshes and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.errors import DataError
from synthetic.mesh import Faces, Floats
from synthetic.phenotypes import GROUPS, Group
from synthetic.skeleton import Skeleton

BODIES = Path(__file__).with_name("data") / "bodies.npz"

_METRE = 10_000  # stored positions are multiples of 0.1 mm, for a body of 1 m (synthetic/bake.py)
_STATURE_M: dict[Group, tuple[float, float]] = {
    "man": (1.76, 0.08),
    "woman": (1.64, 0.07),
    "child": (1.28, 0.13),
}
_REGIONS: dict[str, tuple[str, ...]] = {
    "head": ("head", "neck", "eye"),
    "upper_arm": ("upperarm",),
    "forearm": ("lowerarm",),
    "hand": ("wrist", "finger", "metacarpal"),
    "leg": ("upperleg", "lowerleg"),
    "foot": ("foot", "toe"),
}


@dataclass(frozen=True)
class Body:
    """A naked body in the rest pose (arms half raised), facing -y with its left at +x, in metres.

    vertices (n, 3) hold the skin and the helper meshes that clothes are cut from; heads (b, 3) are
    the bones' joints.
    """

    library: BodyLibrary
    group: Group
    height_m: float
    vertices: Floats
    heads: Floats

    def joint(self, bone: str) -> Floats:
        head: Floats = self.heads[self.library.skeleton.index[bone]]
        return head


@dataclass(frozen=True)
class BodyLibrary:
    """What all bodies share (faces, skin weights, keypoint regressors), and the rest meshes to
    blend.
    """

    skeleton: Skeleton
    groups: tuple[Group, ...]
    mean: Floats
    deltas: Floats
    heads: Floats
    weights: Floats
    bones: NDArray[np.uint8]
    faces: dict[str, Faces]
    region: dict[str, Floats]
    """Share of each vertex (n,) that moves with a part of the body: head, upper_arm, forearm, hand,
    leg, foot.
    """
    lips: Floats
    eyes: NDArray[np.bool_]
    keypoint_vertices: NDArray[np.intp]
    keypoint_weights: Floats
    """Keypoints (17, 3) = keypoint_weights (17, k) @ vertices[keypoint_vertices]."""

    def blend(self, shares: NDArray[np.float64], height_m: float) -> Body:
        """The mixture of all bodies by `shares` (number of bodies,), which sum to 1, scaled to
        stand `height_m` tall.
        """
        vertices, heads = self.mean.copy(), np.zeros_like(self.heads[0])
        for index in np.flatnonzero(shares > 0.01):  # most bodies have no share
            vertices += np.float32(shares[index]) * self.deltas[index]
            heads += np.float32(shares[index]) * self.heads[index]
        heads /= np.float32(shares[shares > 0.01].sum())
        skin_height = vertices[: self._skin_end, 2]
        scale = np.float32(height_m / (skin_height.max() - skin_height.min()))
        return Body(
            self, self.groups[int(np.argmax(shares))], height_m, vertices * scale, heads * scale
        )

    def sample(self, rng: np.random.Generator, group: Group | None = None) -> Body:
        """A random body: two or three of one group mixed, with a height to suit."""
        group = group or GROUPS[rng.choice(len(GROUPS), p=[0.43, 0.43, 0.14])]
        members = [index for index, name in enumerate(self.groups) if name == group]
        shares = np.zeros(len(self.groups))
        shares[members] = rng.dirichlet(np.full(len(members), 0.6))
        if rng.random() < 0.3:  # a little of anybody
            shares = 0.8 * shares + 0.2 * rng.dirichlet(np.full(len(self.groups), 0.3))
        mean_m, deviation_m = _STATURE_M[group]
        height_m = float(
            np.clip(
                rng.normal(mean_m, deviation_m),
                mean_m - 2.5 * deviation_m,
                mean_m + 2.5 * deviation_m,
            )
        )
        return self.blend(shares, height_m)

    @property
    def _skin_end(self) -> int:
        return int(self.faces["body"].max()) + 1


@lru_cache(maxsize=2)
def load_bodies(path: Path = BODIES) -> BodyLibrary:
    """The library in a file that `python -m synthetic bodies` wrote; loaded once per process.

    Raises:
        DataError: The file cannot be read, or was not written by this program.
    """
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        skeleton = Skeleton(
            tuple(str(name) for name in arrays["bone_names"]),
            arrays["bone_parents"].astype(np.int32),
        )
        weights = arrays["skin_weights"].astype(np.float32)
        weights /= weights.sum(1, keepdims=True)
        vertices, keypoint_vertices = np.unique(arrays["keypoint_vertex"], return_inverse=True)
        keypoint_weights = np.zeros((int(arrays["keypoint"].max()) + 1, len(vertices)), np.float32)
        keypoint_weights[arrays["keypoint"], keypoint_vertices] = arrays["keypoint_weight"]
        return BodyLibrary(
            skeleton=skeleton,
            groups=tuple(GROUPS[index] for index in arrays["groups"]),
            mean=arrays["mean"].astype(np.float32) / _METRE,
            deltas=arrays["deltas"].astype(np.float32) / _METRE,
            heads=arrays["heads"],
            weights=weights,
            bones=arrays["skin_bones"],
            faces={
                name: arrays[f"faces_{name}"].astype(np.int32)
                for name in ("body", "tights", "skirt", "hair")
            },
            region={
                name: _share(weights, arrays["skin_bones"], skeleton, prefixes)
                for name, prefixes in _REGIONS.items()
            },
            lips=arrays["lips"].astype(np.float32) / 255,
            eyes=arrays["eyes"],
            keypoint_vertices=vertices.astype(np.intp),
            keypoint_weights=keypoint_weights,
        )
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise DataError(
            f"cannot load bodies from {str(path)!r} ({error}); make it with `python -m synthetic "
            "bodies`"
        ) from error


def _share(
    weights: Floats, bones: NDArray[np.uint8], skeleton: Skeleton, prefixes: tuple[str, ...]
) -> Floats:
    belongs = np.array([name.startswith(prefixes) for name in skeleton.names])
    return np.asarray((weights * belongs[bones]).sum(1), np.float32)
