"""The best of a stream of points: the Pareto front, or the first few by one measure; exact, whatever the order of the blocks.

Both keep a small table, float64[rows, measures + 2]: the measures (less is better), the number of the point, and how many
points had the same measures. Of equal points the one with the lowest number stays.
"""

from __future__ import annotations

import math

import numpy as np

from fusemax.compiled import compiled

BLOCK = "int64(float64[:, ::1], int64, float64[:, :], float64[::1], float64[::1], int64)"


@compiled(BLOCK, nogil=True)
def _add_to_front(table, count, measures, numbers, weights, start):  # pragma: no cover - compiled
    """Put points from *start* on into the front's table; return count, or -1 - point when the table is full."""
    width = measures.shape[0]
    for point in range(start, measures.shape[1]):
        if weights[point] == 0.0:
            continue
        row = 0
        inside = True
        while row < count:
            better = False
            worse = False
            for measure in range(width):
                mine = measures[measure, point]
                better = better or mine < table[row, measure]
                worse = worse or mine > table[row, measure]
            if not better:
                inside = False
                if not worse:
                    table[row, width] = min(table[row, width], numbers[point])
                    table[row, width + 1] += weights[point]
                ahead = row // 2
                for column in range(width + 2):
                    kept = table[ahead, column]
                    table[ahead, column] = table[row, column]
                    table[row, column] = kept
                break
            if worse:
                row += 1
                continue
            count -= 1
            for column in range(width + 2):
                table[row, column] = table[count, column]
        if inside:
            if count == table.shape[0]:
                return -1 - point
            for measure in range(width):
                table[count, measure] = measures[measure, point]
            table[count, width] = numbers[point]
            table[count, width + 1] = weights[point]
            count += 1
    return count


class Front:
    """The points that no other point beats in one measure without losing in another."""

    def __init__(self, measures: int) -> None:
        self._table = np.empty((256, measures + 2))
        self._count = 0

    def add(self, measures: np.ndarray, numbers: np.ndarray, weights: np.ndarray) -> None:
        """Take points in: float64[measures, points], their numbers, and how many each stands for (0: leave it out)."""
        start = 0
        while True:
            # a full table says where it stopped: it has lost nothing, but rows that were beaten are gone already
            result = _add_to_front(self._table, self._count, measures, numbers, weights, start)
            if result >= 0:
                self._count = result
                return
            self._count = self._table.shape[0]
            start = -1 - result
            self._table = np.concatenate([self._table, np.empty_like(self._table)])

    def table(self) -> np.ndarray:
        """Return the table by rising number of the point."""
        rows = self._table[: self._count]
        return rows[np.argsort(rows[:, -2], kind="stable")]


class Best:
    """The first *most* points by one measure; of equal ones those with the lowest numbers.

    Points are collected, and cut down to the best when there is no room for more: so the work does not grow with *most*, nor
    does the room grow beyond the points that there are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._table = np.empty((4096, 3))
        self._count = 0
        self._limit = math.inf

    def add(self, measures: np.ndarray, numbers: np.ndarray, weights: np.ndarray) -> None:
        """Take points in, as :meth:`Front.add` does; the first measure counts."""
        wanted = np.nonzero((weights > 0.0) & (measures[0] <= self._limit))[0]
        while len(wanted):
            room = len(self._table) - self._count
            now, wanted = wanted[:room], wanted[room:]
            rows = slice(self._count, self._count + len(now))
            self._table[rows] = np.stack((measures[0, now], numbers[now], weights[now]), axis=1)
            self._count += len(now)
            if self._count == len(self._table):
                self._cut()
            if 2 * self._count > len(self._table):  # too little room to go on with: as much again
                self._table = np.concatenate([self._table, np.empty_like(self._table)])

    def _cut(self) -> None:
        """Keep the best of what is there."""
        rows = self._table[: self._count]
        if self._count > self._most:
            values = rows[:, 0]
            self._limit = np.partition(values, self._most - 1)[self._most - 1]
            last = np.nonzero(values == self._limit)[0]
            missing = self._most - np.count_nonzero(values < self._limit)
            last = last[np.argsort(rows[last, 1], kind="stable")[:missing]]
            kept = np.concatenate([rows[values < self._limit], rows[last]])
            self._table[: self._most] = kept
            self._count = self._most

    def table(self) -> np.ndarray:
        """Return the table, the best first."""
        self._cut()
        rows = self._table[: self._count]
        return rows[np.lexsort((rows[:, 1], rows[:, 0]))]
