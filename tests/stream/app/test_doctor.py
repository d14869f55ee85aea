"""`run_stream.py doctor` tells what a question about a machine needs, and no secrets."""

from __future__ import annotations

import errno
import io
import json
import sys
from pathlib import Path

import pytest

import higherhrnet_stream

import run_stream
from basics import standard_files
from configs import ConfigError
from engine import RUNTIMES
from stream.app import doctor
from stream.app import findings as examined
from stream.app.doctor import parse_doctor


def test_one_screen_and_one_json_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    path = tmp_path / "doctor.json"
    assert run_stream.main(["doctor", "--json", str(path), "--seconds", "0.05"]) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) < 40
    found = json.loads(path.read_text())
    assert found["versions"]["higherhrnet-stream"] == higherhrnet_stream.__version__
    assert found["versions"]["packages"]["numpy"] in shown
    assert found["runtimes"].keys() == RUNTIMES.keys()
    assert found["runtimes"]["onnxruntime"]["state"].startswith("yes: ")
    assert "runtime onnxruntime" in shown
    assert "h264" in found["decoders"]
    assert found["encoders"]["libx264"] == "yes"
    assert found["cache"]["folder"].endswith("higherhrnet-stream")
    speed = found["speed"]
    assert speed["frames"] >= 1
    assert 0 < speed["p50_ms"] <= speed["p95_ms"]
    assert f"{speed['p50_ms']} ms a frame" in shown


def test_cameras_are_found_by_name_and_say_why_they_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examined, "_CAMERAS", tmp_path / "none")
    assert examined.cameras() == {}
    (tmp_path / "video77").mkdir()
    (tmp_path / "video77" / "name").write_text("HD Webcam C270\n")
    monkeypatch.setattr(examined, "_CAMERAS", tmp_path)
    said = examined.cameras()
    assert list(said) == ["/dev/video77"]
    assert said["/dev/video77"].startswith("HD Webcam C270 (no such device")


def test_the_cache_is_described_by_folder(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "lite.onnx").write_bytes(bytes(3 << 20))
    assert examined.cache_contents(tmp_path) == {
        "folder": str(tmp_path),
        "writable": True,
        "models": {"files": 1, "mib": 3.0},
    }
    assert examined.cache_contents(tmp_path / "not" / "there")["writable"]


def test_credentials_and_the_users_folder_are_left_out() -> None:
    home = Path.home() / "videos"
    told = {"cameras": ["rtsp://admin:hunter2@10.0.0.5/1"], "cache": str(home), "cores": 2}
    clean = examined.without_secrets(told)
    assert "hunter2" not in str(clean) and "10.0.0.5/1" in str(clean)
    assert clean["cache"] == "~/videos" and clean["cores"] == 2


def test_mistakes_are_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="seconds"):
        parse_doctor(["--seconds", "-1"])
    assert run_stream.main(["doctor", "camera"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "camera" in line and "run_stream.py doctor --help" in line


class _Broken(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def fileno(self) -> int:
        raise OSError("no file of its own")


@pytest.mark.parametrize("words", [[], ["--json", "-"]], ids=" ".join)
def test_a_reader_that_leaves_is_an_error_of_the_systems(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rich would end the process with code 1, which means nothing here."""
    monkeypatch.setattr(doctor, "examine", lambda *arguments: {})
    monkeypatch.setattr(doctor, "screen", lambda findings: "shown")
    monkeypatch.setattr(standard_files, "_lead_nowhere", lambda number: None)
    monkeypatch.setattr(sys, "stdout", _Broken())
    with pytest.raises(BrokenPipeError):
        doctor.run_doctor(parse_doctor(words), "1")
