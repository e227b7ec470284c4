"""Elements taken one axis after the other are those that numpy takes one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fusemax.cascade.gather import apart, put

AXES = 3


@st.composite
def indices(draw):
    """Return extents of an array, and indices into it over three axes: numbers, runs, sums of two, and lists."""
    extents = draw(st.lists(st.integers(2, 5), min_size=1, max_size=3))
    space = draw(st.lists(st.integers(1, 3), min_size=AXES, max_size=AXES))
    where = []
    for extent in extents:
        kind = draw(st.sampled_from(["number", "scalar", "run", "sum", "list"]))
        one, two = draw(st.permutations(range(AXES)))[:2]
        runs = [
            np.arange(space[axis]).reshape([-1 if a == axis else 1 for a in range(AXES)])
            for axis in (one, two)
        ]
        found = {
            "number": np.full((1,) * AXES, draw(st.integers(0, extent - 1))),
            "scalar": np.asarray(draw(st.integers(0, extent - 1))),
            "run": runs[0],
            "sum": runs[0] * 2 + runs[1],
            "list": runs[0][..., ::-1] if one == AXES - 1 else np.flip(runs[0]),
        }[kind]
        where.append(np.asarray(np.minimum(found, extent - 1)))
    return extents, where


@given(indices())
def test_taken(drawn):
    """The same values; the shape broadcasts to the same."""
    extents, where = drawn
    array = np.arange(np.prod(extents), dtype=float).reshape(extents)
    expected = array[tuple(where)]
    actual = apart(array, where, AXES)
    shape = np.broadcast_shapes(expected.shape, actual.shape)

    assert np.array_equal(np.broadcast_to(expected, shape), np.broadcast_to(actual, shape))


@given(indices())
def test_written(drawn):
    """Where no element is written twice, the same array results."""
    extents, where = drawn
    shape = np.broadcast_shapes(*(w.shape for w in where))
    places = np.broadcast_arrays(*where, np.empty(shape))[:-1]
    flat = np.ravel_multi_index(tuple(p.ravel() for p in places), extents)
    if len(set(flat)) < len(flat):
        return
    value = np.random.default_rng(1).normal(size=shape)
    expected, actual = np.zeros(extents), np.zeros(extents)
    expected[tuple(where)] = value
    put(actual, where, value)

    assert np.array_equal(expected, actual)
