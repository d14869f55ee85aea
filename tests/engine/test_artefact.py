"""An engine file is used only while it is whole and fits exactly."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from basics.cache import cache_folder
from configs import ModelError
from engine.artefact import (
    PLAN_NAME,
    SIDECAR_NAME,
    BuildKey,
    artefact_folder,
    load_plan,
    read_sidecar,
    write_artefact,
    write_sidecar,
)
from engine.runtimes.tensorrt.build import BuiltEngine, Profile
from engine.runtimes.tensorrt.cache import EngineRequest, build, get_engine
from engine.runtimes.tensorrt.library import load_library

KEY = BuildKey(
    library="tensorrt",
    version="11.4",
    gpu="Orin",
    source_sha256="ab",
    precision="fp16",
    shapes=((1, 64, 64, 3),) * 3,
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
    monkeypatch.setattr(
        "engine.artefact.write_sidecar", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )

    with pytest.raises(KeyboardInterrupt):
        write_artefact(folder, KEY, b"other plan", "lite.onnx")

    assert load_plan(folder, KEY) is None


def test_every_key_has_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    others = [dataclasses.replace(KEY, gpu="Xavier"), dataclasses.replace(KEY, version="8.6")]
    folders = {artefact_folder("lite", key) for key in (KEY, *others)}

    assert len(folders) == 3
    assert all(folder.is_relative_to(tmp_path) for folder in folders)


def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_engine_or_none(tmp_path):
    code = f"""
import sys
from tests.engine.test_artefact import KEY
from engine.artefact import write_artefact
from pathlib import Path
print("ready", flush=True)
while True:
    for letter in b"ab":
        write_artefact(Path({str(tmp_path / "engine")!r}), KEY, bytes([letter]) * 3_000_000, "lite.onnx")
"""
    seen = set()
    for delay_s in (0.0, 0.004, 0.011, 0.023, 0.031):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        ) as process:
            process.stdout.readline()
            time.sleep(delay_s)
            process.kill()
        plan = load_plan(tmp_path / "engine", KEY)
        seen.add(None if plan is None else plan[:1])
        assert plan is None or plan in (b"a" * 3_000_000, b"b" * 3_000_000)
    assert seen


@pytest.fixture(scope="module")
def built(lite_onnx, tmp_path_factory):
    """A cache with one engine, built for other shapes than are asked for below."""
    pytest.importorskip("tensorrt_rtx")
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        request = wanted(lite_onnx, batch=(1, 2, 4))
        build(request, progress=lambda *step: None)
    return cache


@pytest.fixture
def cache(built, tmp_path, monkeypatch):
    """The folder of that engine, in a copy of the cache."""
    shutil.copytree(built, tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return next((tmp_path / "cache" / "higherhrnet-stream" / "engines").iterdir())


def wanted(path, batch=(1, 1, 1)):
    profile = Profile(smallest=(64, 64), usual=(64, 96), largest=(128, 128), batch=batch)
    return EngineRequest(
        library=load_library("tensorrt_rtx"),
        path=path,
        model="lite",
        precision="fp16",
        profile=profile,
    )


@pytest.fixture
def rebuilds(monkeypatch):
    """Builds that were started; what they build is not looked at here."""
    started = []

    def build_engine(library, path, profile, *rest):
        started.append(profile)
        return BuiltEngine(plan=b"new", layers=(), timing_cache=None)

    monkeypatch.setattr("engine.runtimes.tensorrt.cache.build_engine", build_engine)
    return started


def test_an_engine_that_was_built_for_other_shapes_is_used_as_it_is(
    cache, lite_onnx, rebuilds, caplog
):
    engine = get_engine(wanted(lite_onnx))

    assert engine.folder == cache
    assert engine.shapes[-1] == (4, 128, 128, 3)
    assert read_sidecar(cache).layers["CONVOLUTION HALF"] > 80
    assert not rebuilds
    assert not caplog.text


def test_a_damaged_engine_is_built_again(cache, lite_onnx, rebuilds, caplog):
    plan = (cache / PLAN_NAME).read_bytes()
    (cache / PLAN_NAME).write_bytes(plan[: len(plan) // 2])

    with caplog.at_level(logging.INFO):
        assert get_engine(wanted(lite_onnx)).plan == b"new"
        assert get_engine(wanted(lite_onnx)).plan == b"new"  # from the cache now

    assert len(rebuilds) == 1
    assert "is damaged: it is built again" in caplog.text
    assert "building lite with tensorrt_rtx" in caplog.text


@pytest.mark.parametrize(
    "field, other",
    [("version", "1.1.0"), ("gpu", "Orin (compute capability 8.7)"), ("source_sha256", "ab")],
)
def test_an_engine_of_another_version_gpu_or_model_is_named_and_another_built(
    field, other, cache, lite_onnx, rebuilds, caplog
):
    sidecar = read_sidecar(cache)
    write_sidecar(
        cache, dataclasses.replace(sidecar, key=dataclasses.replace(sidecar.key, **{field: other}))
    )

    assert get_engine(wanted(lite_onnx)).plan == b"new"

    assert len(rebuilds) == 1
    assert f"there is an engine of lite, but with {field} {other!r} instead of" in caplog.text


def test_a_timing_cache_that_is_damaged_does_not_stop_a_build(cache, lite_onnx, caplog):
    timing = cache_folder() / "timing"
    timing.mkdir()
    library = load_library("tensorrt_rtx")
    (timing / f"tensorrt_rtx-{library.version}-any.cache").write_bytes(b"\0" * 100)

    sidecar, _ = build(wanted(lite_onnx), progress=lambda *step: None)

    assert sidecar.layers["CONVOLUTION HALF"] > 80


def test_a_build_that_fails_leaves_what_was_there(cache, lite_onnx, tmp_path):
    before = (cache / PLAN_NAME).read_bytes()
    (tmp_path / "no.onnx").write_bytes(lite_onnx.read_bytes()[:5000])
    with pytest.raises(ModelError, match="damaged or cut off"):
        build(wanted(tmp_path / "no.onnx"), cache, progress=lambda *step: None)

    assert (cache / PLAN_NAME).read_bytes() == before
