"""The deployable graph as an ONNX file, which every runtime but torch executes."""

from __future__ import annotations

import hashlib
import io
import warnings
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from basics.atomic import atomic_path
from basics.packages import import_package
from engine.geometry import InputSize, check_input_size
from engine.networks.network import PoseNetwork
from engine.onnx.graph import PoseGraph
from engine.onnx.metadata import INPUT_NAME, OUTPUT_NAMES, ModelMetadata
from engine.onnx.passes import store_weights_as_fp16

if TYPE_CHECKING:
    import onnx

OPSET = 17  # the newest that TensorRT 8.6 reads
_DYNAMIC_AXES = {
    INPUT_NAME: {0: "batch", 1: "height", 2: "width"},
    "heatmaps": {0: "batch", 2: "rows", 3: "columns"},
    "tags": {0: "batch", 3: "rows", 4: "columns"},
    **{name: {0: "batch"} for name in ("x", "y", "score", "tag")},
}
# Traced at a size with unlike sides, so that exchanged axes could not go unnoticed.
_TRACE_SIZE = (64, 128)


def export_onnx(
    network: nn.Module,
    path: str | Path,
    *,
    input_size: InputSize | None = None,
    static_size: tuple[int, int] | None = None,
    map_stride: int = 2,
    fp16_weights: bool = False,
    weights: str = "",
    ap: float | None = None,
    ap_measured_on: str = "",
) -> ModelMetadata:
    """Writes the deployable graph of a network as an ONNX file, completely or not at all.

    Args:
        network: Of `load_network`, with its weights; its mode is kept.
        path: Where the file goes.
        input_size: What runtimes use the model at unless told otherwise: short side, or
            (height, width); by default the preset's, or `static_size`.
        static_size: (height, width) of the one image that the graph takes; by default it takes
            batches of any size with any sides that are multiples of 32 (`looks: 2`: of 64).
        map_stride: Input pixels per map pixel: 1 or 2.
        fp16_weights: Half the file; numbers are still computed in single precision.
        weights: Where they came from, for whoever reads the metadata.
        ap: Average precision in percent, likewise.
        ap_measured_on: On what, likewise.

    Returns:
        The metadata that went into the file.

    Raises:
        ConfigError: Sizes or a map stride that cannot be used.
        RuntimeUnavailableError: There is no onnx package.
        OSError: The file cannot be written.
    """
    model = cast(PoseNetwork, network)
    metadata = ModelMetadata(
        model=model.config,
        input_size=input_size or static_size or model.config.input_size,
        static_size=static_size,
        map_stride=map_stride,
        weights=weights,
        weights_sha256=hash_weights(network),
        ap=ap,
        ap_measured_on=ap_measured_on,
        created=date.today().isoformat(),
    )
    for size in (metadata.input_size, static_size):
        if size is not None:
            check_input_size(size, multiple_px=model.config.size_multiple_px)
    graph = trace(network, map_stride, static_size)
    if fp16_weights:
        store_weights_as_fp16(graph)
    for name, value in metadata.to_properties().items():
        graph.metadata_props.add(key=name, value=value)
    with atomic_path(Path(path)) as target:
        target.write_bytes(graph.SerializeToString())
    return metadata


def trace(
    network: nn.Module, map_stride: int = 2, static_size: tuple[int, int] | None = None
) -> onnx.ModelProto:
    """The deployable graph of `network` as an ONNX model in memory; the network's mode is left as
    it is.
    """
    onnx = import_package("onnx", "higherhrnet-stream[torch]", "exporting a model")
    height, width = static_size or _TRACE_SIZE
    training = network.training
    device = next(network.parameters()).device
    buffer = io.BytesIO()
    threads = torch.get_num_threads()
    if static_size is None:
        # For maps this small, threads wait for each other longer than they work.
        torch.set_num_threads(1)
    try:
        graph = PoseGraph(network, map_stride).to(device)
        with warnings.catch_warnings(), torch.inference_mode():
            # PyTorch prefers its other exporter, which needs onnxscript and writes one size of
            # image only.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", TracerWarning)
            warnings.filterwarnings("ignore", "Constant folding", UserWarning)
            torch.onnx.export(
                graph,
                (torch.zeros(1, height, width, 3, dtype=torch.uint8, device=device),),
                buffer,  # type: ignore[arg-type]
                dynamo=False,
                # Nothing is folded, so that the file holds every parameter under its own name and
                # torch can run it too (engine/onnx/weights.py); runtimes fold batch normalisation
                # into convolutions when they load.
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
                opset_version=OPSET,
                input_names=[INPUT_NAME],
                output_names=list(OUTPUT_NAMES),
                dynamic_axes=None if static_size else _DYNAMIC_AXES,
            )
    finally:
        torch.set_num_threads(threads)
        network.train(training)
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model)
    return model


def hash_weights(network: nn.Module) -> str:
    """SHA-256 of the names, types and values of everything in the network's state dict."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
