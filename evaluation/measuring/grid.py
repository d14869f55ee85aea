"""What is varied when several settings are measured: the flags of `speed` and `pareto`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from configs import ConfigError, GroupingConfig
from configs.flags import option
from configs.loading import nearest
from engine import parse_input_size
from engine.runtimes import PRECISIONS, RUNTIMES
from evaluation.measuring.setting import SettingOptions, parse_grouping

DEFAULT = "default"
_RUNTIMES = ("auto", "torch", *RUNTIMES)


@dataclass(frozen=True, kw_only=True)
class AxesOptions:
    """Flags that take several values each; every combination is measured."""

    models: tuple[str, ...] = option(
        ("lite",), help="presets, exported .onnx, or checkpoints", metavar="NAME|PATH"
    )
    runtimes: tuple[str, ...] = option(
        ("auto",),
        help="runtimes; several get a process each; what cannot run here is named and passed over",
        metavar="NAME",
    )
    precisions: tuple[str, ...] = option(
        ("auto",), help="auto, fp32, fp16, bf16 or int8, as runtimes have it", metavar="NAME"
    )
    sizes: tuple[str, ...] = option(
        (), help="input sizes, N or WIDTHxHEIGHT (default: each model's own)", metavar="PX"
    )
    flip: tuple[Literal["off", "on"], ...] = option(
        ("off",), help="flip test: off, on, or both", metavar="off|on"
    )
    scales: tuple[str, ...] = option(
        ("1",), help="scales of multi-scale tests, joined by commas", metavar="S[,S...]"
    )
    grouping: tuple[str, ...] = option(
        (DEFAULT,),
        help=f"grouping parameters such as refine=false, joined by commas, or {DEFAULT}",
        metavar="KEY=VALUE[,...]",
    )

    def __post_init__(self) -> None:
        # A typing error is told now, not after the settings before it were measured.
        for name, known in ((self.runtimes, _RUNTIMES), (self.precisions, ("auto", *PRECISIONS))):
            for entry in name:
                if entry not in known:
                    raise ConfigError(f"unknown {entry!r}{nearest(entry, known)}")
        for size in self.sizes:
            parse_input_size(size)
        for scales in self.scales:
            _parse_scales(scales)
        for entry in self.grouping:
            parse_variant(entry)

    def settings(self, runtime: str) -> Iterator[SettingOptions]:
        """Every combination on one runtime, but for grouping, whose variants can share a run of the
        network.
        """
        for model, size, precision, flip, scales in itertools.product(
            self.models, self.sizes or (None,), self.precisions, self.flip, self.scales
        ):
            yield SettingOptions(
                model=model,
                runtime=runtime,
                precision=precision,
                input_size=size,
                flip=flip == "on",
                scales=_parse_scales(scales),
            )

    def grouped_settings(self, runtime: str) -> Iterator[SettingOptions]:
        """Every combination on one runtime."""
        for setting, entry in itertools.product(self.settings(runtime), self.grouping):
            yield replace(setting, grouping=() if entry == DEFAULT else tuple(entry.split(",")))


def parse_variant(entry: str) -> GroupingConfig:
    """A value of `--grouping`. Raises ConfigError for an unknown parameter or a wrong value."""
    return parse_grouping(() if entry == DEFAULT else entry.split(","))


def show(setting: SettingOptions) -> str:
    """What was asked for, for messages."""
    scales = ",".join(f"{scale:g}" for scale in setting.scales)
    parts = (
        setting.model,
        setting.input_size,
        setting.runtime,
        setting.precision,
        "flip" if setting.flip else None,
    )
    return " ".join(
        [
            *(part for part in parts if part),
            *([f"scales {scales}"] if scales != "1" else []),
            *setting.grouping,
        ]
    )


def _parse_scales(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"--scales needs numbers joined by commas, such as 0.5,1,2, not {text!r}"
        ) from error
