"""Published weights by the name of their preset: fetched once, checked, kept in the cache."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from basics.cache import cache_folder
from configs import FetchError
from configs.zoo import Checkpoint, load_zoo

OFFLINE = "HIGHERHRNET_OFFLINE"
MIRROR = "HIGHERHRNET_MIRROR"
logger = logging.getLogger(__name__)


def weights_path(checkpoint: Checkpoint) -> Path:
    """Where a published checkpoint is kept, once it was fetched or put there by hand."""
    return cache_folder() / "weights" / checkpoint.file


def weights_url(checkpoint: Checkpoint) -> str | None:
    """Where a published checkpoint is fetched from: its own address, or the same file below the
    address in the environment variable `HIGHERHRNET_MIRROR`.
    """
    mirror = os.environ.get(MIRROR)
    if not mirror or checkpoint.url is None:
        return checkpoint.url
    return f"{mirror.rstrip('/')}/{checkpoint.file}"


def fetch_weights(checkpoint: Checkpoint, *, offline: bool = False) -> Path:
    """The file of a published checkpoint, fetched where it is not in the cache.

    Args:
        checkpoint: One that has an address.
        offline: Fetch nothing; so does the environment variable `HIGHERHRNET_OFFLINE`.

    Raises:
        FetchError: It cannot be fetched, or may not be; one line that says from where, why, and
            what to do without a network.
    """
    path, url = weights_path(checkpoint), weights_url(checkpoint)
    if path.is_file():
        return path
    if url is None:
        raise FetchError(f"{checkpoint.file!r} has no address: {_by_hand(checkpoint)}")
    if offline or is_offline():
        raise FetchError(
            f"the weights of {checkpoint.preset!r} are not fetched while offline: "
            f"{url}; {_by_hand(checkpoint)}"
        )
    from basics.download import download  # Requests takes a tenth of a second to import

    cost = load_zoo().networks.get(checkpoint.preset)
    size = "" if cost is None else f", about {cost.size_mb:.0f} MB"
    logger.warning(
        "fetching the weights of %s once (%s, %s%s); they are kept in %s",
        checkpoint.preset,
        checkpoint.source,
        checkpoint.licence,
        size,
        path.parent,
    )
    try:
        download(url, path, checkpoint.sha256 or "")
    except FetchError as error:
        raise FetchError(f"{error}; {_by_hand(checkpoint)}") from error
    return path


def is_offline() -> bool:
    """Whether the environment forbids to fetch anything."""
    return os.environ.get(OFFLINE, "").lower() not in ("", "0", "false", "no")


def _by_hand(checkpoint: Checkpoint) -> str:
    return (
        f"put the file at {str(weights_path(checkpoint))!r}, give it with --weights, or take "
        "--model lite"
    )
