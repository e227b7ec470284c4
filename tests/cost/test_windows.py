"""Windows: tiles of an index over two ranks, cut by ragged tiles and by the ends of the tensor, against sets of elements."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_from_text
from fusemax.cost.band import window_most, window_sum
from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.machine import machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import mapping_file_of
from fusemax.source import document_of

MACHINE = """
title: t
source: s
clock: 1 Hz
word: 1 B
levels: {DRAM: {}, near: {size: 1 GB}}
units: {v: {shape: {lanes: 1}, operations: {mac: 1}}}
"""
SLIDING = """
title: t
source: s
inputs: {X: [M], U: [W]}
ranks: {M: P}
outputs: [Y]
einsums: |
  Y[p] = X[p+w-W+1]*U[w] :: sum[w] | p + w >= W - 1
"""
MAPPING = """
title: t
source: s
cascade: none
tiles: {{P0: {p0}, W0: {w0}}}
nests: [{{for: {loops}, keep: {{near: [X]}}, do: [Y]}}]
bind: {{v: [Y]}}
"""


def answer(P: int, W: int, p0: int, w0: int, loops: str) -> Cost:
    """Cost of the sliding window above with X kept inside *loops*."""
    machine = machine_of(document_of(MACHINE))
    document = document_of(MAPPING.format(p0=p0, w0=w0, loops=loops))
    mapped = map_onto(cascade_from_text(SLIDING), machine, mapping_file_of(document), document)
    return cost(mapped, derive(mapped, machine), {"P": P, "W": W})


@settings(max_examples=300)
@given(
    st.integers(1, 25), st.integers(-12, 6), st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.integers(1, 10), st.integers(1, 5), st.integers(1, 8), st.integers(1, 5),
)  # fmt: skip
def test_tiles_of_a_window_touch_what_a_walk_does(
    size: int, start: int, steps: tuple[int, int], R: int, tr: int, C: int, tc: int
) -> None:
    """The sum over all pairs of tiles of the elements that each touches, and the most that one touches."""
    total, most = 0, 0
    for i, j in product(range(0, R, tr), range(0, C, tc)):
        rows, columns = range(i, min(R, i + tr)), range(j, min(C, j + tc))
        touched = {start + steps[0] * r + steps[1] * c for r in rows for c in columns}
        total += len(touched & set(range(size)))
        most = max(most, len(touched & set(range(size))))
    assert total == window_sum(size, start, steps[0], R, tr, steps[1], C, tc)
    assert most == window_most(size, start, steps[0], R, tr, steps[1], C, tc)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 20), st.integers(1, 9), st.integers(1, 7), st.integers(1, 5),
    st.sampled_from(["[]", "[p1]", "[p1, w1]", "[w1, p1]"]),
)  # fmt: skip
def test_a_sliding_window_brings_the_keys_that_there_are(
    P: int, W: int, p0: int, w0: int, loops: str
) -> None:
    """Before the first key there is nothing: a tile of queries brings the keys of its windows, each once."""
    p_tiles = range(0, P, p0) if "p1" in loops else [0]
    w_tiles = range(0, W, w0) if "w1" in loops else [0]
    p_size, w_size = (p0 if "p1" in loops else P), (w0 if "w1" in loops else W)
    filled, there = 0, set()
    order = [(p, w) for p in p_tiles for w in w_tiles]
    if loops == "[w1, p1]":
        order.sort(key=lambda tile: tile[1])
    for p, w in order:
        queries, places = range(p, min(P, p + p_size)), range(w, min(W, w + w_size))
        tile = {q + place - W + 1 for q in queries for place in places if q + place >= W - 1}
        filled += len(tile)
        there |= tile
    found = answer(P, W, p0, w0, loops)
    assert found.values["words[Y,near,fill,X]"] == filled
    points = sum(q + place >= W - 1 for q in range(P) for place in range(W))
    assert found.values["activity[v,Y]"] * found.latency_s == pytest.approx(points)
    assert there == set(range(P))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (128, 64), (2**30, 2**30)])
def test_windows_of_any_length(rows: int, columns: int):
    """Tiles inside of the tensor are alike: of so many as 2^39 in each direction none is visited."""
    length = 2**39
    tiles = (length // rows) * (length // columns)
    assert window_sum(2**40, 0, 1, length, rows, 1, length, columns) == tiles * (rows + columns - 1)


@pytest.mark.parametrize("start", [-3, 0, 2**41])
def test_windows_that_reach_over_the_edges(start: int):
    """Beyond the last element nothing is touched; before the first one, what is outside is left out."""
    found = window_sum(2**40, start, 1, 2**39, 2**39, 1, 2**39, 2**39)
    assert found == max(0, 2**40 - 1 + min(0, start) if start < 2**40 else 0)
