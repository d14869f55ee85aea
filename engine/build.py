"""Engine files, built and measured: what `python -m engine build` does."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from basics.cache import hash_file
from basics.demo import DEMO_CLIP
from configs import ConfigError, ExecutionError, RuntimeUnavailableError
from configs.flags import option
from configs.units import Size, parse_size
from engine.config import RuntimeConfig
from engine.geometry import InputSize, align
from engine.model_source import ModelSource, find_model
from engine.runtimes import RUNTIMES, Runtime, Workload
from engine.runtimes.engine_file import (
    EngineDescription,
    EngineFile,
    EngineKey,
    cached_engine_file,
)
from engine.runtimes.gpus import find_gpu
from engine.runtimes.openvino.quantisation import quantise, quantised_key
from engine.runtimes.tensorrt.build import Profile
from engine.runtimes.tensorrt.cache import EngineRequest, build_engine_file
from engine.runtimes.tensorrt.library import LIBRARIES, load_library
from engine.verify.maps import TOLERANCES, measure_parity
from engine.verify.people import GroupPeople
from engine.verify.reference import measure_latency, open_reference
from keypoint_datasets.images import FRAMES_PER_CLIP, ImageStore, is_clip, load_images

BUILDABLE = tuple(name for name, entry in RUNTIMES.items() if entry.builds)
logger = logging.getLogger(__name__)

_parse_profile_size = partial(parse_size, example="1920x1024")


@dataclass(frozen=True, kw_only=True)
class BuildConfig(RuntimeConfig):
    """What to build.

    Attributes:
        runtime: That it is for.
        input_size: What it is fastest at and measured at.
        smallest: Of TensorRT's profile.
        largest: Of TensorRT's profile.
        batch: Of TensorRT's profile: images at once, fewest, usual, most.
        calibration: Files, folders and zip archives with images, for int8.
        calibration_limit: How many of those images are used.
        output: The folder to write to; by default a place in the user's cache, where runs look.
        images: What parity is measured on; the demo clip if there are none.

    The others are those of `RuntimeConfig`.

    Raises:
        ConfigError: As `RuntimeConfig`, and for options that do not go together.
    """

    runtime: str = option(help=", ".join(BUILDABLE), metavar="NAME")
    smallest: Size = option(
        Size(256, 256),
        help="TensorRT: smallest input",
        metavar="WxH",
        parse=_parse_profile_size,
    )
    largest: Size = option(
        Size(1920, 1024),
        help="TensorRT: largest input",
        metavar="WxH",
        parse=_parse_profile_size,
    )
    batch: tuple[int, int, int] = option(
        (1, 1, 1), help="TensorRT: images at once", metavar="MIN OPT MAX"
    )
    calibration: tuple[Path, ...] = option(
        (), help="int8: files, folders, zips to learn from", metavar="IMAGES"
    )
    calibration_limit: int = option(300, help="int8: images of those", metavar="N")
    output: Path | None = option(
        None, short="-o", help="default: a place in the user's cache", metavar="FOLDER"
    )
    images: tuple[Path, ...] = option(
        (), help="images or clips to compare on (default: the demo)", metavar="FILE"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.runtime not in BUILDABLE:
            raise ConfigError(
                f"runtime must be one of {', '.join(BUILDABLE)} to be built for, not "
                f"{self.runtime!r}"
            )
        if (self.used_precision == "int8") != bool(self.calibration):
            raise ConfigError(
                "precision int8 needs images to take ranges from (--calibration IMAGES), and only "
                "int8 does"
            )
        if self.calibration_limit < 1:
            raise ConfigError(f"calibration_limit must be at least 1, not {self.calibration_limit}")

    @property
    def used_precision(self) -> str:
        """The precision, with what `auto` is."""
        return RUNTIMES[self.runtime].precisions[0] if self.precision == "auto" else self.precision


def build_engine(
    config: BuildConfig, group: Callable[[ModelSource], GroupPeople] | None = None
) -> tuple[EngineDescription, Path]:
    """Builds an engine file, measures parity with torch and latency where the runtime works here,
    and writes all of it.

    Args:
        config: What to build.
        group: Makes of the model what groups its maps into people, who are part of parity then.

    Returns:
        The description, and the folder.

    Raises:
        ConfigError: Shapes that are no profile.
        ModelError: The model cannot be found or read.
        DataError: Images cannot be found or read.
        ExecutionError: The build fails, or its maps are out of tolerance.
        RuntimeUnavailableError: A package is missing.
    """
    source = find_model(config.model, config.weights, offline=config.offline)
    input_size = config.input_size or source.metadata.input_size
    if config.runtime in LIBRARIES:
        description, folder = _build_with_tensorrt(source, config, input_size)
    elif config.used_precision == "int8":
        description, folder = _quantise(source, config, input_size)
    else:
        description, folder = _copy_model(source, config, input_size)
    people = None if group is None else group(source)
    return _measure(source, config, input_size, description, folder, people), folder


def _build_with_tensorrt(
    source: ModelSource, config: BuildConfig, input_size: InputSize
) -> tuple[EngineDescription, Path]:
    profile = Profile(
        smallest=config.smallest.shape,
        usual=_usual_size(input_size),
        largest=config.largest.shape,
        batch=config.batch,
    )
    library = load_library(config.runtime)
    builds_on_gpu = config.runtime == "tensorrt"
    if builds_on_gpu:
        RUNTIMES[config.runtime].check()
    try:
        gpu = find_gpu(config.device.single)
    except RuntimeUnavailableError:
        if builds_on_gpu:
            raise
        gpu = None
    request = EngineRequest(
        library=library,
        path=source.path,
        model=source.name,
        precision=config.used_precision,
        profile=profile,
        gpu=library.target(gpu),
        driver=library.driver,
    )
    if gpu is None or not builds_on_gpu:
        return build_engine_file(request, config.output)
    from engine.runtimes.tensorrt.runtime import open_gpu

    with open_gpu(config.runtime, gpu.index).current():  # TensorRT builds for the one that is
        return build_engine_file(request, config.output)


def _quantise(
    source: ModelSource, config: BuildConfig, input_size: InputSize
) -> tuple[EngineDescription, Path]:
    with ImageStore(config.calibration, upright=True) as store:
        names = store.thinned(config.calibration_limit)
        count = sum(FRAMES_PER_CLIP if is_clip(name) else 1 for name in names)
        images = store.images(names, frames_per_clip=FRAMES_PER_CLIP)
        packed = quantise(source.path, images, count, input_size)
    key = quantised_key(source.path)
    file = _engine_file(config, source.metadata.model.name, key)
    tools = {name: version(name) for name in ("nncf", "openvino")}
    description = file.write(key, packed, source.path.name, tools=tools, calibration_images=count)
    return description, file.folder


def _copy_model(
    source: ModelSource, config: BuildConfig, input_size: InputSize
) -> tuple[EngineDescription, Path]:
    """OpenVINO and ONNX Runtime take the exported model as it is: the engine is a copy with
    what was measured.
    """
    RUNTIMES[config.runtime].check()
    key = EngineKey(
        library=config.runtime,
        version=version(config.runtime),
        gpu="any",
        source_sha256=hash_file(source.path),
        precision=config.used_precision,
        shapes=((1, *_usual_size(input_size), 3),) * 3,
    )
    file = _engine_file(config, source.name, key)
    return file.write(key, source.path.read_bytes(), source.path.name), file.folder


def _engine_file(config: BuildConfig, model: str, key: EngineKey) -> EngineFile:
    return cached_engine_file(model, key) if config.output is None else EngineFile(config.output)


def _measure(
    source: ModelSource,
    config: BuildConfig,
    input_size: InputSize,
    description: EngineDescription,
    folder: Path,
    group: GroupPeople | None,
) -> EngineDescription:
    images = load_images(config.images or [DEMO_CLIP])
    with ExitStack() as stack:
        try:
            runtime = stack.enter_context(_open_built(source, config, input_size, folder))
            reference = stack.enter_context(open_reference(source, runtime))
        except RuntimeUnavailableError as error:
            logger.warning("not measured: %s", error)
            return description
        parity = measure_parity(runtime, reference, images, input_size, group)
        latency_ms = measure_latency(runtime, images[0], input_size)
    precision = description.key.precision
    wrong = TOLERANCES[precision].exceeded_by(parity)
    measured = dataclasses.replace(
        description, parity=parity.to_dict(), latency_ms=latency_ms, out_of_tolerance=wrong
    )
    EngineFile(folder).write_description(measured)
    if wrong:
        raise ExecutionError(
            f"the engine in {str(folder)!r} is out of tolerance for {precision}: {wrong}; it stays "
            "there, and runs that take it warn of that: remove the folder if you do not want it"
        )
    return measured


def _open_built(
    source: ModelSource, config: BuildConfig, input_size: InputSize, folder: Path
) -> Runtime:
    """What is in `folder`, not what the cache may have."""
    precision = config.used_precision
    has_engine = config.runtime in LIBRARIES or precision == "int8"
    return RUNTIMES[config.runtime].open(
        source.path,
        source.metadata,
        precision,
        Workload(input_size=input_size),
        engine_folder=folder if has_engine else None,
        device=config.device.single,
    )


def _usual_size(input_size: InputSize) -> tuple[int, int]:
    """(height, width) of the input of a 4:3 image."""
    return align((480, 640), input_size).input_size
