"""What is written in the sources of this project."""

from __future__ import annotations

import ast
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
