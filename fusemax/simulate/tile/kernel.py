"""The clock of the tile level, as Python and compiled: streams of tasks on units and channels, from event to event.

A task starts when its unit is free, what it needs is finished and its place is free. Of several that could start on a unit,
the first in the order of the policy does. Nothing happens between two events.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fusemax.compiled import compiled
from fusemax.simulate.tile.columns import (
    AGAIN_BIT,
    ANEW,
    BLOCKED,
    CLASSES,
    CURSOR,
    DIGITS,
    EPOCH_NUMBER,
    EVENTS,
    FAST,
    FINISHED,
    ISSUED,
    LOOPS,
    MAX_SHARES,
    NOTHING_TURNED,
    NOW,
    OLD,
    ONLY_AGAIN,
    ONLY_LAST,
    OWN,
    POLICY,
    REF_DIGITS,
    REFERENCE,
    RETURNS,
    SEEN_COUNT,
    SHARES,
    STALL,
    STAMP,
    STEP,
    STEP_COUNT,
    STEPS,
    STRIDE,
    STUCK,
    TOTAL,
    TRACED,
    TURNED,
    VISIT_BEGUN,
    VISIT_DIGITS,
    VISIT_STAMP,
    VISIT_TURNED,
    VISIT_WORK,
    WIDTH,
)
from fusemax.simulate.tile.counted import words_of
from fusemax.simulate.tile.growing import forget_jumps
from fusemax.simulate.tile.inner import inner, over_compiled
from fusemax.simulate.tile.issue import (
    blame,
    issue_tasks,
    issue_transfers,
    land,
    next_event,
    next_step,
    record,
)
from fusemax.simulate.tile.needs import class_of, look_ahead, prepare
from fusemax.simulate.tile.paced import Paced
from fusemax.simulate.tile.steady import look_for_steady_state
from fusemax.simulate.tile.walking import (
    EVERY,
    FAR,
    NONE,
    NOT,
    advance,
    clear,
    is_first,
    is_last,
    number_of,
    put,
    settle,
    trips_at,
)

SOURCES = (
    "columns.py",
    "inner.py",
    "wanted.py",
    "counted.py",
    "walking.py",
    "needs.py",
    "issue.py",
    "alike.py",
    "growing.py",
    "steady.py",
    "kernel.py",
)  #: of all compiled code here


def sources_stamp() -> int:
    """Return a number that is another one when any source of the compiled code changes.

    numba looks only at the file of the function that it keeps on disk, not at those of what that calls.
    """
    text = b"".join(path.read_bytes() for path in sources())
    return int(hashlib.sha256(text).hexdigest()[:15], 16)


def sources() -> list[Path]:
    """Return the files of all compiled code here."""
    return [Path(__file__).parent / name for name in SOURCES]


@lru_cache(maxsize=1)
def clock() -> Paced:
    """Return ``run(plan, fixed, state, chip, segments, trace, seen)`` (:func:`go`)."""
    return Paced(go, lambda: _clock_of(sources_stamp()), sources(), part=_part_done)


def _part_done(plan, fixed, state, chip, *_: Any) -> float:
    """Return how much of the reference stream's tasks is done."""
    reference = fixed[REFERENCE]
    return float(state[reference, FINISHED] / max(1, plan[reference, TOTAL]))


@lru_cache(maxsize=1)
def _clock_of(stamp: int) -> Any:
    """Return the compiled :func:`go`; *stamp* is part of the key under which numba keeps it."""

    def run(plan, fixed, state, chip, segments, trace, seen, most):
        chip[STAMP] = stamp
        return go(plan, fixed, state, chip, segments, trace, seen, most)

    return compiled()(over_compiled(run))


@lru_cache(maxsize=1)
def visits() -> Paced:
    """Return ``count(plan, fixed, s, spread, inside, cores, carried, counts)`` (:func:`count_visits`)."""
    return Paced(count_visits, lambda: _visits_of(sources_stamp()), sources())


@lru_cache(maxsize=1)
def _visits_of(stamp: int) -> Any:
    def count(plan, fixed, s, spread, inside, cores, carried, counts, most):
        counts[VISIT_STAMP] = stamp
        return count_visits(plan, fixed, s, spread, inside, cores, carried, counts, most)

    return compiled()(over_compiled(count))


@inner
def count_visits(plan, fixed, s, spread, inside, cores, carried, counts, most):
    """Write how often transfer *s* moves a tile to or from a memory that each core has: by class, and the words of a share.

    A tile stays for the next task where tasks in a row want the same one; then each core gets it once, as many of *cores* as
    there are such tasks. *spread* marks the loops that number tasks; *inside* is how many tasks each visit has.
    Sums that are *carried* on by other tasks come to their cores too. Returns whether all is counted, after *most* visits.
    """
    digits = counts[VISIT_DIGITS : VISIT_DIGITS + WIDTH]
    before, work = counts[VISIT_WORK : VISIT_WORK + WIDTH], counts[VISIT_WORK + WIDTH :]
    words, corners = counts[VISIT_WORK + 2 * WIDTH :], counts[VISIT_WORK + 2 * WIDTH + MAX_SHARES :]
    turned = counts[VISIT_TURNED]
    if not counts[VISIT_BEGUN]:
        turned = settle(plan, fixed, s, digits, NOT, np.int64(WIDTH), EVERY, NOT)
        counts[VISIT_BEGUN] = 1
    visited = np.int64(0)
    while turned >= 0 and visited < most:
        visited += 1
        cls, tasks, moves = class_of(plan, fixed, s, digits), np.int64(1), True
        if plan[s, ONLY_AGAIN] or plan[s, AGAIN_BIT]:
            moves = not is_first(plan, fixed, s, digits, work, np.int64(ANEW), NOT)
            cls |= plan[s, AGAIN_BIT] if moves else np.int64(0)
            moves = moves or plan[s, ONLY_AGAIN] == 0
        clear(words, MAX_SHARES)
        words_of(plan, fixed, s, cls, digits, corners, words)
        stays = True
        while stays and turned >= 0:
            put(before, digits, WIDTH)
            turned = advance(plan, fixed, s, digits)
            other = False
            for k in range(plan[s, LOOPS] if turned >= 0 else 0):
                if digits[k] != before[k]:
                    stays = stays and not plan[s, OWN + k]
                    other = other or spread[k] == 1
            if stays and turned >= 0 and other:
                tasks += 1
        if plan[s, RETURNS]:
            last = is_last(plan, fixed, s, before, work, np.int64(ANEW), NOT)
            moves = moves and last == (plan[s, RETURNS] == ONLY_LAST)
        times = min(cores, tasks * inside)
        brought = times if moves else np.int64(0)
        more = times - 1 if plan[s, ONLY_AGAIN] and carried else np.int64(0)
        counts[cls] += brought + more
        counts[CLASSES] += brought * words[0] + more * (words[1] if plan[s, SHARES] == 2 else words[0])
    counts[VISIT_TURNED] = turned
    return bool(turned < 0)


