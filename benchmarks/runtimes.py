"""How long one image takes in every runtime that is installed here, against eager torch, and how
far people move.

    # lite at 256, 320, 384 and w32_512: 7 minutes on two cores
    python -m benchmarks.runtimes
    python -m benchmarks.runtimes --models lite --sizes 320 --weights best.pt

Times are of the deployable graph alone (image bytes in the slot to maps and candidates), one image
at a time; a 4:3 image, so that 320 means 320x448. Every row has a process of its own: in a common
one the threads of one library spin while those of the next compute (OpenVINO took 159 instead of 17
ms beside torch). Rows are timed in turns, so that a busy machine slows all of them; torch.compile,
which takes long, in one. int8 is the form that `python -m engine build --precision int8` made of
the model, if it did. `people`: lost and gained of how many, then median and 95th percentile of the
drift of their keypoints in image pixels. w32_512 has random weights, drawn so that activations
neither vanish (subnormal numbers are slow) nor overflow: its people mean nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from basics.demo import DEMO_CLIP
from engine import PoseMaps, align, load_checkpoint, load_network
from engine.model_source import find_model
from engine.onnx.export import export_onnx
from engine.onnx.metadata import ModelMetadata, read_metadata
from engine.runtimes import RUNTIMES, Runtime, open_runtime
from engine.verify.maps import measure_parity
from grouping import Grouper

IMAGE_SIZE = (480, 640)
TURNS = 2
WARM_UP = 2
FEWEST = 3  # runs, however long they take
EAGER, COMPILED = "torch_cpu fp32", "torch compiled"


def main() -> None:
    options = _parse()
    if options.row:
        print(json.dumps(_run_row(options)))
        return
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            ships = model == "lite" and options.weights is None
            path = find_model(model).path if ships else _export(model, options.weights, folder)
            for size in (
                options.sizes if model == "lite" else (read_metadata(path).model.input_size,)
            ):
                _print_table(model, path, align(IMAGE_SIZE, size).input_size, options)


def _print_table(
    model: str, path: Path, size: tuple[int, int], options: argparse.Namespace
) -> None:
    rows = [EAGER] + [COMPILED] * (model in options.compile) + list(_others(model))
    results: dict[str, list[dict[str, Any]]] = {row: [] for row in rows}
    for turn in range(TURNS):
        for row in rows:
            if turn == 0 or row != COMPILED:
                results[row].append(_in_a_process(row, path, size, options, parity=turn == 0))
    print(f"\n{model} {size[0]}x{size[1]}")
    print(
        f"{'':18} {'p50 ms':>8} {'p99 ms':>8} {'FPS':>7} {'x eager':>8}  {'maps off by':>11} "
        f"{'tags':>8}  people; drift px"
    )
    if "error" in results[EAGER][0]:
        raise SystemExit(
            f"error: {EAGER}, which the others are compared with, failed: "
            f"{results[EAGER][0]['error']}"
        )
    eager = float(np.median(np.concatenate([each["times_ms"] for each in results[EAGER]])))
    for row in rows:
        failed = next((each["error"] for each in results[row] if "error" in each), None)
        if failed:
            print(f"{row:18} {failed}")
            continue
        p50, p99 = np.percentile(
            np.concatenate([each["times_ms"] for each in results[row]]), [50, 99]
        )
        parity = _describe(results[row][0].get("parity"))
        print(f"{row:18} {p50:8.1f} {p99:8.1f} {1000 / p50:7.1f} {eager / p50:8.2f}  {parity}")


def _in_a_process(
    row: str, path: Path, size: tuple[int, int], options: argparse.Namespace, parity: bool
) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.runtimes",
        "--row",
        row,
        "--model-file",
        str(path.resolve()),
    ]
    command += ["--input", *map(str, size)]
    command += [
        "--seconds",
        str(options.seconds / TURNS),
        "--parity-images",
        str(options.parity_images * parity),
    ]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["failed"])[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _run_row(options: argparse.Namespace) -> dict[str, Any]:
    path, (height, width) = options.model_file, options.input
    metadata = read_metadata(path)
    if options.row == COMPILED:
        return {"times_ms": _time(_compiled(path, _picture(height, width)), options.seconds)}
    name, precision = options.row.split()
    result: dict[str, Any] = {}
    with open_runtime(path, metadata, name, precision) as runtime:
        result["times_ms"] = _time(_runner(runtime, height, width), options.seconds)
        images = list(_frames(options.parity_images))
        if images and options.row != EAGER:
            with open_runtime(path, metadata, "torch_cpu") as reference:
                result["parity"] = measure_parity(
                    runtime, reference, images, (height, width), _grouping(metadata)
                ).to_dict()
    return result


def _time(run: Callable[[], object], seconds: float) -> list[float]:
    for _ in range(WARM_UP):
        run()
    times_ms: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times_ms) < FEWEST:
        start = time.perf_counter()
        run()
        times_ms.append(1000 * (time.perf_counter() - start))
    return times_ms


def _runner(runtime: Runtime, height: int, width: int) -> Callable[[], object]:
    slot = runtime.make_slot(height, width)
    slot.images[0] = _picture(height, width)
    return lambda: runtime.result(runtime.submit(slot))


def _compiled(path: Path, picture: NDArray[np.uint8]) -> Callable[[], object]:
    from engine.onnx.graph import PoseGraph
    from engine.onnx.weights import load_exported_network

    graph = torch.compile(PoseGraph(load_exported_network(path)))
    image = torch.from_numpy(picture)[None]

    def run() -> object:
        with torch.inference_mode():
            return graph(image)

    return run


def _others(model: str) -> Iterator[str]:
    for entry in RUNTIMES.values():
        for precision in entry.precisions:
            if entry.automatic and not entry.needs_gpu and (precision != "int8" or model == "lite"):
                yield f"{entry.name} {precision}"


def _grouping(metadata: ModelMetadata) -> Callable[[PoseMaps], NDArray[np.float32]]:
    grouper = Grouper.for_model(metadata.model)
    return lambda maps: (
        grouper(maps.heatmaps, maps.tags, maps.candidates).to_image(maps.alignment).keypoints
    )


def _export(model: str, weights: Path | None, folder: str) -> Path:
    network = load_network(model)
    if weights is not None and model == "lite":
        load_checkpoint(network, weights)
    else:
        torch.manual_seed(0)
        for module in network.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.constant_(module.weight, 0.5)
    path = Path(folder) / f"{model}.onnx"
    export_onnx(network, path)
    return path


def _frames(count: int) -> Iterator[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(DEMO_CLIP))
    for _ in range(count):
        seen, frame = capture.read()
        if not seen:
            return
        yield np.asarray(frame, np.uint8)


def _picture(height: int, width: int) -> NDArray[np.uint8]:
    frame = next(_frames(1), None)
    if frame is None:
        return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return np.asarray(cv2.resize(frame, (width, height)), np.uint8)


def _describe(parity: dict[str, Any] | None) -> str:
    if parity is None:
        return ""
    numbers = (
        "{people_lost}/{people_gained} of {people}; "
        "{people_drift_median_px:.2f}, {people_drift_p95_px:.2f}"
    )
    return "{heatmap_max:11.2g} {tag_max:8.2g}  ".format(**parity) + numbers.format(**parity)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["lite", "w32_512"], metavar="NAME")
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        default=[256, 320, 384],
        metavar="N",
        help="short sides, for lite",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="checkpoint for lite")
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="time for each row, in two turns"
    )
    parser.add_argument(
        "--parity-images", type=int, default=3, metavar="N", help="frames of the demo clip"
    )
    parser.add_argument(
        "--compile",
        nargs="*",
        default=["lite"],
        metavar="NAME",
        help="with torch.compile: minutes for HRNet",
    )
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--model-file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--input", type=int, nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
