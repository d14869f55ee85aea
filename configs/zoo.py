"""What is published: checkpoints of the presets, where they lie, what they are said to reach."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from configs.errors import ConfigError
from configs.loading import from_mapping, load_yaml

_FILE = Path(__file__).with_name("zoo.yaml")
OWN_ZOO = "HIGHERHRNET_ZOO"

Layout = Literal["mmpose", "official", "official_fp16"]
"""How the parameters in a file are called: as in mmpose 0.x, or in the official repository, there
with or without the `1.` of its half-precision wrapper.
"""


@dataclass(frozen=True, kw_only=True)
class PublishedAp:
    """An average precision that somebody published.

    Attributes:
        value: In percent.
        dataset: What it was measured on.
        scales: Of the test.
        flip: Whether the mirrored image was looked at, too.
    """

    value: float
    dataset: str
    scales: tuple[float, ...] = (1.0,)
    flip: bool = True


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A published checkpoint.

    Attributes:
        preset: The model whose weights it holds.
        file: What the file is called.
        url: Where it lies, over https; None where there is no stable address.
        sha256: Its hash, or the first eight or more digits; None where nobody published it.
        layout: How its parameters are called.
        source: Who published it.
        licence: Of the weights.
        ap: What they are said to reach.

    Raises:
        ConfigError: A field that cannot be used.
    """

    preset: str
    file: str
    url: str | None = None
    sha256: str | None = None
    layout: Layout = "mmpose"
    source: str = ""
    licence: str = ""
    ap: tuple[PublishedAp, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-][\w.-]*", self.file):
            raise ConfigError(f"file must be a plain file name, not {self.file!r}")
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{8,64}", self.sha256):
            raise ConfigError(f"sha256 must be 8 to 64 digits in lower case, not {self.sha256!r}")
        if self.url is not None and urlsplit(self.url).scheme != "https":
            raise ConfigError(f"url must begin with https://, not {self.url!r}")
        if self.url is not None and self.sha256 is None:
            raise ConfigError("sha256 must be there where there is a url: nothing else tells files")


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """What a preset's network costs.

    Attributes:
        parameters: How many.
        gmacs: 10^9 multiply-accumulates of a square input of the preset's size.
    """

    parameters: int
    gmacs: float

    @property
    def size_mb(self) -> float:
        """About how large its weights are in single precision."""
        return self.parameters * 4 / 1e6


@dataclass(frozen=True, kw_only=True)
class Zoo:
    """All that is known of published weights.

    Attributes:
        networks: Costs by preset.
        checkpoints: The ones to be preferred first.
    """

    networks: dict[str, NetworkCost]
    checkpoints: tuple[Checkpoint, ...]

    def fetchable(self, preset: str) -> Checkpoint | None:
        """The first checkpoint of a preset that has an address; None where none has."""
        found = (each for each in self.checkpoints if each.preset == preset and each.url)
        return next(found, None)

    def with_hash(self, sha256: str) -> Checkpoint | None:
        """The checkpoint whose published hash is, or begins, `sha256`."""
        found = (
            each for each in self.checkpoints if each.sha256 and sha256.startswith(each.sha256)
        )
        return next(found, None)


def load_zoo() -> Zoo:
    """The zoo of this project, behind the one in the YAML file that `HIGHERHRNET_ZOO` names, if it
    names one: the same keys, for checkpoints of one's own.

    Raises:
        ConfigError: The file cannot be read, or holds something else.
    """
    zoo = from_mapping(Zoo, load_yaml(_FILE), str(_FILE))
    own = os.environ.get(OWN_ZOO)
    if not own:
        return zoo
    content = {"networks": {}, "checkpoints": [], **load_yaml(Path(own))}
    added = from_mapping(Zoo, content, f"{OWN_ZOO}={own}")
    return Zoo(
        networks=zoo.networks | added.networks, checkpoints=added.checkpoints + zoo.checkpoints
    )
