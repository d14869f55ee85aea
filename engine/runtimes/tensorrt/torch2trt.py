"""The network by torch2trt, everything around it by torch, in one CUDA graph. NOT RUN YET: no GPU
was at hand when this was written. On the CPU torch2trt itself converts the networks, into
TensorRT-RTX's network definition, and what it makes of them is tested (docs/engines.md).

torch2trt converts what computes in floating point. It knows no uint8, no top-K and no gathering, so
that it gets the paper's network from normalised pixels to raw maps, and of `lite`, which looks for
people inside of its network, the backbone; images, aggregation, maxima and candidates stay torch's.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from basics.cache import hash_file
from basics.packages import import_package
from configs import ExecutionError, PoseStreamError, RuntimeUnavailableError, one_line
from engine.onnx.graph import PoseGraph
from engine.onnx.metadata import ModelMetadata
from engine.onnx.weights import load_exported_network
from engine.runtimes.base import Workload
from engine.runtimes.device import Device
from engine.runtimes.engine_file import EngineKey, cached_engine_file
from engine.runtimes.gpus import driver_version
from engine.runtimes.registry import RUNTIMES
from engine.runtimes.tensorrt.build import WORKSPACE_BYTES, Profile
from engine.runtimes.tensorrt.library import load_library
from engine.runtimes.torch_cuda import TorchCuda

_LAST_MAJOR = 10
_BATCH = (1, 1, 4)  # images at once: fewest, usual, most
_INPUT = "image"


class Torch2Trt(TorchCuda):
    """As `TorchCuda`, with the network, or its backbone, in a TensorRT engine that torch2trt made.

    The engine is kept in the user's cache; fp16 is a wish that TensorRT grants layer by layer.
    While torch2trt converts, torch's functions are its own, in all threads: other work of torch in
    this process must wait.
    """

    name = "torch2trt"

    def __init__(
        self,
        path: Path,
        metadata: ModelMetadata,
        precision: str,
        workload: Workload | None = None,
        device: Device = Device(),  # noqa: B008 - frozen
    ) -> None:
        workload = workload or Workload(input_size=metadata.static_size or metadata.input_size)
        profile = dataclasses.replace(Profile.for_run(workload), batch=_BATCH)
        self._profile = profile
        super().__init__(path, metadata, precision, device)

    @classmethod
    def check(cls) -> None:
        super().check()
        library = load_library("tensorrt")
        if library.major > _LAST_MAJOR:
            raise RuntimeUnavailableError(
                f"torch2trt sets builder flags that TensorRT {library.version} no longer has: take "
                'another runtime, or TensorRT 10 (pip install "tensorrt<11")'
            )

    @property
    def max_batch(self) -> int:
        return min(_BATCH[-1], super().max_batch)

    def _load(self, path: Path) -> PoseGraph:
        package = import_package("torch2trt", RUNTIMES[self.name].install, self.name)
        library = load_library("tensorrt")
        graph = PoseGraph(load_exported_network(path), self.metadata.map_stride).to(self._place)
        key = EngineKey(
            library=self.name,
            version=library.version,
            gpu=self.device,
            source_sha256=hash_file(path),
            precision=self.precision,
            shapes=self._profile.shapes,
            cuda=library.cuda,
            driver=driver_version(),
        )
        file = cached_engine_file(self.metadata.model.name, key)
        serialised = file.load(key) if file.exists() else None
        with torch.cuda.device(self._place):
            part = ConvertedPart(graph, self._profile)
            if serialised is None:
                module = part.convert(package, self.precision)
                file.write(key, bytes(module.engine.serialize()), path.name)
            else:
                self._runtime = library.module.Runtime(library.logger)
                engine = self._runtime.deserialize_cuda_engine(serialised)
                module = part.load(package, engine)
            part.install(module)
        return graph


class ConvertedPart:
    """What torch2trt converts of a graph: its network, or the backbone of one that looks for people
    itself.

    Args:
        graph: In single precision, where it is going to run.
        profile: The inputs that it is going to get.
    """

    def __init__(self, graph: PoseGraph, profile: Profile) -> None:
        self._graph = graph
        network: Any = graph.network
        self._whole = not isinstance(getattr(network, "backbone", None), nn.Module)
        part: nn.Module = network if self._whole else network.backbone
        shapes = [(shape[0], 3, *shape[1:3]) for shape in profile.shapes]
        self._shapes: tuple[Any, ...] = tuple(shapes)
        self.example: Tensor = torch.zeros(shapes[1], device=graph.gain.device)
        with torch.inference_mode():
            outputs, self._structure = _flatten(part(self.example))
        self.flat = _Flat(part).eval()
        self.output_names = [f"output_{index}" for index in range(len(outputs))]

    def convert(self, package: Any, precision: str) -> Any:
        """The part as torch2trt converts it, of the package `torch2trt`.

        Raises:
            ExecutionError: It cannot, or TensorRT cannot build it.
        """
        low, usual, high = self._shapes
        try:
            _add_converters(package)
            with torch.no_grad():
                module = package.torch2trt(
                    self.flat,
                    [self.example],
                    input_names=[_INPUT],
                    output_names=self.output_names,
                    fp16_mode=precision == "fp16",
                    max_workspace_size=WORKSPACE_BYTES,
                    keep_network=False,  # it holds the weights once more
                    min_shapes=[low],
                    opt_shapes=[usual],
                    max_shapes=[high],
                )
        except PoseStreamError:
            raise
        except Exception as error:  # whatever its tracing and converting raise
            raise ExecutionError(f"torch2trt cannot convert it: {one_line(error)}") from error
        if getattr(module, "engine", None) is None:
            raise ExecutionError("torch2trt made no engine; TensorRT's log says why")
        return module

    def load(self, package: Any, engine: Any) -> Any:
        """The part from an engine that was converted before.

        Raises:
            ExecutionError: The engine does not load.
        """
        if engine is None:
            raise ExecutionError("TensorRT cannot load the engine that torch2trt made")
        with torch.inference_mode():
            outputs = self.flat(self.example)
        flattener = package.flattener.Flattener
        return package.TRTModule(
            engine,
            input_names=[_INPUT],
            output_names=self.output_names,
            input_flattener=flattener.from_value([self.example]),
            output_flattener=flattener.from_value(outputs),
        )

    def install(self, module: Any) -> None:
        """Puts the converted part into the graph."""
        whole = _Unflattened(module, self._structure)
        if self._whole:
            self._graph.network = whole
        else:
            network: Any = self._graph.network
            network.backbone = whole


class _Flat(nn.Module):
    """A module whose outputs are one tuple of tensors, as torch2trt keeps them in order."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(_flatten(self.module(x))[0])


