"""What the documentation takes from the code: flags, presets, records, examples."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import higherhrnet_stream

from configs import load_keypoint_set, load_model_config, model_names
from configs.commands import command_parser
from configs.keypoint_set import keypoint_set_names
from configs.training import load_training_config, training_names
from configs.zoo import load_zoo
from stream.app import command
from stream.app.doctor import doctor_parser

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("archive", "engine", "training", "evaluation", "synthetic")
_SCHEMA = ROOT / "stream" / "schema" / "records.schema.json"


def stream_flags() -> str:
    """Every flag of `run_stream.py`, in the groups of its `--help`, and those of its commands."""
    return "\n".join(
        [
            *_groups(command.make_parser(), "## "),
            "## run_stream.py doctor",
            "",
            *_table(doctor_parser()._actions),
        ]
    )


def package_flags() -> str:
    """Every command of the packages, with its flags."""
    lines = []
    for package in _PACKAGES:
        module = importlib.import_module(f"{package}.__main__")
        parser = (
            command_parser(package, "", module.COMMANDS)
            if hasattr(module, "COMMANDS")
            else module.make_parser()
        )
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                helps = {choice.dest: choice.help for choice in action._choices_actions}
                for name, command in action.choices.items():
                    lines += [f"## python -m {package} {name}", "", f"{_cell(helps[name])}", ""]
                    lines += _table(command._actions)
    return "\n".join(lines)


def model_presets() -> str:
    """Every preset of a network."""
    zoo = load_zoo()
    rows = ["| `--model` | what it is | joints | input | weights |", "|---|---|---|---|---|"]
    for name in model_names():
        model = load_model_config(name)
        joints = len(load_keypoint_set(model.keypoint_set))
        fetched = "fetched" if zoo.fetchable(name) else "`--weights FILE`"
        weights = "in the package" if model.weights else fetched
        rows.append(
            f"| `{name}` | {_cell(model.description)} | {joints} | {model.input_size} px | "
            f"{weights} |"
        )
    return "\n".join(rows)


def other_presets() -> str:
    """Presets of trainings, sets of keypoints and themes."""
    lines = ["| `python -m training fit --config` | what for |", "|---|---|"]
    for name in training_names():
        lines.append(f"| `{name}` | {_cell(load_training_config(name).description)} |")
    lines += ["", "| keypoint set | joints, in order |", "|---|---|"]
    for name in keypoint_set_names():
        lines.append(f"| `{name}` | {', '.join(load_keypoint_set(name).names)} |")
    lines += ["", "| `--theme` |", "|---|"]
    themes = sorted(path.stem for path in (ROOT / "stream" / "render" / "themes").glob("*.yaml"))
    return "\n".join([*lines, *(f"| `{theme}` |" for theme in themes)])


def records() -> str:
    """The lines of a record, as their schema has them."""
    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    lines = []
    for name, kind in schema["$defs"].items():
        lines += [f"### {name}", "", "| key | type | what it is |", "|---|---|---|"]
        for key, value in kind["properties"].items():
            always = "" if key in kind["required"] else "; may be absent"
            said = value.get("description", "")
            lines.append(f"| `{key}` | {_type(value)}{always} | {_cell(said)} |")
        lines.append("")
    return "\n".join(lines)


def examples() -> str:
    """Every example with its first line above it."""
    lines = []
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        title = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0]
        lines += [f"## {path.name}", "", re.sub(r": python examples/.*", "", title), ""]
        lines += ["```python", text.rstrip(), "```", ""]
    return "\n".join(lines)


def other_names() -> str:
    """Names of the public API that nobody has put into a section yet."""
    page = (ROOT / "docs" / "lookup" / "api.md").read_text(encoding="utf-8")
    placed = set(re.findall(r"^::: higherhrnet_stream\.(\w+)$", page, re.MULTILINE))
    left = [name for name in higherhrnet_stream.__all__ if name not in {*placed, "__version__"}]
    return "\n\n".join(f"::: higherhrnet_stream.{name}" for name in left)


GENERATED: dict[str, Callable[[], str]] = {
    "stream-flags": stream_flags,
    "package-flags": package_flags,
    "model-presets": model_presets,
    "other-presets": other_presets,
    "records": records,
    "examples": examples,
    "other-names": other_names,
}
"""What a page can ask for with `<!-- generated: NAME -->`."""


def _groups(parser: argparse.ArgumentParser, heading: str) -> Iterator[str]:
    for group in parser._action_groups:
        if group._group_actions:
            yield from (f"{heading}{group.title}", "", *_table(group._group_actions), "")


def _table(actions: Sequence[argparse.Action]) -> Iterator[str]:
    shown = [action for action in actions if not isinstance(action, argparse._HelpAction)]
    if not shown:
        yield "No flags."
        return
    yield from ("| flag | value | what it does |", "|---|---|---|")
    for action in shown:
        names = ", ".join(f"`{name}`" for name in action.option_strings or [str(action.metavar)])
        value = "" if action.nargs == 0 or action.metavar is None else action.metavar
        value = " ".join(value) if isinstance(value, tuple) else value
        value = value if action.option_strings else ""
        yield f"| {names} | {_cell(value)} | {_cell((action.help or '').replace('%%', '%'))} |"
    yield ""


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return f"{value['$ref'].rsplit('/', 1)[1]}"
    if "const" in value:
        return f"`{value['const']}`"
    kind = value["type"]
    said = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{said} of {_type(value['items'])}" if "items" in value else said


def _cell(text: str | None) -> str:
    escaped = (text or "").replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"\{(\w+)\}", r"`{\1}`", escaped)
