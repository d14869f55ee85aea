"""The flags of every command that runs a model are one class, and mistakes are told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs import ConfigError
from configs.flags import FlagParser, add_flags, flag_words, from_namespace
from engine import EstimatorConfig, open_estimator


def parse(*arguments: str) -> EstimatorConfig:
    parser = FlagParser(prog="example")
    add_flags(parser, EstimatorConfig)
    return from_namespace(EstimatorConfig, parser.parse_args(arguments))


def test_text_is_parsed_into_what_it_means() -> None:
    config = parse(
        *("--model", "w32_512", "--weights", "pose.pth", "--runtime", "torch"),
        *("--precision", "bf16", "--input-size", "448x320", "--scales", "0.5", "1", "2", "--flip"),
    )
    assert config == EstimatorConfig(
        model="w32_512",
        weights=Path("pose.pth"),
        runtime="torch",
        precision="bf16",
        input_size=(320, 448),
        scales=(0.5, 1.0, 2.0),
        flip=True,
    )
    assert parse("--input-size", "384").input_size == 384


def test_the_flags_of_a_configuration_are_what_it_was_parsed_from() -> None:
    arguments = ["--input-size", "448x320", "--flip", "--scales", "0.5", "1.0"]
    assert [word for words in flag_words(parse(*arguments)) for word in words] == arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--runtime tensort", "unknown runtime 'tensort', did you mean 'tensorrt'?"),
        ("--precision fp61", "unknown precision 'fp61', did you mean 'fp16'?"),
        ("--runtime onnxruntime --precision fp16", "'onnxruntime' does not compute in fp16"),
        ("--input-size 320x450", "--input-size must be a multiple of 32, not 450"),
        ("--input-size big", "--input-size must be a short side, such as 320, or WIDTHxHEIGHT"),
        ("--device cuda:x", "--device must be auto, cpu, cuda, cuda:1 or GPU-uuid"),
        (
            "--runtime openvino --device cuda",
            "--runtime 'openvino' in precision auto runs on the CPU",
        ),
        ("--scales 0.5 2", "--scales must include 1"),
        ("--scales 5", "--scales must be 0.1 to 4, not 5"),
        ("--streams 0", "--streams must be at least 1, not 0"),
        ("--scales nan", "--scales[0] must be a finite number"),
    ],
)
def test_a_mistake_names_the_flag_before_anything_is_opened(arguments: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(*arguments.split())
    assert message in str(caught.value)


def test_an_estimator_is_opened_from_a_configuration(lite_onnx: Path) -> None:
    config = EstimatorConfig(model=str(lite_onnx), runtime="onnxruntime", input_size=(64, 96))
    with open_estimator(config, device="cpu") as estimator:
        assert (estimator.runtime, estimator.input_size) == ("onnxruntime", (64, 96))
        assert (estimator.device, estimator.in_flight) == ("cpu", 2)
    with open_estimator(config, input_size="128x96") as estimator:
        assert estimator.input_size == (96, 128)


def test_an_estimator_is_of_one_device() -> None:
    with pytest.raises(ConfigError, match="device cpu,cpu: only a run of several sources"):
        open_estimator("lite", device="cpu,cpu")
