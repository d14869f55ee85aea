"""Whether and where a long video is cut into parts."""

from __future__ import annotations

import logging
from typing import Any

import av
from av.container import InputContainer

from archive.config import Settings
from archive.storage import RemoteFile, is_remote
from archive.units import Cut
from basics.paths import ffmpeg_path
from configs import SourceError
from configs.errors import one_line, redact_url
from stream.sources.segment import describe, find_cuts

logger = logging.getLogger(__name__)

_CUT_FROM = 2  # parts; shorter videos stay whole


def open_video(address: str) -> InputContainer:
    """A video, to be read anywhere in it.

    Args:
        address: A path; or an address, of which only what is read is fetched.

    Raises:
        FetchError: It cannot be reached.
        av.FFmpegError: It is no video.
    """
    file: Any = RemoteFile(address) if is_remote(address) else ffmpeg_path(address)
    opened: InputContainer = av.open(file, "r", metadata_errors="replace")
    return opened


def find_cut(address: str, settings: Settings) -> Cut | None:
    """How to cut a video; None where it is to be done whole.

    Raises:
        FetchError: It cannot be reached.
    """
    part_s = settings.outputs.cut_s
    if part_s is None:
        return None
    shown = redact_url(address)
    try:
        with open_video(address) as container:
            length_s = (container.duration or 0) / av.time_base
            if length_s < _CUT_FROM * part_s:
                return None
            stamps = find_cuts(container, part_s)
        if not stamps:
            return None
        with open_video(address) as container:
            whole = describe(container, shown, settings.source)
    except (SourceError, av.FFmpegError) as error:
        logger.info("%s is not cut: %s", shown, redact_url(one_line(error)))
        return None
    return Cut(
        stamps=tuple(stamps),
        width=whole.info.width,
        height=whole.info.height,
        fps=whole.info.fps,
        frame_count=whole.info.frame_count,
        duration_s=whole.info.duration_s,
        time_base=whole.info.time_base,
        start_s=whole.start_s,
    )
