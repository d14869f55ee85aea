"""What is written in the sources of this project."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """The packages that a file imports, wherever it does, by their first name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.iter_child_nodes(tree) if top_level_only else ast.walk(tree)
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def dotted(path: Path, root: Path) -> str:
    """What a module below `root` is called in an import."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def import_graph(paths: Iterable[Path], root: Path) -> dict[str, set[str]]:
    """Every module of `paths`, and the others of them that it imports, wherever it does; but for
    types alone.
    """
    files = {dotted(path, root): path for path in paths}
    edges: dict[str, set[str]] = {}
    for name, path in files.items():
        found = edges.setdefault(name, set())
        for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= members & files.keys() or {node.module} & files.keys()
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names} & files.keys()
    return edges


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Everything below, but for what stands under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _statements(child)
