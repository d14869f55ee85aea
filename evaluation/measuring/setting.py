"""What is measured: a model, how it is run, and how its maps are grouped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import yaml

from configs import (
    Adjustment,
    ConfigError,
    GroupingConfig,
    KeypointSet,
    load_keypoint_set,
    load_model_config,
)
from configs.flags import option
from configs.loading import from_mapping
from engine import EstimatorConfig, InputSize, format_input_size, open_estimator
from engine.model_source import find_model, find_weights, load_weights
from engine.runtimes.registry import RUNTIME_NAMES
from evaluation.measuring.network import NetworkEstimator
from evaluation.measuring.prediction import Estimator
from grouping import Grouper

REFERENCE = "reference"
DEFAULT = "default"
_DIGITS = 8  # of a hash: enough to tell the checkpoints of one table apart

GroupingChange = tuple[str, Any]
"""A field of GroupingConfig and its value."""


def parse_change(text: str, name: str) -> GroupingChange:
    """`refine=false` as ("refine", False).

    Raises:
        ConfigError: It is anything else, an unknown key, or a value that the key cannot have.
    """
    key, separator, value = (part.strip() for part in text.partition("="))
    if not separator:
        raise ConfigError(f"{name} needs KEY=VALUE, such as refine=false, not {text!r}")
    try:
        config = from_mapping(GroupingConfig, {key: yaml.safe_load(value)}, name)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} {text!r}: the value cannot be read") from error
    return key, getattr(config, key)


def parse_changes(text: str, name: str) -> tuple[GroupingChange, ...]:
    """Several changes joined by commas; `default` stands for no change.

    Raises:
        ConfigError: As `parse_change` does.
    """
    if text == DEFAULT:
        return ()
    return tuple(parse_change(part, name) for part in text.split(","))


def format_changes(changes: Iterable[GroupingChange]) -> str:
    """The inverse of `parse_changes`."""
    return ",".join(map(format_change, changes)) or DEFAULT


def format_change(change: GroupingChange) -> str:
    """The inverse of `parse_change`."""
    return f"{change[0]}={str(change[1]).lower()}"


def group_with(changes: Iterable[GroupingChange]) -> GroupingConfig:
    """The default parameters with `changes`."""
    return replace(GroupingConfig(), **dict(changes))


@dataclass(frozen=True, kw_only=True)
class SettingConfig(EstimatorConfig):
    """Flags that every command which runs a model has: `EstimatorConfig`'s, and grouping.

    Attributes:
        runtime: Also `reference`: torch, with maps as large as the network input, as the official
            evaluation makes them.
        grouping: Parameters of grouping that are not the defaults.
    """

    EXTRA_RUNTIMES: ClassVar[tuple[str, ...]] = (REFERENCE,)

    runtime: str = option(
        "auto",
        help=f"{', '.join(RUNTIME_NAMES)}, or {REFERENCE} (torch, maps at input size)",
        metavar="NAME",
    )
    grouping: tuple[GroupingChange, ...] = option(
        (),
        help="grouping parameters, such as refine=false duplicate_distance_px=4",
        metavar="KEY=VALUE",
        parse=parse_change,
        show=format_change,
    )


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Names what was measured, so that AP and milliseconds of the same thing can be brought
    together.

    Attributes:
        model: Name of the model.
        runtime: Name of the runtime that was taken.
        precision: Of its convolutions.
        input_size: As flags give it, `384` or `448x320`.
        flip: Whether averaged with the mirrored image.
        scales: Of a multi-scale test, rising.
        grouping: Parameters that differ from the defaults, as `key=value`.
        map_stride: Input pixels per map pixel.
        weights: The first digits of the SHA-256 of the network's parameters, because two
            checkpoints may have one name; empty in rows that are older than this field.
        adjustment: The model's own; empty in rows that are older. It makes no other setting of a
            row: what was used is in `grouping`.
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
    adjustment: str = field(default="", compare=False)

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
        words = []
        if self.flip:
            words.append("flip")
        if self.scales != (1.0,):
            words.append("scales " + "/".join(f"{scale:g}" for scale in self.scales))
        if self.map_stride != 2:
            words.append(f"map stride {self.map_stride}")
        return (*words, *self._changes())

    def _changes(self) -> tuple[str, ...]:
        """What of grouping is not the model's own, where its own is known."""
        own = f"adjustment={self.adjustment}"
        if not self.adjustment:
            return self.grouping
        if own in self.grouping:
            return tuple(change for change in self.grouping if change != own)
        default = f"adjustment={GroupingConfig.adjustment}"
        changed = any(change.startswith("adjustment=") for change in self.grouping)
        return self.grouping if changed or own == default else (default, *self.grouping)

    def with_grouping(self, config: GroupingConfig) -> Setting:
        """The same with other grouping parameters."""
        return replace(self, grouping=changed(config))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any], where: str) -> Setting:
        """What `to_json` made a dictionary of.

        Raises:
            ConfigError: The values are not those of a setting.
        """
        return from_mapping(cls, values, where)


