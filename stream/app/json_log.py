"""Log lines as JSON objects, one a line, for log collectors."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from configs.errors import redact_url
from stream.pipeline.summary import Summary

logger = logging.getLogger(__name__)


class JsonHandler(logging.Handler):
    """Log records as JSON objects on standard error, without credentials of URLs.

    Keys: `time` (UTC), `level`, `logger`, `message`; `exception` where there was one; and what the
    record has as `extra={"data": {...}}`, such as `source` and `state`.
    """

    def emit(self, record: logging.LogRecord) -> None:
        data = dict(getattr(record, "data", {}))
        if record.exc_info:
            data["exception"] = redact_url(logging.Formatter().formatException(record.exc_info))
        level = record.levelname.lower()
        _write(record.created, level, record.name, record.getMessage(), data)


def log_as_json(level: int) -> None:
    """From now on all that is logged, warned of or raised and not caught is a JSON object a line.

    Args:
        level: What is below it is left out.
    """
    logging.basicConfig(level=level, handlers=[JsonHandler()], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda found: _uncaught(
        found.exc_type, found.exc_value, found.exc_traceback
    )


def tell_as_json(
    level: str, message: str, name: str = __name__, data: dict[str, Any] | None = None
) -> None:
    """One such line, whatever level is logged.

    Args:
        level: As logging calls it, in lower case.
        message: What people read.
        name: Who says it.
        data: More keys.
    """
    _write(time.time(), level, name, message, data or {})


def summary_data(summary: Summary) -> dict[str, Any]:
    """What a run came to, as keys of a log line."""
    return {
        "event": "summary",
        "elapsed_s": round(summary.elapsed_s, 3),
        "frames": summary.frames,
        "people": summary.people,
        "drops": summary.drops,
        "latency_p50_ms": round(summary.latency_ms.p50, 3),
        "latency_p95_ms": round(summary.latency_ms.p95, 3),
        "sources": [
            {
                "source": source.name,
                **({"name": source.label} if source.label else {}),
                "frames": source.frames,
                "state": source.health.state,
                "reconnects": source.health.reconnects,
            }
            for source in summary.sources
        ],
    }


def _uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if error is not None and not issubclass(kind, KeyboardInterrupt):
        logger.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))


def _write(created_s: float, level: str, name: str, message: str, data: dict[str, Any]) -> None:
    """What is logged must not end the thread that logs it, where nobody reads it any more."""
    line = {
        "time": datetime.fromtimestamp(created_s, timezone.utc).isoformat(timespec="milliseconds"),
        "level": level,
        "logger": name,
        "message": redact_url(message),
        **data,
    }
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
            sys.stderr.flush()
