"""Which task starts when, compiled: the choice on each unit and channel, and what a start changes."""

from __future__ import annotations

import numpy as np

from fusemax.simulate.tile.columns import (
    ACTIVE,
    ALL_ON_UNITS,
    BEGUN,
    BLOCKED,
    BUSY,
    CHANNEL,
    CHANNEL_FREE,
    CHANNELS,
    CLASSES,
    CLS,
    COUNTS,
    CYCLES,
    DIGITS,
    FILTERED,
    FINISHED,
    FLIGHT,
    FLIGHT_COUNT,
    FLIGHT_HEAD,
    IN_FLIGHT,
    IN_STEP,
    ISSUED,
    KIND,
    LATENCY,
    MAX_CHANNELS,
    MAX_SHARES,
    NEED_ON,
    NEXT_ON,
    NOW,
    OLD,
    POLICY,
    POSITION,
    RATE,
    REFERENCE,
    SEGMENT,
    SEGMENTS,
    SERIAL,
    SHARES,
    STALL,
    STEADY,
    STEP,
    STEP_COUNT,
    STEPS,
    STRIDE,
    TOTAL,
    TOUCHED,
    TRACED,
    TURNED,
    UNIT,
    UNIT_FREE,
    UNITS,
    WAITS,
    WIDTH,
)
from fusemax.simulate.tile.inner import inner
from fusemax.simulate.tile.needs import before, due, is_blocked, next_epoch, prepare, unmet, watch_places
from fusemax.simulate.tile.walking import FAR, NONE, NOT, advance, number_of, put


@inner
def candidate(plan, fixed, state, chip, u):
    """Return the stream that may issue on unit *u* now, -1 for none; for SERIAL and STEPS it may not be ready yet."""
    policy = fixed[POLICY]
    best = NONE
    for s in range(plan.shape[0]):
        if plan[s, KIND] != 0 or state[s, ISSUED] >= plan[s, TOTAL]:
            continue
        if policy == SERIAL:
            if best < 0 or before(plan, fixed, state, chip, s, best):
                best = s
        elif plan[s, UNIT] == u:
            if policy == STEPS:
                if due(plan, fixed, state, chip, s) and (
                    best < 0 or plan[s, POSITION] < plan[best, POSITION]
                ):
                    best = s
            elif (
                state[s, FLIGHT_COUNT] < fixed[IN_FLIGHT]
                and not is_blocked(plan, state, s)
                and (best < 0 or before(plan, fixed, state, chip, s, best))
            ):
                best = s
    if best < 0 or plan[best, UNIT] != u or state[best, FLIGHT_COUNT] >= fixed[IN_FLIGHT]:
        return -1
    if policy == SERIAL:
        for s in range(plan.shape[0]):
            if plan[s, KIND] == 0 and state[s, FLIGHT_COUNT] > 0:
                return -1
    return -1 if is_blocked(plan, state, best) else best


@inner
def channel_cycles(plan, state, s, c):
    """Return the cycles for which the next task of stream *s* takes channel *c*."""
    if not plan[s, SHARES]:
        return plan[s, CHANNEL + c * CLASSES + state[s, CLS]]
    cycles = plan[s, STEADY : STEADY + MAX_CHANNELS * CLASSES].view(np.float64)[c * CLASSES + state[s, CLS]]
    rates = plan[s, RATE : RATE + MAX_SHARES * MAX_CHANNELS].view(np.float64)
    for share in range(plan[s, SHARES]):
        cycles += rates[share * MAX_CHANNELS + c] * state[s, TOUCHED + share]
    return np.int64(np.ceil(cycles - 1e-9 * max(1.0, cycles)))


