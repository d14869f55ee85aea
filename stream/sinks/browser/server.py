"""The web server: one for each address, shared by all sources that name it."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler

from basics.http_server import BoundedServer
from configs.errors import SinkError
from stream.sinks.base import NEWS
from stream.sinks.browser.access import Access
from stream.sinks.browser.config import Address
from stream.sinks.browser.live_state import ShownSource

logger = logging.getLogger(__name__)

_MOST_CONNECTIONS = 128


class PageServer(BoundedServer):
    """Serves the page for the sources that were added."""

    def __init__(
        self, address: Address, token: str | None, handler: type[BaseHTTPRequestHandler]
    ) -> None:
        super().__init__(address.host, address.port, handler, connections=_MOST_CONNECTIONS)
        self.access = Access(address, token)
        self.shown: list[ShownSource] = []
        self.closing = threading.Event()
        self.users = 0
        self.address = Address(address.host, self.port)

    def stop(self) -> None:
        """Stops answering; connections that are open end within a second."""
        self.closing.set()
        super().stop()


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
            server.start("page server")
            logger.warning("live page: %s", server.address.url, extra=NEWS)
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
