"""ONNX files: whole, with the `onnx` package; their properties alone without it and without reading
the weights.

An ONNX file is one protocol buffer message, ModelProto: `metadata_props` is its field 14, a
repeated (key = 1, value = 2).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from basics.packages import import_package
from configs import ModelError

_IR_VERSION, _GRAPH, _PROPERTIES = 1, 7, 14
_VARINT, _FIXED_64, _LENGTH_DELIMITED, _FIXED_32 = 0, 1, 2, 5
_PROPERTY_LIMIT = 1 << 20


def load_onnx(path: str | Path, purpose: str) -> Any:
    """The `onnx.ModelProto` in a file.

    Args:
        path: The file.
        purpose: What it is needed for; stands in the message where onnx is not installed.

    Raises:
        ModelError: The file cannot be read or is damaged.
        RuntimeUnavailableError: There is no onnx package.
    """
    onnx = import_package("onnx", "higherhrnet-stream[torch]", purpose)
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return onnx.load(path)
    except OSError as error:
        raise ModelError(f"cannot read the model {str(path)!r}: {error.strerror}") from error
    except DecodeError as error:
        raise ModelError(
            f"{str(path)!r} is not an ONNX model, or it is damaged or cut off"
        ) from error


def read_properties(path: str | Path) -> dict[str, str]:
    """`metadata_props` of the ONNX model at `path`.

    Raises:
        ModelError: It cannot be read, is cut off or is no ONNX model.
    """
    path = Path(path)
    properties: dict[str, str] = {}
    seen = set()
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            for field, content in _fields(file, size, wanted=_PROPERTIES):
                seen.add(field)
                if field == _PROPERTIES:
                    pair = dict(_fields(io.BytesIO(content), len(content), wanted=None))
                    properties[pair[1].decode()] = pair[2].decode()
    except OSError as error:
        raise ModelError(f"cannot read the model {str(path)!r}: {error.strerror}") from error
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"{str(path)!r} is not an ONNX model, or it is damaged or cut off"
        ) from error
    if not {_IR_VERSION, _GRAPH} <= seen:
        raise ModelError(f"{str(path)!r} is not an ONNX model")
    return properties


def _fields(file: BinaryIO, size: int, wanted: int | None) -> Iterator[tuple[int, bytes]]:
    """Number and content of every field; content is empty, and not read, where the field is not
    `wanted` (None: all are).
    """
    while file.tell() < size:
        key = _varint(file)
        field, kind = key >> 3, key & 7
        content = b""
        if kind == _VARINT:
            _varint(file)
        elif kind == _LENGTH_DELIMITED:
            length = _varint(file)
            if file.tell() + length > size:
                raise ValueError("cut off")
            if wanted in (None, field) and length < _PROPERTY_LIMIT:
                content = file.read(length)
            else:
                file.seek(length, io.SEEK_CUR)
        elif kind in (_FIXED_64, _FIXED_32):
            file.seek(8 if kind == _FIXED_64 else 4, io.SEEK_CUR)
        else:
            raise ValueError(f"wire type {kind}")
        yield field, content


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte or shift > 63:
            raise ValueError("cut off")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
