"""What `benchmarks.gpu_check` measures: each section is a function that says figures as it goes."""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av
import numpy as np

from basics.demo import DEMO_CLIP
from benchmarks.gpu_parts import (
    IMAGE_SIZE,
    Options,
    Say,
    chosen_runtimes,
    full_hd,
    gmacs,
    model_path,
    open_model,
    rate,
    reported,
    timed,
)
from configs import PoseStreamError, load_model_config, one_line
from engine import EstimatorConfig, align, find_model, open_runtime
from engine.runtimes import RUNTIMES, Runtime, Slot, Workload
from engine.runtimes.gpus import list_gpus
from engine.runtimes.registry import describe_runtimes
from engine.verify.maps import TOLERANCES, measure_parity
from engine.verify.reference import open_reference
from keypoint_datasets.images import load_images

_PACKAGES = (
    *("torch", "tensorrt", "tensorrt-rtx", "torch2trt", "pycuda", "onnx", "onnxruntime"),
    *("openvino", "av", "numpy", "opencv-python-headless", "nvidia-ml-py"),
)
_BATCHES = (1, 4)  # images at once
_MATRIX = 8192  # rows and columns of the square matrices whose product is the measured rate
_CODE = """
import sys
from benchmarks.gpu_parts import Options, chosen_runtimes, open_model
name = chosen_runtimes(Options())[0]
with open_model("lite", name, keep_open=True) as (runtime, size):
    slot = runtime.make_slot(*size)
    runtime.result(runtime.submit(slot))
    {ending}
"""


def versions(options: Options, say: Say) -> None:
    """The machine, and what is installed."""
    say(machine=platform.platform(), python=platform.python_version())
    for name in _PACKAGES:
        try:
            say(package=name, version=version(name))
        except PackageNotFoundError:
            continue
    say(**describe_runtimes())
    try:
        for gpu in list_gpus():
            say(gpu=gpu.kind, index=gpu.index, uuid=gpu.uuid, integrated=gpu.integrated)
    except PoseStreamError as error:
        say(gpu=str(error))
    query = "name,driver_version,memory.total,pcie.link.gen.current,pcie.link.width.current"
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        say(nvidia_smi=found.stdout.strip())
    except (OSError, subprocess.TimeoutExpired) as error:
        say(nvidia_smi=one_line(error))


def parity(options: Options, say: Say) -> None:
    """Every precision against torch in single precision on the CPU."""
    images = load_images([DEMO_CLIP])[: options.times(8)]
    for name in chosen_runtimes(options):
        for precision in RUNTIMES[name].precisions:
            if precision == "int8":
                continue  # needs images to learn ranges from
            with reported(say, runtime=name, precision=precision):
                source = find_model("lite")
                workload = Workload(input_size=source.metadata.input_size)
                with (
                    open_runtime(
                        source.path, source.metadata, name, precision, workload
                    ) as runtime,
                    open_reference(source, runtime) as reference,
                ):
                    found = measure_parity(runtime, reference, images, workload.input_size)
                wrong = TOLERANCES[precision].exceeded_by(found)
                figures = {key: value for key, value in found.to_dict().items() if value}
                say(
                    runtime=name,
                    precision=precision,
                    verdict=wrong or "within tolerance",
                    **figures,
                )


def speed(options: Options, say: Say) -> None:
    """The network alone, image bytes in a slot to maps and candidates, at 1080p, as a share of
    what the GPU can multiply: GMACs x 2 x images a second over the measured rate of matrices.
    """
    best_tflops = _matrix_rate(options, say)
    for name in chosen_runtimes(options):
        for model in options.models:
            with reported(say, runtime=name, model=model):
                _time_model(options, say, name, model, best_tflops)


def end_to_end(options: Options, say: Say) -> None:
    """A 1080p file, and four of them at a time, source to record: decode, network, grouping,
    identities; then the latency of a live one.
    """
    import higherhrnet_stream as hs

    with tempfile.TemporaryDirectory() as folder:
        clip = full_hd(Path(folder) / "clip.mp4", 8 if options.quick else 240)
        for model in options.models:
            for name in chosen_runtimes(options):
                path = model_path(model, Path(folder))
                config = EstimatorConfig(model=str(path), runtime=name)
                for sources, in_flight, realtime in (
                    (1, 1, False),
                    (1, 2, False),
                    (1, 3, False),
                    (4, 2, False),
                    (1, None, True),
                ):
                    with reported(say, runtime=name, model=model, sources=sources):
                        summary = hs.run(
                            [str(clip)] * sources,
                            [f"{folder}/{{source}}.jsonl"],
                            estimator=config,
                            source=hs.SourceConfig(realtime=realtime),
                            pipeline=hs.PipelineConfig(
                                in_flight=in_flight, frames=options.times(120)
                            ),
                            output=hs.OutputConfig(overwrite=True),
                        )
                        busy = {stage.name: stage.busy_share for stage in summary.stages}
                        say(
                            runtime=name,
                            model=model,
                            sources=sources,
                            in_flight=in_flight,
                            live=realtime,
                            fps=summary.fps,
                            latency_p50_ms=summary.latency_ms.p50,
                            latency_p95_ms=summary.latency_ms.p95,
                            drops=sum(summary.drops.values()),
                            on=list(summary.devices),
                            busy=busy,
                        )
                    if options.quick:
                        break


def leaks(options: Options, say: Say) -> None:
    """Memory after a runtime was opened and closed again and again, its slots made and dropped in
    this thread and in another.
    """
    name = chosen_runtimes(options)[0]
    _open_and_close(name)  # what libraries keep for good is taken now
    for where in ("this thread", "another thread"):
        before = _memory_mib()
        for _ in range(options.times(10)):
            if where == "this thread":
                _open_and_close(name)
            else:
                thread = threading.Thread(target=_open_and_close, args=(name,))
                thread.start()
                thread.join()
        gc.collect()
        after = _memory_mib()
        lost = {key: after[key] - before[key] for key in before}
        say(runtime=name, slots_in=where, times=options.times(10), **lost)


