"""What a transfer moves, listed: the elements that tasks inside touch of a tile while it stays, one stay after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.mapping.nest import Nest
from fusemax.simulate.tile.cores import Members
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.listed import trips_of
from fusemax.simulate.tile.streams import Stream

MOST_TASKS = 1 << 22  #: of a stream that are listed
LIKE_ANY = (
    3  #: iterations of a loop that names none of what is listed: the first, the last, and one for all between
)


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of a transfer that are done, in order: their places in an array with an axis for each loop."""

    trips: tuple[int, ...]
    shown: tuple[int, ...]
    digits: np.ndarray  # int64[task, loop]


def words_of_stays(
    geometry: Geometry, stream: Stream, loops: Sequence[str], touched: np.ndarray, done: np.ndarray,
    members: Members | None, spread: Collection[str], apart: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the words of *stream* by task, an axis for each loop: those of all of the tile's stay in each of its tasks.

    ``touched`` is bool[iteration of *loops*, element], ``done`` bool[iteration of *loops*]. Of a tile that comes back
    (or leaves to come back) only what an earlier (a later) stay of the same value touches too counts. The second has what
    goes on inside a stay from one iteration of the loops *spread* to another. *apart* drops elements that count with others.
    """
    tasks = _tasks(geometry, stream, loops, done, members)
    row = np.zeros(len(tasks.digits), np.int64)
    for loop, count in zip(loops, trips_of(geometry, loops), strict=True):
        row = row * count + tasks.digits[:, stream.loops.index(loop)]
    own = [k for k, loop in enumerate(stream.loops) if loop in stream.own]
    key = tasks.digits[:, own]
    first = np.ones(len(row), bool)
    first[1:] = (key[1:] != key[:-1]).any(axis=1)
    stay = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    counts = _counts(stream, tasks, touched, row, starts, apart)
    dealt = [k for k, loop in enumerate(stream.loops) if loop in spread]
    carried = _carried(stream, tasks, touched, row, starts, dealt) if stream.again and dealt else 0 * counts
    return _by_task(tasks, counts[stay]), _by_task(tasks, carried[stay])


def _by_task(tasks: Tasks, words: np.ndarray) -> np.ndarray:
    """Return *words* of *tasks* with an axis for each loop, 0 for what is not done."""
    place = np.zeros(len(words), np.int64)
    for axis, shown in enumerate(tasks.shown):
        place = place * shown + tasks.digits[:, axis]
    found = np.zeros(tasks.shown, np.int64)
    found.reshape(-1)[place] = words
    for axis, (count, shown) in enumerate(zip(tasks.trips, tasks.shown, strict=True)):
        if shown < count and not bool((found == found.take([0], axis=axis)).all()):
            found = found.take([0, *[1] * (count - 2), 2], axis=axis)
    return found


def _carried(
    stream: Stream,
    tasks: Tasks,
    touched: np.ndarray,
    row: np.ndarray,
    starts: np.ndarray,
    dealt: Sequence[int],
) -> np.ndarray:
    """Return how many elements of each stay several iterations of the loops *dealt* add to, one after the other."""
    anew = [k for k, loop in enumerate(stream.loops) if loop in stream.anew]
    found = np.zeros(len(starts), np.int64)
    for n, start in enumerate(starts.tolist()):
        end = starts[n + 1] if n + 1 < len(starts) else len(row)
        parts: dict[tuple[int, ...], dict[tuple[int, ...], np.ndarray]] = {}
        for task in range(start, end):
            value, core = (tuple(tasks.digits[task, columns].tolist()) for columns in (anew, dealt))
            mine = parts.setdefault(value, {}).setdefault(core, np.zeros(touched.shape[1], bool))
            mine |= touched[row[task]]
        times = [np.sum(list(part.values()), axis=0) > 1 for part in parts.values()]
        found[n] = int(np.any(times, axis=0).sum())
    return found


def _counts(
    stream: Stream, tasks: Tasks, touched: np.ndarray, row: np.ndarray, starts: np.ndarray,
    apart: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:  # fmt: skip
    """Return the words of each stay."""
    anew = [k for k, loop in enumerate(stream.loops) if loop in stream.anew]
    order = range(len(starts))
    if not (stream.again or stream.returns):
        return np.array([int(apart(_union(touched, row, starts, n)[None]).sum()) for n in order], np.int64)
    counts = np.zeros(len(starts), np.int64)
    known: dict[tuple[int, ...], np.ndarray] = {}
    for n in reversed(order) if stream.returns else order:
        mine = _union(touched, row, starts, n)
        value = tuple(tasks.digits[starts[n], anew].tolist())
        before = known.setdefault(value, np.zeros(touched.shape[1], bool))
        counts[n] = int((mine & before).sum())
        before |= mine
    return counts


def _union(touched: np.ndarray, row: np.ndarray, starts: np.ndarray, number: int) -> np.ndarray:
    end = starts[number + 1] if number + 1 < len(starts) else len(row)
    return np.any(touched[np.unique(row[starts[number] : end])], axis=0, keepdims=True)[0]


def _tasks(
    geometry: Geometry, stream: Stream, loops: Sequence[str], done: np.ndarray, members: Members | None
) -> Tasks:
    nest, trips = geometry.nest, trips_of(geometry, stream.loops)
    spread = members.spread if members is not None else ()
    alone = [
        sum(nest.root_of(other) is nest.root_of(loop) for other in stream.loops) == 1
        and loop not in (*loops, *spread)
        for loop in stream.loops
    ]
    shown = tuple(min(count, LIKE_ANY) if one else count for count, one in zip(trips, alone, strict=True))
    size = 1
    for count in shown:
        size *= count
    if size > MOST_TASKS:
        raise FusemaxError(
            f"nest {nest.name}: {stream.name} has {size:,} tasks under conditions, more than the simulator lists"
            f" ({MOST_TASKS:,})\n  hint: simulate smaller sizes, or use 'fusemax cost'"
        )
    digits = (
        np.indices(shown, dtype=np.int64).reshape(len(shown), -1).T if shown else np.zeros((1, 0), np.int64)
    )
    there = _exist(geometry, nest, stream.loops, digits)
    row = np.zeros(len(digits), np.int64)
    for loop, count in zip(loops, trips_of(geometry, loops), strict=True):
        row = row * count + digits[:, stream.loops.index(loop)]
    there &= done[row]
    if members is not None and any(loop in spread for loop in stream.loops):
        there &= belong(stream.loops, members, digits)
    return Tasks(trips, shown, digits[there])


def _exist(geometry: Geometry, nest: Nest, loops: Sequence[str], digits: np.ndarray) -> np.ndarray:
    """Return which *digits* of *loops* are iterations: their first element is there."""
    there = np.ones(len(digits), bool)
    for root in nest.roots.values():
        low = np.zeros(len(digits), np.int64)
        for k, loop in enumerate(loops):
            if nest.root_of(loop) is root:
                low += digits[:, k] * geometry.unit(loop)
        there &= low < geometry.sizes[root.name]
    return there


def belong(loops: Sequence[str], members: Members, digits: np.ndarray) -> np.ndarray:
    """Return which *digits* of *loops* are iterations in which *members* have a task."""
    mine = [loop for loop in loops if loop in members.spread]
    trips = [members.trips[members.spread.index(loop)] for loop in mine]
    known = np.zeros(int(np.prod(trips)), bool)
    at = np.zeros(len(members.tasks), np.int64)
    place = np.zeros(len(digits), np.int64)
    for loop, count in zip(mine, trips, strict=True):
        at = at * count + members.tasks[:, members.spread.index(loop)]
        place = place * count + digits[:, loops.index(loop)]
    known[at] = True
    return known[place]
