"""The network back out of an exported model: its configuration is in the metadata, its parameters
are the initializers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from configs import ModelConfig, ModelError
from engine.networks.network import load_network
from engine.onnx.file import load_onnx
from engine.onnx.metadata import read_metadata

_PREFIX = "network."  # the attribute of PoseGraph that holds the network
_FP16_SUFFIX = ".fp16"


def load_exported_network(path: str | Path, config: ModelConfig | None = None) -> nn.Module:
    """The network that was exported to the ONNX file `path`, in evaluation mode and single
    precision.

    Args:
        path: The file.
        config: Of another network with the same parameters, which is made of them instead.

    Raises:
        ModelError: The file is not one of ours or lacks parameters.
        RuntimeUnavailableError: The package onnx is not installed.
    """
    network = load_network(config or read_metadata(path).model)
    state = network.state_dict()
    stored = _read_initializers(path)
    missing = [
        name for name in state if name not in stored and not name.endswith("num_batches_tracked")
    ]
    if missing:
        raise ModelError(
            f"{str(path)!r} lacks {len(missing)} parameters of its network ({missing[0]}, ...): it "
            "can be run, but not by torch"
        )
    network.load_state_dict(
        {name: stored.get(name, tensor) for name, tensor in state.items()}, strict=True
    )
    return network.eval()


def _read_initializers(path: str | Path) -> dict[str, Tensor]:
    graph = load_onnx(path, "reading a model with torch").graph
    from onnx import numpy_helper

    values = {initializer.name: initializer for initializer in graph.initializer}
    # The exporter stores equal parameters once and leads the other names to them.
    aliases = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
    names = {name.removesuffix(_FP16_SUFFIX): name for name in values} | {
        alias: target
        for alias, target in aliases.items()
        if target in values or target + _FP16_SUFFIX in values
    }
    weights = {}
    for name, source in names.items():
        if name.startswith(_PREFIX):
            tensor = values.get(source) or values[source + _FP16_SUFFIX]
            weights[name[len(_PREFIX) :]] = torch.from_numpy(
                np.array(numpy_helper.to_array(tensor), np.float32)
            )
    return weights
