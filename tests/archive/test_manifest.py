"""What is finished, kept on disk and in a store."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import fsspec
import pytest

from archive.manifest import HOME, Manifest, part_file
from archive.storage import Folder
from archive.units import Cut, Finished, Outcome, Video
from configs import ConfigError

CUT = Cut(
    stamps=(100,),
    width=96,
    height=64,
    fps=None,
    frame_count=None,
    duration_s=12.0,
    time_base=Fraction(1, 12800),
    start_s=Fraction(1, 3),
)


@pytest.fixture(params=["disk", "store"])
def manifest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manifest]:
    if request.param == "disk":
        yield Manifest(Folder(str(tmp_path / "out")))
        return
    yield Manifest(Folder("memory://outputs/people"))
    store = fsspec.filesystem("memory")
    if store.exists("/outputs"):
        store.rm("/outputs", recursive=True)


def test_all_comes_back_as_it_was(manifest: Manifest) -> None:
    videos = [Video(address="s3://b/a.mp4", name="deep/a", size=None)]
    done = Finished(name="deep/a", address="x", state="done", frames=3, outputs={"jsonl": 17})
    assert not manifest.has_videos()
    manifest.keep_videos(videos)
    manifest.finish(done)
    manifest.cut("long", CUT)
    manifest.uncut("odd", "interlaced")
    files = manifest.folder.names()
    assert manifest.videos() == videos
    assert manifest.finished(files) == {"deep/a": done}
    assert manifest.cuts(files) == {"long": CUT, "odd": None}


def test_a_part_counts_once_its_people_are_there_and_is_cleared(manifest: Manifest) -> None:
    outcome = Outcome(state="done", frames=7)
    manifest.finish_part("long", 0, outcome)
    manifest.finish_part("long", 1, outcome)
    manifest.folder.write(part_file("long", 1), b"people")
    assert manifest.parts("long", manifest.folder.names()) == {1: outcome}
    manifest.clear("long", 2)
    manifest.clear("long", 2)  # what is gone already is no error
    assert not [name for name in manifest.folder.names() if "/part/" in name]


def test_a_damaged_record_is_left_out_and_told(
    manifest: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    manifest.folder.write(f"{HOME}/finished/a.json", b'{"name": "a", "sta')
    assert manifest.finished(manifest.folder.names()) == {}
    assert "a.json is damaged" in caplog.text


def test_an_archive_is_gone_on_with_only_by_the_same_options(manifest: Manifest) -> None:
    manifest.agree({"--input-size": "384"})
    manifest.agree({"--input-size": "384"})
    with pytest.raises(ConfigError, match="made with '384' for --input-size, not its default"):
        manifest.agree({})
    with pytest.raises(ConfigError, match="--track"):
        manifest.agree({"--input-size": "384", "--track": "off"})


def test_what_is_no_archive_is_told(manifest: Manifest) -> None:
    with pytest.raises(ConfigError, match="there is no archive"):
        manifest.videos()
