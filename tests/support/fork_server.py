"""Runs command lines in forks of a process that has imported everything: 0.1 s each, not 1.5 s.

    with ForkServer() as server:
        done = server.run("clip.mp4", "-o", "out.jsonl", cwd=folder)

Each is `run_stream.main`, with an engine of the tests unless it asks for the product's.
"""

from __future__ import annotations

import codecs
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.waiting import LIMIT_S

_ROOT = Path(__file__).resolve().parents[2]


class ForkServer:
    """Started at once, ended with the block; runs one command line at a time."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server"],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *arguments: object, cwd: Path, **choices: Any
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command line in `cwd`; its exit code is -9 where it took too long.

        choices: stdout, stderr: "closed", "full", or "broken" (a pipe without a reader);
        file_bytes: how large a file may become; signal_after_s: when a SIGINT comes;
        engine: "blank", which sees nobody, unless it is "plaza" or None, that of the product;
        environment: variables, None for those that are not there; user: the number of the user who
        runs it, for tests that root runs.
        """
        return self._ask(arguments, {"cwd": str(cwd), **choices})

    def start(
        self, script: Path, *arguments: object, cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script in `cwd`, as Python would; networks are those of the product."""
        return self._ask(arguments, {"cwd": str(cwd), "script": str(script), "engine": None})

    def _ask(
        self, arguments: tuple[object, ...], order: dict[str, Any]
    ) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        order = {"arguments": words, "folder": self._folder.name, **order}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        said = [
            (Path(self._folder.name) / name).read_bytes().decode(errors="replace")
            for name in ("stdout", "stderr")
        ]
        return subprocess.CompletedProcess(words, code, *said)

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()


def _serve() -> None:
    import cv2

    import higherhrnet_stream  # noqa: F401 - imported once for all

    import run_stream
    import stream.estimator
    from stream.app import command  # noqa: F401 - likewise
    from tests.support.fixture_command import opens_engine

    of_the_product = stream.estimator.open_estimator
    stream.estimator.open_estimator = opens_engine("blank")
    codecs.lookup("utf-8-sig")  # another user may not be let into this one's Python
    # What loads late is loaded now; OpenCV's pool of threads would not live on in a fork.
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"{folder}/warm.{suffix}" for suffix in ("mp4", "jsonl")]
        run_stream.main(["demo", "--frames", "2", "-q", "-o", *outputs])
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 99
            try:
                _prepare(order)
                engine = order.get("engine", "blank")
                stream.estimator.open_estimator = (
                    of_the_product if engine is None else opens_engine(engine)
                )
                if "script" in order:
                    sys.argv = [order["script"], *order["arguments"]]
                    runpy.run_path(order["script"], run_name="__main__")
                    code = 0
                else:
                    code = run_stream.main(order["arguments"])
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else 1
                if isinstance(left.code, str):
                    sys.stderr.write(left.code + "\n")
            except BaseException:  # noqa: BLE001 - what the interpreter would show
                sys.excepthook(*sys.exc_info())
                code = 1
            finally:
                try:  # as the interpreter does at its end
                    for file in (sys.stdout, sys.stderr):
                        if file is not None:
                            file.flush()
                except (OSError, ValueError):
                    code = 120
                os._exit(code)
        sys.stdout.write(f"{_wait(child, order)}\n")
        sys.stdout.flush()


def _prepare(order: dict[str, Any]) -> None:
    os.chdir(order["cwd"])
    for name, value in order.get("environment", {}).items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        path = Path(order["folder"]) / name
        wanted = order.get(name, "kept")
        handle = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND)
        if wanted == "full":
            handle = os.open("/dev/full", os.O_WRONLY)
        elif wanted == "broken":
            reader, handle = os.pipe()
            os.close(reader)
        os.dup2(handle, number)
        os.close(handle)
        if wanted == "closed":
            os.close(number)
            setattr(sys, name, None)
        else:
            setattr(sys, name, os.fdopen(number, "w", closefd=False))
    if "file_bytes" in order:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"], hard))
    if "user" in order:
        os.setgroups([])
        os.setgid(order["user"])
        os.setuid(order["user"])
    if "signal_after_s" in order:
        parent = os.getpid()
        if os.fork() == 0:
            time.sleep(order["signal_after_s"])
            os.kill(parent, order.get("signal", signal.SIGINT))
            os._exit(0)


def _wait(child: int, order: dict[str, Any]) -> int:
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -9


if __name__ == "__main__":
    _serve()
