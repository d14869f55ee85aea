"""Runs torch2trt itself on the CPU: `python -m tests.support.torch2trt_on_rtx MODEL PRECISION`, a
process of its own, for torch2trt changes torch.

`tensorrt` is TensorRT-RTX, whose network definition, shapes and builder are TensorRT's and need no
GPU. What TensorRT 10 has besides, and torch2trt asks for, is added here: names that it only looks
up, flags and properties that strong typing has no use for. What was built is then computed by torch
from TensorRT's own network, layer by layer, and compared with the module.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from collections import Counter
from typing import Any

import tensorrt_rtx as rtx
import torch
from torch import Tensor
from torch.nn import functional

from configs import load_model_config
from engine import load_network
from engine.onnx.graph import PoseGraph
from engine.runtimes.tensorrt.build import Profile
from engine.runtimes.tensorrt.torch2trt import ConvertedPart
from tests.engine.golden import randomised

PROFILE = Profile(smallest=(64, 64), usual=(64, 96), largest=(128, 128), batch=(1, 1, 4))
FP16 = rtx.BuilderFlag.DEBUG  # stands in for the flag that TensorRT-RTX does not have
_BUILT: list[Any] = []  # network and configuration of every build


class _Builder(rtx.Builder):
    def build_serialized_network(self, network: Any, config: Any) -> Any:
        _BUILT.append((network, config))
        return super().build_serialized_network(network, config)


class _Runtime:
    """Gives an engine back that cannot run."""

    def __init__(self, logger: Any) -> None: ...

    def __enter__(self) -> _Runtime:
        return self

    def __exit__(self, *error: object) -> None: ...

    def deserialize_cuda_engine(self, engine: Any) -> Any:
        names = [tensor.name for tensor in _tensors(_BUILT[-1][0])]
        return types.SimpleNamespace(
            num_io_tensors=len(names),
            get_tensor_name=names.__getitem__,
            create_execution_context=lambda: None,
            serialize=lambda: bytes(engine),
        )


def make_tensorrt() -> types.ModuleType:
    """TensorRT-RTX with the interface of TensorRT 10."""
    library = types.ModuleType("tensorrt")
    vars(library).update({name: value for name, value in vars(rtx).items() if name[0] != "_"})
    library.__version__ = "10.16.1"
    library.Builder, library.Runtime = _Builder, _Runtime
    library.CalibrationAlgoType = types.SimpleNamespace(
        ENTROPY_CALIBRATION=0, ENTROPY_CALIBRATION_2=2
    )
    library.IInt8Calibrator = object
    library.NetworkDefinitionCreationFlag = types.SimpleNamespace(EXPLICIT_BATCH=0)
    flags = dict(rtx.BuilderFlag.__members__)
    library.BuilderFlag = types.SimpleNamespace(**flags, FP16=FP16)
    rtx.ITensor.location = property(lambda tensor: rtx.TensorLocation.DEVICE, lambda *_: None)
    rtx.ITensor.dtype = property(rtx.ITensor.dtype.fget, lambda *_: None)
    return library


def convert(model: str, precision: str) -> dict[str, Any]:
    """What came of it: see the test."""
    sys.modules["tensorrt"] = make_tensorrt()
    import torch2trt

    graph = PoseGraph(randomised(load_network(load_model_config(model))))
    part = ConvertedPart(graph, PROFILE)
    images = torch.randint(0, 255, (2, 96, 64, 3), dtype=torch.uint8)
    pixels = torch.rand(2, 3, 96, 64) - 0.5
    with torch.inference_mode():
        maps, expected = graph(images), part.flat(pixels)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        module = part.convert(torch2trt, precision)
    network, config = _BUILT[-1]
    layers = Counter(layer.type.name for layer in _layers(network))
    with torch.inference_mode():
        found = Evaluation(network).outputs(pixels)
        again = graph(images)
        structure = module.output_flattener.unflatten(found)
        kept = part.load(torch2trt, module.engine)
    return {
        "said": said.getvalue(),
        "layers": layers,
        "names": [tensor.name for tensor in _tensors(network)],
        "input": list(network.get_input(0).shape),
        "channels": [list(network.get_output(i).shape)[1] for i in range(network.num_outputs)],
        "expected_channels": [output.shape[1] for output in expected],
        "types": sorted({tensor.dtype.name for tensor in _tensors(network)}),
        "fp16": config.get_flag(FP16),
        "engine_bytes": len(bytes(module.engine.serialize())),
        "errors": [_error(ours, theirs) for ours, theirs in zip(found, expected, strict=True)],
        "kept_in_order": type(structure) is tuple and all(map(torch.equal, structure, found)),
        "loads_as_converted": vars(kept.output_flattener) == vars(module.output_flattener)
        and vars(kept.input_flattener) == vars(module.input_flattener),
        "torch_as_before": all(map(torch.equal, maps, again)),
    }


def _error(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def _layers(network: Any) -> list[Any]:
    return [network.get_layer(index) for index in range(network.num_layers)]


def _tensors(network: Any) -> list[Any]:
    """Inputs, then outputs."""
    return [
        *(network.get_input(index) for index in range(network.num_inputs)),
        *(network.get_output(index) for index in range(network.num_outputs)),
    ]


class _Layer:
    """A layer of TensorRT's, by its own class: its bindings give the base class."""

    def __init__(self, layer: Any) -> None:
        self.kind: str = layer.type.name
        self.inputs = [layer.get_input(index).name for index in range(layer.num_inputs)]
        self.output: str = layer.get_output(0).name
        self.own = layer
        layer.__class__ = getattr(rtx, _CLASSES[self.kind])


