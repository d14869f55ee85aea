"""What is varied when several settings are measured: the flags of `speed` and `pareto`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from configs import ConfigError
from configs.flags import option
from configs.loading import nearest
from engine import InputSize, format_input_size, parse_input_size
from engine.geometry import check_scales
from engine.runtimes import PRECISIONS
from engine.runtimes.registry import choose
from evaluation.measuring.setting import (
    DEFAULT,
    GroupingChange,
    SettingConfig,
    format_change,
    format_changes,
    parse_changes,
)


@dataclass(frozen=True)
class Combination:
    """One point of a grid, as it was asked for; `str` names it for messages.

    Attributes:
        values: Fields of `SettingConfig`.
    """

    values: Mapping[str, Any]

    def setting(self) -> SettingConfig:
        """The setting.

        Raises:
            ConfigError: The values do not go together, such as a precision that the runtime does
                not have.
        """
        return SettingConfig(**self.values)

    def __str__(self) -> str:
        values = self.values
        parts = [values["model"]]
        if values["input_size"] is not None:
            parts.append(format_input_size(values["input_size"]))
        parts += [values["runtime"], values["precision"]]
        if values["flip"]:
            parts.append("flip")
        if values["scales"] != (1.0,):
            parts.append(f"scales {_format_scales(values['scales'])}")
        parts += map(format_change, values.get("grouping", ()))
        return " ".join(parts)


def _parse_scales(text: str, name: str) -> tuple[float, ...]:
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"{name} needs numbers joined by commas, such as 0.5,1,2, not {text!r}"
        ) from error
    check_scales(scales, name)
    return scales


def _format_scales(scales: tuple[float, ...]) -> str:
    return ",".join(f"{scale:g}" for scale in scales)


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """Flags that take several values each; every combination is measured.

    They are those of `SettingConfig` in the plural, but for `weights`, which belongs to one model.
    """

    models: tuple[str, ...] = option(
        ("lite",), help="presets, exported .onnx, or checkpoints", metavar="NAME|PATH"
    )
    runtimes: tuple[str, ...] = option(
        ("auto",),
        help="runtimes; several get a process each; what cannot run here is named and passed over",
        metavar="NAME",
    )
    precisions: tuple[str, ...] = option(
        ("auto",), help=f"auto, {', '.join(PRECISIONS)}, as runtimes have it", metavar="NAME"
    )
    sizes: tuple[InputSize, ...] = option(
        (),
        help="input sizes, N or WIDTHxHEIGHT (default: each model's own)",
        metavar="PX",
        parse=parse_input_size,
        show=format_input_size,
    )
    flip: tuple[Literal["off", "on"], ...] = option(
        ("off",), help="flip test: off, on, or both", metavar="off|on"
    )
    scales: tuple[tuple[float, ...], ...] = option(
        ((1.0,),),
        help="scales of multi-scale tests, joined by commas",
        metavar="S[,S...]",
        parse=_parse_scales,
        show=_format_scales,
    )
    grouping: tuple[tuple[GroupingChange, ...], ...] = option(
        ((),),
        help=f"grouping parameters such as refine=false, joined by commas, or {DEFAULT}",
        metavar="KEY=VALUE[,...]",
        parse=parse_changes,
        show=format_changes,
    )

    def __post_init__(self) -> None:
        # A typing error is told now, not after the settings before it were measured.
        for runtime in self.runtimes:
            choose(runtime, "auto")
        for precision in self.precisions:
            if precision not in ("auto", *PRECISIONS):
                known = nearest(precision, ("auto", *PRECISIONS))
                raise ConfigError(f"precisions: unknown {precision!r}{known}")

    def networks(self, runtime: str) -> Iterator[Combination]:
        """Every combination on one runtime, but for grouping, whose variants can share a run of the
        network.
        """
        for model, size, precision, flip, scales in itertools.product(
            self.models, self.sizes or (None,), self.precisions, self.flip, self.scales
        ):
            yield Combination(
                {
                    "model": model,
                    "runtime": runtime,
                    "precision": precision,
                    "input_size": size,
                    "flip": flip == "on",
                    "scales": scales,
                }
            )

    def combinations(self, runtime: str) -> Iterator[Combination]:
        """Every combination on one runtime."""
        for network, variant in itertools.product(self.networks(runtime), self.grouping):
            yield Combination({**network.values, "grouping": variant})
