"""From the exported graph to a serialised TensorRT engine."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs import ConfigError, ExecutionError, ModelError
from engine.geometry import align, check_input_size
from engine.onnx.file import load_onnx
from engine.onnx.metadata import INPUT_NAME
from engine.onnx.passes import (
    cast_network_to_fp16,
    fold_batch_normalisation,
    load_weights_as_fp32,
    spell_out_matrix_products,
)
from engine.runtimes.base import Workload
from engine.runtimes.gpus import in_current_context
from engine.runtimes.tensorrt.library import TURING, Library

WORKSPACE_BYTES = 2 << 30
_POLL_S = 0.1

# (height, width) of the longest images that are usual: a telephone's, lying and upright
_EXTREMES = ((1170, 2532), (2532, 1170))

Progress = Callable[[str, int, int], None]
"""Called with the name of a phase, the step that it has finished and the number of its steps."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The shapes that an engine takes, and those that it is fastest at.

    Attributes:
        smallest: (height, width) of the smallest input.
        usual: (height, width) that it is fastest at.
        largest: (height, width) of the largest input.
        batch: Images at once: fewest, usual, most.
    """

    smallest: tuple[int, int] = (256, 256)
    usual: tuple[int, int] = (512, 704)
    largest: tuple[int, int] = (1024, 1920)
    batch: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        for size in (self.smallest, self.usual, self.largest):
            check_input_size(size)
        low, usual, high = self.batch
        ordered = all(
            a <= b <= c for a, b, c in zip(self.smallest, self.usual, self.largest, strict=True)
        )
        if not ordered or not 1 <= low <= usual <= high:
            sizes = ", ".join(f"{w}x{h}" for h, w in (self.smallest, self.usual, self.largest))
            raise ConfigError(
                "sizes must grow from --smallest over --input-size to --largest, and so must the "
                f"numbers of --batch, not {sizes} and {self.batch}"
            )

    @classmethod
    def for_run(cls, workload: Workload) -> Profile:
        """The profile for all that a run may meet, upright video too; it is fastest at 16:9."""
        inputs = [each.input_size for image in _EXTREMES for each in workload.alignments(image)]
        heights, widths = zip(*inputs, strict=True)
        scale = 1.0 if 1.0 in workload.scales else min(workload.scales)
        usual = align(
            (1080, 1920), workload.input_size, scale=scale, min_scale=min(workload.scales)
        )
        return cls(
            smallest=(min(heights), min(widths)),
            usual=usual.input_size,
            largest=(max(heights), max(widths)),
        )

    def is_taken_by(self, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether an engine with (smallest, usual, largest) shapes (N, H, W, 3) takes one image of
        this profile's usual size.
        """
        usual = (1, *self.usual, 3)
        return all(
            low <= side <= high
            for low, side, high in zip(shapes[0], usual, shapes[-1], strict=True)
        )

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Smallest, usual and largest (N, H, W, 3)."""
        sizes = (self.smallest, self.usual, self.largest)
        return tuple((batch, *size, 3) for batch, size in zip(self.batch, sizes, strict=True))


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What TensorRT made of a node: name, kind of layer, and type of its first output."""

    name: str
    kind: str
    output_type: str


@dataclass(frozen=True, kw_only=True)
class BuiltEngine:
    """An engine that was just built.

    Attributes:
        serialised: The engine as the library writes it.
        layers: What it was built from, before layers were fused.
        timing_cache: What the next build can save time with; None if there is nothing.
    """

    serialised: bytes
    layers: tuple[Layer, ...]
    timing_cache: bytes | None

    def count(self) -> dict[str, int]:
        """Layers by kind and type, such as `CONVOLUTION HALF`."""
        return dict(
            sorted(Counter(f"{layer.kind} {layer.output_type}" for layer in self.layers).items())
        )


