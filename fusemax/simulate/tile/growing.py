"""Iterations of a loop that grow alike under a mask, compiled: how many of them are skipped, and what they add.

Under ``m <= p`` each iteration of ``p2`` has more iterations of ``m1`` than the one before, and ends with the same edge. Where
everything stands at its start as it stood at the starts of the two before, and each of these had one jump of the loop inside,
at the same place, it does what the one before did, with more of the iterations put in that are alike: the tasks before the
jump are done in all of them, and those after it are the same ones, moved along the edge. What an iteration adds then grows by
the same amount from one to the next, and the sum over many is that of an arithmetic series.
"""

from __future__ import annotations

import numpy as np

from fusemax.simulate.tile.columns import (
    AGAIN_BIT,
    BAND,
    BANDS,
    BUSY,
    CHANNELS,
    COUNTS,
    EVEN,
    FINISHED,
    FLIGHT,
    GAPS,
    INNER_AT,
    INNER_COUNT,
    INNER_JUMPS,
    INNER_LENGTH,
    INNER_PERIOD,
    ISSUED,
    LOOP_ROOT,
    LOOP_UNIT,
    LOOPS,
    MEMBER_DEPTH,
    NEVER,
    ONLY_AGAIN,
    REFERENCE,
    RETURNS,
    ROOT_SIZE,
    SEEN_AT,
    SEEN_INNER,
    SEEN_NOW,
    SHARE_AT,
    SHARE_LOOP,
    SHARED,
    SHARES,
    TOUCH,
    TOUCH_DEPTH,
    UNITS,
    VISIT_AT,
)
from fusemax.simulate.tile.inner import inner
from fusemax.simulate.tile.walking import number_of
from fusemax.simulate.tile.wanted import COLUMN, HIGH, LOW, ROW, SIGN

COUNT, AT, PERIOD, JUMPS_INSIDE, LENGTH = range(5)  #: of the jumps inside of an iteration, from SEEN_INNER on


@inner
def note_jump(chip, level, at, period, jumps, length):
    """Note a jump of loop *level*, from iteration *at* on, for the iteration of the loop around it."""
    if level > 0:
        chip[INNER_COUNT + level - 1] += 1
        chip[INNER_AT + level - 1] = at
        chip[INNER_PERIOD + level - 1] = period
        chip[INNER_JUMPS + level - 1] = jumps
        chip[INNER_LENGTH + level - 1] = length


@inner
def take_note(chip, level, one):
    """Write into *one*, an iteration that is remembered, which jumps there were inside of the one that ends; forget them."""
    one[SEEN_INNER + COUNT] = chip[INNER_COUNT + level]
    one[SEEN_INNER + AT] = chip[INNER_AT + level]
    one[SEEN_INNER + PERIOD] = chip[INNER_PERIOD + level]
    one[SEEN_INNER + JUMPS_INSIDE] = chip[INNER_JUMPS + level]
    one[SEEN_INNER + LENGTH] = chip[INNER_LENGTH + level]
    chip[INNER_COUNT + level] = 0


@inner
def growth(plan, fixed, state, ref_digits, level, fresh, one, other, work):
    """Return how many periods more of the loop inside each iteration of loop *level* has; 0 where they do not grow alike.

    *other*, *one* and *fresh* are the starts of three iterations in a row, where everything stands alike.
    """
    ref = fixed[REFERENCE]
    if (
        level + 1 >= plan[ref, LOOPS]
        or fresh[SEEN_AT] - one[SEEN_AT] != 1
        or one[SEEN_AT] - other[SEEN_AT] != 1
    ):
        return np.int64(0)
    if fresh[SEEN_INNER + COUNT] != 1 or one[SEEN_INNER + COUNT] != 1:
        return np.int64(0)
    for k in (AT, PERIOD, LENGTH):
        if fresh[SEEN_INNER + k] != one[SEEN_INNER + k]:
            return np.int64(0)
    more = fresh[SEEN_INNER + JUMPS_INSIDE] - one[SEEN_INNER + JUMPS_INSIDE]
    longer = fresh[SEEN_NOW] - 2 * one[SEEN_NOW] + other[SEEN_NOW]
    if more <= 0 or longer != more * fresh[SEEN_INNER + LENGTH]:
        return np.int64(0)
    added = more * fresh[SEEN_INNER + PERIOD]  # iterations of the loop inside
    for s in range(plan.shape[0]):
        if plan[s, SHARED + ref] > level and not grows(plan, fixed, state, s, ref_digits, level, added, work):
            return np.int64(0)
    return more


