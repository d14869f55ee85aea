"""The TensorRT engine that is there is taken if it fits; otherwise one is built, and said aloud."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from importlib.metadata import distributions

import pytest

from basics.cache import cache_folder
from configs import ExecutionError, ModelError
from engine.runtimes.engine_file import ENGINE_NAME, EngineFile
from engine.runtimes.tensorrt.build import BuiltEngine, Profile
from engine.runtimes.tensorrt.cache import EngineRequest, build_engine_file, get_engine, load_engine
from engine.runtimes.tensorrt.library import load_library


@pytest.fixture(scope="module")
def built(lite_onnx, tmp_path_factory):
    """A cache with one engine, built for other shapes than are asked for below."""
    pytest.importorskip("tensorrt_rtx")
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        request = wanted(lite_onnx, batch=(1, 2, 4))
        build_engine_file(request, progress=lambda *step: None)
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

    def build_with_parser(library, path, profile, *rest):
        started.append(profile)
        return BuiltEngine(serialised=b"new", layers=(), timing_cache=None)

    monkeypatch.setattr("engine.runtimes.tensorrt.cache.build_with_parser", build_with_parser)
    return started


def test_an_engine_that_was_built_for_other_shapes_is_used_as_it_is(
    cache, lite_onnx, rebuilds, caplog
):
    engine = get_engine(wanted(lite_onnx))

    assert engine.folder == cache
    assert engine.shapes[-1] == (4, 128, 128, 3)
    assert EngineFile(cache).read_description().layers["CONVOLUTION HALF"] > 80
    assert not rebuilds
    assert not caplog.text


def test_an_engine_that_does_not_take_the_usual_size_is_not_used(
    cache, lite_onnx, rebuilds, caplog
):
    larger = Profile(smallest=(64, 64), usual=(64, 192), largest=(192, 192))

    assert get_engine(dataclasses.replace(wanted(lite_onnx), profile=larger)).serialised == b"new"

    assert "but with shapes (1, 64, 64, 3) to (4, 128, 128, 3): another is built" in caplog.text


def test_the_engine_of_a_folder_is_the_one_that_is_loaded(cache, lite_onnx, rebuilds, tmp_path):
    folder = tmp_path / "elsewhere"
    shutil.copytree(cache, folder)
    EngineFile(cache).write(wanted(lite_onnx).key, b"of the cache", "lite.onnx")

    assert get_engine(wanted(lite_onnx)).serialised == b"of the cache"
    engine = get_engine(wanted(lite_onnx), folder)

    assert engine.folder == folder
    assert engine.shapes[-1] == (4, 128, 128, 3)
    with pytest.raises(ModelError, match="holds no engine of lite that fits: it has precision"):
        get_engine(dataclasses.replace(wanted(lite_onnx), precision="fp32"), folder)
    with pytest.raises(ModelError, match="holds no engine of lite that fits"):
        get_engine(wanted(lite_onnx), tmp_path / "nowhere")
    assert not rebuilds


def test_an_engine_beside_the_model_goes_before_the_cache(cache, lite_onnx, rebuilds, tmp_path):
    shutil.copy(lite_onnx, tmp_path / "mine.onnx")
    shutil.copytree(cache, tmp_path / "mine.tensorrt_rtx")

    assert get_engine(wanted(tmp_path / "mine.onnx")).folder == tmp_path / "mine.tensorrt_rtx"
    assert not rebuilds


def test_an_engine_for_any_gpu_is_for_any_driver_but_of_the_cuda_of_its_library(built, lite_onnx):
    key = wanted(lite_onnx).key

    assert (key.gpu, key.driver) == ("any", "any")
    installed = {distribution.metadata["Name"] for distribution in distributions()}
    assert any(name.startswith(f"tensorrt_rtx_cu{key.cuda}") for name in installed)


class Driver:
    """Stands in for the library's runtime, which needs a GPU: loads what it is told to."""

    def __init__(self, loads):
        self.loads = loads

    def deserialize_cuda_engine(self, serialised):
        return "loaded" if serialised == self.loads else None


def test_an_engine_that_does_not_load_is_built_again_once(cache, lite_onnx, rebuilds, caplog):
    loaded, engine = load_engine(Driver(b"new"), wanted(lite_onnx))

    assert (loaded, engine.shapes[-1]) == ("loaded", (1, 128, 128, 3))
    assert len(rebuilds) == 1
    assert "does not load: it is built again" in caplog.text


def test_an_engine_that_never_loads_says_which_gpus_it_is_for(cache, lite_onnx, rebuilds):
    with pytest.raises(ExecutionError, match=r"cannot load the engine in .* of kind SM80, SM86"):
        load_engine(Driver(b"nothing"), wanted(lite_onnx))
    with pytest.raises(ExecutionError, match=r"cannot load the engine in .*engines"):
        load_engine(Driver(b"nothing"), wanted(lite_onnx), cache)

    assert len(rebuilds) == 1


def test_a_damaged_engine_is_built_again(cache, lite_onnx, rebuilds, caplog):
    serialised = (cache / ENGINE_NAME).read_bytes()
    (cache / ENGINE_NAME).write_bytes(serialised[: len(serialised) // 2])

    with caplog.at_level(logging.INFO):
        assert get_engine(wanted(lite_onnx)).serialised == b"new"
        assert get_engine(wanted(lite_onnx)).serialised == b"new"  # from the cache now

    assert len(rebuilds) == 1
    assert "is damaged: it is built again" in caplog.text
    assert "building lite with tensorrt_rtx" in caplog.text


@pytest.mark.parametrize(
    "field, other",
    [
        ("version", "1.1.0"),
        ("gpu", "Orin (compute capability 8.7)"),
        ("source_sha256", "ab"),
        ("cuda", "12"),
        ("driver", "12.8"),
    ],
)
def test_an_engine_of_another_version_gpu_or_model_is_named_and_another_built(
    field, other, cache, lite_onnx, rebuilds, caplog
):
    description = EngineFile(cache).read_description()
    EngineFile(cache).write_description(
        dataclasses.replace(description, key=dataclasses.replace(description.key, **{field: other}))
    )

    assert get_engine(wanted(lite_onnx)).serialised == b"new"

    assert len(rebuilds) == 1
    assert f"there is an engine of lite, but with {field} {other!r} instead of" in caplog.text


def test_a_timing_cache_that_is_damaged_does_not_stop_a_build(cache, lite_onnx, caplog):
    timing = cache_folder() / "timing"
    timing.mkdir()
    library = load_library("tensorrt_rtx")
    (timing / f"tensorrt_rtx-{library.version}-any.cache").write_bytes(b"\0" * 100)

    description, _ = build_engine_file(wanted(lite_onnx), progress=lambda *step: None)

    assert description.layers["CONVOLUTION HALF"] > 80


def test_a_build_that_fails_leaves_what_was_there(cache, lite_onnx, tmp_path):
    before = (cache / ENGINE_NAME).read_bytes()
    (tmp_path / "no.onnx").write_bytes(lite_onnx.read_bytes()[:5000])
    with pytest.raises(ModelError, match="damaged or cut off"):
        build_engine_file(wanted(tmp_path / "no.onnx"), cache, progress=lambda *step: None)

    assert (cache / ENGINE_NAME).read_bytes() == before
