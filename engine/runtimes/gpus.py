"""The CUDA GPUs of this machine, asked of the driver itself: no package, no context, no memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from configs import RuntimeUnavailableError
from engine.runtimes.device import Device

T = TypeVar("T")

_NO_DEVICE = 100
_ATTRIBUTES = {"integrated": 18, "major": 75, "minor": 76}  # CUdevice_attribute of cuda.h
_NAME_BYTES = 256


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU as the driver describes it; `str` is what summaries and records say.

    Attributes:
        index: Its number, which `CUDA_VISIBLE_DEVICES` may have changed.
        name: Of the product.
        uuid: As nvidia-smi shows it, such as `GPU-5fd4a3c5-...`.
        capability: Compute capability, major and minor.
        integrated: Whether it shares its memory with the CPU, as a Jetson's does.
    """

    index: int
    name: str
    uuid: str
    capability: tuple[int, int]
    integrated: bool = False

    @property
    def kind(self) -> str:
        """What engines are built for: the same for all GPUs that can exchange them."""
        return f"{self.name} (compute capability {self.capability[0]}.{self.capability[1]})"

    def __str__(self) -> str:
        return f"cuda:{self.index} ({self.name})"


def load_driver() -> Any:
    """The CUDA driver's library.

    Raises:
        OSError: This machine has none.
    """
    # Asked before torch or TensorRT are imported for nothing: that takes seconds.
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


def driver_version() -> str:
    """The newest CUDA that the driver serves, such as `13.0`.

    Raises:
        RuntimeUnavailableError: There is no driver, or it does not say.
    """
    driver = _open_driver()
    version = ctypes.c_int()
    _check(driver, driver.cuDriverGetVersion(ctypes.byref(version)), "name its version")
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def list_gpus() -> tuple[Gpu, ...]:
    """The GPUs that CUDA shows to this process, in its order; none where it shows none.

    Raises:
        RuntimeUnavailableError: There is no driver, or it does not work.
    """
    driver = _open_driver()
    found = driver.cuInit(0)
    if found == _NO_DEVICE:
        return ()
    _check(driver, found, "start")
    count = ctypes.c_int()
    _check(driver, driver.cuDeviceGetCount(ctypes.byref(count)), "count its GPUs")
    return tuple(_describe(driver, index) for index in range(count.value))


def find_gpu(device: Device) -> Gpu:
    """The GPU that `device` names; the first one where it names none.

    Raises:
        RuntimeUnavailableError: There is no such GPU; the message lists those that there are.
    """
    gpus = list_gpus()
    if device.uuid:
        # As for CUDA_VISIBLE_DEVICES, the beginning is enough where it fits one only.
        matching = [gpu for gpu in gpus if gpu.uuid.startswith(device.uuid)]
    else:
        matching = [gpu for gpu in gpus if gpu.index == (device.index or 0)]
    if len(matching) == 1:
        return matching[0]
    there = ", ".join(f"{gpu}, {gpu.uuid}" for gpu in gpus) or "none"
    problem = "there is more than one" if matching else "there is no"
    raise RuntimeUnavailableError(f"{problem} GPU {device}; CUDA shows: {there}")


def in_current_context(call: Callable[[], T]) -> Callable[[], T]:
    """`call` for another thread, which gets the CUDA context that is current in this one now.

    A thread begins without a context, and libraries then take that of the first GPU. Where there
    is no driver, or no context, it is `call` itself.
    """
    try:
        driver = load_driver()
    except OSError:
        return call
    context = ctypes.c_void_p()
    if driver.cuCtxGetCurrent(ctypes.byref(context)) or not context:
        return call

    def called() -> T:
        driver.cuCtxSetCurrent(context)
        return call()

    return called


def _open_driver() -> Any:
    try:
        return load_driver()
    except OSError as error:
        raise RuntimeUnavailableError("this machine has no CUDA driver") from error


def _describe(driver: Any, index: int) -> Gpu:
    handle = ctypes.c_int()
    _check(driver, driver.cuDeviceGet(ctypes.byref(handle), index), f"open GPU {index}")
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _check(driver, driver.cuDeviceGetName(name, _NAME_BYTES, handle), f"name GPU {index}")
    identity = (ctypes.c_ubyte * 16)()
    # From 11.4 on; the older one gives parts of a GPU (MIG) the identity of the whole.
    get_uuid = getattr(driver, "cuDeviceGetUuid_v2", None) or driver.cuDeviceGetUuid
    _check(driver, get_uuid(identity, handle), f"identify GPU {index}")
    values = {}
    for key, attribute in _ATTRIBUTES.items():
        value = ctypes.c_int()
        _check(
            driver,
            driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, handle),
            f"describe GPU {index}",
        )
        values[key] = value.value
    return Gpu(
        index=index,
        name=name.value.decode(errors="replace"),
        uuid=f"GPU-{UUID(bytes=bytes(identity))}",
        capability=(values["major"], values["minor"]),
        integrated=bool(values["integrated"]),
    )


def _check(driver: Any, result: int, what: str) -> None:
    if result:
        text = ctypes.c_char_p()
        driver.cuGetErrorString(result, ctypes.byref(text))
        reason = (text.value or b"").decode(errors="replace") or "unknown"
        raise RuntimeUnavailableError(f"the CUDA driver cannot {what}: error {result}, {reason}")
