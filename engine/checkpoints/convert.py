"""Checkpoints from the official layout to mmpose 0.x's and back (docs/reference.md, section
1.3).

Both hold the same tensors under the same names; mmpose puts `keypoint_head.` before the head's and
`backbone.` before the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from configs import CheckpointError
from engine.atomic import atomic_path
from engine.checkpoints.checkpoint import read_state_dict, strip_prefixes

Layout = Literal["official", "mmpose"]


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the official names."""
    return {strip_prefixes(name): tensor for name, tensor in state.items()}


def to_mmpose(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under mmpose 0.x's names."""
    official = to_official(state)
    return {
        ("keypoint_head." if name.startswith(("final_layers.", "deconv_layers.")) else "backbone.")
        + name: tensor
        for name, tensor in official.items()
    }


def convert_checkpoint(source: str | Path, target: str | Path, to: Layout) -> None:
    """Writes the weights of `source`, in any form that `load_checkpoint` reads, to `target` in the
    layout `to`.

    `official` is a bare state dict, `mmpose` one under 'state_dict'. Values and types are kept as
    they are. Raises CheckpointError if `source` cannot be read or holds no HigherHRNet.
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
