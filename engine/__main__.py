"""`python -m engine`: models and what runs them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs import ConfigError, ExecutionError, GroupingConfig, load_model_config, model_names
from configs.flags import FlagParser, run_command
from engine.artefact import read_sidecar
from engine.build import BuildOptions, build_artefact
from engine.cache import cache_folder
from engine.geometry import parse_input_size
from engine.maps import PoseMaps
from engine.model_source import find_model
from engine.onnx.metadata import ModelMetadata, read_metadata
from engine.pictures import load_images
from engine.runtimes import PRECISIONS, RUNTIMES
from engine.runtimes.tensorrt.cache import BUILDERS
from engine.verify.maps import TOLERANCES
from engine.verify.people import GroupPeople
from engine.verify.verification import describe_runtimes, verify


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, or 2 after an error, which is one line on stderr;
    130 after Ctrl-C.
    """
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    warnings.simplefilter("ignore")  # libraries' remarks to programmers
    return run_command(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    parsed = _parser().parse_args(arguments)
    return int(parsed.command(parsed))


def _parser() -> argparse.ArgumentParser:
    parser = FlagParser(
        prog="python -m engine",
        description="Models, checkpoints, engines and the runtimes that execute them.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=FlagParser)

    convert = commands.add_parser("convert", help="rewrite a checkpoint in another layout")
    convert.set_defaults(command=_convert)
    convert.add_argument("source", type=Path, metavar="IN")
    convert.add_argument("target", type=Path, metavar="OUT")
    convert.add_argument("--to", required=True, choices=("official", "mmpose"))

    export = commands.add_parser(
        "export", help="write a network as an ONNX model with its metadata"
    )
    export.set_defaults(command=_export)
    export.add_argument("model", metavar="PRESET|CHECKPOINT")
    export.add_argument("output", type=Path, metavar="OUT.onnx")
    export.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint for the preset")
    export.add_argument(
        "--input-size", metavar="N|WxH", help="what runtimes use it at (default: the preset's)"
    )
    export.add_argument(
        "--static", action="store_true", help="for that size alone, which must be WIDTHxHEIGHT"
    )
    export.add_argument(
        "--map-stride",
        type=int,
        default=2,
        choices=(1, 2),
        help="input pixels per map pixel (default: 2)",
    )
    export.add_argument(
        "--fp16-weights",
        action="store_true",
        help="half the file; arithmetic stays single precision",
    )
    export.add_argument(
        "--ap",
        type=float,
        metavar="PERCENT",
        help="measured average precision, to travel with the model",
    )
    export.add_argument(
        "--ap-measured-on", default="", metavar="TEXT", help="on what it was measured"
    )
    export.add_argument(
        "--provenance",
        metavar="TEXT",
        help="where the weights come from (default: the checkpoint's name)",
    )

    build = commands.add_parser("build", help="make and measure an engine for a runtime")
    build.set_defaults(command=_build)
    _add_model(build)
    build.add_argument(
        "--runtime", required=True, choices=("tensorrt", "tensorrt_rtx", "openvino", "onnxruntime")
    )
    build.add_argument("--precision", default="auto", choices=("auto", *PRECISIONS))
    build.add_argument(
        "--smallest",
        default="256x256",
        metavar="WxH",
        help="TensorRT: smallest input (default: 256x256)",
    )
    build.add_argument(
        "--largest",
        default="1920x1024",
        metavar="WxH",
        help="TensorRT: largest input (default: 1920x1024)",
    )
    batch = ("MIN", "OPT", "MAX")
    build.add_argument(
        "--batch",
        nargs=3,
        type=int,
        default=(1, 1, 1),
        metavar=batch,
        help="TensorRT: images at once",
    )
    build.add_argument(
        "--builder",
        default="parser",
        choices=BUILDERS,
        help="TensorRT: who builds (default: parser)",
    )
    build.add_argument(
        "--calibration",
        nargs="+",
        type=Path,
        default=(),
        metavar="IMAGES",
        help="int8: files, folders, zips to learn from",
    )
    build.add_argument(
        "--calibration-limit",
        type=int,
        default=300,
        metavar="N",
        help="int8: images of those (default: 300)",
    )
    build.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="default: a place in the user's cache"
    )
    _add_images(build)

    inspect = commands.add_parser("inspect", help="what is in a model or an engine")
    inspect.set_defaults(command=_inspect)
    inspect.add_argument("path", type=Path, metavar="MODEL.onnx|FOLDER")

    check = commands.add_parser(
        "verify", help="compare a runtime's maps with torch's in single precision"
    )
    check.set_defaults(command=_verify)
    _add_model(check)
    check.add_argument("--runtime", default="auto")
    check.add_argument("--precision", default="auto")
    _add_images(check)

    commands.add_parser("list", help="presets, and engines in the cache").set_defaults(
        command=_list
    )
    commands.add_parser(
        "runtimes", help="which runtimes work here, and why others do not"
    ).set_defaults(command=_runtimes)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default="lite",
        metavar="NAME|PATH",
        help="preset, ONNX model or checkpoint (default: lite)",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint for the preset")
    parser.add_argument(
        "--input-size", metavar="N|WxH", help="input to measure at (default: the model's)"
    )


def _add_images(parser: argparse.ArgumentParser) -> None:
    help_text = "images or clips to compare on (default: the demo)"
    parser.add_argument("--images", nargs="+", type=Path, metavar="FILE", help=help_text)


def _convert(options: argparse.Namespace) -> int:
    from engine.checkpoints.convert import convert_checkpoint

    convert_checkpoint(options.source, options.target, options.to)
    print(f"{options.target}: {options.to} layout")
    return 0


def _export(options: argparse.Namespace) -> int:
    from engine.checkpoints.checkpoint import load_checkpoint
    from engine.model_source import checkpoint_config
    from engine.networks.network import load_network
    from engine.onnx.export import export_onnx

    is_preset = options.model in model_names() or options.model.endswith((".yaml", ".yml"))
    if is_preset and options.weights is None:
        raise ConfigError(
            f"exporting {options.model!r} needs its weights: give a checkpoint with --weights"
        )
    weights = options.weights if is_preset else Path(options.model)
    config = load_model_config(options.model) if is_preset else checkpoint_config(weights)
    size = parse_input_size(options.input_size) if options.input_size else None
    if options.static and not isinstance(size, tuple):
        raise ConfigError("--static needs --input-size WIDTHxHEIGHT")
    network = load_network(config)
    load_checkpoint(network, weights)
    metadata = export_onnx(
        network,
        options.output,
        input_size=size,
        static_size=size if options.static and isinstance(size, tuple) else None,
        map_stride=options.map_stride,
        fp16_weights=options.fp16_weights,
        weights=options.provenance or weights.name,
        ap=options.ap,
        ap_measured_on=options.ap_measured_on,
    )
    print(f"{options.output}: {metadata.model.name}, {options.output.stat().st_size / 1e6:.1f} MB")
    return 0


def _build(options: argparse.Namespace) -> int:
    source = find_model(options.model, options.weights)
    size = (
        parse_input_size(options.input_size) if options.input_size else source.metadata.input_size
    )
    wanted = BuildOptions(
        runtime=options.runtime,
        precision=options.precision,
        input_size=size,
        smallest=_fixed_size(options.smallest, "--smallest"),
        largest=_fixed_size(options.largest, "--largest"),
        batch=tuple(options.batch),
        builder=options.builder,
        calibration=tuple(options.calibration),
        calibration_limit=options.calibration_limit,
    )
    sidecar, folder = build_artefact(
        source, wanted, options.output, options.images, _grouping(source.metadata)
    )
    print(
        f"{folder}: {sidecar.key.library} {sidecar.key.version}, {sidecar.key.precision}, for "
        f"{sidecar.key.gpu}"
    )
    print(f"parity: {_one_line(sidecar.parity) if sidecar.parity else 'not measured, no GPU here'}")
    if sidecar.latency_ms:
        print(f"latency: {_one_line(sidecar.latency_ms)} ms")
    return 0


def _inspect(options: argparse.Namespace) -> int:
    if options.path.is_dir():
        sidecar = read_sidecar(options.path)
        if sidecar is None:
            raise ConfigError(
                f"{str(options.path)!r} holds no engine with a description that can be read"
            )
        print(json.dumps(dataclasses.asdict(sidecar), indent=2))
    else:
        print(json.dumps(dataclasses.asdict(read_metadata(options.path)), indent=2))
    return 0


def _verify(options: argparse.Namespace) -> int:
    source = find_model(options.model, options.weights)
    size = (
        parse_input_size(options.input_size) if options.input_size else source.metadata.input_size
    )
    images = load_images(options.images)
    group = _grouping(source.metadata)
    runtime, precision, parity = verify(
        source, options.runtime, options.precision, images, size, group
    )
    print(f"{source.name} on {runtime} in {precision}: {_one_line(parity.to_dict())}")
    wrong = TOLERANCES[precision].exceeded_by(parity)
    if wrong:
        raise ExecutionError(
            f"{source.name} on {runtime} is out of tolerance for {precision}: {wrong}"
        )
    print("within tolerance")
    return 0


def _grouping(metadata: ModelMetadata) -> GroupPeople:
    """Maps to the people whom runs show. This command is a door: it hands grouping to the engine,
    which does not know it.
    """
    from grouping import Grouper

    config = GroupingConfig(min_person_score=metadata.model.min_person_score)
    grouper = Grouper(metadata.model.keypoint_set, mode="tuned", config=config)

    def group(maps: PoseMaps) -> NDArray[np.float32]:
        return maps.alignment.to_image(grouper(maps.heatmaps, maps.tags, maps.candidates).keypoints)

    return group


def _list(options: argparse.Namespace) -> int:
    for name in model_names():
        config = load_model_config(name)
        print(f"{name:30} {config.description}{'' if config.weights else ' (needs --weights)'}")
    for folder in sorted((cache_folder() / "engines").glob("*/")):
        sidecar = read_sidecar(folder)
        print(
            f"{folder}  "
            f"{'damaged' if sidecar is None else f'{sidecar.source}, {sidecar.key.gpu}, {sidecar.created}'}"
        )
    return 0


def _runtimes(options: argparse.Namespace) -> int:
    for name, state in describe_runtimes():
        print(f"{name:14} {'/'.join(RUNTIMES[name].precisions):16} {state}")
    return 0


def _fixed_size(text: str, flag: str) -> tuple[int, int]:
    size = parse_input_size(text)
    if not isinstance(size, tuple):
        raise ConfigError(f"{flag} must be WIDTHxHEIGHT, not {text!r}")
    return size


def _one_line(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())


if __name__ == "__main__":
    sys.exit(main())
