"""The jump over a steady state, compiled.

When everything stands at one iteration of a loop as it stood some iterations before, it will go on like that until the loop
nears its end: the tasks are the same, and nothing else decides. Those iterations are skipped whole; the answer is the same to
the last cycle.
"""

from __future__ import annotations

import numba
import numpy as np

from fusemax.simulate.tile.columns import (
    AGAIN_BIT,
    BAND,
    BAND_WIDTH,
    BANDS,
    BEGUN,
    BLOCKED,
    BUFFERS,
    BUSY,
    CHANNEL_FREE,
    CHANNELS,
    COUNTS,
    CURSOR,
    DIGITS,
    EPOCH,
    EPOCH_NUMBER,
    EPOCHS_KNOWN,
    FILTERED,
    FINISHED,
    FLIGHT,
    FLIGHT_COUNT,
    HEAD_EPOCH,
    HISTORY,
    IN_KERNEL,
    ISSUED,
    JUMPS,
    KIND,
    LOOP_ROOT,
    LOOP_UNIT,
    LOOPS,
    MEMBER_AT,
    MEMBER_DEPTH,
    MEMBER_STRIDE,
    NEED,
    NEED_BUFFERS,
    NEED_COUNT,
    NEED_FRESH,
    NEED_KIND,
    NEED_ON,
    NEED_PREFIX,
    NOW,
    ONLY_AGAIN,
    OWN,
    POLICY,
    REFERENCE,
    REUSE,
    RING,
    SHARED,
    SKIPPED,
    STAGES,
    STEP,
    STEPS,
    STRIDE,
    TOTAL,
    UNIT_FREE,
    UNITS,
    UNLIMITED,
    WIDTH,
)
from fusemax.simulate.tile.issue import flight, record
from fusemax.simulate.tile.needs import is_reached, number_of_epoch
from fusemax.simulate.tile.walking import FAR, is_first, number_of, stride_of, trips_at
from fusemax.simulate.tile.wanted import COLUMN, ROW, all_touched, is_set, span


@numba.njit
def base_of(plan, fixed, s, ref_digits, level, work):
    """Return the number of the first task of stream *s* in the reference stream's iteration of loop *level*."""
    shared = min(plan[s, SHARED + fixed[REFERENCE]], level + 1)
    for k in range(plan[s, LOOPS]):
        work[k] = ref_digits[k] if k < shared else 0
    return number_of(plan, fixed, s, work)


