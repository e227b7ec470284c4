"""Between what the values of a cascade lie: held to the values themselves, with inputs as extreme as they come."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.analysis.rewrite.ceiling import EVERYTHING, Ranges
from fusemax.analysis.rewrite.safety import exponentials
from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.evaluate import evaluate

TEXT = """
title: values between bounds
source: a test
inputs: {{X: [M], Y: [M]}}
outputs: [Z, A]
constants: {{{constants}}}
einsums: |
  A[m] = {first}
  B[m] = {second}
  C[]  = B[m] :: max[m]
  Z[m] = exp(B[m])*C[] + Y[m] + X[m]
"""

CONSTANTS = {"cap": 30, "low": -2}


def text_of(first: str, second: str) -> str:
    """Return the cascade with these two values, and the constants that they read."""
    read = ", ".join(f"{name}: {value}" for name, value in CONSTANTS.items() if name in first + second)
    return TEXT.format(first=first, second=second, constants=read)


LEAVES = st.sampled_from(["X[m]", "Y[m]", "cap", "low", "3", "0.5"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["tanh", "sigmoid", "sin", "exp"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(["max", "min"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"where(lt({t[0]}, 1), {t[1]}, {t[2]})"),
        inner.map(lambda x: f"(-{x})"),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(first=VALUES, second=VALUES.map(lambda text: text.replace("Y[m]", "A[m]")), seed=st.integers(0, 99))
def test_values_lie_between_what_is_said(first: str, second: str, seed: int) -> None:
    """No finite value of a random cascade lies outside of its range."""
    cascade = cascade_from_text(text_of(first, second))
    random = np.random.default_rng(seed)
    inputs = {name: random.choice([-1e3, -30, -1, 0, 1, 2.5, 700], 8) for name in cascade.inputs}
    with np.errstate(all="ignore"):
        values = evaluate(cascade, inputs)
    ranges = Ranges(cascade)
    for einsum in cascade.computed[:3]:
        low, high = ranges.of(einsum.output)
        got = values[einsum.name]
        got = got[np.isfinite(got)]
        slack = 1e-9 * max((abs(x) for x in (low, high) if math.isfinite(x)), default=0)
        assert np.all(got >= low - slack)
        assert np.all(got <= high + slack)


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        ("cap*tanh(X[m]/cap)", (-30, 30)),
        ("-sigmoid(X[m]) + 1", (0, 1)),
        ("min(X[m], 5)", (-math.inf, 5)),
        ("X[m]", EVERYTHING),
        ("tanh(X[m-1]) - 4", (-5, -3)),
        ("low*tanh(X[m])", (-2, 2)),
    ],
)
def test_ranges_by_hand(second: str, wanted: tuple[float, float]) -> None:
    """Worked out by hand; a place outside of a tensor reads as 0."""
    cascade = cascade_from_text(text_of("X[m]", second))
    assert Ranges(cascade).of(cascade.einsum("B").output) == wanted


def test_an_exponent_that_is_capped_needs_no_maximum() -> None:
    """exp(50) is far from the largest number of 32 bits; exp(500) is not."""
    for cap, safe in ((50, True), (500, False)):
        text = text_of("X[m]", f"{cap}*tanh(X[m]/{cap})")
        (one,) = exponentials(cascade_from_text(text))
        assert one.may_overflow is not safe
        assert ("is at most exp(50)" in str(one)) is safe
