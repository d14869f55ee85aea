"""The public API: names, signatures, what is said of them, and whose packages it takes."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import higherhrnet_stream

ROOT = Path(__file__).resolve().parents[1]

# A name that goes, or an argument that goes or changes its place, is a new major version.
SIGNATURES = {
    "run": "sources, outputs, *, estimator, people, tracking, source, pipeline, output, render, "
    "video, browser, mqtt, profile, metrics, grouper, stages, on_start, on_progress, on_end",
    "iterate": "sources, outputs, *, model, weights, runtime, precision, device, input_size, "
    "estimator, people, tracking, source, pipeline, output, render, video, browser, mqtt, grouper, "
    "stages",
    "annotate": "image, *, estimator, people, render",
    "open_source": "spec, config",
    "open_sources": "specs, config",
    "open_estimator": "config, *, batch_size, **fields",
    "make_sinks": "outputs, *configs",
    "load_keypoint_set": "name",
    "parse_devices": "text, name",
    "Pipeline": "sources, estimator, group, *, sinks, renderers, stages, options, source_options, "
    "timings",
    "Grouper": "keypoint_set, mode, config",
    "Renderer": "keypoint_set, theme, options",
    "PerSource": "make, name",
    "Policy": "*, kind, max_age_s",
    "Size": "width, height",
    "People": "keypoints, scores, tags, ids",
    "PoseMaps": "heatmaps, tags, alignment, candidates, _give_back",
    "EstimatorConfig": "*, model, weights, runtime, precision, device, input_size, offline, flip, "
    "scales, streams",
    "PeopleConfig": "*, min_score",
    "TrackingConfig": "*, track, lost_after_s, bridge_s, smooth",
    "OutputConfig": "*, overwrite, coco_ids, doubtful",
    "SourceConfig": "*, open_timeout_s, read_timeout_s, reconnect, rtsp_transport, camera_size, "
    "camera_fps, camera_format, deinterlace, decoder, decoder_gpu, realtime",
    "PipelineConfig": "*, policy, frames, stride, max_fps, in_flight, batch_window_ms",
    "RenderConfig": "*, theme, joint_threshold, skeletons, boxes, scores, ids, status, trails, "
    "background, blur_faces, maps",
    "VideoConfig": "*, video_codec, video_encoder, video_quality, video_preset, faststart, segment",
    "BrowserConfig": "*, token, record_folder",
    "ProfileConfig": "*, profile, trace_gzip, benchmark",
    "MetricsConfig": "*, metrics",
    "NamedSource": "*, name, address, outputs, source, pipeline, render, video",
    "MqttConfig": "*, mqtt_rate_hz, mqtt_ca",
    "GroupingConfig": "*, detection_threshold, tag_threshold, max_people, nms_kernel_px, adjust, "
    "adjustment, refine, refine_floor, min_person_score, duplicate_distance_px, "
    "reweight_by_distance",
    "Frame": "image, source, index, time_s, capture_ns, pts, time_base, epoch, source_index, "
    "left_ns",
    "FrameStamp": "*, source, index, time_s, capture_ns, pts, time_base, epoch",
    "SourceInfo": "*, name, width, height, fps, frame_count, duration_s, time_base, audio_path, "
    "audio_origin_s, silent_because, live",
    "RunInfo": "*, model, runtime, precision, keypoint_set, device",
}
# What users write classes of their own against, or are given: methods and attributes.
MEMBERS = {
    "Source": "close, files, grab, info, interrupt, label, leave_out, live, name, open, read_into, "
    "retrieve",
    "Sink": "close, needs_image, open, write",
    "Stage": "",
    "Estimator": "cancel, close, in_flight, prepare_batch, result, submit, submit_batch, "
    "submit_prepared, warm_up",
    "Progress": "drops, elapsed_s, expected, finished, frames",
    "Summary": "depths, devices, drops, elapsed_s, fps, frames, latency_ms, people, slowest, "
    "sources, stages, stopped",
    "SourceSummary": "device, drops, frames, health, label, left_out, name, people, troubles",
    "SourceHealth": "bad_stamps, corrupt_packets, damaged_frames, decoder, decoder_restarts, "
    "hidden_frames, message, reconnects, state, waited_ns",
    "Statistics": "max, mean, n, of, p50, p95, p99",
    "StageStatistics": "busy_share, name, time_ms",
    "KeypointSet": "flip_indices, flip_pairs, links, name, names, sigmas, visiting_order",
}
ERRORS = (
    "PoseStreamError, CheckpointError, ConfigError, DataError, ExecutionError, FetchError, "
    "ModelError, RuntimeUnavailableError, SinkError, SourceError, StageError"
)
VALUES = "EVERY_FRAME, LATEST, __version__"


def public(name: str) -> object:
    return getattr(higherhrnet_stream, name)


def signature(name: str) -> str:
    """Names of the arguments, as they are written in a definition."""
    words = []
    kinds = inspect.Parameter
    before = None
    for parameter in inspect.signature(public(name)).parameters.values():  # type: ignore[arg-type]
        if parameter.kind is kinds.KEYWORD_ONLY and before not in (
            kinds.KEYWORD_ONLY,
            kinds.VAR_POSITIONAL,
        ):
            words.append("*")
        stars = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        words.append(stars + parameter.name)
        before = parameter.kind
    return ", ".join(words)


def members(name: str) -> str:
    cls = public(name)
    assert isinstance(cls, type)
    fields = {name for base in cls.__mro__ for name in getattr(base, "__annotations__", {})}
    names = fields | {name for base in cls.__mro__ for name in vars(base)}
    return ", ".join(sorted(name for name in names if not name.startswith("_")))


def sections(text: str, section: str) -> set[str]:
    """What the entries of a section of a Google docstring are called."""
    found = re.search(rf"^{section}:\n((?:[ \t]+.*\n?|\n)*)", text, re.MULTILINE)
    return (
        set() if found is None else set(re.findall(r"^    \*{0,2}(\w+):", found[1], re.MULTILINE))
    )


def test_the_names_are_these() -> None:
    names = [*SIGNATURES, *MEMBERS, *ERRORS.split(", "), *VALUES.split(", ")]
    assert sorted(higherhrnet_stream.__all__) == sorted(names)
    assert len(set(names)) == len(names)
    for name in names:
        public(name)


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_arguments_are_these(name: str) -> None:
    assert signature(name) == SIGNATURES[name]


@pytest.mark.parametrize("name", MEMBERS)
def test_the_members_are_these(name: str) -> None:
    assert members(name) == MEMBERS[name]


@pytest.mark.parametrize("name", [*SIGNATURES, *MEMBERS])
def test_what_is_public_is_described(name: str) -> None:
    thing = public(name)
    text = inspect.getdoc(thing) or ""
    assert re.match(r"\S[^\n]*\.(\n\n|$)", text), f"{name}: one line first, what the caller gets"
    if dataclasses.is_dataclass(thing):
        texts = [inspect.getdoc(base) or "" for base in thing.__mro__]  # type: ignore[attr-defined]
        described = set().union(*(sections(text, "Attributes") for text in texts))
        fields = {field.name for field in dataclasses.fields(thing)}
        assert {name for name in fields if not name.startswith("_")} <= described
    elif name in SIGNATURES:
        texts = [text, inspect.getdoc(thing.__init__) or ""]  # type: ignore[misc]
        described = set().union(*(sections(text, "Args") for text in texts))
        assert described == set(inspect.signature(thing).parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MEMBERS)
def test_every_method_that_users_call_or_write_is_described(name: str) -> None:
    cls = public(name)
    for member in filter(None, MEMBERS[name].split(", ")):
        method = inspect.getattr_static(cls, member, None)
        if inspect.isfunction(method):
            assert inspect.getdoc(method), f"{name}.{member}"


def test_the_version_is_said_in_one_place() -> None:
    for path in ROOT.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert (higherhrnet_stream.__version__ in text) == (path.name == "higherhrnet_stream.py")
    shown = subprocess.run(
        [sys.executable, "run_stream.py", "--version"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout == f"{higherhrnet_stream.__version__}\n"


@pytest.mark.parametrize(
    ("stranger", "package"),
    [
        ("stream/__init__.py", "stream"),
        ("configs/__init__.py", "configs"),
        ("engine.py", "engine"),
        ("grouping/__init__.py", "grouping"),
    ],
)
def test_a_package_of_somebody_else_is_named(tmp_path: Path, stranger: str, package: str) -> None:
    """As when a user's own folder of that name is where the program is started."""
    path = tmp_path / stranger
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise SystemExit('the code of somebody else was run')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    for start in (["-c", "import higherhrnet_stream"], ["-m", "run_stream", "demo"]):
        result = subprocess.run(
            [sys.executable, *start],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert result.returncode == 1
        last = result.stderr.strip().splitlines()[-1]
        assert last.startswith(f"ImportError: higherhrnet_stream needs the package {package!r}")
        assert str(path) in last and str(ROOT) in last


@pytest.fixture
def left_kernels(tmp_path: Path) -> Path:
    """An environment in which an ordinary installation has left kernels behind."""
    venv.create(tmp_path / "venv", with_pip=False)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    for package, name in (("grouping", "kernel.nbi"), ("stream", "kernel.nbc"), ("own", "a.nbi")):
        (packages / package / "__pycache__").mkdir(parents=True)
        (packages / package / "__pycache__" / name).touch()
    (packages / "configs").mkdir()
    (packages / "configs" / "own.py").touch()
    return packages


@pytest.mark.skipif(sys.platform == "win32", reason="scripts are for bash")
def test_setting_up_forgets_the_kernels_of_an_installation_and_nothing_else(
    left_kernels: Path,
) -> None:
    forget = f"source scripts/environment; forget_kernels {left_kernels.parents[2]}"
    subprocess.run(["bash", "-c", forget], cwd=ROOT, check=True)
    assert {path.name for path in left_kernels.iterdir()} == {"own", "configs"}
    assert (left_kernels / "configs" / "own.py").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the fixture has another folder there")
def test_a_folder_without_code_that_hides_a_package_is_named(left_kernels: Path) -> None:
    """As editable installations are found: after all that lies in site-packages."""
    program = """
import sys
from importlib.machinery import PathFinder

class Editable:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [sys.argv[1]])

sys.path.append(sys.argv[2])
sys.meta_path.append(Editable)
import higherhrnet_stream
"""
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(ROOT), str(left_kernels)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = shown.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: higherhrnet_stream needs the package 'configs'")
    assert f"finds another one first: {str(left_kernels / 'configs')!r}" in last
