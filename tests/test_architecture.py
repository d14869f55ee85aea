"""The layers of docs/design.md: an import goes down, or stays inside its package."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from setuptools import find_packages

from tests.support.sources import import_graph, imports

ROOT = Path(__file__).resolve().parents[1]
LAYER_OF = {
    "archive": 6,
    "run_stream": 6,
    "higherhrnet_stream": 5,
    "stream": 4,
    "training": 4,
    "evaluation": 4,
    "synthetic": 4,
    "engine": 3,
    "grouping": 3,
    "keypoint_datasets": 2,
    "basics": 1,
    "configs": 0,
}
# The steps sideways, each taken inside a function: validation while training, and the command that
# builds engines, which hands grouping to the package that measures parity without knowing it.
SIDEWAYS = {"training": "evaluation", "engine/commands/verify.py": "grouping"}
# The layers inside a package, the lowest first: a part imports parts of lower layers and itself.
LAYERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "keypoint_datasets": (
        ("images", "masks", "results"),
        ("labels",),
        ("coco",),
        ("dataset",),
        ("__init__",),
    ),
    "grouping": (
        ("assignment", "maps", "people", "suppression"),
        ("adjustment", "candidates", "tiles"),
        ("matching", "peaks", "refinement"),
        ("grouper",),
        ("__init__",),
    ),
    "evaluation": (
        ("metrics",),
        ("measuring",),
        ("report",),
        ("commands",),
        ("__main__", "__init__"),
    ),
    "training": (
        ("augmentation", "checkpoints", "optimizer", "processes", "schedule", "targets"),
        ("losses",),
        ("dataset", "scalars"),
        ("pictures", "sampling", "validation"),
        ("correction",),
        ("run",),
        ("trainer",),
        ("fit",),
        ("__main__", "__init__"),
    ),
    "engine": (
        ("geometry", "zoo"),
        ("maps",),
        ("checkpoints", "networks"),
        ("onnx",),
        ("runtimes",),
        ("model_source",),
        ("verify", "multi_view", "config"),
        ("build", "slots"),
        ("estimator",),
        ("commands",),
        ("__main__", "__init__"),
    ),
    "archive": (
        ("units", "config"),
        ("storage", "parts", "parquet", "schedule", "scratch"),
        ("inputs", "manifest", "join", "progress", "cutting"),
        ("worker", "report"),
        ("workers",),
        ("driver", "ray_workers"),
        ("command",),
        ("__init__", "__main__"),
    ),
    "stream": (
        ("frame", "backoff", "estimator"),
        ("sources", "tracking", "render"),
        ("sinks",),
        ("pipeline",),
        ("profile", "monitoring"),
        ("named_source",),
        ("assembly",),
        ("api",),
        ("app",),
        ("__init__",),
    ),
}
LATE = {
    *(
        "torch",
        "tensorrt",
        "tensorrt_rtx",
        "pycuda",
        "torch2trt",
        "openvino",
        "onnxruntime",
        "onnx",
    ),
    *("pycocotools", "matplotlib", "trackeval", "scipy", "nncf", "pynvml", "nvtx"),
    *("supervision", "prometheus_client", "paho", "ray", "fsspec", "s3fs", "pyarrow"),
}


def modules() -> list[Path]:
    packages = [path for name in LAYER_OF if (path := ROOT / name).is_dir()]
    return [
        ROOT / "run_stream.py",
        ROOT / "higherhrnet_stream.py",
        *(file for package in packages for file in sorted(package.rglob("*.py"))),
    ]


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_an_import_goes_down_or_stays_in_its_package(path: Path) -> None:
    package, name = package_of(path), path.relative_to(ROOT).as_posix()
    for other in imports(path) & LAYER_OF.keys() - {package}:
        sideways = other in (SIDEWAYS.get(package), SIDEWAYS.get(name)) and other not in imports(
            path, top_level_only=True
        )
        assert LAYER_OF[other] < LAYER_OF[package] or sideways, f"{name} imports {other}"


def graph(package: str) -> dict[str, set[str]]:
    return import_graph([path for path in modules() if package_of(path) == package], ROOT)


@pytest.mark.parametrize("package", [name for name in LAYER_OF if (ROOT / name).is_dir()])
def test_no_module_imports_itself_through_others(package: str) -> None:
    try:
        TopologicalSorter(graph(package)).prepare()
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("package", LAYERS)
def test_an_import_inside_a_package_goes_down_its_layers(package: str) -> None:
    layer = {part: level for level, parts in enumerate(LAYERS[package]) for part in parts}
    for name, others in graph(package).items():
        part = name.split(".")[1] if "." in name else "__init__"
        assert part in layer, f"{name} is in no layer"
        for other in others:
            below = other.split(".")[1] if "." in other else "__init__"
            assert below == part or layer[below] < layer[part], f"{name} imports {other}"


@pytest.mark.parametrize("package", ["configs", "grouping", "stream", "archive"])
def test_a_core_package_imports_no_optional_package_at_its_top(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        early = imports(path, top_level_only=True) & LATE
        assert not early, f"{path.relative_to(ROOT)} imports {early} at its top"


def test_a_start_imports_neither_torch_nor_what_few_runs_need() -> None:
    """Requests and rich were a seventh of the time that `--help` took."""
    code = """if True:
        import grouping, engine, stream, higherhrnet_stream, run_stream, stream.app.command, sys
        print({"torch", "requests", "rich"} & sys.modules.keys())"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert said.stdout == b"set()\n"


def test_every_package_is_installed() -> None:
    roots = [name for name in LAYER_OF if (ROOT / name).is_dir()]
    packaged = set(find_packages(str(ROOT), include=[f"{root}*" for root in roots]))
    for folder in sorted({path.parent for path in modules()} - {ROOT}):
        assert ".".join(folder.relative_to(ROOT).parts) in packaged, f"{folder} has no __init__.py"
