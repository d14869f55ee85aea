"""Files on web servers whose connections break."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from configs import SourceError
from stream.sources import open_source
from tests.support.media import make_clip, read_number

FRAMES = 120


@contextmanager
def breaking_server(
    content: bytes, *, breaks: int, comes_back: bool = True
) -> Iterator[tuple[str, list[int]]]:
    """Serves `content`, but closes the first `breaks` connections after a third of it; gives the
    address, and where each answer began. Otherwise it answers 503 from then on.
    """
    begins: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            begin = int(match[1]) if match else 0
            begins.append(begin)
            if len(begins) > breaks and not comes_back:
                self.send_error(503)
                return
            self.send_response(206 if match else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(content) - begin))
            self.send_header("Content-Type", "video/mp4")
            if match:
                self.send_header(
                    "Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}"
                )
            self.end_headers()
            rest = content[begin:]
            broken = len(begins) <= breaks
            self.wfile.write(rest[: len(content) // 3] if broken else rest)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the reader has seen enough
                super().handle()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/clip.mp4", begins
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("web") / "clip.mp4"
    make_clip(
        path,
        frames=FRAMES,
        width=320,
        height=240,
        codec="mpeg4",
        options={"qscale": "1"},
        container_options={"movflags": "faststart"},
    )
    return path.read_bytes()


def test_a_download_that_breaks_off_is_taken_up_again(content: bytes) -> None:
    with breaking_server(content, breaks=2) as (url, begins), open_source(url) as source:
        assert [read_number(frame.image) for frame in source] == list(range(FRAMES))
        assert not source.live
    assert max(begins) > len(content) // 4


def test_a_download_that_cannot_be_taken_up_again_is_an_error(content: bytes) -> None:
    with breaking_server(content, breaks=1, comes_back=False) as (url, _):
        with open_source(url) as source:
            frames = 0
            with pytest.raises(SourceError, match=r"ends early: \d+ frames of 120.*connection"):
                for _ in source:
                    frames += 1
        assert 0 < frames < FRAMES
