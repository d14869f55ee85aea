"""Servers that tests talk to: real sockets, real media, on loopback."""

from __future__ import annotations

import http.server
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import cv2
import pytest

from tests.support.media import numbered_image
from tests.support.waiting import joined

RTSP_SCRIPT = Path(__file__).with_name("rtsp_server.py")


def free_port() -> int:
    """A port that nobody uses at the moment, and that nobody is given who asks the kernel for one
    or connects to somebody, so that it is still free when it is used.
    """
    for port in random.SystemRandom().sample(range(16_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@contextmanager
def tcp_server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Calls `answer` with every connection, in a thread; gives the port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        open_connections: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                open_connections.append(connection)
                threading.Thread(target=_answer, args=(answer, connection), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in open_connections:
                connection.close()
            joined(thread)


def _answer(answer: Callable[[socket.socket], None], connection: socket.socket) -> None:
    try:
        answer(connection)
    except OSError:
        pass  # the test hung up
    finally:
        connection.close()


@contextmanager
def web_server(folder: Path, *, encrypted: bool = False) -> Iterator[str]:
    """Serves the files in `folder`, and an MJPEG stream of numbered images at /camera; gives the
    address.

    encrypted: with a certificate that nobody but the server has signed, as cameras have it.
    """

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/camera":
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for index in range(1000):
                _, image = cv2.imencode(".jpg", numbered_image(index, 96, 64))
                head = (
                    f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
                )
                try:
                    self.wfile.write(head.encode() + image.tobytes() + b"\r\n")
                except OSError:
                    return
                time.sleep(0.02)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(folder))
    )
    server.daemon_threads = True
    if encrypted:
        server.socket = self_signed().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if encrypted else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        joined(thread)


def self_signed() -> ssl.SSLContext:
    """What a server needs for TLS, made by the openssl command; skips the test without it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command, to make a certificate")
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        make = [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=camera",
        ]
        subprocess.run(
            [openssl, *make, "-keyout", key, "-out", certificate], check=True, capture_output=True
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    return context


class RtspServer:
    """GStreamer's RTSP server in a process of its own, which can be killed, frozen and started
    again.
    """

    def __init__(self, clip: Path, *, user: str = "") -> None:
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/clip"
        self._command = [
            system_python(),
            str(RTSP_SCRIPT),
            str(self.port),
            str(clip),
            *(["--user", user] if user else []),
        ]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as when somebody pulls the plug."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


def system_python() -> str:
    """The interpreter that Debian's GStreamer bindings belong to; skips the test where they are not
    installed.
    """
    python = shutil.which("python3", path="/usr/bin")
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    if (
        python is None
        or subprocess.run([python, "-c", check], capture_output=True, check=False).returncode
    ):
        pytest.skip(
            "needs Debian's gir1.2-gst-rtsp-server-1.0 and python3-gi: there is no RTSP server to "
            "talk to"
        )
    return python
