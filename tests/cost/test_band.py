"""Bands of tiles against a walk over every point."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fusemax.cost.band import band_least, band_most, band_pairs, floor_sum

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
