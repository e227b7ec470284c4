"""Quantities: spellings, refusals, and the whole table of units against pint."""

from __future__ import annotations

import contextlib
import math

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.errors import FusemaxError
from fusemax.quantity import QuantityError, format_quantity, quantity, units

DECIMAL = ("f", "p", "n", "u", "µ", "m", "", "k", "M", "G", "T", "P")
LARGE = ("", "k", "M", "G", "T", "P")
BINARY = ("Ki", "Mi", "Gi", "Ti")

#: unit asked for: (prefixes, stem as we write it, stem as pint writes it, unit as pint writes it)
SPELLINGS = (
    ("B", LARGE + BINARY, "B", "B", "byte"),
    ("B", LARGE + BINARY, "bit", "bit", "byte"),
    ("B/s", LARGE + BINARY, "B/s", "B/s", "byte/second"),
    ("B/s", LARGE + BINARY, "bit/s", "bit/s", "byte/second"),
    ("Hz", DECIMAL, "Hz", "Hz", "hertz"),
    ("s", DECIMAL, "s", "s", "second"),
    ("J", DECIMAL, "J", "J", "joule"),
    ("W", DECIMAL, "W", "W", "watt"),
    ("m2", (*DECIMAL, "c"), "m2", "m**2", "meter**2"),
    ("FLOP/s", LARGE, "FLOP/s", "FLOP/s", "FLOP/s"),
)
CASES = [
    (unit, f"{prefix}{ours}", f"{prefix}{theirs}", whole)
    for unit, prefixes, ours, theirs, whole in SPELLINGS
    for prefix in prefixes
]


@pytest.fixture(scope="module")
def oracle() -> pint.UnitRegistry:
    """Return pint's units, with FLOP as one more base unit."""
    registry = pint.UnitRegistry()
    registry.define("FLOP = [operations]")
    return registry


TOO_SMALL = "; too small for double precision: below 2.3e-308"


@pytest.mark.parametrize(("unit", "ours", "theirs", "whole"), CASES)
@given(number=st.floats(min_value=1e-6, max_value=1e6))
def test_every_spelling_agrees_with_pint(oracle, unit, ours, theirs, whole, number):
    """Each prefix of each unit is worth what pint says, with and without a space."""
    expected = oracle.Quantity(number, theirs).to(whole).magnitude

    assert math.isclose(expected, quantity(f"{number!r} {ours}", unit), rel_tol=1e-12)
    assert quantity(f"{number!r} {ours}", unit) == quantity(f"{number!r}{ours}", unit)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("400 GiB/s", "B/s", 400 * 2**30),
        ("940 MHz", "Hz", 940e6),
        ("17.2 pJ", "J", 17.2e-12),
        ("5.98 um2", "m2", 5.98e-12),
        ("2.5 us", "s", 2.5e-6),
        ("2.5 μs", "s", 2.5e-6),
        ("1e-12 J", "J", 1e-12),
        ("1e-12J", "J", 1e-12),
        ("256", "1", 256.0),
        ("16Ki", "1", 16384.0),
        ("65_536", "1", 65536.0),
        (".5 kB", "B", 500.0),
        ("12 cycles", "cycles", 12.0),
        ("1 cycle", "cycles", 1.0),
        ("  8 bit ", "B", 1.0),
        (3, "s", 3.0),
        (2.5, "J", 2.5),
        ("-3", "1", -3.0),
    ],
)
def test_examples(text, unit, expected):
    """Spellings that appear in the YAML, to the last bit."""
    assert expected == quantity(text, unit)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("fast", "B/s"),
        ("", "B"),
        ("GB", "B"),
        ("16 KB", "B"),
        ("16 MiB", "B/s"),
        ("3 mB", "B"),
        ("1 KiHz", "Hz"),
        ("1 s s", "s"),
        ("1 2", "1"),
        ("1__0", "1"),
        ("0x10", "1"),
        ("1/2", "1"),
        ("nan", "1"),
        ("inf", "s"),
        ("1e9999", "s"),
        ("1e-9999", "s"),
        ("1e-320", "s"),
        (1e-310, "1"),
        ("1e99999999999", "s"),
        ("٣ s", "s"),
        (float("nan"), "1"),
        (10**400, "1"),
        (True, "1"),
        (None, "s"),
        ([1], "s"),
    ],
)
def test_refusals(text, unit):
    """What is no quantity in the unit asked for is refused, naming the unit and what was found."""
    with pytest.raises(QuantityError) as caught:
        quantity(text, unit)

    assert isinstance(caught.value, FusemaxError)
    shown = repr(text) if len(repr(text)) <= 60 else repr(text)[:50] + "..."  # a message stays readable
    said, _, meant = str(caught.value).removesuffix(TOO_SMALL).partition("; did you mean ")
    assert said.endswith(f"got {shown}")
    assert bool(meant) == (text in ("16 KB", "16 MiB", "3 mB"))


@pytest.mark.parametrize("text", ["9007199254740993", 2**53 + 1, "36028797018963969"])
def test_whole_numbers_are_not_rounded(text):
    """A count that a double cannot hold is refused; 2^53 + 1 is the first."""
    with pytest.raises(QuantityError, match="nearest is"):
        quantity(text, "1")


def test_large_exact_numbers():
    """Powers of two far beyond 2^53 are exact, and so are given."""
    assert quantity("16Ti", "1") == 2**44
    assert quantity(str(2**70), "1") == 2.0**70


def test_message():
    """The message gives the unit, an example and the text."""
    with pytest.raises(QuantityError) as caught:
        quantity("fast", "B/s")

    assert str(caught.value) == "expected a quantity in B/s such as '1.5 MB/s', got 'fast'"


def test_unknown_unit_is_a_mistake_of_the_caller():
    """A unit that fusemax does not know is not a user's mistake."""
    with pytest.raises(ValueError, match="unknown unit 'parsec'"):
        quantity("1", "parsec")
    with pytest.raises(ValueError, match="unknown unit 'parsec'"):
        format_quantity(1, "parsec")


@given(unit=st.sampled_from(units()), value=st.floats(min_value=-1e20, max_value=1e20))
def test_written_and_read_again(unit, value):
    """With all digits written, a quantity is read back as it was; zero and negative ones too."""
    if value and abs(value) < 1e-200:
        return
    text = format_quantity(value, unit, digits=17)

    assert math.isclose(value, quantity(text, unit), rel_tol=1e-14)


@given(text=st.text(max_size=12), unit=st.sampled_from(units()))
def test_any_text_is_read_or_refused(text, unit):
    """No text makes anything but a finite float or a QuantityError."""
    with contextlib.suppress(QuantityError):
        assert math.isfinite(quantity(text, unit))


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (16 * 2**20, "B", "16 MiB"),
        (400 * 2**30, "B/s", "400 GiB/s"),
        (3.35e12, "B/s", "3.35 TB/s"),
        (17.2e-12, "J", "17.2 pJ"),
        (940e6, "Hz", "940 MHz"),
        (5.98e-12, "m2", "5.98 um2"),
        (53741.5e-12, "m2", "53742 um2"),
        (3e6, "B", "2.86 MiB"),
        (1100, "B", "1100 B"),
        (999.9996, "s", "1000 s"),
        (0, "J", "0 J"),
        (256, "1", "256"),
        (12, "cycles", "12 cycles"),
        (-2.5e-6, "s", "-2.5 us"),
        (math.inf, "s", "inf s"),
    ],
)
def test_for_people(value, unit, expected):
    """A quantity is written with the prefix that people would choose."""
    assert expected == format_quantity(value, unit)
