"""`python -m training`: fit a network, or export a checkpoint."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from basics.packages import import_package
from basics.program import run_program
from configs import ConfigError
from configs.flags import FlagParser, add_flags, from_namespace, run_command
from configs.training import (
    SECTIONS,
    CorrectionConfig,
    DataSource,
    TrainingConfig,
    load_training_config,
    overlay,
    training_names,
)

logger = logging.getLogger(__name__)

_DATA = ("ANNOTATIONS", "IMAGES")
_LENGTHS = ("time_budget_s", "steps", "epochs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns 0, 2 after an error (one line on stderr), or 128 + N when signal N
    ended a training.
    """
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    return run_command(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    parsed = make_parser().parse_args(arguments)
    return int(parsed.command(parsed))


def make_parser() -> argparse.ArgumentParser:
    parser = FlagParser(
        prog="python -m training", description="Train a network, or export a trained one."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=FlagParser)
    fit = commands.add_parser("fit", help="train a network, or go on training it")
    fit.set_defaults(command=_fit)
    known = ", ".join(training_names())
    fit.add_argument(
        "--config",
        metavar="NAME|FILE",
        help=f"training preset ({known}) or a YAML file (default: short)",
    )
    fit.add_argument(
        "--resume",
        type=Path,
        metavar="CHECKPOINT",
        help="go on from this checkpoint, with its configuration",
    )
    _add_data(fit)
    fit.add_argument(
        "--validation", nargs="+", type=Path, metavar=_DATA, help="held-out set, given like --data"
    )
    add_flags(fit, TrainingConfig)
    for title, section in SECTIONS.items():
        add_flags(cast(argparse.ArgumentParser, fit.add_argument_group(title)), section)
    correct = commands.add_parser("correct", help="train the joint correction of a model")
    correct.set_defaults(command=_correct)
    _add_data(correct)
    correct.add_argument("-o", "--output", type=Path, required=True, metavar="CHECKPOINT")
    add_flags(correct, CorrectionConfig)
    export = commands.add_parser("export", help="write a checkpoint as an ONNX model")
    export.set_defaults(command=_export)
    export.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.onnx")
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    help_text = (
        "COCO keypoint file, and the folders or zip archives with its images; repeat for several "
        "sets"
    )
    parser.add_argument(
        "--data", nargs="+", action="append", type=Path, metavar=_DATA, help=help_text
    )
    help_weights = "how often an epoch shows each set (default: 1)"
    parser.add_argument("--data-weights", nargs="+", type=float, metavar="W", help=help_weights)


def _fit(parsed: argparse.Namespace) -> int:
    import_package("torch", "higherhrnet-stream[train]", "training")
    from training.fit import fit
    from training.run import resumed_config

    continues = parsed.resume is not None and parsed.config is None
    config = (
        resumed_config(parsed.resume)
        if continues
        else load_training_config(parsed.config or "short")
    )
    signal = fit(overlay(config, _overrides(parsed), "command line"), parsed.resume)
    return 0 if signal is None else 128 + signal


def _overrides(parsed: argparse.Namespace) -> dict[str, Any]:
    """What was given on the command line, as keys and sections of the configuration."""
    given = vars(parsed)
    names = {field.name for field in dataclasses.fields(TrainingConfig) if "help" in field.metadata}
    overrides: dict[str, Any] = {name: given[name] for name in names & given.keys()}
    for title, section in SECTIONS.items():
        fields = {field.name for field in dataclasses.fields(section)}
        overrides[title] = {name: given[name] for name in fields & given.keys()}
    if any(name in given for name in _LENGTHS):
        overrides["schedule"] = {**dict.fromkeys(_LENGTHS), **overrides["schedule"]}
    sources = _sources(parsed)
    if sources:
        overrides["data"] = [dataclasses.asdict(source) for source in sources]
    if parsed.validation:
        overrides["validation"] = dataclasses.asdict(_source(parsed.validation, 1.0))
    return overrides


def _sources(parsed: argparse.Namespace) -> list[DataSource]:
    """What `--data` names; empty where it was not given."""
    if not parsed.data:
        if parsed.data_weights:
            raise ConfigError("--data-weights goes with --data")
        return []
    weights = parsed.data_weights or [1.0] * len(parsed.data)
    if len(weights) != len(parsed.data):
        raise ConfigError(
            f"--data-weights needs one number for each --data: {len(parsed.data)}, not "
            f"{len(weights)}"
        )
    return [_source(paths, weight) for paths, weight in zip(parsed.data, weights, strict=True)]


def _source(paths: list[Path], weight: float) -> DataSource:
    annotations, *images = (path.absolute() for path in paths)
    return DataSource(annotations=annotations, images=tuple(images), weight=weight)


def _correct(parsed: argparse.Namespace) -> int:
    from training.correction import train_correction

    config, sources = from_namespace(CorrectionConfig, parsed), _sources(parsed)
    if not sources:
        raise ConfigError("a joint correction is learnt from labelled people: --data names some")
    train_correction(config, sources, parsed.output)
    logger.info("done: %s", parsed.output)
    return 0


def _export(parsed: argparse.Namespace) -> int:
    import_package("torch", "higherhrnet-stream[train]", "a checkpoint")
    from training.checkpoints import export_checkpoint

    export_checkpoint(parsed.checkpoint, parsed.output)
    logger.info("%s: %.1f MB", parsed.output, parsed.output.stat().st_size / 1e6)
    return 0


if __name__ == "__main__":
    sys.exit(run_program(main))
