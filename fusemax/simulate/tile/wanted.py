"""Which tasks are done at all, compiled: those of this core, for tiles in which a condition leaves a point.

A band holds the points with ``low <= column - row <= high`` (``column + row`` where its sign is -1). Its row and column are
roots; loops fix ranges of both.
"""

from __future__ import annotations

import numpy as np

from fusemax.simulate.tile.columns import (
    ANEW,
    BAND,
    BAND_WIDTH,
    BANDS,
    LOOP_CAP,
    LOOP_ROOT,
    LOOP_UNIT,
    LOOPS,
    MEMBER_AT,
    MEMBER_DEPTH,
    MEMBER_STRIDE,
    MEMBERS,
    ONLY_AGAIN,
    RETURNS,
    ROOT_SIZE,
    TOUCH,
    TOUCH_DEPTH,
    VISIT_AT,
    VISIT_STRIDE,
)
from fusemax.simulate.tile.inner import inner

ROW, COLUMN, LOW, HIGH, ROWS, COLUMNS, SIGN = range(7)
BITS = 32  #: tasks in one number of the record of a core's tasks


@inner
def span(plan, fixed, s, root, depth, digits):
    """Return the first and the last element of *root* that the first *depth* loops of stream *s* leave."""
    low, extent = np.int64(0), fixed[ROOT_SIZE + root]
    for j in range(depth):
        if plan[s, LOOP_ROOT + j] == root:
            unit = plan[s, LOOP_UNIT + j]
            low += digits[j] * unit
            extent = min(extent - digits[j] * unit, unit)
    return low, low + extent - 1


@inner
def rows_of(plan, fixed, s, band, depth, digits):
    """Return the span of a band's rows, negative ones where the band ties a sum."""
    first, last = span(plan, fixed, s, plan[s, band + ROW], depth, digits)
    return (first, last) if plan[s, band + SIGN] > 0 else (-last, -first)


@inner
def is_member(plan, fixed, s, digits):
    """Return whether this core does the task of stream *s* at *digits*."""
    at = plan[s, MEMBER_AT]
    for k in range(plan[s, MEMBER_DEPTH]):
        at += digits[k] * plan[s, MEMBER_STRIDE + k]
    return is_set(fixed, at)


