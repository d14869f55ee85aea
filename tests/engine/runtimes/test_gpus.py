"""GPUs are found by number and identity: real calls, to a driver that was made for the test."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from configs import RuntimeUnavailableError
from engine import parse_devices
from engine.runtimes import gpus
from engine.runtimes.gpus import Gpu, driver_version, find_gpu, in_current_context, list_gpus

FIRST = "GPU-5f5f5f5f-5f5f-5f5f-5f5f-5f5f5f5f5f28"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    path = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    source = Path(__file__).with_name("gpus.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", path, source], check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture(autouse=True)
def driver(library: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(gpus, "load_driver", lambda: library)
    return library


def find(text: str) -> Gpu:
    return find_gpu(parse_devices(text).single)


def test_gpus_are_described_in_the_order_of_cuda() -> None:
    assert [gpu.index for gpu in list_gpus()] == [0, 1, 2]
    assert list_gpus()[0] == Gpu(index=0, name="Imaginary 0", uuid=FIRST, capability=(9, 0))
    assert [gpu.integrated for gpu in list_gpus()] == [False, False, True]
    assert str(list_gpus()[1]) == "cuda:1 (Imaginary 1)"
    assert list_gpus()[1].kind == "Imaginary 1 (compute capability 9.0)"


@pytest.mark.parametrize(
    ("text", "index"), [("auto", 0), ("cuda", 0), ("cuda:2", 2), (FIRST, 0), ("GPU-A05f", 2)]
)
def test_a_gpu_is_found_by_number_and_by_as_much_of_its_identity_as_it_takes(
    text: str, index: int
) -> None:
    assert find(text).index == index


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cuda:3", "there is no GPU cuda:3; CUDA shows: cuda:0 (Imaginary 0), GPU-5f5f"),
        ("GPU-0123", "there is no GPU GPU-0123; CUDA shows: cuda:0"),
        ("GPU-5f5f", "there is more than one GPU GPU-5f5f; CUDA shows: cuda:0"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(text: str, message: str) -> None:
    with pytest.raises(RuntimeUnavailableError) as caught:
        find(text)
    assert message in str(caught.value)


def test_a_driver_that_shows_none_or_does_not_work_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REFUSE", "100")
    with pytest.raises(RuntimeUnavailableError, match="there is no GPU auto; CUDA shows: none"):
        find("auto")
    monkeypatch.setenv("REFUSE", "999")
    with pytest.raises(RuntimeUnavailableError, match="cannot start: error 999, unknown error"):
        find("auto")


@pytest.mark.parametrize(("serves", "version"), [("12080", "12.8"), ("13000", "13.0")])
def test_a_driver_is_known_by_the_newest_cuda_that_it_serves(
    serves: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVES", serves)
    assert driver_version() == version


def test_another_thread_gets_the_context_of_the_one_that_hands_it_work(driver: Any) -> None:
    seen: list[int | None] = []

    def look() -> None:
        context = ctypes.c_void_p()
        driver.cuCtxGetCurrent(ctypes.byref(context))
        seen.append(context.value)

    driver.cuCtxSetCurrent(ctypes.c_void_p(77))
    calls = [look, in_current_context(look)]
    driver.cuCtxSetCurrent(None)
    for call in [*calls, in_current_context(look)]:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    assert seen == [None, 77, None]
