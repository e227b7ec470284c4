"""Words that depend on where the loops stand, compiled: what a band touches of a tile, and unions of accesses (shares.py)."""

from __future__ import annotations

import numpy as np

from fusemax.simulate.tile.columns import (
    CLASSES,
    LOOPS,
    MAX_ROOTS,
    MAX_TERMS,
    SHARE_AT,
    SHARE_WORDS,
    SHARES,
    WIDTH,
)
from fusemax.simulate.tile.inner import inner
from fusemax.simulate.tile.wanted import span, touched

ROW_WIDTH = 2 + 2 * MAX_TERMS  #: numbers of a box per dimension: constant, limit, terms with factors
SIDES = 4  #: of a range: first, last, step between copies, copies


@inner
def elements(plan, fixed, s, share, digits, corners):
    """Return how many elements of a tensor *share* of stream *s* means for its task at *digits*."""
    at = plan[s, SHARE_AT + share]
    if at < 0:
        return touched(plan, fixed, s, digits)
    if fixed[at] == 0:
        return listed(fixed, at + 1, plan[s, LOOPS], digits)
    boxes, apart, sides = fixed[at], fixed[at + 1], fixed[at + 2]
    at += 3
    for box in range(boxes):
        for side in range(sides):
            put_range(plan, fixed, s, at, digits, corners, SIDES * (box * MAX_ROOTS + side))
            at += ROW_WIDTH
    if boxes == 1:
        return alone(corners, fixed, at, sides)
    return united(corners, boxes, sides) - united(corners, apart, sides)


@inner
def listed(fixed, at, loops, digits):
    """Return the number in a table that begins with the strides of loops at *at*, where *loops* stand at *digits*."""
    place = at + WIDTH
    for k in range(loops):
        place += digits[k] * fixed[at + k]
    return fixed[place]


@inner
def put_range(plan, fixed, s, at, digits, corners, to):
    """Write the range of an index into *corners*: its terms, the largest factor last, each over what the loops leave."""
    low, high, step, copies = fixed[at], fixed[at], np.int64(1), np.int64(1)
    for t in range(MAX_TERMS):
        term, factor = fixed[at + 2 + 2 * t], fixed[at + 3 + 2 * t]
        if term >= MAX_ROOTS:
            first, last = digits[term - MAX_ROOTS], digits[term - MAX_ROOTS]
        elif term >= 0:
            first, last = span(plan, fixed, s, term, plan[s, LOOPS], digits)
        else:
            first, last = np.int64(0), -term - 2
        if factor < 0:
            first, last = last, first
        if (last - first) * factor > 0 and abs(factor) > high - low + 1:
            step, copies = abs(factor), abs(last - first) + 1
            low, high = low + first * factor, high + first * factor
        else:
            low, high = low + first * factor, high + last * factor
    limit = fixed[at + 1]
    if copies == 1:
        low, high = max(low, np.int64(0)), min(high, limit - 1)
    corners[to], corners[to + 1], corners[to + 2], corners[to + 3] = low, high, step, copies


@inner
def alone(corners, fixed, end, sides):
    """Return the elements of the one box, copies of a range cut at the tensor's ends one by one; its rows lie before *end*."""
    total = np.int64(1)
    for side in range(sides):
        low, high = corners[SIDES * side], corners[SIDES * side + 1]
        step, copies = corners[SIDES * side + 2], corners[SIDES * side + 3]
        limit = fixed[end - (sides - side) * ROW_WIDTH + 1]
        length = np.int64(0)
        for copy in range(copies):
            length += max(
                np.int64(0), min(high + copy * step, limit - 1) - max(low + copy * step, np.int64(0)) + 1
            )
        total *= length
    return total


@inner
def united(corners, boxes, sides):
    """Return the elements of the union of the first *boxes*: those of each, less those of pairs, and so on."""
    total = np.int64(0)
    for chosen in range(1, 1 << boxes):
        sign, common = np.int64(-1), np.int64(1)
        for box in range(boxes):
            sign = -sign if (chosen >> box) & 1 else sign
        for side in range(sides):
            low, high = -(np.int64(1) << 60), np.int64(1) << 60
            for box in range(boxes):
                if (chosen >> box) & 1:
                    at = SIDES * (box * MAX_ROOTS + side)
                    low, high = max(low, corners[at]), min(high, corners[at + 1])
            common *= max(np.int64(0), high - low + 1)
        total += sign * common
    return total


@inner
def words_of(plan, fixed, s, cls, digits, corners, out):
    """Write the words of every share of stream *s* for its task at *digits*, one of class *cls*."""
    for share in range(plan[s, SHARES]):
        each = plan[s, SHARE_WORDS + share * CLASSES + cls]
        out[share] = elements(plan, fixed, s, np.int64(share), digits, corners) * each
