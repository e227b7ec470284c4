"""How many tasks of each kind a nest has, and the words that depend on where its loops stand: counted without a clock.

Tasks of a stream are walked one by one. A loop whose iterations are alike - no condition, no core's share, no tile that is
short, no words of its own - is walked for its first iterations alone: from then on each adds the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.counted import words_of
from fusemax.simulate.tile.needs import class_of
from fusemax.simulate.tile.plan import Prepared
from fusemax.simulate.tile.state import State
from fusemax.simulate.tile.streams import COMPUTE, DRAIN, FILL
from fusemax.simulate.tile.walking import EVERY, NOT, advance, is_first, is_last, settle, trips_at

MOST_STEPS = 100_000  #: some 10 us each; longer runs have steady states, which the clock skips
Choice = tuple[tuple[int, int], ...]  #: for one loop: so many iterations are walked, and count so many times


def tally(prepared: Prepared) -> State | None:
    """Return the counts of *prepared* as a run to its end leaves them, no other numbers; None for too many tasks."""
    choices = [_choices(prepared, n) for n in range(len(prepared.streams))]
    if sum(_steps(mine) for mine in choices) > MOST_STEPS:
        return None
    state = State.fresh(prepared, 0)
    shares = prepared.fixed[clock.BEGUN] + 1
    for n, mine in enumerate(choices):
        row = state.streams[n]
        for combination in itertools.product(*mine):
            plan = _shortened(prepared.plan[n], [trips for trips, _ in combination])
            times = math.prod(weight for _, weight in combination)
            counts, words = _walked(plan, prepared.fixed)
            row[clock.COUNTS : clock.COUNTS + 2 * clock.CLASSES : 2] += times * counts
            row[shares : shares + clock.MAX_SHARES] += times * words
    return state


def _steps(choices: Sequence[Choice]) -> int:
    return math.prod(sum(trips for trips, _ in choice) for choice in choices)


def _choices(prepared: Prepared, number: int) -> list[Choice]:
    """Return for each loop of stream *number* how many iterations are walked, and what they stand for.

    What a loop counts grows evenly with its iterations, in a task of a unit from the first one on. For a transfer the first
    differs, and whether the last one of the iteration around it had the same tile; for one that only takes out what comes
    back the last differs too.
    """
    plan, fixed = prepared.plan, prepared.fixed
    digits = np.zeros(clock.WIDTH, np.int64)
    stream = prepared.streams[number]
    plain = stream.kind == COMPUTE and not plan[number, clock.AGAIN_BIT]
    found: list[Choice] = []
    for k in range(len(stream.loops)):
        trips = int(trips_at(plan, fixed, number, k, digits))
        if trips == 1 or not _is_alike(prepared, number, k):
            found.append(((trips, 1),))
        elif plain:
            found.append(((1, trips),))
        elif k == 0 and not plan[number, clock.RETURNS] and trips > 2:
            found.append(((1, 2 - trips), (2, trips - 1)))
        elif trips > 3:
            found.append(((2, 3 - trips), (3, trips - 2)))
        else:
            found.append(((trips, 1),))
    return found


def _is_alike(prepared: Prepared, number: int, k: int) -> bool:
    """Return whether all iterations of loop *k* of stream *number* do the same, but for what was there before."""
    row, stream, geometry = prepared.plan[number], prepared.streams[number], prepared.geometry
    root = prepared.nest.root_of(stream.loops[k])
    mine = [loop for loop in stream.loops if prepared.nest.root_of(loop) is root]
    if any(geometry.sizes[root.name] % geometry.unit(loop) for loop in mine):
        return False
    bands = range(clock.BAND, clock.BAND + int(row[clock.BANDS]) * clock.BAND_WIDTH, clock.BAND_WIDTH)
    if any(row[clock.LOOP_ROOT + k] in row[band : band + 2] for band in bands):
        return False
    return not any(row[column + k] for column in (clock.MEMBER_STRIDE, clock.VISIT_STRIDE, clock.SHARE_LOOP))


def _shortened(row: np.ndarray, trips: Sequence[int]) -> np.ndarray:
    """Return the plan of one stream whose loops have so many *trips*, or fewer at a ragged end."""
    plan = row[np.newaxis].copy()
    for k, count in enumerate(trips):
        plan[0, clock.LOOP_CAP + k] = plan[0, clock.LOOP_TRIPS + k] = count
    return plan


def _walked(plan: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the tasks of the one stream of *plan* that move something, by class, and the words of its shares."""
    counts = np.zeros(clock.CLASSES, np.int64)
    words, here = np.zeros(clock.MAX_SHARES, np.int64), np.zeros(clock.MAX_SHARES, np.int64)
    corners = np.zeros(4 * clock.MAX_BOXES * clock.MAX_ROOTS, np.int64)
    for digits, cls, active in _tasks(plan, fixed):
        if active:
            counts[cls] += 1
            if plan[0, clock.SHARES]:
                words_of(plan, fixed, 0, cls, digits, corners, here)
                words += here
    return counts, words


def _tasks(plan: np.ndarray, fixed: np.ndarray) -> Iterator[tuple[np.ndarray, int, bool]]:
    """Yield the digits of each task in order, its class, and whether it moves anything (kernel.py, issue.py)."""
    kind, again, returns = plan[0, clock.KIND], int(plan[0, clock.AGAIN_BIT]), plan[0, clock.RETURNS]
    only_again, loops = plan[0, clock.ONLY_AGAIN], int(plan[0, clock.LOOPS])
    own = plan[0, clock.OWN : clock.OWN + loops] != 0
    free, work = np.int64(clock.ANEW), np.zeros(clock.WIDTH, np.int64)
    digits = np.zeros(clock.WIDTH, np.int64)
    turned = settle(plan, fixed, 0, digits, NOT, np.int64(clock.WIDTH), EVERY, NOT)
    other = True  # whether this is another tile than that of the task before
    while turned >= 0:
        following = digits.copy()
        turned = advance(plan, fixed, 0, following)
        leaves = turned < 0 or bool((following[:loops] != digits[:loops])[own].any())
        cls = int(class_of(plan, fixed, 0, digits))
        first = not (again or only_again) or is_first(plan, fixed, 0, digits, work, free, NOT)
        active = kind == COMPUTE or (kind == FILL and other) or (kind == DRAIN and leaves)
        active = active and not (kind == FILL and only_again and first)
        active = active and not (
            kind == DRAIN
            and bool(returns)
            and bool(is_last(plan, fixed, 0, digits, work, free, NOT)) != (returns == clock.ONLY_LAST)
        )
        yield digits, cls | (0 if first else again), bool(active)
        digits, other = following, leaves
