"""The best of a stream of points: the Pareto front, or the first few by one measure; exact, whatever the order of the blocks.

Both keep a small table, float64[rows, measures + 2]: the measures (less is better), the number of the point, and how many
points had the same measures. Of equal points the one with the lowest number stays.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = "int64(float64[:, ::1], int64, float64[:, :], float64[::1], float64[::1], int64)"


@njit(BLOCK, cache=True, nogil=True)
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


@njit("int64(float64[:, ::1], int64, float64[:, :], float64[::1], float64[::1])", cache=True, nogil=True)
def _add_to_best(table, count, measures, numbers, weights):  # pragma: no cover - compiled
    """Put points into the table of the best by the first measure, kept in order; return how many it holds."""
    most = table.shape[0]
    for point in range(measures.shape[1]):
        mine = measures[0, point]
        if weights[point] == 0.0 or (count == most and mine > table[count - 1, 0]):
            continue
        row = count
        while row > 0 and (
            mine < table[row - 1, 0] or (mine == table[row - 1, 0] and numbers[point] < table[row - 1, 1])
        ):
            row -= 1
        if row == most:
            continue
        count = min(count + 1, most)
        for below in range(count - 1, row, -1):
            for column in range(3):
                table[below, column] = table[below - 1, column]
        table[row, 0] = mine
        table[row, 1] = numbers[point]
        table[row, 2] = weights[point]
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
    """The first *most* points by one measure; of equal ones those with the lowest numbers."""

    def __init__(self, most: int) -> None:
        self._table = np.empty((most, 3))
        self._count = 0

    def add(self, measures: np.ndarray, numbers: np.ndarray, weights: np.ndarray) -> None:
        """Take points in, as :meth:`Front.add` does; the first measure counts."""
        self._count = _add_to_best(self._table, self._count, measures, numbers, weights)

    def table(self) -> np.ndarray:
        """Return the table, the best first."""
        return self._table[: self._count].copy()
