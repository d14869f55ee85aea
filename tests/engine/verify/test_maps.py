"""Parity is measured, and what is out of tolerance is said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from basics.demo import DEMO_CLIP
from engine.model_source import find_model
from engine.onnx.metadata import read_metadata
from engine.runtimes import open_runtime
from engine.verify.maps import TOLERANCES, measure_parity
from keypoint_datasets.images import load_images
from tests.engine.verify.samples import PERFECT
from tests.support.processor import has_bf16


@pytest.fixture
def reference(lite_onnx):
    with open_runtime(lite_onnx, read_metadata(lite_onnx), "torch_cpu") as runtime:
        yield runtime


def images(count):
    return [
        np.random.default_rng(seed).integers(0, 255, (70, 90, 3), np.uint8) for seed in range(count)
    ]


# The shipped weights on photographs: tolerances are those of heatmaps in 0..1.
@pytest.mark.parametrize(
    ("name", "precision"), [("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")]
)
def test_runtimes_are_within_the_tolerance_of_their_precision(name, precision):
    pytest.importorskip(name)
    if precision == "bf16" and not has_bf16():
        pytest.skip("this processor does not compute in bf16")
    source = find_model("lite")
    with (
        open_runtime(source.path, source.metadata, name, precision) as runtime,
        open_runtime(source.path, source.metadata, "torch_cpu") as reference,
    ):
        photographs = load_images([DEMO_CLIP])
        parity = measure_parity(runtime, reference, photographs, source.metadata.input_size)

    assert parity.images == 4
    assert parity.peaks > 100
    assert parity.heatmap_mean > 0  # it was not torch that ran twice
    assert not TOLERANCES[precision].exceeded_by(parity), parity


def test_tags_are_compared_where_they_are_read(lite_onnx, reference):
    with open_runtime(lite_onnx, reference.metadata, "torch_cpu") as other:
        result = other.result

        def with_another_tag(ticket):
            slot = result(ticket)
            seen = slot.score[0, 3] > 0.1
            slot.tags[0, 3, 0] += shift[0]
            slot.tags[0, 3, 0][slot.y[0, 3][seen], slot.x[0, 3][seen]] += shift[1]
            return slot

        other.result = with_another_tag
        shift = (5.0, -5.0)  # everywhere but at peaks
        assert measure_parity(other, reference, images(1), 64).tag_max < 1e-3
        shift = (0.0, 0.5)  # at peaks alone
        assert measure_parity(other, reference, images(1), 64).tag_max == pytest.approx(0.5, 1e-3)


def test_images_of_one_size_share_a_slot(lite_onnx, reference, monkeypatch):
    pytest.importorskip("onnxruntime")
    made = []
    with open_runtime(lite_onnx, reference.metadata, "onnxruntime") as runtime:
        make_slot = runtime.make_slot
        monkeypatch.setattr(
            runtime, "make_slot", lambda *size: made.append(size) or make_slot(*size)
        )
        upright = [np.rot90(image).copy() for image in images(3)]
        parity = measure_parity(runtime, reference, [*images(3), *upright], 64)

    assert parity.images == 6
    assert made == [(64, 128), (128, 64)]


def test_a_lower_precision_is_seen(lite_onnx, reference):
    pytest.importorskip("openvino")
    if not has_bf16():
        pytest.skip("this processor does not compute in bf16")
    with open_runtime(lite_onnx, reference.metadata, "openvino", "bf16") as runtime:
        parity = measure_parity(runtime, reference, images(1), 64)

    assert "heatmaps differ by" in TOLERANCES["fp32"].exceeded_by(parity)


def test_on_real_images_no_peak_is_lost():
    cv2 = pytest.importorskip("cv2")
    capture = cv2.VideoCapture(str(DEMO_CLIP))
    seen, frame = capture.read()
    assert seen
    source = find_model("lite")
    with (
        open_runtime(source.path, source.metadata, "onnxruntime") as runtime,
        open_runtime(source.path, source.metadata, "torch_cpu") as reference,
    ):
        parity = measure_parity(runtime, reference, [frame], 256)

    assert parity.peaks > 20
    assert parity.peaks_lost == parity.peaks_gained == 0
    assert parity.peak_drift_px == 0


@pytest.mark.parametrize(
    "field, value, words",
    [
        ("heatmap_max", 0.5, "heatmaps differ by 0.5"),
        ("tag_max", float("nan"), "tags differ by nan"),
        ("peaks_lost", 90, "peaks lost or gained: 0.9"),
    ],
)
def test_what_is_out_of_tolerance_is_named(field, value, words):
    assert not TOLERANCES["fp16"].exceeded_by(PERFECT)
    assert words in TOLERANCES["fp16"].exceeded_by(dataclasses.replace(PERFECT, **{field: value}))
