"""What the next task of a stream waits for, compiled, and which of two tasks comes first."""

from __future__ import annotations

import numba
import numpy as np

from fusemax.simulate.tile.columns import (
    ACTIVE,
    AGAIN_BIT,
    ALIVE,
    AUTO,
    BUFFERS,
    CLASS_BIT,
    CLS,
    DIGITS,
    EPOCH,
    EPOCH_SOURCE,
    FINISHED,
    HEAD_EPOCH,
    IN_KERNEL,
    IN_STEP,
    ISSUED,
    KIND,
    LOOP_ROOT,
    LOOP_UNIT,
    LOOPS,
    NEED,
    NEED_BUFFERS,
    NEED_COUNT,
    NEED_FRESH,
    NEED_KIND,
    NEED_ON,
    NEED_PREFIX,
    NEED_SOURCE,
    ONLY_AGAIN,
    OWN,
    POLICY,
    POSITION,
    REFERENCE,
    RING,
    RING_COUNT,
    ROOT_SIZE,
    SHARED,
    STAGE,
    STEP,
    STEPS,
    WIDTH,
)
from fusemax.simulate.tile.walking import advance, back, mapped_number


@numba.njit
def prepare(plan, fixed, state, chip, s, turned, old):
    """Find class, activity and needs of the next task of stream *s*; *old* are the digits of the task before."""
    trips = np.zeros(WIDTH, np.int64)
    work = np.zeros(WIDTH, np.int64)
    digits = state[s, DIGITS : DIGITS + WIDTH]
    cls = np.int64(0)
    first = True
    for k in range(plan[s, LOOPS]):
        if plan[s, CLASS_BIT + k]:
            root = plan[s, LOOP_ROOT + k]
            extent = fixed[ROOT_SIZE + root]
            for j in range(k + 1):
                if plan[s, LOOP_ROOT + j] == root:
                    extent = min(extent - digits[j] * plan[s, LOOP_UNIT + j], plan[s, LOOP_UNIT + j])
            if extent < plan[s, LOOP_UNIT + k]:
                cls |= plan[s, CLASS_BIT + k]
        if not plan[s, OWN + k] and digits[k] > 0:
            first = False
    if not first:
        cls |= plan[s, AGAIN_BIT]
    state[s, CLS] = cls
    active = True
    if plan[s, KIND] == 1:
        active = turned < 0
        for k in range(plan[s, LOOPS]):
            if plan[s, OWN + k] and digits[k] != old[k]:
                active = True
        if plan[s, ONLY_AGAIN] and first:
            active = False
    elif plan[s, KIND] == 2:
        for k in range(plan[s, LOOPS]):
            work[k] = digits[k]
        active = advance(plan, fixed, s, work, trips) < 0
        for k in range(plan[s, LOOPS]):
            if plan[s, OWN + k] and digits[k] != work[k]:
                active = True
    state[s, ACTIVE] = active
    if fixed[POLICY] == STEPS and plan[s, KIND] == 0:
        state[s, HEAD_EPOCH] = epoch_of(plan, fixed, state, s, work, trips)
    for d in range(plan[s, NEED_COUNT]):
        state[s, NEED + d] = need_of(plan, fixed, state, chip, s, d, digits, active, work, trips)


