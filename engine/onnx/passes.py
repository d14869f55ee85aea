"""Changes to an exported ONNX model; all of them in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

NETWORK_SCOPE = (
    "/network/"  # what the exporter puts before the names of the nodes of PoseGraph.network
)
_SMALLEST_STORED = 256  # elements; below, a Cast node takes what is saved
_FP16_MAX = 65504.0
_CONVOLUTIONS = ("Conv", "ConvTranspose")
# What may lie between convolutions. Other nodes compute shapes and constants, whose types are given
# by the operator.
_BETWEEN = ("Add", "Clip", "Concat", "MaxPool", "Mul", "Pad", "Relu", "Resize", "Sigmoid", "Slice")
_ANY_TYPE = ("Shape", "Cast")  # read tensors of any type


def store_weights_as_fp16(model: onnx.ModelProto) -> None:
    """Stores weights in half precision, each followed by a Cast to single precision that runtimes
    fold away when they load.

    Vectors (batch normalisation), small tensors and those that half precision cannot hold stay.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for initializer in model.graph.initializer:
        dims = initializer.dims
        if (
            initializer.data_type != TensorProto.FLOAT
            or len(dims) < 2
            or np.prod(dims) < _SMALLEST_STORED
        ):
            continue
        values = numpy_helper.to_array(initializer)
        if np.abs(values).max() > _FP16_MAX:
            continue
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16"))
        casts.append(
            helper.make_node(
                "Cast", [f"{name}.fp16"], [name], name=f"{name}.fp32", to=TensorProto.FLOAT
            )
        )
    _replace_nodes(
        model, [*casts, *model.graph.node]
    )  # nodes must stand before those that read them


def load_weights_as_fp32(model: onnx.ModelProto) -> None:
    """Undoes `store_weights_as_fp16`: weights are single-precision initializers, whatever they were
    stored as.
    """
    from onnx import TensorProto, numpy_helper

    values = {initializer.name: initializer for initializer in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        stored = values.get(node.input[0]) if node.op_type == "Cast" else None
        if stored is None or stored.data_type != TensorProto.FLOAT16:
            nodes.append(node)
            continue
        stored.CopyFrom(
            numpy_helper.from_array(
                numpy_helper.to_array(stored).astype(np.float32), node.output[0]
            )
        )
    _replace_nodes(model, nodes)


def fold_batch_normalisation(model: onnx.ModelProto) -> None:
    """Folds every batch normalisation that follows a convolution into its weights, in single
    precision.

    Runtimes do so themselves; before numbers are cut to half precision it has to be done here.
    """
    from onnx import numpy_helper

    values = {
        initializer.name: numpy_helper.to_array(initializer)
        for initializer in model.graph.initializer
    }
    aliases = {
        node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"
    }
    makers = {node.output[0]: node for node in model.graph.node if node.op_type in _CONVOLUTIONS}

    def value(name: str) -> NDArray[Any]:
        array: NDArray[Any] = values[aliases.get(name, name)]
        return array

    nodes = []
    for node in model.graph.node:
        convolution = makers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if convolution is None:
            nodes.append(node)
            continue
        epsilon = next(
            (attribute.f for attribute in node.attribute if attribute.name == "epsilon"), 1e-5
        )
        gain, offset, mean, variance = (value(name).astype(np.float64) for name in node.input[1:5])
        factor = gain / np.sqrt(variance + epsilon)
        weight = value(convolution.input[1]).astype(np.float64)
        # Output channels are the first axis of a convolution's weights and the second of a
        # transposed one's.
        shape = (-1, 1, 1, 1) if convolution.op_type == "Conv" else (1, -1, 1, 1)
        bias = value(convolution.input[2]).astype(np.float64) if len(convolution.input) > 2 else 0.0
        folded = {"weight": weight * factor.reshape(shape), "bias": (bias - mean) * factor + offset}
        names = [f"{convolution.output[0]}.{name}" for name in folded]
        for name, array in zip(names, folded.values(), strict=True):
            model.graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), name))
        convolution.input[1:] = names
        convolution.output[0] = node.output[0]
    _replace_nodes(model, nodes)
    _drop_unused(model)


