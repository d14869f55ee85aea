"""Keypoint sets: which joints a person has, as data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from configs.errors import ConfigError
from configs.loading import from_mapping, load_yaml, nearest

_FOLDER = Path(__file__).parent / "keypoint_sets"


@dataclass(frozen=True, kw_only=True)
class KeypointSet:
    """The joints of a person and what is known of them; joint indices refer to `names`.

    Attributes:
        name: What the set is called, such as `coco`.
        names: Joint names in the order of the heatmap channels.
        flip_pairs: Pairs of joints that change places in a mirrored image.
        sigmas: The evaluator's fall-off per joint (COCO's `k = 2 sigma`).
        links: The skeleton, pairs of joints that a limb joins.
        visiting_order: Order in which grouping visits the joints; a permutation of all of them.

    Raises:
        ConfigError: Joints that do not go together.
    """

    name: str
    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    links: tuple[tuple[int, int], ...]
    visiting_order: tuple[int, ...]

    def __post_init__(self) -> None:
        count = len(self.names)
        if len(self.sigmas) != count:
            raise ConfigError(
                f"sigmas must have {count} entries, one per joint, not {len(self.sigmas)}"
            )
        if sorted(self.visiting_order) != list(range(count)):
            raise ConfigError(f"visiting_order must name every joint 0..{count - 1} once")
        for pair in (*self.flip_pairs, *self.links):
            if not all(0 <= joint < count for joint in pair):
                raise ConfigError(f"joint pair {pair} is outside 0..{count - 1}")

    @property
    def flip_indices(self) -> tuple[int, ...]:
        """Where each joint's channel is found after mirroring: `mirrored[flip_indices]` is in the
        original order.
        """
        indices = list(range(len(self.names)))
        for left, right in self.flip_pairs:
            indices[left], indices[right] = right, left
        return tuple(indices)

    def __len__(self) -> int:
        return len(self.names)


def keypoint_set_names() -> tuple[str, ...]:
    """Names of the keypoint sets that ship with the project."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@cache
def load_keypoint_set(name: str) -> KeypointSet:
    """The keypoint set of that name.

    Args:
        name: One that ships with the project, such as `coco`; or the path of a YAML file.

    Raises:
        ConfigError: An unknown name (the nearest known one is told), or a file that does not hold a
            keypoint set.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else _FOLDER / f"{name}.yaml"
    if path.parent == _FOLDER and path.stem not in keypoint_set_names():
        raise ConfigError(f"unknown keypoint set {name!r}{nearest(name, keypoint_set_names())}")
    return from_mapping(KeypointSet, load_yaml(path), str(path))
