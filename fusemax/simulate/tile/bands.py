"""Conditions of a body (masks, windows) as a band between two roots, in numbers; and the points that it leaves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.cascade.ir import affine
from fusemax.language.syntax import Condition, Expression
from fusemax.language.value import finite_value_of
from fusemax.mapping.nest import Body, Mapped, Root
from fusemax.simulate.tile.geometry import Geometry, is_gather
from fusemax.simulate.tile.values import Point

FAR = 1 << 60
ROWS_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Band:
    """Points with ``low <= column + sign*row <= high``, sign -1 (a mask, a window) or 1 (a sum); row and column are roots."""

    row: str
    column: str
    low: int
    high: int
    sign: int

    def columns_of(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first and the last column that rows *first* to *last* have points in."""
        if self.sign > 0:
            return self.low - last, self.high - first
        return first + self.low, last + self.high

    def bounds(self, geometry: Geometry, index: Expression, size: float, known: Mapping[str, float]) -> bool:
        """Return whether *index*, into a rank of *size*, lies outside where the band leaves nothing; *known* are sizes."""
        parts = None if is_gather(index) else affine(index)
        if parts is None:
            return False
        factors, rest = parts
        terms = {v: 1.0 if f is None else finite_value_of(f, known) for v, f in factors.items()}
        signs = _signs(geometry, terms)
        if signs is None or set(signs) != {self.row, self.column}:
            return False
        rising, start = signs[self.column], 0.0 if rest is None else finite_value_of(rest, known)
        low, high = (self.low, self.high) if rising > 0 else (-self.high, -self.low)
        return signs[self.row] * rising == self.sign and low + start <= 0 and high + start >= size - 1


def band_of(mapped: Mapped, geometry: Geometry, point: Point, body: Body) -> Band | None:
    """Return the band that the conditions of *body* are; None where they are none, or of several kinds.

    An Einsum without conditions is skipped with the others.
    """
    found = {e.conditions for e in map(mapped.einsum, body.einsums) if e.conditions}
    bands = {_band(geometry, point, conditions) for conditions in found}
    return bands.pop() if len(bands) == 1 else None


def _band(geometry: Geometry, point: Point, conditions: Collection[Condition]) -> Band | None:
    low, high = -FAR, FAR
    ties: set[tuple[str, str, int]] = set()
    for condition in conditions:
        tie = _tie(geometry, point, condition)
        if tie is None:
            return None
        row, column, sign, limit, upper = tie
        ties.add((row, column, sign))
        high = min(high, limit) if upper or condition.comparison == "==" else high
        low = max(low, limit) if not upper or condition.comparison == "==" else low
        if len(ties) > 1:
            return None
    ((row, column, sign),) = ties
    return Band(row, column, low, high, sign) if low <= high else Band(row, column, FAR, -FAR, sign)


def _tie(geometry: Geometry, point: Point, condition: Condition) -> tuple[str, str, int, int, bool] | None:
    """Return ``(row, column, sign, limit, upper)``: column + sign*row is at most *limit*, or at least, when not *upper*.

    None for a condition of another kind.
    """
    left, right = affine(condition.left), affine(condition.right)
    if left is None or right is None or condition.comparison not in ("<=", "<", ">=", ">", "=="):
        return None
    known = {**point.known, **{digit.upper(): float(size) for digit, size in geometry.tiles.items()}}
    terms: dict[str, float] = {}
    constant = 0.0
    for side, (factors, rest) in ((1.0, left), (-1.0, right)):
        constant -= side * (0.0 if rest is None else finite_value_of(rest, known))
        for variable, factor in factors.items():
            terms[variable] = terms.get(variable, 0.0) + side * (
                1.0 if factor is None else finite_value_of(factor, known)
            )
    signs = _signs(geometry, {v: f for v, f in terms.items() if f})
    if signs is None or len(signs) != 2 or constant != round(constant):
        return None
    (row, one), (column, other) = sorted(signs.items(), reverse=True)
    limit = round(constant) * other
    upper = (condition.comparison in ("<=", "<", "==")) == (other > 0)
    strict = {"<": -1, ">": 1}.get(condition.comparison, 0) * other
    return row, column, one * other, limit + strict, upper


