"""Number formats of the arrays, and the exponential as they compute it: one subtraction and six multiply-adds.

The exponential of a difference x <= 0 is 2^n * 2^f with n + f = x*log2(e), n whole, f in [-1/2, 1/2]:

1. ``d = x - y``, no lower than the format's smallest exponent allows (what lies below it is 0 for all purposes);
2. ``n = d*log2(e) + 0``, the adder rounding at the binary point instead of at the last place;
3. ``f = d*log2(e) - n``;
4. to 6. ``((c3*f + c2)*f + c1)*f + c0``, by Horner's rule;
7. the polynomial times ``2^n + 0``: a power of two is an exponent field, so it needs no table.

The coefficients are the cubic of least relative error on the interval, 7.5e-5, found with Remez' exchange; that is a
third of half a last place of fp16 (2.4e-4), so a higher degree would be lost in the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from fusemax.compiled import compiled

LOG2_E = 1.0 / math.log(2.0)
C0, C1, C2, C3 = 0.9999280735724706, 0.6932609846920404, 0.2426111223509835, 0.055171672325748815
EXPONENTIAL_CYCLES = 7  #: the subtraction and six multiply-adds


class Rounding(NamedTuple):
    """Rounding to a binary format, to nearest: ``factor`` is 2^s + 1 where s digits of the 53 are dropped (1: none).

    Below ``normal`` numbers are whole multiples of a last place; adding and taking away ``anchor`` rounds to it. Above
    ``largest`` they are infinite.
    """

    factor: float
    normal: float
    anchor: float
    largest: float


EXACT = Rounding(1.0, 0.0, 0.0, math.inf)
FLOAT32 = Rounding(2.0**29 + 1, 0.0, 0.0, 2.0**128 - 2.0**104)
BF16 = Rounding(2.0**45 + 1, 0.0, 0.0, 2.0**128 - 2.0**120)
FP16 = Rounding(2.0**42 + 1, 2.0**-14, 1.5 * 2.0**28, 65504.0)


class Numbers(NamedTuple):
    """The formats of one machine: ``operand`` of what is multiplied and kept, ``total`` of sums and of the exponential.

    ``lowest`` is the least difference whose exponential is computed, a little above the smallest exponent.
    """

    operand: Rounding
    total: Rounding
    lowest: float
    exact: bool


FORMATS: Mapping[str, Numbers] = {
    "float64": Numbers(EXACT, EXACT, -1e4, True),
    "bf16, sums in float32": Numbers(BF16, FLOAT32, -126 * math.log(2), False),
    "fp16, sums in float32": Numbers(FP16, FLOAT32, -126 * math.log(2), False),
    "bf16 throughout": Numbers(BF16, BF16, -126 * math.log(2), False),
    "fp16 throughout": Numbers(FP16, FP16, -14 * math.log(2), False),
}


@numba.njit(inline="always")
def rounded(value: Any, rounding: Rounding) -> float:
    """Return *value* rounded to nearest in a format; Dekker's splitting (1971) keeps the leading digits."""
    scaled = value * rounding.factor
    result = scaled - (scaled - value)
    if abs(value) < rounding.normal:
        result = (value + rounding.anchor) - rounding.anchor
    if abs(result) > rounding.largest:
        result = math.copysign(math.inf, result)
    return result


@numba.njit(inline="always")
def clamped(difference: float, numbers: Numbers) -> float:
    """Return the operand of an exponential: no lower than the format's exponents reach."""
    return rounded(max(difference, numbers.lowest), numbers.total)


@numba.njit(inline="always")
def whole_part(difference: float, numbers: Numbers) -> float:
    """Return the exponent n: the product with log2(e), rounded at the binary point."""
    return np.rint(difference * rounded(LOG2_E, numbers.total))


@numba.njit(inline="always")
def rest(difference: float, whole: float, numbers: Numbers) -> float:
    """Return f, what the exponent leaves of the product."""
    return rounded(difference * rounded(LOG2_E, numbers.total) - whole, numbers.total)


@numba.njit(inline="always")
def horner(value: float, rest: float, coefficient: float, numbers: Numbers) -> float:
    """Return one multiply-add of the polynomial."""
    return rounded(value * rest + rounded(coefficient, numbers.total), numbers.total)


@compiled()
def machine_exponential(difference: float, numbers: Numbers) -> float:
    """Return exp(*difference*) as an array computes it, in the format of sums."""
    low = clamped(difference, numbers)
    if numbers.exact:
        return math.exp(low)
    whole = whole_part(low, numbers)
    part = rest(low, whole, numbers)
    value = horner(rounded(C3, numbers.total), part, C2, numbers)
    value = horner(value, part, C1, numbers)
    value = horner(value, part, C0, numbers)
    return rounded(value * 2.0**whole, numbers.total)


@compiled()
def _round_all(values: NDArray[np.float64], rounding: Rounding) -> NDArray[np.float64]:
    result = np.empty_like(values)
    for position in range(values.size):
        result[position] = rounded(values[position], rounding)
    return result


def round_array(values: NDArray[np.float64], rounding: Rounding) -> NDArray[np.float64]:
    """Return *values*, any shape, rounded to a format."""
    flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
    return _round_all(flat, rounding).reshape(values.shape)