@numba.njit
def need_of(plan, fixed, state, chip, s, d, digits, active, work, trips):
    """Return how many tasks need *d* of stream *s* wants finished before its task at *digits*; 0 for none."""
    r, kind = plan[s, NEED_ON + d], plan[s, NEED_KIND + d]
    if kind == 3:
        return max(np.int64(0), state[s, ISSUED] + 1 - plan[s, NEED_BUFFERS + d])
    if kind == 0:
        return (
            mapped_number(
                plan,
                fixed,
                s,
                r,
                plan[s, NEED_SOURCE + d * WIDTH : NEED_SOURCE + (d + 1) * WIDTH],
                digits,
                work,
                trips,
            )
            + 1
        )
    if kind == 1:
        if not active:
            return np.int64(0)
        begin = mapped_number(
            plan,
            fixed,
            s,
            r,
            plan[s, NEED_SOURCE + d * WIDTH : NEED_SOURCE + (d + 1) * WIDTH],
            digits,
            work,
            trips,
        )
        deep = plan[s, NEED_BUFFERS + d]
        for b in range(min(deep, BUFFERS - 1), 0, -1):
            state[s, RING + d * BUFFERS + b] = state[s, RING + d * BUFFERS + b - 1]
        state[s, RING + d * BUFFERS + 0] = begin
        state[s, RING_COUNT + d] += 1
        return state[s, RING + d * BUFFERS + deep - 1] if state[s, RING_COUNT + d] > deep else np.int64(0)
    for k in range(plan[s, LOOPS]):
        if plan[s, NEED_FRESH + d * WIDTH + k] and digits[k] > 0:
            return np.int64(0)
    before = digits.copy()
    for _ in range(plan[s, NEED_BUFFERS + d]):
        if not back(plan, fixed, s, plan[s, NEED_PREFIX + d], before, trips):
            return np.int64(0)
    return (
        mapped_number(
            plan,
            fixed,
            s,
            r,
            plan[s, NEED_SOURCE + d * WIDTH : NEED_SOURCE + (d + 1) * WIDTH],
            before,
            work,
            trips,
        )
        + 1
    )


@numba.njit
def unmet(plan, fixed, state, chip, s):
    """Return the first need of stream *s* that is not met, -1 when all are."""
    for d in range(plan[s, NEED_COUNT]):
        if state[plan[s, NEED_ON + d], FINISHED] < state[s, NEED + d]:
            return d
    return -1


@numba.njit
def before(plan, fixed, state, chip, a, b):
    """Return whether the next task of stream *a* comes before that of *b* in the order of the policy."""
    if fixed[POLICY] == AUTO and plan[a, IN_KERNEL] and plan[b, IN_KERNEL]:
        one, other = state[a, ISSUED] + plan[a, STAGE], state[b, ISSUED] + plan[b, STAGE]
        return one < other or (one == other and plan[a, POSITION] < plan[b, POSITION])
    for k in range(plan[a, SHARED + b]):
        if state[a, DIGITS + k] != state[b, DIGITS + k]:
            return state[a, DIGITS + k] < state[b, DIGITS + k]
    return a < b


@numba.njit
def epoch_of(plan, fixed, state, s, work, trips):
    """Return the epoch in which the schedule has the next task of stream *s*."""
    if plan[s, IN_KERNEL]:
        return state[s, ISSUED] + plan[s, STAGE]
    source = plan[s, EPOCH_SOURCE : EPOCH_SOURCE + WIDTH]
    digits = state[s, DIGITS : DIGITS + WIDTH]
    return mapped_number(plan, fixed, s, fixed[REFERENCE], source, digits, work, trips) + plan[s, STAGE]


@numba.njit
def due(plan, fixed, state, chip, s):
    """Return whether the step that stands now has the next task of stream *s*."""
    if plan[s, IN_STEP] < 0:
        return True
    return plan[s, IN_STEP] == chip[STEP] and state[s, HEAD_EPOCH] <= chip[EPOCH]


@numba.njit
def watch_places(plan, fixed, state, chip, s):
    """Remember the most tiles of a transfer, or values of a task, that are alive at once."""
    alive = np.int64(1)
    for d in range(plan[s, NEED_COUNT]):
        r, kind = plan[s, NEED_ON + d], plan[s, NEED_KIND + d]
        if kind == 3:
            alive = max(alive, state[s, ISSUED] + 1 - state[r, FINISHED])
        elif kind == 1 and state[s, ACTIVE]:
            held = np.int64(1)
            for b in range(plan[s, NEED_BUFFERS + d] - 1):
                if b + 1 < state[s, RING_COUNT + d] and state[r, FINISHED] < state[s, RING + d * BUFFERS + b]:
                    held += 1
            alive = max(alive, held)
    state[s, ALIVE] = max(state[s, ALIVE], alive)