def build_with_parser(
    library: Library,
    path: Path,
    profile: Profile,
    precision: str = "fp16",
    timing_cache: bytes | None = None,
    progress: Progress | None = None,
    target: str = "any",
) -> BuiltEngine:
    """Builds the exported model at `path`; works in a thread of its own, so that Ctrl-C stops it
    within a step.

    fp16: convolutions in half precision, image preparation and everything after the last
    convolutions in single. `target` is what `Library.target` said.

    Raises:
        ModelError: The parser refuses the graph.
        ExecutionError: The build fails.
    """
    model = _prepare(path, precision, library, target)
    builder = library.module.Builder(library.logger)
    network = library.create_network(builder)
    parser = library.module.OnnxParser(network, library.logger)
    if not parser.parse(model):
        reasons = "; ".join(
            str(parser.get_error(index).desc()) for index in range(parser.num_errors)
        )
        raise ModelError(f"{library.name} {library.version} refuses {str(path)!r}: {reasons[:300]}")
    layers = _describe(network)
    config = configure(library, builder, profile, precision, target)
    cache = _use_timing_cache(library, config, timing_cache)
    stop = threading.Event()
    monitor = _make_monitor(library.module, stop, progress)
    if monitor is not None:
        config.progress_monitor = monitor
    serialised = _run(lambda: builder.build_serialized_network(network, config), stop)
    if serialised is None:
        raise ExecutionError(
            f"{library.name} {library.version} could not build {str(path)!r}; its log says why"
        )
    return BuiltEngine(
        serialised=bytes(serialised),
        layers=layers,
        timing_cache=bytes(cache.serialize()) if cache is not None else None,
    )


def configure(
    library: Library, builder: Any, profile: Profile, precision: str, target: str = "any"
) -> Any:
    """The library's configuration of a build."""
    config = builder.create_builder_config()
    shapes = builder.create_optimization_profile()
    shapes.set_shape(INPUT_NAME, *profile.shapes)
    config.add_optimization_profile(shapes)
    config.set_memory_pool_limit(library.module.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    flags = library.module.BuilderFlag
    if precision == "fp16" and not library.strongly_typed:
        config.set_flag(flags.FP16)
    if precision == "fp32":
        # On by default, strongly typed or not, from Ampere on: 10 bits of every number that is
        # multiplied. Heatmaps of lite are off by 0.003 then, where 0.001 is allowed.
        config.clear_flag(flags.TF32)
    previews = library.module.PreviewFeature
    if hasattr(previews, "PROFILE_SHARING_0806"):
        # In 8.6 the execution contexts of several input sizes share a profile only if this is on;
        # from 9 on they always do.
        config.set_preview_feature(previews.PROFILE_SHARING_0806, True)
    if hasattr(flags, "REQUIRE_USER_ALLOCATION"):
        # TensorRT-RTX allocates in the stream otherwise, which cannot be recorded from outside.
        config.set_flag(flags.REQUIRE_USER_ALLOCATION)
    if capabilities := library.capabilities_for(target):
        # All but Turing are the default of 1.7, too. Each costs half a megabyte for lite, no time.
        config.num_compute_capabilities = len(capabilities)
        for index, capability in enumerate(capabilities):
            config.set_compute_capability(capability, index)
    return config


def _prepare(path: Path, precision: str, library: Library, target: str) -> bytes:
    model = load_onnx(path, "building an engine")
    load_weights_as_fp32(model)
    if target == TURING:
        spell_out_matrix_products(model)
    if precision == "fp16" and library.strongly_typed:
        fold_batch_normalisation(model)
        try:
            cast_network_to_fp16(model)
        except ValueError as error:
            raise ModelError(
                f"{str(path)!r} cannot be built in fp16: {error}; build it in fp32"
            ) from error
    return bytes(model.SerializeToString())


def _describe(network: Any) -> tuple[Layer, ...]:
    layers = (network.get_layer(index) for index in range(network.num_layers))
    return tuple(
        Layer(name=layer.name, kind=layer.type.name, output_type=layer.get_output(0).dtype.name)
        for layer in layers
        if layer.num_outputs
    )


def _use_timing_cache(library: Library, config: Any, stored: bytes | None) -> Any:
    if library.name == "tensorrt_rtx":
        # it times nothing when it builds: kernels are compiled on the GPU, when the engine is first
        # run
        return None
    cache = config.create_timing_cache(stored or b"")
    # One from another version or GPU is refused; the build then starts an empty one.
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        if cache is not None:
            config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _make_monitor(module: Any, stop: threading.Event, progress: Progress | None) -> Any:
    if not hasattr(module, "IProgressMonitor"):  # 8.6: Ctrl-C waits for the end of the build
        return None

    class Monitor(module.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            if progress is not None:
                progress(phase_name, step + 1, self._steps.get(phase_name, 0))
            return not stop.is_set()

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return Monitor()


def _run(build: Callable[[], Any], stop: threading.Event) -> Any:
    """The result of `build`, which releases the GIL, from a thread; an interrupt makes the monitor
    stop it, then goes on.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tensorrt-build") as executor:
        future = executor.submit(in_current_context(build))
        try:
            while not wait((future,), timeout=_POLL_S).done:
                pass
        finally:
            stop.set()
        return future.result()
