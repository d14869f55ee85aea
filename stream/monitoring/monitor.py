"""Metrics, health and readiness of a run over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, cast

from basics.http_server import BoundedServer
from basics.packages import import_package
from configs.errors import SinkError
from configs.units import HostPort
from stream.monitoring.collector import INSTALL, PipelineCollector
from stream.monitoring.health import Health, Verdict
from stream.pipeline.pipeline import Pipeline
from stream.sinks import RunInfo

logger = logging.getLogger(__name__)

_MOST_CONNECTIONS = 16
_REQUEST_S = 10.0


class Monitor:
    """Serves `/metrics`, `/healthz` and `/readyz` while entered, from before the model is loaded.

    with Monitor(HostPort("127.0.0.1", 9464)) as monitor:
        monitor.watch(pipeline, labels, run)
        pipeline.run(lambda progress: monitor.look())

    Attributes:
        health: What the probes are answered with.
        address: Where it serves, once it is entered.
    """

    def __init__(self, address: HostPort) -> None:
        """Nothing is served before it is entered.

        Args:
            address: Where to listen.

        Raises:
            RuntimeUnavailableError: `prometheus_client` is not installed.
        """
        self._prometheus = import_package("prometheus_client", INSTALL, "--metrics")
        self._registry = self._prometheus.CollectorRegistry()
        self._prometheus.ProcessCollector(registry=self._registry)
        self._server: _Server | None = None
        self.address = address
        self.health = Health()

    def watch(self, pipeline: Pipeline, labels: Sequence[str], run: RunInfo) -> None:
        """Tells of this run from now on.

        Args:
            pipeline: What is looked at.
            labels: What its sources are called, without secrets.
            run: What makes the people.
        """
        self._registry.register(PipelineCollector(pipeline, labels, run))
        self.health.watch(pipeline, labels)

    def look(self) -> None:
        """Sees how far the run is; to be called about ten times a second."""
        self.health.look()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the form that suits the header `accept`, and what that form is called."""
        encode, kind = self._prometheus.exposition.choose_encoder(accept)
        return encode(self._registry), str(kind)

    def __enter__(self) -> Monitor:
        """Raises SinkError if the address cannot be served."""
        try:
            self._server = _Server(self)
        except OSError as error:
            raise SinkError(
                f"cannot serve metrics at '{self.address}': {error.strerror or error}"
            ) from error
        self.address = HostPort(self.address.host, self._server.port)
        self._server.start("metrics server")
        logger.info("metrics: http://%s/metrics", self.address)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()


class _Server(BoundedServer):
    """The server of a monitor."""

    def __init__(self, monitor: Monitor) -> None:
        address = monitor.address
        super().__init__(address.host, address.port, _Requests, connections=_MOST_CONNECTIONS)
        self.monitor = monitor


class _Requests(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "pose-stream"
    sys_version = ""
    timeout = _REQUEST_S

    def do_GET(self) -> None:
        monitor = cast(_Server, self.server).monitor
        path = self.path.partition("?")[0]
        if path == "/metrics":
            content, kind = monitor.exposition(self.headers.get("Accept", ""))
            self._reply(200, content, kind)
        elif path == "/healthz":
            self._answer(monitor.health.alive())
        elif path == "/readyz":
            self._answer(monitor.health.ready())
        else:
            self._reply(404, b"/metrics, /healthz, /readyz\n")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Requests go to the debug log, without what a client put into them."""
        logger.debug("request from %s", self.client_address[0])

    def _answer(self, verdict: Verdict) -> None:
        self._reply(200 if verdict.well else 503, f"{verdict.text}\n".encode())

    def _reply(self, code: int, content: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
