"""No output writes what a source reads, what another output writes, or what somebody else made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import ConfigError, PoseStreamError, SinkError
from stream import NamedSource, OutputConfig, VideoConfig, run
from stream.sinks import check_claims, make_sinks
from stream.sinks.claims import is_own_video
from stream.sources import make_source
from tests.support.blank_engine import BlankEngine
from tests.support.media import make_clip
from tests.support.people import nobody


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what a user has: videos, images, lists, links and playlists."""
    folder = tmp_path_factory.mktemp("clips")
    for name in ("a.mp4", "b.mp4", "c.mkv", "a-0000.mp4"):
        make_clip(folder / name, frames=3)
    make_clip(folder / "index0.ts", frames=3)
    (folder / "list.txt").write_text("a.mp4\nb.mp4\n")
    (folder / "nested.m3u").write_text("# two\n./b.mp4\n../" + folder.name + "/c.mkv\n")
    (folder / "index.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nindex0.ts\n")
    (folder / "concat.ffconcat").write_text("ffconcat version 1.0\nfile 'a.mp4'\nfile b.mp4\n")
    (folder / "link.mp4").symlink_to("a.mp4")
    os.link(folder / "b.mp4", folder / "hard.mp4")
    (folder / "loop").symlink_to(folder)
    return folder


@pytest.fixture(autouse=True)
def here(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clips)


def check(sources: list[str], outputs: list[str], **video: object) -> None:
    """What a run does before it touches anything."""
    check_claims(
        [make_source(spec) for spec in sources],
        make_sinks(outputs, VideoConfig(**video)),  # type: ignore[arg-type]
        overwrite=True,
    )


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("a.mp4", "a.mp4"),
        ("a.mp4", "./a.mp4"),
        ("./a.mp4", "loop/loop/a.mp4"),
        ("a.mp4", "loop/a.mp4"),
        ("a.mp4", "link.mp4"),
        ("link.mp4", "a.mp4"),
        ("b.mp4", "hard.mp4"),
        ("hard.mp4", "b.mp4"),
        ("*.mp4", "b.mp4"),
        ("[ab].mp4", "loop/b.mp4"),
        (".", "c.mkv"),
        ("loop", "a.mp4"),
        ("list.txt", "a.mp4"),
        ("list.txt", "hard.mp4"),
        ("list.txt", "jsonl:list.txt"),
        ("nested.m3u", "c.mkv"),
        ("nested.m3u", "csv:nested.m3u"),
        ("index.m3u8", "hls:."),
        ("index.m3u8", "jsonl:index0.ts"),
        ("concat.ffconcat", "a.mp4"),
        ("a.mp4", "coco:a.mp4"),
        ("a.mp4", "npz:./a.mp4"),
    ],
)
def test_an_output_is_never_what_a_source_reads(source: str, output: str) -> None:
    with pytest.raises(SinkError, match=r"^cannot write .*source .*; choose another name$"):
        check([source], [output])
    with pytest.raises(SinkError, match="source"):
        check(["demo", source], ["fine.jsonl", output])


def test_nor_is_a_segment_of_one() -> None:
    from fractions import Fraction

    with pytest.raises(SinkError, match="source"):
        check(["a-0000.mp4"], ["a.mp4"], segment=Fraction(10))
    check(["a.mp4"], ["a.mp4"], segment=Fraction(10))  # the name itself is not written
    with pytest.raises(ConfigError, match="named twice"):
        check(["demo"], ["a.mp4", "jsonl:a-0003.mp4"], segment=Fraction(10))


@pytest.mark.parametrize(
    "outputs",
    [
        ["out.json", "coco:out.json"],
        ["x.mp4", "./x.mp4"],
        ["x.mp4", "loop/x.mp4"],
        ["out.npz", "jsonl:.out.npz.columns/frame"],
        ["openpose:people", "openpose:./people"],
        ["hls:live", "jsonl:live/index.m3u8"],
        ["hls:live", "csv:live/index17.ts"],
        ["b.mp4", "hard.mp4"],
        ["-", "jsonl:/dev/stdout"],
        ["csv:/dev/fd/1", "mot:/proc/self/fd/1"],
    ],
)
def test_two_outputs_never_write_one_file(outputs: list[str]) -> None:
    Path("live").mkdir(exist_ok=True)
    Path(".out.npz.columns").mkdir(exist_ok=True)
    with pytest.raises(ConfigError, match="named twice"):
        check(["demo"], outputs)


