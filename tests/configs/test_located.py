"""YAML with lines: what a message says of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs import ConfigError
from configs.located import load_located


def write(folder: Path, text: str) -> Path:
    path = folder / "cameras.yaml"
    path.write_text(text)
    return path


def test_words_and_times_are_text_and_numbers_are_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "a: [off, no, 12:30, 2026-01-01, 1, -1.5, 1e3, true, ~, '7']\nb:\n")
    assert load_located(path).content == {
        "a": ["off", "no", "12:30", "2026-01-01", 1, -1.5, 1000.0, True, None, "7"],
        "b": None,
    }


def test_a_place_is_named_by_file_line_and_key(tmp_path: Path) -> None:
    path = write(tmp_path, "# cameras\nsources:\n  front:\n    outputs:\n      - a\n      - b\n")
    found = load_located(path)
    assert found.where("sources", "front") == f"{path}:3: sources.front"
    assert found.where("sources", "front", "outputs", 1) == f"{path}:6: sources.front.outputs[1]"
    assert found.where("sources", "front", "gone") == f"{path}:3: sources.front.gone"
    assert found.where("gone") == f"{path}:1: gone"


def test_variables_of_the_environment_are_put_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "geheim")
    path = write(tmp_path, 'a: ["rtsp://me:${CAMERA_PASSWORD}@x", "{source}", "$HOME"]\n')
    assert load_located(path).content == {"a": ["rtsp://me:geheim@x", "{source}", "$HOME"]}


def test_defaults_can_be_shared_with_anchors(tmp_path: Path) -> None:
    path = write(tmp_path, "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")
    assert load_located(path).content["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3: a is there already, in line 1"),
        ("a:\n  b: 1\n  b: 2\n", ":3: a.b is there already, in line 2"),
        ("a: 1\nb: [1, 2\n", ":3: not valid YAML: expected"),
        ("a: 1\nb: ${NOT_SET_ANYWHERE}\n", ":2: b: the environment variable NOT_SET_ANYWHERE is"),
        ("a: !!python/name:os.system x\n", ":1: not valid YAML: could not determine"),
        ("- a\n", "must hold keys and values, not a list"),
        ("", "must hold keys and values, not nothing"),
        ("a: &a [*a]\n", "refers to itself"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_located(path)
    assert said in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read '.*gone\.yaml': No such file"):
        load_located(tmp_path / "gone.yaml")
