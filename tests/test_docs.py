"""What the pages say can be followed: links lead somewhere, commands parse, figures say where they
come from.
"""

from __future__ import annotations

import ast
import importlib
import io
import re
import shlex
import sys
import tokenize
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import higherhrnet_stream

from configs import ConfigError
from configs.commands import command_parser
from configs.flags import from_namespace
from stream.app import command as stream_command
from stream.app.doctor import parse_doctor

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
PERFORMANCE = ROOT / "docs" / "performance.md"
PACKAGES = ("archive", "engine", "training", "evaluation", "synthetic")
ELIDED = "..."  # the rest of a command that running text does not repeat


class Command(NamedTuple):
    """A command line on a page: its words, without the shell's. whole: it can be run as it stands,
    from a block of code.
    """

    page: str
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def fenced(text: str) -> Iterator[str]:
    """Lines of shell in fenced blocks, continued ones joined."""
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if kind in ("", "sh", "bash", "console"):
            yield from block.replace("\\\n", " ").splitlines()


def inline(text: str) -> list[str]:
    """Code in running text and in tables."""
    return re.findall(
        r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    )


def split_commands(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line of shell, at pipes and `&&`, without comments, prompts and
    redirections.
    """
    try:
        lexer = shlex.shlex(
            re.sub(r"\s\d?[<>]{1,2}\s*\S+", "", line.removeprefix("$ ")),
            posix=True,
            punctuation_chars="|&;",
        )
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return  # a quotation mark of prose
    command: list[str] = []
    for word in [*words, ";"]:
        if word and set(word) <= set("|&;"):
            if command:
                yield tuple(command)
            command = []
        else:
            command.append(word)


def commands(page: Path) -> Iterator[Command]:
    text = page.read_text(encoding="utf-8")
    for whole, lines in ((True, fenced(text)), (False, inline(text))):
        for line in lines:
            for words in split_commands(line):
                yield Command(page.name, words, whole)


def every(kind: Callable[[tuple[str, ...]], bool]) -> list[Command]:
    return sorted({command for page in PAGES for command in commands(page) if kind(command.words)})


def is_stream(words: tuple[str, ...]) -> bool:
    return len(words) > 1 and (
        words[0] in ("run_stream.py", "run-stream") or words[:2] == ("python", "run_stream.py")
    )


def is_package(words: tuple[str, ...]) -> bool:
    return len(words) > 3 and words[:2] == ("python", "-m") and words[2] in PACKAGES


def is_benchmark(words: tuple[str, ...]) -> bool:
    return len(words) > 2 and words[:2] == ("python", "-m") and words[2].startswith("benchmarks.")


def is_docker(words: tuple[str, ...]) -> bool:
    return words[:2] in (("docker", "build"), ("docker", "run"))


def parse(command: Command) -> None:
    """Raises ConfigError for flags that do not exist or values that cannot be; for what is missing
    only if it is whole.
    """
    words = command.words
    # `coco ...` leaves the rest out, `--records ...` leaves out a value
    words = tuple(
        word
        for index, word in enumerate(words)
        if word != ELIDED or words[index - 1].startswith("--")
    )
    try:
        if is_stream(words):
            parse_stream(words[2 if words[0] == "python" else 1 :])
        else:
            parse_package(words[2], words[3:])
    except SystemExit as left:
        assert left.code == 0  # --help
    except ConfigError as error:
        if command.whole or not re.search("must be given|no SOURCE given", str(error)):
            raise


def parse_stream(arguments: Sequence[str]) -> None:
    if arguments[:1] in (["doctor"], ("doctor",)):
        parse_doctor(arguments[1:])
    else:
        cameras = str(ROOT / "deploy" / "cameras.yaml")
        stream_command.parse([cameras if word == "cameras.yaml" else word for word in arguments])


def parse_package(package: str, arguments: Sequence[str]) -> None:
    module = importlib.import_module(f"{package}.__main__")
    if hasattr(module, "COMMANDS"):
        parsed = command_parser(package, "", module.COMMANDS).parse_args(arguments)
        from_namespace(module.COMMANDS[parsed.command].config, parsed)
    else:
        module.make_parser().parse_args(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"(https?|mailto):", target):
            path, _, anchor = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), f"{page.name} links to {target}"
            if anchor:
                headings = re.findall(
                    r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE
                )
                slugs = {
                    re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
                    for heading in headings
                }
                assert anchor in slugs, f"{page.name} links to {target}"


@pytest.mark.parametrize(
    "command", every(lambda words: is_stream(words) or is_package(words)), ids=str
)
def test_every_command_parses(command: Command) -> None:
    parse(command)


@pytest.mark.parametrize("command", every(is_benchmark), ids=str)
def test_every_benchmark_is_there_with_its_flags(command: Command) -> None:
    path = ROOT / Path(*command.words[2].split(".")).with_suffix(".py")
    assert path.is_file()
    for flag in {*command.words[3:]} - {"--help"}:
        assert not flag.startswith("--") or f'"{flag}"' in path.read_text(encoding="utf-8"), (
            f"{path.name} has no {flag}"
        )


@pytest.mark.parametrize("command", every(is_docker), ids=str)
def test_docker_commands_fit_the_dockerfiles(command: Command) -> None:
    words = list(command.words)
    if words[1] == "run":
        image = next(index for index, word in enumerate(words) if word.startswith("pose:"))
        parse_stream(words[image + 1 :])
        return
    dockerfile = (ROOT / words[words.index("-f") + 1]).read_text(encoding="utf-8")
    if "--target" in words:
        assert f" AS {words[words.index('--target') + 1]}\n" in dockerfile
    for index, word in enumerate(words):
        if word == "--build-arg":
            assert f"\nARG {words[index + 1].partition('=')[0]}=" in dockerfile


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_pages_needs_the_public_api_alone(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                assert node.module in {*sys.stdlib_module_names, "higherhrnet_stream", "numpy"}
                if node.module == "higherhrnet_stream":
                    assert {alias.name for alias in node.names} <= set(higherhrnet_stream.__all__)
            elif isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= {*sys.stdlib_module_names, "cv2"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_extras_and_scripts_that_are_named_exist(page: Path) -> None:
    text, setup = page.read_text(encoding="utf-8"), (ROOT / "setup.py").read_text(encoding="utf-8")
    for extra in re.findall(r"pip install [^\n]*\.\[([\w,]+)\]", text):
        assert all(f'"{name}":' in setup for name in extra.split(",")), extra
    assert not re.search(r"pip install[^\n`]*[\s=]\.\[", text), (
        "zsh, a Mac's shell, needs quotes there"
    )
    for script in re.findall(r"(?:^|[`\s])scripts/([\w-]+)", text):
        assert (ROOT / "scripts" / script).is_file(), script


def tables(page: Path) -> Iterator[list[list[str]]]:
    """The tables of a page as rows of cells, the header first, the line below it left out."""
    for block in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE):
        rows = [
            [cell.strip() for cell in row.strip().strip("|").split("|")]
            for row in block.splitlines()
        ]
        yield [rows[0], *rows[2:]]


def test_every_figure_has_its_hardware_its_command_and_its_day() -> None:
    counted = 0
    for header, *rows in tables(PERFORMANCE):
        if "figure" not in header:
            continue
        for row in rows:
            cells = dict(zip(header, row, strict=True))
            counted += 1
            assert cells["hardware"], row
            assert re.fullmatch(r"\d{4}-\d\d-\d\d|TO-MEASURE", cells["date"]), row
            assert (cells["figure"] == "TO-MEASURE") == (cells["date"] == "TO-MEASURE"), row
            named = [words for code in inline(cells["command"]) for words in split_commands(code)]
            assert any(
                is_stream(words) or is_package(words) or is_benchmark(words) for words in named
            ), row
            for words in named:
                if is_stream(words) or is_package(words):
                    parse(Command(PERFORMANCE.name, words, whole=True))
    assert counted > 10


def test_every_published_figure_has_its_source() -> None:
    published = [table for table in tables(PERFORMANCE) if "published" in table[0]]
    rows = [dict(zip(header, row, strict=True)) for header, *table in published for row in table]
    assert rows
    for row in rows:
        assert row["what was measured"] and row["published"], row
        assert re.search(r"\]\(https://[^)]+\)", row["source"]), row


SOURCES = sorted(
    path
    for pattern in ("*.py", "configs/**/*.yaml", "scripts/*", "docker/*")
    for path in (ROOT.rglob(pattern) if pattern == "*.py" else ROOT.glob(pattern))
    if path.is_file() and not path.relative_to(ROOT).parts[0].startswith(".")
)


def flat(path: Path) -> str:
    """The text of a file without line ends, indentation and the marks of comments."""
    return re.sub(r"\s+(?:#+\s+)?", " ", path.read_text(encoding="utf-8"))


def test_what_the_code_cites_can_be_read_in_the_repository() -> None:
    headings = set(
        re.findall(
            r"^##+ (\d(?:\.\d)?) ", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE
        )
    )
    cited = 0
    for path in [*PAGES, *SOURCES]:
        text = flat(path)
        if path != Path(__file__).resolve():
            outside = re.search(r"shared/reference|shared reference|\breference/\w+\.md", text)
            assert outside is None, f"{path.relative_to(ROOT)} cites {outside and outside[0]!r}"
        for section in re.findall(r"docs/reference\.md, section (\d(?:\.\d)?)", text):
            assert section in headings, f"{path.relative_to(ROOT)} cites section {section}"
            cited += 1
    assert cited > 15


def prose(path: Path) -> str:
    """What a file says to people: a page all of it, a source its comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    if path.suffix != ".py":
        return "\n".join(re.findall(r"#.*", text))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    said = [token.string for token in tokens if token.type == tokenize.COMMENT]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    return "\n".join([*said, *(ast.get_docstring(node) or "" for node in nodes)])


def test_every_path_of_the_repository_that_pages_and_comments_name_is_there() -> None:
    folders = "|".join(path.name for path in ROOT.iterdir() if re.match(r"\w+$", path.name))
    named = re.compile(rf"(?<![\w/.\-{{*<$=])(?:{folders})(?:/[\w.-]+)+")
    seen = 0
    for path in [*PAGES, *SOURCES]:
        for place in named.findall(prose(path)):
            seen += 1
            place = place.rstrip(".")
            known = place == "tests/PACKAGE" or any(
                (root / f"{place}{suffix}").exists()
                for root in (ROOT, ROOT / "tests" / "golden")
                for suffix in ("", ".py")
            )
            assert known, f"{path.relative_to(ROOT)} names {place}, which is not there"
    assert seen > 200


def test_every_place_that_contributors_are_sent_to_is_there() -> None:
    (table,) = [table for table in tables(ROOT / "CONTRIBUTING.md") if "to change" in table[0]]
    places = [code for _, cell in table[1:] for code in inline(cell)]
    paths = [code for code in places if "/" in code]
    assert len(table) > 10 and len(paths) > 20
    for path in paths:
        assert (ROOT / path).exists(), path
    assert {code for code in places if "/" not in code} == {
        "Sink",
        "Source",
        "Runtime",
        "...Config",
    }
    for name in ("Sink", "Source", "Runtime"):
        (row,) = [row for row in table if f"`{name}`" in row[1]]
        home = next(code for code in inline(row[1]) if code.endswith("base.py"))
        assert f"class {name}" in (ROOT / home).read_text(encoding="utf-8")


def test_the_checks_see_commands_and_find_mistakes() -> None:
    line = (
        "cat clip.mkv | python run_stream.py - --policy latest -o out.mp4 2> log   "
        "# a comment with 'quotes' | and pipes"
    )
    assert list(split_commands(line)) == [
        ("cat", "clip.mkv"),
        ("python", "run_stream.py", "-", "--policy", "latest", "-o", "out.mp4"),
    ]
    with pytest.raises(ConfigError, match="--runtimes"):
        parse_stream(["clip.mp4", "--runtimes", "torch"])
    with pytest.raises(ConfigError, match="--sizs"):
        parse_package("evaluation", ["speed", "--source", "clip.mp4", "--sizs", "256"])
    assert len(every(is_stream)) > 10 and len(every(is_package)) > 10
