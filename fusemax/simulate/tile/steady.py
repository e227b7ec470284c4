"""The jump over a steady state, compiled.

When everything stands at one iteration of a loop as it stood some iterations before, it will go on like that until the loop
nears its end: the tasks are the same, and nothing else decides. Those iterations are skipped whole; the answer is the same to
the last cycle.
"""

from __future__ import annotations

import numpy as np

from fusemax.simulate.tile.alike import alike_until
from fusemax.simulate.tile.columns import (
    BEGUN,
    BEHIND,
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
    KNOWN,
    LOOPS,
    NEED,
    NEED_BUFFERS,
    NEED_COUNT,
    NEED_KIND,
    NEED_ON,
    NEED_PREFIX,
    NEXT_ON,
    NOW,
    POLICY,
    REFERENCE,
    REUSE,
    RING,
    SEEN_AT,
    SEEN_COUNT,
    SEEN_EPOCH,
    SEEN_NOW,
    SEEN_SIZE,
    SHARE_LOOP,
    SHARED,
    SIGNATURE,
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
    WORK,
)
from fusemax.simulate.tile.growing import add_series, growth, note_jump, rows_inside, take_note
from fusemax.simulate.tile.inner import inner
from fusemax.simulate.tile.issue import flight, record
from fusemax.simulate.tile.needs import is_reached, number_of_epoch
from fusemax.simulate.tile.walking import (
    FAR,
    NONE,
    NOT,
    YES,
    number_of,
    put,
    stride_of,
    trips_at,
)


@inner
def base_of(plan, fixed, s, ref_digits, level, work):
    """Return the number of the first task of stream *s* in the reference stream's iteration of loop *level*."""
    shared = min(plan[s, SHARED + fixed[REFERENCE]], level + 1)
    for k in range(plan[s, LOOPS]):
        work[k] = ref_digits[k] if k < shared else 0
    return number_of(plan, fixed, s, work)


@inner
def signature(plan, fixed, state, chip, ref_digits, level, out):
    """Write where everything stands relative to iteration *ref_digits* of loop *level*; return the column after."""
    now, at = chip[NOW], np.int64(SIGNATURE)
    work = chip[WORK : WORK + WIDTH]
    for s in range(plan.shape[0]):
        if is_over(plan, state, s):
            out[at], out[at + 1] = FAR, FAR
            at += 2
            continue
        base = base_of(plan, fixed, s, ref_digits, level, work)
        out[at] = state[s, ISSUED] - base
        out[at + 1] = state[s, FINISHED] - base
        at += 2
        for f in range(state[s, FLIGHT_COUNT]):
            if at >= out.size - 2:
                return NONE
            column = flight(fixed, state, s, f)
            out[at] = state[s, column] - now
            out[at + 1] = state[s, column + 1] - base
            at += 2
        if at >= out.size - 8:
            return NONE
    for u in range(fixed[UNITS]):
        out[at] = max(np.int64(0), chip[UNIT_FREE + u] - now)
        at += 1
    for c in range(fixed[CHANNELS]):
        out[at] = max(np.int64(0), chip[CHANNEL_FREE + c] - now)
        at += 1
    if fixed[POLICY] == STEPS:
        if at >= out.size - 8 - plan.shape[0] - fixed[STAGES]:
            return NONE
        out[at] = chip[STEP]
        out[at + 1] = max(np.int64(0), chip[BLOCKED] - now)
        out[at + 2] = min(chip[EPOCH], fixed[BEHIND])
        at += 3
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


@inner
def is_over(plan, state, s):
    """Return whether stream *s* has come to its end, and so waits for nothing and is waited for by nobody."""
    return state[s, ISSUED] >= plan[s, TOTAL] and state[s, FLIGHT_COUNT] == 0


@inner
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


