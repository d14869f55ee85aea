"""An optional package that is not there is named with what to install, in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from basics.packages import import_package
from configs import RuntimeUnavailableError


def test_a_package_that_is_there_is_imported() -> None:
    assert import_package("json", "json").loads("1") == 1


def test_one_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    extra = "higherhrnet-stream[openvino]"
    with pytest.raises(RuntimeUnavailableError) as caught:
        import_package("openvino", extra)
    assert str(caught.value) == f"openvino is not installed: pip install '{extra}'"
    with pytest.raises(RuntimeUnavailableError) as caught:
        import_package("openvino", extra, "int8")
    assert str(caught.value) == f"int8 needs openvino: pip install '{extra}'"


@pytest.mark.parametrize(
    "line",
    [
        "raise OSError('libcudart.so.13:\\n no such file')",
        "raise RuntimeError('too old')",
        "import json; json.removed",
    ],
)
def test_one_that_cannot_be_loaded_says_why(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_bindings.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeUnavailableError) as caught:
        import_package("broken_bindings", "a b")
    said = str(caught.value)
    assert said.startswith("broken_bindings cannot be loaded (") and "\n" not in said
    assert said.endswith("): pip install a b")


def test_what_it_imports_itself_is_named_where_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeUnavailableError, match="no_such_package is not installed"):
        import_package("needs_more", "more")