@inner
def grows(plan, fixed, state, s, ref_digits, level, added, work):
    """Return whether the tasks of stream *s* are moved along one edge by an iteration of loop *level*.

    That is, by *added* iterations of the loop inside, those up to the edge all being done.
    """
    ref, inside = fixed[REFERENCE], level + 1
    rows, columns = plan[ref, LOOP_ROOT + level], plan[ref, LOOP_ROOT + inside]
    if (
        not plan[s, EVEN]
        or plan[s, GAPS]
        or plan[s, NEVER]
        or plan[s, MEMBER_DEPTH] > level
        or rows == columns
    ):
        return False
    for k in range(plan[s, LOOPS]):
        if plan[s, VISIT_AT + k] >= 0 or (k >= level and plan[s, SHARE_LOOP + k]):
            return False
        if k > level and plan[s, LOOP_ROOT + k] == columns and plan[s, BANDS] == 0:
            return False
        if k < level and plan[s, LOOP_ROOT + k] == columns:
            return False
    if plan[s, BANDS] == 0:
        return True
    if plan[s, BANDS] > 1 or plan[s, AGAIN_BIT] or plan[s, ONLY_AGAIN] or plan[s, RETURNS]:
        return False
    for share in range(
        plan[s, SHARES]
    ):  # what the band touches: of an iteration's rows, or of tiles that both loops name
        if plan[s, SHARE_AT + share] >= 0 or (plan[s, TOUCH] != 1 and plan[s, TOUCH_DEPTH] <= inside):
            return False
    if plan[s, LOOPS] > inside and plan[s, SHARED + ref] <= inside:
        return False
    for k in range(inside):
        work[k] = ref_digits[k]
    for k in range(inside, plan[s, LOOPS]):
        work[k] = 0
    base = number_of(plan, fixed, s, work)
    if state[s, ISSUED] < base or state[s, FINISHED] < base:
        return False
    unit = plan[ref, LOOP_UNIT + level]
    before = first_row(plan, fixed, ref_digits, level) + (ref_digits[level] - 2) * unit
    return (
        plan[s, BAND + ROW] == rows
        and plan[s, BAND + COLUMN] == columns
        and plan[s, BAND + SIGN] > 0
        and plan[s, BAND + LOW] + fixed[ROOT_SIZE + rows] <= 1  # no column is too low
        and before + plan[s, BAND + HIGH] >= 0  # each row has the first column
        and added * plan[ref, LOOP_UNIT + inside] == unit
    )


@inner
def first_row(plan, fixed, ref_digits, level):
    """Return the element at which loop *level* of the reference stream begins, those around it at *ref_digits*."""
    ref, first = fixed[REFERENCE], np.int64(0)
    for k in range(level):
        if plan[ref, LOOP_ROOT + k] == plan[ref, LOOP_ROOT + level]:
            first += ref_digits[k] * plan[ref, LOOP_UNIT + k]
    return first


@inner
def rows_inside(plan, fixed, ref_digits, level):
    """Return up to which iteration of loop *level* the edges of all bands lie inside of the columns."""
    ref, last = fixed[REFERENCE], np.int64(1) << 60
    first, columns = first_row(plan, fixed, ref_digits, level), plan[ref, LOOP_ROOT + level + 1]
    for s in range(plan.shape[0]):
        if plan[s, SHARED + ref] > level and plan[s, BANDS]:
            end = fixed[ROOT_SIZE + columns] - plan[s, BAND + HIGH] - first  # of rows, those before it
            last = min(last, end // plan[ref, LOOP_UNIT + level] - 1)
    return last


@inner
def add_series(fixed, state, chip, one, other, count):
    """Add what *count* iterations add to all running totals, *one* and *other* being those of the last two starts."""
    grown = count * (count + 1) // 2
    at = 0
    for s in range(state.shape[0]):
        for column in range(COUNTS, fixed[FLIGHT]):
            last = state[s, column] - one[at]
            state[s, column] += count * last + grown * (last - one[at] + other[at])
            at += 1
    for c in range(fixed[UNITS] + fixed[CHANNELS]):
        last = chip[BUSY + c] - one[at]
        chip[BUSY + c] += count * last + grown * (last - one[at] + other[at])
        at += 1


@inner
def forget_jumps(chip, level, width):
    """Forget the jumps inside of loop *level* and of those inside it, which begin anew."""
    for k in range(level, width):
        chip[INNER_COUNT + k] = 0
