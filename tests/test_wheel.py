"""The wheel holds what users run, and runs alone; so does the one that is built from the sdist."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import higherhrnet_stream

from configs import model_names

ROOT = Path(__file__).resolve().parents[1]
INFO = f"higherhrnet_stream-{higherhrnet_stream.__version__}.dist-info"

TOP_LEVEL = {
    *(
        "archive",
        "basics",
        "configs",
        "keypoint_datasets",
        "engine",
        "evaluation",
        "grouping",
        "stream",
        "training",
    ),
    *("higherhrnet_stream.py", "run_stream.py", "higherhrnet_stream-stubs", INFO),
}
DATA = {
    *(f"{name}/py.typed" for name in TOP_LEVEL if "." not in name and "-" not in name),
    *(f"configs/keypoint_sets/{name}.yaml" for name in ("coco", "crowdpose")),
    *(f"configs/models/{name}.yaml" for name in model_names()),
    *(f"configs/trainings/{name}.yaml" for name in ("ablation_small", "lite", "paper", "short")),
    "configs/zoo.yaml",
    *("engine/weights/lite.onnx", "engine/weights/base.difference"),
    "higherhrnet_stream-stubs/__init__.pyi",
    *("basics/data/plaza.mp4", "basics/data/plaza_truth.json.gz"),
    *("stream/profile/schema.json", "stream/profile/report/page/report.css"),
    *(f"stream/render/themes/{name}.yaml" for name in ("clear", "contrast", "night", "sides")),
    "stream/schema/records.schema.json",
    *(
        f"stream/sinks/browser/page/{name}"
        for name in ("index.html", "login.html", "login.js", "page.css", "page.js")
    ),
}
LARGEST_MB = 12  # of which 10 are the weights of `lite`


def run(*words: object, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """What the command says; without the repository on its path."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**clean, **(environment or {})},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of the project in `source`, as `pip wheel .` makes it."""
    run(
        *(sys.executable, "-m", "pip", "wheel", ".", "--quiet", "--no-deps"),
        *("--no-build-isolation", "--disable-pip-version-check", "--wheel-dir", folder),
        cwd=source,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a fresh clone holds: building leaves files in the folder that it is done in."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel alone, and borrows its dependencies."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment)
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = environment / scripts / Path(sys.executable).name
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"),
        *("--disable-pip-version-check", wheel),
        cwd=environment,
    )
    show = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(run(python, "-c", show, cwd=environment).strip())
    # A folder that is named in a .pth file is searched last, and its own .pth files are not read:
    # this project's development install, if there is one, is not seen.
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    give_kernels(own)
    return python


def give_kernels(packages: Path) -> None:
    """The installed packages get the kernels that the repository has compiled, for the same
    sources: to compile them takes half a minute, and tests/basics/test_kernels.py is about that.
    """
    for package in sorted(name for name in TOP_LEVEL if (ROOT / name).is_dir()):
        for module in (ROOT / package).rglob("*.py"):
            installed = packages / module.relative_to(ROOT)
            assert installed.read_bytes() == module.read_bytes()
            shutil.copystat(module, installed)  # Numba looks at the time of the file
        for kernel in (ROOT / package).rglob("__pycache__/*.nb[ic]"):
            target = packages / kernel.relative_to(ROOT)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(kernel, target)


def test_the_wheel_holds_what_users_run_and_nothing_else(wheel: Path) -> None:
    names = contents(wheel)
    assert {name.split("/")[0] for name in names} == TOP_LEVEL
    data = {name for name in names if not name.endswith(".py") and not name.startswith(INFO)}
    assert data == DATA
    assert {f"{INFO}/licenses/LICENSE", f"{INFO}/licenses/NOTICE"} <= names
    assert not [name for name in names if "test" in name or "benchmark" in name]
    assert wheel.stat().st_size < LARGEST_MB << 20


