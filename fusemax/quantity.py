"""Quantities as people write them, as plain SI floats, and back.

A quantity is a number, an optional decimal (``k``, ``m``, ``u`` ...) or binary (``Ki``, ``Mi`` ...) prefix
and a unit: ``400 GiB/s``, ``17.2 pJ``, ``5.98 um2``, ``16Ki``. A bare number is taken to be in the unit that
is asked for. The prefix of a square unit is squared with it (1 um2 is 1e-12 m2); ``bit`` is an eighth of a
byte ``B``.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from fusemax.errors import FusemaxError


class QuantityError(FusemaxError):
    """A text that is not a quantity in the unit that is asked for."""


_DECIMAL = {
    "f": Fraction(1, 10**15),
    "p": Fraction(1, 10**12),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
}
_BINARY = {
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
}
_LARGE = {prefix: scale for prefix, scale in _DECIMAL.items() if scale >= 1}
_LENGTH = _DECIMAL | {"c": Fraction(1, 100)}


@dataclass(frozen=True, slots=True)
class _Unit:
    """One spelling of a unit: its size in the unit of its dimension and the prefixes that it takes."""

    prefixes: Mapping[str, Fraction]
    size: Fraction = Fraction(1)
    power: int = 1
    after: str = ""  #: what follows the prefixed name, such as ``/s``


@dataclass(frozen=True, slots=True)
class _Dimension:
    """One dimension: the spellings of its units and an example for messages."""

    example: str
    units: Mapping[str, _Unit]
    shown: Mapping[str, Fraction]  #: the prefixes that people expect to read


_BYTES = _LARGE | _BINARY
_BIT = Fraction(1, 8)
_PURE = _LARGE | _BINARY
_DIMENSIONS: Mapping[str, _Dimension] = {
    "B": _Dimension("16 MiB", {"B": _Unit(_BYTES), "bit": _Unit(_BYTES, _BIT)}, _BINARY | {"": Fraction(1)}),
    "B/s": _Dimension(
        "1.5 MB/s",
        {"B": _Unit(_BYTES, after="/s"), "bit": _Unit(_BYTES, _BIT, after="/s")},
        _BYTES,
    ),
    "Hz": _Dimension("940 MHz", {"Hz": _Unit(_DECIMAL)}, _DECIMAL),
    "s": _Dimension("2.5 us", {"s": _Unit(_DECIMAL)}, _DECIMAL),
    "J": _Dimension("17.2 pJ", {"J": _Unit(_DECIMAL)}, _DECIMAL),
    "W": _Dimension("350 W", {"W": _Unit(_DECIMAL)}, _DECIMAL),
    "m2": _Dimension(
        "5.98 um2",
        {"m": _Unit(_LENGTH, power=2, after="2")},
        {"u": Fraction(1, 10**6), "m": Fraction(1, 1000)},
    ),
    "cycles": _Dimension("12 cycles", {"cycles": _Unit(_LARGE), "cycle": _Unit(_LARGE)}, {"": Fraction(1)}),
    "1": _Dimension("16Ki", {"": _Unit(_PURE)}, {"": Fraction(1)}),
    "FLOP/s": _Dimension("989 TFLOP/s", {"FLOP": _Unit(_LARGE, after="/s")}, _LARGE),
}
#: Spellings by their text: ``_SPELLINGS["B/s"]["GiB/s"]`` is how many B/s one GiB/s is.
_SPELLINGS: Mapping[str, Mapping[str, Fraction]] = {
    name: {
        f"{prefix}{stem}{unit.after}": unit.size * scale**unit.power
        for stem, unit in dimension.units.items()
        for prefix, scale in unit.prefixes.items()
    }
    for name, dimension in _DIMENSIONS.items()
}
_LONGEST = 400  #: characters of a quantity: the longest double, written out, and its unit
_LARGEST_EXACT = 2**53  #: whole numbers up to this one are exact as floats
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_NUMBER = rf"[+-]?(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?[0-9]{{1,4}})?"
_PATTERN = re.compile(rf"\s*({_NUMBER})\s*([^\W\d_][^\s]*)?\s*")


def units() -> tuple[str, ...]:
    """Return the units that :func:`quantity` can be asked for."""
    return tuple(_DIMENSIONS)


def quantity(text: str | int | float, unit: str) -> float:
    """Return *text* as a float in *unit*, one of :func:`units`.

    The number is read exactly and rounded once, so that ``17.2 pJ`` is the float nearest to 17.2e-12.

    Raises
    ------
    QuantityError
        When *text* is no finite number, has a unit of another dimension, or is too large for a float.
    ValueError
        When *unit* is not one of :func:`units`: a mistake of the caller, not of a user.

    >>> quantity("16 MiB", "B"), quantity("940 MHz", "Hz"), quantity("5.98 um2", "m2"), quantity("16Ki", "1")
    (16777216.0, 940000000.0, 5.98e-12, 16384.0)
    """
    if unit not in _DIMENSIONS:
        raise ValueError(f"unknown unit {unit!r}; there are: {', '.join(_DIMENSIONS)}")
    if isinstance(text, int | float) and not isinstance(text, bool):
        if isinstance(text, int) and unit == "1":
            _exact(text, text)
        return _finite(text, text, unit)
    match = _PATTERN.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if match is None:
        raise _refusal(text, unit)
    spelling = (match[2] or "").replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    scale = _SPELLINGS[unit].get(spelling) if spelling else Fraction(1)
    if scale is None:
        raise _refusal(text, unit, _meant(match[1], spelling, unit))
    number = Fraction(match[1]) * scale
    if unit == "1" and match[1].lstrip("+-").replace("_", "").isdigit():
        _exact(number, text)
    return _finite(number, text, unit)


def refuse_bare(value: object, unit: str) -> None:
    """Raise QuantityError when *value* is a number above zero without *unit*; of one that is less, that is what to say.

    >>> refuse_bare("2 B", "B"), refuse_bare("fast", "B"), refuse_bare(0, "B")
    (None, None, None)
    """
    try:
        number = quantity(value, "1")  # type: ignore[arg-type]
    except QuantityError:
        return
    if number > 0:
        text = f"expected a quantity in {unit}, got {value!r} without a unit"
        raise QuantityError(f"{text}\n  hint: write the unit, e.g. '{value} {unit}'")


def _exact(number: int | Fraction, text: object) -> None:
    """Refuse a count that a double cannot hold; a number with a point or an exponent is a measure, and rounded."""
    if abs(number) > _LARGEST_EXACT and abs(number) < 10**300 and number != float(number):
        raise QuantityError(f"{text} is no number of double precision; the nearest is {float(number):.0f}")


def format_quantity(value: float, unit: str, digits: int = 3) -> str:
    """Return *value*, in *unit*, as people write it, rounded to *digits* significant digits.

    Sizes and bandwidths take a binary prefix; a bandwidth takes a decimal one where that alone is exact.

    >>> format_quantity(2**24, "B"), format_quantity(400 * 2**30, "B/s"), format_quantity(1.72e-11, "J")
    ('16 MiB', '400 GiB/s', '17.2 pJ')
    >>> format_quantity(3.35e12, "B/s"), format_quantity(65536, "1"), format_quantity(5.98e-12, "m2")
    ('3.35 TB/s', '65536', '5.98 um2')
    """
    if unit not in _DIMENSIONS:
        raise ValueError(f"unknown unit {unit!r}; there are: {', '.join(_DIMENSIONS)}")
    dimension = _DIMENSIONS[unit]
    stem, spelling = next(iter(dimension.units.items()))
    if not math.isfinite(value):
        return f"{value} {stem}{spelling.after}".rstrip()
    prefix, scale = _readable_prefix(value, dimension.shown, spelling.power, digits)
    number = _plain(value / float(scale**spelling.power), digits)
    return f"{number} {prefix}{stem}{spelling.after}".rstrip()


def _finite(number: int | float | Fraction, text: object, unit: str) -> float:
    """Return *number* as a float; refuse what a float can only hold as infinity, as zero, or with fewer digits."""
    try:
        value = float(number)
    except OverflowError:
        raise _refusal(text, unit) from None
    if not math.isfinite(value):
        raise _refusal(text, unit)
    if number != 0 and abs(value) < sys.float_info.min:
        raise _refusal(text, unit, "; too small for double precision: below 2.3e-308")
    return value


def _meant(number: str, spelling: str, unit: str) -> str:
    """Return the quantities that were meant: a unit in other letters, or one that is not whole; ``b`` may be bits.

    >>> _meant("1", "Ghz", "Hz"), _meant("64", "Gb/s", "B/s"), _meant("256", "K", "B"), _meant("3", "apples", "B")
    ("; did you mean '1 GHz'?", "; did you mean '64 GB/s' or '64 Gbit/s'?", "; did you mean '256 KiB'?", '')
    """
    known = _SPELLINGS[unit]
    same = [one for one in known if one.lower() == spelling.lower()]
    same += [one for one in (spelling.replace("b", "bit"),) if one in known]
    begun = [one for one in known if one.startswith(spelling) and "bit" not in one]
    found = [f"'{number} {one}'" for one in (same or begun)[:2]]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _refusal(text: object, unit: str, meant: str = "") -> QuantityError:
    wanted = "a number" if unit == "1" else f"a quantity in {unit}"
    shown = repr(text) if len(repr(text)) <= 60 else repr(text)[:50] + "..."
    return QuantityError(f"expected {wanted} such as {_DIMENSIONS[unit].example!r}, got {shown}{meant}")


def _readable_prefix(
    value: float, prefixes: Mapping[str, Fraction], power: int, digits: int
) -> tuple[str, Fraction]:
    """Return the largest prefix that says all of *value* in *digits* digits, else the largest fitting."""
    ordered = sorted(prefixes.items(), key=lambda item: item[1])
    if value == 0:
        return ("", Fraction(1)) if "" in prefixes else ordered[-1]
    fitting = [item for item in ordered if abs(value) >= float(item[1] ** power)]
    exact = [item for item in fitting if _is_short(value / float(item[1] ** power), digits)]
    return (exact or fitting or ordered[:1])[-1]


def _is_short(number: float, digits: int) -> bool:
    """Return whether *digits* significant digits, and one more place at most, say all of *number*."""
    rounded = float(f"{number:.{digits}g}")
    return abs(number) < 10 ** (digits + 1) and math.isclose(rounded, number, rel_tol=1e-12)


def _plain(number: float, digits: int) -> str:
    """Return *number* with *digits* significant digits; up to a million, all whole digits are kept."""
    if 10**digits <= abs(number) < 1e6:
        return f"{number:.0f}"
    rounded = float(f"{number:.{digits}g}")
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 1e6 else f"{number:.{digits}g}"
