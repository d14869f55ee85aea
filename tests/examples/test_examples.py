"""The examples run as they are written, from wherever they are, with the public API alone."""

from __future__ import annotations

import ast
import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from higherhrnet_stream import Frame, People, open_source

from stream.sources.making import DEMO_CLIP

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def start(folder: Path, name: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / name), *(str(item) for item in arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def run(folder: Path, name: str, *arguments: object) -> str:
    """What the example says on standard output."""
    with start(folder, name, *arguments) as process:
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_needs_the_public_api_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")
    taken = set(sys.stdlib_module_names) | {"higherhrnet_stream", "numpy", "cv2"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= taken
        elif isinstance(node, ast.ImportFrom):
            assert node.module in taken


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_run_here(path: Path) -> None:
    assert f'"{path.name}"' in Path(__file__).read_text(encoding="utf-8")


def test_people_become_lines_of_a_table(tmp_path: Path) -> None:
    rows = list(csv.DictReader(run(tmp_path, "people_to_csv.py", "demo", 8).splitlines()))
    assert {int(row["frame"]) for row in rows} == set(range(8))
    assert all(0 < float(row["score"]) <= 1 for row in rows)
    assert all(20 < float(row["height"]) < 500 for row in rows)
    assert len(rows) > 16, "there are more than two people in the demo"


@pytest.fixture(scope="module")
def plaza(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of the demo clip, with people in them."""
    path = tmp_path_factory.mktemp("plaza") / "plaza.mp4"
    with av.open(str(DEMO_CLIP)) as whole, av.open(str(path), "w") as part:
        stream = part.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(whole.demux(whole.streams.video[0])):
            if packet.dts is None or number == 12:
                break
            packet.stream = stream
            part.mux(packet)
    return path


def test_an_own_sink_keeps_the_fullest_moment(tmp_path: Path, plaza: Path) -> None:
    assert "12 frames" in run(tmp_path, "own_sink.py", plaza)
    shown = cv2.imread(str(tmp_path / "fullest.png"))
    with open_source(str(plaza)) as source:
        changed = [np.mean(shown != frame.image) for frame in source]
    assert 0 < min(changed) < 0.3, "it is one of the frames, with people drawn into it"


def test_an_own_source_becomes_a_video(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((128, 256, 3), 90, np.uint8))
    assert "50 frames" in run(tmp_path, "own_source.py", "photo.png", "out.mp4")
    with open_source(str(tmp_path / "out.mp4")) as source:
        assert [frame.image.shape for frame in source] == [(128, 192, 3)] * 50


def test_a_line_counter_is_a_stage_of_its_own(tmp_path: Path, plaza: Path) -> None:
    said = run(tmp_path, "line_counter.py", plaza, "out.mp4")
    assert re.search(r"to the right: \d+, to the left: \d+", said)
    with open_source(str(tmp_path / "out.mp4")) as source:
        blue, green, red = next(iter(source)).image[5:60, 319:321].reshape(-1, 3).mean(axis=0)
    assert green > blue + 60 and green > red + 60, "the line is in the video"


def test_the_line_counter_counts_who_crosses_and_in_which_direction() -> None:
    specification = importlib.util.spec_from_file_location(
        "line_counter", ROOT / "examples" / "line_counter.py"
    )
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    counter = module.LineCounter()
    image = np.zeros((100, 200, 3), np.uint8)
    for step in range(11):
        people = [walker(50 + 10 * step, 20), walker(150 - 10 * step, 70), walker(30, 50)]
        joined = People(*(np.concatenate(parts) for parts in zip(*people, strict=True)))
        counter(Frame(image, "made", step, step / 25, 0), joined)
    assert (counter.rightward, counter.leftward) == (1, 1)


def walker(x: int, y: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints, scores and tags of one person around a point."""
    keypoints = np.array([[[x - 5, y - 9, 1], [x + 5, y + 9, 1]]], np.float32)
    return keypoints, np.ones(1, np.float32), np.zeros((1, 1), np.float32)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a signal")
def test_two_cameras_have_files_of_their_own_until_ctrl_c(tmp_path: Path) -> None:
    records = [tmp_path / name for name in ("test.jsonl", "test_2.jsonl")]
    with start(tmp_path, "two_cameras.py", "test", "test") as process:
        deadline_s = time.monotonic() + 120
        while not all(path.exists() and path.read_text().count("\n") > 3 for path in records):
            assert time.monotonic() < deadline_s and process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    counts = [int(count) for count in re.findall(r"test pattern: (\d+) frames", output)]
    assert counts == [path.read_text().count("\n") - 1 for path in records]
    for path in records:
        assert json.loads(path.read_text().splitlines()[0])["source"] == "test pattern"
        assert path.with_suffix(".mp4").stat().st_size > 1000
