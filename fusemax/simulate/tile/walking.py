"""Loops walked, compiled: iterations, ragged ends, and the number of a task in its stream.

Tasks are numbered as if all of them were done; those that a mask empties, or that another core does, are passed over.
"""

from __future__ import annotations

import numpy as np

from fusemax.simulate.tile.columns import (
    BANDS,
    EVEN,
    FILTERED,
    FIRST_CODE,
    LAST_CODE,
    LAST_LOOP,
    LOOP_CAP,
    LOOP_ROOT,
    LOOP_STRIDE,
    LOOP_TRIPS,
    LOOP_UNIT,
    LOOPS,
    NEVER,
    ROOT_SIZE,
    ROOTS,
    WIDTH,
)
from fusemax.simulate.tile.inner import inner
from fusemax.simulate.tile.wanted import first_unwanted, next_digit, touches

FAR = np.int64(1) << 62
EVERY = np.int64(-1)  #: all loops are free to turn
NONE = np.int64(-1)  #: no task, no loop, no stream
NOT, YES = np.int64(0), np.int64(1)  #: what a column says of the loops that are free


@inner
def put(target, source, count):
    """Copy the first *count* numbers of *source* into *target*; an assignment of slices takes long to compile."""
    for k in range(count):
        target[k] = source[k]


@inner
def clear(target, count):
    """Set the first *count* numbers of *target* to 0."""
    for k in range(count):
        target[k] = 0


@inner
def trips_at(plan, fixed, s, k, digits):
    """Return the number of iterations of loop *k* of stream *s*, those outside it at *digits*."""
    if plan[s, EVEN]:
        return plan[s, LOOP_TRIPS + k]
    root = plan[s, LOOP_ROOT + k]
    extent = fixed[ROOT_SIZE + root]
    for j in range(k):
        if plan[s, LOOP_ROOT + j] == root:
            extent = min(extent - digits[j] * plan[s, LOOP_UNIT + j], plan[s, LOOP_UNIT + j])
    return min(plan[s, LOOP_CAP + k], -(-extent // plan[s, LOOP_UNIT + k]))


@inner
def stride_of(plan, fixed, s, k, digits):
    """Return the tasks of stream *s* in one whole iteration of its loop *k*, the loops outside it at *digits*."""
    if plan[s, EVEN]:
        return plan[s, LOOP_STRIDE + k]
    product = np.int64(1)
    for root in range(fixed[ROOTS]):
        last = plan[s, LAST_LOOP + root]
        if last <= k:
            continue
        extent = fixed[ROOT_SIZE + root]
        for j in range(k + 1):
            if plan[s, LOOP_ROOT + j] == root:
                unit = plan[s, LOOP_UNIT + j]
                extent = min(extent - digits[j] * unit, unit) if j < k else min(extent, unit)
        product *= -(-extent // plan[s, LOOP_UNIT + last])
    return product


@inner
def number_of(plan, fixed, s, digits):
    """Return how many tasks of stream *s* come before the one at *digits*."""
    number = np.int64(0)
    for k in range(plan[s, LOOPS]):
        if digits[k] > 0:
            number += digits[k] * stride_of(plan, fixed, s, k, digits)
    return number


@inner
def is_free(plan, s, k, free, flag):
    """Return whether loop *k* may turn: all may, or those whose column from *free* on says *flag*."""
    return free == EVERY or plan[s, free + k] == flag


@inner
def turn(plan, fixed, s, digits, k, at_least, free, flag):
    """Turn loop *k* (to *at_least*) or, at its end, the next free one outside it; return which, -1 for none."""
    while k >= 0 and (
        not is_free(plan, s, k, free, flag)
        or max(digits[k] + 1, at_least) >= trips_at(plan, fixed, s, k, digits)
    ):
        k -= 1
        at_least = 0
    if k < 0:
        return -1
    digits[k] = max(digits[k] + 1, at_least)
    for j in range(k + 1, plan[s, LOOPS]):
        if is_free(plan, s, j, free, flag):
            digits[j] = 0
    return k


@inner
def settle(plan, fixed, s, digits, known, top, free, flag):
    """Move *digits* on to the next task that is wanted; return the outermost loop that turned, or *top*, and -1 at the end.

    The first *known* digits do not rule a task out.
    """
    if not plan[s, FILTERED]:
        return top
    if plan[s, NEVER]:
        return NONE
    if plan[s, LOOPS] == 0:
        return top if touches(plan, fixed, s, NOT, digits) else NONE
    while True:
        depth = first_unwanted(plan, fixed, s, digits, known)
        if depth == 0:
            return top
        k = depth - 1
        at_least = next_digit(plan, fixed, s, digits, k) if plan[s, BANDS] == 1 else 0
        k = turn(plan, fixed, s, digits, k, at_least, free, flag)
        if k < 0:
            return -1
        top, known = min(top, k), min(known, k)


@inner
def advance(plan, fixed, s, digits):
    """Move *digits* to the next task that is wanted; return the outermost loop that turned, -1 at the end."""
    k = turn(plan, fixed, s, digits, plan[s, LOOPS] - 1, NOT, EVERY, NOT)
    return k if k < 0 else settle(plan, fixed, s, digits, k, k, EVERY, NOT)


@inner
def is_first(plan, fixed, s, digits, work, free, flag):
    """Return whether no earlier task that is wanted differs from the one at *digits* in its free loops alone."""
    first = True
    for k in range(plan[s, LOOPS]):
        work[k] = 0 if is_free(plan, s, k, free, flag) else digits[k]
        first = first and work[k] == digits[k]
    if first or not plan[s, FILTERED]:
        return first
    settle(plan, fixed, s, work, NOT, plan[s, LOOPS], free, flag)
    same = True
    for k in range(plan[s, LOOPS]):
        same = same and work[k] == digits[k]
    return same


@inner
def is_last(plan, fixed, s, digits, work, free, flag):
    """Return whether no later task that is wanted differs from the one at *digits* in its free loops alone."""
    put(work, digits, WIDTH)
    k = turn(plan, fixed, s, work, plan[s, LOOPS] - 1, NOT, free, flag)
    return k < 0 or settle(plan, fixed, s, work, k, k, free, flag) < 0


@inner
def back(plan, fixed, s, depth, digits):
    """Move the first *depth* of *digits* to the wanted iteration before; return whether there is one."""
    while True:
        k = depth - 1
        while k >= 0 and digits[k] == 0:
            k -= 1
        if k < 0:
            return False
        digits[k] -= 1
        for j in range(k + 1, depth):
            digits[j] = trips_at(plan, fixed, s, j, digits) - 1
        if not plan[s, FILTERED]:
            return True
        bad = first_unwanted(plan, fixed, s, digits, NOT)
        if bad == 0 or bad > depth:
            return True


@inner
def mapped_number(plan, fixed, s, r, source, digits, work):
    """Return the number of the task of stream *r* that *source* names from *digits* of stream *s*; -1 for none."""
    for k in range(plan[r, LOOPS]):
        code = source[k]
        if code >= 0:
            work[k] = digits[code]
        elif code == LAST_CODE:
            work[k] = FAR
        elif code == FIRST_CODE:
            work[k] = 0
        else:
            work[k] = digits[-2 - code] - 1
            if work[k] < 0:
                return np.int64(-1)
        if code == LAST_CODE or code >= 0:
            work[k] = min(work[k], trips_at(plan, fixed, r, k, work) - 1)
    return number_of(plan, fixed, r, work)
