"""The TensorRT engine for a model: from the cache if one there fits, else built, and said aloud."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.progress import TaskID

from basics.atomic import atomic_path
from basics.cache import cache_folder, hash_file
from basics.progress import make_progress
from engine.artefact import (
    BuildKey,
    Sidecar,
    artefact_folder,
    cached_artefacts,
    load_plan,
    write_artefact,
)
from engine.runtimes.tensorrt.build import Profile, Progress, build_engine
from engine.runtimes.tensorrt.library import Library
from engine.runtimes.tensorrt.torch2trt import build_with_torch2trt

BUILDERS = ("parser", "torch2trt")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """An engine that is wanted.

    path: of the exported model. model: its name. gpu: name and compute capability of the one that
    it is for, or `any`: TensorRT-RTX compiles for the GPU when it loads. builder: TensorRT's own
    ONNX `parser`, or `torch2trt`.
    """

    library: Library
    path: Path
    model: str
    precision: str
    profile: Profile
    gpu: str = "any"
    builder: str = "parser"

    @property
    def key(self) -> BuildKey:
        return BuildKey(
            library=self.library.name,
            version=self.library.version,
            gpu=self.gpu,
            source_sha256=hash_file(self.path),
            precision=self.precision,
            shapes=self.profile.shapes,
        )


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A serialised engine, the folder that it is in, and the shapes that it takes: smallest, usual,
    largest (N, H, W, 3).
    """

    plan: bytes
    folder: Path
    shapes: tuple[tuple[int, ...], ...]


def get_engine(request: EngineRequest, progress: Progress | None = None) -> Engine:
    """The newest engine in the cache that was built from this model for this library, GPU and
    precision, whatever its shapes.

    Built for the shapes of the request if there is none; the log says what those that are there
    differ in. Raises what `build` raises.
    """
    key = request.key
    differences = []
    for folder, sidecar in cached_artefacts(request.model, key.library, key.precision):
        # Whoever built one for other shapes wants it used: `engine build --batch 1 2 4`.
        wanted = dataclasses.replace(key, shapes=sidecar.key.shapes) if sidecar is not None else key
        difference = wanted.difference(sidecar.key) if sidecar is not None else ""
        if difference:
            differences.append(difference)
            continue
        plan = load_plan(folder, wanted)
        if plan is not None:
            return Engine(plan=plan, folder=folder, shapes=wanted.shapes)
    for difference in dict.fromkeys(differences):
        logger.warning(
            "there is an engine of %s, but with %s: another is built", request.model, difference
        )
    _, folder = build(request, None, progress)
    plan = load_plan(folder, key)
    assert plan is not None
    return Engine(plan=plan, folder=folder, shapes=key.shapes)


def build(
    request: EngineRequest, folder: Path | None = None, progress: Progress | None = None
) -> tuple[Sidecar, Path]:
    """Builds the engine, whatever is in `folder` (default: its place in the cache), and writes it
    there.

    Shows a progress bar unless another way to show progress is given. Raises what `build_engine`
    and `build_with_torch2trt` raise; what was in the folder stays then.
    """
    key = request.key
    folder = folder or artefact_folder(request.model, key)
    library = request.library
    logger.info(
        "building %s with %s %s in %s",
        request.model,
        library.name,
        library.version,
        request.precision,
    )
    if request.builder == "torch2trt":
        engine = build_with_torch2trt(library, request.path, request.profile, request.precision)
    else:
        cache_path = (
            cache_folder()
            / "timing"
            / f"{library.name}-{library.version}-{request.gpu.replace(' ', '_')}.cache"
        )
        timings = cache_path.read_bytes() if cache_path.is_file() else None
        with _progress_bars() if progress is None else nullcontext(progress) as shown:
            engine = build_engine(
                library, request.path, request.profile, request.precision, timings, shown
            )
        if engine.timing_cache is not None:
            with atomic_path(cache_path) as path:
                path.write_bytes(engine.timing_cache)
    tools = {"builder": request.builder}
    return write_artefact(
        folder, key, engine.plan, request.path.name, layers=engine.count(), tools=tools
    ), folder


@contextmanager
def _progress_bars() -> Iterator[Progress]:
    """One bar on standard error for every phase of the build."""
    with make_progress() as bars:
        tasks: dict[str, TaskID] = {}

        def show(phase: str, step: int, steps: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(phase, total=steps)
            bars.update(tasks[phase], completed=step)

        yield show
