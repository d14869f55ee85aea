"""Engines made and measured: what `python -m engine build` does."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from basics.cache import hash_file
from configs import ConfigError, ExecutionError, RuntimeUnavailableError
from engine.artefact import BuildKey, Sidecar, artefact_folder, write_artefact, write_sidecar
from engine.geometry import InputSize, align
from engine.model_source import ModelSource
from engine.pictures import find_pictures, load_images, read_pictures
from engine.runtimes import RUNTIMES, Runtime, open_runtime
from engine.runtimes.openvino.quantisation import quantise, quantised_key
from engine.runtimes.tensorrt.build import Profile
from engine.runtimes.tensorrt.cache import EngineRequest, build
from engine.runtimes.tensorrt.library import LIBRARIES, load_library
from engine.verify.maps import TOLERANCES, measure_parity
from engine.verify.people import GroupPeople
from engine.verify.verification import measure_latency, open_reference

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What to build.

    input_size: what it is fastest at and measured at. smallest, largest, batch, builder: of
    TensorRT's profile, and who builds. calibration: files, folders and zip archives with images,
    for int8; `calibration_limit` of them are used.
    """

    runtime: str
    precision: str = "auto"
    input_size: InputSize
    smallest: tuple[int, int] = (256, 256)
    largest: tuple[int, int] = (1024, 1920)
    batch: tuple[int, ...] = (1, 1, 1)
    builder: str = "parser"
    calibration: tuple[Path, ...] = ()
    calibration_limit: int = 300


def build_artefact(
    source: ModelSource,
    options: BuildOptions,
    folder: Path | None = None,
    images: list[Path] | None = None,
    group: GroupPeople | None = None,
) -> tuple[Sidecar, Path]:
    """Builds for the runtime, measures parity with torch and latency where the runtime works here,
    and writes all of it.

    group: maps to people, who are part of parity then. Returns the description and the folder:
    `folder`, by default a place in the user's cache, where runs look for it. Raises ConfigError for
    options that do not go together, ExecutionError if the build fails or its maps are out of
    tolerance, RuntimeUnavailableError if a package is missing.
    """
    entry = RUNTIMES[options.runtime]
    precision = entry.precisions[0] if options.precision == "auto" else options.precision
    if precision not in entry.precisions:
        raise ConfigError(
            f"{entry.name} does not compute in {precision}, but in {' and '.join(entry.precisions)}"
        )
    if options.runtime not in LIBRARIES and options.builder != "parser":
        raise ConfigError(
            f"--builder {options.builder} is for runtime tensorrt, not for {options.runtime}"
        )
    if (precision == "int8") != bool(options.calibration):
        raise ConfigError(
            "int8 needs images to take ranges from (--calibration IMAGES), and only int8 does"
        )
    if options.runtime in LIBRARIES:
        sidecar, folder = _build_engine(source, options, precision, folder)
    elif precision == "int8":
        sidecar, folder = _quantise(source, options, folder)
    else:
        sidecar, folder = _describe_model(source, options, precision, folder)
    return _measure(source, options, sidecar, folder, images, group), folder


def _build_engine(
    source: ModelSource, options: BuildOptions, precision: str, folder: Path | None
) -> tuple[Sidecar, Path]:
    low, usual, high = options.batch
    profile = Profile(
        smallest=options.smallest,
        usual=_usual_size(options),
        largest=options.largest,
        batch=(low, usual, high),
    )
    library = load_library(options.runtime)
    gpu = "any"
    if options.runtime == "tensorrt":
        from engine.runtimes.tensorrt.runtime import describe_gpu

        gpu = describe_gpu(options.runtime)
    request = EngineRequest(
        library=library,
        path=source.path,
        model=source.name,
        precision=precision,
        profile=profile,
        gpu=gpu,
        builder=options.builder,
    )
    return build(request, folder)


def _quantise(
    source: ModelSource, options: BuildOptions, folder: Path | None
) -> tuple[Sidecar, Path]:
    entries = find_pictures(options.calibration, options.calibration_limit)
    packed = quantise(source.path, read_pictures(entries), len(entries), options.input_size)
    key = quantised_key(source.path)
    folder = folder or artefact_folder(source.metadata.model.name, key)
    tools = {name: version(name) for name in ("nncf", "openvino")}
    sidecar = write_artefact(
        folder, key, packed, source.path.name, tools=tools, calibration_images=len(entries)
    )
    return sidecar, folder


def _describe_model(
    source: ModelSource, options: BuildOptions, precision: str, folder: Path | None
) -> tuple[Sidecar, Path]:
    """OpenVINO and ONNX Runtime take the exported model as it is: the artefact is a copy with what
    was measured.
    """
    try:
        installed = version(options.runtime)
    except PackageNotFoundError as error:
        raise RuntimeUnavailableError(
            f"{options.runtime} is not installed: pip install {options.runtime}"
        ) from error
    height, width = _usual_size(options)
    key = BuildKey(
        library=options.runtime,
        version=installed,
        gpu="any",
        source_sha256=hash_file(source.path),
        precision=precision,
        shapes=((1, height, width, 3),) * 3,
    )
    folder = folder or artefact_folder(source.name, key)
    return write_artefact(folder, key, source.path.read_bytes(), source.path.name), folder


def _measure(
    source: ModelSource,
    options: BuildOptions,
    sidecar: Sidecar,
    folder: Path,
    images: list[Path] | None,
    group: GroupPeople | None,
) -> Sidecar:
    precision = sidecar.key.precision
    pictures = load_images(images)
    try:
        runtime = _open_built(source, options, folder, precision)
    except RuntimeUnavailableError as error:
        logger.warning("not measured: %s", error)
        return sidecar
    with runtime, open_reference(source, runtime) as reference:
        parity = measure_parity(runtime, reference, pictures, options.input_size, group)
        latency_ms = measure_latency(runtime, pictures[0], options.input_size)
    measured = dataclasses.replace(sidecar, parity=parity.to_dict(), latency_ms=latency_ms)
    write_sidecar(folder, measured)
    wrong = TOLERANCES[precision].exceeded_by(parity)
    if wrong:
        raise ExecutionError(
            f"the engine in {str(folder)!r} is out of tolerance for {precision}: {wrong}"
        )
    return measured


def _open_built(
    source: ModelSource, options: BuildOptions, folder: Path, precision: str
) -> Runtime:
    """What is in `folder`, not what the cache may have."""
    if precision != "int8":
        return open_runtime(source.path, source.metadata, options.runtime, precision)
    from engine.runtimes.openvino.runtime import OpenVino

    return OpenVino(source.path, source.metadata, precision, folder)


def _usual_size(options: BuildOptions) -> tuple[int, int]:
    """(height, width) of the input of a 4:3 image."""
    return align((480, 640), options.input_size).input_size
