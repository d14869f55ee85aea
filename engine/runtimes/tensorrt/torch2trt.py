"""TensorRT engines by torch2trt, for where its way into TensorRT works better than the exported
graph's. NOT RUN: no GPU was at hand; its refusals are tested.

It is asked to go through ONNX too: its own converters know neither uint8 nor top-K. Its last
release, 0.5 of 2024, sets builder flags that TensorRT 11 no longer has.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from basics.packages import import_package
from configs import ConfigError, ExecutionError, ModelError, RuntimeUnavailableError, one_line
from engine.onnx.metadata import INPUT_NAME, OUTPUT_NAMES, read_metadata
from engine.runtimes.tensorrt.build import WORKSPACE_BYTES, BuiltEngine, Profile
from engine.runtimes.tensorrt.library import Library

_LAST_MAJOR = 10
_INSTALL = "git+https://github.com/NVIDIA-AI-IOT/torch2trt"


def build_with_torch2trt(
    library: Library, path: Path, profile: Profile, precision: str
) -> BuiltEngine:
    """Builds the exported model at `path`; cannot be interrupted. fp16 is a wish here: TensorRT
    chooses each layer's type.

    Raises:
        ConfigError: torch2trt does not know the library.
        RuntimeUnavailableError: There is no torch2trt, no torch or no GPU.
        ExecutionError: The build fails.
    """
    if library.name != "tensorrt":
        raise ConfigError(
            f"torch2trt makes engines for tensorrt only, not for {library.name}: take --builder "
            "parser"
        )
    if library.major > _LAST_MAJOR:
        raise ConfigError(
            f"torch2trt sets builder flags that TensorRT {library.version} no longer has: take "
            "--builder parser, or TensorRT 10"
        )
    purpose = "--builder torch2trt"
    torch = import_package("torch", "higherhrnet-stream[torch]", purpose)
    torch2trt = import_package("torch2trt", _INSTALL, purpose).torch2trt
    if not torch.cuda.is_available():
        raise RuntimeUnavailableError(
            "torch2trt runs the network on a CUDA GPU while it builds, and torch finds none"
        )
    from engine.onnx.graph import PoseGraph
    from engine.onnx.weights import load_exported_network

    graph = PoseGraph(load_exported_network(path), read_metadata(path).map_stride).to("cuda")
    low, usual, high = profile.shapes
    image = torch.zeros(usual, dtype=torch.uint8, device="cuda")
    options: dict[str, Any] = (
        {} if low == high else {"min_shapes": [low], "opt_shapes": [usual], "max_shapes": [high]}
    )
    try:
        module = torch2trt(
            graph,
            [image],
            input_names=[INPUT_NAME],
            output_names=list(OUTPUT_NAMES),
            fp16_mode=precision == "fp16",
            max_workspace_size=WORKSPACE_BYTES,
            max_batch_size=high[0],
            use_onnx=True,
            **options,
        )
    except Exception as error:  # whatever its tracing, exporting and parsing raise
        raise ExecutionError(
            f"torch2trt could not build {str(path)!r}: {one_line(error)}"
        ) from error
    if module.engine is None:
        raise ModelError(f"torch2trt made no engine of {str(path)!r}; TensorRT's log says why")
    return BuiltEngine(serialised=bytes(module.engine.serialize()), layers=(), timing_cache=None)
