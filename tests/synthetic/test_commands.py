"""`python -m synthetic`: one line for every mistake, exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from synthetic.__main__ import main
from tests.synthetic.conftest import SIZE

REPOSITORY = Path(__file__).resolve().parents[2]


def test_images_are_written_and_counted(
    tmp_path: Path, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set"
    assert (
        main(
            [
                "images",
                "--count",
                "2",
                "--size",
                str(SIZE),
                "--backgrounds",
                str(photographs),
                "-o",
                str(folder),
            ]
        )
        == 0
    )
    assert "2 images" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {
        "000000.jpg",
        "000001.jpg",
        "annotations.json",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["images"],
        ["films"],
        ["images", "-o", "x", "--count", "many"],
        ["images", "-o", "x", "--count", "0"],
        ["images", "-o", "x", "--size", "huge"],
        ["images", "-o", "x", "--size", "640x480", "32x640"],
        ["images", "-o", "x", "--backgrounds", "missing.zip"],
        ["images", "-o", "x", "--bodies", "missing.npz"],
        ["clip", "-o", "x.mp4", "--fps", "-1"],
        ["clip", "-o", "missing/x.mp4", "--seconds", "0.1", "--size", str(SIZE)],
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_baking_without_anny_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "anny", None)
    assert main(["bodies", "-o", str(tmp_path / "bodies.npz")]) == 2
    assert "anny" in capsys.readouterr().err
    assert not (tmp_path / "bodies.npz").exists()


def test_rendering_needs_neither_torch_nor_anny() -> None:
    program = (
        "import sys, synthetic.images, synthetic.clip; "
        "print({'torch', 'anny', 'skimage'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
