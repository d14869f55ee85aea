import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import SourceError
from configs.units import Size
from stream.sources import open_source
from stream.sources.config import SourceConfig
from stream.sources.making import source_labels
from stream.sources.network import camera_input, display_name, is_camera, is_url, network_input
from tests.support.media import make_clip
from tests.support.waiting import LIMIT_S, measured, met

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:secret@host:554/a/b", "rtsp://host:554/a/b"),
        ("rtsp://host/a", "rtsp://host/a"),
        ("http://host/a?user=me&password=secret", "http://host/a"),
        ("rtsp://user:se@cret@host/a", "rtsp://host/a"),
        ("rtsp://user:se/cret@host/a", "rtsp://host/a"),
        ("http://host/@somebody/video", "http://host/@somebody/video"),
    ],
)
def test_addresses_are_shown_without_secrets(url: str, shown: str) -> None:
    assert display_name(url) == shown


@given(st.text(st.characters(codec="ascii", exclude_characters="\n\r#?"), min_size=1))
def test_no_password_is_ever_shown(password: str) -> None:
    secret = f"XX{password}XX"
    assert secret not in display_name(f"rtsp://user:{secret}@host/path")
    assert "XX" not in repr(network_input(f"rtsp://user:{secret}@host/path", SourceConfig()))


def test_cameras_and_addresses_are_told_apart_from_files() -> None:
    assert all(is_camera(spec) for spec in ("0", "12", "/dev/video0", "/dev/v4l/by-id/usb-cam"))
    assert not any(is_camera(spec) for spec in ("clip.mp4", "/dev/null", "0.mp4", "123"))
    assert all(is_url(spec) for spec in ("rtsp://a/b", "RTSP://a/b", "udp://@:1234", "https://a"))
    assert not any(is_url(spec) for spec in ("clip.mp4", "C://clip.mp4", "//server/clip.mp4"))


def test_cameras_are_asked_for_what_was_chosen() -> None:
    """As far as this goes without a camera: what PyAV's Video4Linux demuxer is told."""
    config = SourceConfig(camera_size=Size(1280, 720), camera_fps=30.0, camera_format="mjpeg")
    asked = camera_input("0", config)
    assert (asked.url, asked.format) == ("/dev/video0", "v4l2")
    assert asked.options == {"video_size": "1280x720", "framerate": "30", "input_format": "mjpeg"}


def test_cameras_of_other_systems_are_asked_in_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as this goes without those systems."""
    config = SourceConfig(camera_size=Size(1280, 720), camera_format="mjpeg")
    monkeypatch.setattr(sys, "platform", "darwin")
    asked = camera_input("1", config)
    assert (asked.url, asked.format, asked.name) == ("1:none", "avfoundation", "camera 1")
    assert asked.options["framerate"] == "30"
    monkeypatch.setattr(sys, "platform", "win32")
    listed = [SimpleNamespace(name="A cam", media_types=["video"])]
    monkeypatch.setattr(av, "enumerate_input_devices", lambda kind: listed)
    asked = camera_input("0", config)
    assert (asked.url, asked.format) == ("video=A cam", "dshow")
    assert asked.options == {"video_size": "1280x720", "vcodec": "mjpeg"}
    with pytest.raises(SourceError, match="no camera '1': Windows lists 1, 0: A cam"):
        camera_input("1", config)


@pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux is Linux's")
def test_the_demuxer_for_cameras_is_there_and_refuses_what_is_no_camera() -> None:
    assert any("v4l2" in name.split(",") for name in av.formats_available)
    with pytest.raises(av.FFmpegError):
        camera_input(
            "/dev/null", SourceConfig(camera_size=Size(640, 480), camera_fps=30.0)
        ).connect(SourceConfig())


def test_a_camera_that_is_not_there_is_told() -> None:
    with (
        open_source("/dev/video97", SourceConfig(reconnect=0)) as source,
        pytest.raises(SourceError, match=r"/dev/video97.*no such device"),
    ):
        source.grab()


def test_labels_are_fit_for_file_names_and_differ() -> None:
    specs = [
        "demo",
        "a/clip.mp4",
        "b/clip.mp4",
        "0",
        "rtsp://user:secret@cam:554/live/1",
        "-",
        "folder/",
    ]
    assert source_labels(specs) == [
        "demo",
        "clip",
        "clip_2",
        "camera0",
        "cam_554_live_1",
        "stdin",
        "folder",
    ]


@pytest.mark.parametrize("name", ["y" * 300, "y" * 300 + ".jpg", "y" * 300 + "/*.png", "f.txt"])
def test_what_the_system_refuses_to_look_at_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("y" * 300 + "\na text\n")
    with pytest.raises(SourceError), open_source(str(tmp_path / name)):
        pass


def test_a_file_that_a_list_cannot_name_is_skipped(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", frames=3)
    (tmp_path / "list.txt").write_text("y" * 300 + ".mp4\nclip.mp4\n")
    with open_source(str(tmp_path / "list.txt")) as source:
        assert len(list(source)) == 3


@measured
def test_the_test_pattern_comes_at_its_own_pace() -> None:
    with open_source("test") as source:
        start_s = time.monotonic()
        frames = list(islice(source, 11))
        spent_s = time.monotonic() - start_s
    assert source.live
    assert [frame.index for frame in frames] == list(range(11))
    assert spent_s > 0.35
    met(spent_s < 2, f"0.4 s and not {spent_s}")
    assert len({frame.image.tobytes() for frame in frames}) == 11


def test_a_video_can_be_piped_in(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.ts", frames=40)
    code = (
        "from stream.sources import open_source\n"
        "with open_source('-') as source: print(sum(1 for _ in source), source.name)"
    )
    for content, expected in ((clip.read_bytes(), "40 standard input"), (b"text\n" * 500, "")):
        command = [sys.executable, "-c", code]
        result = subprocess.run(
            command, cwd=ROOT, input=content, capture_output=True, check=False, timeout=LIMIT_S
        )
        assert result.stdout.decode().strip() == expected, result.stderr.decode()
        assert expected or b"name the file instead of -" in result.stderr


@pytest.mark.parametrize(
    "password", ["hunter2", "hunter2#x", "a?b", "a/b", "p@ss", "a/b#c", "#?@:"]
)
@pytest.mark.parametrize("rest", ["127.0.0.1/live", "camera:554/1?token=s3cret", "[::1]:554/x#y"])
def test_no_character_of_a_password_is_shown(password: str, rest: str) -> None:
    shown = display_name(f"rtsp://admin:{password}@{rest}")
    assert shown == f"rtsp://{rest.split('?')[0].split('#')[0]}"


def test_a_query_with_an_at_sign_is_left_out() -> None:
    assert display_name("http://host:80/live?mail=a@b") == "http://host:80/live"
    assert display_name("http://[::1]:80/live?mail=a@b") == "http://[::1]:80/live"
