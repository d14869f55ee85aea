"""Names of parameters: the official ones, those of mmpose 0.x, and what wrappers put before them
(docs/reference.md, section 1.3).

Official and mmpose checkpoints hold the same tensors under the same names; mmpose puts
`keypoint_head.` before the head's and `backbone.` before the rest. Data parallel training puts
`module.` before all of them, the official FP16 wrapper `1.`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from basics.atomic import atomic_path
from configs import CheckpointError, zoo
from engine.checkpoints.reading import read_state_dict

HEAD = ("final_layers.", "deconv_layers.")
_PREFIX = re.compile(r"^(?:module|1|backbone|keypoint_head)\.")

Layout = Literal["official", "mmpose"]


def official_name(name: str) -> str:
    """The official name of a parameter, whatever wrappers have put before it."""
    while (shorter := _PREFIX.sub("", name)) != name:
        name = shorter
    return name


def own_name(name: str, own: Mapping[str, Tensor]) -> str:
    """`name` without its prefixes, unless the network itself has a parameter called so (`backbone.`
    is not always mmpose's).
    """
    shorter = name
    while shorter not in own and (without := _PREFIX.sub("", shorter, count=1)) != shorter:
        shorter = without
    return shorter if shorter in own else official_name(name)


def layout_of(state: Mapping[str, Tensor]) -> zoo.Layout:
    """How the parameters of a state dict are called, whatever data parallel training added."""
    names = [name.removeprefix("module.") for name in state]
    if any(name.startswith(("backbone.", "keypoint_head.")) for name in names):
        return "mmpose"
    return "official_fp16" if all(name.startswith("1.") for name in names) else "official"


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the official names."""
    return {official_name(name): tensor for name, tensor in state.items()}


def to_mmpose(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under mmpose 0.x's names."""
    official = to_official(state)
    return {
        ("keypoint_head." if name.startswith(HEAD) else "backbone.") + name: tensor
        for name, tensor in official.items()
    }


def convert_checkpoint(source: str | Path, target: str | Path, to: Layout) -> None:
    """Writes the weights of a checkpoint in another layout; values and types are kept.

    Args:
        source: A checkpoint in any form that `load_checkpoint` reads.
        target: Where the other one goes.
        to: `official` is a bare state dict, `mmpose` one under 'state_dict'.

    Raises:
        CheckpointError: `source` cannot be read, or holds no HigherHRNet.
        OSError: `target` cannot be written.
    """
    state = read_state_dict(source)
    if "final_layers.0.weight" not in to_official(state):
        raise CheckpointError(
            f"{str(source)!r} holds no HigherHRNet: final_layers.0.weight is not in it"
        )
    with atomic_path(Path(target)) as path:
        if to == "official":
            torch.save(to_official(state), path)
        else:
            torch.save({"meta": {}, "state_dict": to_mmpose(state)}, path)
