"""What is measured: a model, how it is run, and how its maps are grouped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import yaml

from configs import ConfigError, GroupingConfig, KeypointSet, load_keypoint_set
from configs.flags import option
from configs.loading import from_mapping
from engine import InputSize, format_input_size, open_estimator, parse_input_size
from engine.model_source import find_model
from evaluation.measuring.network import NetworkEstimator
from evaluation.measuring.prediction import Estimator
from grouping import Grouper

REFERENCE = "reference"
_DIGITS = 8  # of a hash: enough to tell the checkpoints of one table apart


@dataclass(frozen=True, kw_only=True)
class SettingOptions:
    """Flags that every command which runs a model has."""

    model: str = option(
        "lite", help="preset, exported .onnx, or checkpoint of this project", metavar="NAME|PATH"
    )
    weights: Path | None = option(
        None, help="checkpoint for the preset; official, mmpose and own ones", metavar="FILE"
    )
    runtime: str = option(
        "auto",
        help=f"auto, tensorrt, torch, openvino, onnxruntime, or {REFERENCE} (torch, maps at input size)",
        metavar="NAME",
    )
    precision: str = option(
        "auto", help="auto, fp32, fp16, bf16 or int8, as the runtime has it", metavar="NAME"
    )
    input_size: str | None = option(
        None,
        help="short side, the long side follows the image, or WIDTHxHEIGHT (default: the model's)",
        metavar="PX",
    )
    flip: bool = option(False, help="flip test: average with the mirrored image")
    scales: tuple[float, ...] = option((1.0,), help="scales of a multi-scale test", metavar="SCALE")
    grouping: tuple[str, ...] = option(
        (),
        help="grouping parameters, such as refine=false duplicate_distance_px=4",
        metavar="KEY=VALUE",
    )


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Names what was measured, so that AP and milliseconds of the same thing can be brought
    together.

    input_size: as flags give it, `384` or `448x320`. grouping: parameters that differ from the
    defaults. map_stride: input pixels per map pixel. weights: the first digits of the SHA-256 of
    the network's parameters, because two checkpoints may have one name; empty in rows that are
    older than this field.
    """

    model: str
    runtime: str
    precision: str
    input_size: str
    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    grouping: tuple[str, ...] = ()
    map_stride: int = 2
    weights: str = ""

    COLUMNS: ClassVar[tuple[str, ...]] = ("model", "weights", "runtime", "precision")

    @property
    def columns(self) -> tuple[str, ...]:
        """The first cells of a table's row, under `COLUMNS`."""
        return self.label, self.weights, self.runtime, self.precision

    @property
    def label(self) -> str:
        """A short name of the model and how its input and maps are treated."""
        return " + ".join([f"{self.model} {self.input_size}", *self.treatment])

    @property
    def treatment(self) -> tuple[str, ...]:
        """What is unusual about how images and maps are treated, in words."""
        scales = "/".join(f"{scale:g}" for scale in self.scales)
        return (
            *(["flip"] if self.flip else []),
            *([f"scales {scales}"] if scales != "1" else []),
            *([f"map stride {self.map_stride}"] if self.map_stride != 2 else []),
            *self.grouping,
        )

    def with_grouping(self, config: GroupingConfig) -> Setting:
        """The same with other grouping parameters."""
        return replace(self, grouping=changed(config))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any], where: str) -> Setting:
        """Raises ConfigError for values that are none of a setting's."""
        return from_mapping(cls, values, where)


@dataclass(frozen=True)
class Opened:
    """A setting that is ready to run."""

    setting: Setting
    estimator: Estimator
    keypoint_set: KeypointSet
    grouping: GroupingConfig

    def grouper(self, config: GroupingConfig | None = None) -> Grouper:
        """A grouper with the setting's parameters, or with others."""
        # "tuned" groups as "reference" does unless a parameter asks for something else
        return Grouper(
            self.keypoint_set, mode="tuned", config=self.grouping if config is None else config
        )


@contextlib.contextmanager
def open_setting(options: SettingOptions) -> Iterator[Opened]:
    """The estimator and grouping that the flags ask for; the estimator is closed at the end.

    Raises ConfigError, CheckpointError, ModelError or RuntimeUnavailableError for what cannot be
    used.
    """
    grouping = parse_grouping(options.grouping)
    size = None if options.input_size is None else parse_input_size(options.input_size)
    with _estimator(options, size) as found:
        setting = Setting(
            model=found.estimator.model,
            runtime=found.estimator.runtime,
            precision=found.estimator.precision,
            input_size=format_input_size(found.input_size),
            flip=options.flip,
            scales=tuple(sorted(options.scales)),
            grouping=changed(grouping),
            map_stride=found.map_stride,
            weights=found.weights_sha256[:_DIGITS],
        )
        yield Opened(setting, found.estimator, found.keypoint_set, grouping)


def parse_grouping(entries: Sequence[str]) -> GroupingConfig:
    """`key=value` entries over the defaults. Raises ConfigError for an unknown key or a wrong
    value.
    """
    values: dict[str, Any] = {}
    for entry in entries:
        key, separator, text = entry.partition("=")
        if not separator:
            raise ConfigError(f"--grouping needs KEY=VALUE, such as refine=false, not {entry!r}")
        try:
            values[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--grouping {entry!r}: the value cannot be read") from error
    return from_mapping(GroupingConfig, values, "--grouping")


def changed(config: GroupingConfig) -> tuple[str, ...]:
    """The parameters of `config` that differ from the defaults, as `key=value`."""
    default = GroupingConfig()
    return tuple(
        f"{field.name}={str(getattr(config, field.name)).lower()}"
        for field in fields(config)
        if getattr(config, field.name) != getattr(default, field.name)
    )


class _Found(NamedTuple):
    estimator: Any
    keypoint_set: KeypointSet
    input_size: InputSize
    map_stride: int
    weights_sha256: str


@contextlib.contextmanager
def _estimator(options: SettingOptions, size: InputSize | None) -> Iterator[_Found]:
    if options.runtime == REFERENCE:
        yield _reference(options, size)
        return
    metadata = find_model(options.model, options.weights).metadata
    with open_estimator(
        options.model,
        runtime=options.runtime,
        precision=options.precision,
        input_size=size,
        flip=options.flip,
        scales=options.scales,
        weights=options.weights,
    ) as estimator:
        yield _Found(
            estimator,
            estimator.keypoint_set,
            estimator.input_size,
            metadata.map_stride,
            metadata.weights_sha256,
        )


def _reference(options: SettingOptions, size: InputSize | None) -> _Found:
    # They import torch, which the other runtimes do without.
    from engine import load_checkpoint, load_network
    from engine.onnx.export import hash_weights

    if options.weights is None:
        raise ConfigError(
            f"--runtime {REFERENCE} needs --weights, a checkpoint for {options.model!r}"
        )
    network = load_network(options.model)
    load_checkpoint(network, options.weights)
    config: Any = network.config
    used = config.input_size if size is None else size
    estimator = NetworkEstimator(network, input_size=used, scales=options.scales, flip=options.flip)
    return _Found(estimator, load_keypoint_set(config.keypoint_set), used, 1, hash_weights(network))
