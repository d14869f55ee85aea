"""Engine files: engines with a description beside them, used only while every word of it is true.

An engine file is a folder with `engine.plan` and `engine.json`. The description is written last and
holds the hash of the engine, so that a half-written or damaged one is never taken for whole.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import logging
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from basics.atomic import atomic_path
from basics.cache import cache_folder, hash_file

ENGINE_NAME, DESCRIPTION_NAME = "engine.plan", "engine.json"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EngineKey:
    """Everything that makes an engine what it is: if any of it differs, another engine is needed.

    Attributes:
        library: What built it.
        version: Of that library.
        gpu: Name and compute capability of the GPU that it runs on, or `any`.
        source_sha256: Of the ONNX file that it was built from.
        precision: Of the convolutions.
        shapes: Smallest, usual and largest images (N, H, W, 3) that it takes.
        cuda: Major version of CUDA that the library is built with, or `any`.
        driver: Newest CUDA that the GPU's driver serves, such as 13.0, or `any`.
    """

    library: str
    version: str
    gpu: str
    source_sha256: str
    precision: str
    shapes: tuple[tuple[int, ...], ...]
    cuda: str = "any"
    driver: str = "any"

    def difference(self, other: EngineKey) -> str:
        """What differs, in words; empty if nothing does."""
        ours, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return ", ".join(
            f"{name} {theirs[name]!r} instead of {ours[name]!r}"
            for name in ours
            if ours[name] != theirs[name]
        )


@dataclass(frozen=True, kw_only=True)
class EngineDescription:
    """What is written beside an engine.

    Attributes:
        key: What it was made from.
        source: File name of the model.
        engine_sha256: Of the engine.
        layers: How many of each kind and type.
        tools: Versions of what else had a part in it.
        calibration_images: That int8 ranges were taken from.
        parity: Measured after the build, where that is possible.
        latency_ms: Likewise.
        out_of_tolerance: What of `parity` is, in words; empty where nothing is, or where nothing
            was measured.
        created: ISO date and time.
    """

    key: EngineKey
    source: str
    engine_sha256: str
    layers: dict[str, int] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    calibration_images: int | None = None
    parity: dict[str, Any] | None = None
    latency_ms: dict[str, float] | None = None
    out_of_tolerance: str = ""
    created: str = ""


@dataclass(frozen=True)
class EngineFile:
    """An engine and its description in a folder, which need not be there yet."""

    folder: Path

    def write(
        self, key: EngineKey, engine: bytes, source: str, **details: Any
    ) -> EngineDescription:
        """Writes engine and description; what was there stops being valid before its engine
        changes.

        Args:
            key: What the engine was made from.
            engine: As the library serialised it.
            source: File name of the model.
            **details: Of the description.
        """
        (self.folder / DESCRIPTION_NAME).unlink(missing_ok=True)
        with atomic_path(self.folder / ENGINE_NAME) as path:
            path.write_bytes(engine)
        description = EngineDescription(
            key=key,
            source=source,
            engine_sha256=hashlib.sha256(engine).hexdigest(),
            created=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            **details,
        )
        self.write_description(description)
        return description

    def write_description(self, description: EngineDescription) -> None:
        """Writes the description alone, for measurements that are made after the build."""
        text = json.dumps(dataclasses.asdict(description), indent=2) + "\n"
        with atomic_path(self.folder / DESCRIPTION_NAME) as path:
            path.write_text(text, encoding="utf-8")

    def read_description(self) -> EngineDescription | None:
        """The description; None if there is none that can be read."""
        try:
            values = json.loads((self.folder / DESCRIPTION_NAME).read_text(encoding="utf-8"))
            key = values.pop("key")
            shapes = tuple(tuple(shape) for shape in key.pop("shapes"))
            return EngineDescription(key=EngineKey(shapes=shapes, **key), **values)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def load(self, key: EngineKey) -> bytes | None:
        """The engine if it is whole and was built for exactly `key`; otherwise None, and the log
        says why. One that was measured and is out of tolerance is taken with a warning.
        """
        if not self.exists():
            return None
        description = self.read_description()
        if description is None:
            return self._refused("was not finished or its description is damaged")
        difference = key.difference(description.key)
        if difference:
            return self._refused(f"has {difference}")
        try:
            engine = (self.folder / ENGINE_NAME).read_bytes()
        except OSError as error:
            return self._refused(f"cannot be read ({error.strerror})")
        if hashlib.sha256(engine).hexdigest() != description.engine_sha256:
            return self._refused("is damaged")
        _warn_of(description, f"the engine in {str(self.folder)!r}")
        return engine

    def exists(self) -> bool:
        """Whether there is anything of an engine file in the folder."""
        return any((self.folder / name).exists() for name in (ENGINE_NAME, DESCRIPTION_NAME))

    def _refused(self, reason: str) -> bytes | None:
        logger.warning("the engine in %s %s: it is built again", self.folder, reason)
        return None


def cached_engine_file(model: str, key: EngineKey) -> EngineFile:
    """Where the cache keeps this engine.

    Everything in the key is part of the folder's name, so that machines may share a cache.
    """
    text = json.dumps(dataclasses.asdict(key), sort_keys=True)
    name = f"{model}-{key.library}-{key.precision}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return EngineFile(_cache() / name)


def cached_engine_files(
    model: str = "*", library: str = "*", precision: str = "*"
) -> list[tuple[EngineFile, EngineDescription | None]]:
    """What the cache has of a model, library and precision, the newest first, with the descriptions
    that can be read.
    """
    model = model if model == "*" else glob.escape(model)
    files = [EngineFile(folder) for folder in _cache().glob(f"{model}-{library}-{precision}-*/")]
    found = [(file, file.read_description()) for file in files]
    return sorted(
        found, key=lambda each: each[1].created if each[1] is not None else "", reverse=True
    )


def warn_of_measured(model: str, library: str, version: str, precision: str, path: Path) -> None:
    """Says what `python -m engine build` found where a run executes the model itself, and has no
    engine to read a description of: the last measurement counts, and a good one is not worth a
    word.

    Args:
        model: Its name.
        library: What executes it.
        version: Of that library.
        precision: That it computes in.
        path: Of the exported model.
    """
    for _, description in cached_engine_files(model, library, precision):
        if (
            description is not None
            and description.key.version == version
            and description.key.source_sha256 == hash_file(path)
        ):
            _warn_of(description, f"{model} on {library}")
            return


def _warn_of(description: EngineDescription, what: str) -> None:
    if description.out_of_tolerance:
        logger.warning(
            "%s is used, and was out of tolerance for %s when it was measured: %s; what comes of "
            "it may be wrong (docs/engines.md, Parity)",
            what,
            description.key.precision,
            description.out_of_tolerance,
        )


def _cache() -> Path:
    return cache_folder() / "engines"