@inner
def issue(plan, fixed, state, chip, trace, s):
    """Start the next task of stream *s* now."""
    now = chip[NOW]
    u, units = plan[s, UNIT], fixed[UNITS]
    cls, active = state[s, CLS], state[s, ACTIVE]
    watch_places(plan, fixed, state, chip, s)
    end = now
    if plan[s, KIND] == 0:
        end = now + plan[s, CYCLES + cls]
        if u >= 0:
            chip[BUSY + u] += plan[s, CYCLES + cls]
    computed = end
    for c in range(fixed[CHANNELS]):
        length = channel_cycles(plan, state, s, c)
        if active and length > 0:
            start = max(now, chip[CHANNEL_FREE + c])
            chip[CHANNEL_FREE + c] = start + length
            chip[BUSY + units + c] += length
            end = max(end, start + length)
    if u >= 0:
        chip[UNIT_FREE + u] = end
        chip[NEXT_ON + u] = 0
        if end > computed:
            state[s, WAITS + plan.shape[0]] += end - computed
    ready = end + (plan[s, LATENCY] if active else 0)
    state[s, COUNTS + 2 * cls + (0 if active else 1)] += 1
    if chip[TRACED] < trace.shape[0] and (active or plan[s, KIND] == 0):
        row = trace[chip[TRACED]]
        row[0], row[1], row[2], row[3] = s, state[s, fixed[BEGUN]], now, end
        chip[TRACED] += 1
    state[s, fixed[BEGUN]] += 1
    for share in range(plan[s, SHARES] if active else 0):
        state[s, fixed[BEGUN] + 1 + share] += state[s, TOUCHED + share]
    old = chip[OLD : OLD + WIDTH]
    digits = state[s, DIGITS : DIGITS + WIDTH]
    put(old, digits, WIDTH)
    turned = advance(plan, fixed, s, digits)
    state[s, ISSUED] = number_after(plan, fixed, s, digits, turned, state[s, ISSUED])
    take_off(fixed, state, s, ready)
    if turned >= 0:
        prepare(plan, fixed, state, chip, s, turned, old)


@inner
def number_after(plan, fixed, s, digits, turned, number):
    """Return the number of the task of stream *s* after that of *number*, when *digits* have *turned* to it (-1: the end)."""
    if turned < 0:
        return plan[s, TOTAL]
    return number_of(plan, fixed, s, digits) if plan[s, FILTERED] else number + 1


@inner
def flight(fixed, state, s, number):
    """Return the column of the *number*-th of the tasks of stream *s* that are on their way, the oldest first."""
    return fixed[FLIGHT] + 2 * ((state[s, FLIGHT_HEAD] + number) % fixed[IN_FLIGHT])


@inner
def take_off(fixed, state, s, end):
    """Put what stream *s* has issued by now on its way until *end*; it ends no sooner than what is on its way already."""
    last = flight(fixed, state, s, state[s, FLIGHT_COUNT] - 1)
    if state[s, FLIGHT_COUNT] == 0 or state[s, last] < end:
        last = flight(fixed, state, s, state[s, FLIGHT_COUNT])
        state[s, last] = end
        state[s, FLIGHT_COUNT] += 1
    state[s, last + 1] = state[s, ISSUED]


@inner
def land(plan, fixed, state, chip, ref_digits):
    """Finish every task that ends now; return whether one did.

    Of the loops of the reference stream that turn, ``chip[TURNED]`` keeps the outermost.
    """
    now, landed = chip[NOW], False
    for s in range(plan.shape[0]):
        while state[s, FLIGHT_COUNT] > 0 and state[s, flight(fixed, state, s, NOT)] <= now:
            landed = True
            done = state[s, flight(fixed, state, s, NOT) + 1]
            state[s, FLIGHT_HEAD] = (state[s, FLIGHT_HEAD] + 1) % fixed[IN_FLIGHT]
            state[s, FLIGHT_COUNT] -= 1
            while s == fixed[REFERENCE] and state[s, FINISHED] < done:
                k = advance(plan, fixed, s, ref_digits)
                state[s, FINISHED] = number_after(plan, fixed, s, ref_digits, k, state[s, FINISHED])
                chip[TURNED] = min(chip[TURNED], k)
            state[s, FINISHED] = done
    return landed


@inner
def issue_transfers(plan, fixed, state, chip, trace):
    """Start every transfer that can start; return whether one did."""
    started = False
    while True:
        best = NONE
        for s in range(plan.shape[0]):
            if (
                plan[s, KIND] == 0
                or state[s, ISSUED] >= plan[s, TOTAL]
                or state[s, FLIGHT_COUNT] >= fixed[IN_FLIGHT]
            ):
                continue
            if is_blocked(plan, state, s) or (best >= 0 and not before(plan, fixed, state, chip, s, best)):
                continue
            free = True
            if state[s, ACTIVE]:
                for c in range(fixed[CHANNELS]):
                    if channel_cycles(plan, state, s, c) > 0 and chip[CHANNEL_FREE + c] > chip[NOW]:
                        free = False
            if free:
                best = s
        if best < 0:
            return started
        issue(plan, fixed, state, chip, trace, best)
        started = True


