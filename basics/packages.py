"""Optional packages, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from configs.errors import RuntimeUnavailableError, one_line


def import_package(name: str, install: str, purpose: str = "") -> Any:
    """The package called `name`.

    Args:
        name: What to import, such as `openvino`.
        install: What pip is to be given for it, such as `higherhrnet-stream[openvino]`.
        purpose: What needs it; stands in the message.

    Returns:
        The module.

    Raises:
        RuntimeUnavailableError: The package is not installed, or cannot be loaded; one line that
            says what to install.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        said = f"{purpose} needs {missing}" if purpose else f"{missing} is not installed"
        raise RuntimeUnavailableError(f"{said}: {pip(install)}") from error
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        # Bindings load libraries (CUDA's, for instance) when they are imported; one that is missing
        # or too old surfaces as any of these, and a package that is too new for what imports it as
        # an attribute that it no longer has (TensorRT 11 for torch2trt).
        said = f"{name} cannot be loaded ({one_line(error)})"
        raise RuntimeUnavailableError(f"{said}: {pip(install)}") from error


def pip(install: str) -> str:
    """The command that installs it."""
    quoted = f"'{install}'" if "[" in install else install
    return f"pip install {quoted}"
