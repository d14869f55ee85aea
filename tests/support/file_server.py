"""A server of one file that misbehaves as it is told to: ranges, cuts, wrong answers, redirects."""

from __future__ import annotations

import contextlib
import http.server
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.waiting import LIMIT_S, joined


@dataclass
class FileServer:
    """What is served, how, and what was asked for.

    content: the file, whatever its address. answers: how the next requests are answered, one
    after the other, then as they should be: a status such as 404; `cut N` ends the connection
    after N bytes of the body; `stall N` sends nothing more after N bytes; `page` is a web page with
    status 200; `whole` ignores ranges; `to URL` redirects; `claims N` announces N bytes.
    released: what stalls goes on to its end. ranges: the Range of every request, None without.
    """

    content: bytes
    url: str = ""
    answers: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def file_server(
    content: bytes, *answers: str, tls: ssl.SSLContext | None = None
) -> Iterator[FileServer]:
    """Serves `content` on loopback until the block ends, over https where `tls` is given."""
    served = FileServer(content, answers=list(answers))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    served.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.released.set()
        server.shutdown()
        server.server_close()
        joined(thread)


def _handler(served: FileServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            served.ranges.append(asked)
            served.paths.append(self.path)
            kind, _, rest = (served.answers.pop(0) if served.answers else "").partition(" ")
            if kind.isdigit():
                self.send_error(int(kind))
            elif kind == "page":
                page = b"<!DOCTYPE html><html>Please log in</html>"
                self._send(200, page, {"Content-Type": "text/html; charset=utf-8"})
            elif kind == "to":
                self._send(302, b"", {"Location": rest})
            else:
                self._send_file(None if kind == "whole" else asked, kind, rest)

        def _send_file(self, asked: str | None, kind: str, rest: str) -> None:
            found = re.fullmatch(r"bytes=(\d+)-", asked or "")
            begin, size = int(found[1]) if found else 0, len(served.content)
            if begin >= size > 0 and found:
                self._send(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            head = {"Content-Range": f"bytes {begin}-{size - 1}/{size}"} if found else {}
            if kind == "claims":
                head["Content-Length"] = rest
            limit = int(rest) if kind in ("cut", "stall") else None
            self._send(206 if found else 200, served.content[begin:], head, limit)
            if kind == "stall":
                served.released.wait(LIMIT_S)
                self.wfile.write(served.content[begin + int(rest) :])

        def _send(
            self, status: int, body: bytes, headers: dict[str, str], limit: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:limit])
            self.wfile.flush()

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # who asked has hung up
                super().handle()

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler
