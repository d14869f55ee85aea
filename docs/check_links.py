"""Follows every link of a built site, and tells which lead nowhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Written by the builder for whatever address was not found; nothing leads there.
_UNREACHED = {"404.html"}


class Page(HTMLParser):
    """A page of HTML.

    Attributes:
        links: What it links to or shows, as it is written.
        anchors: The places in it that can be linked to.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {"", "__top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def broken_links(site: Path, front: Path) -> list[str]:
    """What is wrong with the links of a site; empty if nothing is.

    Args:
        site: The folder that was built. Addresses of other sites are not asked.
        front: The page from which every other must be reached.

    Returns:
        A line for every link to a file or an anchor that is not there, and for every page that
        cannot be reached.
    """
    site, front = site.resolve(), front.resolve()
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if path.name not in _UNREACHED
    }
    problems: list[str] = []
    leads_to: dict[Path, set[Path]] = {}
    for path, page in pages.items():
        leads_to[path] = set()
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = _file(site, path, unquote(parts.path))
            leads_to[path].add(target)
            here = path.relative_to(site).as_posix()
            if not target.is_file():
                problems.append(f"{here}: {link} leads nowhere")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                problems.append(f"{here}: {link} leads to no place on its page")
    reached, new = {front}, {front}
    while new:
        new = {target for path in new for target in leads_to.get(path, ())} - reached
        reached |= new
    problems += [
        f"{path.relative_to(site).as_posix()}: cannot be reached from the front"
        for path in pages.keys() - reached
    ]
    return problems


def _file(site: Path, page: Path, path: str) -> Path:
    """The file that an address on a page names."""
    if not path:
        return page
    target = (site / path.lstrip("/") if path.startswith("/") else page.parent / path).resolve()
    return target / "index.html" if target.is_dir() else target
