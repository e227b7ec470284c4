"""Conditions of any number of variables: counts against points one by one, compiled code against plain, numbers by hand."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cost.evaluate import cost
from fusemax.cost.lattice import region_tiles
from fusemax.cost.model import derive
from fusemax.cost.region import Row, _closed
from fusemax.cost.rows import compiled_rows, plain
from fusemax.errors import FusemaxError, ProblemsError
from tests.walk.design import Design
from tests.walk.test_walk import design, words_of


@st.composite
def regions(draw: st.DrawFn) -> dict[str, Any]:
    """Return rows, sizes and tiles of up to four axes, with steps of one, or of one axis with bounds on one side others."""
    axes = draw(st.integers(1, 4))
    step = st.sampled_from([0, 0, 1, -1])
    row = st.tuples(st.lists(step, min_size=axes, max_size=axes).filter(any), st.integers(-4, 8))
    rows = draw(st.lists(row, min_size=1, max_size=4))
    longest = 14 if axes < 3 else 7
    sizes = draw(st.lists(st.integers(1, longest), min_size=axes, max_size=axes))
    tiles = draw(st.lists(st.integers(1, 4), min_size=axes, max_size=axes))
    scaled, factor = draw(st.integers(0, axes - 1)), draw(st.integers(2, 4))
    if len({steps[scaled] for steps, _ in rows} - {0}) == 1:
        rows = [([s * (factor if n == scaled else 1) for n, s in enumerate(steps)], b) for steps, b in rows]
    return {"rows": rows, "sizes": sizes, "tiles": tiles}


def closed(region: dict[str, Any]) -> list[float]:
    """Return what ``region_tiles`` takes."""
    axes = len(region["sizes"])
    rows = [Row(tuple(map(sympy.Integer, steps)), sympy.Integer(bound)) for steps, bound in region["rows"]]
    found = _closed(axes, rows)
    assert found is not None
    numbers: list[float] = [axes, -1]
    for size, tile in zip(region["sizes"], region["tiles"], strict=True):
        numbers += [size, tile]
    return [*numbers, *(float(value) for row in found for value in (*row.steps, row.bound))]


def touched(region: dict[str, Any]) -> list[float]:
    """Return the tiles that hold a point, by the axes in whose last tile they are, from the points one by one."""
    tiles: set[tuple[int, ...]] = set()
    for point in product(*map(range, region["sizes"])):
        if all(sum(s * x for s, x in zip(steps, point, strict=True)) <= b for steps, b in region["rows"]):
            tiles.add(tuple(x // t for x, t in zip(point, region["tiles"], strict=True)))
    counts = [0.0] * 2 ** len(region["sizes"])
    last = [(size - 1) // tile for size, tile in zip(region["sizes"], region["tiles"], strict=True)]
    for found in tiles:
        counts[sum(2**k for k, end in enumerate(last) if found[k] == end)] += 1
    return counts


@settings(max_examples=400, derandomize=True, deadline=None)
@given(region=regions())
def test_tiles_are_those_with_a_point(region: dict[str, Any]) -> None:
    """Every point of small boxes is tried."""
    assert touched(region) == region_tiles(closed(region))


def test_tiles_of_large_regions_by_formulas() -> None:
    """m < j < p of n: n over 3; m <= p: the triangle; m1*M0 + M0 <= p + 1: whole blocks before each query."""
    n = 3000
    order = {"rows": [([1, -1, 0], -1), ([0, 1, -1], -1)], "sizes": [n] * 3, "tiles": [1] * 3}
    assert n * (n - 1) * (n - 2) / 6 == sum(region_tiles(closed(order)))
    blocks = [2, -1, 1000, 1, 64_000, 1, 64, -1, -63]
    assert sum((p + 1) // 64 for p in range(64_000)) == sum(region_tiles(blocks))


def test_more_steps_than_can_be_done_are_no_numbers() -> None:
    """Nothing hangs: a count that would take too long says so."""
    rows = [([1, 1, 1, 1], 200_000)]
    counts = region_tiles(closed({"rows": rows, "sizes": [100_000] * 4, "tiles": [1] * 4}))
    assert all(count != count for count in counts)


@pytest.mark.slow
def test_compiled_rows_are_the_plain_ones() -> None:
    """The four functions of regions give the same bits compiled."""
    tiles = np.array(
        [[2.0, -1, size, tile, size + 3, 2, 1, -1, 0] for size in (4, 9, 30) for tile in (1, 2, 5)]
    )
    loops = [*(0, 1, 1, 0), *(1, 1, 0, 0), *(0, 1, 1e8), *(1, 1, 1e8), 1, -1, 0]
    moved = np.array(
        [[50.0, 1, 2, 2, -1, 0, 1, 2, 2, 0, n, 0, 1, 1e8, 0, n, 0, 1, 1e8, 0, *loops] for n in (3, 8)]
    )
    under = [*(0, 1, 1, 0), *(1, 1, 0, 0), *(0, 1, 1e8), *(1, 1, 1e8)]
    window = [
        [50.0, 1, 1, 2, -1, 1, 1, 2, 2, 0, n, -1, 1, 1e8, 0, n, -1, 1, 1e8, 0, *under, 9, 0, a, b, 1, -1, 0]
        for n in (3, 8)
        for a, b in ((1, 1), (1, -1), (3, 2))
    ]
    body = [21, 0, 2, -1, 1, *(0, 1, 9), *(1, 1, 9), *(1, 9), *(1, 9)]
    union = [
        [
            50.0,
            cores,
            1,
            0,
            0,
            0,
            1,
            2,
            2,
            0,
            *(n, 0, 0, n, 0) * 2,
            *(0, 1, 1, 0),
            *(1, 2, 1, 0),
            9,
            *body,
            0,
            a,
            b,
            1,
            -1,
            0,
        ]
        for n in (3, 8)
        for a, b, cores in ((1, 1, 1), (1, -1, 1), (3, 2, 2))
    ]
    tasks = np.array(
        [
            [0.0, cores, 2, -1, 1, 0, 1, 1, 0, 2, 0, 9, 9, 9, 2, 9, 3] + [1.0] * 8 + [3.0] * 8 + [1, -1, 0]
            for cores in (1, 2, 4)
        ]
    )  # fmt: skip
    for name, rows in (
        ("region_tiles", tiles),
        ("region_moved", moved),
        ("region_moved", np.array(window)),
        ("union_moved", np.array(union)),
        ("region_tasks", tasks),
    ):
        expected = [plain(name)(*row) for row in rows.tolist()]
        assert np.array_equal(compiled_rows(name)(rows), np.reshape(expected, (len(rows), -1))), name


CHUNKS = {
    "title": "t", "source": "s", "inputs": {"Q": ["E", "N"], "K": ["E", "N"]},
    "ranks": {"N": "I1*I0", "J0": "I0"}, "outputs": ["A"],
    "einsums": "A[i1,i0,j0] = Q[e,i1*I0+i0]*K[e,i1*I0+j0] :: sum[e] | j0 <= i0\n",
}  # fmt: skip


def chunked(loops: list[str], keep: dict[str, list[str]], size: int) -> Design:
    """Return scores inside chunks of four, under *loops*."""
    node = {"for": loops, "keep": keep, "do": ["A"]}
    return design({"tiles": {"I0": 4}, "nests": [node], "bind": {"a": ["A"]}}, {"N": size, "E": 3}, CHUNKS)


@pytest.mark.parametrize(("size", "pairs", "alone"), [(8, 20, 8), (6, 13, 6)])
def test_a_mask_inside_a_chunk_by_hand(size: int, pairs: int, alone: int) -> None:
    """j0 <= i0 in chunks of four: 10 pairs, 3 in half a chunk. A key is read for each, or kept for its queries."""
    one = chunked(["i1", "j0", "i0"], {}, size)
    kept = chunked(["i1", "j0"], {"L1": ["K"]}, size)
    kept_cost = cost(*_derived(kept), kept.sizes)
    answer = cost(*_derived(one), one.sizes)
    words = {(k.level, k.tensor, k.action): v for k, v in answer.table("words").items()}

    assert words == words_of(one)
    assert {"K": 3 * pairs, "Q": 3 * pairs} == {t: words["DRAM", t, "read"] for t in ("K", "Q")}
    fills = {(k.level, k.tensor, k.action): v for k, v in kept_cost.table("words").items()}
    assert fills == words_of(kept)
    assert 3 * alone == fills["L1", "K", "fill"]
    lanes = 4 * 1e9
    assert 3 * pairs == pytest.approx(answer.utilization()["a"] * lanes * answer.latency_s)


def _derived(one: Design) -> tuple[Any, Any]:
    mapped, machine = one.loaded()
    return mapped, derive(mapped, machine)


@pytest.mark.parametrize(
    ("condition", "points"),
    [
        ("b >= B - 2", 2 * 6),  # one rank against a size
        ("2*a + 2 <= b + 1", 0 + 1 + 1 + 2 + 2 + 3 - 1 + 1),  # steps of one rank: b = 0 has none, b = 1 and 2 have one each
        ("a + b >= 2, a + b < 5", 3 + 4 + 5),  # edges on both sides
        ("a <= b, b < 3", 1 + 2 + 3),
    ],
)  # fmt: skip
def test_points_of_conditions_by_hand(condition: str, points: int) -> None:
    """Useful work of X[a]*Y[b] over six by six is the number of points."""
    cascade = {
        "title": "t", "source": "s", "inputs": {"X": ["A"], "Y": ["B"]}, "outputs": ["Z"],
        "einsums": f"Z[a] = X[a]*Y[b] :: sum[b] | {condition}\n",
    }  # fmt: skip
    one = design({"nests": [{"do": ["Z"]}], "bind": {"a": ["Z"]}}, {"A": 6, "B": 6}, cascade)
    expected = sum(
        bool(eval(condition.replace(",", " and "), {"a": a, "b": b, "B": 6}))
        for a in range(6)
        for b in range(6)
    )
    answer = cost(*_derived(one), one.sizes)

    assert points == expected
    assert points == pytest.approx(answer.utilization()["a"] * 4 * 1e9 * answer.latency_s)


def test_a_rank_as_long_as_a_tile_has_the_size_of_the_tile() -> None:
    """J0 is as long as I0, which the mapping cuts: four keys, also where another nest cuts I0 too; not where it differs."""
    nest = {"for": ["i1"], "do": ["A"]}
    one = design({"tiles": {"I0": 4}, "nests": [nest], "bind": {"a": ["A"]}}, {"N": 8, "E": 1}, CHUNKS)
    answer = cost(*_derived(one), one.sizes)
    words = {(k.level, k.tensor, k.action): v for k, v in answer.table("words").items()}

    assert words["DRAM", "K", "read"] == 8
    other = {
        **CHUNKS,
        "outputs": ["A", "T"],
        "einsums": f"{CHUNKS['einsums']}T[i1,i0] = exp(Q[e,i1*I0+i0]) :: sum[e]\n",
    }
    nests = [{**nest, "tiles": {"I0": 4}}, {"for": ["i1"], "do": ["T"], "tiles": {"I0": 2}}]
    two = design({"nests": nests, "bind": {"a": ["A"], "v": ["T"]}}, {"N": 8, "E": 1}, other)
    with pytest.raises((FusemaxError, ProblemsError)):
        cost(*_derived(two), two.sizes)