class _Unflattened(nn.Module):
    """The converted module, with outputs as those of the one that it takes the place of."""

    def __init__(self, module: Any, structure: Any) -> None:
        super().__init__()
        self.module = module
        self._structure = structure

    def forward(self, x: Tensor) -> Any:
        # torch2trt passes on the address of `x.contiguous()` and forgets the copy, whose memory its
        # own outputs may get: here it lives until the work is queued.
        packed = x.contiguous()
        return _unflatten(list(self.module(packed)), self._structure)


def _add_converters(package: Any) -> None:
    """Puts two converters of our own in the place of torch2trt's, which fail on these networks
    (seen in its last commit, 4e820ae of 2024).
    """
    package.tensorrt_converter("torch.nn.functional.pad")(_convert_padding)
    package.tensorrt_converter("torch.nn.functional.conv_transpose2d")(
        _convert_transposed_convolution
    )


def _convert_padding(context: Any) -> None:
    """torch2trt's own calls `add_padding`, which TensorRT 10 no longer has."""
    maps, (left, right, top, bottom) = context.method_args
    layer = context.network.add_padding_nd(maps._trt, (top, left), (bottom, right))  # noqa: SLF001
    context.method_return._trt = layer.get_output(0)  # noqa: SLF001


def _convert_transposed_convolution(context: Any) -> None:
    """torch2trt's own takes the input channels for the output channels."""
    maps, weight, bias, stride, padding, output_padding, groups, dilation = context.method_args
    if any(output_padding) or set(dilation) != {1}:
        raise ValueError("a transposed convolution with output padding or dilation")
    more = {} if bias is None else {"bias": bias.detach().cpu().numpy()}
    layer = context.network.add_deconvolution_nd(
        input=maps._trt,  # noqa: SLF001
        num_output_maps=weight.shape[1] * groups,
        kernel_shape=tuple(weight.shape[2:]),
        kernel=weight.detach().cpu().numpy(),
        **more,
    )
    layer.stride_nd, layer.padding_nd, layer.num_groups = stride, padding, groups
    context.method_return._trt = layer.get_output(0)  # noqa: SLF001


def _flatten(value: Any) -> tuple[list[Tensor], Any]:
    """The tensors of lists, tuples and named tuples in order, and what puts them back."""
    if isinstance(value, Tensor):
        return [value], None
    tensors: list[Tensor] = []
    structure = []
    for item in value:
        found, inner = _flatten(item)
        tensors += found
        structure.append((len(found), inner))
    return tensors, (type(value), structure)


def _unflatten(tensors: list[Tensor], structure: Any) -> Any:
    if structure is None:
        return tensors[0]
    kind, parts = structure
    items, start = [], 0
    for count, inner in parts:
        items.append(_unflatten(tensors[start : start + count], inner))
        start += count
    return kind(*items) if hasattr(kind, "_fields") else kind(items)
