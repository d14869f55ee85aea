"""What the sections of `benchmarks.gpu_check` are made of: models, clips, clocks."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from basics.demo import DEMO_CLIP
from basics.statistics import Statistics
from configs import one_line
from engine import find_model, open_runtime, read_metadata
from engine.runtimes import RUNTIMES, Runtime, Slot, Workload
from engine.runtimes.device import Device
from engine.runtimes.gpus import find_gpu
from engine.runtimes.registry import describe_runtimes
from engine.runtimes.tensorrt.build import Profile
from engine.runtimes.tensorrt.cache import EngineRequest, build_engine_file
from engine.runtimes.tensorrt.library import LIBRARIES, load_library

Say = Callable[..., None]
"""Takes figures by name, and prints them as a line."""

MODELS = ("lite", "w32_512", "w48_640")
IMAGE_SIZE = (1080, 1920)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked of every section. quick: the least that runs every line; models: to measure."""

    quick: bool = False
    models: tuple[str, ...] = MODELS

    def times(self, count: int) -> int:
        return 1 if self.quick else count


def chosen_runtimes(options: Options) -> list[str]:
    """Runtimes of a GPU that work here, torch first, which builds nothing; without one, a CPU's, so
    that the sections run all the same.
    """
    states = describe_runtimes()
    able = [name for name, state in states.items() if state.startswith("yes")]
    on_gpu = [name for name in able if RUNTIMES[name].needs_gpu]
    on_gpu.sort(key=lambda name: RUNTIMES[name].builds)
    return on_gpu or [name for name in able if RUNTIMES[name].automatic][:1]


@contextmanager
def open_model(
    model: str, runtime: str, *, batch: int = 1, keep_open: bool = False
) -> Iterator[tuple[Runtime, tuple[int, int]]]:
    """A model, with random weights where none ship, in a runtime, and its input size at 1080p.

    A batch of more than 1 is how many images the engine is built for, in a runtime of TensorRT,
    whose engines take one image unless they are asked for more.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = model_path(model, Path(folder))
        metadata = read_metadata(path)
        workload = Workload(input_size=metadata.model.input_size)
        if batch > 1 and runtime in LIBRARIES:
            engine = _build_for_batches(path, runtime, workload, batch, Path(folder) / "engine")
            opened = RUNTIMES[runtime].open(path, metadata, "auto", workload, engine)
        else:
            opened = open_runtime(path, metadata, runtime, "auto", workload)
        try:
            yield opened, workload.alignments(IMAGE_SIZE)[0].input_size
        finally:
            if not keep_open:
                opened.close()


def _build_for_batches(
    path: Path, runtime: str, workload: Workload, batch: int, folder: Path
) -> Path:
    """`folder` with an engine of TensorRT for 1 to `batch` images."""
    from engine.runtimes.tensorrt.runtime import open_gpu

    library, gpu = load_library(runtime), find_gpu(Device())
    request = EngineRequest(
        library=library,
        path=path,
        model=path.stem,
        precision=RUNTIMES[runtime].precisions[0],
        profile=replace(Profile.for_run(workload), batch=(1, 1, batch)),
        gpu=library.target(gpu),
        driver=library.driver,
    )
    with open_gpu(runtime, gpu.index).current():
        build_engine_file(request, folder, progress=lambda *step: None)
    return folder


def rate(runtime: Runtime, slots: list[Slot], count: int) -> float:
    """Submissions a second with all of the slots under way."""
    pending: list[Any] = []
    begin_s = time.perf_counter()
    for index in range(count):
        if len(pending) == len(slots):
            runtime.result(pending.pop(0))
        pending.append(runtime.submit(slots[index % len(slots)]))
    for ticket in pending:
        runtime.result(ticket)
    return count / (time.perf_counter() - begin_s)


def gmacs(model: str, size: tuple[int, int]) -> float:
    """Billions of multiplications of an image: half of what torch counts as operations."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from engine import load_network

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        load_network(model).eval()(torch.zeros(1, 3, *size))
    return float(counter.get_total_flops()) / 2e9


def model_path(model: str, folder: Path) -> Path:
    """The exported model: `lite` as it ships, others with random weights in `folder`."""
    if model == "lite":
        return find_model("lite").path
    from engine import export_onnx, load_network

    path = folder / f"{model}.onnx"
    if not path.exists():
        export_onnx(load_network(model), path)
    return path


def full_hd(path: Path, frames: int) -> Path:
    """The demo clip at 1080p, in H.264 as cameras make it."""
    height, width = IMAGE_SIZE
    with av.open(str(DEMO_CLIP)) as demo, av.open(str(path), "w") as out:
        options = {"preset": "ultrafast", "bf": "0"}
        stream = out.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        for index, frame in enumerate(demo.decode(video=0)):
            if index == frames:
                break
            image = frame.reformat(width, height, "yuv420p")
            image.pts, image.time_base = index, Fraction(1, 30)
            out.mux(stream.encode(image))
        out.mux(stream.encode(None))
    return path


def timed(work: Callable[[], Any], times: int) -> Statistics:
    """Milliseconds that `work` takes, after one run that does not count."""
    work()
    spent_ms = []
    for _ in range(times):
        begin_s = time.perf_counter()
        work()
        spent_ms.append(1e3 * (time.perf_counter() - begin_s))
    return Statistics.of(spent_ms)


@contextmanager
def reported(say: Say, **what: Any) -> Iterator[None]:
    """What fails is said, and the section goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a library raises is what is to be reported
        say(**what, failed=f"{type(error).__name__}: {one_line(error)}")


def as_line(values: dict[str, Any]) -> str:
    """Figures as a line of JSON, four digits of each."""
    return json.dumps({key: _short(value) for key, value in values.items()}, default=str)


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {str(key): _short(item) for key, item in value.items()}
    return value
