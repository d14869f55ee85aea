"""A small web server that clients cannot harm."""

from __future__ import annotations

import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

logger = logging.getLogger(__name__)


class BoundedServer(ThreadingHTTPServer):
    """Answers in the background; each connection has a thread of its own.

    A connection beyond the limit is refused, a client that does not take anything for as long as
    the handler's `timeout` is dropped, and whatever else a client does is its own affair: nothing
    is printed, and the rest of the process does not notice.

    Attributes:
        port: Where it listens; the one that was found where 0 was asked for.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, host: str, port: int, handler: type[BaseHTTPRequestHandler], *, connections: int
    ) -> None:
        """Binds the address; `start` begins to answer.

        Args:
            host: Name or address of the interface.
            port: 0 for any that is free.
            handler: What answers a connection.
            connections: How many may be open at a time.

        Raises:
            OSError: The address cannot be bound.
        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._places = threading.BoundedSemaphore(connections)
        super().__init__((host, port), handler)
        self.port = int(self.server_address[1])

    def start(self, name: str) -> None:
        """Begins to answer, in a thread of that name."""
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.1}, name=name, daemon=True
        ).start()

    def stop(self) -> None:
        """Answers no new connection any more and gives the address back."""
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
        logger.debug("a client of the web server was dropped", exc_info=True)
