"""Engine files with a description beside them, used only while every word of it is true.

An artefact is a folder with `engine.plan` and `engine.json`. The description is written last and
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
from basics.cache import cache_folder

PLAN_NAME, SIDECAR_NAME = "engine.plan", "engine.json"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BuildKey:
    """Everything that makes an engine what it is: if any of it differs, another engine is needed.

    library, version: that built it. gpu: name and compute capability, or `any`. source_sha256: of
    the ONNX file. shapes: smallest, usual and largest (N, H, W, 3).
    """

    library: str
    version: str
    gpu: str
    source_sha256: str
    precision: str
    shapes: tuple[tuple[int, ...], ...]

    def difference(self, other: BuildKey) -> str:
        """What differs, in words; empty if nothing does."""
        ours, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return ", ".join(
            f"{name} {theirs[name]!r} instead of {ours[name]!r}"
            for name in ours
            if ours[name] != theirs[name]
        )


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """What is written beside an engine.

    source: file name of the model. layers: how many of each kind and type. tools: versions of what
    else had a part in it. calibration_images: that int8 ranges were taken from. parity, latency_ms:
    measured after the build, where that is possible.
    """

    key: BuildKey
    source: str
    engine_sha256: str
    layers: dict[str, int] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    calibration_images: int | None = None
    parity: dict[str, Any] | None = None
    latency_ms: dict[str, float] | None = None
    created: str = ""


def artefact_folder(model: str, key: BuildKey) -> Path:
    """Where the cache has this engine. The GPU and version are part of the name, so that machines
    may share a cache.
    """
    text = json.dumps(dataclasses.asdict(key), sort_keys=True)
    name = f"{model}-{key.library}-{key.precision}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return cache_folder() / "engines" / name


def cached_artefacts(model: str, library: str, precision: str) -> list[tuple[Path, Sidecar | None]]:
    """Folders of the cache with engines of this model, the newest first, and their descriptions
    where they can be read.
    """
    folders = (cache_folder() / "engines").glob(f"{glob.escape(model)}-{library}-{precision}-*/")
    found = [(folder, read_sidecar(folder)) for folder in folders]
    return sorted(
        found, key=lambda each: each[1].created if each[1] is not None else "", reverse=True
    )


def write_artefact(
    folder: Path, key: BuildKey, plan: bytes, source: str, **details: Any
) -> Sidecar:
    """Writes engine and description; an artefact that was there stops being valid before its engine
    changes.
    """
    (folder / SIDECAR_NAME).unlink(missing_ok=True)
    with atomic_path(folder / PLAN_NAME) as path:
        path.write_bytes(plan)
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    sidecar = Sidecar(
        key=key,
        source=source,
        engine_sha256=hashlib.sha256(plan).hexdigest(),
        created=now,
        **details,
    )
    write_sidecar(folder, sidecar)
    return sidecar


def write_sidecar(folder: Path, sidecar: Sidecar) -> None:
    """Writes the description alone, for measurements that are made after the build."""
    with atomic_path(folder / SIDECAR_NAME) as path:
        path.write_text(json.dumps(dataclasses.asdict(sidecar), indent=2) + "\n", encoding="utf-8")


def read_sidecar(folder: Path) -> Sidecar | None:
    """The description, or none if there is none that can be read."""
    try:
        values = json.loads((folder / SIDECAR_NAME).read_text(encoding="utf-8"))
        key = values.pop("key")
        shapes = tuple(tuple(shape) for shape in key.pop("shapes"))
        return Sidecar(key=BuildKey(shapes=shapes, **key), **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def load_plan(folder: Path, key: BuildKey) -> bytes | None:
    """The engine in `folder` if it is whole and was built for exactly `key`; otherwise none, and
    the log says why.
    """
    if not (folder / PLAN_NAME).exists() and not (folder / SIDECAR_NAME).exists():
        return None
    sidecar = read_sidecar(folder)
    if sidecar is None:
        logger.warning(
            "the engine in %s was not finished or its description is damaged: it is built again",
            folder,
        )
        return None
    difference = key.difference(sidecar.key)
    if difference:
        logger.warning("the engine in %s has %s: it is built again", folder, difference)
        return None
    try:
        plan = (folder / PLAN_NAME).read_bytes()
    except OSError as error:
        logger.warning(
            "the engine in %s cannot be read (%s): it is built again", folder, error.strerror
        )
        return None
    if hashlib.sha256(plan).hexdigest() != sidecar.engine_sha256:
        logger.warning("the engine in %s is damaged: it is built again", folder)
        return None
    return plan
