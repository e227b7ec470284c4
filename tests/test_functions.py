"""Every function of formulas: one meaning on floats, on arrays, in compiled code and in algebra."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import sympy

from fusemax.cascade.build import cascade_of
from fusemax.cost.code import kernel_text
from fusemax.cost.evaluate import cost
from fusemax.cost.functions import form_of
from fusemax.cost.graph import graph_of
from fusemax.cost.lower import evaluate_grid, grid_of, new_memory
from fusemax.cost.model import derive
from fusemax.cost.program import FitRule, Label, Line, Program
from fusemax.cost.symbols import symbol, to_sympy
from fusemax.language.formula import formula
from fusemax.language.functions import FUNCTIONS, MANY, OPERATORS, Function
from fusemax.language.value import value_of
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import mapping_file_of
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of

POINTS = [-3.25, -1.0, -0.3, 0.0, 0.2, 1.0, 2.5, 40.0]
#: Values from tables of these functions (Abramowitz and Stegun) and by hand.
KNOWN = {
    ("ceil", (2.1,)): 3.0, ("ceil", (-2.1,)): -2.0, ("floor", (2.9,)): 2.0, ("floor", (-0.5,)): -1.0,
    ("log2", (8.0,)): 3.0, ("log2", (0.5,)): -1.0, ("sqrt", (9.0,)): 3.0, ("rsqrt", (16.0,)): 0.25,
    ("max", (1.0, 5.0, 2.0)): 5.0, ("min", (4.0, 2.0, 3.0)): 2.0, ("exp", (1.0,)): math.e,
    ("log", (math.e,)): 1.0, ("abs", (-2.0,)): 2.0, ("relu", (-1.0,)): 0.0, ("relu", (2.0,)): 2.0,
    ("elu", (-1.0,)): 1 / math.e - 1, ("sigmoid", (0.0,)): 0.5, ("silu", (0.0,)): 0.0,
    ("tanh", (1.0,)): 0.7615941559557649,
    ("erf", (1.0,)): 0.8427007929497149, ("erf", (-2.0,)): -0.9953222650189527,
    ("softplus", (0.0,)): math.log(2), ("gelu", (1.0,)): 0.841191990608,
    ("round", (2.5,)): 2.0, ("round", (-1.6,)): -2.0, ("sign", (-3.0,)): -1.0, ("sign", (0.0,)): 0.0,
    ("mod", (7.0, 3.0)): 1.0, ("mod", (-1.0, 4.0)): 3.0,
    ("sin", (math.pi / 6,)): 0.5, ("cos", (math.pi / 3,)): 0.5, ("ge", (2.0, 2.0)): 1.0, ("gt", (2.0, 2.0)): 0.0,
    ("le", (1.0, 2.0)): 1.0, ("lt", (2.0, 1.0)): 0.0, ("eq", (2.0, 2.0)): 1.0, ("where", (0.0, 1.0, 2.0)): 2.0,
}  # fmt: skip


def _operands(function: Function) -> list[tuple[float, ...]]:
    count = min(function.operands[1], 3)
    return [
        tuple(POINTS[(start + step) % len(POINTS)] for step in range(count)) for start in range(len(POINTS))
    ]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_known_values(name: str) -> None:
    """Each function has a value here that does not come from the program."""
    cases = {operands: value for (function, operands), value in KNOWN.items() if function == name}

    assert cases
    for operands, value in cases.items():
        assert value == pytest.approx(FUNCTIONS[name].value(*operands), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_arrays_as_floats(function: Function) -> None:
    """Elementwise on arrays, with the same infinities and the same nan."""
    operands = _operands(function)
    with np.errstate(all="ignore"):
        arrays = function.array(np, *(np.array(column) for column in zip(*operands, strict=True)))

    assert np.allclose(
        [function.value(*point) for point in operands], arrays, rtol=1e-12, atol=1e-15, equal_nan=True
    )


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
def test_programs_as_floats(compiled: bool) -> None:
    """The cost program gives the same bits, compiled or not."""
    names = ("a", "b", "c")
    lines = []
    for function in FUNCTIONS.values():
        inner = ", ".join(names[: min(function.operands[1], 3)])
        value = to_sympy(formula(f"{function.name}({inner})", "1"))
        lines.append(Line(function.name, value, Label("test")))
    program = Program(dict.fromkeys(names), tuple(lines))
    points = [
        tuple(POINTS[(start + step) % len(POINTS)] for step in range(3)) for start in range(len(POINTS))
    ]
    columns = [[list(column) for column in zip(*points, strict=True)]]
    grid = grid_of(program, list(FUNCTIONS), [names], columns)
    results = np.empty((len(FUNCTIONS), grid.points))
    evaluate_grid(grid, 0, grid.points, results, new_memory(grid), compiled)

    for row, function in zip(results, FUNCTIONS.values(), strict=True):
        count = min(function.operands[1], 3)
        expected = [function.value(*point[:count]) for point in points]
        assert np.array_equal(expected, row, equal_nan=True), function.name


@pytest.mark.parametrize("function", [f for f in FUNCTIONS.values() if f.algebra], ids=lambda f: f.name)
def test_algebra_as_floats(function: Function) -> None:
    """sympy's form, evaluated."""
    for point in _operands(function):
        value = function.value(*point)
        if math.isfinite(value):
            found = function.algebra(sympy, *(sympy.Float(x, 20) for x in point))  # type: ignore[misc]
            assert value == pytest.approx(float(found), rel=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_trend_and_range(function: Function) -> None:
    """Tried on a fine row of points: where one operand grows, and where the values lie."""
    low, high = function.range
    count = min(function.operands[1], 3)
    for place in range(count):
        for other in (-1.5, 0.5, 2.0):
            values = []
            for x in np.linspace(-4, 4, 161):
                point = [other] * count
                point[place] = float(x)
                values.append(function.value(*point))
            finite = np.array([value for value in values if math.isfinite(value)])
            assert (finite >= low).all()
            assert (finite <= high).all()
            assert not function.open_below or (finite > low).all()
            steps = np.diff(finite)
            assert function.trend != "rises" or (steps >= 0).all()
            assert function.trend != "falls" or (steps <= 0).all()
    nonnegative = [function.value(*(abs(x) for x in point)) for point in _operands(function)]
    if function.keeps_sign(count):
        assert min(nonnegative) >= 0


def test_what_rises_is_searched_by_halves() -> None:
    """A footprint that rises with its tile is told from one that does not."""
    tile = symbol("t")

    def rises(text: str) -> bool:
        rule = FitRule(tile, symbol("n"), to_sympy(formula(text, "1")), symbol("room"), "any")
        program = Program({"n": None, "room": None}, (Line("size", rule, Label("tile")),))
        graph, _ = graph_of(program, ["size"])
        return next(iter(graph.fits.values())).rises

    assert rises("4*t + max(t, n)*sqrt(t)")
    assert rises("exp(t)*t")
    assert not rises("t*log2(t)")  # below one it falls
    assert not rises("rsqrt(t)")
    assert not rises("t*cos(t)")


def test_forms_travel_to_other_processes() -> None:
    """A formula of any function comes back from a pickle as it was."""
    for function in FUNCTIONS.values():
        form = form_of(function.name)
        expression = form(
            *sympy.symbols("x y z")[: min(function.operands[1], 2 if function.name == "min" else 3)]
        )

        assert expression == pickle.loads(pickle.dumps(expression))


def test_operands_are_counted() -> None:
    """Too few, too many, any number."""
    assert FUNCTIONS["max"].operands == (2, MANY)
    assert FUNCTIONS["max"].wrong_number(1) == "max takes 2 or more operands, got 1"
    assert FUNCTIONS["where"].wrong_number(2) == "where takes 3 operands, got 2"
    assert FUNCTIONS["ceil"].wrong_number(1) is None


def test_operators_have_no_exceptions() -> None:
    """Zero below, no real root, numbers without end: inf or nan at once; whole numbers stay exact."""
    assert OPERATORS["/"](1, 0) == math.inf
    assert OPERATORS["/"](-1.0, 0.0) == -math.inf
    assert math.isnan(OPERATORS["/"](0, 0))
    assert math.isnan(OPERATORS["**"](-1, 0.5))
    assert OPERATORS["**"](0, -1) == math.inf
    assert OPERATORS["**"](10**6, 10**6) == math.inf
    assert OPERATORS["**"](3, 40) == 3**40
    assert value_of(formula("M1*M0", "1"), {"M1": 2**60 + 1, "M0": 3}) == 3 * (2**60 + 1)


def test_kernels_name_what_they_call() -> None:
    """A function of formulas stands in the text of a kernel."""
    program = Program({"x": None}, (Line("y", to_sympy(formula("log2(x) + exp(x)", "1")), Label("test")),))

    text = kernel_text(program, ["y"], [["x"]])

    assert "log2(t0)" in text
    assert "exp(t0)" in text


MACHINE = """\
title: t
source: s
clock: 1 GHz
word: 2 B
levels: {DRAM: {bandwidth: 2 GB/s}}
units: {alu: {shape: {lanes: "4"}, operations: {mac: log2(LATENCY)}}}
"""
MAPPING = """\
title: t
source: s
cascade: CASCADE
tiles: {M0: "min(alu.lanes, 2**sqrt(4))"}
nests:
- {for: [m1], spatial: {alu: {m0: lanes}}, do: [Y]}
bind: {alu: [Y]}
"""
CASCADE = """\
title: t
source: s
ranks: {M: M1*M0}
inputs: {X: [M]}
outputs: [Y]
einsums: |
  Y[m1,m0] = X[m1*M0+m0] * X[m1*M0+m0]
"""


@pytest.mark.parametrize(("latency", "cycles"), [(2, 1), (8, 3)])
def test_functions_in_machine_and_mapping(latency: int, cycles: int) -> None:
    """The cost and the simulator read the same formulas: by hand, 8 points in 2 tiles of 4 lanes, *cycles* each."""
    machine = machine_of(
        document_of(MACHINE.replace("LATENCY", str(latency)).replace("mac", "mul"), "m.yaml")
    )
    cascade = cascade_of(document_of(CASCADE, "c.yaml"), "c")
    document = document_of(MAPPING, "map.yaml")
    mapped = map_onto(cascade, machine, mapping_file_of(document), document)

    answer = cost(mapped, derive(mapped, machine), {"M": 8})
    run = simulate(mapped, machine, {"M": 8}, {})

    assert 2 * cycles == sum(answer.table("cycles").values())
    assert 2 * cycles == run.phases[0].busy_cycles["alu"]