def test_standard_output_that_is_led_into_a_file_is_that_file(clips: Path) -> None:
    code = (
        "from stream.sinks import check_claims, make_sinks\n"
        "check_claims([], make_sinks(['-', 'led.jsonl']))"
    )
    with (clips / "led.jsonl").open("w") as led:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=led,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        )
    assert "outputs '-' and 'led.jsonl' would write one file" in done.stderr


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("mqtt://broker/front", "mqtt://broker/front"),
        ("mqtt://me:hunter2@broker/front", "mqtt://BROKER:1883/front/"),
        ("mqtt://broker/front%20door", "mqtts://broker/front door"),
        ("mqtt://localhost:2000/a", "mqtt://127.0.0.1:2000/a"),
        ("rtsp://me:hunter2@server/front", "rtsp://me:hunter2@server/front"),
    ],
)
def test_two_sources_never_send_to_one_place(first: str, second: str, tmp_path: Path) -> None:
    """The first that ended would call the other offline, or break its stream."""
    pytest.importorskip("paho.mqtt.client")
    sources = [
        NamedSource(name="front", address="a.mp4", outputs=[first, str(tmp_path / "a.jsonl")]),
        NamedSource(name="back", address="b.mp4", outputs=[second]),
    ]
    with pytest.raises(ConfigError, match=r"named twice, and .* mixed.*\{source\}") as caught:
        run(sources, estimator=BlankEngine(), grouper=nobody)
    assert "hunter2" not in str(caught.value) and not (tmp_path / "a.jsonl").exists()
    with pytest.raises(ConfigError, match="named twice"):
        check(["a.mp4"], [first, second])


def test_places_that_differ_are_fine() -> None:
    pytest.importorskip("paho.mqtt.client")
    check(["a.mp4"], ["mqtt://broker/a", "mqtt://broker/b", "mqtt://broker:2000/a"])
    check(["a.mp4"], ["mqtt://other/a", "rtsp://server/a", "rtsp://server/b", "mqtt://broker/a/b"])


def test_outputs_beside_sources_are_fine() -> None:
    outputs = ["a.jsonl", "a_pose.mp4", "a.npz", "openpose:people", "hls:live", "-"]
    check(["a.mp4", "list.txt", "c.mkv"], outputs)
    check(["."], ["new.mp4", "new.csv"])


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("missing/out.jsonl", "'missing' does not exist"),
        (".", "no suffix"),
        ("jsonl:.", "is a folder"),
        ("csv:loop", "is a folder"),
        ("openpose:a.mp4/people", "is not a folder"),
        ("hls:a.mp4", "is not a folder"),
        (f"{'n' * 300}.jsonl", "name too long"),
    ],
)
def test_what_cannot_be_written_is_told_at_once(output: str, reason: str) -> None:
    with pytest.raises(PoseStreamError, match=rf"(?i){reason}"):
        check(["demo"], [output])


def test_an_encoder_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="unknown video encoder 'h264_nvidia'"):
        check(["demo"], ["out.mp4"], video_encoder="h264_nvidia")


def test_a_weights_file_is_not_an_output() -> None:
    shutil.copy("a.mp4", "w32.mp4")
    with pytest.raises(SinkError, match="this run reads it"):
        check_claims([], make_sinks(["./w32.mp4"]), used=[Path("w32.mp4")], overwrite=True)


def run_blank(source: str, *outputs: str, **options: Any) -> None:
    run(
        source,
        list(outputs),
        estimator=BlankEngine(),
        grouper=nobody,
        output=OutputConfig(**options),
    )


