import math
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from stream.profile.report.svg import Axis, Plot, axis_for, number

POSITIVE = st.floats(1e-3, 1e6)


@given(POSITIVE, st.floats(1.01, 1e4), st.booleans())
def test_ticks_are_round_and_inside(low: float, factor: float, log: bool) -> None:
    axis = Axis(low, low * factor, log=log)
    ticks = axis.ticks()
    assert all(axis.low - 1e-9 * axis.high <= tick <= axis.high * (1 + 1e-9) for tick in ticks)
    assert len(ticks) <= 14
    assert ticks == sorted(ticks)


@given(POSITIVE, st.floats(1.01, 1e4), st.floats(0, 1e7), st.booleans())
def test_every_value_has_a_place_on_the_axis(
    low: float, factor: float, value: float, log: bool
) -> None:
    axis = Axis(low, low * factor, log=log)
    assert 0 <= axis.place(value) <= 1
    assert axis.place(axis.low) == 0
    assert math.isclose(axis.place(axis.high), 1)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=30))
def test_an_axis_holds_its_values(values: list[float | None]) -> None:
    axis = axis_for(values, "ms")
    assert all(value <= axis.high for value in values if value is not None)
    assert axis.low < axis.high


def test_a_stall_makes_the_axis_logarithmic() -> None:
    assert axis_for([10.0] * 50 + [900.0], "ms").log
    assert not axis_for([10.0] * 50 + [90.0], "ms").log


def test_gaps_break_a_line() -> None:
    plot = Plot(Axis(0, 3), Axis(0, 3)).line([0, 1, 2, 3], [1.0, None, 2.0, 3.0], "p50")
    (path,) = [element for element in ElementTree.fromstring(str(plot)) if element.tag == "path"]
    assert path.attrib["d"].count("M") == 2


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0.05, 12.0, 4000.0, 0.1 + 0.2)] == [
        "0.05",
        "12",
        "4000",
        "0.3",
    ]
