"""A simulation of Windows: what only POSIX has is taken away from a process before it imports
anything of ours. It says nothing of Windows itself, where none of this has run.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from tests.support.commands import ENVIRONMENT, ROOT
from tests.support.media import make_clip, read_numbers
from tests.support.servers import tcp_server

_WITHOUT = """
import os, select, signal, sys
# Other people's packages are those of this platform, and have to find what they expect.
import av, cv2, filelock, multiprocessing, numba, numpy, platformdirs, subprocess, tempfile, yaml

class Absent:
    names = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}

    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for name in Absent.names:
    sys.modules.pop(name, None)
# SIGKILL stays: this platform's own `subprocess` needs it.
for name in (
    "SIGALRM", "SIGCHLD", "SIGHUP", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXFSZ", "alarm",
    "getitimer", "pthread_kill", "pthread_sigmask", "setitimer", "sigpending", "siginterrupt",
    "sigtimedwait", "sigwait", "sigwaitinfo",
):
    delattr(signal, name)
for name in (
    "chown", "chroot", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid",
    "getloadavg", "getpgid", "getpriority", "getsid", "getuid", "initgroups", "killpg", "lchown",
    "mkfifo", "mknod", "nice", "openpty", "pread", "pwrite", "readv", "sched_getaffinity",
    "sched_getparam", "sched_getscheduler", "sched_setaffinity", "sched_setscheduler", "sendfile",
    "setgid", "setpriority", "setsid", "setuid", "statvfs", "sync", "sysconf", "writev",
):
    delattr(os, name)
os.supports_dir_fd = os.supports_fd = frozenset()

def refuse(*arguments):
    raise OSError("an operation was attempted on something that is not a socket")

real_select = select.select
select.select = lambda r, w, x, *rest: (
    real_select(r, w, x, *rest) if all(hasattr(each, "recv") for each in [*r, *w]) else refuse()
)
"""


def run_without(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that has nothing of POSIX."""
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT + code, *map(str, arguments)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


_COMMAND = "import tests.support.fixture_command as command; sys.exit(command.main())\n"


def test_a_video_becomes_a_video_and_a_record(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=12)
    outputs = tmp_path / "out.mp4", tmp_path / "out.jsonl", tmp_path / "out.json"
    done = run_without(_COMMAND, "blank", clip, "-o", *outputs, "--profile", tmp_path / "p")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert len(read_numbers(outputs[0])) == 12
    assert len(outputs[1].read_text().splitlines()) == 13
    assert (tmp_path / "p").exists()


_IMPORT_ALL = """
import importlib, pkgutil
import run_stream, higherhrnet_stream
for package in ("basics", "configs", "keypoint_datasets", "grouping", "engine", "stream"):
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # a package that is not installed here
            if error.name in Absent.names:
                raise
sys.exit(run_stream.main(["missing.mp4"]))
"""


def test_every_module_is_imported_and_bad_input_is_one_line() -> None:
    done = run_without(_IMPORT_ALL)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


_RELAY = """
import runpy, subprocess
from stream.sinks import relay

# The process that talks to the server is one of this kind, too.
real = subprocess.Popen
def start(line, **choices):
    code = f"{WITHOUT}\\nimport runpy; runpy.run_path({line[1]!r}, run_name='__main__')"
    return real([line[0], "-c", code], **choices)
subprocess.Popen = start
relay._PATIENCE_S = 0.1
"""


def test_a_stream_whose_server_never_answers_is_one_line(tmp_path: Path) -> None:
    clip, hold = make_clip(tmp_path / "clip.mp4", frames=12), threading.Event()
    code = f"WITHOUT = {_WITHOUT!r}\n{_RELAY}{_COMMAND}"
    with tcp_server(lambda connection: bool(hold.wait(300))) as port:
        words = ("blank", clip, "-o", f"rtmp://me:geheim@127.0.0.1:{port}/live/x")
        done = run_without(code, *words, tmp_path / "out.jsonl")
        hold.set()
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].endswith("no answer within 0.1 s"), done.stderr
    assert "geheim" not in done.stderr and "Traceback" not in done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 13
