"""The jump over a steady state, compiled.

When everything stands at one iteration of a loop as it stood some iterations before, it will go on like that until the loop
nears its end: the tasks are the same, and nothing else decides. Those iterations are skipped whole; the answer is the same to
the last cycle.
"""

from __future__ import annotations

import numba
import numpy as np

from fusemax.simulate.tile.columns import (
    BLOCKED,
    BUFFERS,
    BUSY,
    CHANNEL_FREE,
    CHANNELS,
    COUNTS,
    DIGITS,
    EPOCH,
    FINISHED,
    FLIGHT,
    FLIGHT_COUNT,
    HEAD_EPOCH,
    HISTORY,
    ISSUED,
    JUMPS,
    KIND,
    LOOPS,
    NEED,
    NEED_BUFFERS,
    NEED_COUNT,
    NEED_KIND,
    NEED_ON,
    NEED_PREFIX,
    NOW,
    POLICY,
    REFERENCE,
    REUSE,
    RING,
    SHARED,
    SKIPPED,
    STEP,
    STEPS,
    TOTAL,
    UNIT_FREE,
    UNITS,
    UNLIMITED,
    WIDTH,
)
from fusemax.simulate.tile.issue import flight, record
from fusemax.simulate.tile.walking import number_of, stride_of, trips_of


@numba.njit
def base_of(plan, fixed, s, ref_digits, level, trips, work):
    """Return the number of the first task of stream *s* in the reference stream's iteration of loop *level*."""
    shared = min(plan[s, SHARED + fixed[REFERENCE]], level + 1)
    for k in range(plan[s, LOOPS]):
        work[k] = ref_digits[k] if k < shared else 0
    return number_of(plan, fixed, s, work)


@numba.njit
def signature(plan, fixed, state, chip, ref_digits, level, out):
    """Write where everything stands relative to iteration *ref_digits* of loop *level*; return how many numbers that is."""
    now, at = chip[NOW], 0
    trips = np.zeros(WIDTH, np.int64)
    work = np.zeros(WIDTH, np.int64)
    for s in range(plan.shape[0]):
        base = base_of(plan, fixed, s, ref_digits, level, trips, work)
        out[at] = state[s, ISSUED] - base
        out[at + 1] = state[s, FINISHED] - base
        at += 2
        for f in range(state[s, FLIGHT_COUNT]):
            if at >= out.size - 2:
                return -1
            column = flight(fixed, state, s, f)
            out[at] = state[s, column] - now
            out[at + 1] = state[s, column + 1] - base
            at += 2
        if at >= out.size - 8:
            return -1
    for u in range(fixed[UNITS]):
        out[at] = max(np.int64(0), chip[UNIT_FREE + u] - now)
        at += 1
    for c in range(fixed[CHANNELS]):
        out[at] = max(np.int64(0), chip[CHANNEL_FREE + c] - now)
        at += 1
    if fixed[POLICY] == STEPS:
        out[at] = chip[EPOCH] - base_of(plan, fixed, fixed[REFERENCE], ref_digits, level, trips, work)
        out[at + 1] = chip[STEP]
        out[at + 2] = max(np.int64(0), chip[BLOCKED] - now)
        at += 3
    return at