def spell_out_matrix_products(model: onnx.ModelProto) -> None:
    """Writes every product of two matrices as what it is: numbers multiplied, and added up.

    For compilers that have no matrix product in single precision for some GPU, as TensorRT-RTX 1.7
    has none for Turing: `lite` tells with one, of 2 x 30 by 30 x cells, whose each cell is.
    """
    from onnx import helper, numpy_helper

    nodes = []
    for node in model.graph.node:
        if node.op_type != "MatMul":
            nodes.append(node)
            continue
        (left, right), product = node.input, node.output[0]
        axes = {"columns": -1, "rows": -3, "sums": -2}  # (..., M, K, 1) * (..., 1, K, P)
        for name, axis in axes.items():
            values = numpy_helper.from_array(np.array([axis]), f"{product}.{name}.axis")
            model.graph.initializer.append(values)
        steps = (
            ("Unsqueeze", [left, f"{product}.columns.axis"], f"{product}.columns"),
            ("Unsqueeze", [right, f"{product}.rows.axis"], f"{product}.rows"),
            ("Mul", [f"{product}.columns", f"{product}.rows"], f"{product}.factors"),
        )
        nodes += [
            helper.make_node(kind, inputs, [output], name=output) for kind, inputs, output in steps
        ]
        inputs = [f"{product}.factors", f"{product}.sums.axis"]
        nodes.append(
            helper.make_node("ReduceSum", inputs, [product], name=f"{node.name}.sum", keepdims=0)
        )
    _replace_nodes(model, nodes)


def cast_network_to_fp16(model: onnx.ModelProto) -> None:
    """Makes the network compute in half precision and leaves everything around it in single, types
    being explicit throughout.

    In half precision: every node of the network that a convolution follows, and the convolutions.
    In single precision: image bytes to normalised input, and what comes after the last convolutions
    (positions that are added to tags, averaging, peaks, top-K, tags at the peaks). Raises
    ValueError if a weight is too large for half precision.
    """
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    _constants_to_initializers(model)
    types = _float_tensors(shape_inference.infer_shapes(model))
    halves = _half_precision_nodes(model)
    made_half = {
        name
        for node in model.graph.node
        if node.output[0] in halves
        for name in node.output
        if name in types
    }
    values = {initializer.name: initializer for initializer in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    ready: set[str] = set()
    for node in model.graph.node:
        half = node.output[0] in halves
        for index, name in enumerate(node.input):
            if (
                name not in types
                or node.op_type in _ANY_TYPE
                or (node.op_type == "Resize" and index > 0)
            ):
                continue
            if half == (name in made_half):
                continue
            other = f"{name}.fp16" if half else f"{name}.fp32"
            if other not in ready:
                ready.add(other)
                if half and name in values:
                    weights = numpy_helper.to_array(values[name])
                    if np.abs(weights).max(initial=0) > _FP16_MAX:
                        raise ValueError(
                            f"{name} has a weight of {np.abs(weights).max():g}, too large for half "
                            "precision"
                        )
                    model.graph.initializer.append(
                        numpy_helper.from_array(weights.astype(np.float16), other)
                    )
                else:
                    to = TensorProto.FLOAT16 if half else TensorProto.FLOAT
                    nodes.append(
                        helper.make_node("Cast", [name], [other], name=f"{other}.cast", to=to)
                    )
            node.input[index] = other
        nodes.append(node)
    _replace_nodes(model, nodes)
    del model.graph.value_info[:]  # what it says of types is no longer true
    _drop_unused(model)


def _half_precision_nodes(model: onnx.ModelProto) -> set[str]:
    """First outputs of the network's nodes that are convolutions or lead to one."""
    leading: set[str] = set()  # tensors that a chosen node reads
    chosen: set[str] = set()
    for node in reversed(model.graph.node):
        leads = node.op_type in _BETWEEN and not leading.isdisjoint(node.output)
        if node.name.startswith(NETWORK_SCOPE) and (leads or node.op_type in _CONVOLUTIONS):
            chosen.add(node.output[0])
            leading.update(node.input if node.op_type != "Resize" else node.input[:1])
    return chosen


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of the tensors that are in single precision."""
    from onnx import TensorProto

    graph = model.graph
    described = (*graph.value_info, *graph.output, *graph.input)
    floats = {
        info.name for info in described if info.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    return floats | {item.name for item in graph.initializer if item.data_type == TensorProto.FLOAT}


def _constants_to_initializers(model: onnx.ModelProto) -> None:
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Constant" or node.attribute[0].name != "value":
            nodes.append(node)
            continue
        tensor = node.attribute[0].t
        tensor.name = node.output[0]
        model.graph.initializer.append(tensor)
    _replace_nodes(model, nodes)


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    kept = [initializer for initializer in model.graph.initializer if initializer.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _replace_nodes(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    del model.graph.node[:]
    model.graph.node.extend(nodes)
