"""Changes to an exported model keep its numbers, and put precision where it belongs."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from engine import find_model
from engine.onnx.export import trace
from engine.onnx.passes import (
    NETWORK_SCOPE,
    cast_network_to_fp16,
    fold_batch_normalisation,
    load_weights_as_fp32,
    spell_out_matrix_products,
    store_weights_as_fp16,
)

NAMES = ["heatmaps", "tags", "x", "y", "score", "tag"]


@pytest.fixture(scope="module", params=["hrnet", "lite"])
def model(request):
    """The graph of a recorded network, whose numbers are those of a trained one in kind, and of a
    random lite.
    """
    if request.param == "hrnet":
        return trace(request.getfixturevalue("golden_network")("w4"))
    return trace(request.getfixturevalue("lite_network"))


def changed(model, *passes):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for change in passes:
        change(copy)
    onnx.checker.check_model(copy, full_check=True)
    return copy


def run(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    image = np.random.default_rng(0).integers(0, 255, (1, 64, 96, 3), np.uint8)
    return dict(zip(NAMES, session.run(NAMES, {"image": image}), strict=True))


def assert_close(found, expected, tolerance):
    for name in ("heatmaps", "tags", "score"):
        np.testing.assert_allclose(
            found[name], expected[name], rtol=0, atol=tolerance * np.abs(expected[name]).max()
        )


def test_folding_leaves_no_batch_normalisation_and_keeps_the_numbers(model):
    folded = changed(model, fold_batch_normalisation)

    assert "BatchNormalization" not in {node.op_type for node in folded.graph.node}
    assert_close(run(folded), run(model), 1e-4)


def test_half_precision_stays_near_single(model):
    half = run(changed(model, fold_batch_normalisation, cast_network_to_fp16))
    single = run(model)

    for name in ("heatmaps", "tags"):
        scale = np.abs(single[name]).max()
        difference = np.abs(half[name] - single[name]) / scale
        assert 1e-6 < difference.mean() < 0.02, name
        assert difference.max() < 0.3, name


def test_convolutions_are_half_and_what_follows_the_last_ones_is_single(model):
    half = onnx.shape_inference.infer_shapes(
        changed(model, fold_batch_normalisation, cast_network_to_fp16), strict_mode=True
    )
    types = {
        info.name: info.type.tensor_type.elem_type
        for info in (*half.graph.value_info, *half.graph.output)
    }
    types |= {item.name: item.data_type for item in half.graph.initializer}

    convolutions = [node for node in half.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    assert len(convolutions) > 80
    for node in convolutions:
        assert {types[name] for name in (*node.input, *node.output)} == {
            onnx.TensorProto.FLOAT16
        }, node.name
    outside = [
        node
        for node in half.graph.node
        if not node.name.startswith(NETWORK_SCOPE) and node.op_type != "Cast"
    ]
    assert {node.op_type for node in outside} >= {
        "Resize",
        "MaxPool",
        "TopK",
        "GatherElements",
        "Mul",
        "Add",
    }
    for node in outside:
        assert onnx.TensorProto.FLOAT16 not in {
            types.get(name) for name in (*node.input, *node.output)
        }, node.name
    assert [types[name] for name in NAMES] == [1, 1, 6, 6, 1, 1]


def test_weights_that_were_stored_in_half_precision_come_back(model):
    stored = changed(model, store_weights_as_fp16)
    loaded = changed(stored, load_weights_as_fp32)

    assert onnx.TensorProto.FLOAT16 in {item.data_type for item in stored.graph.initializer}
    assert onnx.TensorProto.FLOAT16 not in {item.data_type for item in loaded.graph.initializer}
    assert_close(run(loaded), run(stored), 1e-6)


def test_a_weight_that_half_precision_cannot_hold_is_refused(model):
    broken = changed(model, fold_batch_normalisation)
    weight = next(
        item
        for item in broken.graph.initializer
        if item.name.endswith(".weight") and len(item.dims) == 4
    )
    weight.CopyFrom(
        onnx.numpy_helper.from_array(np.full(tuple(weight.dims), 1e5, np.float32), weight.name)
    )

    with pytest.raises(ValueError, match="has a weight of 100000, too large for half precision"):
        cast_network_to_fp16(broken)


def test_products_of_matrices_are_the_same_numbers_multiplied_and_added():
    shipped = onnx.load(find_model("lite").path)
    spelled = changed(shipped, spell_out_matrix_products)

    assert "MatMul" in {node.op_type for node in shipped.graph.node}
    assert "MatMul" not in {node.op_type for node in spelled.graph.node}
    assert_close(run(spelled), run(shipped), 1e-6)
