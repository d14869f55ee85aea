"""The documentation site: what it takes from the code is the code's, and its links are followed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

import higherhrnet_stream

from configs import load_model_config, model_names
from configs.training import training_names
from docs.check_links import broken_links
from docs.generated import GENERATED
from engine.runtimes import RUNTIMES
from stream.app import command as stream_command

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FLAG = r"(?<![\w-])--[a-z][a-z-]*[a-z]"


def test_the_page_of_flags_and_the_help_name_the_same_flags() -> None:
    shown = stream_command.make_parser().format_help()
    page = GENERATED["stream-flags"]().partition("## run_stream.py doctor")[0]
    assert set(re.findall(FLAG, page)) | {"--help"} == set(re.findall(FLAG, shown))
    assert len(set(re.findall(FLAG, page))) > 40
    for group in re.findall(r"^(\w[\w ]+):$", shown, re.MULTILINE):
        assert group == "examples" or f"## {group}\n" in page


@pytest.mark.parametrize("called", ["/usr/bin/run-stream", "run_stream.py"])
def test_the_help_calls_the_program_as_whoever_asked_did(
    monkeypatch: pytest.MonkeyPatch, called: str
) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    shown = stream_command.make_parser().format_help()
    name, other = sorted(("run-stream", "run_stream.py"), key=lambda each: each not in called)
    assert shown.startswith(f"usage: {name} SOURCE")
    assert f"  {name} demo " in shown
    assert other not in shown


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "start.md"], ids=lambda p: p.name)
def test_flags_in_running_text_exist(page: Path) -> None:
    parsers = "".join(GENERATED[name]() for name in ("stream-flags", "package-flags"))
    known = set(re.findall(FLAG, parsers)) | {"--help", "--target", "--version"}
    named = set(re.findall(FLAG, page.read_text(encoding="utf-8")))
    assert named <= known, named - known


def test_presets_on_readme_site_and_command_line_are_the_same() -> None:
    page = GENERATED["model-presets"]()
    assert re.findall(r"^\| `(\w+)`", page, re.MULTILINE) == list(model_names())
    for name in model_names():
        assert load_model_config(name).description in page.replace("\\|", "|")
    others = GENERATED["other-presets"]()
    assert all(f"| `{name}` |" in others for name in training_names())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ((table),) = re.findall(r"^\| preset .*\n(?:\|.*\n)+", readme, re.MULTILINE)
    cells = "".join(row.split("|")[1] for row in table.splitlines()[2:])
    named = {name for name in re.findall(r"`(\w+)`", cells) if not name.endswith("_")}
    assert named <= set(model_names())
    assert "lite" in named
    shown = " ".join(stream_command.make_parser().format_help().split())
    assert all(name in shown for name in RUNTIMES)


def test_the_reference_has_every_name_of_the_public_api() -> None:
    page = (DOCS / "lookup" / "api.md").read_text(encoding="utf-8")
    assert "<!-- generated: other-names -->" in page
    page += GENERATED["other-names"]()
    named = re.findall(r"^::: higherhrnet_stream\.(\w+)$", page, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == set(higherhrnet_stream.__all__) - {"__version__"}


def test_the_contents_name_pages_that_are_there() -> None:
    contents = yaml.safe_load((DOCS / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    outside = {"contributing.md", "code-of-conduct.md", "security.md", "changelog.md"}
    named = set(re.findall(r"[\w/-]+\.md", str(contents))) - outside
    assert len(named) > 20
    assert all((DOCS / name).is_file() for name in named)


def test_every_example_and_every_key_of_a_record_is_on_its_page() -> None:
    examples = GENERATED["examples"]()
    for path in (ROOT / "examples").glob("*.py"):
        assert path.read_text(encoding="utf-8").strip() in examples
    assert {"`time_s`", "`people`", "`keypoint_names`", "`box`"} <= set(
        re.findall(r"`\w+`", GENERATED["records"]())
    )


def test_links_that_lead_nowhere_and_pages_that_nobody_reaches_are_found(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "index.html").write_text(
        '<a href="more/">m</a> <a href="more/#there">t</a> <a href="https://elsewhere">e</a>'
    )
    (tmp_path / "more" / "index.html").write_text('<h2 id="there">x</h2><a href="../">back</a>')
    front = tmp_path / "index.html"
    assert broken_links(tmp_path, front) == []
    (tmp_path / "alone.html").write_text('<img src="gone.png"><a href="more/#gone">g</a>')
    assert broken_links(tmp_path, front) == [
        "alone.html: gone.png leads nowhere",
        "alone.html: more/#gone leads to no place on its page",
        "alone.html: cannot be reached from the front",
    ]


def test_pictures_are_small_enough_for_a_repository() -> None:
    sizes = [path.stat().st_size for path in (DOCS / "images").iterdir()]
    assert sum(sizes) < 1.5 * 2**20
    assert max(sizes) < 300 * 2**10


def test_the_version_is_the_same_wherever_it_stands() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == higherhrnet_stream.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {higherhrnet_stream.__version__} " in changes


def test_every_issue_form_asks_for_what_doctor_says() -> None:
    forms = [
        path
        for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")
        if path.stem != "config"
    ]
    assert {path.stem for path in forms} == {"camera", "engine", "accuracy"}
    for path in forms:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))["body"]
        (asked,) = [field for field in body if field["id"] == "doctor"]
        assert asked["validations"]["required"]
        assert "run_stream.py doctor" in asked["attributes"]["description"]


def test_the_workflow_runs_what_ci_runs_on_every_python_that_is_supported() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    test = workflow["jobs"]["test"]
    assert test["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(10, 15)]
    assert ".ci/run" in [step.get("run") for step in test["steps"]]
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    for command in re.findall(
        r"^(?:docker run --rm pose:cpu|run-stream) (.+)$", "\n".join(steps), re.M
    ):
        if not command.startswith("doctor"):
            stream_command.parse(command.split())
    (build,) = [step for step in steps if step.startswith("docker build")]
    assert (ROOT / build.split()[build.split().index("-f") + 1]).is_file()
