"""torch2trt gets what it can convert, and what it makes is put back where it was. An engine that
runs needs a GPU, which no test has had yet; where torch2trt is at hand, it converts for the CPU.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import ExecutionError, RuntimeUnavailableError, load_model_config
from engine import load_network
from engine.onnx.graph import PoseGraph
from engine.runtimes.registry import RUNTIMES
from engine.runtimes.tensorrt.build import Profile
from engine.runtimes.tensorrt.torch2trt import ConvertedPart, Torch2Trt
from engine.runtimes.torch_cuda import TorchCuda

TORCH2TRT = importlib.util.find_spec("torch2trt") is not None
PROFILE = Profile(smallest=(64, 64), usual=(64, 96), largest=(128, 128), batch=(1, 1, 4))


class StandIn(nn.Module):
    """What torch2trt makes of a module, with the module itself for an engine.

    As torch2trt 0.5 does, it keeps the tensors of single and half precision of a tuple in order,
    and gives a plain tuple back.
    """

    def __init__(self, module: nn.Module, inputs: list[torch.Tensor], **options: Any) -> None:
        super().__init__()
        self.module, self.inputs, self.options = module, inputs, options
        self.engine = object()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        assert x.is_contiguous(), "its address is passed on as it is"
        assert x.dtype == torch.float32
        outputs = self.module(x)
        assert type(outputs) is tuple
        assert all(output.dtype is torch.float32 for output in outputs)
        assert len(outputs) == len(self.options["output_names"])
        return tuple(output.clone() for output in outputs)


PACKAGE = types.SimpleNamespace(
    torch2trt=StandIn, tensorrt_converter=lambda name: lambda converter: converter
)
# What the networks call of the functions that torch2trt, at 4e820ae, has converters for. It puts
# its own in their places while it converts, so that what was imported before by its own name, as in
# `from torch import cat`, passes it by.
CONVERTED = (
    *((torch, name) for name in ("cat", "relu_")),
    *((Tensor, name) for name in ("__add__", "__iadd__")),
    *(
        (functional, name)
        for name in (
            *("conv2d", "conv_transpose2d", "batch_norm", "relu", "relu6", "interpolate", "pad"),
        )
    ),
)


class Tracing:
    """Which tensors come of what torch2trt would see, by the mechanism that it has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, x: Tensor) -> None:
        self._inside = False
        self.seen = [x]  # kept alive, so that no other gets their identity
        for owner, name in CONVERTED:
            monkeypatch.setattr(owner, name, self._traced(getattr(owner, name), name))

    def knows(self, tensor: Tensor) -> bool:
        return any(tensor is other for other in self.seen)

    def _traced(self, function: Any, name: str) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            if self._inside:
                return function(*args, **more)
            self._inside = True
            try:
                output = function(*args, **more)
            finally:
                self._inside = False
            maps = args[0] if name == "cat" else args[: 2 if name.endswith("add__") else 1]
            assert all(map(self.knows, maps)), f"{name} of what torch2trt does not see"
            self.seen.append(output)
            return output

        return call


def operations(module: nn.Module, x: torch.Tensor) -> set[str]:
    """What torch runs for it."""
    seen: set[str] = set()

    dispatch = torch.utils._python_dispatch  # noqa: SLF001 - as torch documents it

    class Mode(dispatch.TorchDispatchMode):
        def __torch_dispatch__(
            self, call: Any, kinds: Any, args: Any = (), more: Any = None
        ) -> Any:
            seen.add(call.name().removeprefix("aten::").split(".")[0])
            return call(*args, **(more or {}))

    with torch.inference_mode(), Mode():
        module(x)
    return seen


@pytest.mark.parametrize(("name", "whole"), [("lite", False), ("ablation_hrnet", True)])
def test_the_graph_computes_the_same_with_its_converted_part(name: str, whole: bool) -> None:
    torch.manual_seed(0)
    config = load_model_config("lite" if name == "lite" else "w32_512")
    graph = PoseGraph(load_network(config))
    images = torch.randint(0, 255, (1, 64, 96, 3), dtype=torch.uint8)
    with torch.inference_mode():
        expected = graph(images)
    part = ConvertedPart(graph, PROFILE)
    module = part.convert(PACKAGE, "fp16")
    part.install(module)
    with torch.inference_mode():
        found = graph(images)
    for ours, theirs in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert module.options["fp16_mode"] is True
    assert module.options["min_shapes"] == [(1, 3, 64, 64)]
    assert module.options["opt_shapes"] == [tuple(module.inputs[0].shape)] == [(1, 3, 64, 96)]
    assert module.options["max_shapes"] == [(4, 3, 128, 128)]
    assert isinstance(graph.network, nn.Module) and hasattr(graph.network, "backbone") is not whole
    # Nothing that torch2trt has no converter for.
    unknown = {"topk", "gather", "scatter", "argmin", "sort", "where", "_to_copy"}
    assert not operations(part.flat, part.example) & unknown


@pytest.mark.parametrize("name", ["lite", "w32_512"])
def test_torch2trt_sees_every_operation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part = ConvertedPart(PoseGraph(load_network(load_model_config(name))), PROFILE)
    tracing = Tracing(monkeypatch, part.example)
    with torch.inference_mode():
        outputs = part.flat(part.example)
    assert all(map(tracing.knows, outputs))
    assert len(outputs) == len(part.output_names)


