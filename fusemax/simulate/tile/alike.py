"""How far the tasks along a loop stay alike, compiled: where a condition or a core's share of the tasks changes them."""

from __future__ import annotations

import numpy as np

from fusemax.simulate.tile.columns import (
    AGAIN_BIT,
    ANEW,
    BAND,
    BAND_WIDTH,
    BANDS,
    FIRST_DIGITS,
    FIRST_WORK,
    LOOP_ROOT,
    LOOP_UNIT,
    LOOPS,
    MEMBER_AT,
    MEMBER_DEPTH,
    MEMBER_STRIDE,
    NEED_COUNT,
    NEED_FRESH,
    NEED_KIND,
    ONLY_AGAIN,
    RETURNS,
    REUSE,
    WIDTH,
)
from fusemax.simulate.tile.inner import inner
from fusemax.simulate.tile.walking import NOT, YES, clear, is_first, put, trips_at
from fusemax.simulate.tile.wanted import COLUMN, ROW, all_touched, is_set, span


@inner
def alike_until(plan, fixed, chip, s, ref_digits, level, first, period, trips):
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
        if plan[s, RETURNS]:
            return first - 1
        if plan[s, AGAIN_BIT] or plan[s, ONLY_AGAIN]:
            last = first_alike(plan, fixed, chip, s, ref_digits, level, first, last, np.int64(ANEW), NOT)
        for d in range(plan[s, NEED_COUNT]):
            if plan[s, NEED_KIND + d] == REUSE:
                last = first_alike(
                    plan,
                    fixed,
                    chip,
                    s,
                    ref_digits,
                    level,
                    first,
                    last,
                    np.int64(NEED_FRESH + d * WIDTH),
                    YES,
                )
    return last


@inner
def is_banded(plan, s, root):
    """Return whether a condition of stream *s* ties *root*."""
    for b in range(plan[s, BANDS]):
        band = BAND + b * BAND_WIDTH
        if root == plan[s, band + ROW] or root == plan[s, band + COLUMN]:
            return True
    return False


@inner
def first_alike(plan, fixed, chip, s, ref_digits, level, first, last, free, flag):
    """Return the last iteration of loop *level* up to which, from *first* on, the same tasks are first visits.

    Where the band begins moves one way along a loop: what both ends of a range have in common, all of it has.
    """
    starts = visits_first(plan, fixed, chip, s, ref_digits, level, first, NOT, free, flag)
    ends = visits_first(plan, fixed, chip, s, ref_digits, level, first, YES, free, flag)
    low, high = first, max(first, last)
    middle = high  # most often all of it is alike
    while low < high:
        if (
            visits_first(plan, fixed, chip, s, ref_digits, level, middle, NOT, free, flag) == starts
            and visits_first(plan, fixed, chip, s, ref_digits, level, middle, YES, free, flag) == ends
        ):
            low = middle
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    return min(low, last)


@inner
def visits_first(plan, fixed, chip, s, ref_digits, level, iteration, at_end, free, flag):
    """Return whether the first (the last, *at_end*) task in an *iteration* of loop *level* is a first visit."""
    digits = chip[FIRST_DIGITS : FIRST_DIGITS + WIDTH]
    work = chip[FIRST_WORK : FIRST_WORK + WIDTH]
    clear(digits, WIDTH)
    put(digits, ref_digits, level)
    digits[level] = iteration
    for k in range(level + 1, plan[s, LOOPS] if at_end == YES else 0):
        digits[k] = trips_at(plan, fixed, s, k, digits) - 1
    return is_first(plan, fixed, s, digits, work, free, flag)


@inner
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
    middle = high
    while low < high:  # what holds up to an iteration holds up to those before
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
        middle = (low + high + 1) // 2
    return low
