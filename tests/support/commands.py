"""`run_stream.py` in a process of its own, and what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.waiting import LIMIT_S

ROOT = Path(__file__).resolve().parents[2]
_OWN = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
ENVIRONMENT = {**os.environ, **_OWN}


def command(*arguments: object, engine: str | None = None) -> list[str]:
    """The command line; with `engine`, that engine of the tests instead of a network."""
    start = ["run_stream.py"] if engine is None else ["-m", "tests.support.fixture_command", engine]
    return [sys.executable, *start, *(str(argument) for argument in arguments)]


def run(
    *arguments: object,
    engine: str | None = None,
    timeout_s: float = LIMIT_S,
    folder: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """What the command leaves when it is done, started in `folder`."""
    return subprocess.run(
        command(*arguments, engine=engine),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        env={**os.environ, **_OWN},  # with what the test has set
    )


def read_record(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the frames of a JSON Lines record."""
    header, *frames = [json.loads(line) for line in path.read_text().splitlines()]
    return header, frames


def assert_one_line_error(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """Bad input: exit code 2, and one line that says `words`."""
    assert result.returncode == 2, result
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]