@pytest.mark.parametrize("kind", ["", "jsonl:", "npz:"])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "photo.png"])
def test_what_may_have_been_meant_as_a_source_is_replaced_only_when_that_is_asked_for(
    name: str, kind: str, tmp_path: Path
) -> None:
    """`run_stream.py a.mp4 -o new.jsonl out.mp4`: is out.mp4 a second source?"""
    path, new = tmp_path / name, tmp_path / "new.jsonl"
    make_clip(path.with_suffix(".mp4"), frames=4).rename(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"a source, name it before -o; .* or add --overwrite"):
        check_claims(
            [make_source("a.mp4")],
            make_sinks([str(new), f"{kind or 'jsonl:'}{path}"]),
            doubtful=[f"{kind}{path}"],
        )
    assert path.read_bytes() == before and not new.exists()


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_an_output_that_is_named_is_replaced_as_users_of_such_tools_expect(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    make_clip(path.with_suffix(".mp4"), frames=4).rename(path)
    assert not is_own_video(path)
    run_blank("a.mp4", str(path))
    assert is_own_video(path)
    run_blank("c.mkv", str(path), doubtful=(str(path),))  # ours


def test_segments_of_somebody_else_stay(tmp_path: Path) -> None:
    """Nobody named them: they happen to have the names that this program would give."""
    from fractions import Fraction

    make_clip(tmp_path / "cam-0001.mp4", frames=3)
    video = VideoConfig(segment=Fraction(10))
    with pytest.raises(ConfigError, match=r"cam-0001.mp4.*--overwrite"):
        check_claims([], make_sinks([str(tmp_path / "cam.mp4")], video))
    check_claims([], make_sinks([str(tmp_path / "cam.mp4")], video), overwrite=True)

    make_clip(tmp_path / "index0.ts", frames=3)
    with pytest.raises(ConfigError, match=r"index0.ts.*--overwrite"):
        check_claims([], make_sinks([f"hls:{tmp_path}"]))
    (tmp_path / "index0.ts").unlink()
    for _ in range(2):  # its own
        run_blank("a.mp4", f"hls:{tmp_path}")


def test_the_profile_is_an_output_as_others_are(tmp_path: Path) -> None:
    from stream.profile import ProfileConfig, Profiler

    profiler = Profiler(ProfileConfig(profile=tmp_path / "out"))
    assert not (tmp_path / "out").exists(), "nothing is touched yet"
    (tmp_path / "out").mkdir()
    for output in ("coco:out/profile.json", "csv:out/report.html"):
        with pytest.raises(ConfigError, match="named twice"):
            check_claims([], [*make_sinks([output.replace("out", f"{tmp_path}/out")]), profiler])
    shutil.copy("a.mp4", tmp_path / "out" / "trace.json")
    with pytest.raises(SinkError, match="source"):
        check_claims([make_source(str(tmp_path / "out" / "trace.json"))], [profiler])


def test_recordings_of_the_page_take_names_that_are_free(tmp_path: Path) -> None:
    from stream import BrowserConfig

    browser = BrowserConfig(record_folder=tmp_path)
    (tmp_path / "cam_20261128-170000.mp4").write_bytes(Path("a.mp4").read_bytes())
    source = make_source(str(tmp_path / "cam_20261128-170000.mp4"))
    pages = make_sinks(["http://127.0.0.1:8123/cam", "http://127.0.0.1:8124/cam"], browser)
    check_claims([source], pages)
    with pytest.raises(ConfigError, match="named twice"):
        check_claims([], [*pages, *make_sinks([str(tmp_path / "cam_20261128-170001.mp4")])])


def test_a_folder_does_not_read_what_this_run_writes(tmp_path: Path) -> None:
    """`run_stream.py .` twice: the second run met the video of the first."""
    make_clip(tmp_path / "a.mp4", frames=3)
    counts = []
    for _ in range(2):
        run_blank(str(tmp_path), str(tmp_path / "out.mp4"), str(tmp_path / "out.jsonl"))
        counts.append(len((tmp_path / "out.jsonl").read_text().splitlines()) - 1)
    assert counts == [3, 3]
    with pytest.raises(SinkError, match="source"):
        run_blank(str(tmp_path), str(tmp_path / "a.mp4"), overwrite=True)


def test_what_a_folder_found_is_read_however_it_is_spelled(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", frames=3)
    run_blank(str(tmp_path / "*.mp4"), str(tmp_path / "out.mp4"))
    run_blank(f"{tmp_path}/../{tmp_path.name}/*.mp4", str(tmp_path / "out.mp4"))
    assert is_own_video(tmp_path / "out.mp4")


_DOTS = st.lists(st.sampled_from(["./", "loop/", "loop/../", "././"]), max_size=4).map("".join)


@given(
    _DOTS,
    st.sampled_from(["a.mp4", "link.mp4"]),
    _DOTS,
    st.sampled_from(["a.mp4", "link.mp4"]),
    st.sampled_from(["", "jsonl:", "coco:", "npz:"]),
)
def test_no_spelling_of_a_path_hides_it(
    clips: Path, before: str, source: str, dots: str, output: str, kind: str
) -> None:
    spelled = before.replace("loop/../", "loop/../" + clips.name + "/")
    target = dots.replace("loop/../", "loop/../" + clips.name + "/")
    with pytest.raises(SinkError, match="source"):
        check([spelled + source], [kind + target + output])
