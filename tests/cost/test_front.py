"""Fronts and best points against their definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fusemax.cost.front import Best, Front

measures = st.integers(2, 4).flatmap(
    lambda width: st.integers(1, 700).flatmap(
        lambda points: arrays(np.float64, (width, points), elements=st.integers(0, 12).map(float))
    )
)


def in_blocks(selection, values: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Return the table after feeding *values* in blocks of *size*."""
    for start in range(0, values.shape[1], size):
        stop = min(start + size, values.shape[1])
        numbers = np.arange(start, stop, dtype=np.float64)
        selection.add(np.ascontiguousarray(values[:, start:stop]), numbers, weights[start:stop])
    return selection.table()


@given(values=measures, size=st.integers(1, 800), data=st.data())
def test_a_front_holds_what_nothing_beats(values: np.ndarray, size: int, data):
    """Of every set of equal points that no other point dominates, the first stays and says how many they are."""
    weights = data.draw(arrays(np.float64, values.shape[1], elements=st.sampled_from([0.0, 1.0])))
    points = [tuple(values[:, p]) for p in range(values.shape[1]) if weights[p]]
    numbers = [p for p in range(values.shape[1]) if weights[p]]
    expected = {}
    for point, number in zip(points, numbers, strict=True):
        beaten = any(o != point and all(a <= b for a, b in zip(o, point, strict=True)) for o in set(points))
        if not beaten:
            first, count = expected.get(point, (number, 0))
            expected[point] = (first, count + 1)
    rows = sorted([(number, count, point) for point, (number, count) in expected.items()])
    table = in_blocks(Front(values.shape[0]), values, weights, size)
    found = [(int(row[-2]), int(row[-1]), tuple(row[:-2])) for row in table]
    assert rows == found


def test_a_front_grows_beyond_its_first_table():
    """A front of thousands of points loses none."""
    along = np.arange(5000, dtype=np.float64)
    values = np.stack([along, along[::-1]])
    table = in_blocks(Front(2), values, np.ones(5000), 777)
    assert list(range(5000)) == table[:, 2].astype(int).tolist()


@given(values=measures, size=st.integers(1, 800), most=st.integers(1, 30))
def test_the_best_are_the_first_of_a_sorted_list(values: np.ndarray, size: int, most: int):
    """Sorted by measure, then by number."""
    expected = sorted((value, number) for number, value in enumerate(values[0]))[:most]
    table = in_blocks(Best(most), values[:1], np.ones(values.shape[1]), size)
    assert expected == [(row[0], int(row[1])) for row in table]


def test_room_for_the_best_is_that_of_the_points():
    """However many are asked for: 2^53 of 10,000 points are all of them, the best first."""
    measures = np.random.default_rng(3).permutation(10_000).astype(float)
    best = Best(2**53)
    for start in range(0, 10_000, 3_000):
        part = slice(start, start + 3_000)
        best.add(measures[None, part], np.arange(10_000.0)[part], np.ones(10_000)[part])

    assert sorted(measures) == best.table()[:, 0].tolist()
