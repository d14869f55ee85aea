"""What a file that should hold weights looks like, for messages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from configs import keypoint_set_names, load_keypoint_set

_FUSE = "stage4.0.fuse_layers.0.1.0.weight"  # every HRNet has it, and its first side is the width
_BEGINNINGS = (
    (
        b"version https://git-lfs",
        "it is a Git LFS pointer, fetch the file itself with git lfs pull",
    ),
    (b"<", "it looks like a web page, the download has failed"),
    (b"PK\x03\x04", "it is damaged or cut off, fetch it again"),
    (b"\x80", "it is damaged or cut off, fetch it again"),
    (b"\x08", "it looks like an ONNX model, give it as the model itself"),
)


def describe_file(path: Path) -> str:
    """Why the file is not a checkpoint, judged by its first bytes."""
    if path.is_dir():
        return "it is a folder"
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "it is empty"
    for beginning, meaning in _BEGINNINGS:
        if start.lstrip().startswith(beginning):
            return meaning
    return f"it begins with {start[:16]!r}"


def describe_state_dict(state: Mapping[str, Tensor]) -> str:
    """The network that the names and shapes speak of, for example `HigherHRNet-W48 for CrowdPose
    (14 joints)`.
    """
    is_hrnet = _FUSE in state
    if "final_layers.0.weight" not in state:
        if not is_hrnet:
            return "another network"
        purpose = (
            "for image classification"
            if any(name.startswith("classifier.") for name in state)
            else "alone"
        )
        return f"HRNet-W{state[_FUSE].shape[0]} {purpose} (no pose head)"
    deconvolutions = len(
        {name.split(".")[1] for name in state if name.startswith("deconv_layers.")}
    )
    channels, width = state["final_layers.0.weight"].shape[:2]
    joints = (
        state["final_layers.1.weight"].shape[0]
        if "final_layers.1.weight" in state
        else channels // 2
    )
    tags = channels // joints - 1
    known = [name for name in keypoint_set_names() if len(load_keypoint_set(name)) == joints]
    sets = f" for {' or '.join(known)}" if known else ""
    backbone = f"HigherHRNet-W{width}" if is_hrnet else f"a HigherHRNet head of width {width}"
    details = [f"{joints} joints"]
    if deconvolutions != 1:
        details.append(f"{deconvolutions or 'no'} deconvolution{'s' if deconvolutions else ''}")
    if tags != 1:
        details.append(f"{tags} tag dimensions")
    return f"{backbone}{sets} ({', '.join(details)})"
