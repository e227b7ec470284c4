"""Which runs of Einsums get a phase each, where starts of phases and idle cores pull in opposite directions."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusemax.library.load import Library
from fusemax.search.answer import best_mapping
from fusemax.search.bound import bound_of
from fusemax.search.division import estimates, quickest
from fusemax.search.facts import facts_of
from fusemax.search.structures import atoms_of

CHAIN = """
title: sums of rows, what is left of them, and sums of columns
source: our own
inputs: {X: [P, M]}
outputs: [Z]
einsums: |
  S[p]   = X[p,m] :: sum[m]
  A[p,m] = X[p,m]/S[p]
  C[m]   = A[p,m] :: sum[p]
  Z[m]   = C[m]*C[m]
"""
MACHINE = """
title: sixteen cores of four lanes
source: our own
clock: 1 GHz
word: 2 B
replicas: 16
launch: 3 us
levels:
  DRAM: {bandwidth: 100 GB/s}
  local: {size: 64 KiB, per_core: true}
units:
  lanes: {shape: {lanes: 4}, operations: {add: 1, mul: 1, div: 1}}
"""


def test_an_estimate_by_hand() -> None:
    """64 x 32 points a body: rows are common to the first two, columns to the last two, nothing to all.

    Rows make 16 tasks of four lanes, columns 8; without a loop one core works. 100 GB/s are 50 words a nanosecond.
    """
    library = Library()
    facts = facts_of(library.cascade(CHAIN), library.machine(MACHINE), {"P": 64, "M": 32})
    found = estimates(facts, atoms_of(facts), bound_of(facts))
    points_s, launch_s = 64 * 32 / 4 * 1e-9, 3e-6

    assert found[0, 1] == pytest.approx(launch_s + max(points_s / 16, (64 * 32 + 64) / 50e9))
    assert found[0, 2] == pytest.approx(launch_s + max(2 * points_s / 16, 2 * 64 * 32 / 50e9))
    assert found[2, 3] == pytest.approx(launch_s + points_s / 8)
    assert found[2, 4] == pytest.approx(launch_s + (points_s + 8e-9) / 8)
    assert found[0, 3] == pytest.approx(launch_s + 3 * points_s)
    assert found[0, 4] == pytest.approx(launch_s + 3 * points_s + 8e-9)
    assert quickest(found, 4)[1] == ((0, 4),)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_quickest_division_is_that_of_a_list_of_all(data: st.DataObject) -> None:
    """Every way to cut up to six groups into runs."""
    count = data.draw(st.integers(1, 6))
    values = {
        (start, end): float(data.draw(st.integers(0, 50)))
        for end in range(1, count + 1)
        for start in range(end)
    }
    listed = [
        tuple(pairwise((0, *cuts, count)))
        for number in range(count)
        for cuts in combinations(range(1, count), number)
    ]
    least, runs = quickest(values, count)

    assert runs in listed
    assert least == sum(values[run] for run in runs) == min(sum(values[r] for r in one) for one in listed)


def test_starts_of_phases_are_saved() -> None:
    """Twelve groups for eight heads: 12 starts of 2.5 us are 30 us, and with one phase eight of 132 cores work."""
    library = Library()
    sizes = {"B": 2, "H": 4, "M": 512, "P": 512, "E": 64, "F": 64}
    answer = best_mapping(
        library.cascade("backward/recomputed"), library.machine("h100"), sizes, by_work=True, seconds=14
    )

    assert 1 < len(answer.plan.phases) <= 4
    assert answer.cost.latency_s < 20e-6
