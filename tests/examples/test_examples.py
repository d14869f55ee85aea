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
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import av
import cv2
import numpy as np
import pytest

from higherhrnet_stream import Frame, People, annotate, open_source

from stream.sources.making import DEMO_CLIP
from tests.support.fork_server import ForkServer
from tests.support.waiting import ended, until

# What an example is about may be imported beside the public API, NumPy and OpenCV.
SUBJECTS = {
    "people_to_pandas.py": ("pandas", "matplotlib"),
    "with_supervision.py": ("supervision",),
    "live_rerun.py": ("rerun",),
    "pose_service.py": ("fastapi", "uvicorn"),
}
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


@pytest.fixture
def run(fork_server: ForkServer, tmp_path: Path) -> Callable[..., str]:
    """What an example says on standard output that is run in `tmp_path`, in a fork of a process
    that has the public API already: a second less for each.
    """

    def said(name: str, *arguments: object) -> str:
        done = fork_server.start(ROOT / "examples" / name, *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return said


@pytest.mark.parametrize(
    "name", [path.name for path in EXAMPLES if "sys.argv" in path.read_text("utf-8")]
)
def test_an_example_without_arguments_says_how_it_is_called(
    fork_server: ForkServer, tmp_path: Path, name: str
) -> None:
    done = fork_server.start(ROOT / "examples" / name, cwd=tmp_path)
    assert done.returncode == 1
    assert f"python examples/{name} " in done.stderr and "Traceback" not in done.stderr


def load(name: str) -> ModuleType:
    """The example as a module."""
    specification = importlib.util.spec_from_file_location(
        name.removesuffix(".py"), ROOT / "examples" / name
    )
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_needs_the_public_api_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")
    taken = set(sys.stdlib_module_names) | {"higherhrnet_stream", "numpy", "cv2"}
    taken |= set(SUBJECTS.get(path.name, ()))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= taken
        elif isinstance(node, ast.ImportFrom):
            assert node.module in taken


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_run_here(path: Path) -> None:
    assert f'"{path.name}"' in Path(__file__).read_text(encoding="utf-8")


def run_alone(folder: Path, name: str, *arguments: object) -> str:
    """What the example says on standard output, in a process of its own."""
    with start(folder, name, *arguments) as process:
        output, errors = ended(process)
    assert process.returncode == 0, errors
    return output


def test_people_become_lines_of_a_table(tmp_path: Path) -> None:
    rows = list(csv.DictReader(run_alone(tmp_path, "people_to_csv.py", "demo", 8).splitlines()))
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


def test_an_own_sink_keeps_the_fullest_moment(
    run: Callable[..., str], tmp_path: Path, plaza: Path
) -> None:
    assert "12 frames" in run("own_sink.py", plaza)
    shown = cv2.imread(str(tmp_path / "fullest.png"))
    with open_source(str(plaza)) as source:
        changed = [np.mean(shown != frame.image) for frame in source]
    assert 0 < min(changed) < 0.3, "it is one of the frames, with people drawn into it"


def test_an_own_source_becomes_a_video(run: Callable[..., str], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((128, 256, 3), 90, np.uint8))
    assert "50 frames" in run("own_source.py", "photo.png", "out.mp4")
    with open_source(str(tmp_path / "out.mp4")) as source:
        assert [frame.image.shape for frame in source] == [(128, 192, 3)] * 50


def test_a_line_counter_is_a_stage_of_its_own(
    run: Callable[..., str], tmp_path: Path, plaza: Path
) -> None:
    said = run("line_counter.py", plaza, "out.mp4")
    assert re.search(r"to the right: \d+, to the left: \d+", said)
    with open_source(str(tmp_path / "out.mp4")) as source:
        blue, green, red = next(iter(source)).image[5:60, 319:321].reshape(-1, 3).mean(axis=0)
    assert green > blue + 60 and green > red + 60, "the line is in the video"


def test_the_line_counter_counts_who_crosses_and_in_which_direction() -> None:
    module = load("line_counter.py")
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
        until(
            lambda: (
                process.poll() is not None
                or all(path.exists() and path.read_text().count("\n") > 3 for path in records)
            ),
            "frames of both are written",
        )
        process.send_signal(signal.SIGINT)
        output, errors = ended(process)
    assert process.returncode == 0, errors
    counts = [int(count) for count in re.findall(r"test pattern: (\d+) frames", output)]
    assert counts == [path.read_text().count("\n") - 1 for path in records]
    for path in records:
        assert json.loads(path.read_text().splitlines()[0])["source"] == "test pattern"
        assert path.with_suffix(".mp4").stat().st_size > 1000


def test_keypoints_become_a_table_of_pandas_and_a_plot(
    run: Callable[..., str], tmp_path: Path
) -> None:
    pytest.importorskip("pandas")
    said = run("people_to_pandas.py", "demo", "ankles.png", 12)
    rows = [line.split() for line in said.splitlines()[2:]]
    assert len(rows) >= 2, "there are more than two people in the demo"
    assert all(0 <= int(first) <= int(last) < 12 for _, first, last, _ in rows)
    assert cv2.imread(str(tmp_path / "ankles.png")).std() > 5, "something is drawn"


def test_the_annotators_of_supervision_draw_into_the_video(
    run: Callable[..., str], tmp_path: Path, plaza: Path
) -> None:
    pytest.importorskip("supervision")
    assert "12 frames" in run("with_supervision.py", plaza, "out.mp4")
    with open_source(str(plaza)) as before, open_source(str(tmp_path / "out.mp4")) as after:
        shown = next(iter(after)).image.astype(int) - next(iter(before)).image
    green = (shown[..., 1] > 60) & (shown[..., 0] < 20) & (shown[..., 2] < 20)
    assert 200 < green.sum() < 20000


def test_a_view_in_rerun_can_be_kept_in_a_file(tmp_path: Path, plaza: Path) -> None:
    pytest.importorskip("rerun")
    run_alone(tmp_path, "live_rerun.py", plaza, "people.rrd")  # it writes as Python ends
    kept = (tmp_path / "people.rrd").read_bytes()
    assert kept.startswith(b"RRF2") and b"video/people" in kept


def test_a_service_answers_with_the_people_of_an_image(plaza: Path) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    import asyncio

    import httpx

    module = load("pose_service.py")
    with open_source(str(plaza)) as source:
        photo = cv2.imencode(".jpg", next(iter(source)).image)[1].tobytes()

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=module.service)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            bodies = [photo, b"no image"]
            kind = {"Content-Type": "image/jpeg"}
            return [await client.post("/people", content=body, headers=kind) for body in bodies]

    with module.estimator:
        answers = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [200, 415]
    people = answers[0].json()
    _, expected = annotate(cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR))
    assert len(people) == len(expected) > 1
    assert all(len(person["keypoints"]) == 17 and 0 < person["score"] <= 1 for person in people)


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(ROOT / "examples" / "first_steps.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    environment = {"PYTHONPATH": str(ROOT), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        nbclient.NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
