"""A CUDA driver in memory, for tests of GPU code without a GPU: real pycuda on `driver.c`.

Tests that are marked with `on_driver` run in a process of their own, which finds the driver in
memory where the machine's would be, and stand-ins for TensorRT (`packages/`). They are skipped
where there is no gcc, or where `scripts/pycuda` has not built pycuda.
"""

from __future__ import annotations

import faulthandler
import functools
import gc
import importlib
import inspect
import logging
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from basics.cache import cache_folder
from tests.support.cuda.driver import Driver

PYCUDA_VERSION = "2026.1"
PYCUDA_FOLDER = cache_folder() / f"pycuda-{PYCUDA_VERSION}-{sys.implementation.cache_tag}"
PACKAGES = Path(__file__).with_name("packages")
_FIXTURE = "cuda_process"


def missing() -> str:
    """Why there is no driver in memory here; empty if there is."""
    if sys.platform != "linux" or shutil.which("gcc") is None:
        return "needs gcc on Linux, to compile a CUDA driver in memory"
    if not (PYCUDA_FOLDER / "pycuda" / "driver.py").exists():
        return "needs pycuda without a CUDA toolkit: scripts/pycuda builds it"
    return ""


def compile_driver(folder: Path) -> Path:
    """Compiles the driver into `folder`, where `LD_LIBRARY_PATH` is to point to."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).with_name("driver.c")
    (extension,) = (PYCUDA_FOLDER / "pycuda").glob("_driver*.so")
    names = subprocess.run(
        ["nm", "--dynamic", "--undefined-only", str(extension)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # pycuda and FFmpeg load it only if they find all that they could call.
    has = set(re.findall(r"^API int (cu\w+)", source.read_text(), re.MULTILINE))
    rest = sorted(({*re.findall(r"\b(cu[A-Z]\w+)", names)} | _called_by_ffmpeg()) - has)
    stubs = folder / "stubs.c"
    stubs.write_text("".join(f"int {name}(void) {{ return 801; }}\n" for name in rest))
    command = ["gcc", "-shared", "-fPIC", "-O1", "-pthread", "-Wall", "-Werror"]
    library = folder / "libcuda.so.1"
    subprocess.run([*command, "-Wl,-soname,libcuda.so.1", "-o", library, source, stubs], check=True)
    return folder


def _called_by_ffmpeg() -> set[str]:
    """What the FFmpeg in PyAV's wheel looks up in the driver."""
    import av

    found: set[str] = set()
    for library in (Path(av.__file__).parents[1] / "av.libs").glob("libavutil*"):
        found |= {
            name.decode() for name in re.findall(rb"(?<=\0)cu[A-Z]\w+(?=\0)", library.read_bytes())
        }
    return found


def environment(libraries: Path, **settings: str) -> dict[str, str]:
    """What a process has in its environment to find the driver in memory, pycuda and the stand-ins.

    Args:
        libraries: Where the driver was compiled to.
        **settings: Of the driver, such as `DOUBLE_DEVICES="0"`.
    """
    path = [str(PACKAGES), str(PYCUDA_FOLDER), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(libraries),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        **settings,
    }


class CudaProcess:
    """Runs tests, one after the other, in a process that has the driver in memory."""

    def __init__(self, libraries: Path, stderr: Path) -> None:
        self._stderr = stderr
        self._executor = ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(stderr,),
        )
        with _environ(environment(libraries)):
            self._executor.submit(int).result()

    def run(self, module: str, name: str, arguments: dict[str, Any]) -> None:
        """Runs a test; it fails here as it fails there, or if it writes to standard error."""
        try:
            self._executor.submit(_call, module, name, arguments).result()
        finally:
            said = self._stderr.read_text()
            self._stderr.write_text("")
            sys.stdout.write(said)
        assert not said

    def close(self) -> None:
        self._executor.shutdown()


def on_driver(test: Callable[..., None]) -> Callable[..., None]:
    """Makes a test run on the driver in memory; all that it is given, but for `driver`, must be
    picklable.
    """

    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        process = arguments.pop(_FIXTURE)
        process.run(test.__module__, test.__qualname__, arguments)

    signature = inspect.signature(test)
    given = [each for each in signature.parameters.values() if each.name != "driver"]
    fixture = inspect.Parameter(_FIXTURE, inspect.Parameter.KEYWORD_ONLY)
    given = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in given]
    setattr(run, "__signature__", signature.replace(parameters=[*given, fixture]))  # noqa: B010
    return run


@pytest.fixture(scope="session")
def cuda_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the driver in memory lies."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    return compile_driver(tmp_path_factory.mktemp("cuda"))


@pytest.fixture(scope="session")
def cuda_process(
    cuda_libraries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CudaProcess]:
    stderr = tmp_path_factory.mktemp("cuda") / "stderr"
    process = CudaProcess(cuda_libraries, stderr)
    yield process
    process.close()


@contextmanager
def _environ(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _leave_with_parent() -> None:
    """Without this the process waits for ever for orders of a parent that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _begin(stderr: Path) -> None:
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    warnings.simplefilter("error")
    # The parent's sys.path took the place of what PYTHONPATH gave.
    sys.path.insert(0, str(PACKAGES))
    sys.path.append(str(PYCUDA_FOLDER))
    logging.getLogger().addHandler(logging.NullHandler())
    faulthandler.enable()
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)


def _call(module: str, name: str, arguments: dict[str, Any]) -> None:
    test = getattr(importlib.import_module(module), name).__wrapped__
    driver = Driver()
    driver.reset()
    if "driver" in inspect.signature(test).parameters:
        arguments = {**arguments, "driver": driver}
    try:
        test(**arguments)
    finally:
        driver.reset()
        gc.collect()