@numba.njit
def margin_of(plan, fixed, ref_digits, level):
    """Return how many iterations of loop *level* back a task may look: nearer to the loop's start it has other needs."""
    margin = np.int64(1)
    for s in range(plan.shape[0]):
        if plan[s, SHARED + fixed[REFERENCE]] <= level:
            continue
        stride = stride_of(plan, fixed, s, level, ref_digits)
        for d in range(plan[s, NEED_COUNT]):
            places = plan[s, NEED_BUFFERS + d]
            if plan[s, NEED_KIND + d] == REUSE:
                margin = max(margin, places if plan[s, NEED_PREFIX + d] > level else 1)
            elif places < UNLIMITED:
                margin = max(margin, -(-places // stride))
    return margin


@numba.njit
def room_to_jump(plan, fixed, state, chip, ref_digits, level, period):
    """Return how many periods of loop *level* can be skipped: all heads stay inside the loop, clear of both its ends."""
    ref = fixed[REFERENCE]
    trips = np.zeros(WIDTH, np.int64)
    trips_of(plan, fixed, ref, ref_digits, trips)
    highest, lowest = ref_digits[level], ref_digits[level]
    for s in range(plan.shape[0]):
        if plan[s, SHARED + ref] <= level:
            continue
        if state[s, ISSUED] >= plan[s, TOTAL]:
            return np.int64(0)
        for k in range(level):
            if state[s, DIGITS + k] != ref_digits[k]:
                return np.int64(0)
        highest, lowest = (
            max(highest, state[s, DIGITS + level]),
            min(lowest, state[s, DIGITS + level]),
        )
    if lowest - period < margin_of(plan, fixed, ref_digits, level):
        return np.int64(0)
    jumps = (trips[level] - 2 - highest) // period
    for s in range(plan.shape[0]):
        if plan[s, SHARED + ref] > level or state[s, ISSUED] >= plan[s, TOTAL]:
            continue
        for d in range(plan[s, NEED_COUNT]):
            r = plan[s, NEED_ON + d]
            if plan[r, SHARED + ref] > level and state[r, FINISHED] < state[s, NEED + d]:
                stride = stride_of(plan, fixed, r, level, ref_digits) * period
                jumps = min(jumps, (state[s, NEED + d] - 1 - state[r, FINISHED]) // stride)
        if fixed[POLICY] == STEPS and plan[s, KIND] == 0 and state[s, HEAD_EPOCH] > chip[EPOCH]:
            stride = stride_of(plan, fixed, ref, level, ref_digits) * period
            jumps = min(jumps, (state[s, HEAD_EPOCH] - 1 - chip[EPOCH]) // stride)
    return max(np.int64(0), jumps)


@numba.njit
def jump(plan, fixed, state, chip, ref_digits, level, period, jumps, length):
    """Move everything *jumps* periods of *length* cycles on."""
    ref = fixed[REFERENCE]
    for s in range(plan.shape[0]):
        for f in range(state[s, FLIGHT_COUNT]):
            state[s, flight(fixed, state, s, f)] += jumps * length
        if plan[s, SHARED + ref] <= level:
            continue
        tasks = stride_of(plan, fixed, s, level, ref_digits) * period * jumps
        for f in range(state[s, FLIGHT_COUNT]):
            state[s, flight(fixed, state, s, f) + 1] += tasks
        state[s, ISSUED] += tasks
        state[s, FINISHED] += tasks
        state[s, DIGITS + level] += period * jumps
        state[s, HEAD_EPOCH] += stride_of(plan, fixed, ref, level, ref_digits) * period * jumps
        for d in range(plan[s, NEED_COUNT]):
            r = plan[s, NEED_ON + d]
            if plan[r, SHARED + ref] > level:
                moved = stride_of(plan, fixed, r, level, ref_digits) * period * jumps
                if state[s, NEED + d] > 0:
                    state[s, NEED + d] += moved
                for b in range(BUFFERS):
                    state[s, RING + d * BUFFERS + b] += moved
    if fixed[POLICY] == STEPS:
        chip[EPOCH] += stride_of(plan, fixed, ref, level, ref_digits) * period * jumps
        chip[BLOCKED] += jumps * length
    for u in range(fixed[UNITS]):
        chip[UNIT_FREE + u] += jumps * length
    for c in range(fixed[CHANNELS]):
        chip[CHANNEL_FREE + c] += jumps * length
    chip[NOW] += jumps * length
    ref_digits[level] += period * jumps
    chip[SKIPPED] += jumps * length
    chip[JUMPS] += 1


@numba.njit
def totals(fixed, state, chip, out):
    """Copy all running totals into *out*."""
    at = 0
    for s in range(state.shape[0]):
        for column in range(COUNTS, fixed[FLIGHT]):
            out[at] = state[s, column]
            at += 1
    for c in range(fixed[UNITS] + fixed[CHANNELS]):
        out[at] = chip[BUSY + c]
        at += 1


@numba.njit
def add_totals(fixed, state, chip, earlier, jumps):
    """Add *jumps* times what the totals have grown by since *earlier*."""
    at = 0
    for s in range(state.shape[0]):
        for column in range(COUNTS, fixed[FLIGHT]):
            state[s, column] += jumps * (state[s, column] - earlier[at])
            at += 1
    for c in range(fixed[UNITS] + fixed[CHANNELS]):
        chip[BUSY + c] += jumps * (chip[BUSY + c] - earlier[at])
        at += 1


@numba.njit
def look_for_steady_state(
    plan, fixed, state, chip, segments, ref_digits, level, seen, seen_size, seen_at, seen_totals, seen_count
):
    """Compare this iteration of loop *level* with remembered ones; jump if one is the same. Return whether it jumped."""
    fresh = np.zeros(seen.shape[2], np.int64)
    size = signature(plan, fixed, state, chip, ref_digits, level, fresh)
    if size < 0:
        return False
    for back_by in range(min(seen_count[level], HISTORY)):
        slot = (seen_count[level] - 1 - back_by) % HISTORY
        if seen_size[level, slot] != size:
            continue
        same = True
        for i in range(size):
            if seen[level, slot, i] != fresh[i]:
                same = False
                break
        if same:
            period = ref_digits[level] - seen_at[level, slot, 0]
            length = chip[NOW] - seen_at[level, slot, 1]
            jumps = room_to_jump(plan, fixed, state, chip, ref_digits, level, period)
            if jumps > 0:
                record(plan, fixed, state, chip, segments, state[fixed[REFERENCE], FINISHED])
                jump(plan, fixed, state, chip, ref_digits, level, period, jumps, length)
                add_totals(fixed, state, chip, seen_totals[level, slot], jumps)
                record(plan, fixed, state, chip, segments, state[fixed[REFERENCE], FINISHED])
                seen_count[level] = 0
                return True
            break
    slot = seen_count[level] % HISTORY
    seen[level, slot, :size] = fresh[:size]
    seen_size[level, slot] = size
    seen_at[level, slot, 0] = ref_digits[level]
    seen_at[level, slot, 1] = chip[NOW]
    totals(fixed, state, chip, seen_totals[level, slot])
    seen_count[level] += 1
    return False
