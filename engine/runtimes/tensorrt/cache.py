"""The TensorRT engine for a model: the one that is there if it fits, else built, and said aloud."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import TaskID

from basics.atomic import atomic_path
from basics.cache import cache_folder, hash_file
from basics.progress import make_progress
from configs import ExecutionError, ModelError
from engine.runtimes.engine_file import (
    EngineDescription,
    EngineFile,
    EngineKey,
    cached_engine_file,
    cached_engine_files,
)
from engine.runtimes.tensorrt.build import Profile, Progress, build_with_parser
from engine.runtimes.tensorrt.library import Library

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """An engine that is wanted.

    Attributes:
        library: That is to build it.
        path: Of the exported model.
        model: Its name.
        precision: Of the convolutions.
        profile: The shapes that it is to take.
        gpu: What it is for, by `Library.target`: name and compute capability of a GPU, or `any`:
            TensorRT-RTX compiles for the GPU when it loads.
        driver: Newest CUDA that the driver of that GPU serves, or `any` likewise.
    """

    library: Library
    path: Path
    model: str
    precision: str
    profile: Profile
    gpu: str = "any"
    driver: str = "any"

    @property
    def key(self) -> EngineKey:
        return EngineKey(
            library=self.library.name,
            version=self.library.version,
            gpu=self.gpu,
            source_sha256=hash_file(self.path),
            precision=self.precision,
            shapes=self.profile.shapes,
            cuda=self.library.cuda,
            driver=self.driver,
        )


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that fits.

    Attributes:
        serialised: The engine as the library wrote it.
        folder: Where it is.
        shapes: Smallest, usual and largest images (N, H, W, 3) that it takes.
    """

    serialised: bytes
    folder: Path
    shapes: tuple[tuple[int, ...], ...]


def load_engine(
    runtime: Any, request: EngineRequest, folder: Path | None = None
) -> tuple[Any, Engine]:
    """The engine on the GPU, and the file that it came from.

    One that is whole and fits by its description, and yet does not load, is built anew: another
    driver, or another kind of GPU, may stand behind that.

    Args:
        runtime: The library's `Runtime`.
        request: As for `get_engine`.
        folder: As for `get_engine`; what is there is never built anew.

    Raises:
        ExecutionError: The engine does not load, not even after it was built here and now.
        ConfigError, ModelError, RuntimeUnavailableError: As for `get_engine`.
    """
    engine = get_engine(request, folder)
    loaded = runtime.deserialize_cuda_engine(engine.serialised)
    if loaded is None and folder is None:
        logger.warning("the engine in %s does not load: it is built again", engine.folder)
        build_engine_file(request)
        engine = get_engine(request)
        loaded = runtime.deserialize_cuda_engine(engine.serialised)
    if loaded is None:
        library = request.library
        kinds = ", ".join(capability.name for capability in library.capabilities_for(request.gpu))
        reason = f"it was built for GPUs of kind {kinds}" if kinds else "its log says why"
        raise ExecutionError(
            f"{library.name} {library.version} cannot load the engine in {str(engine.folder)!r}; "
            f"{reason}"
        )
    return loaded, engine


def get_engine(
    request: EngineRequest, folder: Path | None = None, progress: Progress | None = None
) -> Engine:
    """The newest engine that was built from this model for this library, GPU and precision, and
    takes the usual size of input, whatever its other shapes.

    Args:
        request: What is wanted. If nothing fits, it is built with the shapes of the request, and
            the log says what those that are there differ in.
        folder: The only place to look in; by default `NAME.tensorrt` (or `NAME.tensorrt_rtx`)
            beside the model, then the cache.
        progress: As for `build_engine_file`.

    Raises:
        ModelError: `folder` holds no engine that fits.
        ConfigError, RuntimeUnavailableError, ExecutionError: As for `build_engine_file`.
    """
    key = request.key
    differences = []
    for file, description in _candidates(request, folder):
        # Whoever built one for other shapes wants it used: `engine build --batch 1 2 4`.
        shapes = key.shapes if description is None else description.key.shapes
        wanted = dataclasses.replace(key, shapes=shapes)
        difference = "" if description is None else wanted.difference(description.key)
        if not difference and folder is None and not request.profile.is_taken_by(shapes):
            difference = f"shapes {shapes[0]} to {shapes[-1]}"
        if difference:
            differences.append(difference)
            continue
        serialised = file.load(wanted)
        if serialised is not None:
            return Engine(serialised=serialised, folder=file.folder, shapes=shapes)
    if folder is not None:
        reason = f": it has {differences[0]}" if differences else ""
        raise ModelError(f"{str(folder)!r} holds no engine of {request.model} that fits{reason}")
    for difference in dict.fromkeys(differences):
        logger.warning(
            "there is an engine of %s, but with %s: another is built", request.model, difference
        )
    _, built = build_engine_file(request, None, progress)
    serialised = EngineFile(built).load(key)
    assert serialised is not None
    return Engine(serialised=serialised, folder=built, shapes=key.shapes)


def build_engine_file(
    request: EngineRequest, folder: Path | None = None, progress: Progress | None = None
) -> tuple[EngineDescription, Path]:
    """Builds the engine, whatever is there already, and writes it.

    Args:
        request: What to build.
        folder: Where to write it; by default its place in the cache.
        progress: Shown instead of a progress bar.

    Returns:
        The description, and the folder.

    Raises:
        ModelError: The library refuses the graph.
        ExecutionError: The build fails; what was in the folder stays.
    """
    key, library = request.key, request.library
    file = cached_engine_file(request.model, key) if folder is None else EngineFile(folder)
    logger.info(
        "building %s with %s %s in %s",
        request.model,
        library.name,
        library.version,
        request.precision,
    )
    name = f"{library.name}-{library.version}-{request.gpu.replace(' ', '_')}.cache"
    timings = cache_folder() / "timing" / name
    with _progress_bars() if progress is None else nullcontext(progress) as shown:
        built = build_with_parser(
            library,
            request.path,
            request.profile,
            request.precision,
            timings.read_bytes() if timings.is_file() else None,
            shown,
            request.gpu,
        )
    if built.timing_cache is not None:
        with atomic_path(timings) as path:
            path.write_bytes(built.timing_cache)
    description = file.write(
        key,
        built.serialised,
        request.path.name,
        layers=built.count(),
    )
    return description, file.folder


def _candidates(
    request: EngineRequest, folder: Path | None
) -> list[tuple[EngineFile, EngineDescription | None]]:
    beside = EngineFile(
        request.path.with_suffix(f".{request.library.name}") if folder is None else folder
    )
    found = [(beside, beside.read_description())] if beside.exists() else []
    if folder is None:
        found += cached_engine_files(request.model, request.library.name, request.precision)
    return found


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