@inner
def issue_tasks(plan, fixed, state, chip, trace):
    """Start every task that can start on a free unit; return whether one did."""
    started = False
    if chip[BLOCKED] > chip[NOW]:
        return started
    for u in range(0 if fixed[ALL_ON_UNITS] else -1, fixed[UNITS]):
        while u < 0 or chip[UNIT_FREE + u] <= chip[NOW]:
            s = candidate(plan, fixed, state, chip, u)
            if s < 0:
                break
            issue(plan, fixed, state, chip, trace, s)
            started = True
    return started


@inner
def next_step(plan, fixed, state, chip):
    """Go to the next step when nothing of this one is left; return whether that happened."""
    if fixed[POLICY] != STEPS or chip[BLOCKED] > chip[NOW]:
        return False
    left = False
    for s in range(plan.shape[0]):
        if plan[s, KIND] == 0 and state[s, ISSUED] < plan[s, TOTAL]:
            left = True
            if plan[s, IN_STEP] >= 0 and due(plan, fixed, state, chip, s):
                return False
    for u in range(fixed[UNITS]):
        if chip[UNIT_FREE + u] > chip[NOW]:
            return False
    if not left:
        return False
    chip[STEP] += 1
    if chip[STEP] >= fixed[STEP_COUNT]:
        chip[STEP] = 0
        next_epoch(plan, fixed, chip)
    chip[BLOCKED] = chip[NOW] + fixed[STALL + chip[STEP]]
    return True


@inner
def next_event(plan, fixed, state, chip):
    """Return the time of the next event, -1 when nothing is on its way."""
    now, soonest = chip[NOW], FAR
    for s in range(plan.shape[0]):
        if state[s, FLIGHT_COUNT] > 0:
            soonest = min(soonest, state[s, flight(fixed, state, s, NOT)])
    for u in range(fixed[UNITS]):
        if chip[UNIT_FREE + u] > now:
            soonest = min(soonest, chip[UNIT_FREE + u])
    for c in range(fixed[CHANNELS]):
        if chip[CHANNEL_FREE + c] > now:
            soonest = min(soonest, chip[CHANNEL_FREE + c])
    if chip[BLOCKED] > now:
        soonest = min(soonest, chip[BLOCKED])
    return np.int64(-1) if soonest == FAR else soonest


@inner
def next_on(plan, fixed, state, chip, u):
    """Return the stream whose task is next on unit *u*, -1 for none: another one only when a task has begun there."""
    if chip[NEXT_ON + u] == 0:
        best = NONE
        for s in range(plan.shape[0]):
            mine = plan[s, KIND] == 0 and plan[s, UNIT] == u and state[s, ISSUED] < plan[s, TOTAL]
            if mine and (best < 0 or before(plan, fixed, state, chip, s, best)):
                best = s
        if best < 0:
            return best
        chip[NEXT_ON + u] = best + 1
    return chip[NEXT_ON + u] - 1


@inner
def blame(plan, fixed, state, chip, length):
    """Charge *length* cycles of every idle unit to what its next task waits for."""
    size = plan.shape[0]
    for u in range(fixed[UNITS]):
        if chip[UNIT_FREE + u] > chip[NOW]:
            continue
        best = next_on(plan, fixed, state, chip, u)
        if best < 0:
            continue
        d = unmet(plan, fixed, state, chip, best)
        if d >= 0:
            state[best, WAITS + plan[best, NEED_ON + d]] += length
        elif fixed[POLICY] in (SERIAL, STEPS):
            state[best, WAITS + size + 1] += length
        else:
            state[best, WAITS + size + 2] += length


@inner
def record(plan, fixed, state, chip, segments, epochs):
    """Append a row to the record of utilization; when it is full, every second row goes."""
    at = chip[SEGMENT]
    if at == SEGMENTS:
        for row in range(SEGMENTS // 2):
            put(segments[row], segments[2 * row], segments.shape[1])
        at = SEGMENTS // 2
        chip[STRIDE] *= 2
    columns = fixed[UNITS] + fixed[CHANNELS]
    segments[at, 0] = chip[NOW]
    for c in range(columns):
        segments[at, 1 + c] = chip[BUSY + c]
    segments[at, 1 + columns] = epochs
    chip[SEGMENT] = at + 1
