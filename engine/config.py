"""Which network computes the maps, and how: flags of every command that runs a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from configs import ConfigError
from configs.flags import option
from engine.geometry import (
    InputSize,
    check_input_size,
    check_scales,
    format_input_size,
    parse_input_size,
)
from engine.runtimes.device import DeviceList, parse_devices
from engine.runtimes.registry import PRECISIONS, RUNTIME_NAMES, choose


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """A model, and the runtime that executes it.

    Attributes:
        model: A preset's name or YAML file, an exported ONNX file, or a checkpoint, whose preset is
            told from its contents.
        weights: A checkpoint for the preset; None where the model has its own.
        runtime: A name of `engine.runtimes.RUNTIMES`; `torch` is the GPU's, or else the CPU's;
            `auto` is the first that works, and the log says which.
        precision: Of the convolutions; `auto` is the runtime's first, which is single on CPUs.
        device: The CPU or a GPU; several, for runs of several sources, which they share.
        input_size: The short side in pixels, whose long side follows the image; or (height, width);
            None is the model's own. Written WIDTHxHEIGHT on command lines.
        offline: Whether published weights that are not in the cache are an error instead of being
            fetched.

    Raises:
        ConfigError: A runtime, precision or device that is not known, or does not go with the
            others; sides that are no multiples of 32.
    """

    TITLE: ClassVar[str] = "network"
    EXTRA_RUNTIMES: ClassVar[tuple[str, ...]] = ()  # names that a subclass opens itself

    model: str = option("lite", help="preset, ONNX file or checkpoint", metavar="NAME|PATH")
    weights: Path | None = option(
        None, help="checkpoint for the preset (default: the published one)", metavar="FILE"
    )
    runtime: str = option("auto", help=", ".join(RUNTIME_NAMES), metavar="NAME")
    precision: str = option(
        "auto", help=f"auto, {', '.join(PRECISIONS)}, as the runtime has it", metavar="NAME"
    )
    device: DeviceList = option(
        DeviceList(),
        help="auto, cpu, cuda, cuda:N or GPU-uuid; cuda:0,cuda:1 share several sources",
        metavar="NAME",
        parse=parse_devices,
    )
    input_size: InputSize | None = option(
        None,
        help="network input: short side, a multiple of 64, or WIDTHxHEIGHT, multiples of 32 "
        "(default: the model's)",
        metavar="N|WxH",
        parse=parse_input_size,
        show=format_input_size,
    )
    offline: bool = option(False, help="fetch no weights")

    def __post_init__(self) -> None:
        if self.runtime not in self.EXTRA_RUNTIMES:
            for device in self.device:
                choose(self.runtime, self.precision, device)
        if self.input_size is not None:
            check_input_size(self.input_size, "input_size")


@dataclass(frozen=True, kw_only=True)
class EstimatorConfig(RuntimeConfig):
    """What `open_estimator` opens.

    Attributes:
        flip: Average with the mirrored image: another run of the network for every scale.
        scales: Sizes of the image relative to the input size, whose heatmaps are averaged; several
            hold 1, whose tags are kept.
        streams: Images computed at the same time, each on its share of the processor's cores, where
            the runtime can (openvino): more images a second, each of them later. None leaves it to
            who opens the estimator: 1, or in a run that shows nothing live, one per core.

    The others are those of `RuntimeConfig`.

    Raises:
        ConfigError: As `RuntimeConfig`, and for scales that cannot be used.
    """

    flip: bool = option(
        False, help="average with the mirrored image: slower, a little more accurate"
    )
    scales: tuple[float, ...] = option(
        (1.0,), help="average over these sizes of the image", metavar="S"
    )

    streams: int | None = option(
        None,
        help="images that OpenVINO computes at the same time (default: one per core where every "
        "frame counts, 1 for live sources)",
        metavar="N",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scales(self.scales)
        if self.streams is not None and self.streams < 1:
            raise ConfigError(f"streams must be at least 1, not {self.streams}")
