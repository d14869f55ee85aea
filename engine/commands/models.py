"""The command `models`: which models there are, what they cost, and their published weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from configs import ConfigError, load_model_config, model_names
from configs.commands import Say
from configs.flags import option
from configs.zoo import Checkpoint, NetworkCost, PublishedAp, Zoo, load_zoo
from engine.model_source import PACKAGED_WEIGHTS
from engine.zoo import fetch_weights, weights_path

_HEADER = ("model", "AP", "size", "parameters", "GMACs", "licence", "weights")


@dataclass(frozen=True, kw_only=True)
class ModelsConfig:
    """Flags of `models`.

    Raises:
        ConfigError: Names are missing, or given where none are used.
    """

    action: Literal["list", "fetch", "path", "remove"] = option(
        "list", help="what to do", positional=True
    )
    names: tuple[str, ...] = option(
        (), help="of models, as list has them", metavar="NAME", positional=True
    )

    def __post_init__(self) -> None:
        if self.action == "list" and self.names:
            raise ConfigError("models list takes no names")
        if self.action != "list" and not self.names:
            raise ConfigError(
                f"models {self.action} needs names of models, such as w32_512; models list has them"
            )


def run_models(config: ModelsConfig, say: Say) -> None:
    """Says a line for every model, or fetches, finds or removes the weights of some.

    Raises:
        ConfigError: A name that is not known, or whose weights are not published.
        FetchError: Weights cannot be fetched, or `path` is asked for those that were not.
        OSError: They cannot be removed.
    """
    zoo = load_zoo()
    if config.action == "list":
        for line in _table(zoo):
            say(line)
        return
    for checkpoint in [_published(name, zoo) for name in config.names]:
        path = weights_path(checkpoint)
        if config.action == "remove":
            there = path.is_file()
            for part in (path, *(path.with_name(path.name + end) for end in (".part", ".lock"))):
                part.unlink(missing_ok=True)
            say(f"{checkpoint.preset}: {'removed' if there else 'was not there'}: {path}")
        elif config.action == "path":
            say(str(fetch_weights(checkpoint, offline=True)))
        else:
            say(f"{checkpoint.preset}: {fetch_weights(checkpoint)}")


def _published(name: str, zoo: Zoo) -> Checkpoint:
    checkpoint = zoo.fetchable(name)
    if checkpoint is None:
        load_model_config(name)  # raises for a name that is not one
        raise ConfigError(
            f"no weights of {name!r} are published under an address: give yours with --weights"
        )
    return checkpoint


def _table(zoo: Zoo) -> list[str]:
    named = [each.preset for each in zoo.checkpoints]
    order = sorted(set(zoo.networks) | set(named), key=lambda name: (name != "lite", name))
    rows = [_HEADER, *(_row(name, zoo) for name in order)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(name: str, zoo: Zoo) -> tuple[str, ...]:
    found = [each for each in zoo.checkpoints if each.preset == name]
    cost = zoo.networks.get(name)
    return (
        name,
        _shown_ap(found[0].ap) if found else "-",
        "-" if cost is None else f"{_size_mb(name, cost):.0f} MB",
        "-" if cost is None else f"{cost.parameters / 1e6:.1f} M",
        "-" if cost is None else f"{cost.gmacs:.1f}",
        found[0].licence if found else "-",
        _state(name, found, zoo),
    )


def _size_mb(name: str, cost: NetworkCost) -> float:
    """Of the file in the package, or of single-precision parameters."""
    packaged = load_model_config(name).weights if name in model_names() else None
    return cost.size_mb if packaged is None else (PACKAGED_WEIGHTS / packaged).stat().st_size / 1e6


def _shown_ap(published: Sequence[PublishedAp]) -> str:
    """The single-scale figure; on what it was measured where that is not COCO's validation set."""
    single = [each for each in published if each.scales == (1.0,)]
    if not single:
        return "-"
    on = "" if single[0].dataset == "COCO val2017" else f" ({single[0].dataset})"
    return f"{single[0].value:.1f}{on}"


def _state(name: str, found: Sequence[Checkpoint], zoo: Zoo) -> str:
    if name in model_names() and load_model_config(name).weights is not None:
        return "in the package"
    checkpoint = zoo.fetchable(name)
    if checkpoint is not None:
        return "fetched" if weights_path(checkpoint).is_file() else "published"
    return f"--weights {found[0].file}" if found else "--weights FILE"