@dataclass(frozen=True)
class Opened:
    """A setting that is ready to run.

    Attributes:
        setting: What it is.
        estimator: Images to maps.
        keypoint_set: Of the model.
        grouping: The setting's parameters.
    """

    setting: Setting
    estimator: Estimator
    keypoint_set: KeypointSet
    grouping: GroupingConfig

    def variant(self, changes: Iterable[GroupingChange]) -> GroupingConfig:
        """The setting's parameters with `changes`."""
        return replace(self.grouping, **dict(changes))

    def grouper(self, config: GroupingConfig | None = None) -> Grouper:
        """A grouper with the setting's parameters, or with others."""
        # "tuned" groups as "reference" does unless a parameter asks for something else
        return Grouper(
            self.keypoint_set, mode="tuned", config=self.grouping if config is None else config
        )


@contextlib.contextmanager
def open_setting(config: SettingConfig) -> Iterator[Opened]:
    """The estimator and grouping that the flags ask for, while the block runs.

    Raises:
        ConfigError: Flags that do not go together.
        CheckpointError: The weights do not fit the network.
        ModelError: The model file is not there, damaged, or not one of ours.
        RuntimeUnavailableError: A package or device that the runtime needs is missing.
    """
    grouping = group_with(config.grouping)
    with _estimator(config) as found:
        if "adjustment" not in dict(config.grouping):
            grouping = replace(grouping, adjustment=found.adjustment)
        setting = Setting(
            model=found.estimator.model,
            runtime=found.estimator.runtime,
            precision=found.estimator.precision,
            input_size=format_input_size(found.input_size),
            flip=config.flip,
            scales=tuple(sorted(config.scales)),
            grouping=changed(grouping),
            map_stride=found.map_stride,
            weights=found.weights_sha256[:_DIGITS],
            adjustment=found.adjustment,
        )
        yield Opened(setting, found.estimator, found.keypoint_set, grouping)


def changed(config: GroupingConfig) -> tuple[str, ...]:
    """The parameters of `config` that differ from the defaults, as `key=value`."""
    default = GroupingConfig()
    return tuple(
        format_change((each.name, getattr(config, each.name)))
        for each in fields(config)
        if getattr(config, each.name) != getattr(default, each.name)
    )


class _Found(NamedTuple):
    estimator: Any
    keypoint_set: KeypointSet
    input_size: InputSize
    map_stride: int
    weights_sha256: str
    adjustment: Adjustment


@contextlib.contextmanager
def _estimator(config: SettingConfig) -> Iterator[_Found]:
    if config.runtime == REFERENCE:
        yield _reference(config)
        return
    metadata = find_model(config.model, config.weights, offline=config.offline).metadata
    with open_estimator(config) as estimator:
        yield _Found(
            estimator,
            estimator.keypoint_set,
            estimator.input_size,
            metadata.map_stride,
            metadata.weights_sha256,
            estimator.adjustment,
        )


def _reference(config: SettingConfig) -> _Found:
    # They import torch, which the other runtimes do without.
    from engine.onnx.export import hash_weights

    model = load_model_config(config.model)
    weights = config.weights or find_weights(model, offline=config.offline)
    network = load_weights(model, Path(weights))
    used = model.input_size if config.input_size is None else config.input_size
    estimator = NetworkEstimator(network, input_size=used, scales=config.scales, flip=config.flip)
    return _Found(
        estimator,
        load_keypoint_set(model.keypoint_set),
        used,
        2 if model.alignment == "udp" else 1,
        hash_weights(network),
        model.adjustment,
    )