def exits(options: Options, say: Say) -> None:
    """Exit code and standard error of processes that end with a runtime closed, open or in use."""
    endings = {
        "closed": "runtime.close()",
        "left open": "pass",
        "in use": "runtime.submit(slot)",
        "sys.exit": "sys.exit(3)",
    }
    for ending, code in list(endings.items())[: options.times(4)]:
        command = [sys.executable, "-c", _CODE.format(ending=code)]
        try:
            found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            say(ends=ending, code=found.returncode, stderr=found.stderr.strip()[-400:])
        except subprocess.TimeoutExpired:
            say(ends=ending, code="did not end within 60 s")


def host(options: Options, say: Say) -> None:
    """What the CPU does for every frame: decode 1080p, and lay it into the network's input."""
    image = np.random.default_rng(0).integers(0, 255, (*IMAGE_SIZE, 3), np.uint8)
    for model in options.models:
        alignment = align(IMAGE_SIZE, load_model_config(model).input_size)
        out = np.empty((*alignment.input_size, 3), np.uint8)
        spent = timed(partial(alignment.warp, image, out=out), options.times(30))
        say(model=model, input=alignment.input_size, align_ms=spent.p50)
    with tempfile.TemporaryDirectory() as folder:
        clip = full_hd(Path(folder) / "clip.mp4", 8 if options.quick else 120)
        begin_s = time.perf_counter()
        with av.open(str(clip)) as container:
            container.streams.video[0].thread_type = "AUTO"
            count = sum(1 for _ in container.decode(video=0))
        say(decoded=count, ms_a_frame=1e3 * (time.perf_counter() - begin_s) / count)


def video(options: Options, say: Say) -> None:
    """Encoders and decoders of the GPU."""
    from av.codec.hwaccel import HWAccel, hwdevices_available

    from stream.sinks.encoders import choose_encoder

    with reported(say, encoder="auto"):
        say(encoder=choose_encoder("h264", "auto"))
    for kind in hwdevices_available():
        with reported(say, decoder=kind):
            with av.open(
                str(DEMO_CLIP), hwaccel=HWAccel(kind, allow_software_fallback=False)
            ) as container:
                frames = sum(1 for _ in container.decode(video=0))
            say(decoder=kind, frames=frames)


def _time_model(
    options: Options, say: Say, name: str, model: str, best_tflops: float | None
) -> None:
    begin_s = time.perf_counter()
    with open_model(model, name, batch=_BATCHES[-1]) as (runtime, size):
        opened_s = time.perf_counter() - begin_s
        for batch in _BATCHES:
            if batch > runtime.max_batch:
                say(runtime=name, model=model, batch=batch, skipped="built for fewer at once")
                continue
            begin_s = time.perf_counter()
            slots = [runtime.make_slot(*size, batch) for _ in range(3)]
            for slot in slots:
                runtime.result(runtime.submit(slot))
            made_s = time.perf_counter() - begin_s
            one = timed(partial(_run_once, runtime, slots[0]), options.times(60))
            rates = {
                count: batch * rate(runtime, slots[:count], options.times(120))
                for count in (1, 2, 3)
            }
            best = max(rates.values())
            roofline = {}
            if best_tflops is not None:
                macs = gmacs(model, size)
                share = 2e-3 * macs * best / best_tflops
                roofline = {"gmacs": macs, "share_of_matrix_rate": share}
            say(
                runtime=name,
                precision=runtime.precision,
                model=model,
                input=size,
                batch=batch,
                open_s=opened_s,
                slots_s=made_s,
                p50_ms=one.p50,
                p95_ms=one.p95,
                images_per_s_by_in_flight=rates,
                **roofline,
            )


def _run_once(runtime: Runtime, slot: Slot) -> None:
    runtime.result(runtime.submit(slot))


def _matrix_rate(options: Options, say: Say) -> float | None:
    """TFLOP/s of a large product of matrices in half precision: what the GPU can do at best."""
    import torch

    if not torch.cuda.is_available():
        return None
    a, b = (torch.randn(_MATRIX, _MATRIX, device="cuda", dtype=torch.float16) for _ in range(2))

    def multiply() -> None:
        torch.mm(a, b)
        torch.cuda.synchronize()

    spent = timed(multiply, 20)
    tflops = 2 * _MATRIX**3 / (spent.p50 * 1e-3) * 1e-12
    say(matrix_rate_tflops=tflops)
    for megabytes in (1, 10, 25):
        on_gpu = torch.empty(megabytes << 20, dtype=torch.uint8, device="cuda")
        pinned = torch.empty(megabytes << 20, dtype=torch.uint8, pin_memory=True)
        down = timed(partial(_copy, pinned, on_gpu), 20)
        up = timed(partial(_copy, on_gpu, pinned), 20)
        say(megabytes=megabytes, down_ms=down.p50, up_ms=up.p50)
    return tflops


def _copy(to: Any, of: Any) -> None:
    import torch

    to.copy_(of, non_blocking=True)
    torch.cuda.synchronize()


def _open_and_close(name: str) -> None:
    with open_model("lite", name) as (runtime, size):
        slot = runtime.make_slot(*size)
        runtime.result(runtime.submit(slot))


def _memory_mib() -> dict[str, float]:
    resident = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    found = {"process_mib": resident * os.sysconf("SC_PAGE_SIZE") / 2**20}
    try:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            free, whole = torch.cuda.mem_get_info()
            found["gpu_mib"] = (whole - free) / 2**20
    except ImportError:
        pass
    return found
