"""A point alone, a point in a grid and compiled code: the same bits, at random points, machines and mappings."""

from __future__ import annotations

import itertools
import random
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cost.evaluate import evaluate_lines
from fusemax.cost.lower import evaluate_grid, grid_of, new_memory, plain
from fusemax.cost.model import derive
from fusemax.cost.program import FitRule, Label, Line, Program
from fusemax.cost.symbols import ceildiv, least, repeated, symbol
from fusemax.library.load import design_of
from fusemax.machine import load_machine
from tests.mappings import load_mapping

MAPPINGS = [
    ("fusemax", "fusemax"), ("fusemax", "one-tile"), ("fusemax", "auto"), ("flat", "fused-1-pass"), ("flat", "unfused"),
    ("flat", "output-stationary"), ("flat", "linear-rows"), ("h200", "gpu/flash2"), ("h200", "gpu/decode"),
]  # fmt: skip
COMPILED = [
    ("fusemax", "fusemax"),
    ("flat", "unfused"),
    ("flat", "output-stationary"),
    ("flat", "linear-rows"),
]
SIZES = {"B": (1, 64), "H": (1, 16), "M": (1, 100_000), "P": (1, 100_000), "E": (1, 256), "F": (1, 256)}


@lru_cache
def program_of(machine: str, mapping: str) -> Program:
    """Return the cost program."""
    described, path = load_machine(machine)
    return derive(load_mapping(mapping, described, path), described)


def random_values(program: Program, seed: int) -> dict[str, list[float]]:
    """Return one to three values for every parameter: sizes from a wide range, figures near those of the machine."""
    dice = random.Random(seed)
    values: dict[str, list[float]] = {}
    for name, value in program.parameters.items():
        count = dice.choice([1, 1, 1, 2, 3])
        if value is None:
            low, high = SIZES.get(name, (1, 5000))
            values[name] = [float(dice.randint(low, high)) for _ in range(count)]
        elif value == int(value) and value < 1e6:
            values[name] = [float(max(1, round(value * dice.uniform(0.2, 3)))) for _ in range(count)]
        else:
            values[name] = [value * dice.uniform(0.3, 2.5) for _ in range(count)]
    return values


