"""An engine file is used only while it is whole and fits exactly."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.runtimes.engine_file import (
    DESCRIPTION_NAME,
    ENGINE_NAME,
    EngineFile,
    EngineKey,
    cached_engine_file,
)

KEY = EngineKey(
    library="tensorrt",
    version="11.4",
    gpu="Orin",
    source_sha256="ab",
    precision="fp16",
    shapes=((1, 64, 64, 3),) * 3,
)


@pytest.fixture
def folder(tmp_path):
    EngineFile(tmp_path / "engine").write(KEY, b"plan", "lite.onnx", layers={"CONVOLUTION HALF": 3})
    return tmp_path / "engine"


def test_what_was_written_is_read(folder):
    assert EngineFile(folder).load(KEY) == b"plan"
    description = EngineFile(folder).read_description()
    assert description.key == KEY
    assert description.layers == {"CONVOLUTION HALF": 3}
    assert description.parity is None


def test_an_engine_that_failed_its_check_is_taken_with_a_warning(folder, caplog):
    file = EngineFile(folder)
    description = file.read_description()

    file.write_description(dataclasses.replace(description, out_of_tolerance="tags differ by 9"))

    assert file.load(KEY) == b"plan"
    (record,) = caplog.records
    assert "out of tolerance for fp16 when it was measured: tags differ by 9" in record.getMessage()


@pytest.mark.parametrize(
    "change",
    [
        {"version": "11.5"},
        {"gpu": "Xavier"},
        {"source_sha256": "cd"},
        {"precision": "fp32"},
        {"shapes": ((1, 96, 96, 3),) * 3},
        {"cuda": "13"},
        {"driver": "13.0"},
    ],
)
def test_any_difference_is_said_and_the_engine_not_used(change, folder, caplog):
    assert EngineFile(folder).load(dataclasses.replace(KEY, **change)) is None
    assert "it is built again" in caplog.text
    assert next(iter(change)) in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / ENGINE_NAME).write_bytes(b"pla"),
        lambda folder: (folder / ENGINE_NAME).unlink(),
        lambda folder: (folder / DESCRIPTION_NAME).write_text("{"),
        lambda folder: (folder / DESCRIPTION_NAME).write_text("[]"),
        lambda folder: (folder / DESCRIPTION_NAME).write_text('{"key": {}}'),
        lambda folder: (folder / DESCRIPTION_NAME).unlink(),
    ],
)
def test_a_damaged_or_unfinished_engine_is_never_used(damage, folder, caplog):
    damage(folder)

    assert EngineFile(folder).load(KEY) is None
    assert "it is built again" in caplog.text


def test_an_empty_folder_is_silent(tmp_path, caplog):
    assert EngineFile(tmp_path).load(KEY) is None
    assert not caplog.text


def test_a_build_that_dies_while_it_writes_leaves_nothing_that_looks_whole(folder, monkeypatch):
    monkeypatch.setattr(
        "engine.runtimes.engine_file.EngineFile.write_description",
        lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
    )

    with pytest.raises(KeyboardInterrupt):
        EngineFile(folder).write(KEY, b"other plan", "lite.onnx")

    assert EngineFile(folder).load(KEY) is None


def test_every_key_has_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    others = [dataclasses.replace(KEY, gpu="Xavier"), dataclasses.replace(KEY, version="8.6")]
    folders = {cached_engine_file("lite", key).folder for key in (KEY, *others)}

    assert len(folders) == 3
    assert all(folder.is_relative_to(tmp_path) for folder in folders)


def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_engine_or_none(tmp_path):
    code = f"""
import sys
from tests.engine.runtimes.test_engine_file import KEY
from engine.runtimes.engine_file import EngineFile
from pathlib import Path
print("ready", flush=True)
while True:
    for letter in b"ab":
        file = EngineFile(Path({str(tmp_path / "engine")!r}))
        file.write(KEY, bytes([letter]) * 3_000_000, "lite.onnx")
"""
    seen = set()
    for delay_s in (0.0, 0.004, 0.011, 0.023, 0.031):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
        ) as process:
            process.stdout.readline()
            time.sleep(delay_s)
            process.kill()
        plan = EngineFile(tmp_path / "engine").load(KEY)
        seen.add(None if plan is None else plan[:1])
        assert plan is None or plan in (b"a" * 3_000_000, b"b" * 3_000_000)
    assert seen
