"""torch2trt gets what it can convert, and what it makes is put back where it was; the conversion
itself needs a GPU, which no test has had yet.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
import torch
from torch import nn

from configs import ExecutionError, RuntimeUnavailableError, load_model_config
from engine import load_network
from engine.onnx.graph import PoseGraph
from engine.runtimes.tensorrt.build import Profile
from engine.runtimes.tensorrt.torch2trt import ConvertedPart, Torch2Trt
from engine.runtimes.torch_cuda import TorchCuda

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


PACKAGE = types.SimpleNamespace(torch2trt=StandIn)


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


@pytest.mark.parametrize("engine", [None, "raised"])
def test_a_conversion_that_fails_is_one_line(engine: str | None) -> None:
    def convert(*arguments: Any, **options: Any) -> Any:
        if engine == "raised":
            raise AttributeError("'Tensor' object has no\nattribute '_trt'")
        return types.SimpleNamespace(engine=None)

    part = ConvertedPart(PoseGraph(load_network("lite")), PROFILE)
    with pytest.raises(ExecutionError) as caught:
        part.convert(types.SimpleNamespace(torch2trt=convert), "fp32")
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


def test_a_tensorrt_that_it_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    severity = types.SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)
    logger = type("ILogger", (), {"Severity": severity})
    library = types.SimpleNamespace(__version__="11.4.1", ILogger=logger, Logger=lambda level: None)
    monkeypatch.setitem(sys.modules, "tensorrt", library)
    monkeypatch.setattr(TorchCuda, "check", lambda: None)
    with pytest.raises(
        RuntimeUnavailableError, match=r"builder flags that TensorRT 11\.4\.1 no longer has"
    ):
        Torch2Trt.check()
