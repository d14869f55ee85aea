"""One line, one exit code, whatever the process, the terminal, the user or the file system."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.support.commands import ENVIRONMENT, ROOT, command
from tests.support.console import json_lines
from tests.support.fork_server import ForkServer
from tests.support.media import make_clip, read_numbers
from tests.support.waiting import LIMIT_S, ended, until

CODES = (0, 2, 130, 143)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=12)


def assert_orderly(done: subprocess.CompletedProcess[str]) -> None:
    """An exit code that means something, and no traceback."""
    assert done.returncode in CODES, done
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    assert done.returncode != 2 or done.stderr.count("error: ") == 1, done


@pytest.mark.parametrize("stdout", ["closed", "full", "broken"])
def test_without_a_standard_output_the_results_are_complete(
    fork_server: ForkServer, clip: Path, tmp_path: Path, stdout: str
) -> None:
    done = fork_server.run(clip, "-o", "out.mp4", "out.jsonl", cwd=tmp_path, stdout=stdout)
    assert_orderly(done)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == (1 if stdout == "full" else 0), done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 13
    assert len(read_numbers(tmp_path / "out.mp4")) == 12


@pytest.mark.parametrize("stdout", ["closed", "full", "broken"])
@pytest.mark.parametrize("words", [("-o", "-"), ("--benchmark",), ("-o", "-", "out.jsonl")])
def test_results_that_do_not_reach_standard_output_are_an_error(
    fork_server: ForkServer, clip: Path, tmp_path: Path, stdout: str, words: tuple[str, ...]
) -> None:
    done = fork_server.run(clip, *words, cwd=tmp_path, stdout=stdout)
    assert_orderly(done)
    if (stdout, words) != ("closed", ("--benchmark",)):
        assert done.returncode == 2
        assert re.search("standard output|'-'", done.stderr)
    # Nothing had been written yet: the other output is as it was.
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stdout", ["closed", "full", "broken"])
@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_that_nobody_reads_is_no_fault(
    fork_server: ForkServer, tmp_path: Path, stdout: str, flag: str
) -> None:
    done = fork_server.run(flag, cwd=tmp_path, stdout=stdout)
    assert_orderly(done)
    assert done.returncode == 0
    assert stdout == "closed" or not done.stderr  # argparse turns to standard error then


@pytest.mark.parametrize("stderr", ["closed", "full", "broken"])
def test_without_a_standard_error_the_results_are_complete(
    fork_server: ForkServer, clip: Path, tmp_path: Path, stderr: str
) -> None:
    """A closed terminal: what is logged must not end the thread that logs it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "folder" / "b.mp4").write_bytes(b"no video")  # is warned of
    done = fork_server.run("folder", "-v", "-o", "out.jsonl", cwd=tmp_path, stderr=stderr)
    assert_orderly(done)
    assert done.returncode == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 13
    assert fork_server.run("missing.mp4", cwd=tmp_path, stderr=stderr).returncode == 2


