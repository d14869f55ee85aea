"""int8 by quantisation after training: NNCF takes the ranges of activations from images, OpenVINO
computes.

Float stay the head (neck, tag branch, deconvolution, residual blocks, heatmaps) and everything
after it: averaging, peaks, top-K. With the head in int8 but for its last convolutions AP fell by
1.0 instead of 0.5 points (docs/engines.md).
"""

from __future__ import annotations

import io
import logging
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from basics.cache import hash_file
from basics.packages import import_package
from configs import ExecutionError, ModelError, RuntimeUnavailableError, one_line
from engine.geometry import InputSize, align
from engine.runtimes.engine_file import EngineFile, EngineKey, cached_engine_file
from engine.runtimes.openvino.passes import CONVOLUTIONS, PASSES_VERSION, rewrite_for_cpu

# What the exporter calls the parts of the head; OpenVINO drops the name of the deconvolution
# itself, told by its type.
_HEAD = tuple(
    f"/network/{name}"
    for name in (
        *("neck", "narrow", "final_layers", "deconv_layers", "residual_blocks"),
        *("tags", "centre", "regression", "box_size", "cells", "correction"),
    )
)
_DECONVOLUTION = "ConvolutionBackpropData"
_GRAPH, _WEIGHTS = "model.xml", "model.bin"
logger = logging.getLogger(__name__)


def quantise(
    path: Path, images: Iterable[NDArray[np.uint8]], count: int, input_size: InputSize
) -> bytes:
    """The exported model at `path` with int8 convolutions, as the bytes that `read_quantised`
    reads.

    Args:
        path: The ONNX file.
        images: (H, W, 3) uint8 BGR, some hundreds of them, such as the model is to see.
        count: How many of them there are.
        input_size: What they are laid into.

    Raises:
        RuntimeUnavailableError: The package nncf or openvino is not installed.
        ModelError: The graph has no head where it is looked for.
        ExecutionError: The quantisation fails.
    """
    openvino, nncf = (
        import_package(name, "higherhrnet-stream[quantize]", "int8")
        for name in ("openvino", "nncf")
    )
    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(str(path))
    rewrite_for_cpu(model)
    inputs = (align(image.shape[:2], input_size).warp(image)[None] for image in images)
    logger.info("quantising %s with %d images", path.name, count)
    try:
        quantised = nncf.quantize(
            model,
            nncf.Dataset(inputs, lambda each: each),
            # ranges of activations need not be symmetric: ReLU6 leaves half of one
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=count,
            ignored_scope=nncf.IgnoredScope(names=float_nodes(model), validate=False),
        )
    except RuntimeError as error:
        raise ExecutionError(f"nncf cannot quantise {str(path)!r}: {one_line(error)}") from error
    return _pack(openvino, quantised)


def float_nodes(model: Any) -> list[str]:
    """Names of the nodes of an `openvino.Model` that must stay float: the head, and all from which
    no convolution is reached.

    Raises:
        ModelError: No convolution bears the name of a part of the head.
    """
    leading: set[str] = set()  # nodes that a convolution follows
    chosen = []
    heads = 0
    for node in reversed(list(model.get_ordered_ops())):
        name = node.get_friendly_name()
        convolves = node.get_type_name() in CONVOLUTIONS
        is_head = name.startswith(_HEAD) or node.get_type_name() == _DECONVOLUTION
        heads += convolves and name.startswith(_HEAD)
        if is_head or name not in leading:
            chosen.append(name)
        if convolves or name in leading:
            leading.update(value.get_node().get_friendly_name() for value in node.input_values())
    if not heads:
        raise ModelError(
            "this model has no head under the names that the exporter gives them: export it again"
        )
    return chosen


def quantised_key(path: Path) -> EngineKey:
    """What an int8 model must be made from to stand for the exported model at `path`."""
    return EngineKey(
        library="openvino",
        version=f"passes {PASSES_VERSION}",
        gpu="any",
        source_sha256=hash_file(path),
        precision="int8",
        shapes=(),
    )


def find_quantised(path: Path, model: str, folder: Path | None = None) -> bytes:
    """The int8 form of the exported model at `path`: in `folder`; by default beside the model, in
    `NAME.int8`, or in the cache.

    Raises:
        RuntimeUnavailableError: There is none that fits; the message has the command that makes it.
    """
    key = quantised_key(path)
    beside, cached = EngineFile(path.with_suffix(".int8")), cached_engine_file(model, key)
    for file in (beside, cached) if folder is None else (EngineFile(folder),):
        packed = file.load(key)
        if packed is not None:
            return packed
    raise RuntimeUnavailableError(
        f"there is no int8 form of {path.name!r} yet: make it with python -m engine build --model "
        f"{model} --runtime openvino "
        "--precision int8 --calibration IMAGES"
    )


def read_quantised(core: Any, tensor: Any, packed: bytes) -> Any:
    """The `openvino.Model` in what `quantise` returned.

    Args:
        core: An `openvino.Core`.
        tensor: The class `openvino.Tensor`.
        packed: What `quantise` returned.
    """
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        graph, weights = (archive.read(name) for name in (_GRAPH, _WEIGHTS))
    return core.read_model(graph, tensor(np.frombuffer(weights, np.uint8)))


def _pack(openvino: Any, model: Any) -> bytes:
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(model, str(Path(folder) / _GRAPH), compress_to_fp16=False)
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in (_GRAPH, _WEIGHTS):
                archive.write(Path(folder) / name, name)
    return packed.getvalue()
