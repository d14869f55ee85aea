"""A relay in front of a server that cuts connections in mid-sentence, or makes the server slow."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType


class CutProxy:
    """Relays to a port of this machine; every second connection is cut after `after` bytes, until
    `cuts` were. Without `cuts`, only `cut_all` cuts. Nothing passes in the first `delay_s`.

    cut: how many were so far.
    """

    def __init__(self, port: int, *, after: int = 0, cuts: int = 0, delay_s: float = 0) -> None:
        self.cut = 0
        self._target = port
        self._after = after
        self._cuts = cuts
        self._delay_s = delay_s
        self._count = 0
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> CutProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for each in self._open:
            each.close()

    def cut_all(self) -> None:
        """Cuts every connection that is open; new ones are let through."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.cut += 1

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._open += [client, server]
            self._count += 1
            budget = [self._after] if self._count % 2 else [1 << 60]
            for source, target in ((client, server), (server, client)):
                threading.Thread(
                    target=self._relay, args=(source, target, budget), daemon=True
                ).start()

    def _relay(self, source: socket.socket, target: socket.socket, budget: list[int]) -> None:
        time.sleep(self._delay_s)
        with suppress(OSError):
            while data := source.recv(512):
                with self._lock:
                    budget[0] -= len(data)
                    if budget[0] < 0 and self.cut < self._cuts:
                        self.cut += 1
                        break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
