"""Tasks counted without a clock: what a run with one leaves."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusemax.errors import FusemaxError
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.loads import Sharing
from fusemax.simulate.tile.plan import Prepared, prepare
from fusemax.simulate.tile.room import geometry_of
from fusemax.simulate.tile.state import State, run_clock
from fusemax.simulate.tile.tally import tally
from fusemax.simulate.tile.values import point_of
from tests.walk.design import Design
from tests.walk.designs import draw_design
from tests.walk.features import FEATURES


def prepared_nests(design: Design) -> list[Prepared]:
    """Return the nests of *design*, ready to run on one core alone; none where it is refused."""
    try:
        mapped, machine = design.loaded()
        point = point_of(mapped, machine, design.sizes, {})
        return [
            prepare(mapped, machine, nest, geometry_of(mapped, machine, nest, point), point, Sharing())
            for nest in mapped.nests
        ]
    except FusemaxError:
        return []


def counts_of(prepared: Prepared, state: State) -> list[list[int]]:
    """Return the tasks that moved something, by class, and the words of shares, of each stream."""
    shares = int(prepared.fixed[clock.BEGUN]) + 1
    columns = [*range(clock.COUNTS, clock.WAITS, 2), *range(shares, shares + clock.MAX_SHARES)]
    return np.asarray(state.streams[:, columns]).tolist()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(seed=st.integers(0, 10**9), kind=st.sampled_from(sorted(FEATURES)))
def test_counting_and_running_come_to_the_same(seed: int, kind: str) -> None:
    """Every task that moves something, by class, and all words of shares, of random designs with longer ranks."""
    design = draw_design(Random(seed), FEATURES[kind])
    longer = {name: size + seed % 7 for name, size in design.sizes.items()}
    for prepared in prepared_nests(Design(design.cascade, design.machine, design.mapping, longer)):
        counted = tally(prepared)
        state = State.fresh(prepared, 0)
        if counted is None or prepared.fixed[clock.IN_FLIGHT] * len(prepared.streams) > 10_000:
            continue
        run_clock(prepared, state)
        if not state.chip[clock.STUCK]:
            assert counts_of(prepared, counted) == counts_of(prepared, state)
