"""`python -m engine COMMAND`: models, and what runs them."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence

from basics.program import run_program
from configs.commands import Command, run_commands
from engine.build import BuildConfig
from engine.commands.build import run_build
from engine.commands.convert import ConvertConfig, run_convert
from engine.commands.difference import DifferenceConfig, run_difference
from engine.commands.export import ExportConfig, run_export
from engine.commands.inspect import (
    InspectConfig,
    ListConfig,
    RuntimesConfig,
    run_inspect,
    run_list,
    run_runtimes,
)
from engine.commands.models import ModelsConfig, run_models
from engine.commands.verify import VerifyConfig, run_verify

COMMANDS = {
    "convert": Command(ConvertConfig, run_convert, "rewrite a checkpoint in another layout"),
    "export": Command(
        ExportConfig, run_export, "write a network as an ONNX model with its metadata"
    ),
    "difference": Command(
        DifferenceConfig,
        run_difference,
        "for maintainers: write what a preset adds to the file of another in the package",
    ),
    "build": Command(BuildConfig, run_build, "make and measure an engine for a runtime"),
    "inspect": Command(InspectConfig, run_inspect, "what is in a model or an engine"),
    "verify": Command(
        VerifyConfig, run_verify, "compare a runtime's maps with torch's in single precision"
    ),
    "models": Command(
        ModelsConfig, run_models, "list models; fetch, find, remove their published weights"
    ),
    "list": Command(ListConfig, run_list, "presets, and engines in the cache"),
    "runtimes": Command(
        RuntimesConfig, run_runtimes, "which runtimes work here, and why others do not"
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code of `configs.commands.run_commands`."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    warnings.simplefilter("ignore")  # libraries' remarks to programmers
    return run_commands("engine", __doc__ or "", COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(run_program(main))
