"""Rounding and the exponential of the arrays, against numpy and against the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.simulate.pe.formats import BF16, FLOAT32, FORMATS, FP16, machine_exponential, round_array

NUMBERS = st.lists(st.floats(-60000, 60000, width=32), min_size=1, max_size=20)


def _bf16(values: np.ndarray) -> np.ndarray:
    """Return float32 values rounded to the nearest bf16, ties to even, on their bits."""
    bits = values.astype(np.float32).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + odd) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(np.float64)


def _is_tie(values: np.ndarray, low: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """Return where two neighbours are equally near: there either is a right rounding."""
    return np.abs(values - low) == np.abs(values - rounded)


@given(NUMBERS)
def test_fp16_and_float32_are_rounded_as_numpy_does(numbers: list[float]):
    """Values are rounded to the nearest of the format, subnormal numbers of fp16 included."""
    values = np.array(numbers) * 1.0000001
    for rounding, kind in ((FP16, np.float16), (FLOAT32, np.float32)):
        expected, actual = values.astype(kind).astype(np.float64), round_array(values, rounding)
        near = np.abs(values) > 2.0**-120  # our float32 keeps what lies below its smallest exponent

        assert np.all((expected == actual) | _is_tie(values, expected, actual) | ~near)


@given(NUMBERS)
def test_bf16_is_rounded_to_nearest(numbers: list[float]):
    """Values that float32 holds are rounded to the nearest bf16."""
    values = np.array(numbers, dtype=np.float32).astype(np.float64)
    values = values[np.abs(values) > 2.0**-120]
    expected, actual = _bf16(values), round_array(values, BF16)

    assert np.all((expected == actual) | _is_tie(values, expected, actual))


def test_fp16_overflows():
    """What is larger than the largest fp16 becomes infinite."""
    assert [math.inf, -math.inf, 65504.0] == round_array(np.array([65520.0, -1e6, 65504.0]), FP16).tolist()


def test_exponential_is_as_good_as_its_polynomial():
    """With sums in float32, six multiply-adds come within the cubic's error, 7.5e-5, and a few last places."""
    numbers = FORMATS["bf16, sums in float32"]
    for difference in np.linspace(-80.0, 0.0, 4001):
        expected = math.exp(np.float32(difference))

        assert machine_exponential(float(np.float32(difference)), numbers) == pytest.approx(
            expected, rel=9e-5
        )


@pytest.mark.parametrize("name", FORMATS)
def test_exponential_of_nothing_before_is_nothing(name: str):
    """The first maximum follows minus infinity: its correction is 0, or near the smallest power of two."""
    assert 0 <= machine_exponential(-math.inf, FORMATS[name]) < 2.0**-13
