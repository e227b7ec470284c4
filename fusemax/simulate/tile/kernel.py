"""The clock of the tile level, compiled: streams of tasks on units and channels, from event to event.

A task starts when its unit is free, what it needs is finished and its place is free. Of several that could start on a unit, the
first in the order of the policy does. Nothing happens between two events.
"""

from __future__ import annotations

import numba
import numpy as np

from fusemax.simulate.tile.columns import (
    BLOCKED,
    CHANNELS,
    COUNTS,
    DIGITS,
    FAST,
    FINISHED,
    HISTORY,
    ISSUED,
    LOOPS,
    NOW,
    POLICY,
    REFERENCE,
    STALL,
    STEPS,
    STRIDE,
    STUCK,
    TOTAL,
    UNITS,
    WIDTH,
)
from fusemax.simulate.tile.issue import (
    blame,
    issue_tasks,
    issue_transfers,
    land,
    next_event,
    next_step,
    prepare,
    record,
)
from fusemax.simulate.tile.steady import look_for_steady_state
from fusemax.simulate.tile.walking import trips_of


@numba.njit(cache=True)
def run(plan, fixed, state, chip, segments, trace):
    """Run every stream to its end; ``chip[STUCK]`` is 1 when tasks wait for each other for ever."""
    size, width = plan.shape[0], WIDTH
    ref = fixed[REFERENCE]
    ref_digits, trips = np.zeros(width, np.int64), np.zeros(width, np.int64)
    room = 6 * size + 80
    numbers = size * (state.shape[1] - COUNTS) + fixed[UNITS] + fixed[CHANNELS]
    seen = np.zeros((width, HISTORY, room), np.int64)
    seen_size = np.zeros((width, HISTORY), np.int64)
    seen_at = np.zeros((width, HISTORY, 2), np.int64)
    seen_totals = np.zeros((width, HISTORY, numbers), np.int64)
    seen_count = np.zeros(width, np.int64)
    for s in range(size):
        prepare(plan, fixed, state, chip, s, -1, state[s, DIGITS : DIGITS + WIDTH].copy())
    chip[BLOCKED] = fixed[STALL + 0] if fixed[POLICY] == STEPS else 0
    record(plan, fixed, state, chip, segments, 0)
    turned = np.int64(1000)
    while True:
        turned = min(turned, land(plan, fixed, state, chip, ref_digits, trips))
        if 0 <= turned < width:
            if state[ref, FINISHED] % chip[STRIDE] == 0:
                record(plan, fixed, state, chip, segments, state[ref, FINISHED])
            aligned = True
            for k in range(turned + 1, plan[ref, LOOPS]):
                aligned = aligned and ref_digits[k] == 0
            for k in range(turned + 1, width):
                seen_count[k] = 0
            if fixed[FAST] and aligned:
                trips_of(plan, fixed, ref, ref_digits, trips)
                if trips[turned] > 3:
                    look_for_steady_state(
                        plan, fixed, state, chip, segments, ref_digits, turned, seen, seen_size, seen_at, seen_totals, seen_count
                    )
        turned = np.int64(1000)
        progress = True
        while progress:
            progress = issue_transfers(plan, fixed, state, chip, trace)
            progress = issue_tasks(plan, fixed, state, chip, trace) or progress
            turned = min(turned, land(plan, fixed, state, chip, ref_digits, trips))
            progress = next_step(plan, fixed, state, chip) or progress
        event = next_event(plan, fixed, state, chip)
        if event < 0:
            break
        blame(plan, fixed, state, chip, event - chip[NOW])
        chip[NOW] = event
    record(plan, fixed, state, chip, segments, state[ref, FINISHED])
    for s in range(size):
        if state[s, ISSUED] < plan[s, TOTAL]:
            chip[STUCK] = 1
