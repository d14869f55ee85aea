"""The command `list`: presets, and what the cache has of engines."""

from __future__ import annotations

from dataclasses import dataclass

from configs import load_model_config, model_names
from configs.commands import Say
from engine.runtimes.engine_file import cached_engine_files


@dataclass(frozen=True, kw_only=True)
class ListConfig:
    """`list` has no flags."""


def run_list(config: ListConfig, say: Say) -> None:
    """Says a line for every preset and every engine file."""
    for name in model_names():
        model = load_model_config(name)
        say(f"{name:30} {model.description}{'' if model.weights else ' (needs --weights)'}")
    for file, description in sorted(cached_engine_files(), key=lambda each: each[0].folder):
        if description is None:
            said = "damaged"
        else:
            said = f"{description.source}, {description.key.gpu}, {description.created}"
        say(f"{file.folder}  {said}")
