"""The web server: one for each address, shared by all sources that name it."""

from __future__ import annotations

import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from configs.errors import SinkError
from stream.sinks.browser.access import Access
from stream.sinks.browser.config import Address
from stream.sinks.browser.live_state import ShownSource

logger = logging.getLogger(__name__)

_MOST_CONNECTIONS = 128


class PageServer(ThreadingHTTPServer):
    """Serves the page for the sources that were added; each connection has a thread of its own.

    A connection beyond the limit is refused, a client that does not take anything for a while is
    dropped, and whatever else a client does is its own affair: nothing is printed, and the pipeline
    does not notice.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, address: Address, token: str | None, handler: type[BaseHTTPRequestHandler]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self.access = Access(address, token)
        self.shown: list[ShownSource] = []
        self.closing = threading.Event()
        self.users = 0
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__((address.host, address.port), handler)
        self.address = Address(address.host, self.server_address[1])

    def start(self) -> None:
        """Begins to answer."""
        threading.Thread(
            target=self.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="page server",
            daemon=True,
        ).start()

    def stop(self) -> None:
        """Stops answering; connections that are open end within a second."""
        self.closing.set()
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a client of the page was dropped", exc_info=True)


_SERVERS: dict[tuple[str, int], PageServer] = {}
_SERVERS_LOCK = threading.Lock()


def join_server(
    address: Address, token: str | None, handler: type[BaseHTTPRequestHandler]
) -> PageServer:
    """The server at `address`, started with `handler` for its connections if there is none yet.

    Raises:
        SinkError: Nothing can be served at this address.
    """
    with _SERVERS_LOCK:
        server = _SERVERS.get((address.host, address.port)) if address.port else None
        if server is None:
            try:
                server = PageServer(address, token, handler)
            except OSError as error:
                raise SinkError(
                    f"cannot serve a page at {address.url!r}: {error.strerror or error}"
                ) from error
            _SERVERS[server.address.host, server.address.port] = server
            server.start()
            logger.warning("live page: %s", server.address.url)
        server.users += 1
        return server


def leave_server(server: PageServer) -> None:
    """Stops the server when nobody uses it any more."""
    with _SERVERS_LOCK:
        server.users -= 1
        if server.users:
            return
        _SERVERS.pop((server.address.host, server.address.port), None)
    server.stop()
