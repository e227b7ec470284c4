"""Values of figures: refused alike in ``--set``, in the figures of a study and on the axes of a grid."""

from __future__ import annotations

import pytest

from fusemax.cli.arguments import sizes_and_figures
from fusemax.errors import FusemaxError
from fusemax.language.figure import allowed, figure_value
from fusemax.language.formula import formula
from fusemax.language.syntax import Number
from fusemax.machine import figures, load_machine
from fusemax.study.spec.ranges import numbers
from fusemax.study.spec.values import number_or_formula

WRONG = [
    ("L3.size", "8MHz", "a quantity in B such as '16 MiB', got '8MHz'"),
    ("L3.size", "0", "more than zero"),
    ("L3.line", "-1B", "more than zero"),
    ("clock", "1ms", "a quantity in Hz such as '940 MHz', got '1ms'"),
    ("clock", "-1GHz", "more than zero"),
    ("clock", "0", "more than zero"),
    ("word", "-2B", "more than zero"),
    ("word", "0", "more than zero"),
    ("launch", "-1s", "no less than zero"),
    ("1d.lanes", "2.5", "a whole number of at least 1"),
    ("1d.lanes", "0", "a whole number of at least 1"),
    ("2d.columns", "0", "a whole number of at least 1"),
    ("1d.operations.div", "-4", "no less than zero"),
    ("DRAM.bandwidth", "-5", "more than zero"),
    ("DRAM.bandwidth", "0 B/s", "more than zero"),
    ("replicas", "0", "a whole number of at least 1"),
    ("L1.energy.read", "1 B", "a quantity in J"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_wrong_values(name: str, value: str, said: str) -> None:
    """The ways to give a figure refuse the same values, for the same reason."""
    for read in (
        lambda: sizes_and_figures([f"{name}={value}"]),
        lambda: number_or_formula(name, value),
        lambda: numbers(name, [value]),
    ):
        with pytest.raises(FusemaxError, match=name) as caught:
            read()

        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("launch", "0", 0.0),
        ("1d.operations.div", "0.5", 0.5),
        ("2d.registers.depth", "4", 4.0),
    ],
)
def test_plain_numbers_of_figures_without_a_unit(name: str, value: str, expected: float) -> None:
    """Counts and cycles have no unit; zero needs none."""
    assert ({}, {name: expected}) == sizes_and_figures([f"{name}={value}"])
    assert expected == number_or_formula(name, value)


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("word", "1", "B"),
        ("DRAM.bandwidth", "400", "B/s"),
        ("L3.size", "16Ki", "B"),
        ("clock", "1e9", "Hz"),
        ("launch", "5", "s"),
    ],
)  # fmt: skip
def test_a_unit_left_out(name: str, value: str, unit: str) -> None:
    """400 may be B/s or GB/s: which is not guessed, on the command line, in studies and grids."""
    for read in (
        lambda: sizes_and_figures([f"{name}={value}"]),
        lambda: number_or_formula(name, value),
        lambda: numbers(name, [value, f"2 {unit}"]),
        lambda: figure_value(name, value),
    ):
        with pytest.raises(FusemaxError) as caught:
            read()

        assert f"expected a quantity in {unit}, got '{value}' without a unit" in str(caught.value)
        assert f"hint: write the unit, e.g. '{value} {unit}'" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "unit", "mended", "expected"),
    [
        ("L3.size", "2*1024", "B", "2*1024 B", 2048.0),
        ("L3.size", "2*1Ki", "B", "2*1 KiB", 2048.0),
        ("clock", "940*10**6", "Hz", "940*1 MHz", 940e6),
        ("DRAM.bandwidth", "8*50", "B/s", "8*50 GB/s", 400e9),
    ],
)
def test_a_formula_of_numbers_alone_needs_a_unit_too(
    name: str, text: str, unit: str, mended: str, expected: float
) -> None:
    """One rule for ``2048`` and ``2*1024``: single values, lists and ranges of studies, and machines' files."""
    for read in (
        lambda: number_or_formula(name, text),
        lambda: numbers(name, [text, f"2 {unit}"]),
        lambda: numbers(name, {"from": text, "to": f"1e15 {unit}", "steps": 3}),
        lambda: formula(text, unit),
    ):
        with pytest.raises(FusemaxError) as caught:
            read()
        assert f"expected a quantity in {unit}" in str(caught.value)
    assert number_or_formula(name, mended) == pytest.approx(expected)


def test_formulas_that_need_no_unit() -> None:
    """Zero is zero in any unit, a figure brings its own, and dimensions have none."""
    assert number_or_formula("L3.latency", "2*0") == 0
    assert str(number_or_formula("L3.size", "2*L2.size")) == "2*L2.size"
    assert number_or_formula("2d.columns", "2*128") == 256


def test_names_of_figures() -> None:
    """A figure that is given twice, or that no machine can have."""
    with pytest.raises(FusemaxError, match="--set clock: given twice"):
        sizes_and_figures(["clock=1GHz", "clock=2GHz"])
    with pytest.raises(FusemaxError, match="--set klock: no such figure"):
        sizes_and_figures(["klock=1GHz"])


@pytest.mark.parametrize(
    ("name", "axis", "said"),
    [
        ("1d.lanes", [64, float("inf")], "expected a number"),
        ("2d.rows", [64.5], "a whole number of at least 1, got 64.5"),
        ("L3.size", {"from": "1 MHz", "to": "4 MHz", "steps": 2}, "a quantity in B"),
        ("1d.lanes", {"from": 1, "to": 2, "steps": 3}, "expected whole numbers of at least 1, got 1.5"),
        ("L3.size", {"from": "1 B", "to": "2 B", "steps": 3, "round": 0}, "more than zero, got 0"),
        ("M", ["1Ki", True], "expected a number such as '16Ki', got True"),
        ("M", ["1 MHz"], "expected a number"),
    ],
)
def test_axes_of_grids(name: str, axis: object, said: str) -> None:
    """Lists and ranges hold values that the figure or size may have."""
    with pytest.raises(FusemaxError, match=name) as caught:
        numbers(name, axis)

    assert said in str(caught.value)


def test_a_launch_is_no_size() -> None:
    """Figures without a dot are not whole numbers on a grid."""
    assert (0.0, 2e-06) == numbers("launch", ["0", "2 us"])


@pytest.mark.parametrize("machine", ["fusemax", "flat", "h100"])
def test_machines_have_such_values(machine: str) -> None:
    """Every number in our own machines is one that its figure may have."""
    for name, value in figures(load_machine(machine)[0]).items():
        if isinstance(value, Number):
            assert value.value == allowed(name, value.value, value)