@pytest.mark.parametrize(("machine", "mapping"), MAPPINGS)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32))
def test_a_grid_has_the_bits_of_its_points(machine: str, mapping: str, seed: int):
    """Every line of the program, at points of a random grid, equals the single evaluation of that point."""
    program = program_of(machine, mapping)
    values = random_values(program, seed)
    swept = [name for name in values if len(values[name]) > 1]
    random.Random(seed).shuffle(swept)
    swept = swept[:5]
    outputs = [line.name for line in program.lines]
    fixed = {name: listed[0] for name, listed in values.items()}
    grid = grid_of(
        Program(parameters=fixed, lines=program.lines), outputs, [(n,) for n in swept] or [("",)],
        [[values[n]] for n in swept] or [[[0.0]]],
    )  # fmt: skip
    results = np.empty((len(outputs), grid.points))
    evaluate_grid(grid, 0, grid.points, results, new_memory(grid), compiled=False)
    points = list(itertools.product(*(values[n] for n in swept)))
    for number in random.Random(seed).sample(range(len(points)), min(3, len(points))):
        point = {**fixed, **dict(zip(swept, points[number], strict=True))}
        alone = evaluate_lines(program, program.lines, [point])[0]
        assert np.array_equal(np.array(alone), results[:, number], equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize(("machine", "mapping"), COMPILED)
def test_compiled_code_has_the_bits_of_plain_code(machine: str, mapping: str, tmp_path, monkeypatch):
    """Numba changes no bit, in whatever pieces a grid is computed."""
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    program = program_of(machine, mapping)
    values = random_values(program, seed=7)
    dice = random.Random(8)
    sizes = [name for name, value in program.parameters.items() if value is None][:3]
    wide = [[float(dice.randint(1, 70_000)) for _ in range(12)] for _ in sizes]
    outputs = [line.name for line in program.lines]
    fixed = {name: listed[0] for name, listed in values.items()}
    grid = grid_of(
        Program(parameters=fixed, lines=program.lines), outputs, [(n,) for n in sizes], [[w] for w in wide]
    )
    plain, compiled = (np.empty((len(outputs), grid.points)) for _ in range(2))
    evaluate_grid(grid, 0, grid.points, plain, new_memory(grid), compiled=False)
    memory = new_memory(grid)
    for start, stop in itertools.pairwise([0, 1, 13, 500, 1001, grid.points]):
        evaluate_grid(grid, start, stop, compiled[:, start:stop], memory, compiled=True)
    assert np.array_equal(plain, compiled, equal_nan=True)


ORDERED = {
    "fusemax": (
        "fusemax",
        {
            "M": [1000, 1024, 4099, 70_000, 2**17],
            "L3.size": [3e5, 2e6, 2**24, 5e7],
            "DRAM.bandwidth": [1e11, 7e11],
        },
    ),
    "causal": (
        "h200",
        {
            "M": [100, 1024, 4099, 5000],
            "clock": [1e9, 1.5e9, 2e9],
            "DRAM.bandwidth": [1e12, 2e12, 3e12, 4e12, 5e12],
        },
    ),
}


@lru_cache
def ordered_program(name: str) -> tuple[Program, dict[str, list[float]]]:
    """Return a program with every parameter given, and the values of those that change."""
    machine, axes = ORDERED[name]
    described, path = load_machine(machine)
    if name == "causal":
        design = design_of(machine, "gpu/flash2", changes={"cascade": "grouped/causal"})
        program = derive(design.mapped, described)
    else:
        program = derive(load_mapping(name, described, path), described)
    sizes = {"B": 2.0, "H": 3.0, "R": 1.0, "E": 64.0, "F": 64.0, "P": 4096.0}
    given = {n: sizes.get(n, 1.0) if value is None else value for n, value in program.parameters.items()}
    return Program(parameters=given, lines=program.lines), axes


@pytest.mark.parametrize("name", ORDERED)
def test_the_order_of_axes_changes_no_bit(name: str):
    """Whatever stands innermost: tables of groups, or loops, hold what each point alone gives."""
    program, axes = ordered_program(name)
    outputs = [line.name for line in program.lines]
    tables = 0
    for order in itertools.permutations(axes):
        grid = grid_of(program, outputs, [(n,) for n in order], [[axes[n]] for n in order])
        assert grid.nest is not None
        tables += grid.nest.groups
        results = np.empty((len(outputs), grid.points))
        middle = grid.points // 2 + 1
        for start, stop in ((middle, grid.points), (0, middle)):
            evaluate_grid(grid, start, stop, results[:, start:stop], new_memory(grid), compiled=False)
        points = itertools.product(*(axes[n] for n in order))
        given = [{**program.parameters, **dict(zip(order, point, strict=True))} for point in points]
        alone = np.array(evaluate_lines(program, program.lines, given)).T
        assert np.array_equal(alone, results, equal_nan=True)
    assert tables > 0


@pytest.mark.parametrize("order", list(itertools.permutations(["points", "M", "clock", "DRAM.bandwidth"])))
def test_the_tiles_of_a_length_are_dealt_once(order: tuple[str, ...], monkeypatch):
    """In every order of axes, one of a single point among them, whatever the blocks: the least that any order needs."""
    program, values = ordered_program("causal")
    axes = {
        "points": [(), []],
        **{name: [(name,), [values[name]]] for name in ("M", "clock", "DRAM.bandwidth")},
    }
    grid = grid_of(program, ["latency_s"], [axes[n][0] for n in order], [axes[n][1] for n in order])
    assert grid.nest is not None
    functions = plain(grid.nest.text)
    within = functions["block"].__globals__
    dealt, lengths = within["dealt_tiles"], []

    def counted(*operands: float):
        lengths.append(operands)
        return dealt(*operands)

    monkeypatch.setitem(within, "dealt_tiles", counted)
    monkeypatch.setitem(functions, "BLOCK", 7)
    results = np.empty((1, grid.points))
    evaluate_grid(grid, 0, grid.points, results, new_memory(grid), compiled=False)
    assert len(lengths) == len(values["M"])
    monkeypatch.setitem(functions, "BLOCK", 512)
    whole = np.empty((1, grid.points))
    evaluate_grid(grid, 0, grid.points, whole, new_memory(grid), compiled=False)
    assert np.array_equal(whole, results)


@pytest.mark.slow
def test_compiled_tables_have_the_bits_of_plain_ones(tmp_path, monkeypatch):
    """Lengths innermost, in pieces that begin and end anywhere: with numba or without."""
    monkeypatch.setenv("FUSEMAX_CACHE", str(tmp_path))
    program, axes = ordered_program("causal")
    outputs = ["latency_s", "traffic_B"]
    order = ["clock", "DRAM.bandwidth", "M"]
    grid = grid_of(program, outputs, [(n,) for n in order], [[axes[n]] for n in order])
    plain, compiled = (np.empty((len(outputs), grid.points)) for _ in range(2))
    evaluate_grid(grid, 0, grid.points, plain, new_memory(grid), compiled=False)
    memory = new_memory(grid)
    for start, stop in itertools.pairwise([0, 1, 7, 30, 59, grid.points]):
        evaluate_grid(grid, start, stop, compiled[:, start:stop], memory, compiled=True)
    assert np.array_equal(plain, compiled)


LONG = (
    st.integers(4, 53)
    .flatmap(lambda power: st.integers(2**power - 3, 2**power + 3))
    .map(lambda n: min(n, 2**53))
)


@lru_cache
def masked_program(cascade: str, where: str = "h200", mapping: str = "gpu/flash2", tile: int = 0) -> Program:
    """Return the program of attention under a mask, every parameter but the lengths given; *tile* is that of keys."""
    machine, _ = load_machine(where)
    changes = {"cascade": cascade, **({"tiles.M0": tile} if tile else {})}
    program = derive(design_of(machine, mapping, changes=changes).mapped, machine)
    sizes = {"B": 1.0, "H": 2.0, "R": 1.0, "E": 64.0, "F": 64.0, "W": 4096.0}
    given = {n: sizes.get(n, 1.0) if value is None else value for n, value in program.parameters.items()}
    return Program(parameters=given, lines=program.lines)


@pytest.mark.parametrize(
    ("cascade", "where", "mapping", "tile", "compiled"),
    [
        ("grouped/causal", "h200", "gpu/flash2", 0, False),
        ("grouped/window", "h200", "gpu/flash2", 0, False),
        ("grouped/causal", "a100", "gpu/triton", 48, False),
        ("grouped/backward-causal", "h200", "gpu/flash2-backward", 0, False),
        ("causal/1-pass", "fusemax", "fusemax", 333, False),
        pytest.param("grouped/causal", "h200", "gpu/flash2", 0, True, marks=pytest.mark.slow),
    ],
)
@settings(max_examples=4, deadline=None)
@given(lengths=st.lists(LONG, min_size=2, max_size=2))
def test_masks_at_any_length_have_the_bits_of_single_points(
    cascade: str, where: str, mapping: str, tile: int, compiled: bool, lengths: list[int]
):  # fmt: skip
    """Up to 2^53, where whole numbers of 64 bits no longer hold the squares of lengths: compiled code gives way to plain."""
    program = masked_program(cascade, where, mapping, tile)
    outputs = ["latency_s", "traffic_B", "energy_J", "bound_s"]
    outputs = [name for name in outputs if any(line.name == name for line in program.lines)]
    clocks, both = [1e9, 2e9], [float(length) for length in lengths]
    grid = grid_of(program, outputs, [("clock",), ("M", "P")], [[clocks], [both, both]])
    results = np.empty((len(outputs), grid.points))
    evaluate_grid(grid, 0, grid.points, results, new_memory(grid), compiled)
    lines = [next(line for line in program.lines if line.name == name) for name in outputs]
    points = [
        {**program.parameters, "clock": clock, "M": length, "P": length}
        for clock in clocks
        for length in both
    ]
    assert np.array_equal(np.array(evaluate_lines(program, lines, points)).T, results, equal_nan=True)


def program_with(rule: FitRule) -> Program:
    """Return a program of one tile search."""
    parameters = {"N": None, "ROOM": None, "C": None}
    return Program(parameters=parameters, lines=(Line("T", rule, Label("tile")),))


TILE, N, C = symbol("T"), symbol("N"), symbol("C")
FOOTPRINTS = {
    "a line": (2 * TILE * C + C, lambda d, n, c: 2 * d * c + c),
    "a cut line": (3 * least(N, 4 * TILE) + C, lambda d, n, c: 3 * min(n, 4 * d) + c),
    "falling": (C * ceildiv(N, TILE), lambda d, n, c: c * -(-n // d)),
    "a step": (repeated(TILE, C, 5 * C), lambda d, n, c: c if d > 1 else 5 * c),
}
ADMISSIBLE = {
    "divisors": lambda n: [d for d in range(1, n + 1) if n % d == 0],
    "power_of_two": lambda n: [2**k for k in range(n.bit_length()) if 2**k <= n],
    "any": lambda n: list(range(1, n + 1)),
}


@pytest.mark.parametrize("shape", FOOTPRINTS)
@pytest.mark.parametrize("kind", ADMISSIBLE)
@given(n=st.integers(1, 3000), c=st.integers(1, 40), room=st.integers(1, 20_000))
def test_a_tile_is_the_largest_that_fits(kind: str, shape: str, n: int, c: int, room: int):
    """The search gives what the definition gives: the largest admissible tile whose footprint is no more than the room."""
    if kind == "any" and shape in ("falling", "a step"):
        return  # 'any' is defined for footprints that grow with the tile
    formula, footprint = FOOTPRINTS[shape]
    program = program_with(FitRule(TILE, N, formula, symbol("ROOM"), kind))
    fitting = [d for d in ADMISSIBLE[kind](n) if footprint(d, n, c) <= room]
    found = evaluate_lines(program, program.lines, [{"N": float(n), "ROOM": float(room), "C": float(c)}])
    assert [[float(max(fitting, default=1))]] == found
