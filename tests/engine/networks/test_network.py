"""The network is the official one: the same parameters, the same numbers."""

from __future__ import annotations

import dataclasses
import gzip
import json

import numpy as np
import pytest
import torch

from configs import ConfigError, model_names
from engine import load_network
from engine.networks.higherhrnet import output_channels
from tests.engine.golden import TINY, VARIANTS, load_arrays

FULL_SIZE = {
    "w32_coco": "w32_512",
    "w32_crowdpose": "w32_512_crowdpose",
    "w48_coco": "w48_640",
    "w48_crowdpose": "w48_640_crowdpose",
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_equal_those_of_the_official_code(variant, golden_network, golden):
    recorded = load_arrays(golden(f"network/{variant}_io.npz"))
    # In double precision: what remains is the rounding of the recording, on every processor.
    network = golden_network(variant).double()
    rgb = recorded["image_bgr"][..., ::-1].astype(np.float32) / 255
    normalised = ((rgb - np.float32(network.mean)) / np.float32(network.std)).astype(np.float64)

    with torch.inference_mode():
        outputs = network(torch.from_numpy(normalised.transpose(2, 0, 1).copy())[None])

    assert len(outputs) == sum(name.startswith("output_") for name in recorded)
    for index, output in enumerate(outputs):
        np.testing.assert_allclose(
            output[0].numpy(), recorded[f"output_{index}"], rtol=0, atol=1e-4
        )


@pytest.mark.parametrize("file, preset", FULL_SIZE.items())
def test_parameters_have_the_official_names_shapes_and_order(file, preset, golden):
    official = json.loads(
        gzip.decompress(golden(f"network/state_dict_{file}.json.gz").read_bytes())
    )
    with torch.device("meta"):
        network = load_network(preset)

    assert [[name, list(tensor.shape)] for name, tensor in network.state_dict().items()] == official


def test_fresh_weights_are_drawn_as_the_official_code_draws_them():
    network = load_network(TINY)

    assert network.conv2.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert network.deconv_layers[0][0][0].weight.std().item() == pytest.approx(0.001, rel=0.1)
    assert not network.final_layers[0].bias.any()
    assert (network.bn1.weight == 1).all()


@pytest.mark.parametrize("name", [name for name in model_names() if name != "lite"])
def test_every_preset_makes_a_network(name):
    with torch.device("meta"), torch.inference_mode():
        network = load_network(name).eval()
        outputs = network(torch.empty(1, 3, 64, 96))

    assert [output.shape[1] for output in outputs] == output_channels(network.config)
    assert [output.shape[2:] for output in outputs] == [
        (16 * 2**i, 24 * 2**i) for i in range(len(outputs))
    ]


def test_a_longer_tag_adds_channels_to_the_first_output_only():
    network = load_network(dataclasses.replace(TINY, tag_dimensions=2, width=2))

    first, second = network(torch.zeros(1, 3, 64, 64))

    assert first.shape[1] == 17 * 3
    assert second.shape[1] == 17


def test_an_unknown_preset_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"'w32_51', did you mean 'w32_512'\?"):
        load_network("w32_51")
