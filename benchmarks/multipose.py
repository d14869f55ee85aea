"""`lite` and `base` beside the network that they began as: AP and milliseconds, in one run.

    python -m benchmarks.multipose --prototype FOLDER --annotations dev.json --images dev_00.zip

FOLDER holds MoveNet MultiPose as a PyTorch module (`movenet_multipose.py`, and its weights). It is
run as published, with its own decoder: centres are the peaks of 5x5 cells, a joint is where the
heatmap times a bell around the regressed joint is highest inside the person's box, plus an offset.
All networks are aligned alike, run on OpenVINO in fp32 with the same number of threads, and see
every image in turns. Times are medians from the image to people in image pixels.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from basics.hardware import usable_cores
from configs import load_keypoint_set
from engine import align, open_estimator
from evaluation.measuring.prediction import decoded
from evaluation.metrics.coco import score
from grouping import Grouper
from keypoint_datasets import ImageStore, Result, load_dataset, to_results

PEOPLE = 20  # centres that are looked at; as published it stops at 6, which costs AP in crowds
LEAST_CENTRE = 0.11
BELL = 19.2  # squared cells, of the published decoder
Found = tuple[NDArray[np.float32], NDArray[np.float32]]  # (P, J, 3) and (P,)


class MultiPose:
    """The published network on OpenVINO, and its own decoder in torch."""

    def __init__(self, folder: Path, size: int, threads: int) -> None:
        import openvino

        spec = importlib.util.spec_from_file_location("peer", folder / "movenet_multipose.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        network: Any = module.MoveNetMultiPose.from_file(folder / "movenet_multipose_fp16.pth")
        self._names = ("heatmap", "center", "regression", "offset", "box_scale", "box_offset")
        self._network = network
        self._size = size
        self._core = openvino.Core()
        self._threads = threads
        self._compiled: dict[tuple[int, int], Any] = {}

    def __call__(self, image: NDArray[np.uint8]) -> Found:
        alignment = align(image.shape[:2], self._size)
        pixels = np.ascontiguousarray(alignment.warp(image)[..., ::-1].transpose(2, 0, 1)[None])
        outputs = self._request(alignment.input_size)({0: pixels})
        maps = {n: torch.from_numpy(outputs[i]) for i, n in enumerate(self._names)}
        joints, scores = decode(maps)
        scale = alignment.with_map_size(alignment.input_size).to_image(joints)
        return scale, scores

    def _request(self, size: tuple[int, int]) -> Any:
        if size not in self._compiled:
            import openvino

            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "peer.onnx")
                sample = torch.zeros(1, 3, *size, dtype=torch.uint8)
                torch.onnx.export(
                    _Outputs(self._network, self._names), (sample,), str(path), dynamo=False
                )
                model = self._core.read_model(str(path))
            config = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": self._threads,
            }
            compiled = self._core.compile_model(model, "CPU", config)
            assert isinstance(compiled, openvino.CompiledModel)
            self._compiled[size] = compiled.create_infer_request().infer
        return self._compiled[size]


class _Outputs(torch.nn.Module):
    """The network from uint8 RGB to its outputs in a row, centres as probabilities."""

    def __init__(self, network: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = self.network(pixels.float() / 127.5 - 1)
        found["heatmap"], found["center"] = found["heatmap"].sigmoid(), found["center"].sigmoid()
        return tuple(found[name] for name in self.names)


def decode(maps: dict[str, torch.Tensor]) -> Found:
    """MultiPose's own decoder: joints in pixels of the network's input, and scores of people."""
    centre, heatmap = maps["center"][0, 0], maps["heatmap"][0]
    rows, columns = centre.shape
    pooled = torch.nn.functional.max_pool2d(centre[None, None], 5, stride=1, padding=2)[0, 0]
    values, index = torch.where(centre >= pooled, centre, 0).flatten().topk(PEOPLE)
    index, values = index[values > LEAST_CENTRE], values[values > LEAST_CENTRE]
    y, x = index // columns, index % columns

    def at(name: str) -> torch.Tensor:
        found = maps[name][0, :, y, x]  # (channels, P)
        return found.T.reshape(len(index), len(found) // 2, 2)  # (P, J or 1, 2) y, x

    joint = torch.stack((y, x), 1)[:, None] + at("regression")
    middle = torch.stack((y, x), 1)[:, None] + at("box_offset")
    half = at("box_scale") / 2
    grid = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), -1)
    distance = grid - joint[:, :, None, None]  # (P, J, h, w, 2)
    inside = ((grid - middle[:, :, None, None]).abs() <= half[:, :, None, None]).all(-1)
    weighed = heatmap * torch.exp(-(distance**2).sum(-1) / BELL) * inside
    best, place = weighed.flatten(2).max(2)  # (P, J)
    row, column = place // columns, place % columns
    offset = maps["offset"][0].reshape(-1, 2, rows * columns)
    number = torch.arange(offset.shape[0])[None].expand_as(place)
    dy, dx = offset[number, 0, place], offset[number, 1, place]
    joints = torch.stack((4 * (column + dx), 4 * (row + dy), best), 2)
    counts = best > 0.127
    mean = (best * counts).sum(1) / counts.sum(1).clamp(min=1)
    return joints.numpy().astype(np.float32), (values * mean).numpy().astype(np.float32)


def open_model(model: str, size: int) -> Callable[[NDArray[np.uint8]], Found]:
    """A model as a function from an image to people in its pixels."""
    estimator = open_estimator(model, runtime="openvino", precision="fp32", input_size=size)
    grouper = Grouper.for_model(estimator, min_person_score=0.0)

    def find(image: NDArray[np.uint8]) -> Found:
        maps = estimator.result(estimator.submit(image))
        people = grouper(maps.heatmaps, maps.tags, maps.candidates).to_image(maps.alignment)
        maps.release()
        return people.keypoints, people.scores

    return find


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prototype", type=Path, required=True, help="folder of the peer")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--images", type=Path, nargs="+", required=True)
    parser.add_argument("--models", nargs="+", default=["lite", "base"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[192, 256, 320, 384, 448, 512])
    parser.add_argument("--limit", type=int, help="first images only")
    parser.add_argument("--plot", type=Path, help="AP against milliseconds, .svg or .png")
    options = parser.parse_args()
    points: dict[str, list[tuple[int, float, float]]] = {
        name: [] for name in (*options.models, "MultiPose")
    }
    print("| model | short side | AP | AP50 | AP75 | APM | APL | p50, ms |\n|" + "---|" * 8)
    with ImageStore(options.images) as images:
        dataset = load_dataset(options.annotations, images, load_keypoint_set("coco"))
        dataset = dataset.first(options.limit)
        for size in options.sizes:
            finders: dict[str, Callable[[NDArray[np.uint8]], Found]] = {
                **{name: open_model(name, size) for name in options.models},
                "MultiPose": MultiPose(options.prototype, size, usable_cores()),
            }
            found: dict[str, list[Result]] = {name: [] for name in finders}
            times_ms: dict[str, list[float]] = {name: [] for name in finders}
            met: set[tuple[int, ...]] = set()
            for image_id, image in decoded(dataset):
                new = align(image.shape[:2], size).input_size not in met
                met.add(align(image.shape[:2], size).input_size)
                for name, find in finders.items():
                    begin_s = time.perf_counter()
                    keypoints, scores = find(image)
                    if not new:  # else it compiled
                        times_ms[name].append(1e3 * (time.perf_counter() - begin_s))
                    found[name] += to_results(keypoints, scores, image_id, dataset.category_id)
            for name, results in found.items():
                s = score(dataset, results)
                p50_ms = statistics.median(times_ms[name])
                points[name].append((size, 100 * s.ap, p50_ms))
                parts = (s.ap, s.ap50, s.ap75, s.ap_medium, s.ap_large)
                shown = " | ".join(f"{100 * part:.1f}" for part in parts)
                print(f"| {name} | {size} | {shown} | {p50_ms:.1f} |", flush=True)
    if options.plot is not None:
        draw(points, options.plot)


def draw(points: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    """AP against milliseconds, a line for each model, a dot for each size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(
        xlabel="image to people, p50, ms (log)", ylabel="AP, COCO keypoints", xscale="log"
    )
    for name, rows in points.items():
        axes.plot([row[2] for row in rows], [row[1] for row in rows], "o-", label=name)
        for size, ap, p50_ms in rows:
            axes.annotate(str(size), (p50_ms, ap), xytext=(4, 4), textcoords="offset points")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(ScalarFormatter())
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
