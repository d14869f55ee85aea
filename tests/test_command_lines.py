"""Random command lines of valid and invalid parts over a folder of real files: no input changes, no
traceback, only exit codes that mean something.

RANDOM_COMMAND_LINES=2000 python -m pytest tests/test_command_lines.py      all of them
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.fork_server import ForkServer
from tests.support.media import make_clip

_COUNT = int(os.environ.get("RANDOM_COMMAND_LINES", "24"))
_PER_TEST = 12
_CODES = (0, 2, 130, 143)
_SECRET = "hunter2"

# What each source reads, of the files in the folder.
_VIDEOS = {"a.mp4", "b.mp4", "c.mkv", "broken.mp4", "empty.mp4"}
_SOURCES: dict[str, set[str]] = {
    "a.mp4": {"a.mp4"},
    "./a.mp4": {"a.mp4"},
    "sub/../b.mp4": {"b.mp4"},
    "link.mp4": {"a.mp4"},
    "c.mkv": {"c.mkv"},
    "photo.png": {"photo.png"},
    "list.txt": {"a.mp4", "b.mp4", "list.txt"},
    ".": {*_VIDEOS, "photo.png"},
    "*.mp4": _VIDEOS - {"c.mkv"},
    "[ab].mp4": {"a.mp4", "b.mp4"},
    "sub": {"sub/d.mp4"},
    "broken.mp4": {"broken.mp4"},
    "empty.mp4": {"empty.mp4"},
    "notes.txt": {"notes.txt"},
    "missing.mp4": set(),
    "demo": set(),
    "test": set(),
    "": set(),
    "7": set(),
    f"rtsp://user:{_SECRET}@127.0.0.1:1/x": set(),
    f"http://user:{_SECRET}#@127.0.0.1:1/x": set(),
    "ftp:/x": set(),
}
_OUTPUTS = (
    *("out.mp4", "out.mkv", "out.jsonl", "out.csv", "out.json", "out.npz", "coco:out.json"),
    *("mot:out.txt", "openpose:people", "hls:live", "sub/out.mp4", "missing/out.mp4", "out.xyz"),
    *("-", "{source}.jsonl", "{source}.mp4", "{source}_pose.mp4", "out.jpg", "f/{frame:03d}.png"),
    *("nope:x", "window:", "http://127.0.0.1:0/x", "sub", "./out.jsonl", "cam:1.mp4", "hls:"),
    *("a.mp4", "./b.mp4", "c.mkv", "photo.png", "jsonl:a.mp4", "csv:sub/d.mp4", "list.txt"),
    *("jsonl:list.txt", "link.mp4", "npz:b.mp4", "coco:c.mkv", "older.jsonl", "/dev/full"),
    f"rtsp://user:{_SECRET}@127.0.0.1:1/x",
)
_FLAGS = (
    *("--stride 2", "--stride 0", "--policy latest", "--policy newest", "--max-fps 5", "-q", "-v"),
    *("--max-fps nan", "--segment 1s", "--segment 0s", "--video-codec hevc", "--no-track"),
    *("--video-encoder nope", "--video-quality 99", "--overwrite", "--profile prof", "--benchmark"),
    *("--profile a.mp4", "--track off", "--theme nope", "--boxes", "--no-skeletons", "--nonsense"),
    *("--min-score 2", "--min-score 0.5", "--token short", "--record-folder a.mp4", "--frames x"),
    *("--trace-gzip", "--video-preset ultrafast", "--batch 4", "--show", "--device cpu"),
)


@dataclass
class Line:
    """A command line, and the files that it must leave alone."""

    words: list[str] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)


def draw(seed: int) -> Line:
    """The command line of that number."""
    chance = random.Random(seed)
    line = Line()
    parts: list[list[str]] = []
    sources = chance.choices(list(_SOURCES), k=chance.choice((0, 1, 1, 1, 1, 2, 3)))
    for source in sources:
        line.kept |= _SOURCES[source]
    named: set[str] = set()
    meant: set[str] = set()  # as sources, though what stands behind -o is an output
    for _ in range(chance.choice((0, 1, 1, 1, 2))):
        group = chance.choices(_OUTPUTS, k=chance.choice((1, 1, 2, 3)))
        if chance.random() < 0.2:
            late = chance.choice(list(_SOURCES))
            group.append(late)  # a source behind -o
            meant |= _SOURCES[late]
        named.add(group[0].rpartition(":")[2])
        parts.append(["-o", *group])
    parts += [flag.split() for flag in chance.choices(_FLAGS, k=chance.choice((0, 0, 1, 1, 2, 3)))]
    chance.shuffle(parts)
    parts.insert(chance.choice((0, 0, 0, len(parts))), sources)
    line.words = [word for part in parts for word in part]
    line.words += ["--frames", "2", "--reconnect", "0", "--input-size", "64"]
    # With a kind before it a name is no source, and no video or image in danger either.
    named |= {"list.txt"} if "jsonl:list.txt" in line.words else set()
    replaceable = {str(Path("a.mp4") if name == "link.mp4" else Path(name)) for name in named}
    if "--overwrite" in line.words:
        replaceable |= {str(Path(word.rpartition(":")[2])) for word in line.words}
        replaceable |= {"a.mp4"} if "link.mp4" in line.words else set()
    # There is nothing to lose in an empty file.
    replaceable |= {"empty.mp4"} if "empty.mp4" in line.words else set()
    line.kept |= meant - replaceable if sources else meant
    files = {*_VIDEOS, "photo.png", "list.txt", "notes.txt", "sub/d.mp4"}
    line.kept |= files - replaceable
    return line


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    (folder / "sub").mkdir()
    for name in ("a.mp4", "b.mp4", "c.mkv", "sub/d.mp4"):
        make_clip(folder / name, frames=3)
    (folder / "broken.mp4").write_bytes((folder / "a.mp4").read_bytes()[:700])
    (folder / "empty.mp4").touch()
    (folder / "notes.txt").write_text("no list of anything\n")
    (folder / "list.txt").write_text("a.mp4\nb.mp4\n")
    (folder / "older.jsonl").write_text("older\n")
    (folder / "link.mp4").symlink_to("a.mp4")
    cv2.imwrite(str(folder / "photo.png"), np.full((64, 96, 3), 90, np.uint8))
    return folder


def digests(folder: Path, names: set[str]) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def errors_in(said: str) -> int:
    return sum(line.startswith("error: ") for line in said.splitlines())


def test_a_part_of_a_password_is_not_in_what_is_said_of_a_port(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    done = fork_server.run("demo", "-o", f"http://user:{_SECRET}#@127.0.0.1:1/x", cwd=tmp_path)
    assert done.returncode == 2 and errors_in(done.stderr) == 1
    assert _SECRET not in done.stderr


@pytest.mark.parametrize("first", range(0, _COUNT, _PER_TEST))
def test_no_command_line_harms_what_it_reads(
    first: int, fork_server: ForkServer, pristine: Path, tmp_path: Path
) -> None:
    faults = []
    for seed in range(first, min(first + _PER_TEST, _COUNT)):
        line = draw(seed)
        here = tmp_path / str(seed)
        shutil.copytree(pristine, here, symlinks=True)
        before = digests(here, line.kept)
        done = fork_server.run(*line.words, cwd=here)
        said = done.stdout + done.stderr
        problems = [
            *([f"exit code {done.returncode}"] if done.returncode not in _CODES else []),
            *(["a traceback"] if "Traceback" in said or "Exception ignored" in said else []),
            *(["the secret"] if _SECRET in said else []),
            *(["not one line"] if done.returncode == 2 and errors_in(done.stderr) != 1 else []),
        ]
        after = digests(here, {name for name in line.kept if (here / name).exists()})
        problems += [f"{name} changed" for name in before if after.get(name) != before[name]]
        if problems:
            faults.append(f"{seed}: {line.words}: {problems}\n{said[-1500:]}")
        shutil.rmtree(here)
    assert not faults, "\n".join(faults)
