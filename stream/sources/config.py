"""How sources are opened and kept open: the flags of cameras and network streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from configs.errors import ConfigError
from configs.flags import option
from configs.units import Size, parse_size
from stream.sources.decoders import DecoderName


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """How sources are opened and kept open.

    Attributes:
        open_timeout_s: Seconds that a camera or a network stream may take to open.
        read_timeout_s: Seconds without a packet after which a live source has stalled.
        reconnect: How often in a row a live source that was lost is asked for again; -1 is for
            ever, also for a camera that is not plugged in yet. None is for ever as well, but for
            such a camera, which is an error then.
        rtsp_transport: What carries RTSP.
        camera_size: Size to ask a camera for; None leaves it to the camera.
        camera_fps: Frame rate to ask a camera for; None leaves it to the camera.
        camera_format: Pixel format to ask a camera for; None leaves it to the camera.
        deinterlace: Whether fields become frames; `auto` looks at what the stream says of each
            frame.
        decoder: What decodes: `software` is FFmpeg's, `cuda` and `vaapi` its own for hardware,
            `gstreamer` a pipeline (a Jetson's decoder); `auto` is the first that works.
        decoder_gpu: On which GPU `cuda` decodes, as CUDA counts them; None is the one that computes
            where a run is told which (`EstimatorConfig.device`), else the first.
        realtime: Whether a file is delivered at its own frame rate, as a camera would, and counts
            as live.

    Raises:
        ConfigError: A number is out of range.
    """

    TITLE: ClassVar[str] = "cameras and network streams"

    open_timeout_s: float = option(
        10.0, help="give up opening a camera or a network stream after this", metavar="SECONDS"
    )
    read_timeout_s: float = option(
        5.0, help="a live source that sends nothing for this long has stalled", metavar="SECONDS"
    )
    reconnect: int | None = option(
        None,
        help="how often in a row to try to get a live source back, a camera that was never there "
        "too; -1: for ever (default: for ever, once it was there or is on the network)",
        metavar="N",
    )
    rtsp_transport: Literal["tcp", "udp"] = option("tcp", help="how RTSP carries frames")
    camera_size: Size | None = option(
        None, help="size to ask a camera for, such as 1280x720", metavar="WxH", parse=parse_size
    )
    camera_fps: float | None = option(None, help="frame rate to ask a camera for", metavar="FPS")
    camera_format: str | None = option(
        None, help="pixel format to ask a camera for, such as mjpeg or yuyv422", metavar="NAME"
    )
    deinterlace: Literal["auto", "on", "off"] = option(
        "auto", help="interlaced video: auto looks at what the stream says of each frame"
    )
    decoder: DecoderName = option(
        "software", help="what decodes; auto: a Jetson's, cuda, vaapi, else software"
    )
    decoder_gpu: int | None = None
    realtime: bool = option(False, help="deliver a file at its own frame rate, as a camera would")

    def __post_init__(self) -> None:
        for field in ("open_timeout_s", "read_timeout_s"):
            if not 0 < getattr(self, field) < 3600:
                raise ConfigError(
                    f"{field} must be a positive number of seconds, not {getattr(self, field)}"
                )
        if self.reconnect is not None and self.reconnect < -1:
            raise ConfigError(
                f"reconnect must be -1 (for ever) or a number of tries, not {self.reconnect}"
            )
        if self.camera_fps is not None and not 0 < self.camera_fps < 1000:
            raise ConfigError(f"camera_fps must be between 0 and 1000, not {self.camera_fps}")
