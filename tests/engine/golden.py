"""What the official code recorded, and networks small enough to test with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from configs import ModelConfig, load_model_config

TINY = ModelConfig(name="tiny", description="W4, to test with", width=4, input_size=128)
# `lite` with narrow layers and learned tags: random weights make regressed tags, which choose the
# nearest of several people, a matter of the last bit. What ships is tested with its own weights.
SMALL_LITE = dataclasses.replace(
    load_model_config("lite"),
    backbone_width=0.5,
    deconvolutions=1,
    residual_blocks=1,
    tags="learned",
    corrected_joints=False,
    tag_unit_px=48.0,
    heatmap_exponent=1.0,
)
VARIANTS: dict[str, dict[str, Any]] = {
    "w4": {},
    "w4_no_deconv": {"deconvolutions": 0},
    "w4_two_deconv": {"deconvolutions": 2},
    "w4_no_concat": {"concat_heatmaps": False},
    "w4_no_residual": {"residual_blocks": 0},
    "w4_crowdpose": {"keypoint_set": "crowdpose"},
}


def variant_config(variant: str) -> ModelConfig:
    return dataclasses.replace(TINY, **VARIANTS[variant])


def randomised(network: torch.nn.Module) -> torch.nn.Module:
    """The network in evaluation mode, with weights that make maps with distinct peaks (fresh ones
    make nearly empty maps).
    """
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2 if parameter.ndim > 1 else 0.5)
    return network.eval()


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """A recorded state dict; what was stored as float16 is float32 again."""
    arrays = load_arrays(path)
    return {
        name: torch.from_numpy(np.array(array, np.float32 if array.dtype == np.float16 else None))
        for name, array in arrays.items()
    }
