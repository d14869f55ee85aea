"""The TensorRT engine for a model: from the cache if one there fits exactly, else built, and said aloud."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from engine.artefact import BuildKey, Sidecar, artefact_folder, load_plan, write_artefact
from engine.atomic import atomic_path
from engine.cache import cache_folder, hash_file
from engine.tensorrt_build import Profile, Progress, build_engine
from engine.tensorrt_library import Library

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """An engine that is wanted.

    path: of the exported model. model: its name. gpu: name and compute capability of the one that it is for, or `any`:
    TensorRT-RTX compiles for the GPU when it loads.
    """

    library: Library
    path: Path
    model: str
    precision: str
    profile: Profile
    gpu: str = "any"

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


def get_engine(request: EngineRequest, folder: Path | None = None, progress: Progress | None = None) -> tuple[bytes, Path]:
    """The serialised engine and the folder that it is in: `folder`, by default a place in the user's cache.

    Built if there is none that fits. Raises what `build_engine` raises.
    """
    key = request.key
    folder = folder or artefact_folder(request.model, key)
    plan = load_plan(folder, key)
    if plan is None:
        build(request, folder, progress)
        plan = load_plan(folder, key)
        assert plan is not None
    return plan, folder


def build(request: EngineRequest, folder: Path | None = None, progress: Progress | None = None) -> tuple[Sidecar, Path]:
    """Builds the engine, whatever is in `folder` (default: its place in the cache), and writes it there."""
    key = request.key
    folder = folder or artefact_folder(request.model, key)
    library = request.library
    _log.info("building %s with %s %s in %s", request.model, library.name, library.version, request.precision)
    cache_path = cache_folder() / "timing" / f"{library.name}-{library.version}-{request.gpu.replace(' ', '_')}.cache"
    timings = cache_path.read_bytes() if cache_path.is_file() else None
    engine = build_engine(library, request.path, request.profile, request.precision, timings, progress)
    if engine.timing_cache is not None:
        with atomic_path(cache_path) as path:
            path.write_bytes(engine.timing_cache)
    return write_artefact(folder, key, engine.plan, request.path.name, layers=engine.count()), folder