@inner
def room_to_jump(plan, fixed, state, chip, ref_digits, level, period, growing):
    """Return how many periods of loop *level* can be skipped: all heads stay inside the loop, clear of both its ends.

    Iterations that are not alike, but *growing*, are not asked to be alike.
    """
    ref = fixed[REFERENCE]
    trips = trips_at(plan, fixed, ref, level, ref_digits)
    highest, lowest = ref_digits[level], ref_digits[level]
    for s in range(plan.shape[0]):
        if plan[s, SHARED + ref] <= level or is_over(plan, state, s):
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
        if plan[s, SHARED + ref] > level and plan[s, SHARE_LOOP + level]:
            return np.int64(0)
        if plan[s, FILTERED] and plan[s, SHARED + ref] > level and growing == NOT:
            last = alike_until(
                plan, fixed, chip, s, ref_digits, level, lowest - period - margin, period, trips
            )
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


@inner
def jump(plan, fixed, state, chip, ref_digits, level, iterations, cycles, epochs):
    """Move everything so many *iterations* of loop *level*, *cycles* and *epochs* of the schedule on."""
    ref = fixed[REFERENCE]
    for s in range(plan.shape[0]):
        for f in range(state[s, FLIGHT_COUNT]):
            state[s, flight(fixed, state, s, f)] += cycles
        if plan[s, SHARED + ref] <= level or is_over(plan, state, s):
            continue
        tasks = stride_of(plan, fixed, s, level, ref_digits) * iterations
        for f in range(state[s, FLIGHT_COUNT]):
            state[s, flight(fixed, state, s, f) + 1] += tasks
        state[s, ISSUED] += tasks
        state[s, FINISHED] += tasks
        state[s, DIGITS + level] += iterations
        if not plan[s, IN_KERNEL]:
            state[s, HEAD_EPOCH] += stride_of(plan, fixed, ref, level, ref_digits) * iterations
        for d in range(plan[s, NEED_COUNT]):
            r = plan[s, NEED_ON + d]
            if plan[r, SHARED + ref] > level:
                moved = stride_of(plan, fixed, r, level, ref_digits) * iterations
                if state[s, NEED + d] > 0:
                    state[s, NEED + d] += moved
                for b in range(BUFFERS):
                    state[s, RING + d * BUFFERS + b] += moved
    if fixed[POLICY] == STEPS:
        known = chip[KNOWN : KNOWN + EPOCHS_KNOWN]
        put(known, chip[EPOCH_NUMBER : EPOCH_NUMBER + EPOCHS_KNOWN], EPOCHS_KNOWN)
        moved = stride_of(plan, fixed, ref, level, ref_digits) * iterations
        for back_by in range(-1, EPOCHS_KNOWN - 1):
            if chip[EPOCH] >= back_by:
                at = EPOCH_NUMBER + (chip[EPOCH] - back_by + epochs) % EPOCHS_KNOWN
                chip[at] = known[(chip[EPOCH] - back_by) % EPOCHS_KNOWN] + moved
        chip[EPOCH] += epochs
        chip[CURSOR + level] += iterations
        chip[BLOCKED] += cycles
    for u in range(fixed[UNITS]):
        chip[UNIT_FREE + u] += cycles
        chip[NEXT_ON + u] = 0
    for c in range(fixed[CHANNELS]):
        chip[CHANNEL_FREE + c] += cycles
    chip[NOW] += cycles
    ref_digits[level] += iterations
    chip[SKIPPED] += cycles
    chip[JUMPS] += 1


@inner
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


@inner
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