def test_the_wheel_asks_for_versions_that_it_works_with(wheel: Path) -> None:
    """A bare `pip install` took PyAV 19, which opened nothing."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read(f"{INFO}/METADATA"))
    wanted = {each.name: each for each in map(Requirement, metadata.get_all("Requires-Dist", []))}
    for version, works in [
        ("16.1.0", False),
        ("17.0.0", True),
        ("18.1.0", True),
        ("19.0.0", False),
    ]:
        assert (version in wanted["av"].specifier) is works, wanted["av"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = map(Requirement, (line for line in lines if line and not line.startswith("#")))
    pinned = {
        each.name: next(iter(each.specifier)).version
        for each in pins
        if each.marker is None or each.marker.evaluate()
    }
    unfit = {
        name
        for name, each in wanted.items()
        if name in pinned and pinned[name] not in each.specifier
    }
    assert not unfit, "constraints.txt has versions that the wheel refuses"


def test_the_sdist_builds_the_same_wheel(wheel: Path, checkout: Path, tmp_path: Path) -> None:
    code = "import sys, setuptools.build_meta as build; build.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", code, tmp_path, cwd=checkout)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    rebuilt = build_wheel(tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path / "wheel")
    assert contents(rebuilt) == contents(wheel)


def test_the_wheel_alone_runs_the_demo_from_another_folder(python: Path, tmp_path: Path) -> None:
    command = python.with_name("run-stream")
    run(command, "demo", "-o", "people.jsonl", "out.mp4", "--frames", 3, cwd=tmp_path)
    header, *frames = map(json.loads, (tmp_path / "people.jsonl").read_text().splitlines())
    assert header["source"] == "demo"
    assert len(frames) == 3 and all(frame["people"] for frame in frames)
    assert (tmp_path / "out.mp4").stat().st_size > 1000
    assert run(command, "--version", cwd=tmp_path).strip() == higherhrnet_stream.__version__


def test_nothing_heavy_is_imported_with_the_packages(python: Path, tmp_path: Path) -> None:
    heavy = {"torch", "onnx", "onnxruntime", "openvino", "matplotlib", "pycocotools", "tensorrt"}
    code = f"""
import sys
import higherhrnet_stream, run_stream, training, evaluation, keypoint_datasets
print(sorted({heavy!r} & sys.modules.keys()))
print(sorted({{sys.modules[name].__file__ for name in {sorted(TOP_LEVEL - {INFO})!r}
               if name in sys.modules}}))
"""
    loaded, places = run(python, "-c", code, cwd=tmp_path).splitlines()
    assert loaded == "[]"
    assert str(ROOT) not in places, "the wheel's packages are tested, not the repository's"
    for package in ("training", "evaluation", "engine"):
        assert "usage:" in run(python, "-m", package, "--help", cwd=tmp_path)


def test_a_type_checker_believes_the_public_api(python: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "from higherhrnet_stream import EstimatorConfig, __version__, run\n"
        'summary = run("clip.mp4", estimator=EstimatorConfig(flip=True))\n'
        "reveal_type((summary.frames, __version__))\n"
    )
    # Of packages that none of its types come from, torch alone is half of the time.
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\n[mypy-torch.*,matplotlib.*,supervision.*,IPython.*,onnx.*,numba.*]\n"
        "follow_imports = skip\n"
    )
    said = run(
        *(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "user.py"),
        cwd=tmp_path,
        environment={"MYPY_CACHE_DIR": str(tmp_path)},
    )
    assert 'Revealed type is "tuple[int, str]"' in said.replace("builtins.", "")


def test_containers_are_given_all_that_the_wheel_is_made_of() -> None:
    """Packages were missing there after they had been given other names."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*", "nothing goes in but what is named"
    named = {line[1:] for line in lines if line.startswith("!")}
    made = {name for name in TOP_LEVEL if not name.startswith("higherhrnet_stream-")}
    files = {"setup.py", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "NOTICE"}
    assert named == made | files
    for path in (ROOT / "docker").iterdir():
        assert "COPY . .\n" in path.read_text(encoding="utf-8")
