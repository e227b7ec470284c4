"""Iterations of a recurrence follow one another: their loop's digits are in no lanes of a unit that does it."""

from __future__ import annotations

from math import ceil

import pytest

from fusemax.cascade.build import cascade_from_text
from fusemax.cascade.generations import recurrent
from fusemax.errors import ProblemsError
from fusemax.machine import Machine, machine_of
from fusemax.mapping.build import map_onto
from fusemax.mapping.spec import mapping_file_of
from fusemax.search.answer import Answer, best_mapping
from fusemax.search.facts import facts_of
from fusemax.search.lanes import Work, options
from fusemax.search.shapes import Part
from fusemax.source import document_of

SUMS = """
title: t
source: s
inputs: {X: [T, E], G: [E]}
outputs: [Y]
einsums: |
  A[t,e] = X[t,e]*G[e]
  S[0,e] = 0
  loop t:
    D[t,e]   = S[t,e]*G[e]
    S[t+1,e] = D[t,e] + A[t,e]
    Y[t,e]   = S[t,e]*X[t,e]
"""
CHUNKS = """
title: t
source: s
inputs: {X: [M]}
outputs: [Y]
einsums: |
  R[0] = -inf
  loop m1:
    L[m1]   = X[m1*M0+m0] :: max[m0]
    R[m1+1] = max(R[m1], L[m1])
  Y[] = R[M1] + 1
"""
MACHINE = """
title: t
source: s
clock: 1 Hz
word: 1 B
levels: {DRAM: {}}
units:
  u: {shape: {lanes: 4}, operations: {add: 1, mul: 1, max: 1}}
  w: {shape: {lanes: 4}, operations: {add: 1, mul: 1, max: 1}}
"""
ONE_UNIT = MACHINE.replace("  w: {shape: {lanes: 4}, operations: {add: 1, mul: 1, max: 1}}\n", "")
TWO = """
title: t
source: s
inputs: {X: [T, E], Z: [K, E]}
outputs: [Y]
einsums: |
  S[0,e] = 0
  loop t:
    S[t+1,e] = S[t,e] + X[t,e]
  R[0,e] = 0
  loop k:
    R[k+1,e] = R[k,e] + Z[k,e]
  Y[e] = S[T,e] + R[K,e]
"""
SUMS_MAPPED = """
title: t
source: s
cascade: none
tiles: {T0: 2}
nests: [{for: [LOOPS], spatial: SPATIAL, do: [A, D, S, Y]}]
bind: {u: [A, D, S], w: [Y]}
OFFLOAD
"""


def machine(text: str = MACHINE) -> Machine:
    """The machine that *text* describes."""
    return machine_of(document_of(text))


def mapped(spatial: str, loops: str = "", offload: str = "") -> None:
    """Map the running sums: D and S, on which the recurrence lies, on unit u; Y, which reads S, on w."""
    text = SUMS_MAPPED.replace("LOOPS", loops).replace("SPATIAL", spatial).replace("OFFLOAD", offload)
    document = document_of(text)
    map_onto(cascade_from_text(SUMS), machine(), mapping_file_of(document), document)


def test_what_a_recurrence_goes_through() -> None:
    """D and S need each other's values of the step before; A feeds them, Y reads them; a chunk's maximum feeds R."""
    assert recurrent(cascade_from_text(SUMS)) == {"D": "t", "S": "t"}
    assert recurrent(cascade_from_text(CHUNKS)) == {"R": "m1"}


@pytest.mark.parametrize(
    ("spatial", "loops", "who"),
    [
        ("{u: {t1: lanes}}", "", "D, S need"),
        ("{u: {t0: lanes}}", "t1", "D, S need"),
        ("{u: {e: lanes, t0: lanes}}", "t1", "D, S need"),
    ],
)
def test_its_digits_are_in_no_lanes_of_the_unit_that_does_it(spatial: str, loops: str, who: str) -> None:
    """Neither all of the loop's nor those inside of a tile: each iteration waits for the one before."""
    with pytest.raises(ProblemsError, match=f"{who} what the iteration of t before makes"):
        mapped(spatial, loops)


def test_nor_of_a_unit_that_takes_a_part_of_it() -> None:
    """A quarter of S's additions on w waits no less."""
    with pytest.raises(ProblemsError, match="S needs what the iteration of t before makes"):
        mapped("{w: {t0: lanes}}", "t1", "offload: {S.add: {w: 1/4}}")


@pytest.mark.parametrize(
    ("spatial", "loops"),
    [("{u: {e: lanes}}", ""), ("{u: {e: lanes}}", "t1, t0"), ("{w: {t0: lanes}, u: {e: lanes}}", "t1")],
)
def test_other_digits_and_readers_may_be(spatial: str, loops: str) -> None:
    """Elements side by side; and tokens, where a unit only reads the running value."""
    mapped(spatial, loops)


def _best(cascade: str, sizes: dict[str, int], text: str) -> Answer:
    return best_mapping(cascade_from_text(cascade), machine(text), sizes)


@pytest.mark.parametrize(("steps", "elements"), [(8, 1), (8, 2), (5, 6)])
def test_the_best_mapping_takes_one_iteration_after_the_other(steps: int, elements: int) -> None:
    """Only elements are side by side: the slow walk adds up to 4 of them a cycle, generation by generation.

    Two recurrences, so that in one phase the loop of only one of them can stand around its body.
    """
    cycles = 0
    for _recurrence in "SR":
        for _ in range(steps):
            waiting = elements
            while waiting > 0:
                waiting, cycles = waiting - 4, cycles + 1

    answer = _best(TWO, {"T": steps, "K": steps, "E": elements}, ONE_UNIT)

    assert answer.cost.latency_s == cycles + ceil(elements / 4)  # the last is Y


def test_the_best_mapping_has_chunks_in_lanes() -> None:
    """8 chunks of 4: a cycle for each chunk's own maximum, one for each running maximum, one for the last sum."""
    answer = _best(CHUNKS, {"M1": 8, "M0": 4}, ONE_UNIT)

    assert answer.cost.latency_s == 8 + 8 + 1


def test_no_such_use_of_lanes_is_looked_at() -> None:
    """R's own loop inside of its body: its 8 iterations are offered to no lanes, its 2 elements are."""
    facts = facts_of(cascade_from_text(TWO), machine(ONE_UNIT), {"T": 8, "K": 8, "E": 2})
    work = Work(Part(("R",), (), ()), {"k": 8, "e": 2}, 1.0)

    assert list(options(facts, work, "u")) == [{"e": "lanes"}]
