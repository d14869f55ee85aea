"""The check of GPUs runs without one: every section that it is given, into one report."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.cuda import environment

ROOT = Path(__file__).resolve().parents[1]


def check(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "gpu-check"), *map(str, arguments)]
    variables = {**os.environ, "PYTHON": sys.executable, **settings}
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=variables, timeout=300
    )


def figures(report: str, section: str) -> list[dict[str, object]]:
    block = re.search(rf"^## {section}: ended well$.*?^```$(.*?)^```$", report, re.M | re.S)
    assert block is not None, report
    return [json.loads(line) for line in block[1].splitlines() if line.startswith("{")]


def test_sections_run_without_a_gpu_and_the_report_says_so(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    done = check("--quick", "--sections", "versions", "speed", "-o", report)
    assert done.returncode == 0, done.stdout + done.stderr
    text = report.read_text(encoding="utf-8")
    assert "**No GPU**: " in text and "Figures are of the CPU." in text
    assert any("torch_cpu" in line for line in figures(text, "versions"))
    speeds = figures(text, "speed")
    assert [line["batch"] for line in speeds] == [1, 4]
    for line in speeds:
        assert line["model"] == "lite" and set(line["images_per_s_by_in_flight"]) == set("123")
        assert line["p50_ms"] > 0  # type: ignore[operator]


def test_engines_of_tensorrt_are_measured_with_one_image_and_with_four(
    tmp_path: Path, cuda_libraries: Path
) -> None:
    report = tmp_path / "report.md"
    settings = environment(cuda_libraries, DOUBLE_CAPABILITY="86", XDG_CACHE_HOME=str(tmp_path))
    done = check("--quick", "--sections", "speed", "-o", report, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    speeds = figures(report.read_text(encoding="utf-8"), "speed")
    assert [(line["runtime"], line["batch"]) for line in speeds] == [
        (runtime, batch) for runtime in ("tensorrt", "tensorrt_rtx") for batch in (1, 4)
    ]
    assert all(line["p50_ms"] > 0 for line in speeds)  # type: ignore[operator]
    assert not list(tmp_path.rglob("engine.plan"))  # no run gets what was built to be measured


def test_a_section_that_is_not_known_is_refused() -> None:
    done = check("--sections", "paritty")
    assert done.returncode == 2 and "invalid choice: 'paritty'" in done.stderr