@inner
def look(plan, fixed, state, chip, segments, ref_digits, turned, seen):
    """Look for a steady state at the turn of loop *turned*, if the loop is long enough."""
    for k in range(turned + 1, plan[fixed[REFERENCE], LOOPS]):
        if ref_digits[k] != 0:
            return
    if trips_at(plan, fixed, fixed[REFERENCE], turned, ref_digits) > 3:
        look_for_steady_state(plan, fixed, state, chip, segments, ref_digits, turned, seen)


@inner
def begin(plan, fixed, state, chip, s, ref_digits):
    """Find the first task of stream *s*; it may have none."""
    digits, old = state[s, DIGITS : DIGITS + WIDTH], chip[OLD : OLD + WIDTH]
    first = settle(plan, fixed, s, digits, NOT, np.int64(WIDTH), EVERY, NOT)
    number = plan[s, TOTAL] if first < 0 else number_of(plan, fixed, s, digits)
    state[s, ISSUED] = number
    state[s, FINISHED] = number
    if s == fixed[REFERENCE]:
        put(ref_digits, digits, WIDTH)
    if first >= 0:
        put(old, digits, WIDTH)
        prepare(plan, fixed, state, chip, s, NONE, old)


@inner
def start(plan, fixed, state, chip, segments, ref_digits):
    """Find the first task of every stream, before the first cycle."""
    ref = fixed[REFERENCE]
    for s in range(plan.shape[0]):
        begin(plan, fixed, state, chip, s, ref_digits)
    if fixed[POLICY] == STEPS:
        put(chip[CURSOR : CURSOR + WIDTH], ref_digits, WIDTH)
        chip[EPOCH_NUMBER] = state[ref, ISSUED] if state[ref, ISSUED] < plan[ref, TOTAL] else FAR
        look_ahead(plan, fixed, chip, advance(plan, fixed, ref, chip[CURSOR : CURSOR + WIDTH]))
    chip[BLOCKED] = fixed[STALL] if fixed[POLICY] == STEPS else 0
    record(plan, fixed, state, chip, segments, NOT)
    chip[TURNED] = NOTHING_TURNED


@inner
def finish(plan, fixed, state, chip, segments):
    """Write down the end; ``chip[STUCK]`` is 1 when tasks wait for each other for ever."""
    for step in range(chip[STEP] + 1, fixed[STEP_COUNT] if fixed[POLICY] == STEPS else 0):
        chip[NOW] += fixed[STALL + step]  # the last epoch waits to its end, as the others do
    record(plan, fixed, state, chip, segments, state[fixed[REFERENCE], FINISHED])
    for s in range(plan.shape[0]):
        if state[s, ISSUED] < plan[s, TOTAL]:
            chip[STUCK] = 1


@inner
def go(plan, fixed, state, chip, segments, trace, seen, most):
    """Run every stream for *most* events more; return whether the end is reached. All that lasts is in the arrays."""
    ref = fixed[REFERENCE]
    ref_digits = chip[REF_DIGITS : REF_DIGITS + WIDTH]
    if chip[EVENTS] == 0:
        start(plan, fixed, state, chip, segments, ref_digits)
    done = np.int64(0)
    while done < most:
        done += 1
        land(plan, fixed, state, chip, ref_digits)
        turned = chip[TURNED]
        if 0 <= turned < NOTHING_TURNED:
            clear(chip[SEEN_COUNT + turned + 1 :], WIDTH - turned - 1)
            forget_jumps(chip, turned + 1, WIDTH)
            if fixed[FAST] and chip[TRACED] >= trace.shape[0]:
                look(plan, fixed, state, chip, segments, ref_digits, turned, seen)
        chip[TURNED] = NOTHING_TURNED
        progress = True
        while progress:  # what starts lets others start when it is over at once, or when a step is
            issue_transfers(plan, fixed, state, chip, trace)
            issue_tasks(plan, fixed, state, chip, trace)
            progress = land(plan, fixed, state, chip, ref_digits)
            progress = next_step(plan, fixed, state, chip) or progress
        event = next_event(plan, fixed, state, chip)
        if event < 0:
            finish(plan, fixed, state, chip, segments)
            return True
        blame(plan, fixed, state, chip, event - chip[NOW])
        chip[NOW] = event
        chip[EVENTS] += 1
        if chip[EVENTS] % chip[STRIDE] == 0:
            record(plan, fixed, state, chip, segments, state[ref, FINISHED])
    return False
