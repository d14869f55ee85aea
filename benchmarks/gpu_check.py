"""One command that says how this project does on this machine's GPU, for an issue to attach.

    scripts/gpu-check                      all sections, at most 9 minutes; writes gpu-report.md
    scripts/gpu-check --sections parity    some of them
    scripts/gpu-check --quick              every line once, in a minute, for machines without a GPU

As a module: `python -m benchmarks.gpu_check`. Sections come in the order of what they are worth,
each in a process of its own with a limit, and the report is written after each, so that a run that
is cut off still tells something. It needs torch with CUDA, and nothing else that the project itself
does not need; TensorRT is measured where it is there. Without a GPU the CPU's runtime takes its
place, and the report says so. The paper's networks have random weights: their speed is right, their
people mean nothing.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import gpu_sections
from benchmarks.gpu_parts import MODELS, Options, Say, as_line
from configs import PoseStreamError
from engine.runtimes.gpus import list_gpus

_WHOLE_S = 530.0  # the report is there within nine minutes
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Section:
    """A part of the check. limit_s: what its process may take."""

    run: Callable[[Options, Say], None]
    limit_s: float

    @property
    def title(self) -> str:
        return " ".join(str(self.run.__doc__).split())


SECTIONS = {
    "versions": Section(gpu_sections.versions, 40),
    "parity": Section(gpu_sections.parity, 110),
    "speed": Section(gpu_sections.speed, 150),
    "end-to-end": Section(gpu_sections.end_to_end, 130),
    "leaks": Section(gpu_sections.leaks, 60),
    "exits": Section(gpu_sections.exits, 60),
    "video": Section(gpu_sections.video, 20),
    "host": Section(gpu_sections.host, 40),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the sections; returns 0 where all of them ended well."""
    options = _parse(arguments)
    chosen = Options(
        quick=options.quick,
        models=tuple(options.models or (MODELS[:1] if options.quick else MODELS)),
    )
    if options.run:
        SECTIONS[options.run].run(chosen, lambda **values: print(as_line(values), flush=True))
        return 0
    began_s, failed = time.monotonic(), 0
    report = [f"# GPU check, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC", "", _where(), ""]
    for name in options.sections or SECTIONS:
        rest_s = _WHOLE_S - (time.monotonic() - began_s)
        lines, verdict = _run(name, options, min(SECTIONS[name].limit_s, rest_s))
        failed += verdict != "ended well"
        report += [f"## {name}: {verdict}", "", SECTIONS[name].title, "", "```", *lines, "```", ""]
        options.output.write_text("\n".join(report), encoding="utf-8")
        print(f"{name}: {verdict}, {time.monotonic() - began_s:.0f} s", flush=True)
    print(f"attach {options.output} to an issue")
    return int(failed > 0)


def _where() -> str:
    try:
        gpus = list_gpus()
    except PoseStreamError as error:
        return f"**No GPU**: {error}. Figures are of the CPU."
    if not gpus:
        return "**No GPU**: CUDA shows none. Figures are of the CPU."
    return ", ".join(f"{gpu.kind}, {gpu}" for gpu in gpus)


def _run(name: str, options: argparse.Namespace, limit_s: float) -> tuple[list[str], str]:
    """What a section said, and how it ended."""
    if limit_s < 5:
        return [], "not run: the time is over"
    command: list[Any] = [sys.executable, "-m", "benchmarks.gpu_check", "--run", name]
    command += ["--quick"] * options.quick
    command += ["--models", *options.models] if options.models else []
    process = subprocess.Popen(
        command,
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=limit_s)
        code = process.returncode
        verdict = "ended well" if code == 0 else f"ended with code {code}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with what it has started
        said, _ = process.communicate()
        verdict = f"cut off after {limit_s:.0f} s"
    return said.splitlines(), verdict


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/gpu-check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("gpu-report.md"))
    parser.add_argument("--sections", nargs="+", choices=SECTIONS)
    parser.add_argument("--models", nargs="+", choices=MODELS)
    parser.add_argument("--quick", action="store_true", help="every line once")
    parser.add_argument("--run", choices=SECTIONS, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
