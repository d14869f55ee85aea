"""Which encoder compresses video: hardware where it works, x264 otherwise, said aloud."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np

from configs.errors import ConfigError
from configs.loading import nearest
from stream.sinks.video_config import VideoConfig

logger = logging.getLogger(__name__)

# In order of preference; the last of each is software. VAAPI is missing because it only takes
# frames that are already on the device. V4L2 M2M encoders (Raspberry Pi, older Jetsons) ignore
# constant quality, so they have to be asked for by name.
_CANDIDATES = {
    "h264": ("h264_nvenc", "h264_qsv", "h264_videotoolbox", "libx264"),
    "hevc": ("hevc_nvenc", "hevc_qsv", "hevc_videotoolbox", "libx265"),
}
_SOFTWARE = ("libx264", "libx265")
_X265_SILENT = "log-level=none"
_COLOUR_BT601 = 6  # FFmpeg's AVCOL_*_SMPTE170M: what cv2's conversion to I420 computes
_COLOUR_LIMITED_RANGE = 1  # FFmpeg's AVCOL_RANGE_MPEG


@cache
def choose_encoder(codec: str, name: str) -> str:
    """Name of the FFmpeg encoder to use: `name` itself, or the first that works for `codec` where
    it is `auto`.

    Raises:
        ConfigError: The encoder does not exist or does not work here.
    """
    if name != "auto":
        known = [
            item
            for item in sorted(av.codecs_available)
            if item in _SOFTWARE or item.startswith(f"{codec}_")
        ]
        if name not in av.codecs_available:
            raise ConfigError(f"unknown video encoder {name!r}{nearest(name, known)}")
        if (reason := _refusal(name)) is not None:
            raise ConfigError(f"video encoder {name!r} does not work here ({reason}); try auto")
        return name
    refusals = {}
    for candidate in _CANDIDATES[codec]:
        if (reason := _refusal(candidate)) is None:
            kind = (
                "software, no hardware encoder answered" if candidate in _SOFTWARE else "hardware"
            )
            logger.info("video encoder: %s (%s)", candidate, kind)
            return candidate
        refusals[candidate] = reason
    raise ConfigError(
        f"no encoder for {codec} works here ({', '.join(refusals)}); choose --video-codec h264"
    )


def describe_encoders() -> dict[str, str]:
    """The state of every encoder that `auto` may take, by name, in its order: `yes`, or why it
    cannot be used here.
    """
    states = {}
    for name in (name for names in _CANDIDATES.values() for name in names):
        reason = _refusal(name)
        states[name] = "yes" if reason is None else f"no: {reason}"
    return states


def encoder_options(name: str, options: VideoConfig, *, live: bool) -> dict[str, str]:
    """Private options of the encoder `name` for the asked quality; `live` gives up compression for
    a short delay.
    """
    quality = str(options.video_quality)
    if name in _SOFTWARE:
        chosen = {"crf": quality, "preset": options.video_preset}
        if live:
            chosen["tune"] = "zerolatency"
        if name == "libx265":
            chosen["x265-params"] = _X265_SILENT
        return chosen
    if name.endswith("nvenc"):
        return {
            "preset": "p4",
            "rc": "vbr",
            "cq": quality,
            "b": "0",
            **({"tune": "ull", "delay": "0"} if live else {}),
        }
    if name.endswith("qsv"):
        return {"global_quality": quality, "async_depth": "1" if live else "4"}
    return {}


def add_video_stream(
    container: Any,
    name: str,
    *,
    size: tuple[int, int],
    fps: float | None,
    time_base: Fraction,
    options: dict[str, str],
) -> Any:
    """A video stream of `container` that takes yuv420p frames of `size` (width, height; even)
    stamped in `time_base`.

    `fps` only guides rate control and the distance of key frames (2 s, so that seeking is quick);
    time stamps decide when a frame is shown.
    """
    rate = Fraction(fps or 30.0).limit_denominator(1001)
    stream = container.add_stream(name, rate=rate, options=options)
    context = stream.codec_context
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base = stream.time_base = time_base
    context.gop_size = max(1, round(2 * rate))
    context.colorspace = context.color_primaries = context.color_trc = _COLOUR_BT601
    context.color_range = _COLOUR_LIMITED_RANGE
    if name.startswith(("hevc", "libx265")):
        context.codec_tag = "hvc1"  # Apple players refuse FFmpeg's default, hev1
    return stream


@contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """Whatever an encoder does when it is opened, the thread is scheduled afterwards as before.

    SVT-AV1 gives the thread that opens it real-time priority 99 if the user is root, as in
    containers; every thread and process that it starts from then on would have that, too, and
    starve the rest of the machine.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


@cache
def _refusal(name: str) -> str | None:
    """Why the encoder cannot compress one small frame, None if it can."""
    if name not in av.codecs_available:
        return "not in this FFmpeg"
    if name == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors: it writes to the terminal by itself
    try:
        if av.Codec(name, "w").type != "video":
            return "it encodes no video"
        context: Any = av.CodecContext.create(name, "w")
        context.width = context.height = 256
        context.pix_fmt = "yuv420p"
        context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
        if name == "libx265":
            context.options = {"x265-params": _X265_SILENT}  # it writes to the terminal by itself
        frame = av.VideoFrame.from_ndarray(np.full((384, 256), 128, np.uint8), "yuv420p")
        frame.pts = 0
        with ordinary_scheduling():
            context.encode(frame)
            context.encode(None)
    except (av.FFmpegError, OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return None
