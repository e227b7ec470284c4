"""Loops walked, compiled: iterations, ragged ends, and the number of a task in its stream."""

from __future__ import annotations

import numba
import numpy as np

from fusemax.simulate.tile.columns import (
    FIRST_CODE,
    LAST_CODE,
    LAST_LOOP,
    LOOP_CAP,
    LOOP_ROOT,
    LOOP_UNIT,
    LOOPS,
    ROOT_SIZE,
    ROOTS,
)

FAR = np.int64(1) << 62


@numba.njit
def trips_of(plan, fixed, s, digits, trips):
    """Write the number of iterations of each loop of stream *s* at *digits*."""
    for k in range(plan[s, LOOPS]):
        root, unit = plan[s, LOOP_ROOT + k], plan[s, LOOP_UNIT + k]
        extent = fixed[ROOT_SIZE + root]
        for j in range(k):
            if plan[s, LOOP_ROOT + j] == root:
                extent = min(extent - digits[j] * plan[s, LOOP_UNIT + j], plan[s, LOOP_UNIT + j])
        trips[k] = min(plan[s, LOOP_CAP + k], -(-extent // unit))


@numba.njit
def stride_of(plan, fixed, s, k, digits):
    """Return the tasks of stream *s* in one whole iteration of its loop *k*, the loops outside it at *digits*."""
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


@numba.njit
def number_of(plan, fixed, s, digits):
    """Return how many tasks of stream *s* come before the one at *digits*."""
    number = np.int64(0)
    for k in range(plan[s, LOOPS]):
        if digits[k] > 0:
            number += digits[k] * stride_of(plan, fixed, s, k, digits)
    return number


@numba.njit
def advance(plan, fixed, s, digits, trips):
    """Move *digits* to the next iteration; return the outermost loop that turned, -1 at the end."""
    trips_of(plan, fixed, s, digits, trips)
    k = plan[s, LOOPS] - 1
    while k >= 0 and digits[k] + 1 >= trips[k]:
        k -= 1
    if k < 0:
        return -1
    digits[k] += 1
    for j in range(k + 1, plan[s, LOOPS]):
        digits[j] = 0
    return k


@numba.njit
def back(plan, fixed, s, depth, digits, trips):
    """Move the first *depth* of *digits* to the iteration before; return whether there is one."""
    k = depth - 1
    while k >= 0 and digits[k] == 0:
        k -= 1
    if k < 0:
        return False
    digits[k] -= 1
    for j in range(k + 1, depth):
        digits[j] = 0
        trips_of(plan, fixed, s, digits, trips)
        digits[j] = trips[j] - 1
    return True


@numba.njit
def mapped_number(plan, fixed, s, r, source, digits, work, trips):
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
            trips_of(plan, fixed, r, work, trips)
            work[k] = min(work[k], trips[k] - 1)
    return number_of(plan, fixed, r, work)
