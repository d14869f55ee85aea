"""What the web server answers."""

from __future__ import annotations

import json
import logging
import socket
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from stream.render.config import OVERLAYS
from stream.sinks.browser.access import CHANGE_HEADER
from stream.sinks.browser.live_state import ShownSource
from stream.sinks.browser.server import PageServer

logger = logging.getLogger(__name__)

_PAGE = Path(__file__).parent / "page"
# The only files there are: a path is looked up here and never opened.
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/login": ("login.html", "text/html; charset=utf-8"),
    "/login.js": ("login.js", "text/javascript; charset=utf-8"),
}
_OPEN_TO_ALL = ("/login", "/login.js", "/page.css", "/api/login")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LARGEST_BODY = 4096
_REQUEST_S = 10.0
_STATE_PERIOD_S = 0.25
# The kernel would otherwise hold megabytes, seconds of images, for a slow client.
_SEND_BUFFER = 128 * 1024
_SLOWEST_S = 15.0
_BOUNDARY = "pose-stream-image"


class PageRequests(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "pose-stream"
    sys_version = ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"
    timeout = _REQUEST_S

    @property
    def _page(self) -> PageServer:
        return cast(PageServer, self.server)

    def do_GET(self) -> None:
        """Files of the page, state, images and records."""
        path, query = self._admitted()
        if path is None:
            return
        if path in _FILES:
            name, kind = _FILES[path]
            self._reply(200, (_PAGE / name).read_bytes(), kind)
        elif path == "/api/state":
            self._reply_json(self._state())
        elif path == "/api/events":
            self._stream_events()
        elif path == "/api/records":
            self._with_source(query, self._stream_records)
        elif path == "/video":
            self._with_source(query, self._stream_video)
        elif path == "/image":
            self._with_source(query, self._send_image)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Log in, record, toggle overlays."""
        body = self._body()
        if body is None:
            return
        path, query = self._admitted()
        if path is None:
            return
        header = self.headers.get
        if not self._page.access.may_change(
            header(CHANGE_HEADER, ""), header("Origin", ""), header("Host", "")
        ):
            self.send_error(403)
        elif path == "/api/login":
            self._log_in(body)
        elif path == "/api/record":
            self._with_source(query, lambda shown: self._record(shown, body))
        elif path == "/api/overlay":
            self._with_source(query, lambda shown: self._overlay(shown, body))
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests go to the debug log, without what a client put into them."""
        logger.debug("request from %s", self.client_address[0])

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A short reply that repeats nothing of the request; the connection ends."""
        self.close_connection = True
        reason = self.responses.get(code, ("error",))[0]
        self._reply(code, f"{code} {reason}\n".encode(), self.error_content_type)

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def _admitted(self) -> tuple[str | None, dict[str, list[str]]]:
        """Path and query of a request that may be answered; no path where it has been refused
        already.
        """
        header = self.headers.get
        try:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, max_num_fields=8)
        except ValueError:
            self.send_error(400)
            return None, {}
        if not self._page.access.names_us(header("Host", "")):
            self.send_error(421)
            return None, {}
        if parts.path in _OPEN_TO_ALL or self._page.access.admits(
            header("Authorization", ""), header("Cookie", "")
        ):
            return parts.path, query
        if parts.path == "/":
            self.send_response(303)
            self.send_header("Location", "/login")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send_error(401)
        return None, {}

    def _body(self) -> dict[str, Any] | None:
        """The JSON object that was sent; None where the request has been refused already."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not (length.isascii() and length.isdigit()):
            self.send_error(400)
            return None
        if int(length) > _LARGEST_BODY:
            self.send_error(413)
            return None
        try:
            body = json.loads(self.rfile.read(int(length)) or b"{}")
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            self.send_error(400)
            return None
        return body

    def _with_source(self, query: dict[str, list[str]], answer: Any) -> None:
        number = query.get("source", ["0"])[0]
        shown = self._page.shown
        if number.isascii() and number.isdigit() and len(number) < 5 and int(number) < len(shown):
            answer(shown[int(number)])
        else:
            self.send_error(404)

    def _state(self) -> dict[str, Any]:
        return {"sources": [shown.live.state() for shown in self._page.shown]}

    def _log_in(self, body: dict[str, Any]) -> None:
        if not self._page.access.knows(str(body.get("token", ""))):
            time.sleep(0.5)  # guessing one after the other takes a while
            self.send_error(401)
            return
        self.send_response(204)
        self.send_header("Set-Cookie", self._page.access.cookie)
        self.end_headers()

    def _record(self, shown: ShownSource, body: dict[str, Any]) -> None:
        shown.record_wanted = body.get("on") is True
        self._reply_json({"recording": shown.record_wanted})

    def _overlay(self, shown: ShownSource, body: dict[str, Any]) -> None:
        if shown.controls is None:
            self.send_error(404)
            return
        overlay = body.get("overlay")
        if overlay not in OVERLAYS:
            self.send_error(400)
            return
        renderer = shown.controls.renderer
        renderer.options = renderer.options.toggled(overlay)
        self._reply_json({"done": True})

    def _send_image(self, shown: ShownSource) -> None:
        shown.live.watch(1)
        try:
            latest = shown.live.next_jpeg(shown.live.jpeg_number, 2.0)
        finally:
            shown.live.watch(-1)
        if latest is None:
            self.send_error(503)
        else:
            self._reply(200, latest[1], "image/jpeg")

    def _stream_video(self, shown: ShownSource) -> None:
        self._begin_stream(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        number = 0
        shown.live.watch(1)
        try:
            while not self._page.closing.is_set():
                latest = shown.live.next_jpeg(number, 1.0)
                if latest is not None:
                    number, jpeg = latest
                    head = (
                        f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                        f"Content-Length: {len(jpeg)}\r\n\r\n"
                    )
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
        finally:
            shown.live.watch(-1)

    def _stream_records(self, shown: ShownSource) -> None:
        self._begin_stream("text/event-stream")
        number = 0
        while not self._page.closing.is_set():
            latest = shown.live.next_record(number, 1.0)
            if latest is not None:
                number, record = latest
            self.wfile.write(
                f"data: {record}\n\n".encode() if latest is not None else b": nothing new\n\n"
            )

    def _stream_events(self) -> None:
        self._begin_stream("text/event-stream")
        while True:
            self.wfile.write(f"data: {json.dumps(self._state())}\n\n".encode())
            if self._page.closing.wait(_STATE_PERIOD_S):
                return

    def _begin_stream(self, kind: str) -> None:
        self.close_connection = True
        self.connection.settimeout(_SLOWEST_S)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()

    def _reply_json(self, content: dict[str, Any]) -> None:
        self._reply(200, json.dumps(content).encode(), "application/json")

    def _reply(self, code: int, content: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
