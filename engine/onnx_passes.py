"""Changes to an exported ONNX model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

_SMALLEST_STORED = 256  # elements; below, a Cast node takes what is saved
_FP16_MAX = 65504.0


def store_weights_as_fp16(model: onnx.ModelProto) -> None:
    """Stores weights in half precision, each followed by a Cast to single precision that runtimes fold away when they load.

    In place. Vectors (batch normalisation), small tensors and those that half precision cannot hold stay.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    casts = []
    for initializer in graph.initializer:
        dims = initializer.dims
        if initializer.data_type != TensorProto.FLOAT or len(dims) < 2 or np.prod(dims) < _SMALLEST_STORED:
            continue
        values = numpy_helper.to_array(initializer)
        if np.abs(values).max() > _FP16_MAX:
            continue
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16"))
        casts.append(helper.make_node("Cast", [f"{name}.fp16"], [name], name=f"{name}.fp32", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]  # nodes must stand before those that read them
    del graph.node[:]
    graph.node.extend(nodes)