class Evaluation:
    """Computes TensorRT's network with torch, from nothing but what TensorRT says of it."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._layers = [_Layer(layer) for layer in _layers(network)]
        self._makers = {layer.output: layer for layer in self._layers}
        self._values: dict[str, Tensor] = {}

    def outputs(self, pixels: Tensor) -> list[Tensor]:
        self._values = {self._network.get_input(0).name: pixels}
        needed = self._needed()
        for layer in self._layers:  # in the order in which they were added
            if layer.output in needed:
                compute = getattr(self, f"_{layer.kind.lower()}")
                inputs = [self._values[name] for name in layer.inputs]
                self._values[layer.output] = compute(layer.own, *inputs)
        count = self._network.num_outputs
        return [self._values[self._network.get_output(index).name] for index in range(count)]

    def _needed(self) -> set[str]:
        """Of the tensors: torch2trt adds layers for shapes that nothing reads."""
        open_ = [self._network.get_output(i).name for i in range(self._network.num_outputs)]
        needed: set[str] = set()
        while open_:
            name = open_.pop()
            if name not in needed and name in self._makers:
                needed.add(name)
                open_ += self._makers[name].inputs
        return needed

    def _convolution(self, layer: Any, x: Tensor) -> Tensor:
        kernel, bias = _array(layer.kernel), _array(layer.bias)
        shape = (layer.num_output_maps, x.shape[1] // layer.num_groups, *layer.kernel_size_nd)
        return functional.conv2d(
            x,
            kernel.reshape(shape),
            bias if len(bias) else None,
            tuple(layer.stride_nd),
            tuple(layer.padding_nd),
            tuple(layer.dilation_nd),
            layer.num_groups,
        )

    def _deconvolution(self, layer: Any, x: Tensor) -> Tensor:
        kernel, bias = _array(layer.kernel), _array(layer.bias)
        shape = (x.shape[1], layer.num_output_maps // layer.num_groups, *layer.kernel_size_nd)
        return functional.conv_transpose2d(
            x,
            kernel.reshape(shape),
            bias if len(bias) else None,
            tuple(layer.stride_nd),
            tuple(layer.padding_nd),
            groups=layer.num_groups,
        )

    def _scale(self, layer: Any, x: Tensor) -> Tensor:
        shift, scale, power = (
            _array(values).reshape(1, -1, 1, 1)
            for values in (layer.shift, layer.scale, layer.power)
        )
        assert layer.channel_axis == 1 and bool((power == 1).all())
        return x * scale + shift

    def _activation(self, layer: Any, x: Tensor) -> Tensor:
        assert layer.type == rtx.ActivationType.RELU
        return x.relu()

    def _elementwise(self, layer: Any, x: Tensor, y: Tensor) -> Tensor:
        operations = {
            rtx.ElementWiseOperation.SUM: torch.add,
            rtx.ElementWiseOperation.MIN: torch.minimum,
        }
        return operations[layer.op](x, y)

    def _constant(self, layer: Any) -> Tensor:
        return _array(layer.weights).reshape(tuple(layer.shape))

    def _shuffle(self, layer: Any, x: Tensor) -> Tensor:
        return x.reshape(tuple(layer.reshape_dims))

    def _concatenation(self, layer: Any, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, dim=layer.axis)

    def _padding(self, layer: Any, x: Tensor) -> Tensor:
        (top, left), (bottom, right) = layer.pre_padding_nd, layer.post_padding_nd
        return functional.pad(x, (left, right, top, bottom))

    def _resize(self, layer: Any, x: Tensor) -> Tensor:
        factors = tuple(layer.scales)[2:]
        transformation = layer.coordinate_transformation
        if layer.resize_mode == rtx.InterpolationMode.NEAREST:
            assert transformation == rtx.ResizeCoordinateTransformation.ASYMMETRIC
            assert layer.nearest_rounding == rtx.ResizeRoundMode.FLOOR
            return functional.interpolate(x, scale_factor=factors, mode="nearest")
        assert layer.resize_mode == rtx.InterpolationMode.LINEAR
        assert transformation == rtx.ResizeCoordinateTransformation.HALF_PIXEL
        return functional.interpolate(x, scale_factor=factors, mode="bilinear")


_CLASSES = {
    "CONVOLUTION": "IConvolutionLayer",
    "DECONVOLUTION": "IDeconvolutionLayer",
    "SCALE": "IScaleLayer",
    "ACTIVATION": "IActivationLayer",
    "ELEMENTWISE": "IElementWiseLayer",
    "CONSTANT": "IConstantLayer",
    "SHUFFLE": "IShuffleLayer",
    "CONCATENATION": "IConcatenationLayer",
    "PADDING": "IPaddingLayer",
    "RESIZE": "IResizeLayer",
    "SHAPE": "IShapeLayer",
    "SLICE": "ISliceLayer",
}


def _array(weights: Any) -> Tensor:
    return torch.from_numpy(weights.numpy() if isinstance(weights, rtx.Weights) else weights)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(convert(*sys.argv[1:])))
