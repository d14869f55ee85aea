"""Which decoder a source gets: what `--decoder` names, and what there is of it on this machine."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer

from configs import SourceError
from stream.sources.gstreamer_process import CODECS, find_element, has_jetson_decoder

logger = logging.getLogger(__name__)

DecoderName = Literal["auto", "software", "cuda", "vaapi", "gstreamer"]
HARDWARE = ("cuda", "vaapi")  # FFmpeg's, by its names of the devices
# What frames that come from a device's memory look like; no software decoder makes such.
_FROM_DEVICE = frozenset({"nv12", "nv16", "nv24", "p010le", "p012le", "p016le", "p210le", "p216le"})
_BOARD = Path("/proc/device-tree/compatible")


@dataclass(frozen=True)
class DecoderChoice:
    """The decoder for all sources of a run.

    Attributes:
        name: `software` (FFmpeg's), `cuda` and `vaapi` (FFmpeg's for hardware), or `gstreamer`.
        strict: Whether it was asked for by name, so that nothing else may take its place.
        gpu: For `cuda`, which GPU, as CUDA counts them; None is the first.
    """

    name: str = "software"
    strict: bool = False
    gpu: int | None = None

    def hardware(self) -> HWAccel | None:
        """What a container is to be opened with; None where FFmpeg decodes in software.

        A stream that the hardware cannot decode is decoded in software by FFmpeg itself.
        """
        return _hardware(self.name, self.gpu) if self.name in HARDWARE else None


def choose_decoder(wanted: DecoderName, gpu: int | None = None) -> DecoderChoice:
    """What `wanted` is on this machine; `auto` is the first that works of a Jetson's own, `cuda`,
    `vaapi` and `software`.

    Args:
        wanted: What was asked for.
        gpu: On which GPU `cuda` decodes, as CUDA counts them; None is the first.

    Raises:
        SourceError: What was asked for by name is not there.
    """
    if wanted == "auto":
        if _is_jetson() and has_jetson_decoder():
            return DecoderChoice("gstreamer")
        refusals = {kind: hardware_refusal(kind, gpu) for kind in HARDWARE}
        works = next((kind for kind, refusal in refusals.items() if not refusal), None)
        if works is None:
            _warn_once("; ".join(f"{kind}: {refusal}" for kind, refusal in refusals.items()))
        return DecoderChoice(works or "software", gpu=gpu)
    if wanted in HARDWARE and (refusal := hardware_refusal(wanted, gpu)):
        raise SourceError(f"decoder {wanted} cannot be used: {refusal}")
    if wanted == "gstreamer" and not any(map(find_element, CODECS.values())):
        raise SourceError(
            "decoder gstreamer cannot be used: gst-launch-1.0 or its elements are not installed "
            "(gstreamer1.0-tools, gstreamer1.0-plugins-bad, gstreamer1.0-libav)"
        )
    return DecoderChoice(wanted, strict=wanted != "software", gpu=gpu)


@cache
def _warn_once(reasons: str) -> None:
    """Says why `auto` is software, once for all sources: each of them chooses."""
    logger.warning("decoder auto is software here: %s", reasons)


def decoder_of(frame: av.VideoFrame, choice: DecoderChoice) -> str:
    """What FFmpeg decoded `frame` with."""
    on_device = choice.name in HARDWARE and frame.format.name in _FROM_DEVICE
    return choice.name if on_device else "software"


def without_hardware(choice: DecoderChoice, name: str) -> DecoderChoice:
    """The choice for a container that is open already, without FFmpeg's hardware.

    Raises:
        SourceError: It was asked for by name.
    """
    if choice.name not in HARDWARE:
        return choice
    if choice.strict:
        raise SourceError(f"decoder {choice.name} is for files and live streams, not for {name!r}")
    return DecoderChoice()


def open_container(url: str, hardware: HWAccel | None, **options: Any) -> InputContainer:
    """What FFmpeg finds at `url`, to be decoded by `hardware` where that has a decoder for it.

    Args:
        url: A path or an address.
        hardware: As `DecoderChoice.hardware` gives it.
        **options: Of `av.open`.

    Raises:
        av.FFmpegError: It cannot be opened.
    """
    container: InputContainer
    try:
        container = av.open(url, hwaccel=hardware, **options)
    except RuntimeError:
        if hardware is None:
            raise
        container = av.open(url, **options)  # it has no decoder for any stream in it
    return container


@cache
def hardware_refusal(kind: str, gpu: int | None = None) -> str:
    """Why FFmpeg cannot decode on that kind of device here; empty if it can."""
    if kind not in hwdevices_available():
        return "this build of FFmpeg does not have it"
    try:
        av.CodecContext.create("h264", "r", hwaccel=_hardware(kind, gpu))
    except (av.FFmpegError, OSError, NotImplementedError) as error:
        return f"FFmpeg cannot open such a device ({getattr(error, 'strerror', None) or error})"
    return ""


def _hardware(kind: str, gpu: int | None) -> HWAccel:
    # One context for all users of a GPU, torch and TensorRT among them, instead of one each.
    options: dict[str, object] | None = {"primary_ctx": "1"} if kind == "cuda" else None
    device = str(gpu) if kind == "cuda" and gpu is not None else None
    return HWAccel(kind, device=device, allow_software_fallback=True, options=options)


def _is_jetson() -> bool:
    try:
        return b"nvidia,tegra" in _BOARD.read_bytes()
    except OSError:
        return False
