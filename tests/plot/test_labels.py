"""Numbers and units on axes say what they stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.errors import FusemaxError
from fusemax.plot.labels import axis_label, tick
from fusemax.plot.scales import scale
from fusemax.plot.spec import FigureSpec
from fusemax.plot.ticks import power
from fusemax.table.column import measure

_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30}
_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def _read(text: str) -> float:
    return float(text[:-1]) * _SIZES[text[-1]] if text[-1] in _SIZES else float(text)


@given(st.integers(0, 2**34))
def test_tick_loses_nothing(value: int) -> None:
    """A tick of a whole number, read back, is that number: it is never rounded."""
    assert value == _read(tick(value))


@given(st.integers(-20, 20), st.sampled_from([1, 2, 5]))
def test_power_loses_nothing(exponent: int, digit: int) -> None:
    """A logarithmic tick, read back, is the number that it stands at."""
    value = float(f"{digit}e{exponent}")
    text = power(value)
    mantissa, found, raised = text.rpartition("10") if not text.replace(".", "").isascii() else ("", "", "")
    read = float(f"{mantissa.rstrip('·') or 1}e{raised.translate(_LOWERED)}") if found else float(text)
    assert value == pytest.approx(read)


def test_unit_is_asked_for_by_name() -> None:
    """A figure may choose its unit; one that is none is refused with those there are."""
    assert 1e3 == scale(measure("latency_s"), "ms").factor
    assert "latency (ms)" == axis_label(measure("latency_s"), "ms")
    with pytest.raises(FusemaxError, match="unit: nothing is shown in 'furlong'; there are: %, s, ms"):
        scale(measure("latency_s"), "furlong")
    with pytest.raises(
        FusemaxError, match="unit: values in 'B' are not shown in 'ms'; there are: B, KiB, MiB, GiB, TiB, PiB"
    ):
        scale(measure("traffic_B"), "ms")


def test_an_empty_choice_is_a_mistake() -> None:
    """A figure that keeps no value of a column shows nothing: said before it is drawn."""
    spec = FigureSpec(file="a", kind="bars", x="m", y="t", where={"model": ()})
    assert spec.mistakes() == ("where: an empty list keeps no row of any model",)
