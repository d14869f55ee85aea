"""Files appear whole or not at all, also when the writer fails or somebody looks in between."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from basics.atomic import Successor, atomic_path, check_writable, replacing
from configs import SinkError
from tests.support.waiting import joined


@pytest.mark.parametrize("durable", [False, True])
def test_the_file_is_seen_only_when_it_is_whole(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "new" / "people.json"
    with atomic_path(path, durable=durable) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".json"
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_what_was_there_stays_if_the_writer_fails(tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    path.write_text("before")
    with pytest.raises(ValueError, match="stop"), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ValueError("stop")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "file") as temporary:
            temporary.write_text("content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_pipe_is_written_and_not_replaced(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    with atomic_path(pipe) as temporary:
        temporary.write_text("content")
    joined(reader)
    assert read == ["content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_what_the_file_system_refuses_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 300}.json"
    with pytest.raises(SinkError, match=r"^cannot write '.*xx.json': .+$"), replacing(path):
        raise AssertionError("there is nothing to write to")


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 250}.json"
    with atomic_path(path) as temporary:
        temporary.write_text("content")
    assert path.read_text() == "content"


def test_a_folder_that_may_be_misspelt_is_not_made(tmp_path: Path) -> None:
    with (
        pytest.raises(SinkError, match="create it first"),
        replacing(tmp_path / "missing" / "people.json"),
    ):
        raise AssertionError("there is nothing to write to")
    assert list(tmp_path.iterdir()) == []


def test_the_message_of_a_sink_error_in_the_block_is_kept(tmp_path: Path) -> None:
    said = SinkError("the disk is made of cheese")
    with pytest.raises(SinkError) as caught, replacing(tmp_path / "people.json"):
        raise said
    assert caught.value is said
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_could_not_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    check_writable(None, tmp_path / "new.json")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SinkError, match="it is a folder"):
        check_writable(tmp_path)
    with pytest.raises(SinkError, match="does not exist; create it first"):
        check_writable(tmp_path / "no" / "new.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SinkError, match="permission denied"):
        check_writable(tmp_path / "new.json")


def test_a_file_that_is_new_has_its_own_name_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    successor = Successor(path)
    assert successor.path == path and path.exists() and not successor.replaces
    path.write_text("half")
    assert successor.set_aside() == path
    assert path.read_text() == "half", "there is no older one"
    successor.commit()
    assert path.read_text() == "half"


def test_an_older_file_stays_until_its_successor_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text("older")
    path.chmod(0o640)
    successor = Successor(path)
    successor.path.write_text("half")
    assert path.read_text() == "older"
    successor.discard()
    assert list(tmp_path.iterdir()) == [path] and path.read_text() == "older"
    successor = Successor(path)
    successor.path.write_text("whole")
    successor.commit()
    assert list(tmp_path.iterdir()) == [path] and path.read_text() == "whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_half_a_file_lies_beside_an_older_one_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text("older")
    for name in ("people.partial.jsonl", "people.partial-2.jsonl"):
        successor = Successor(path)
        successor.path.write_text(f"half of {name}")
        successor.end(complete=False, worthwhile=True)
        assert path.read_text() == "older"
        assert (tmp_path / name).read_text() == f"half of {name}"
        assert str(tmp_path / name) in caplog.records[-1].getMessage()
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("stem", ["people", "p" * 60, "p" * 240, "\udcff" * 100])
def test_what_a_killed_process_wrote_beside_an_older_file_is_found_by_the_next(
    stem: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"{stem}.jsonl"
    other_name = tmp_path / f"{stem}x.jsonl"  # begins alike
    path.write_text("older")
    killed = (
        "import os, pathlib, sys; from basics.atomic import Successor\n"
        "Successor(pathlib.Path(sys.argv[1])).path.write_text('half'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", killed, str(path)]).returncode == 9
    Successor(other_name).discard()
    successor = Successor(path)
    successor.path.write_text("new")
    (partial,) = tmp_path.glob("*.partial.jsonl")
    assert partial.read_text() == "half" and partial.name.startswith(stem[:200])
    assert f"what a killed run wrote is in {str(partial)!r}" in caplog.text
    other = Successor(path)
    other.discard()
    assert successor.path.read_text() == "new", "its process lives"
    successor.commit()
    assert path.read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 2


def test_where_there_are_no_locks_what_a_killed_process_may_have_left_is_named_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("basics.atomic.fcntl.flock", no_locks)
    path = tmp_path / "people.jsonl"
    path.write_text("older")
    left = Successor(path)
    left.path.write_text("half")
    Successor(path).commit()
    assert left.path.read_text() == "half"
    assert repr(str(left.path)) in caplog.text and "or another one that writes it" in caplog.text


def test_a_file_that_cannot_be_set_aside_stays_and_leaves_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text("older")
    successor = Successor(path)
    successor.path.write_text("half")

    def refused(self: Path, target: Path) -> Path:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "replace", refused)
    kept = successor.set_aside()
    assert kept is not None and kept.read_text() == "half" and str(kept) in caplog.text
    assert {item.name for item in tmp_path.iterdir()} == {path.name, kept.name}


def test_what_is_not_wanted_leaves_nothing_where_nothing_was(tmp_path: Path) -> None:
    Successor(tmp_path / "people.jsonl").discard()
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    there, link = tmp_path / "disk" / "people.jsonl", tmp_path / "people.jsonl"
    there.write_text("older")
    link.symlink_to(there)
    successor = Successor(link)
    successor.path.write_text("whole")
    successor.commit()
    assert link.is_symlink() and there.read_text() == "whole"
    with atomic_path(link) as temporary:
        temporary.write_text("again")
    assert link.is_symlink() and there.read_text() == "again"
    link.unlink()
    link.symlink_to(tmp_path / "disk" / "new.jsonl")
    Successor(link).commit()
    assert (tmp_path / "disk" / "new.jsonl").exists() and link.is_symlink()


def test_a_device_is_written_itself() -> None:
    successor = Successor(Path(os.devnull))
    assert successor.path == Path(os.devnull)
    successor.discard()
    assert Path(os.devnull).exists()


def test_a_file_that_cannot_be_renamed_over_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a single file that is mounted into a container."""
    path = tmp_path / "people.jsonl"
    path.write_text("older")
    successor = Successor(path)
    successor.path.write_text("whole")

    def busy(self: Path, target: Path) -> Path:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    successor.commit()
    assert list(tmp_path.iterdir()) == [path] and path.read_text() == "whole"
