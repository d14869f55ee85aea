"""Paths for libraries that read more into a name than a file."""

from __future__ import annotations

from pathlib import Path


def ffmpeg_path(path: str | Path) -> str:
    """`path` as FFmpeg takes it for a file: in `2024-01-01T12:30.mp4` it would find a protocol."""
    return f"file:{path}" if ":" in str(path) else str(path)
