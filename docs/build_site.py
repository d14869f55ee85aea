"""Builds the documentation site: `python -m docs.build_site`, or `scripts/docs`.

Pages are those of docs/ and the project's own (CONTRIBUTING, CHANGELOG, ...). What the code knows
better than a person, such as flags and presets, is put in place of `<!-- generated: NAME -->`. A
warning of the builder, a link that leads nowhere and a page that cannot be reached from the front
are errors.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from docs.check_links import broken_links
from docs.generated import GENERATED

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "site"
# Pages that are not in docs/: by the name that they have on the site.
OUTSIDE = {
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "code-of-conduct.md": "CODE_OF_CONDUCT.md",
}
_PAGE_OF = {original: page for page, original in OUTSIDE.items()} | {"README.md": "index.md"}
_EXAMPLES = "examples.md"  # shows the files of examples/


def main() -> int:
    """Builds into `build/site/html`; returns 1 if something is wrong, which is then said."""
    pages = BUILD / "pages"
    shutil.rmtree(BUILD, ignore_errors=True)
    pages.mkdir(parents=True)
    for path in sorted((ROOT / "docs").rglob("*")):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            _lay(path, pages / path.relative_to(ROOT / "docs"))
    for name, original in OUTSIDE.items():
        _lay(ROOT / original, pages / name)
    (BUILD / "mkdocs.yml").write_text(
        yaml.safe_dump(_configuration(pages), sort_keys=False), encoding="utf-8"
    )
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    built = subprocess.run(
        [*command, "--config-file", str(BUILD / "mkdocs.yml")],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if built.returncode:
        sys.stderr.write(built.stdout + built.stderr)
        return 1
    problems = broken_links(BUILD / "html", front=BUILD / "html" / "index.html")
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    sys.stdout.write(f"{BUILD / 'html' / 'index.html'}\n")
    return 1 if problems else 0


def _lay(source: Path, target: Path) -> None:
    """Copies a file into the site; of a page, what it asks for is generated and its links into the
    repository lead to copies.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix != ".md":
        shutil.copyfile(source, target)
        return
    text = re.sub(
        r"<!-- generated: ([\w-]+) -->",
        lambda match: GENERATED[match[1]](),
        source.read_text(encoding="utf-8"),
    )
    text = re.sub(
        r"\]\((?!\w+:|#)([^)#\s]+)([^)\s]*)\)",
        lambda match: f"]({_moved(match[1], source, target)}{match[2]})",
        text,
    )
    target.write_text(text, encoding="utf-8")


def _moved(link: str, source: Path, target: Path) -> str:
    """Where a relative link of a page leads on the site."""
    linked = (source.parent / link).resolve().relative_to(ROOT)
    up = "../" * len(target.relative_to(BUILD / "pages").parent.parts)
    if linked.parts[:1] == ("docs",):
        return up + linked.relative_to("docs").as_posix()
    if linked.parts[:1] == ("examples",) and linked.suffix != ".ipynb":
        return up + _EXAMPLES
    if linked.name in _PAGE_OF:
        return up + _PAGE_OF[linked.name]
    copy = Path("files") / linked.with_name(linked.name + ("" if linked.suffix else ".txt"))
    (BUILD / "pages" / copy).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / linked, BUILD / "pages" / copy)
    return up + copy.as_posix()


def _configuration(pages: Path) -> dict[str, Any]:
    """docs/mkdocs.yml with the places of this machine, and with the pages that its contents do not
    name at their end.
    """
    text = (ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
    configuration: dict[str, Any] = yaml.safe_load(text)
    named = set(re.findall(r"[\w/-]+\.md", str(configuration["nav"])))
    more = [
        name
        for path in sorted(pages.rglob("*.md"))
        if (name := path.relative_to(pages).as_posix()) not in named
    ]
    if more:
        configuration["nav"].append({"More": more})
    (python,) = (
        plugin["mkdocstrings"]["handlers"]["python"]
        for plugin in configuration["plugins"]
        if isinstance(plugin, dict) and "mkdocstrings" in plugin
    )
    python["paths"] = [str(ROOT)]
    return configuration | {"docs_dir": "pages", "site_dir": "html"}


if __name__ == "__main__":
    sys.exit(main())
