"""How the code is laid out: the same counts for any number of checkouts, side by side.

    git worktree add /elsewhere/before COMMIT
    python -m benchmarks.structure /elsewhere/before .

Counted are the packages and the modules beside them, without tests, benchmarks, examples and
scripts of setuptools. The parts of a package are its modules and its inner packages.
"""

from __future__ import annotations

import argparse
import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from tests.support.sources import dotted, import_graph

_LEFT_OUT = {"tests", "benchmarks", "examples", "setup"}
_COLUMNS = 100
_API = "higherhrnet_stream"


class Tree:
    """One checkout.

    Attributes:
        root: Its folder.
        graph: Every module by its dotted name, and the modules that it imports.
        lines: Every module by its dotted name, and its lines.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        inside = [path for init in root.glob("*/__init__.py") for path in init.parent.rglob("*.py")]
        paths = [
            path
            for path in sorted([*inside, *root.glob("*.py")])
            if path.relative_to(root).parts[0].removesuffix(".py") not in _LEFT_OUT
        ]
        self._files = {dotted(path, root): path for path in paths}
        self.graph = import_graph(paths, root)
        self.lines = {
            name: path.read_text(encoding="utf-8").splitlines()
            for name, path in self._files.items()
        }
        self._statements = [
            (name.split(".")[0], node.module)
            for name, path in self._files.items()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module
        ]

    @property
    def packages(self) -> list[str]:
        """The outermost packages by name."""
        return sorted(name for name in self._files if "." not in name and self._is_package(name))

    def _is_package(self, name: str) -> bool:
        return self._files[name].name == "__init__.py"

    def sizes(self, package: str = "") -> list[int]:
        """Lines of every module with content of its own: without an `__init__` of one line."""
        return [
            len(lines)
            for name, lines in self.lines.items()
            if (not package or name.split(".")[0] == package) and len(lines) > 1
        ]

    def largest_folder(self) -> tuple[int, str]:
        """How many modules stand in the fullest folder, and its name."""
        counts: dict[str, int] = defaultdict(int)
        for path in self._files.values():
            if path.name != "__init__.py":
                counts[path.parent.relative_to(self.root).as_posix()] += 1
        return max((count, name) for name, count in counts.items())

    def folders(self) -> dict[str, set[str]]:
        """Every folder, and the folders whose modules its modules import."""
        edges: dict[str, set[str]] = defaultdict(set)
        for name, others in self.graph.items():
            edges[self._folder(name)] |= {self._folder(other) for other in others}
        return {name: others - {name} for name, others in edges.items()}

    def _folder(self, name: str) -> str:
        return self._files[name].parent.relative_to(self.root).as_posix()

    def parts(self, package: str) -> dict[str, set[str]]:
        """Every part of a package but its `__init__`, and the parts that its modules import."""
        edges: dict[str, set[str]] = defaultdict(set)
        for name, others in self.graph.items():
            first, _, rest = name.partition(".")
            if first == package and rest:
                part = rest.split(".")[0]
                edges[part] |= {
                    other.split(".")[1] for other in others if other.startswith(f"{package}.")
                } - {part}
        return dict(edges)

    def past_the_face(self, package: str) -> tuple[int, int]:
        """Statements elsewhere that import a package, and those of them that reach inside it."""
        imported = [
            module
            for importer, module in self._statements
            if importer != package and module.split(".")[0] == package
        ]
        return len(imported), sum("." in module for module in imported)

    def public_names(self) -> int:
        """Names that users are to import: those of the API, or else of all packages together."""
        faces = [_API] if _API in self._files else self.packages
        return sum(len(_exported(self._files[name])) for name in faces)


def circles(graph: dict[str, set[str]]) -> int:
    """How many groups of nodes reach each other in a circle (strong components)."""
    reached = {node: _reached(graph, node) for node in graph}
    groups = {
        frozenset(other for other in reached[node] if node in reached.get(other, ()))
        for node in graph
    }
    return sum(len(group) > 1 for group in groups)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        for other in graph.get(todo.pop(), set()) - found:
            found.add(other)
            todo.append(other)
    return found


def _exported(path: Path) -> list[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def _arrows(graph: dict[str, set[str]]) -> int:
    return sum(map(len, graph.values()))


def count(tree: Tree) -> dict[str, str]:
    """Every count by what is counted."""
    sizes = tree.sizes()
    longest = max((len(lines), name) for name, lines in tree.lines.items())
    lines = [line for module in tree.lines.values() for line in module]
    count_there, fullest = tree.largest_folder()
    rows = {
        "modules": f"{len(tree.lines)}",
        "lines": f"{len(lines)}",
        "lines over 100 columns": f"{sum(len(line) > _COLUMNS for line in lines)}",
        "longest module": f"{longest[0]} ({longest[1]})",
        "median module": f"{median(sizes):.0f}",
        "modules under 50 lines": f"{sum(size < 50 for size in sizes)}",
        "modules in the fullest folder": f"{count_there} ({fullest})",
        "folders": f"{len(tree.folders())}",
        "arrows between folders": f"{_arrows(tree.folders())}",
        "circles of modules": f"{circles(tree.graph)}",
        "public names": f"{tree.public_names()}",
    }
    for package in tree.packages:
        parts = tree.parts(package)
        whole, inside = tree.past_the_face(package)
        rows[f"`{package}`"] = (
            f"{len(parts)} parts, {_arrows(parts)} arrows, {circles(parts)} circles; "
            f"median {median(tree.sizes(package)):.0f}; {inside} of {whole} imports reach inside"
        )
    return rows


def table(counted: Iterable[tuple[str, dict[str, str]]]) -> str:
    """Markdown: a row per count, a column per tree."""
    columns = dict(counted)
    names = list(dict.fromkeys(name for rows in columns.values() for name in rows))
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name in names:
        cells = [rows.get(name, "–") for rows in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.structure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="*", default=[Path()], help="checkouts")
    folders = parser.parse_args().folder
    print(table((str(folder), count(Tree(folder.resolve()))) for folder in folders))


if __name__ == "__main__":
    main()
