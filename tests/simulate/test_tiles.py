"""The tile-level simulator against the cost model and against itself: laws, steady states, determinism, known epochs."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.simulate.tiles import Simulation, simulate
from tests.simulate.tile_cases import Case, attention, product

SMALL = {"B": 1, "H": 2, "E": 64, "F": 64, "M": 4096, "P": 1024}


def words_of_cost(case: Case) -> dict[tuple[str, str, str], float]:
    """Return the words of the cost model by level, tensor and kind, nothing where nothing moves."""
    answer = cost(case.mapped, derive(case.mapped, case.machine), case.sizes)
    return {(k.level, k.tensor, k.action): v for k, v in answer.table("words").items() if v}


def words_of(simulation: Simulation) -> dict[tuple[str, str, str], float]:
    """Return the words of the walk in the same form."""
    return {(k.level, k.tensor, k.kind): v for k, v in simulation.words.items() if v}


def without_skips(simulation: Simulation) -> Simulation:
    """Return *simulation* without what a jump may change: how much was skipped, and the steps of the time line."""
    phases = tuple(
        dataclasses.replace(phase, skipped_cycles=0, timeline=None)  # type: ignore[arg-type]
        for phase in simulation.phases
    )
    return dataclasses.replace(simulation, phases=phases)


def assert_laws(case: Case) -> None:
    """Assert that words are equal and that no fidelity is below the one before it."""
    answer = cost(case.mapped, derive(case.mapped, case.machine), case.sizes)
    run = simulate(case.mapped, case.machine, case.sizes)

    assert words_of_cost(case) == words_of(run)
    assert answer.bound_s <= answer.latency_s * (1 + 1e-12)
    assert answer.latency_s <= run.latency_s * (1 + 1e-12)


@given(case=attention())
def test_attention_obeys_the_laws(case: Case) -> None:
    """FuseMax's nest with any tiles, residences and schedule: equal words, bound <= schedule <= simulate."""
    assert_laws(case)


@given(case=product())
def test_product_obeys_the_laws(case: Case) -> None:
    """A matrix product with any cuts and loop order: equal words, partial sums included, bound <= schedule <= simulate."""
    assert_laws(case)


@given(case=st.one_of(attention(), product()))
def test_jumps_change_nothing(case: Case) -> None:
    """With and without jumps over steady states: the same cycles, words, waits, buffers and utilization."""
    fast = simulate(case.mapped, case.machine, case.sizes)
    slow = simulate(case.mapped, case.machine, case.sizes, fast_forward=False)

    assert without_skips(slow) == without_skips(fast)
