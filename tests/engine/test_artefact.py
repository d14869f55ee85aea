"""An engine file is used only while it is whole and fits exactly."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from engine.artefact import (
    PLAN_NAME,
    SIDECAR_NAME,
    BuildKey,
    artefact_folder,
    load_plan,
    read_sidecar,
    write_artefact,
)
from engine.engines import EngineRequest, get_engine
from engine.tensorrt_build import Profile
from engine.tensorrt_library import load_library

KEY = BuildKey(
    library="tensorrt", version="11.4", gpu="Orin", source_sha256="ab", precision="fp16", shapes=((1, 64, 64, 3),) * 3
)


@pytest.fixture
def folder(tmp_path):
    write_artefact(tmp_path / "engine", KEY, b"plan", "lite.onnx", layers={"CONVOLUTION HALF": 3})
    return tmp_path / "engine"


def test_what_was_written_is_read(folder):
    assert load_plan(folder, KEY) == b"plan"
    sidecar = read_sidecar(folder)
    assert sidecar.key == KEY
    assert sidecar.layers == {"CONVOLUTION HALF": 3}
    assert sidecar.parity is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": "11.5"},
        {"gpu": "Xavier"},
        {"source_sha256": "cd"},
        {"precision": "fp32"},
        {"shapes": ((1, 96, 96, 3),) * 3},
    ],
)
def test_any_difference_is_said_and_the_engine_not_used(change, folder, caplog):
    assert load_plan(folder, dataclasses.replace(KEY, **change)) is None
    assert "it is built again" in caplog.text
    assert next(iter(change)) in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / PLAN_NAME).write_bytes(b"pla"),
        lambda folder: (folder / PLAN_NAME).unlink(),
        lambda folder: (folder / SIDECAR_NAME).write_text("{"),
        lambda folder: (folder / SIDECAR_NAME).write_text("[]"),
        lambda folder: (folder / SIDECAR_NAME).write_text('{"key": {}}'),
        lambda folder: (folder / SIDECAR_NAME).unlink(),
    ],
)
def test_a_damaged_or_unfinished_engine_is_never_used(damage, folder, caplog):
    damage(folder)

    assert load_plan(folder, KEY) is None
    assert "it is built again" in caplog.text


def test_an_empty_folder_is_silent(tmp_path, caplog):
    assert load_plan(tmp_path, KEY) is None
    assert not caplog.text


def test_a_build_that_dies_while_it_writes_leaves_nothing_that_looks_whole(folder, monkeypatch):
    monkeypatch.setattr("engine.artefact.write_sidecar", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        write_artefact(folder, KEY, b"other plan", "lite.onnx")

    assert load_plan(folder, KEY) is None


def test_every_key_has_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    others = [dataclasses.replace(KEY, gpu="Xavier"), dataclasses.replace(KEY, version="8.6")]
    folders = {artefact_folder("lite", key) for key in (KEY, *others)}

    assert len(folders) == 3
    assert all(folder.is_relative_to(tmp_path) for folder in folders)


def test_an_engine_is_built_once_and_again_when_its_file_is_damaged(lite_onnx, tmp_path, monkeypatch, caplog):
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    profile = Profile(smallest=(64, 64), usual=(64, 96), largest=(128, 128))
    request = EngineRequest(
        library=load_library("tensorrt_rtx"), path=lite_onnx, model="lite", precision="fp16", profile=profile
    )

    with caplog.at_level(logging.INFO):
        first, folder = get_engine(request)
        second, _ = get_engine(request)
        assert caplog.text.count("building lite with tensorrt_rtx") == 1
        (folder / PLAN_NAME).write_bytes(first[:-1])
        third, _ = get_engine(request)

    assert first == second
    assert len(third) == len(first)
    assert "is damaged: it is built again" in caplog.text
    assert read_sidecar(folder).layers["CONVOLUTION HALF"] > 80
