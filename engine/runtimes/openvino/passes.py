"""The exported graph rewritten to what OpenVINO's CPU kernels are fast at; it computes the same
maps.

OpenVINO keeps pixels of all channels together (NHWC) inside a network, and what it then does to
hand out planes (NCHW) is slow: 8 of 25 ms (lite, 320x448, one thread). No pass depends on the size
of images, and each leaves a graph alone that does not look as it expects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.onnx.metadata import INPUT_NAME

CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData")

# raised whenever the passes change, so that int8 models that were made with them are made anew
PASSES_VERSION = 3


def rewrite_for_cpu(model: Any, single_precision: bool = True) -> list[str]:
    """Rewrites the exported graph for CPUs.

    Args:
        model: An `openvino.Model`, changed in place.
        single_precision: Whether products are computed in it. In bf16 those that make planes would
            round the maps: neighbours become equal, and of one peak two (39 people too many of 137
            instead of 17, on 40 images of COCO).

    Returns:
        The names of the passes that found their pattern.
    """
    passes = [_fold_channel_order, _unshare_biases, _bypass_splits, _separate_peak_pooling]
    if single_precision:
        passes.append(_make_planes_by_product)
    done = [each.__name__.strip("_") for each in passes if each(model)]
    model.validate_nodes_and_infer_types()
    return done


def _fold_channel_order(model: Any) -> bool:
    """BGR stays BGR: the first convolution's weights change places instead. Saves 1.5 ms."""
    from openvino import opset13 as ops

    image = model.input(INPUT_NAME).get_node()
    scale: dict[str, NDArray[np.float32]] = {}
    output = image.output(0)
    concatenated = False
    while True:
        nodes = _readers(output)
        # The three channels are sliced out one by one, and all of the slices lead to one node.
        node = nodes[0]
        kind = node.get_type_name()
        if kind in ("Multiply", "Add") and concatenated and len(nodes) == 1:
            values = _constant(node.input_value(1))
            if values is None or values.size != 3:
                return False
            scale[kind] = values.reshape(-1)
        elif kind not in (
            "Convert",
            "Transpose",
            "Slice",
            "StridedSlice",
            "VariadicSplit",
            "Concat",
        ):
            break
        concatenated = concatenated or kind == "Concat"
        output = node.output(0)
    # A network that looks twice has two of them, the second behind the image at half its size.
    convolutions = [_first_convolution(each) for each in nodes]
    weights = [_constant(each.input_value(1)) for each in convolutions if each is not None]
    of_colours = [each for each in weights if each is not None and each.shape[1] == 3]
    if set(scale) != {"Multiply", "Add"} or len(of_colours) != len(convolutions):
        return False
    pixels = ops.convert(image, "f32")
    for kind, operation in (("Multiply", ops.multiply), ("Add", ops.add)):
        pixels = operation(
            pixels, ops.constant(np.ascontiguousarray(scale[kind][::-1]).reshape(1, 1, 1, 3))
        )
    pixels = ops.transpose(pixels, ops.constant([0, 3, 1, 2]))
    _replace(output.get_target_inputs(), pixels.output(0))
    for convolution, values in zip(convolutions, of_colours, strict=True):
        convolution.input(1).replace_source_output(
            ops.constant(np.ascontiguousarray(values[:, ::-1])).output(0)
        )
    return True


def _unshare_biases(model: Any) -> bool:
    """Convolutions with the same parameters get a bias each: with a shared one, neither it nor the
    activation behind it becomes part of the convolution. 136 ms -> 113 (base, 384x512, one thread).
    """
    from openvino import opset13 as ops

    found = False
    for node in model.get_ordered_ops():
        if node.get_type_name() not in CONVOLUTIONS:
            continue
        for sum_ in _readers(node.output(0)):
            if sum_.get_type_name() != "Add":
                continue
            shaped = sum_.input_value(1).get_node()
            if shaped.get_type_name() != "Reshape":
                continue
            bias = shaped.input_value(0)
            values = _constant(bias)
            if values is not None and len(_readers(bias)) > 1:
                own = ops.constant(values.reshape(1, -1, 1, 1).copy())
                sum_.input(1).replace_source_output(own.output(0))
                found = True
    return found


def _bypass_splits(model: Any) -> bool:
    """What the network joins and the graph takes apart again, heatmaps and tags, is taken before it
    is joined. 1 ms.
    """
    found = False
    for node in list(_of_type(model, "Slice")):
        joined = node.input_value(0).get_node()
        while joined.get_type_name() == "Convert":  # from single to single precision
            joined = joined.input_value(0).get_node()
        bounds = [_constant(node.input_value(index)) for index in range(1, 5)]
        if (
            joined.get_type_name() != "Concat"
            or joined.get_axis() != 1
            or any(each is None for each in bounds)
        ):
            continue
        start, stop, step, axis = (int(each.reshape(-1)[0]) for each in bounds if each is not None)
        if (step, axis) == (1, 1):
            part = _part(joined, start, stop)
            if part is not None:
                _replace(node.output(0).get_target_inputs(), part)
                found = True
    return found


