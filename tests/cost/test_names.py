"""One tensor under two variables of one rank: words and room of the union, against a walk over sets of elements."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.cascade.build import cascade_from_text
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
units: {v: {shape: {lanes: 1}, operations: {mac: 1, add: 1, sub: 1, mul: 1}}}
"""
GRAM = """
title: t
source: s
inputs: {X: [D, S]}
ranks: {P: S}
outputs: [G]
einsums: |
  G[s,p] = X[d,s]*X[d,p] :: sum[d]
"""
PROJECTIONS = """
title: t
source: s
inputs: {X: [D, S], U: [E, D], V: [E, D]}
ranks: {P: S}
outputs: [K, Q]
einsums: |
  K[e,s] = U[e,d]*X[d,s] :: sum[d]
  Q[e,p] = V[e,d]*X[d,p] :: sum[d]
"""
HEAD = "title: t\nsource: s\ncascade: none\n"


def answer(cascade: str, mapping: str, sizes: dict[str, int]) -> Cost:
    """Cost of a mapping of one of the cascades above."""
    machine = machine_of(document_of(MACHINE))
    document = document_of(HEAD + mapping)
    mapped = map_onto(cascade_from_text(cascade), machine, mapping_file_of(document), document)
    return cost(mapped, derive(mapped, machine), sizes)


def of_x(found: Cost, level: str, action: str) -> float:
    """Words of X at a level."""
    return sum(
        value
        for label, value in found.table("words").items()
        if (label.tensor, label.level, label.action) == ("X", level, action)
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 5), st.integers(1, 5))
def test_inner_products_of_one_matrix_touch_the_union_of_their_columns(
    D: int, S: int, s0: int, p0: int
) -> None:
    """Of each pair of tiles both are loaded, a column that is in both once; the room is that of two tiles at most."""
    tiles = f"tiles: {{S0: {s0}, P0: {p0}}}\n"
    read = room = 0
    for s, p in product(range(0, S, s0), range(0, S, p0)):
        tile = {*range(s, min(S, s + s0)), *range(p, min(S, p + p0))}
        read += D * len(tile)
        room = max(room, D * len(tile))
    plain = answer(GRAM, tiles + "nests: [{for: [s1, p1], do: [G]}]\nbind: {v: [G]}", {"D": D, "S": S})
    assert of_x(plain, "DRAM", "read") == read
    inside = answer(
        GRAM, tiles + "nests: [{for: [s1, p1], keep: {near: [X]}, do: [G]}]\nbind: {v: [G]}", {"D": D, "S": S}
    )
    single = s0 >= S or p0 >= S  # the tile of one name is all: it stays
    assert of_x(inside, "near", "fill") == (D * S if single else read)
    (words,) = (value for label, value in inside.table("room").items() if label.tensor == "X")
    assert room <= words <= D * min(S, s0 + p0)


@pytest.mark.parametrize(
    ("loops", "fill", "room"),
    [("", 4 * 6, 4 * 6), ("for: [d]", 4 * 6, 6)],
)
def test_two_projections_of_one_sequence_bring_it_once(loops: str, fill: int, room: int) -> None:
    """X is kept for both: as large as it is, and brought once."""
    mapping = (
        f"nests:\n- {loops + chr(10) + '  ' if loops else ''}keep: {{near: [X]}}\n"
        "  do: [{for: [s], do: [K]}, {for: [p], do: [Q]}]\nbind: {v: [K, Q]}"
    )
    found = answer(PROJECTIONS, mapping, {"D": 4, "S": 6, "E": 3})
    assert (fill, fill) == (of_x(found, "near", "fill"), of_x(found, "DRAM", "read"))
    assert [room] == [value for label, value in found.table("room").items() if label.tensor == "X"]


def test_a_column_under_two_names_is_brought_once() -> None:
    """Its sum and its elements less the sum: X[:,t] comes once for each t, though c and d both run over it."""
    cascade = (
        "title: t\nsource: s\ninputs: {X: [D, T]}\nranks: {C: D}\noutputs: [Y]\n"
        "einsums: |\n  S[t] = X[c,t] :: sum[c]\n  Y[d,t] = X[d,t] - S[t]\n"
    )
    mapping = (
        "nests: [{for: [t], keep: {near: [X, S]}, do: [{do: [S]}, {for: [d], do: [Y]}]}]\nbind: {v: [S, Y]}"
    )
    found = answer(cascade, mapping, {"D": 5, "T": 7})
    assert (of_x(found, "DRAM", "read"), of_x(found, "near", "fill")) == (35, 35)
    assert of_x(found, "near", "read") == 70
    assert [5] == [value for label, value in found.table("room").items() if label.tensor == "X"]


def test_two_generations_of_a_running_value_are_two_operands() -> None:
    """The step between two sums reads both; the sums take each other's place, so that one generation needs room."""
    cascade = (
        "title: t\nsource: s\ninputs: {X: [I, P]}\noutputs: [D]\neinsums: |\n"
        "  S[0,p] = 0\n  loop i:\n    S[i+1,p] = S[i,p] + X[i,p]\n    D[i,p] = S[i+1,p] - S[i,p]\n"
    )
    mapping = "nests: [{for: [i], keep: {near: [S]}, do: [{do: [S]}, {do: [D]}]}]\nbind: {v: [S, D]}"
    found = answer(cascade, mapping, {"I": 5, "P": 3})
    words = {
        label.action: value
        for label, value in found.table("words").items()
        if (label.tensor, label.level) == ("S", "near")
    }
    assert words == {"read": 5 * 3 + 2 * 5 * 3, "write": 5 * 3}
