"""`run_stream.py --profile` and `--benchmark`, in a process of their own, with an engine of the
tests.
"""

from __future__ import annotations

import json
import signal
import subprocess
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import run_stream
from engine import EstimatorConfig
from stream import LATEST, PipelineConfig
from stream.profile.command import shown_command
from stream.profile.config import ProfileConfig
from stream.sinks import BrowserConfig, VideoConfig
from tests.support.commands import ENVIRONMENT, assert_one_line_error, command
from tests.support.fork_server import ForkServer
from tests.support.media import make_clip
from tests.support.waiting import ended, until

SCHEMA = json.loads(
    resources.files("stream.profile").joinpath("schema.json").read_text(encoding="utf-8")
)


def profile_in(folder: Path) -> dict[str, Any]:
    """What was written there, which is whole."""
    figures = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    jsonschema.validate(figures, SCHEMA)
    trace = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    assert trace["traceEvents"]
    assert (folder / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    return figures


def test_a_profile_is_written_and_shown(fork_server: ForkServer, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=40)
    folder = tmp_path / "deep" / "profile"
    words = (clip, "--profile", folder, "-o", tmp_path / "out.jsonl")
    result = fork_server.run(*words, cwd=tmp_path, engine="blank:0.01")
    assert result.returncode == 0, result.stderr
    figures = profile_in(folder)
    assert (figures["frames_out"], figures["run"]["outcome"]) == (40, "finished")
    assert figures["run"]["command"].startswith("run_stream.py ")
    assert figures["telemetry"]["resident_mib"]["n"] >= 1
    for words in ("submit to result", "capture to sink", "FPS in / out"):
        assert words in result.stderr
    assert len(result.stdout.strip().splitlines()) == 1, "the summary"
    assert sorted(path.name for path in folder.iterdir()) == [
        "profile.json",
        "report.html",
        "trace.json",
    ]


def test_a_benchmark_is_one_line_of_json_and_leaves_nothing_behind(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=30)
    here = tmp_path / "here"
    here.mkdir()
    result = fork_server.run(clip, "--benchmark", cwd=here, engine="blank:0.01")
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    figures = json.loads(line)
    jsonschema.validate(figures, SCHEMA)
    assert figures["frames_out"] == 30
    assert figures["environment"]["versions"]["numpy"]
    assert {"p50", "p95", "p99"} <= figures["latency_ms"].keys()
    assert "30 frames" in result.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--profile", "file/folder", "-o", "out.jsonl"],
            "error: cannot write a profile to 'file/folder'",
        ),
        (["--benchmark", "-o", "-"], "error: --benchmark has standard output to itself"),
        (
            ["--trace-gzip"],
            "error: --trace-gzip compresses the trace of --profile DIR",
        ),
    ],
)
def test_what_cannot_be_is_said_before_the_run_starts(
    flags: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    assert run_stream.main(["demo", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_that_fails_still_writes_its_profile(fork_server: ForkServer, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    clip = make_clip(tmp_path / "clip.mp4", frames=60)
    (tmp_path / "out.jsonl").symlink_to("/dev/full")
    words = (clip, "--profile", tmp_path / "profile", "-q", "-o", tmp_path / "out.jsonl")
    result = fork_server.run(*words, cwd=tmp_path, engine="blank:0.005")
    assert_one_line_error(result, "out.jsonl")
    figures = profile_in(tmp_path / "profile")
    assert figures["run"]["outcome"] == "failed"
    assert "out.jsonl" in figures["run"]["error"]


def test_a_run_that_is_interrupted_still_writes_its_profile(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=1500)
    output, folder = tmp_path / "out.jsonl", tmp_path / "profile"
    start = command(clip, "--realtime", "--profile", folder, "-o", output, engine="blank")
    with subprocess.Popen(
        start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        until(
            lambda: output.exists() and len(output.read_text().splitlines()) >= 15,
            "frames are written",
        )
        process.send_signal(signal.SIGINT)
        ended(process)
    assert process.returncode == 130
    figures = profile_in(folder)
    assert figures["run"]["outcome"] == "stopped"
    assert 10 <= figures["frames_out"] < 1500


def test_the_command_that_is_shown_has_no_secrets() -> None:
    browser = BrowserConfig(token="0123456789abcdef")
    configs = (
        EstimatorConfig(flip=True, scales=(1.0, 2.0)),
        PipelineConfig(policy=LATEST),
        browser,
        VideoConfig(segment=Fraction(90)),
        ProfileConfig(benchmark=True),
        None,
    )
    shown = shown_command(["rtsp://user:secret@camera/1"], [Path("out.jsonl")], configs)
    assert "0123456789abcdef" not in repr(browser)
    assert "secret" not in shown
    assert "0123456789abcdef" not in shown
    for words in (
        "'rtsp://***@camera/1' -o out.jsonl",
        "--flip",
        "--scales 1.0 2.0",
        "--benchmark",
        "--policy latest",
        "--segment 90s",
        "--token '***'",
    ):
        assert words in shown
