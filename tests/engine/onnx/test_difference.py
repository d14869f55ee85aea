"""A second file is made of a first one and of what it adds, exactly or not at all."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import ModelError
from engine.onnx.difference import Difference

FIRST = np.random.default_rng(0).bytes(5000)
PIECE = st.tuples(st.integers(0, 5000), st.integers(0, 5000)).map(lambda ends: FIRST[slice(*ends)])


@given(st.lists(PIECE | st.binary(max_size=300), max_size=6))
def test_the_second_file_comes_back_to_the_byte(parts: list[bytes]) -> None:
    second = b"".join(parts)
    found = Difference.between(FIRST, second, "recipe")

    assert found.apply(FIRST) == second
    # Nothing of the first one is kept twice that is long enough to hold a whole block of it.
    strange = sum(len(part) for part in parts if part not in FIRST or len(part) < 127)
    assert len(found.own) <= strange


def test_what_the_first_file_has_is_not_kept(tmp_path: Path) -> None:
    second = b"head" + FIRST[1001:4007] + b"\nmiddle\n" + FIRST[3:1000] + FIRST[3:1000] + b"end"
    found = Difference.between(FIRST, second, "recipe")

    assert found.own == b"head\nmiddle\nend"
    found.write(tmp_path / "difference")
    back = Difference.read(tmp_path / "difference")
    assert (back.recipe, back.apply(FIRST)) == ("recipe", second)


def test_another_first_file_is_refused() -> None:
    found = Difference.between(FIRST, FIRST[100:] + b"more", "recipe")

    with pytest.raises(ModelError, match="not the one that the difference beside it was made from"):
        found.apply(FIRST[:2500] + b"?" + FIRST[2501:])


@pytest.mark.parametrize(
    "content", [b"", b"no zlib", zlib.compress(b"[]\n"), zlib.compress(b"1"), zlib.compress(b"{}")]
)
def test_a_file_that_is_no_difference_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "base.difference").write_bytes(content)

    with pytest.raises(
        ModelError, match=r"base\.difference' is damaged: install the package again"
    ):
        Difference.read(tmp_path / "base.difference")
    with pytest.raises(ModelError, match="nowhere': No such file"):
        Difference.read(tmp_path / "nowhere")


def test_half_a_difference_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "base.difference"
    Difference.between(FIRST, b"own" * 50 + FIRST, "recipe").write(path)
    assert json.loads(zlib.decompress(path.read_bytes()).split(b"\n")[0])["recipe"] == "recipe"
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(ModelError, match="is damaged"):
        Difference.read(path)
