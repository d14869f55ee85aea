"""The command `inspect`: what is in a model or an engine file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from configs import ModelError
from configs.commands import Say
from configs.flags import option
from engine.onnx.metadata import read_metadata
from engine.runtimes.engine_file import EngineFile


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
