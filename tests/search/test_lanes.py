"""Digits over the lanes of a unit: all options at once are what one after the other gives."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from fusemax.cascade.build import load_cascade
from fusemax.machine import load_machine
from fusemax.search.facts import Facts, Piece, facts_of
from fusemax.search.lanes import Work, cycles_of, options, steps_of
from fusemax.search.shapes import Part

SIZES = {"B": 2, "H": 3, "E": 64, "F": 64, "M": 4096, "P": 1024}


@cache
def _facts() -> Facts:
    return facts_of(load_cascade("attention/1-pass"), load_machine("fusemax")[0], SIZES)


@given(
    extents=st.dictionaries(st.sampled_from(["b", "h", "e", "m0", "m1", "p0", "p1"]), st.integers(1, 128)),
    variables=st.frozensets(st.sampled_from(["b", "h", "e", "m0", "m1", "p"])),
    unit=st.sampled_from(["2d", "1d"]),
)
def test_steps_of_all_options_are_those_of_each(
    extents: dict[str, int], variables: frozenset[str], unit: str
) -> None:
    """One after the other, as the join of bindings asks for them; products below 2^53, so that their order is all one."""
    facts = _facts()
    work = Work(Part(("BQK",), (), ()), extents, 6.0)

    found = steps_of(facts, work, unit, variables).tolist()

    once = [Piece("mul", variables, 1.0, 0.0)]
    assert found == [cycles_of(facts, work, unit, spatial, once) for spatial in options(facts, work, unit)]


def test_steps_by_hand() -> None:
    """300 of 256 columns: two rounds for each of 5 rows, or for all of them side by side; twice for 2 iterations."""
    facts = _facts()
    work = Work(Part(("BQK",), (), ()), {"m0": 300, "p0": 5}, 2.0)
    ways = [dict(way) for way in options(facts, work, "2d")]

    steps = dict(zip(map(str, ways), steps_of(facts, work, "2d", frozenset({"m0", "p"})), strict=True))

    assert steps[str({"m0": "columns"})] == 2 * 5 * 2
    assert steps[str({"m0": "rows", "p0": "columns"})] == 2 * 2
    assert facts.lanes["2d"] == {"rows": 256, "columns": 256}
