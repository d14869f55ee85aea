"""The golden networks, with their recorded weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine import load_network
from engine.onnx.export import export_onnx
from tests.engine.golden import SMALL_LITE, VARIANTS, load_weights, randomised, variant_config

GoldenNetwork = Callable[[str], torch.nn.Module]


@pytest.fixture(scope="session")
def golden_network(golden: Callable[[str], Path]) -> GoldenNetwork:
    """Builds the golden network of that name, or `inference`, in evaluation mode."""

    def build(variant: str) -> torch.nn.Module:
        network = load_network(variant_config(variant if variant in VARIANTS else "w4"))
        network.load_state_dict(load_weights(golden(f"network/{variant}_weights.npz")), strict=True)
        return network.eval()

    return build


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Networks this small are slower with more, several times so on a machine with other work to do.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def lite_network() -> torch.nn.Module:
    """The small network, random weights; it has a quarter of the layers of the smallest HRNet."""
    return randomised(load_network(SMALL_LITE))


@pytest.fixture(scope="session")
def w4_onnx(golden_network: GoldenNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "w4.onnx"
    export_onnx(golden_network("w4"), path)
    return path


@pytest.fixture(scope="session")
def lite_onnx(lite_network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "lite.onnx"
    export_onnx(lite_network, path)
    return path