@inner
def is_done(plan, fixed, s, depth, digits):
    """Return whether something is done where the first *depth* loops of stream *s* stand at *digits*, as it is listed."""
    at = np.int64(0)
    for k in range(depth):
        at += digits[k] * plan[s, VISIT_STRIDE + k]
    return is_set(fixed, plan[s, VISIT_AT + depth - 1] + at // plan[s, VISIT_STRIDE + depth - 1])


@inner
def is_set(fixed, at):
    """Return bit *at* of the record of tasks."""
    return (fixed[fixed[MEMBERS] + at // BITS] >> (at % BITS)) & 1 == 1


@inner
def touches(plan, fixed, s, depth, digits):
    """Return whether a condition of stream *s* leaves a point of what its first *depth* loops fix."""
    for b in range(plan[s, BANDS]):
        band = BAND + b * BAND_WIDTH
        row0, row1 = rows_of(plan, fixed, s, band, depth, digits)
        column0, column1 = span(plan, fixed, s, plan[s, band + COLUMN], depth, digits)
        if column0 - row1 <= plan[s, band + HIGH] and column1 - row0 >= plan[s, band + LOW]:
            return True
    return plan[s, BANDS] == 0


@inner
def first_unwanted(plan, fixed, s, digits, known):
    """Return the fewest loops of stream *s* whose digits rule its task out, 0 when it is wanted; the first *known* do not."""
    for depth in range(known + 1, plan[s, LOOPS] + 1):
        if depth == plan[s, MEMBER_DEPTH] and not is_member(plan, fixed, s, digits):
            return depth
        if plan[s, BANDS] and not touches(plan, fixed, s, depth, digits):
            return depth
        if plan[s, VISIT_AT + depth - 1] >= 0 and not is_done(plan, fixed, s, depth, digits):
            return depth
    return 0


@inner
def next_digit(plan, fixed, s, digits, k):
    """Return the least digit of loop *k* from which on the one band of stream *s* may leave a point; a large one for none."""
    band = np.int64(BAND)
    if plan[s, band + SIGN] < 0 or touches(plan, fixed, s, k + 1, digits):
        return np.int64(0)
    root, unit = plan[s, LOOP_ROOT + k], plan[s, LOOP_UNIT + k]
    row0, _ = rows_of(plan, fixed, s, band, k + 1, digits)
    column0, column1 = span(plan, fixed, s, plan[s, band + COLUMN], k + 1, digits)
    below = column1 - row0 < plan[s, band + LOW]  # the columns are too low for these rows
    if root == plan[s, band + COLUMN]:
        reach = row0 + plan[s, band + LOW]
        start = column0
    elif root == plan[s, band + ROW]:
        below = not below
        reach = column0 - plan[s, band + HIGH]
        start = row0
    else:
        return np.int64(0)
    if not below:
        return np.int64(1) << 60
    return max(np.int64(0), (reach - (start - digits[k] * unit)) // unit)


@inner
def edges(first, last, low, high, tile):
    """Return the tiles' whole range of what lies in ``low .. high`` of ``first .. last``; an empty one when nothing does."""
    low, high = max(low, first), min(high, last)
    if low > high:
        return np.int64(0), np.int64(-1)
    return max(first, low // tile * tile), min(last, high // tile * tile + tile - 1)


@inner
def touched(plan, fixed, s, digits):
    """Return the elements that are touched of the tile of stream *s* while it stays: of rows (1), columns (2) or pairs (3).

    Of a tile that is carried from visit to visit, only those that another visit touches too.
    """
    low, high, total = np.int64(0), np.int64(-1), np.int64(0)
    depth, kind = plan[s, TOUCH_DEPTH], plan[s, TOUCH]
    for b in range(plan[s, BANDS]):
        band = BAND + b * BAND_WIDTH
        rows = span(plan, fixed, s, plan[s, band + ROW], depth, digits)
        columns = span(plan, fixed, s, plan[s, band + COLUMN], depth, digits)
        if kind == 3:
            total += touched_pairs(plan, s, band, rows, columns)
            continue
        start, end = touched_range(plan, s, band, rows, columns)
        if plan[s, ONLY_AGAIN] or plan[s, RETURNS] == 1:
            other = plan[s, band + (ROW if kind == 2 else COLUMN)]
            visited = other_visits(plan, fixed, s, other, depth, digits)
            if kind == 2:
                rows = visited
            else:
                columns = visited
            first, last = touched_range(plan, s, band, rows, columns)
            start, end = max(start, first), min(end, last)
        if end < start:
            continue
        if high < low:
            low, high = start, end
        elif start > high + 1 or end < low - 1:
            total += end - start + 1
        else:
            low, high = min(low, start), max(high, end)
    return total + high - low + 1


@inner
def touched_range(plan, s, band, rows, columns):
    """Return the first and last row (column) of the tiles that hold a point of a band with one of *columns* (*rows*)."""
    least, most, sign = plan[s, band + LOW], plan[s, band + HIGH], plan[s, band + SIGN]
    if plan[s, TOUCH] == 2:
        near, far = rows if sign > 0 else (-rows[1], -rows[0])
        start, end = edges(columns[0], columns[1], near + least, far + most, plan[s, band + COLUMNS])
        known = rows
    else:
        low, high = (
            (columns[0] - most, columns[1] - least) if sign > 0 else (least - columns[1], most - columns[0])
        )
        start, end = edges(rows[0], rows[1], low, high, plan[s, band + ROWS])
        known = columns
    return (start, end) if known[0] <= known[1] else (np.int64(0), np.int64(-1))


@inner
def other_visits(plan, fixed, s, root, depth, digits):
    """Return the range of *root* of all earlier visits (where a tile leaves to come back: all later ones) of the same value.

    Those differ in loops inside which the value does not begin anew; what such visits cover lies side by side.
    """
    low, extent = np.int64(0), fixed[ROOT_SIZE + root]
    lowest, highest = np.int64(0), np.int64(-1)
    before, after = np.int64(-1), np.int64(1) << 60
    for j in range(depth):
        mine = plan[s, LOOP_ROOT + j] == root
        unit = plan[s, LOOP_UNIT + j]
        if not plan[s, ANEW + j]:
            if highest < 0:
                lowest, highest = low, low + extent - 1
            if digits[j] > 0:
                before = max(before, low + digits[j] * unit - 1 if mine else low + extent - 1)
            first, last = span(plan, fixed, s, plan[s, LOOP_ROOT + j], j, digits)
            if digits[j] + 1 < min(plan[s, LOOP_CAP + j], -(-(last - first + 1) // unit)):
                after = min(after, low + (digits[j] + 1) * unit if mine else low)
        if mine:
            low += digits[j] * unit
            extent = min(extent - digits[j] * unit, unit)
    return (after, highest) if plan[s, RETURNS] else (lowest, before)


@inner
def touched_pairs(plan, s, band, rows, columns):
    """Return the points of the pairs of tiles in *rows* and *columns*, each first and last, in which a band has a point."""
    total, tall = np.int64(0), plan[s, band + ROWS]
    for i in range(rows[0] // tall, rows[1] // tall + 1):
        first, last = max(rows[0], i * tall), min(rows[1], i * tall + tall - 1)
        near, far = (first, last) if plan[s, band + SIGN] > 0 else (-last, -first)
        low, high = near + plan[s, band + LOW], far + plan[s, band + HIGH]
        start, end = edges(columns[0], columns[1], low, high, plan[s, band + COLUMNS])
        total += (last - first + 1) * (end - start + 1)
    return total


@inner
def all_touched(plan, fixed, s, band, rows, columns):
    """Return whether every pair of tiles in *rows* and *columns*, each first and last, holds a point of the band."""
    if plan[s, band + SIGN] < 0:
        return False
    row0, row1 = rows
    column0, column1 = columns
    tall, wide = plan[s, band + ROWS], plan[s, band + COLUMNS]
    first_row_end = min(row0 // tall * tall + tall - 1, row1)
    last_row_start = max(row1 // tall * tall, row0)
    first_column_end = min(column0 // wide * wide + wide - 1, column1)
    last_column_start = max(column1 // wide * wide, column0)
    return (
        last_column_start - first_row_end <= plan[s, band + HIGH]
        and first_column_end - last_row_start >= plan[s, band + LOW]
    )