@inner
def look_for_steady_state(plan, fixed, state, chip, segments, ref_digits, level, seen):
    """Compare this iteration of loop *level* with remembered ones; jump if one is the same. Return whether it jumped."""
    fresh = seen[level, HISTORY]
    known = seen.shape[2] - state.shape[0] * (fixed[FLIGHT] - COUNTS) - fixed[UNITS] - fixed[CHANNELS]
    end = signature(plan, fixed, state, chip, ref_digits, level, fresh[:known])
    if end < 0:
        return False
    fresh[SEEN_SIZE] = end
    fresh[SEEN_AT] = ref_digits[level]
    fresh[SEEN_NOW] = chip[NOW]
    fresh[SEEN_EPOCH] = chip[EPOCH]
    take_note(chip, level, fresh)
    totals(fixed, state, chip, fresh[known:])
    for back_by in range(min(chip[SEEN_COUNT + level], HISTORY)):
        one = seen[level, (chip[SEEN_COUNT + level] - 1 - back_by) % HISTORY]
        if not is_same(one, fresh, end):
            continue
        period = ref_digits[level] - one[SEEN_AT]
        length, epochs = chip[NOW] - one[SEEN_NOW], chip[EPOCH] - one[SEEN_EPOCH]
        jumps = room_to_jump(plan, fixed, state, chip, ref_digits, level, period, NOT)
        if jumps > 0:
            shown = begin_jump(plan, fixed, state, chip, segments)
            note_jump(chip, level, ref_digits[level], period, jumps, length)
            jump(plan, fixed, state, chip, ref_digits, level, period * jumps, length * jumps, epochs * jumps)
            add_totals(fixed, state, chip, one[known:], jumps)
            end_jump(plan, fixed, state, chip, segments, level, shown)
            return True
        if back_by == 0 and chip[SEEN_COUNT + level] > 1:
            other = seen[level, (chip[SEEN_COUNT + level] - 2) % HISTORY]
            if is_same(other, fresh, end) and jump_growing(
                plan, fixed, state, chip, segments, ref_digits, level, fresh, one, other, known
            ):
                return True
        break
    kept = seen[level, chip[SEEN_COUNT + level] % HISTORY]
    put(kept, fresh, end)
    put(kept[known:], fresh[known:], fresh.size - known)
    chip[SEEN_COUNT + level] += 1
    return False


@inner
def begin_jump(plan, fixed, state, chip, segments):
    """Write down where a jump begins; return whether it is shown: the record thins out as jumps become many."""
    shown = chip[JUMPS] % chip[STRIDE] == 0
    if shown:
        record(plan, fixed, state, chip, segments, state[fixed[REFERENCE], FINISHED])
    return shown


@inner
def end_jump(plan, fixed, state, chip, segments, level, shown):
    """Write down where a jump of loop *level* ends, if it is *shown*, and forget the iterations before it."""
    if shown:
        record(plan, fixed, state, chip, segments, state[fixed[REFERENCE], FINISHED])
    chip[SEEN_COUNT + level] = 0


@inner
def jump_growing(plan, fixed, state, chip, segments, ref_digits, level, fresh, one, other, known):
    """Jump over iterations of loop *level* that grow alike (growing.py), if there are any; return whether it jumped."""
    if growth(plan, fixed, state, ref_digits, level, fresh, one, other, chip[WORK : WORK + WIDTH]) == 0:
        return False
    count = room_to_jump(plan, fixed, state, chip, ref_digits, level, np.int64(1), YES)
    count = min(count, rows_inside(plan, fixed, ref_digits, level) - ref_digits[level])
    if count <= 0:
        return False
    shown = begin_jump(plan, fixed, state, chip, segments)
    grown = count * (count + 1) // 2
    length, epochs = fresh[SEEN_NOW] - one[SEEN_NOW], fresh[SEEN_EPOCH] - one[SEEN_EPOCH]
    cycles = count * length + grown * (length - one[SEEN_NOW] + other[SEEN_NOW])
    epochs = count * epochs + grown * (epochs - one[SEEN_EPOCH] + other[SEEN_EPOCH])
    jump(plan, fixed, state, chip, ref_digits, level, count, cycles, epochs)
    add_series(fixed, state, chip, one[known:], other[known:], count)
    end_jump(plan, fixed, state, chip, segments, level, shown)
    return True


@inner
def is_same(one, other, end):
    """Return whether two remembered iterations have the same signature, up to column *end*."""
    i = np.int64(SIGNATURE)
    while i < end and one[i] == other[i]:
        i += 1
    return i == end and one[SEEN_SIZE] == other[SEEN_SIZE]