@numba.njit
def signature(plan, fixed, state, chip, ref_digits, level, out):
    """Write where everything stands relative to iteration *ref_digits* of loop *level*; return how many numbers that is."""
    now, at = chip[NOW], 0
    work = np.zeros(WIDTH, np.int64)
    for s in range(plan.shape[0]):
        base = base_of(plan, fixed, s, ref_digits, level, work)
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
        if at >= out.size - 8 - plan.shape[0] - fixed[STAGES]:
            return -1
        out[at] = chip[STEP]
        out[at + 1] = max(np.int64(0), chip[BLOCKED] - now)
        at += 2
        base = base_of(plan, fixed, fixed[REFERENCE], ref_digits, level, work)
        for back_by in range(-1, fixed[STAGES]):
            if chip[EPOCH] >= back_by:
                out[at] = number_of_epoch(chip, chip[EPOCH] - back_by) - base
                at += 1
        for s in range(plan.shape[0]):
            if plan[s, IN_KERNEL]:
                out[at] = state[s, fixed[BEGUN]] - chip[EPOCH]
                at += 1
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
    trips = trips_at(plan, fixed, ref, level, ref_digits)
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
    if fixed[POLICY] == STEPS:
        if number_of_epoch(chip, chip[EPOCH] + 1) == FAR:
            return np.int64(0)
        for k in range(level):
            if chip[CURSOR + k] != ref_digits[k]:
                return np.int64(0)
        highest = max(highest, chip[CURSOR + level])
    margin = margin_of(plan, fixed, ref_digits, level)
    if lowest - period < margin:
        return np.int64(0)
    jumps = (trips - 2 - highest) // period
    for s in range(plan.shape[0]):
        if plan[s, FILTERED] and plan[s, SHARED + ref] > level:
            last = alike_until(plan, fixed, s, ref_digits, level, lowest - period - margin, period, trips)
            jumps = min(jumps, (last - 1 - highest) // period)
    for s in range(plan.shape[0]):
        if plan[s, SHARED + ref] > level or state[s, ISSUED] >= plan[s, TOTAL]:
            continue
        for d in range(plan[s, NEED_COUNT]):
            r = plan[s, NEED_ON + d]
            if plan[r, SHARED + ref] > level and state[r, FINISHED] < state[s, NEED + d]:
                stride = stride_of(plan, fixed, r, level, ref_digits) * period
                jumps = min(jumps, (state[s, NEED + d] - 1 - state[r, FINISHED]) // stride)
        if fixed[POLICY] == STEPS and plan[s, KIND] == 0 and not is_reached(plan, state, chip, s):
            stride = stride_of(plan, fixed, ref, level, ref_digits) * period
            left = state[s, HEAD_EPOCH] - 1 - number_of_epoch(chip, chip[EPOCH] + 1)
            jumps = min(jumps, left // stride)
    return max(np.int64(0), jumps)


@numba.njit
def alike_until(plan, fixed, s, ref_digits, level, first, period, trips):
    """Return the last iteration of loop *level* up to which stream *s* does the same tasks every *period*, from *first* on."""
    last = trips - 1
    stride = plan[s, MEMBER_STRIDE + level] if plan[s, MEMBER_DEPTH] > level else np.int64(0)
    if stride > 0:
        at = plan[s, MEMBER_AT]
        for k in range(level):
            at += ref_digits[k] * plan[s, MEMBER_STRIDE + k]
        for place in range(at + first * stride, at + (last + 1 - period) * stride):
            if is_set(fixed, place) != is_set(fixed, place + period * stride):
                last = (place - at) // stride + period - 1
                break
    for b in range(plan[s, BANDS]):
        last = untouched_from(plan, fixed, s, BAND + b * BAND_WIDTH, ref_digits, level, first, last)
    if is_banded(plan, s, plan[s, LOOP_ROOT + level]):
        if plan[s, AGAIN_BIT] or plan[s, ONLY_AGAIN]:
            last = first_alike(plan, fixed, s, ref_digits, level, first, last, OWN, 0)
        for d in range(plan[s, NEED_COUNT]):
            if plan[s, NEED_KIND + d] == REUSE:
                last = first_alike(plan, fixed, s, ref_digits, level, first, last, NEED_FRESH + d * WIDTH, 1)
    return last


@numba.njit
def is_banded(plan, s, root):
    """Return whether a condition of stream *s* ties *root*."""
    for b in range(plan[s, BANDS]):
        band = BAND + b * BAND_WIDTH
        if root == plan[s, band + ROW] or root == plan[s, band + COLUMN]:
            return True
    return False


@numba.njit
def first_alike(plan, fixed, s, ref_digits, level, first, last, free, flag):
    """Return the last iteration of loop *level* up to which, from *first* on, the same tasks are first visits.

    Where the band begins moves one way along a loop: what both ends of a range have in common, all of it has.
    """
    starts = visits_first(plan, fixed, s, ref_digits, level, first, False, free, flag)
    ends = visits_first(plan, fixed, s, ref_digits, level, first, True, free, flag)
    low, high = first, max(first, last)
    while low < high:
        middle = (low + high + 1) // 2
        if (
            visits_first(plan, fixed, s, ref_digits, level, middle, False, free, flag) == starts
            and visits_first(plan, fixed, s, ref_digits, level, middle, True, free, flag) == ends
        ):
            low = middle
        else:
            high = middle - 1
    return min(low, last)


@numba.njit
def visits_first(plan, fixed, s, ref_digits, level, iteration, at_end, free, flag):
    """Return whether the first (the last, *at_end*) task in an *iteration* of loop *level* is a first visit."""
    digits, work = np.zeros(WIDTH, np.int64), np.zeros(WIDTH, np.int64)
    digits[:level] = ref_digits[:level]
    digits[level] = iteration
    for k in range(level + 1, plan[s, LOOPS] if at_end else 0):
        digits[k] = trips_at(plan, fixed, s, k, digits) - 1
    return is_first(plan, fixed, s, digits, work, free, flag)


@numba.njit
def untouched_from(plan, fixed, s, band, ref_digits, level, first, last):
    """Return the last iteration of loop *level* up to which, from *first* on, the band leaves a point of every tile."""
    root, unit = plan[s, LOOP_ROOT + level], plan[s, LOOP_UNIT + level]
    row, column = plan[s, band + ROW], plan[s, band + COLUMN]
    if root not in (row, column):
        return last
    rows = span(plan, fixed, s, row, level, ref_digits)
    columns = span(plan, fixed, s, column, level, ref_digits)
    start, end = rows if root == row else columns
    low, high = first - 1, last
    while low < high:  # what holds up to an iteration holds up to those before
        middle = (low + high + 1) // 2
        mine = (start + first * unit, min(start + (middle + 1) * unit - 1, end))
        whole = (
            all_touched(plan, fixed, s, band, mine, columns)
            if root == row
            else all_touched(plan, fixed, s, band, rows, mine)
        )
        if whole:
            low = middle
        else:
            high = middle - 1
    return low


@numba.njit
def jump(plan, fixed, state, chip, ref_digits, level, period, jumps, length, epochs):
    """Move everything *jumps* periods of *length* cycles, *epochs* of the schedule, on."""
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
        if not plan[s, IN_KERNEL]:
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
        known = chip[EPOCH_NUMBER : EPOCH_NUMBER + EPOCHS_KNOWN].copy()
        moved = stride_of(plan, fixed, ref, level, ref_digits) * period * jumps
        for back_by in range(-1, EPOCHS_KNOWN - 1):
            if chip[EPOCH] >= back_by:
                at = EPOCH_NUMBER + (chip[EPOCH] - back_by + jumps * epochs) % EPOCHS_KNOWN
                chip[at] = known[(chip[EPOCH] - back_by) % EPOCHS_KNOWN] + moved
        chip[EPOCH] += jumps * epochs
        chip[CURSOR + level] += period * jumps
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
                shown = chip[JUMPS] % chip[STRIDE] == 0  # the record thins out as jumps become many
                if shown:
                    record(plan, fixed, state, chip, segments, state[fixed[REFERENCE], FINISHED])
                epochs = chip[EPOCH] - seen_at[level, slot, 2]
                jump(plan, fixed, state, chip, ref_digits, level, period, jumps, length, epochs)
                add_totals(fixed, state, chip, seen_totals[level, slot], jumps)
                if shown:
                    record(plan, fixed, state, chip, segments, state[fixed[REFERENCE], FINISHED])
                seen_count[level] = 0
                return True
            break
    slot = seen_count[level] % HISTORY
    seen[level, slot, :size] = fresh[:size]
    seen_size[level, slot] = size
    seen_at[level, slot, 0] = ref_digits[level]
    seen_at[level, slot, 1] = chip[NOW]
    seen_at[level, slot, 2] = chip[EPOCH]
    totals(fixed, state, chip, seen_totals[level, slot])
    seen_count[level] += 1
    return False
