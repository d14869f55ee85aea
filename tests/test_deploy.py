"""What lies in deploy/ fits the program: commands parse, metrics exist, files are where they are
mounted.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from archive import ClusterConfig
from archive.__main__ import make_parser
from configs.flags import from_namespace
from stream.app.command import Command, parse
from stream.monitoring.collector import PipelineCollector
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.workers import run_info
from tests.stream.pipeline.parts import CountedSource, MemorySink
from tests.support.blank_engine import BlankEngine
from tests.support.people import nobody

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
CONFIG = "/etc/pose-stream/cameras.yaml"


def parse_with_config(words: list[str]) -> Command:
    """What a command asks for, with the file of cameras that lies beside it."""
    assert CONFIG in words
    return parse([str(DEPLOY / "cameras.yaml") if word == CONFIG else word for word in words])


@pytest.fixture(scope="module")
def collector() -> Iterator[PipelineCollector]:
    """What is exported of a run."""
    pytest.importorskip("prometheus_client")
    engine = BlankEngine()
    with (
        CountedSource(5) as source,
        Pipeline([source], engine, nobody, sinks=[[MemorySink()]]) as pipeline,
    ):
        pipeline.run()
        yield PipelineCollector(pipeline, ["front"], run_info(engine))


@pytest.fixture(scope="module")
def exported(collector: PipelineCollector) -> dict[str, set[str]]:
    """The labels of every series that a run exports, by its name."""
    return {
        sample.name: set(sample.labels)
        for family in collector.collect()
        for sample in family.samples
    }


def queries() -> list[tuple[str, str, str]]:
    """File, query and legend of all that asks for metrics."""
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    found = [
        ("dashboard", target["expr"], target["legendFormat"])
        for panel in board["panels"]
        for target in panel["targets"]
    ]
    variables = board["templating"]["list"]
    found += [("dashboard", each["query"], "") for each in variables if each["type"] == "query"]
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    return found + [("alerts", rule["expr"], str(rule["annotations"])) for rule in rules]


def test_every_metric_that_is_asked_for_exists_with_its_labels(
    exported: dict[str, set[str]],
) -> None:
    asked = 0
    for where, query, legend in queries():
        for name, selector in re.findall(r"\b(pose_stream_\w+)(\{[^}]*\})?", query):
            assert name in exported, f"{where} asks for {name}"
            labels = set(re.findall(r"(?:\{\{|\$labels\.)\s*(\w+)", legend))
            labels |= set(re.findall(r"(\w+)(?:=~|!=|=)\"", selector))
            for group in re.findall(r"by \(([\w, ]+)\)", query):
                labels |= set(group.split(", "))
            unknown = labels - exported[name] - {"instance", "job"}
            assert not unknown, f"{where} asks for {unknown} of {name}"
            asked += 1
    assert asked > 12


def test_every_metric_is_on_the_page_and_the_page_names_no_others(
    exported: dict[str, set[str]],
) -> None:
    page = (ROOT / "docs" / "tasks" / "operate.md").read_text(encoding="utf-8")
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported}
    assert set(re.findall(r"\bpose_stream_\w+", page)) == families


def promtool(*words: str, said: bytes = b"") -> str:
    """What Prometheus' own tool complains of; empty where nothing is wrong."""
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool")
    found = subprocess.run(
        ["promtool", "check", *words], input=said, capture_output=True, check=False
    )
    assert bool(found.returncode) == bool(found.stderr), found
    return found.stderr.decode()


def test_prometheus_understands_what_it_is_asked_and_what_it_gets(
    collector: PipelineCollector, tmp_path: Path
) -> None:
    exposition: Any = pytest.importorskip("prometheus_client.exposition")
    assert promtool("config", str(DEPLOY / "prometheus.yml")) == ""
    assert promtool("metrics", said=exposition.generate_latest(collector)) == ""
    assert "total" in promtool("metrics", said=b"# HELP a b\n# TYPE a counter\na 1\n")
    rules = tmp_path / "rules.yml"
    asked = [query for where, query, _ in queries() if not query.startswith("label_values")]
    for end in ("", ")"):
        listed = [
            {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "1m") + end}
            for number, query in enumerate(asked)
        ]
        rules.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": listed}]}))
        assert ("parse error" in promtool("rules", str(rules))) == bool(end)


def test_panels_do_not_lie_over_each_other() -> None:
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_compose_file_starts_what_can_be_started_and_starts_it_again() -> None:
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        assert service["restart"] == "unless-stopped"
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            there = (
                (DEPLOY / source).is_file() if source[0] == "." else source in compose["volumes"]
            )
            assert there, f"{name} mounts {source}"
        for config in service.get("configs", []):
            yaml.safe_load(compose["configs"][config["source"]]["content"])
    pose = compose["services"]["pose"]
    command = parse_with_config(pose["command"])
    port = command.options["metrics"].metrics.port
    assert command.terminal.log_format == "json"
    assert f":{port}/healthz" in pose["healthcheck"]["test"][-1]
    targets = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert targets[0]["static_configs"][0]["targets"] == [f"pose:{port}"]
    dockerfile = (DEPLOY / pose["build"]["context"] / pose["build"]["dockerfile"]).read_text()
    assert f" AS {pose['build']['target']}\n" in dockerfile
    for extra in ("metrics", "mqtt"):
        assert re.search(rf'"\.\[[\w,]*\b{extra}\b', dockerfile), f"the image lacks {extra}"


def test_compose_understands_its_file() -> None:
    compose = pytest.importorskip("compose_spec").PyCompose
    text = (DEPLOY / "compose.yaml").read_text()
    read = compose.from_yaml(text)
    assert set(read.service_names()) == set(yaml.safe_load(text)["services"])
    with pytest.raises(ValueError, match="restrt"):
        compose.from_yaml(text.replace("restart: unless", "restrt: unless", 1))


def test_the_job_for_kubernetes_starts_a_command_that_parses() -> None:
    """Where KubeRay's types want something, it is there; Ray sees a whole worker in every pod."""
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(apiVersion: ray\.io/.*?)```", page, re.DOTALL)
    spec = yaml.safe_load(text)["spec"]
    words = shlex.split(spec["entrypoint"])
    assert words[:3] == ["python", "-m", "archive"]
    workers = from_namespace(ClusterConfig, make_parser().parse_args(words[3:]))
    cluster = spec["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"] == workers.workers
    for each in (cluster["headGroupSpec"], group):
        assert all(isinstance(value, str) for value in each["rayStartParams"].values())
        (container,) = each["template"]["spec"]["containers"]
    limits = container["resources"]["limits"]
    assert (limits["cpu"], limits["nvidia.com/gpu"]) == (str(workers.cores), f"{workers.gpus:g}")


def test_the_unit_starts_a_command_that_parses() -> None:
    unit = (DEPLOY / "pose-stream.service").read_text()
    (words,) = re.findall(r"^ExecStart=\S+/run-stream (.*)$", unit, re.MULTILINE)
    command = parse_with_config(shlex.split(words))
    assert str(command.options["metrics"].metrics) == "127.0.0.1:9464"


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    unit = tmp_path / "pose-stream.service"
    text = (DEPLOY / "pose-stream.service").read_text()
    unit.write_text(text.replace("/opt/pose-stream/bin/run-stream", sys.executable))
    found = verify(unit)
    assert (found.returncode, found.stderr) == (0, "")
    unit.write_text(text.replace("RestartSec=10", "RestartSecs=10"))
    assert "RestartSecs" in verify(unit).stderr, "a mistake would be seen"


def verify(unit: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
