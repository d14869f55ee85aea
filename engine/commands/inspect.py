"""The commands that only look: `inspect` into a file, `list` what there is, `runtimes` what works
here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from configs import ModelError, load_model_config, model_names
from configs.commands import Say
from configs.flags import option
from configs.zoo import load_zoo
from engine.onnx.metadata import read_metadata
from engine.runtimes.engine_file import EngineFile, cached_engine_files
from engine.runtimes.registry import RUNTIMES, describe_runtimes


@dataclass(frozen=True, kw_only=True)
class InspectConfig:
    """Flags of `inspect`."""

    path: Path = option(
        help="a model, or the folder of an engine file",
        metavar="MODEL.onnx|FOLDER",
        positional=True,
    )


def run_inspect(config: InspectConfig, say: Say) -> None:
    """Says the metadata or the description, as JSON.

    Raises:
        ModelError: There is none that can be read.
    """
    if not config.path.is_dir():
        say(json.dumps(asdict(read_metadata(config.path)), indent=2))
        return
    description = EngineFile(config.path).read_description()
    if description is None:
        raise ModelError(
            f"{str(config.path)!r} holds no engine with a description that can be read"
        )
    say(json.dumps(asdict(description), indent=2))


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
            if description.out_of_tolerance:
                said += f", out of tolerance: {description.out_of_tolerance}"
        say(f"{file.folder}  {said}")


@dataclass(frozen=True, kw_only=True)
class RuntimesConfig:
    """`runtimes` has no flags."""


def run_runtimes(config: RuntimesConfig, say: Say) -> None:
    """Says a line for every runtime: what it computes in, and its state."""
    for name, state in describe_runtimes().items():
        say(f"{name:14} {'/'.join(RUNTIMES[name].precisions):16} {state}")