@pytest.mark.parametrize(
    "name",
    [
        "2024-01-01T12:30:00.mp4",
        "cam:1.mp4",
        "http:.mp4",
        "a b'c\"d.mp4",
        "new\nline.mp4",
        "%03d.mp4",
        "-.mp4",
        "schön 日本.mp4",
        "tab\t.mp4",
        "[a]*.mp4",
    ],
)
def test_odd_names_are_files(
    fork_server: ForkServer, clip: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(clip.read_bytes())
    (tmp_path / "out").mkdir()
    done = fork_server.run(
        f"./{name}" if name[0] == "-" else name, "-o", "out/a.jsonl", cwd=tmp_path
    )
    assert_orderly(done)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out" / "a.jsonl").read_text().splitlines()) == 13
    os.chdir(tmp_path)
    done = fork_server.run("demo", "--frames", 3, "-o", name, f"out/{name}", cwd=tmp_path)
    assert_orderly(done)
    if not name.startswith(("-", "http:")):
        assert done.returncode == 0, done.stderr
        assert len(read_numbers(tmp_path / "out" / name)) == 3


@pytest.mark.parametrize("spelling", ["file:{}", "file://{}", "FILE://localhost{}"])
def test_addresses_of_files_are_files(
    fork_server: ForkServer, clip: Path, tmp_path: Path, spelling: str
) -> None:
    """File managers hand them over, and lists have them."""
    (tmp_path / "a b.mp4").write_bytes(clip.read_bytes())
    name = str(tmp_path / "a b.mp4")
    address = spelling.format(name.replace(" ", "%20" if "//" in spelling else " "))
    (tmp_path / "list.txt").write_text(f"{address}\n")
    for source in (address, "list.txt"):
        done = fork_server.run(source, "-o", spelling.format(tmp_path / "out.jsonl"), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 13
        for output in (name, address):
            refused = fork_server.run(source, "-o", output, cwd=tmp_path)
            assert refused.returncode == 2 and "choose another name" in refused.stderr
    assert (tmp_path / "a b.mp4").read_bytes() == clip.read_bytes()


def test_links_in_circles_are_not_followed_for_ever(
    fork_server: ForkServer, clip: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").write_bytes(clip.read_bytes())
        (tmp_path / name / "up").symlink_to(tmp_path)
        (tmp_path / f"link to {name}").symlink_to(name)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "circle.mp4").symlink_to("circle.mp4")
    for pattern, videos in (("**", 2), ("**/*.mp4", 2), (f"{tmp_path}/**/a.mp4", 2), ("two/**", 1)):
        done = fork_server.run(pattern, "-o", "../out.jsonl", cwd=tmp_path / "one" / "..")
        assert done.returncode == 0, done
        lines = (tmp_path.parent / "out.jsonl").read_text().splitlines()
        assert len(lines) == 1 + 12 * videos, pattern
    done = fork_server.run("one/a.mp4", "-o", "circle.mp4", cwd=tmp_path)
    assert done.stderr == ("error: cannot write 'circle.mp4': Too many levels of symbolic links\n")


def test_an_encoder_that_talks_by_itself_is_silent(
    fork_server: ForkServer, clip: Path, tmp_path: Path
) -> None:
    if "libsvtav1" not in av.codecs_available:
        pytest.skip("this FFmpeg has no SVT-AV1")
    done = fork_server.run(clip, "--video-encoder", "libsvtav1", "-o", "out.mkv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_mistyped_kind_of_output_is_no_file(fork_server: ForkServer, tmp_path: Path) -> None:
    done = fork_server.run("demo", "-o", "jsnl:out.jsonl", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean 'jsonl'" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("x" * 300 + ".mp4",),
        ("demo", "-o", "x" * 300 + ".mp4"),
        ("demo", "-o", "openpose:" + "x" * 300),
        ("demo", "-o", "hls:" + "x" * 300),
        ("demo", "--profile", "x" * 300),
        ("a\udcff.mp4", "--profile", "p"),
        ("a\0b.mp4",),
        ("demo", "-o", "a\0b.jsonl"),
        ("demo", "--profile", "a\0b"),
        ("demo", "--theme", "a\0b"),
        ("",),
        ("demo", "-o", ""),
        ("demo", "-o", "hls:"),
        ("demo", "-o", "openpose:"),
        ("demo", "-o", "/dev/full"),
        ("/dev/null",),
        ("/proc/self/mem",),
        ("demo", "-o", "http://[::1/x"),
        ("http://[::1/x",),
        ("rtsp://[::1/x", "--reconnect", "0"),
        ("demo", "--max-fps", "nan"),
        ("demo", "--max-fps", "inf"),
        ("demo", "--batch-window-ms", "nan"),
        ("demo", "--min-score", "nan"),
        ("demo", "--batch", "4"),
        ("demo", "-o", "a.jsonl", "--segment", "2s"),
        ("demo", "--video-encoder", "aac", "-o", "out.mp4"),
        ("demo", "-o", "rtsp:me:secret@camera/x"),
        ("--config", "/dev/zero"),
        ("--config", "/dev/null"),
        ("RTSP://127.0.0.1:9/x", "--reconnect", "0"),
        ("demo", "-o", "RTMP://127.0.0.1:9/x/y"),
        ("٣",),
    ],
    ids=lambda words: " ".join(words)[:40].encode("ascii", "backslashreplace").decode(),
)
def test_what_cannot_be_is_one_line(
    fork_server: ForkServer, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = fork_server.run(*words, cwd=tmp_path)
    assert_orderly(done)
    assert done.returncode == 2, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_display_that_is_dead_opens_no_window_and_the_rest_goes_on(
    fork_server: ForkServer, clip: Path, tmp_path: Path
) -> None:
    """Qt aborts the process where it cannot connect."""
    dead = {"DISPLAY": ":9973", "WAYLAND_DISPLAY": ""}
    done = fork_server.run(clip, "--show", "-o", "out.jsonl", cwd=tmp_path, environment=dead)
    assert_orderly(done)
    assert done.returncode == 0
    assert done.stderr == "warning: no window: the display ':9973' does not answer\n"
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 13


@pytest.mark.parametrize("words", [("-o", "out.mp4", "out.jsonl"), ("--profile", "p", "-o", "-")])
def test_a_full_disk_is_one_line(
    fork_server: ForkServer, clip: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = fork_server.run(clip, *words, cwd=tmp_path, file_bytes=700)
    assert_orderly(done)
    assert done.returncode == 2


@pytest.mark.parametrize("room", [1, 2, 3])
def test_a_file_whose_first_bytes_do_not_fit_is_told(
    fork_server: ForkServer, clip: Path, tmp_path: Path, room: int
) -> None:
    """The system writes what fits, and says nothing of the rest."""
    done = fork_server.run(clip, "-o", "coco:out.json", cwd=tmp_path, file_bytes=room)
    assert done.returncode == 2


@pytest.fixture
def places(clip: Path) -> Iterator[Path]:
    """Where nobody but root may search `locked`, write in `fixed` or read `secret.mp4`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for inner, mode in (("locked", 0o600), ("fixed", 0o755), ("mine", 0o777)):
            (folder / inner).mkdir()
            (folder / inner / "a.mp4").write_bytes(clip.read_bytes())
            (folder / inner).chmod(mode)
        (folder / "secret.mp4").write_bytes(clip.read_bytes())
        (folder / "secret.mp4").chmod(0)
        (folder / "list.txt").write_text("locked/a.mp4\n")
        (folder / "mine" / "b\udcff.mp4").write_bytes(clip.read_bytes())
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
@pytest.mark.parametrize(
    "words",
    [
        ("../locked",),
        ("../locked/a.mp4",),
        ("../locked/*.mp4",),
        ("../locked/photo.png",),
        ("../locked/list.txt",),
        ("../list.txt",),
        ("../secret.mp4",),
        ("a.mp4", "-o", "../locked/out.mp4"),
        ("a.mp4", "-o", "../locked/out.jsonl"),
        ("a.mp4", "-o", "../locked/out.npz"),
        ("a.mp4", "-o", "openpose:../locked/people"),
        ("a.mp4", "-o", "hls:../locked/live"),
        ("a.mp4", "-o", "../locked/{frame}.png"),
        ("a.mp4", "-o", "../fixed/out.mp4"),
        ("a.mp4", "-o", "../fixed/out.jsonl"),
        ("a.mp4", "-o", "openpose:../fixed/people"),
        ("a.mp4", "-o", "../fixed/a.mp4"),
        ("a.mp4", "--profile", "../locked/profile"),
        ("a.mp4", "--profile", "../fixed/profile"),
        ("a.mp4", "--theme", "../locked/theme.yaml"),
        ("a.mp4", "--coco-ids", "../locked/labels.json", "-o", "out.json"),
    ],
    ids=" ".join,
)
def test_what_this_user_may_not_do_is_one_line(
    fork_server: ForkServer, places: Path, words: tuple[str, ...]
) -> None:
    done = fork_server.run(*words, cwd=places / "mine", user=65534, environment={"HOME": None})
    assert_orderly(done)
    assert done.returncode == 2, done
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) <= (1 if "list" in words[0] else 0), done.stderr
    assert len(done.stderr.splitlines()) == len(warnings) + 1, done.stderr
    assert len(list((places / "fixed").iterdir())) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
@pytest.mark.parametrize(
    "words", [("a.mp4",), ("b\udcff.mp4", "--profile", "p"), (".",)], ids=ascii
)
def test_nobody_without_a_home_gets_results(
    fork_server: ForkServer, places: Path, words: tuple[str, ...]
) -> None:
    """Also of files whose names are not UTF-8, and beside one that may not be read."""
    (places / "mine" / "c.mp4").touch(mode=0o200)
    (places / "mine" / "c.mp4").chmod(0)
    environment = {"HOME": None, "XDG_CACHE_HOME": "/proc/nothing", "USER": None, "LOGNAME": None}
    done = fork_server.run(
        *words,
        *("-o", "out.jsonl", "out.mp4"),
        cwd=places / "mine",
        user=65534,
        environment=environment,
    )
    assert_orderly(done)
    assert done.returncode == 0, done
    assert (places / "mine" / "out.jsonl").read_text(errors="replace").count("\n") >= 13


_SLOW_IMPORT = """
import os, sys, threading, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print("importing", flush=True)
            for _ in range(6000):  # a signal that comes just before a sleep is seen after it
                time.sleep(0.05)
sys.meta_path.insert(0, Slow())
sys.argv = ["run_stream.py", "demo"]
import run_stream
sys.exit(run_stream.main())
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
@pytest.mark.parametrize("first", [False, True])
def test_a_signal_during_the_imports_ends_it_without_a_word(
    number: int, code: int, first: bool
) -> None:
    """Also of process 1, to which signals that it does not handle are not delivered."""
    line = [sys.executable, "-c", _SLOW_IMPORT]
    if first:
        if os.geteuid() or subprocess.run(["unshare", "-pf", "true"], check=False).returncode:
            pytest.skip("only root may make a name space for processes")
        line = ["unshare", "-pf", "--kill-child", *line]
    process = subprocess.Popen(
        line, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "importing\n"
    target = process.pid
    if first:
        target = int(Path(f"/proc/{target}/task/{target}/children").read_text().split()[0])
    os.kill(target, number)
    _, errors = ended(process)
    assert (process.returncode, errors) == (code, "")


def test_a_closed_terminal_finishes_the_outputs(clip: Path, tmp_path: Path) -> None:
    """SIGHUP, and a terminal that answers EIO from then on."""
    main, terminal = os.openpty()
    record = tmp_path / "out.jsonl"
    long_clip = make_clip(tmp_path / "long.mp4", frames=2000)
    process = subprocess.Popen(
        command(long_clip, "-o", record, tmp_path / "out.mp4", engine="blank:0.02"),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    until(
        lambda: (
            process.poll() is not None or (record.exists() and record.read_text().count("\n") > 5)
        ),
        "frames are written",
    )
    assert process.poll() is None
    os.close(main)  # it is no controlling terminal: the signal comes from here
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=LIMIT_S) == 143
    frames = record.read_text().splitlines()[1:]
    assert len(read_numbers(tmp_path / "out.mp4")) == len(frames) >= 5


def test_a_run_says_all_in_json_and_leaves_standard_output_alone(
    fork_server: ForkServer, clip: Path, tmp_path: Path
) -> None:
    words = (clip, "-o", "out.jsonl", "--frames", "5", "-v", "--log-format", "json")
    done = fork_server.run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    *_, last = json_lines(done.stderr)
    assert (last["event"], last["frames"], last["level"]) == ("summary", 5, "info")
    assert str(last["message"]).startswith("5 frames in ")
    [source] = last["sources"]
    assert (source["source"], source["frames"]) == (str(clip), 5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.mp4", "--log-format", "json"], "gone.mp4"),
        (["demo", "--log-format=json", "--max-fps", "fast"], "--max-fps"),
    ],
)
def test_an_error_is_json_too_even_one_of_the_command_line(
    fork_server: ForkServer, tmp_path: Path, words: list[str], said: str
) -> None:
    done = fork_server.run(*words, cwd=tmp_path)
    [line] = json_lines(done.stderr)
    assert (done.returncode, line["level"]) == (2, "error")
    assert said in str(line["message"])


def test_a_source_that_is_lost_is_told_with_its_reason_and_no_password(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    words = ("rtsp://me:geheim@127.0.0.1:9/1", "-o", "a.jsonl", "--reconnect", "1", "-v")
    done = fork_server.run(*words, "--log-format", "json", cwd=tmp_path)
    found = json_lines(done.stderr)
    assert done.returncode == 2
    [lost] = [line for line in found if "reason" in line]
    assert (lost["source"], lost["level"]) == ("rtsp://127.0.0.1:9/1", "warning")
    assert "geheim" not in done.stderr
