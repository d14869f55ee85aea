"""The commands do what they say, and every mistake is one line and exit code 2."""

from __future__ import annotations

import json

import pytest
import torch

from basics.demo import DEMO_CLIP
from configs import RuntimeUnavailableError
from engine import load_network
from engine.__main__ import main
from engine.onnx.metadata import read_metadata
from engine.runtimes import open_runtime
from engine.runtimes.engine_file import EngineFile
from tests.engine.golden import TINY


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "lite.pth"
    torch.save(load_network("lite").state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_convert_writes_the_other_layout(tmp_path):
    torch.save(load_network(TINY).state_dict(), tmp_path / "official.pth")

    assert (
        main(
            ["convert", str(tmp_path / "official.pth"), str(tmp_path / "mm.pth"), "--to", "mmpose"]
        )
        == 0
    )

    assert (
        "backbone.conv1.weight" in torch.load(tmp_path / "mm.pth", weights_only=True)["state_dict"]
    )


def test_export_and_inspect(checkpoint, tmp_path, capsys):
    out = tmp_path / "out.onnx"

    assert (
        main(
            [
                "export",
                "lite",
                str(out),
                "--weights",
                str(checkpoint),
                "--input-size",
                "448x320",
                "--fp16-weights",
            ]
        )
        == 0
    )
    assert read_metadata(out).input_size == (320, 448)
    capsys.readouterr()
    assert main(["inspect", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["name"] == "lite"


def test_verify_compares_with_torch(capsys):
    options = [
        "--runtime",
        "onnxruntime",
        "--images",
        str(DEMO_CLIP),
        "--input-size",
        "64",
    ]

    assert main(["verify", "--model", "lite", *options]) == 0

    assert "lite on onnxruntime in fp32: images 4" in capsys.readouterr().out


def test_build_for_a_cpu_measures_parity_and_latency(tmp_path, capsys):
    options = [
        "--input-size",
        "64",
        "-o",
        str(tmp_path / "built"),
        "--images",
        str(DEMO_CLIP),
    ]

    assert main(["build", "--model", "lite", "--runtime", "onnxruntime", *options]) == 0

    description = EngineFile(tmp_path / "built").read_description()
    assert description.parity["images"] == 4
    assert description.parity["heatmap_max"] < 1e-2
    assert description.latency_ms["p50"] > 0
    assert description.parity["people_lost"] == description.parity["people_gained"] == 0
    assert "latency: p50" in capsys.readouterr().out


def test_a_build_that_there_is_nothing_to_compare_with_is_not_measured(
    lite_onnx, monkeypatch, caplog, capsys
):
    def no_torch(*_):
        raise RuntimeUnavailableError("torch is not installed")

    monkeypatch.setattr("engine.build.open_reference", no_torch)
    command = ["build", "--model", str(lite_onnx), "--runtime", "onnxruntime"]
    assert main([*command, "--input-size", "64"]) == 0
    assert "parity: not measured" in capsys.readouterr().out
    assert "not measured: torch is not installed" in caplog.text


def test_what_was_built_out_of_tolerance_is_used_with_one_warning(
    lite_onnx, monkeypatch, caplog, capsys
):
    """The measurement that counts is the last one."""
    command = ["build", "--model", str(lite_onnx), "--runtime", "onnxruntime"]
    command += ["--input-size", "64", "--images", str(DEMO_CLIP)]
    metadata = read_metadata(lite_onnx)
    warnings = []
    for wrong, code in (("heatmaps differ by 9", 2), ("", 0)):
        monkeypatch.setattr("engine.verify.maps.Tolerance.exceeded_by", lambda *_, w=wrong: w)
        assert main(command) == code
        caplog.clear()
        open_runtime(lite_onnx, metadata, "onnxruntime").close()
        warnings.append([record.getMessage() for record in caplog.records if record.levelno > 20])
        main(["list"])
        assert ("out of tolerance: heatmaps differ by 9" in capsys.readouterr().out) == bool(wrong)

    assert len(warnings[0]) == 1
    assert "out of tolerance for fp32 when it was measured: heatmaps differ" in warnings[0][0]
    assert warnings[1] == []


def test_build_with_tensorrt_rtx_needs_no_gpu(lite_onnx, tmp_path, capsys):
    pytest.importorskip("tensorrt_rtx")
    sizes = [
        "--smallest",
        "64x64",
        "--input-size",
        "96x64",
        "--largest",
        "128x128",
        "--batch",
        "1",
        "1",
        "2",
    ]

    assert main(["build", "--model", str(lite_onnx), "--runtime", "tensorrt_rtx", *sizes]) == 0

    folder = next((tmp_path / "cache" / "higherhrnet-stream" / "engines").iterdir())
    assert EngineFile(folder).read_description().key.shapes == (
        (1, 64, 64, 3),
        (1, 64, 96, 3),
        (2, 128, 128, 3),
    )
    assert main(["inspect", str(folder)]) == 0
    assert main(["list"]) == 0
    output = capsys.readouterr().out
    assert '"CONVOLUTION HALF"' in output
    assert str(folder) in output


def test_runtimes_says_what_works_here(capsys):
    assert main(["runtimes"]) == 0
    output = capsys.readouterr().out
    assert "onnxruntime" in output
    assert "yes: " in output


@pytest.mark.parametrize(
    "command, message",
    [
        (
            ["build", "--runtime", "openvino", "--precision", "int8", "--model", "{onnx}"],
            "int8 needs images",
        ),
        (
            ["build", "--runtime", "openvino", "--precision", "fp16", "--model", "{onnx}"],
            "--runtime 'openvino' does not compute in fp16",
        ),
        (
            ["build", "--runtime", "openvino", "--model", "{onnx}", "--calibration", "{onnx}"],
            "and only int8 does",
        ),
        (
            ["verify", "--runtime", "openvino", "--precision", "int8", "--model", "{onnx}"],
            "there is no int8 form of",
        ),
        (
            ["build", "--runtime", "tensorrt_rtx", "--smallest", "64", "--model", "{onnx}"],
            "--smallest must be WIDTHxHEIGHT",
        ),
        (["build", "--runtime", "tensorflow"], "unknown runtime 'tensorflow'"),
        (
            ["build", "--runtime", "torch"],
            "runtime must be one of tensorrt, tensorrt_rtx, openvino",
        ),
        (["build"], "--runtime must be given"),
        (["export", "w40_640", "{tmp}/out.onnx"], "no weights ship with 'w40_640'"),
        (
            ["export", "base", "{tmp}/out.onnx", "--input-size", "352x352", "--static"],
            "must be a multiple of 64, not 352; the nearest are 320 and 384",
        ),
        (["export", "{onnx}", "{tmp}/out.onnx"], "give it as the model itself"),
        (["convert", "{onnx}", "{tmp}/out.pth", "--to", "mmpose"], "is not a PyTorch file"),
        (["inspect", "{tmp}"], "holds no engine"),
        (["inspect", "{tmp}/nowhere.onnx"], "No such file"),
        (["verify", "--model", "{onnx}", "--images", "{onnx}"], "an image nor a clip"),
        (["verify", "--model", "{onnx}", "--input-size", "500"], "multiple of 32"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(command, message, lite_onnx, tmp_path, capfd):
    filled = [part.format(onnx=lite_onnx, tmp=tmp_path) for part in command]

    assert main(filled) == 2

    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]


def test_weights_that_are_out_of_tolerance_fail_the_verification(lite_onnx, monkeypatch, capsys):
    monkeypatch.setattr(
        "engine.verify.maps.Tolerance.exceeded_by", lambda self, parity: "heatmaps differ by 9"
    )
    options = [
        "--runtime",
        "onnxruntime",
        "--images",
        str(DEMO_CLIP),
        "--input-size",
        "64",
    ]

    assert main(["verify", "--model", "lite", *options]) == 2
    assert (
        "error: lite on onnxruntime is out of tolerance for fp32: heatmaps differ by 9"
        in capsys.readouterr().err
    )
