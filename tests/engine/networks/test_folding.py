"""A network without batch normalisation computes what it computed with it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.networks.folding import fold_batch_normalisation
from tests.engine.golden import VARIANTS


@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_stay_and_no_normalisation_is_left(variant, golden_network):
    network = golden_network(variant)
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        expected = network(image)
        found = fold_batch_normalisation(network)(image)

    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


def test_a_normalisation_behind_something_else_stays():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)).eval()

    fold_batch_normalisation(network)

    assert isinstance(network[2], nn.BatchNorm2d)
