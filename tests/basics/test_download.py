"""What is downloaded is whole, checked and there once, whatever server and disk do."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from basics.download import CHUNK_BYTES, download
from configs import FetchError
from tests.support.commands import ENVIRONMENT, ROOT
from tests.support.file_server import FileServer, file_server
from tests.support.waiting import LIMIT_S, TooSlow, joined, measured, until

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PREFIX = SHA256[:8]
Serve = Callable[..., FileServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers of CONTENT that end with the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda *answers, tls=None: stack.enter_context(
            file_server(CONTENT, *answers, tls=tls)
        )


def fetch(server: FileServer, path: Path, sha256: str = PREFIX, timeout_s: float = LIMIT_S) -> None:
    download(f"{server.url}/weights.pth", path, sha256, pause_s=0.01, timeout_s=timeout_s)


def refusal(
    server: FileServer, path: Path, sha256: str = PREFIX, timeout_s: float = LIMIT_S
) -> str:
    """The line that says why; neither the file nor anything that a run would use is there."""
    with pytest.raises(FetchError) as caught:
        fetch(server, path, sha256, timeout_s)
    assert not path.exists()
    assert str(caught.value).startswith(f"cannot fetch {server.url}/weights.pth: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


@pytest.mark.parametrize("sha256", [PREFIX, SHA256])
def test_a_file_comes_whole_and_only_once(serve: Serve, tmp_path: Path, sha256: str) -> None:
    server, path = serve(), tmp_path / "cache" / "weights.pth"

    fetch(server, path, sha256)
    fetch(server, path, sha256)

    assert path.read_bytes() == CONTENT
    assert server.ranges == [None]
    assert not partial(path).exists()


def test_a_cut_connection_goes_on_where_it_ended(serve: Serve, tmp_path: Path) -> None:
    cut = 10 * CHUNK_BYTES
    server, path = serve(f"cut {cut}", f"cut {cut}", "503"), tmp_path / "weights.pth"

    fetch(server, path)

    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={cut}-", f"bytes={2 * cut}-", f"bytes={2 * cut}-"]


def test_what_an_earlier_process_got_is_not_fetched_again(serve: Serve, tmp_path: Path) -> None:
    server, path = serve(), tmp_path / "weights.pth"
    partial(path).write_bytes(CONTENT[:700_000])

    fetch(server, path)

    assert path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=700000-"]


def test_a_file_that_was_complete_before_the_rename_is_taken(serve: Serve, tmp_path: Path) -> None:
    server, path = serve(), tmp_path / "weights.pth"
    partial(path).write_bytes(CONTENT)

    fetch(server, path)

    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("older", [b"another file" * 1000, CONTENT + b"more"])
def test_half_of_another_file_is_thrown_away(serve: Serve, tmp_path: Path, older: bytes) -> None:
    server, path = serve(), tmp_path / "weights.pth"
    partial(path).write_bytes(older)

    fetch(server, path)

    assert path.read_bytes() == CONTENT
    assert server.ranges[0] is not None and server.ranges[-1] is None


def test_a_server_without_ranges_sends_it_all_again(serve: Serve, tmp_path: Path) -> None:
    server, path = serve("cut 500000", "whole"), tmp_path / "weights.pth"

    fetch(server, path)

    assert path.read_bytes() == CONTENT
    assert len(server.ranges) == 2


def test_a_wrong_hash_is_refused_and_nothing_is_kept(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"

    message = refusal(serve(), path, "8ae85183")

    assert f"its SHA-256 begins with {PREFIX}, not 8ae85183" in message
    assert not partial(path).exists()


@pytest.mark.parametrize(
    "answers, expected, requests",
    [
        (["404"], "the server answers 404 Not Found", 1),
        (["403"], "the server answers 403 Forbidden", 1),
        (["page"], "a web page came instead of the file", 1),
        (["500"] * 9, "the server answers 500 Internal Server Error", 3),
        (["cut 0"] * 9, "the connection broke off", 3),
        (["stall 0"] * 9, "the server sent nothing for 0.1 s", 3),
    ],
)
def test_what_a_server_does_wrong_is_one_line(
    serve: Serve, tmp_path: Path, answers: list[str], expected: str, requests: int
) -> None:
    server = serve(*answers)

    limit_s = 0.1 if "stall 0" in answers else LIMIT_S
    assert expected in refusal(server, tmp_path / "weights.pth", timeout_s=limit_s)
    until(lambda: len(server.ranges) >= requests, "all requests are counted")
    assert len(server.ranges) == requests


def test_a_page_that_calls_itself_a_file_is_still_a_page(tmp_path: Path) -> None:
    with file_server(b"\n<html>Please log in</html>") as server:
        assert "a web page came instead" in refusal(server, tmp_path / "weights.pth")


def test_a_slow_server_is_waited_for_as_long_as_it_sends(serve: Serve, tmp_path: Path) -> None:
    server, path = serve("stall 400000"), tmp_path / "weights.pth"
    threading.Timer(0.3, server.released.set).start()

    fetch(server, path)

    assert path.read_bytes() == CONTENT
    assert server.ranges == [None]


@measured
def test_a_server_that_stops_sending_is_asked_again(serve: Serve, tmp_path: Path) -> None:
    server, path = serve(f"stall {12 * CHUNK_BYTES}"), tmp_path / "weights.pth"

    fetch(server, path, timeout_s=0.2)

    assert path.read_bytes() == CONTENT
    if server.ranges[:1] == [None] and len(server.ranges) == 2:
        begin = int(str(server.ranges[1]).removeprefix("bytes=").removesuffix("-"))
        if begin < 12 * CHUNK_BYTES:
            raise TooSlow("what had come was not read within 0.2 s")
    assert server.ranges == [None, f"bytes={12 * CHUNK_BYTES}-"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, which nobody has signed; its key lies beside it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command, to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext"
    key = path.with_name("key.pem")
    subprocess.run(
        [openssl, *words.split(), "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


def test_a_redirect_to_https_is_followed_and_its_certificate_is_checked(
    serve: Serve,
    tls: ssl.SSLContext,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = serve(tls=tls)
    here, path = serve(*[f"to {there.url}/elsewhere"] * 2), tmp_path / "weights.pth"

    assert "certificate is not trusted; SSL_CERT_FILE" in refusal(here, path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    fetch(here, path)

    assert path.read_bytes() == CONTENT
    assert there.paths == ["/elsewhere"]


def test_a_redirect_to_http_is_not_followed(serve: Serve, tmp_path: Path) -> None:
    there = serve()
    here = serve(f"to {there.url}/weights.pth")

    assert "which is not https" in refusal(here, tmp_path / "weights.pth")
    assert there.ranges == []


@pytest.mark.parametrize("url", ["http://192.0.2.1/a.pth", "ftp://127.0.0.1/a.pth", "file:///a"])
def test_only_https_and_this_machine_are_asked(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="only https:// is used"):
        download(url, tmp_path / "a.pth", PREFIX)


def test_nobody_there_and_no_network_are_told_apart(serve: Serve, tmp_path: Path) -> None:
    with file_server(CONTENT) as gone:
        pass
    assert "connection refused" in refusal(gone, tmp_path / "weights.pth")
    with pytest.raises(FetchError, match="its host cannot be found: is there a network"):
        download("https://weights.invalid/a.pth", tmp_path / "a.pth", PREFIX)


def test_a_proxy_of_the_environment_is_used_and_its_refusal_is_told(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve("403")
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:secret@"))

    with pytest.raises(FetchError, match="the proxy does not let it through") as caught:
        download("https://weights.invalid/a.pth", tmp_path / "a.pth", PREFIX)

    assert "secret" not in str(caught.value)


def test_credentials_of_a_mirror_are_used_and_not_shown(serve: Serve, tmp_path: Path) -> None:
    server = serve("404")
    url = server.url.replace("//", "//user:secret@") + "/weights.pth"

    with pytest.raises(FetchError, match="404") as caught:
        download(url, tmp_path / "weights.pth", PREFIX)

    assert "***@127.0.0.1" in str(caught.value) and "secret" not in str(caught.value)


def test_a_full_disk_is_one_line_and_gets_its_space_back(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    partial(path).symlink_to("/dev/full")

    assert "No space left on device" in refusal(serve(), path)
    assert not partial(path).is_symlink()


def test_a_file_that_cannot_fit_is_not_begun(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"

    assert "it takes 100000000000 MB more, and" in refusal(serve(f"claims {10**17}"), path)
    assert not partial(path).exists()


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that may not be written, for root neither: as somebody else."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_cache_that_may_not_be_written_is_one_line(serve: Serve, read_only: Path) -> None:
    message = refusal(serve(), read_only / "weights" / "weights.pth")

    assert f"'{read_only}/weights': Permission denied" in message


def test_what_is_in_a_cache_that_may_not_be_written_is_used(serve: Serve, read_only: Path) -> None:
    server = serve()
    fetch(server, read_only.parent)  # it exists: nobody is asked
    assert server.ranges == []


def test_two_processes_at_once_fetch_once(serve: Serve, tmp_path: Path) -> None:
    server, path = serve("stall 200000"), tmp_path / "weights.pth"
    code = "from basics.download import *; from pathlib import Path; import logging\n"
    code += f"logging.basicConfig(); download({server.url!r} + '/weights.pth', "
    code += f"Path({str(path)!r}), {PREFIX!r}, timeout_s={LIMIT_S})"

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    both = [start(), start()]
    waiting: list[str] = []

    def listen(process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            waiting.append(line)
            server.released.set()  # one has begun, and the other has found that out

    threads = [threading.Thread(target=listen, args=(process,)) for process in both]
    for thread in threads:
        thread.start()
    codes = [process.wait(LIMIT_S) for process in both]
    joined(*threads)
    for process in both:
        assert process.stderr is not None
        process.stderr.close()

    assert codes == [0, 0]
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None]
    assert len(waiting) == 1
    assert "another process is fetching weights.pth, which is waited for" in waiting[0]


def test_a_process_that_is_killed_leaves_what_the_next_one_goes_on_with(
    serve: Serve, tmp_path: Path
) -> None:
    server, path = serve(f"stall {12 * CHUNK_BYTES}"), tmp_path / "weights.pth"
    code = "from basics.download import *; from pathlib import Path\n"
    code += f"download({server.url!r} + '/weights.pth', Path({str(path)!r}), {PREFIX!r}, "
    code += f"timeout_s={LIMIT_S})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT)
    until(
        lambda: partial(path).exists() and partial(path).stat().st_size >= 12 * CHUNK_BYTES,
        "the first of it came",
    )
    process.kill()
    process.wait()
    had = partial(path).stat().st_size
    assert not path.exists()

    fetch(server, path)

    assert path.read_bytes() == CONTENT
    assert had >= 12 * CHUNK_BYTES
    assert server.ranges == [None, f"bytes={had}-"]
