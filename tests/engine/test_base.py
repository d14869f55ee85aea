"""`base` comes of the file of `lite` and of what it adds to it: without torch, whole, and exactly
what torch exports.
"""

from __future__ import annotations

import dataclasses
import resource
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from basics.cache import hash_file
from configs import ModelError, RuntimeUnavailableError, load_model_config
from engine.__main__ import main
from engine.model_source import (
    PACKAGED_WEIGHTS,
    describe_recipe,
    find_difference,
    find_model,
)
from engine.onnx.difference import Difference

ROOT = Path(__file__).resolve().parents[2]
LITE = PACKAGED_WEIGHTS / "lite.onnx"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HIGHERHRNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the folder of weights, to be changed."""
    monkeypatch.setattr("engine.model_source.PACKAGED_WEIGHTS", tmp_path / "weights")
    return Path(shutil.copytree(PACKAGED_WEIGHTS, tmp_path / "weights"))


def test_what_ships_was_made_for_the_lite_that_ships():
    config = load_model_config("base")
    difference = Difference.read(find_difference(config))

    again = "run python -m engine difference base, and commit what it writes"
    assert difference.recipe == describe_recipe(config, hash_file(LITE)), again
    assert len(difference.apply(LITE.read_bytes())) > LITE.stat().st_size
    assert find_difference(config).stat().st_size < 150_000


def test_what_ships_is_what_torch_exports(cache, package, capsys):
    shipped = find_model("base")
    (package / "base.difference").unlink()
    assert main(["difference", "base"]) == 0
    assert "kB to be added to lite.onnx" in capsys.readouterr().out
    (package / "base.difference").replace(package / "new")
    exported = package / "exported.onnx"
    exported.write_bytes(Difference.read(package / "new").apply(LITE.read_bytes()))
    now = find_model(exported)

    assert shipped.name == "base" and shipped.metadata.model == load_model_config("base")
    assert shipped.metadata == dataclasses.replace(
        now.metadata, created=shipped.metadata.created
    ), "run python -m engine difference base"
    image = np.random.default_rng(0).integers(0, 255, (1, 128, 192, 3), np.uint8)
    for one, other in zip(*(run(each.path, image) for each in (shipped, now)), strict=True):
        np.testing.assert_array_equal(one, other)


def run(path, image):
    return onnxruntime.InferenceSession(path).run(None, {"image": image})


def test_base_needs_neither_torch_nor_onnx(tmp_path):
    """Of a core installation, in which they cannot be imported."""
    code = """
import sys
import numpy as np
for name in ("torch", "onnx", "openvino"):
    sys.modules[name] = None
from engine import open_estimator
with open_estimator("base", input_size=64) as estimator:
    estimator.result(estimator.submit(np.zeros((64, 64, 3), np.uint8))).release()
    print(estimator.model, estimator.runtime)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"HIGHERHRNET_CACHE": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["base", "onnxruntime"], done.stderr
    assert [path.suffix for path in (tmp_path / "models").iterdir()] == [".onnx"]


def test_one_file_comes_of_many_who_begin_at_once_and_is_made_again_when_damaged(cache, caplog):
    with ThreadPoolExecutor(4) as pool:
        (found,) = set(map(str, pool.map(lambda _: find_model("base").path, range(4))))
    (path,) = cache.iterdir()
    assert str(path) == found and not caplog.messages
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-9] + b"?" + whole[-8:]):
        path.write_bytes(damaged)
        assert find_model("base").path == path
        assert path.read_bytes() == whole
    assert [message[:31] for message in caplog.messages] == ["the cached model is made again:"] * 2
    written = path.stat().st_mtime_ns
    assert find_model("base").path == path
    assert path.stat().st_mtime_ns == written


def test_a_cache_that_is_full_is_one_line_and_nothing_is_left_in_it(cache):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limit[1]))
    try:
        with pytest.raises(ModelError, match=r"keep the model 'base' in the cache.*: File too l"):
            find_model("base")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(cache.iterdir())


def test_a_cache_that_cannot_be_written_is_one_line(monkeypatch):
    monkeypatch.setenv("HIGHERHRNET_CACHE", "/proc/nothing")

    with pytest.raises(ModelError, match="let HIGHERHRNET_CACHE name a folder that can be written"):
        find_model("base")


def test_other_weights_of_lite_are_exported_with_torch(cache, package, monkeypatch, caplog):
    # An empty documentation string behind all else: another file, and the same model.
    (package / "lite.onnx").write_bytes(LITE.read_bytes() + b"\x32\x00")
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(RuntimeUnavailableError, match=r"needs torch: pip install '.*\[torch\]'"):
        find_model("base")
    assert "base.difference was made for another lite.onnx" in caplog.text
    assert "python -m engine difference base makes it anew" in caplog.text
    assert not cache.exists()


def test_only_what_shares_the_weights_of_another_has_a_difference(capfd):
    for name in ("lite", "w32_512"):
        assert main(["difference", name]) == 2
        assert f"error: {name!r} shares no other's weights" in capfd.readouterr().err
