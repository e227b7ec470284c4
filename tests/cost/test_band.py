"""Bands of tiles, and tasks under them, against a walk over every point."""

from __future__ import annotations

import heapq
from itertools import chain, pairwise, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cost.band import band_kinds, band_most, band_pairs, band_turns, floor_sum
from fusemax.cost.deal import dealt_tiles

SIZE, TILE, EDGE, SIGN = (
    st.integers(1, 40),
    st.integers(1, 12),
    st.integers(-50, 90),
    st.sampled_from([1, -1]),
)


def walked(R: int, tr: int, C: int, tc: int, lo: int, hi: int, sign: int) -> list[list[int]]:
    """Touched tiles of columns per tile of rows, from the definition."""
    touched: list[set[int]] = [set() for _ in range(-(-R // tr))]
    for row in range(R):
        for column in range(C):
            if lo <= column - sign * row <= hi:
                touched[row // tr].add(column // tc)
    return [sorted(tiles) for tiles in touched]


@settings(max_examples=300)
@given(SIZE, TILE, SIZE, TILE, EDGE, EDGE, SIGN)
def test_band_counts_equal_a_walk(R: int, tr: int, C: int, tc: int, lo: int, hi: int, sign: int) -> None:
    """Touched pairs, by kind, and those of the heaviest tile of rows, are those of a walk."""
    rows = walked(R, tr, C, tc, lo, hi, sign)
    sizes = (R, tr, C, tc, lo, hi, sign)
    kinds = [0, 0, 0, 0]
    for i, tiles in enumerate(rows):
        for j in tiles:
            kinds[2 * (i == len(rows) - 1) + (j == (C - 1) // tc)] += 1
    assert (sum(map(len, rows)), max(map(len, rows))) == (band_pairs(*sizes), band_most(*sizes))
    assert tuple(kinds) == band_kinds(*sizes)


@settings(max_examples=300)
@given(SIZE, TILE, SIZE, TILE, EDGE, st.integers(-1, 40), SIGN)
def test_turns_of_a_band_equal_a_walk(
    R: int, tr: int, C: int, tc: int, lo: int, wide: int, sign: int
) -> None:
    """Rows that begin where the one before ended, rows of one tile, and a last tile that is the first one again."""
    rows = walked(R, tr, C, tc, lo, lo + wide, sign)
    odd = (C - 1) // tc
    found = [0] * 6
    for one, two in pairwise(rows):
        if one and two and one[-1] == two[0]:
            found[one[-1] == odd] += 1
    for tiles in rows:
        if len(tiles) == 1:
            found[2 + (tiles[0] == odd)] += 1
    touched = [tiles for tiles in rows if tiles]
    if touched and touched[0][0] == touched[-1][-1]:
        found[4 + (touched[0][0] == odd)] += 1
    assert tuple(found) == band_turns(R, tr, C, C + tc, tc, lo, lo + wide, sign)


@settings(max_examples=300)
@given(SIZE, TILE, SIZE, TILE, st.integers(1, 5), EDGE, st.integers(-1, 40), SIGN)
def test_turns_of_a_band_in_groups_equal_a_walk(
    R: int, tr: int, C: int, tc: int, many: int, lo: int, wide: int, sign: int
) -> None:
    """Groups of tiles of columns turn outside of rows: one visit after the other, each to a tile of one group."""
    rows = walked(R, tr, C, tc, lo, lo + wide, sign)
    odd = (C - 1) // tc
    groups = [[[j for j in tiles if j // many == g] for tiles in rows] for g in range(odd // many + 1)]
    found = [0] * 6
    for turn in groups:
        for one, two in pairwise(turn):
            if one and two and one[-1] == two[0]:
                found[one[-1] == odd] += 1
    visits = [j for turn in groups for tiles in turn for j in tiles]
    if visits and visits[0] == visits[-1]:
        found[4 + (visits[0] == odd)] += 1
    turns = band_turns(R, tr, C, many * tc, tc, lo, lo + wide, sign)
    assert (*found[:2], *found[4:]) == (*turns[:2], *turns[4:])


@given(st.integers(-3, 60), st.integers(1, 30), st.integers(-60, 60), st.integers(-200, 200))
def test_floor_sum_equals_the_sum(n: int, m: int, a: int, b: int) -> None:
    """The closed sum is the sum."""
    assert sum((a * i + b) // m for i in range(n)) == floor_sum(n, m, a, b)


@pytest.mark.parametrize("n", [10**6, 2**34])
def test_a_long_causal_square_is_half_of_it_and_the_diagonal(n: int) -> None:
    """A causal square of n tiles touches n*(n+1)/2 of them, however many there are."""
    assert n * (n + 1) / 2 == band_pairs(128 * n, 128, 128 * n, 128, -128 * n, 0, 1)


def busiest(works: list[int], cores: int) -> int:
    """The load of the busiest core when works go, one after another, to the core that is free first."""
    loads = [0] * cores
    for work in works:
        heapq.heapreplace(loads, loads[0] + work)
    return max(loads)


def load_of(in_order: int, before: int, after: int, cores: int, *band: int) -> float:
    """What the busiest core does of tasks that are single tiles of rows, in tiles of columns."""
    R, tr, C, tc, lo, hi, sign = band
    wide = -(-C // tc) * tc
    found = dealt_tiles(
        in_order, before, after, cores, R, tr, tr, C, wide, tc, lo, hi, sign, 0, 0, 0, 0, 1, 1, 1, 1
    )
    return sum(found[4:])


@given(
    st.integers(1, 6), st.integers(1, 4), st.integers(1, 12), SIZE, TILE, SIZE, TILE, EDGE, EDGE, SIGN,
)  # fmt: skip
def test_tasks_in_order_go_to_the_core_that_is_free_first(
    before: int, after: int, cores: int, R: int, tr: int, C: int, tc: int, lo: int, hi: int, sign: int
) -> None:
    """The busiest core of a walk over all tasks; never less than an even share."""
    rows = [len(tiles) for tiles in walked(R, tr, C, tc, lo, hi, sign) if tiles]
    works = [work for _ in range(before) for row in rows for work in [row] * after]
    found = load_of(1, before, after, cores, R, tr, C, tc, lo, hi, sign)
    if len(works) <= max(32 * cores, 2048):
        assert busiest(works, cores) == found
    else:
        assert sum(works) / cores * (1 - 1e-12) <= found <= sum(works) / cores + max(rows)


@pytest.mark.parametrize(
    ("heads", "length", "cores"), [(2000, 2048, 132), (500, 8192, 108), (64, 65536, 148)]
)
def test_the_first_rounds_of_many_may_be_dealt_evenly(heads: int, length: int, cores: int) -> None:
    """Dealing only the last rounds one by one changes the busiest core of a causal square by less than a task in 32 rounds."""
    rows = [i + 1 for i in range(length // 128)]
    walk = busiest(list(chain.from_iterable(repeat(rows, heads))), cores)
    found = load_of(1, heads, 1, cores, length, 128, length, 128, -length, 0, 1)
    assert found == pytest.approx(walk, rel=1 / 32)


@given(st.integers(1, 6), st.integers(1, 12), SIZE, TILE, SIZE, TILE, EDGE, EDGE, SIGN)
def test_the_heaviest_tasks_are_dealt_first(
    others: int, cores: int, R: int, tr: int, C: int, tc: int, lo: int, hi: int, sign: int
) -> None:
    """The busiest core of a walk over all tasks, heaviest first; with many for each core an even share, or the heaviest."""
    rows = [len(tiles) for tiles in walked(R, tr, C, tc, lo, hi, sign) if tiles]
    works = sorted((work for row in rows for work in [row] * others), reverse=True)
    found = load_of(0, others, 1, cores, R, tr, C, tc, lo, hi, sign)
    if len(works) <= max(32 * cores, 2048):
        assert busiest(works, cores) == found
    else:
        assert max(sum(works) / cores, max(rows)) == pytest.approx(found)