def _signs(geometry: Geometry, terms: Mapping[str, float]) -> dict[str, int] | None:
    """Return 1 or -1 for each root whose position, whole, is in *terms*; None when something else is."""
    left = dict(terms)
    signs: dict[str, int] = {}
    for root in geometry.nest.roots.values():
        mine = _position(geometry, root, left)
        if not mine:
            continue
        sign = 1 if next(iter(mine.values())) * left[next(iter(mine))] > 0 else -1
        if any(left.pop(variable) != sign * factor for variable, factor in mine.items()):
            return None
        signs[root.name] = sign
    return None if left else signs


def _position(geometry: Geometry, root: Root, terms: Mapping[str, float]) -> dict[str, float]:
    """Return by what the variables of *root* are multiplied in its position; nothing when *terms* do not hold it."""
    if root.name in terms:
        return {root.name: 1.0}
    names = [digit.name for digit in root.digits]
    return {name: float(geometry.unit(name)) for name in names} if all(n in terms for n in names) else {}


def tile_of(geometry: Geometry, root: str, digits: Collection[str]) -> int:
    """Return the elements of the tiles of *root* that *digits* name: all that lies inside the innermost of them."""
    mine = [digit.name for digit in geometry.nest.roots[root].digits if digit.name in digits]
    return geometry.unit(mine[-1]) if mine else geometry.sizes[root]


def pairs_left(geometry: Geometry, band: Band, digits: Collection[str]) -> int:
    """Return how many pairs of a tile of rows and one of columns, as *digits* name them, hold a point: row by row."""
    rows, columns = geometry.sizes[band.row], geometry.sizes[band.column]
    tall, wide = (tile_of(geometry, root, digits) for root in (band.row, band.column))
    count = 0
    tiles = -(-rows // tall)
    for start in range(0, tiles, ROWS_AT_ONCE):
        first = np.arange(start, min(tiles, start + ROWS_AT_ONCE), dtype=np.int64) * tall
        last = np.minimum(first + tall, rows) - 1
        low, high = band.columns_of(first, last)
        low, high = np.maximum(low, 0), np.minimum(high, columns - 1)
        count += int(np.where(low <= high, high // wide - low // wide + 1, 0).sum())
    return count


def pairs_by_kind(
    band: Band, tiles: tuple[int, int], rows: np.ndarray, columns: np.ndarray, ends: Sequence[int]
) -> np.ndarray:
    """Return, for each pair of ranges, how many pairs of *tiles* (of rows, of columns) in them hold a point of the band.

    *rows* and *columns* are int64[ranges, 2], first and last of each; *ends* the last row and column if the tile that they are
    in is short, else -1. The answer is int64[ranges, row tile short, column tile short].
    """
    tall, wide = tiles
    found = np.zeros((len(rows), 2, 2), np.int64)
    most = int(((rows[:, 1] - rows[:, 0]) // tall).max(initial=0)) + 1
    for step in range(most):
        first = rows[:, 0] + step * tall
        last = np.minimum(first + tall - 1, rows[:, 1])
        low, high = band.columns_of(first, last)
        low, high = np.maximum(low, columns[:, 0]), np.minimum(high, columns[:, 1])
        inside = (low <= high) & (first <= last)
        count = np.where(inside, high // wide - low // wide + 1, 0)
        short = (inside & (high // wide == ends[1] // wide) & (ends[1] >= 0)).astype(np.int64)
        row_short = last == ends[0]
        for kind, number in ((0, count - short), (1, short)):
            found[:, 0, kind] += np.where(row_short, 0, number)
            found[:, 1, kind] += np.where(row_short, number, 0)
    return found