def test_our_own_converters_add_what_torch_computes() -> None:
    rtx = pytest.importorskip("tensorrt_rtx")
    from tests.support.torch2trt_on_rtx import Evaluation

    converters: dict[str, Any] = {}
    package = types.SimpleNamespace(
        tensorrt_converter=lambda name: lambda converter: converters.update({name: converter}),
        torch2trt=lambda *arguments, **options: types.SimpleNamespace(engine=object()),
    )
    ConvertedPart(PoseGraph(load_network("lite")), PROFILE).convert(package, "fp32")
    builder = rtx.Builder(rtx.Logger(rtx.Logger.ERROR))
    network = builder.create_network(0)
    x = torch.rand(2, 6, 5, 7)
    vars(x)["_trt"] = network.add_input("x", rtx.float32, (-1, 6, -1, -1))
    layer = nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1, groups=2)
    calls = {
        "torch.nn.functional.pad": (x, (0, 1, 2, 3)),
        "torch.nn.functional.conv_transpose2d": (
            *(x, layer.weight, layer.bias, (2, 2), (1, 1), (0, 0), 2, (1, 1)),
        ),
    }
    assert converters.keys() == calls.keys()
    expected = []
    for name, arguments in calls.items():
        output = getattr(functional, name.rpartition(".")[2])(*arguments).detach()
        expected.append(output)
        context = types.SimpleNamespace(
            network=network, method_args=arguments, method_kwargs={}, method_return=output
        )
        converters[name](context)
        network.mark_output(vars(output)["_trt"])
    found = Evaluation(network).outputs(x)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)

    arguments = calls["torch.nn.functional.conv_transpose2d"]
    context.method_args = (*arguments[:5], (1, 1), *arguments[6:])
    with pytest.raises(ValueError, match="output padding"):
        converters["torch.nn.functional.conv_transpose2d"](context)


@pytest.mark.skipif(
    not TORCH2TRT,
    reason="torch2trt is on no index: PYTHONPATH can name a checkout of it, and nothing is built",
)
@pytest.mark.parametrize(("model", "precision"), [("lite", "fp16"), ("w32_512", "fp32")])
def test_torch2trt_itself_converts_the_networks(model: str, precision: str) -> None:
    pytest.importorskip("tensorrt_rtx")
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.torch2trt_on_rtx", model, precision],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["said"] == "", "it warns of what it cannot convert"
    assert found["names"] == ["image", *(f"output_{i}" for i in range(len(found["errors"])))]
    assert found["input"] == [-1, 3, -1, -1]
    assert found["channels"] == found["expected_channels"]
    assert found["types"] == ["FLOAT"], "half precision is inside alone"
    assert found["fp16"] is (precision == "fp16")
    assert found["engine_bytes"] > 1e6
    assert max(found["errors"]) < 1e-5, "TensorRT's network computes something else"
    assert found["kept_in_order"] and found["loads_as_converted"] and found["torch_as_before"]


@pytest.mark.parametrize("engine", [None, "raised"])
def test_a_conversion_that_fails_is_one_line(engine: str | None) -> None:
    def convert(*arguments: Any, **options: Any) -> Any:
        if engine == "raised":
            raise AttributeError("'Tensor' object has no\nattribute '_trt'")
        return types.SimpleNamespace(engine=None)

    part = ConvertedPart(PoseGraph(load_network("lite")), PROFILE)
    with pytest.raises(ExecutionError) as caught:
        part.convert(types.SimpleNamespace(**{**vars(PACKAGE), "torch2trt": convert}), "fp32")
    assert str(caught.value).startswith("torch2trt ") and "\n" not in str(caught.value)


def test_an_engine_that_was_kept_is_loaded_with_what_belongs_to_it() -> None:
    part = ConvertedPart(PoseGraph(load_network("lite")), PROFILE)
    flattener = types.SimpleNamespace(from_value=lambda value: len(value))
    package = types.SimpleNamespace(
        TRTModule=lambda engine, **options: (engine, options),
        flattener=types.SimpleNamespace(Flattener=flattener),
    )
    engine, options = part.load(package, "engine")
    assert engine == "engine"
    assert options["input_flattener"] == len(options["input_names"]) == 1
    assert options["output_flattener"] == len(options["output_names"]) > 1
    with pytest.raises(ExecutionError, match="cannot load the engine"):
        part.load(package, None)


def test_a_tensorrt_that_it_does_not_know_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    severity = types.SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)
    logger = type("ILogger", (), {"Severity": severity})
    library = types.SimpleNamespace(__version__="11.4.1", ILogger=logger, Logger=lambda level: None)
    monkeypatch.setitem(sys.modules, "tensorrt", library)
    monkeypatch.setattr(TorchCuda, "check", lambda: None)
    with pytest.raises(
        RuntimeUnavailableError, match=r"builder flags that TensorRT 11\.4\.1 no longer has"
    ):
        Torch2Trt.check()

    # It is refused with that reason although torch2trt cannot even be imported there.
    (tmp_path / "torch2trt.py").write_text("import tensorrt\ntensorrt.IInt8Calibrator\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch2trt", raising=False)
    monkeypatch.setattr("engine.runtimes.registry._has_cuda_driver", lambda: True)
    with pytest.raises(RuntimeUnavailableError, match="builder flags that TensorRT"):
        RUNTIMES["torch2trt"].check()
