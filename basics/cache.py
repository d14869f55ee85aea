"""The folder of this user where files are kept that can be made or fetched again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """Where the environment variable `HIGHERHRNET_CACHE` says, else `higherhrnet-stream` where the
    platform keeps caches: `$XDG_CACHE_HOME`, `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`.

    It may not exist yet.
    """
    chosen = os.environ.get("HIGHERHRNET_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return user_cache_path("higherhrnet-stream", appauthor=False)


def hash_file(path: Path) -> str:
    """SHA-256 of what is in the file, 64 hexadecimal digits.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
