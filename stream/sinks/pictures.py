"""Pictures: the annotated images of photographs, or of every frame of a video."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from basics.atomic import atomic_path, check_folder
from configs.errors import ConfigError, SinkError
from grouping import People
from stream.frame import Frame, SourceInfo
from stream.sinks.base import RunInfo
from stream.sinks.claims import Claim, claim_file, claim_names
from stream.sinks.files import OutputFolder, check_output, sink_error
from stream.sinks.marks import marked

_QUALITY = 92
_OPTIONS: dict[str, list[int]] = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, _QUALITY],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, _QUALITY],
    ".png": [],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, _QUALITY],
}
PICTURE_SUFFIXES = tuple(_OPTIONS)
"""Suffixes, in lower case, of the pictures that can be written."""

_FIELD = re.compile(r"\{(?:frame(?::0?(\d{1,2})d)?|(file))\}")


class PicturesSink:
    """Writes the annotated images as pictures, each of which appears whole or not at all.

    Args:
        target: Path of the picture: `out.jpg` for a photograph, and names with `{frame:06d}`
            (number of the frame) or `{file}` (name of the file that it is in, without suffix) in
            them for everything else.

    Raises:
        ConfigError: There is something else in braces.
    """

    needs_image = True
    resumable = True

    def __init__(self, target: str) -> None:
        self.label = target
        self._path = Path(target)
        self._numbered = _FIELD.search(self._path.name) is not None
        if "{" in _FIELD.sub("", self._path.name) or "{" in str(self._path.parent):
            raise ConfigError(
                f"output {target!r} has braces that mean nothing here: {{frame:06d}} and {{file}} "
                "are known, in the name of the file"
            )
        self._counted = any(not match[2] for match in _FIELD.finditer(self._path.name))
        self._folder = OutputFolder(self._path.parent)
        self._written: set[Path] = set()

    def claims(self) -> list[Claim]:
        """The picture, or all that fit the name.

        Raises:
            SinkError: The folder could not be made or written.
        """
        check_folder(self._path.parent)
        if not self._numbered:
            return [claim_file(self._path)]
        parts = re.split(
            _FIELD.pattern.replace("(\\d", "(?:\\d").replace("(file)", "file"), self._path.name
        )
        names = ".+".join(map(re.escape, parts))
        return [claim_names(self._path.parent, names, self.label)]

    def open(self, source: SourceInfo, run: RunInfo) -> None:
        """Makes the folder of numbered pictures.

        Raises:
            SinkError: There is no such folder, or one picture cannot hold all frames.
        """
        self._written = set()
        if not self._numbered:
            check_output(self._path, source)
            if source.frame_count != 1:
                raise SinkError(
                    f"cannot write {self.label!r}: {source.name!r} has more than one frame; give "
                    f"their pictures numbers, as in {self._path.stem}_{{frame:06d}}"
                    f"{self._path.suffix}"
                )
            return
        self._folder.make()

    def write(
        self,
        frame: Frame,
        people: People,
        image: NDArray[np.uint8] | None,
        *,
        latency_ms: float,
        drops: int,
    ) -> None:
        """Writes the picture of one frame.

        Raises:
            SinkError: The picture could not be written, or would take the place of an earlier one.
        """
        if image is None:
            raise SinkError(
                f"cannot write {self.label!r}: a picture needs images, and the pipeline drew none"
            )
        path = self._path_of(frame)
        if path in self._written:
            raise SinkError(
                f"cannot write {str(path)!r}: an earlier frame has it; add {{frame:06d}} to its "
                "name"
            )
        suffix = path.suffix.lower()
        try:
            encoded_well, encoded = cv2.imencode(suffix, image, _OPTIONS[suffix])
        except cv2.error:
            encoded_well = False
        if not encoded_well:  # 16,383 pixels of WebP, 65,535 of JPEG
            raise SinkError(
                f"cannot write {str(path)!r}: {image.shape[1]}x{image.shape[0]} pixels are too "
                f"large for {suffix}; choose .png"
            )
        try:
            with atomic_path(path, suffix=".part") as part:
                part.write_bytes(marked(encoded.tobytes()))
        except OSError as error:
            raise sink_error(path, error) from error
        if not self._counted:
            self._written.add(path)

    def close(self) -> None:
        """Nothing is held open."""

    def abandon(self) -> None:
        """Instead of `close`, where the run failed: folders that were made for nothing go."""
        self._folder.remove_unused()

    def _path_of(self, frame: Frame) -> Path:
        def value(match: re.Match[str]) -> str:
            if match[2]:
                return Path(frame.source).stem
            return f"{frame.index:0{match[1] or 1}d}"

        return self._path.with_name(_FIELD.sub(value, self._path.name))
