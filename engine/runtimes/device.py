"""Where a network runs: what `--device` names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from configs import ConfigError

_CUDA = re.compile(r"cuda(?::(\d{1,3}))?")
_UUID = re.compile(r"(?:GPU|MIG)-([0-9a-f-]{4,36})", re.IGNORECASE)


@dataclass(frozen=True)
class Device:
    """The CPU or a GPU; `str` writes it as it is given.

    Attributes:
        kind: `auto` is a GPU where one works, else the CPU.
        index: Number of the GPU as CUDA counts them; None is the first.
        uuid: Of the GPU, or its beginning, as nvidia-smi shows it; empty where it is not named so.
    """

    kind: Literal["auto", "cpu", "cuda"] = "auto"
    index: int | None = None
    uuid: str = ""

    def suits(self, needs_gpu: bool) -> bool:
        """Whether a runtime that does, or does not, need a GPU may be taken for it."""
        return self.kind == "auto" or (self.kind == "cuda") == needs_gpu

    def __str__(self) -> str:
        return self.uuid or (self.kind if self.index is None else f"cuda:{self.index}")


@dataclass(frozen=True)
class DeviceList:
    """One device or several, each of which gets an engine of its own; `str` writes them as they are
    given.

    Attributes:
        devices: At least one, in the order in which sources are shared out to them.

    Raises:
        ConfigError: None at all, or `auto` among others.
    """

    devices: tuple[Device, ...] = (Device(),)

    def __post_init__(self) -> None:
        if not self.devices:
            raise ConfigError("device must name at least one, such as cuda:0 or cpu")
        if len(self.devices) > 1 and Device() in self.devices:
            raise ConfigError(f"device auto goes alone, not as in {self}")

    @property
    def single(self) -> Device:
        """The device, where one is meant.

        Raises:
            ConfigError: There are several.
        """
        if len(self.devices) > 1:
            raise ConfigError(
                f"device {self}: only a run of several sources uses several devices; name one"
            )
        return self.devices[0]

    def __iter__(self) -> Iterator[Device]:
        return iter(self.devices)

    def __len__(self) -> int:
        return len(self.devices)

    def __str__(self) -> str:
        return ",".join(map(str, self.devices))


def parse_devices(text: str, name: str = "device") -> DeviceList:
    """The devices that a text names.

    Args:
        text: `auto`, `cpu`, `cuda`, `cuda:1`, `GPU-5fd4a3c5`, or several with commas between them.
        name: What the message begins with.

    Raises:
        ConfigError: It names none.
    """
    try:
        return DeviceList(tuple(_parse_device(part.strip()) for part in text.split(",")))
    except ConfigError as error:
        message = str(error)
        raise ConfigError(message.replace("device", name, 1)) from error


def _parse_device(text: str) -> Device:
    if text == "auto":
        return Device()
    if text == "cpu":
        return Device("cpu")
    cuda = _CUDA.fullmatch(text)
    if cuda:
        return Device("cuda", None if cuda[1] is None else int(cuda[1]))
    identity = _UUID.fullmatch(text)
    if identity:
        return Device("cuda", uuid=f"GPU-{identity[1].lower()}")
    raise ConfigError(
        f"device must be auto, cpu, cuda, cuda:1 or GPU-uuid, or several such as cuda:0,cuda:1, "
        f"not {text!r}"
    )