def _part(joined: Any, start: int, stop: int) -> Any:
    """The input of a Concat that makes up its channels from start to stop, which may lie behind the
    last; None if none does.
    """
    first = 0
    parts = joined.input_values()
    for part in parts:
        channels = part.get_partial_shape()[1]
        if channels.is_dynamic:
            return None
        last = first + channels.get_length()
        if first == start and (last == stop or (part == parts[-1] and stop > last)):
            return part
        first = last
    return None


def _separate_peak_pooling(model: Any) -> bool:
    """The highest of 5x5 as the highest of 5 rows of the highest of 5 columns: 10 comparisons
    instead of 25.
    """
    from openvino import opset13 as ops

    found = False
    for node in list(_of_type(model, "MaxPool")):
        kernel = tuple(node.get_attributes()["kernel"])
        if (
            node.input_value(0) != _maps_inside(model, "heatmaps")
            or kernel[0] != kernel[1]
            or kernel[0] % 2 == 0
        ):
            continue
        size, around = kernel[0], kernel[0] // 2
        readers = node.output(0).get_target_inputs()
        along = ops.max_pool(
            node.input_value(0), [1, 1], [1, 1], [0, around], [0, around], [1, size]
        )
        across = ops.max_pool(along.output(0), [1, 1], [1, 1], [around, 0], [around, 0], [size, 1])
        _replace(readers, across.output(0))
        found = True
    return found


def _make_planes_by_product(model: Any) -> bool:
    """Planes as the product of the identity and the pixels: 0.3 ms for what reordering takes 2 ms
    for (17 of 160x224).
    """
    heatmaps = _maps_inside(model, "heatmaps")
    result = [
        each for each in heatmaps.get_target_inputs() if each.get_node().get_type_name() == "Result"
    ]
    peaks = [
        node.output(0) for node in _of_type(model, "Select") if heatmaps in node.input_values()
    ]
    enlarged = model.output("tags").get_node().input_value(0)
    while enlarged.get_node().get_type_name() == "Reshape":
        enlarged = enlarged.get_node().input_value(0)
    if not result or not peaks or enlarged.get_partial_shape().rank.get_length() != 4:
        return False
    _replace(result, _planes(heatmaps))
    for each in (*peaks, enlarged):
        readers = each.get_target_inputs()
        _replace(readers, _planes(each))
    return True


def _planes(maps: Any) -> Any:
    """The maps (N, C, h, w), values unchanged."""
    from openvino import opset13 as ops

    channels = maps.get_partial_shape()[1].get_length()
    # Not moved: in memory this is how they lie.
    pixels = ops.transpose(maps, ops.constant([0, 2, 3, 1]))
    pixels = ops.reshape(pixels, ops.constant([0, -1, channels]), special_zero=True)
    planes = ops.matmul(
        ops.constant(np.eye(channels, dtype=np.float32)[None]),
        pixels,
        transpose_a=False,
        transpose_b=True,
    )
    return ops.reshape(planes, ops.shape_of(maps), special_zero=False).output(0)


def _replace(readers: Iterable[Any], output: Any) -> None:
    for reader in readers:
        reader.replace_source_output(output)


def _maps_inside(model: Any, name: str) -> Any:
    return model.output(name).get_node().input_value(0)


def _of_type(model: Any, kind: str) -> Iterator[Any]:
    return (node for node in model.get_ordered_ops() if node.get_type_name() == kind)


def _readers(output: Any) -> list[Any]:
    """The nodes that read an output's values, each once."""
    readers = [each.get_node() for each in output.get_target_inputs()]
    of_values = [each for each in readers if each.get_type_name() != "ShapeOf"]
    return list({each.get_friendly_name(): each for each in of_values}.values())


def _first_convolution(node: Any) -> Any:
    """The convolution that the node is or leads to, through nothing but what treats every channel
    alike; None if there is none.
    """
    while node.get_type_name() in ("Pad", "AvgPool", "Interpolate"):
        readers = _readers(node.output(0))
        if len(readers) != 1:
            return None
        node = readers[0]
    return node if node.get_type_name() == "Convolution" else None


def _constant(output: Any) -> NDArray[Any] | None:
    """The constant behind an output, through changes of type and rank; None if it is not one."""
    node = output.get_node()
    while node.get_type_name() in ("Convert", "Unsqueeze"):
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    values: NDArray[Any] = node.data
    return values.astype(np.float32) if values.dtype == np.float16 else values
