"""Tasks on cores against a walk that deals them one by one: short tiles, ragged last tasks, memories inside a core."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_from_text
from fusemax.cost.deal import busiest_core
from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.library.load import design_of
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of

CASCADE = """
title: t
source: s
inputs: {X: [R, K], W: [K, N]}
outputs: [Y]
einsums: |
  Y[r,n] = X[r,k]*W[k,n] :: sum[k]
"""
MACHINE = """
title: t
source: s
clock: 1 Hz
word: 1 B
levels: {DRAM: {}, shared: {size: 1 GB}, near: {size: 1 GB, per_core: true, bandwidth: 1 B/s}}
units:
  array: {shape: {rows: 1, columns: 1}, operations: {mac: 1}}
  tile: {shape: {r: 1, n: 1, outer: 1}, operations: {add: 1}}
"""
MAPPING = """
title: t
source: s
cascade: none
tiles: {{R0: tile.r, R1: tile.outer, N0: tile.n}}
nests:
- for: {loops}
  spread: {spread}
  keep: {{near: {kept}}}
  spatial: {{array: {{r0: rows, n0: columns}}}}
  do: [Y]
bind: {{array: [Y]}}
"""


@cache
def derived(loops: str, spread: str, kept: str = "[]") -> tuple[Mapped, Program]:
    """The product above on cores; tiles and lanes are given with each point."""
    machine = machine_of(document_of(MACHINE))
    document = document_of(MAPPING.format(loops=loops, spread=spread, kept=kept))
    mapped = map_onto(cascade_from_text(CASCADE), machine, mapping_file_of(document), document)
    return mapped, derive(mapped, machine)


def answer(point: dict[str, int], loops: str, spread: str, kept: str = "[]") -> Cost:
    """Cost of one point of the product above."""
    figures = {
        "tile.r": point["r0"], "tile.outer": point["r1"], "tile.n": point["n0"], "replicas": point["cores"],
        "array.rows": point["rows"], "array.columns": point["columns"],
    }  # fmt: skip
    sizes = {name: point[name] for name in ("R", "K", "N")}
    return cost(*derived(loops, spread, kept), sizes, figures)


def digits(index: int, tile: int, tiles: int) -> tuple[int, int, int]:
    """The digits of an index: the outermost, the tile in it, and the place in the tile."""
    return index // (tile * tiles), index // tile % tiles, index % tile


points = st.fixed_dictionaries(
    {
        "R": st.integers(1, 20), "N": st.integers(1, 20), "K": st.integers(1, 3), "r0": st.integers(1, 7),
        "r1": st.integers(1, 4), "n0": st.integers(1, 25), "cores": st.integers(1, 7), "rows": st.integers(1, 4),
        "columns": st.integers(1, 4),
    }
)  # fmt: skip
LOOPS = ["[r2, r1, n1]", "[n1, r2, r1]", "[r2, n1, r1]"]
NESTS = [
    (loops, f"[{', '.join(loops.strip('[]').split(', ')[:count])}]") for loops in LOOPS for count in (1, 2, 3)
]


def tasks_of(point: dict[str, int], spread: str) -> dict[tuple[int, ...], int]:
    """Cycles of each task, by a walk over all tiles."""
    names = spread.strip("[]").split(", ")
    tiles: dict[tuple[int, int, int], tuple[set[int], set[int]]] = {}
    for r, n in product(range(point["R"]), range(point["N"])):
        outer, middle, inner = digits(r, point["r0"], point["r1"])
        rows, columns = tiles.setdefault((outer, middle, n // point["n0"]), (set(), set()))
        rows.add(inner)
        columns.add(n % point["n0"])
    tasks: dict[tuple[int, ...], int] = {}
    for (outer, middle, column), (rows, columns) in tiles.items():
        place = {"r2": outer, "r1": middle, "n1": column}
        steps = ceil(len(rows) / point["rows"]) * ceil(len(columns) / point["columns"]) * point["K"]
        task = tuple(place[name] for name in names)
        tasks[task] = tasks.get(task, 0) + steps
    return tasks


@settings(deadline=None, max_examples=80)
@given(points, st.sampled_from(NESTS))
def test_the_busiest_core_is_that_of_a_walk(point: dict[str, int], nest: tuple[str, str]) -> None:
    """Heaviest tasks first, each to the core that is free first: its cycles, the bound and the schedule are exact."""
    loops, spread = nest
    loads = [0] * point["cores"]
    for steps in sorted(tasks_of(point, spread).values(), reverse=True):
        loads[loads.index(min(loads))] += steps
    found = answer(point, loops, spread)
    assert found.values["cycles[array,Y]"] == pytest.approx(max(loads))
    assert found.bound_s == pytest.approx(max(loads))
    assert found.bound_s <= found.latency_s


@settings(deadline=None, max_examples=40)
@given(points, st.sampled_from(NESTS))
def test_more_cores_are_never_slower_than_one(point: dict[str, int], nest: tuple[str, str]) -> None:
    """One core does all; a tile longer than its rank is as long as the rank."""
    loops, spread = nest
    alone = answer({**point, "cores": 1}, loops, spread)
    many = answer(point, loops, spread)
    assert alone.values["cycles[array,Y]"] == pytest.approx(sum(tasks_of(point, spread).values()))
    assert many.latency_s <= alone.latency_s * (1 + 1e-12)
    short = answer({**point, "n0": max(point["n0"], point["N"])}, loops, spread)
    exact = answer({**point, "n0": point["N"]}, loops, spread)
    names = [
        name for name in short.values if name.startswith(("cycles", "words", "time", "bound", "latency"))
    ]
    assert {name: short.values[name] for name in names} == {name: exact.values[name] for name in names}


KINDS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), min_size=8, max_size=8)


@settings(max_examples=200)
@given(st.integers(1, 9), KINDS)
def test_kinds_are_dealt_as_single_tasks_are(cores: int, kinds: list[tuple[int, int]]) -> None:
    """Dealing kinds by groups of cores gives the largest load of a deal of single tasks, and all tasks when alone."""
    loads = [0] * cores
    for count, weight in sorted(kinds, key=lambda kind: -kind[1]):
        for _ in range(count):
            loads[loads.index(min(loads))] += weight
    flat = [float(value) for kind in kinds for value in kind]
    found = busiest_core(float(cores), *flat)
    assert sum(n * w for n, (_, w) in zip(found, kinds, strict=True)) == max(loads)
    assert busiest_core(1.0, *flat) == tuple(float(count) for count, _ in kinds)


@pytest.mark.parametrize(
    ("loops", "spread", "cores", "words"),
    [
        ("[r2, r1, n1]", "[r2]", 3, 6 * 2 * 40),  # the tiles of W take turns in each task
        ("[n1, r2, r1]", "[n1]", 3, 40),
        ("[n1, r2, r1]", "[n1, r2]", 4, 4 * 40),
        ("[n1, r2, r1]", "[n1, r2]", 9, 6 * 40),
        ("[r2, n1, r1]", "[r2, n1]", 4, 6 * 40),
        ("[r2, n1, r1]", "[r2, n1]", 1, 6 * 40),
    ],
)
def test_a_memory_inside_a_core_is_filled_for_each_core(
    loops: str, spread: str, cores: int, words: int
) -> None:
    """A tile of W that tasks in a row want comes once to each core that does one of them; others come with their task."""
    point = {"R": 12, "K": 4, "N": 10, "r0": 1, "r1": 2, "n0": 5, "cores": cores, "rows": 1, "columns": 1}
    found = answer(point, loops, spread, "[W]")
    assert found.values["words[Y,near,fill,W]"] == words == found.values["words[Y,DRAM,read,W]"]


@pytest.mark.parametrize(
    ("loops", "cycles"),
    [
        ("[r2, n1]", 24.0),
        ("[n1, r2]", 36.0),  # both columns stand in one tile: one task
        ("[]", 36.0),  # no loop at all: one task
    ],
)
def test_without_spread_the_outermost_loop_is_spread(loops: str, cycles: float) -> None:
    """Six rows by two columns by three, in blocks of four rows, on two cores: 4*2*3 cycles on one, 2*2*3 on the other."""
    point = {"R": 6, "N": 2, "K": 3, "r0": 4, "r1": 1, "n0": 2, "cores": 2, "rows": 1, "columns": 1}

    assert sum(answer(point, loops, "[]").table("cycles").values()) == cycles


def test_a_tile_goes_to_each_core_whose_task_inside_its_place_wants_it() -> None:
    """Three tiles of keys are three tasks for each of three tiles of queries: each brings Q, 3 * 300 * 2 words."""
    design = design_of("h100", "unfused")
    sizes = {"B": 1, "H": 1, "E": 2, "F": 2, "M": 300, "P": 300}
    found = cost(design.mapped, derive(design.mapped, design.machine), sizes).values

    assert found["words[QK,shared,fill,Q]"] == 1800 == found["words[QK,DRAM,read,Q]"]
