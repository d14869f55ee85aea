"""The command `convert`: a checkpoint in another layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from basics.packages import import_package
from configs.commands import Say
from configs.flags import option


@dataclass(frozen=True, kw_only=True)
class ConvertConfig:
    """Flags of `convert`."""

    source: Path = option(help="checkpoint, in any form", metavar="IN", positional=True)
    target: Path = option(help="where the other one goes", metavar="OUT", positional=True)
    to: Literal["official", "mmpose"] = option(help="layout of the names")


def run_convert(config: ConvertConfig, say: Say) -> None:
    """Writes the weights in another layout.

    Raises:
        CheckpointError: They cannot be read, or are of no HigherHRNet.
        RuntimeUnavailableError: There is no torch.
    """
    import_package("torch", "higherhrnet-stream[torch]", "reading a checkpoint")
    from engine.checkpoints.layouts import convert_checkpoint

    convert_checkpoint(config.source, config.target, config.to)
    say(f"{config.target}: {config.to} layout")
