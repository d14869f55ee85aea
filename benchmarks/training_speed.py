"""How many images a second a network trains at: number formats and memory layouts, against fp32 in
the default layout.

    python -m benchmarks.training_speed [--model lite] [--size 256] [--batch 8] [--threads N]

Random images with two labelled people each; forward, loss, backward, optimiser. Ratios are of CPU
time, which other programs on the machine disturb less than the wall clock. Preparing images is
timed apart (`--data ANNOTATIONS IMAGES...`), on one core.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import torch
from torch import nn

from configs import load_keypoint_set, load_model_config
from configs.training import AugmentationConfig, DataSource, LossConfig, OptimizerConfig
from engine import load_network
from training.dataset import Normalise, PoseDataset, SampleKey
from training.losses import Labels, PoseLoss
from training.optimizer import make_optimizer, set_learning_rate

_SETTINGS = (("fp32", False), ("fp32", True), ("bf16", False), ("bf16", True))


def main() -> None:
    """Prints one row for each setting."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="lite")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", nargs="+", type=Path)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.data:
        _time_data(arguments.data, arguments.size)
    print(
        f"{arguments.model} at {arguments.size} px, batch {arguments.batch}, "
        f"{torch.get_num_threads()} threads"
    )
    baseline = None
    for precision, channels_last in _SETTINGS:
        images_per_s, images_per_core_s = _time_training(arguments, precision, channels_last)
        baseline = baseline or images_per_core_s
        layout = "channels last" if channels_last else "channels first"
        speeds = f"{images_per_s:7.2f} images/s {images_per_core_s:7.2f} images/s of one core"
        print(f"{precision} {layout:14s} {speeds} {images_per_core_s / baseline:6.2f}x", flush=True)


def _time_training(
    arguments: argparse.Namespace, precision: str, channels_last: bool
) -> tuple[float, float]:
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    model = load_model_config(arguments.model)
    network: nn.Module = load_network(model).to(device)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = PoseLoss(LossConfig(position_factor=0.02 if model.tag_unit_px else 0.0), model)
    optimizer = make_optimizer(network, OptimizerConfig())
    set_learning_rate(optimizer, 1e-4)
    normalise = Normalise(network, device, channels_last)
    batch, size = arguments.batch, arguments.size
    images = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8, device=device)
    joints = torch.rand(batch, 2, loss.joints, 3, dtype=torch.float64, device=device)
    joints[..., 2] = 2
    sides = [size // 4 * 2**level for level in range(model.deconvolutions + 1)]
    masks = [torch.ones(batch, side, side, dtype=torch.bool, device=device) for side in sides]
    labels = Labels(joints, torch.zeros(batch, dtype=torch.bool, device=device), masks)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            outputs = network(normalise(images))
        optimizer.zero_grad(set_to_none=True)
        loss(outputs, labels).total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    step()
    started, used = time.perf_counter(), time.process_time()
    for _ in range(arguments.steps):
        step()
    images_done: int = batch * arguments.steps
    return images_done / (time.perf_counter() - started), images_done / (time.process_time() - used)


def _time_data(paths: list[Path], size: int) -> None:
    cv2.setNumThreads(1)
    augmentation = AugmentationConfig(brightness=0.2, contrast=0.2, saturation=0.2, hue_degrees=10)
    source = DataSource(annotations=paths[0], images=tuple(paths[1:]))
    dataset = PoseDataset([source], load_keypoint_set("coco"), outputs=2, augmentation=augmentation)
    for cached in (False, True):
        if cached:
            dataset.cache()
        count = min(400, len(dataset))
        started = time.perf_counter()
        for number in range(count):
            dataset[SampleKey(number, number, size)]
        took_ms = (time.perf_counter() - started) / count * 1e3
        print(
            f"preparing an image, {'decoded before' if cached else 'decoded anew'}: {took_ms:.2f} "
            "ms"
        )


if __name__ == "__main__":
    main()
