"""The command `list`: presets, and what the cache has of engines."""

from __future__ import annotations

from dataclasses import dataclass

from configs import load_model_config, model_names
from configs.commands import Say
from configs.zoo import load_zoo
from engine.runtimes.engine_file import cached_engine_files


@dataclass(frozen=True, kw_only=True)
class ListConfig:
    """`list` has no flags."""


def run_list(config: ListConfig, say: Say) -> None:
    """Says a line for every preset and every engine file."""
    zoo = load_zoo()
    for name in model_names():
        model = load_model_config(name)
        there = model.weights is not None or zoo.fetchable(name) is not None
        say(f"{name:30} {model.description}{'' if there else ' (needs --weights)'}")
    for file, description in sorted(cached_engine_files(), key=lambda each: each[0].folder):
        if description is None:
            said = "damaged"
        else:
            said = f"{description.source}, {description.key.gpu}, {description.created}"
        say(f"{file.folder}  {said}")
