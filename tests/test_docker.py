"""What can be told of the Dockerfiles without building them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


def instructions(path: Path, name: str) -> list[str]:
    """What follows an instruction, continued lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.findall(rf"^{name} (.*)$", text.replace("\\\n", " "), re.MULTILINE)


def _settings(line: str) -> list[tuple[str, str]]:
    return re.findall(r"(\w+)=(\S+)", line)


def test_every_container_of_the_docs_that_is_removed_keeps_its_cache() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")]
    runs = [line for page in pages for line in page.splitlines() if "docker run --rm" in line]
    assert len(runs) >= 3
    assert all(" -v pose-cache:/cache " in run for run in runs)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_commands_of_an_image_are_shell_and_what_they_need_is_there(path: Path) -> None:
    assert len(DOCKERFILES) == 2
    for command in instructions(path, "RUN"):
        subprocess.run(["bash", "-n", "-c", command], check=True)
        for constraints in re.findall(r"--constraint (\S+)", command):
            assert (ROOT / constraints).is_file()
        for extras in re.findall(r'"\.\[([\w,]+)\]"', command):
            for extra in extras.split(","):
                assert f'"{extra}"' in (ROOT / "setup.py").read_text(encoding="utf-8")
    kept = {name: value for line in instructions(path, "ENV") for name, value in _settings(line)}
    assert kept["XDG_CACHE_HOME"] == "/cache"  # the volume of every example
    assert kept["NUMBA_CACHE_DIR"].startswith("/cache/")
    entry = [re.findall(r'"([^"]+)"', each)[0] for each in instructions(path, "ENTRYPOINT")]
    assert set(entry) == {"run-stream"}
    assert "run-stream=" in (ROOT / "setup.py").read_text(encoding="utf-8")


def test_a_build_imports_nothing_that_only_a_running_container_gets() -> None:
    """libnvinfer of a Jetson needs libraries of the host, which are mounted when it runs."""
    for path in DOCKERFILES:
        for command in instructions(path, "RUN"):
            assert not re.search(r"\bimport (tensorrt|pycuda|torch)", command)
