"""Where metrics are served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from configs.flags import option
from configs.units import HostPort, parse_host_port


@dataclass(frozen=True, kw_only=True)
class MetricsConfig:
    """Where metrics are served.

    Attributes:
        metrics: The address of `/metrics`, `/healthz` and `/readyz`; None serves nothing. Whoever
            can reach it can read numbers and the names of sources, and nothing else.
    """

    TITLE: ClassVar[str] = "metrics"

    metrics: HostPort | None = option(
        None,
        metavar="HOST:PORT",
        parse=parse_host_port,
        help="serve Prometheus metrics at /metrics, and /healthz and /readyz (extra: metrics)",
    )
