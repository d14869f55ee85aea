"""Presets load, and mistakes in them are answered in one line that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs import ConfigError, load_keypoint_set, load_model_config, model_names
from configs.loading import from_mapping
from configs.model import ModelConfig

PAPER_PRESETS = {
    "w32_512",
    "w32_640",
    "w40_640",
    "w48_640",
    "w32_512_crowdpose",
    "w48_640_crowdpose",
    "w48_512",
    "w32_512_udp",
    "w48_512_udp",
    "lite",
}
ABLATION_PRESETS = {
    "ablation_no_deconvolution",
    "ablation_deconvolution",
    "ablation_concat",
    "ablation_aggregation",
    "ablation_residual_blocks",
    "ablation_two_deconvolutions",
    "ablation_size_640",
    "ablation_size_768",
}


def test_every_row_of_the_paper_is_a_preset() -> None:
    assert set(model_names()) >= PAPER_PRESETS | ABLATION_PRESETS


@pytest.mark.parametrize("name", model_names())
def test_a_preset_loads_under_its_file_name(name: str) -> None:
    config = load_model_config(name)
    assert config.name == name
    load_keypoint_set(config.keypoint_set)


def test_the_complete_ablation_equals_the_base_model() -> None:
    base, last_row = load_model_config("w32_512"), load_model_config("ablation_residual_blocks")
    differing = [key for key in vars(base) if getattr(base, key) != getattr(last_row, key)]
    assert differing == ["name", "description"]


@pytest.mark.parametrize("name", ["coco", "crowdpose"])
def test_mirroring_twice_changes_nothing(name: str) -> None:
    flip = load_keypoint_set(name).flip_indices
    assert [flip[flip[joint]] for joint in range(len(flip))] == list(range(len(flip)))
    names = load_keypoint_set(name).names
    for joint, mirrored in enumerate(flip):
        swapped = names[joint].replace("left", "#").replace("right", "left").replace("#", "right")
        assert names[mirrored] == swapped


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\ndescription: b\nwidht: 32\n", "unknown key 'widht', did you mean 'width'?"),
        ("name: a\ndescription: b\nwidth: wide\n", "width must be a whole number, not 'wide'"),
        ("name: a\ndescription: b\nwidth: true\n", "width must be a whole number, not True"),
        ("name: a\ndescription: b\nbackbone: hrnt\n", "did you mean 'hrnet'?"),
        (
            "name: a\ndescription: b\ninput_size: 500\n",
            "multiple of 32, not 500; the nearest are 480 and 512",
        ),
        ("name: a\ndescription: b\ndeconvolutions: 3\n", "deconvolutions must be between 0 and 2"),
        ("name: a\n", "missing key 'description'"),
        ("- a\n- b\n", "must hold keys and values"),
        ("name: [a\n", "is not valid YAML"),
    ],
)
def test_a_mistake_is_one_line_with_file_key_and_expectation(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_model_config(path)
    message = str(caught.value)
    assert expected in message and path in message and "\n" not in message


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown model 'w32-512', did you mean 'w32_512'"):
        load_model_config("w32-512")


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_model_config(str(tmp_path / "absent.yaml"))


def test_whole_numbers_serve_as_floats() -> None:
    values = {
        "name": "a",
        "description": "b",
        "backbone": "mobilenet_v2",
        "tag_dimensions": 2,
        "tag_unit_px": 32,
    }
    assert from_mapping(ModelConfig, values, "test").tag_unit_px == 32.0


def test_a_keypoint_set_must_visit_every_joint(tmp_path: Path) -> None:
    text = (
        "name: a\nnames: [x, y]\nflip_pairs: []\nsigmas: [0.1, 0.1]\nlinks: [[0, 1]]\n"
        "visiting_order: [0, 0]\n"
    )
    with pytest.raises(ConfigError, match="visiting_order must name every joint"):
        load_keypoint_set(write(tmp_path, text))
