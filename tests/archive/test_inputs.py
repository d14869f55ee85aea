"""What inputs name."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from archive.inputs import find_videos
from configs import SourceError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("in/b10.mp4", "in/b2.MKV", "in/deep/b2.mp4", "in/notes.txt", "in/deep/.x.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    return tmp_path


def named(inputs: list[str]) -> list[str]:
    return [video.name for video in find_videos(inputs)]


def test_a_folder_is_all_videos_in_it_in_natural_order(folder: Path) -> None:
    videos = find_videos([str(folder / "in")])
    assert [video.name for video in videos] == ["b2", "b10", "deep/b2"]
    assert videos[0].address == str(folder / "in/b2.MKV") and videos[0].size == 5


def test_names_are_never_shared_and_stay_in_later_runs(folder: Path) -> None:
    first = find_videos([str(folder / "in/deep/b2.mp4")])
    both = find_videos([str(folder / "in/b2.MKV"), str(folder / "in/deep/b2.mp4")], first)
    assert {Path(video.address).parent.name: video.name for video in both} == {
        "in": "b2_2",
        "deep": "b2",
    }


def test_patterns_and_lists_and_doubles(folder: Path) -> None:
    assert named([str(folder / "in/*.mp4")]) == ["b10"]
    assert named([str(folder / "**/*.mp4")]) == ["in/b10", "in/deep/b2"]
    videos = folder / "videos.txt"
    videos.write_text("# of Monday\nin/b10.mp4\nin/gone.mp4\n\nin/b10.mp4\n")
    found = find_videos([str(videos)])
    assert [(video.name, video.size) for video in found] == [("b10", 5), ("gone", None)]


def test_a_name_that_is_too_long_is_told_and_in_a_list_it_is_one_that_cannot_be_read(
    folder: Path,
) -> None:
    long = "y" * 300 + ".mp4"
    with pytest.raises(SourceError, match="no such file"):
        find_videos([str(folder / long)])
    (folder / "list.txt").write_text(f"{long}\nin/b2.MKV\n")
    assert [video.size for video in find_videos([str(folder / "list.txt")])] == [None, 5]


def test_a_store_is_listed_like_a_folder() -> None:
    store = fsspec.filesystem("memory")
    for name in ("x/a.mp4", "x/deep/b.mkv", "x/c.txt"):
        store.pipe(f"/inputs/{name}", b"123")
    try:
        videos = find_videos(["memory://inputs/x"])
        assert [(video.name, video.size) for video in videos] == [("a", 3), ("deep/b", 3)]
        assert fsspec.open(videos[1].address).open().read() == b"123"
        assert named(["memory://inputs/*/*.mp4"]) == ["x/a"]
        assert named(["memory://inputs/x/a.mp4"]) == ["a"]
    finally:
        store.rm("/inputs", recursive=True)


@pytest.mark.parametrize("spec", ["gone.mp4", "empty", "empty/*.mp4", "memory://nowhere"])
def test_an_input_that_names_nothing_is_told(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(SourceError, match=spec.split("/")[0].removesuffix(":").replace("*", ".")):
        find_videos([spec])
