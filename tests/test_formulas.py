"""Formulas that can give no number are refused where they are read, with their place in the file."""

from __future__ import annotations

import pytest

from fusemax.errors import FusemaxError
from fusemax.language.formula import formula
from fusemax.machine import machine_of
from fusemax.quantity import QuantityError
from fusemax.source import document_of

MACHINE = """\
title: t
source: s
clock: 1 GHz
word: {word}
levels: {{DRAM: {{bandwidth: 1 GB/s}}}}
units: {{alu: {{shape: {{lanes: 4}}, operations: {{mac: 1}}, area: {{lanes: {area}}}}}}}
"""


@pytest.mark.parametrize(
    ("text", "unit", "said"),
    [
        ("cei(P/2d.columns)", "1", "unknown function 'cei' in formula"),
        ("cei(P/2d.columns)", "1", "hint: did you mean 'ceil'?"),
        ("nothing(P)", "1", "hint: there are: ceil, floor"),
        ("max(fit(L3), 2)", "1", "'fit' stands alone"),
        ("fit(L3, any)", "1", "as the size of a tile under 'tiles:'"),
        ("ceil(1,2)", "1", "ceil takes 1 operand, got 2"),
        ("max(P)", "1", "max takes 2 or more operands, got 1"),
        ("ceil(P/0)", "1", "P/0 divides by zero"),
        ("P/(2 - 2)", "1", "divides by zero"),
        ("log2(0)", "1", "log2(0) is no finite number"),
        ("2**99999", "1", "2**99999 is no finite number"),
        ("(0 - 1)**0.5", "1", "is no finite number"),
        ("inf*P", "1", "inf is no finite number"),
        ("2*P[e]", "1", "P[e] is a tensor, not a number"),
        ("1e999", "B", "expected a number such as"),
        ("9" * 400 + " + P", "1", "is too large for a number of double precision"),
        (10**400, "B", "expected a number such as"),
        (float("inf"), "1", "expected a number such as"),
        ("921/0.92 GB/s", "B/s", "is one in B^-1*s"),
        ("921/0.92 GB/s", "B/s", "hint: a unit belongs to the number before it"),
        ("3 GB/s / 2 GB/s", "B/s", "is one in a plain number"),
        ("1 GB/s * 1 GB/s", "B/s", "is one in B^2*s^-2"),
        ("2/5 pJ", "J", "is one in J^-1"),
        ("2 GB/s + 3", "B/s", "B*s^-1 and a plain number stand together"),
        ("max(1 GB/s, 3)", "B/s", "stand together"),
        ("4 MB * 2", "B/s", "is one in B"),
    ],
)
def test_no_number_can_come_of_it(text: str, unit: str, said: str) -> None:
    """Functions, their operands, zeros below and numbers without an end."""
    with pytest.raises(QuantityError) as caught:
        formula(text, unit)

    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["min(P, 3)*4", "ceil(log2(P/4))", "2**20", "max(P, M, 2)"])
def test_right_formulas(text: str) -> None:
    """What mappings and machines write is read."""
    assert text.replace(" ", "") == str(formula(text, "1")).replace(" ", "")


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("921 GB/s / 0.92", "B/s"),
        ("64 B * 1 GHz", "B/s"),
        ("64 bit * clock", "B/s"),
        ("1 GB/s * lanes / (2 GB/s)", "B/s"),
        ("max(0, 1 GB/s) - 0", "B/s"),
        ("lanes * 1545 um2 + 5.98 um2 * depth", "m2"),
        ("sqrt(4) * 1 us + 2 ns", "s"),
    ],
)
def test_units_of_formulas(text: str, unit: str) -> None:
    """Products of units, and names whose unit is not known here, are read."""
    assert formula(text, unit)


def test_a_tile_may_be_the_largest_that_fits() -> None:
    """It stands alone, and only as the size of a tile."""
    assert "fit(L3, any)" == str(formula("fit(L3, any)", "1", fits=True))


def test_places_in_a_machine() -> None:
    """Each mistake is said with line and column."""
    with pytest.raises(FusemaxError) as caught:
        machine_of(document_of(MACHINE.format(word="fast", area="foo(lanes) * 1500 um2"), "m.yaml"))

    assert "m.yaml:4:7: word: expected a quantity in B such as '16 MiB', got 'fast'" in str(caught.value)
    assert (
        "m.yaml:6:70: units.alu.area.lanes: unknown function 'foo' in formula 'foo(lanes) * 1500 um2'"
        in str(caught.value)
    )
