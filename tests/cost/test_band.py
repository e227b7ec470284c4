"""Bands of tiles against a walk over every point."""

from __future__ import annotations

import heapq
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemax.cost.band import (
    band_least,
    band_most,
    band_pairs,
    dealt_in_order,
    dealt_longest_first,
    floor_sum,
)

SIZE, TILE, EDGE = st.integers(1, 40), st.integers(1, 12), st.integers(-50, 50)


def walked(R: int, tr: int, C: int, tc: int, lo: int, hi: int) -> list[int]:
    """Touched tiles of columns per tile of rows, from the definition."""
    touched: list[set[int]] = [set() for _ in range(-(-R // tr))]
    for row in range(R):
        for column in range(C):
            if lo <= column - row <= hi:
                touched[row // tr].add(column // tc)
    return [len(tiles) for tiles in touched]


@given(SIZE, TILE, SIZE, TILE, EDGE, EDGE)
def test_band_counts_equal_a_walk(R: int, tr: int, C: int, tc: int, lo: int, hi: int) -> None:
    """Touched pairs, the heaviest and the lightest tile of rows are those of a walk."""
    per_row = walked(R, tr, C, tc, lo, hi)
    sizes = (R, tr, C, tc, lo, hi)
    assert (sum(per_row), max(per_row), min(per_row)) == (
        band_pairs(*sizes), band_most(*sizes), band_least(*sizes)
    )  # fmt: skip


@given(st.integers(-3, 60), st.integers(1, 30), st.integers(-60, 60), st.integers(-200, 200))
def test_floor_sum_equals_the_sum(n: int, m: int, a: int, b: int) -> None:
    """The closed sum is the sum."""
    assert sum((a * i + b) // m for i in range(n)) == floor_sum(n, m, a, b)


def test_a_long_causal_square_is_half_of_it_and_the_diagonal() -> None:
    """A causal square of n tiles touches n*(n+1)/2 of them, however many there are."""
    n = 10**6
    assert n * (n + 1) // 2 == band_pairs(128 * n, 128, 128 * n, 128, -128 * n, 0)


def busiest(works: list[int], cores: int) -> int:
    """The load of the busiest core when works go, one after another, to the core that is free first."""
    loads = [0] * cores
    for work in works:
        heapq.heapreplace(loads, loads[0] + work)
    return max(loads)


@given(
    st.integers(1, 6), st.integers(1, 4), st.integers(1, 12), SIZE, TILE, SIZE, TILE, EDGE, EDGE,
)  # fmt: skip
def test_tasks_in_order_go_to_the_core_that_is_free_first(
    before: int, after: int, cores: int, R: int, tr: int, C: int, tc: int, lo: int, hi: int
) -> None:
    """The busiest core of a walk over all tasks; never less than an even share."""
    rows = walked(R, tr, C, tc, lo, hi)
    works = [work for _ in range(before) for row in rows for work in [row] * after]
    found = dealt_in_order(before, after, cores, R, tr, C, tc, lo, hi)
    if len(works) <= 32 * cores:
        assert busiest(works, cores) == found
    else:
        assert sum(works) / cores <= found <= sum(works) / cores + max(rows)


@pytest.mark.parametrize(
    ("heads", "length", "cores"), [(2000, 2048, 132), (500, 8192, 108), (64, 65536, 148)]
)
def test_the_first_rounds_of_many_may_be_dealt_evenly(heads: int, length: int, cores: int) -> None:
    """Dealing only the last rounds one by one changes the busiest core of a causal square by less than a task in 32 rounds."""
    sizes = (length, 128, length, 128, -length, 0)
    rows = [i + 1 for i in range(length // 128)]
    walk = busiest(list(chain.from_iterable(repeat(rows, heads))), cores)
    assert dealt_in_order(heads, 1, cores, *sizes) == pytest.approx(walk, rel=1 / 32)


@given(st.integers(1, 6), st.integers(1, 12), SIZE, TILE, SIZE, TILE, EDGE, EDGE)
def test_the_heaviest_tasks_are_dealt_first(
    others: int, cores: int, R: int, tr: int, C: int, tc: int, lo: int, hi: int
) -> None:
    """The busiest core of a walk over all tasks, heaviest first; with many for each core an even share, or the heaviest."""
    rows = walked(R, tr, C, tc, lo, hi)
    works = sorted((work for row in rows for work in [row] * others), reverse=True)
    found = dealt_longest_first(others, cores, R, tr, C, tc, lo, hi)
    if len(works) <= 32 * cores:
        assert busiest(works, cores) == found
    else:
        assert max(sum(works) / cores, max(rows)) == pytest.approx(found)
