"""Whether a kept tile that conditions cut stays from one iteration of a loop around it to the next, which wants more of it.

A loop that names another tile may have one tile left in an iteration of a loop around it. It then stays for the next one,
in which other elements of it are wanted: what a band touches of it in one iteration is not what comes while it stays.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.simulate.tile.bands import Band
from fusemax.simulate.tile.cores import Members
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.stays import belong
from fusemax.simulate.tile.streams import DRAIN, Stream

MOST_TASKS = 1 << 22  #: iterations of the loops around the innermost that changes a tile
LIKE_ANY = 2  #: iterations of a loop that names nothing that a condition ties
Range = tuple[np.ndarray, np.ndarray]  #: first and last element, by iteration


@dataclass(frozen=True, slots=True)
class Kept:
    """A transfer under bands: ``depth`` loops down to the innermost that changes its tile; each band with its bodies' tiles.

    ``of_columns`` says whether bands leave a range of the tile's columns; else of its rows.
    """

    geometry: Geometry
    stream: Stream
    depth: int
    tiled: Sequence[tuple[Band, int, int]]
    of_columns: bool
    members: Members | None

    def goes_on_otherwise(self) -> bool:
        """Return whether a tile stays for an iteration that wants more of it than the one that it is counted in.

        True also where that takes more iterations than are listed.
        """
        if not self.depth:
            return False  # it is one tile throughout
        inner = self.stream.loops[self.depth - 1]
        spread = self.members.spread if self.members is not None else ()
        listed = inner in spread
        if not listed and self._root(inner) not in self._tied:
            return False  # that one comes to another tile each time
        loops = self.stream.loops[: self.depth if listed else self.depth - 1]
        digits = self._digits(loops, spread)
        if digits is None:
            return True
        around = {root: self._span(root, loops, digits) for root in self._tied}
        first, last = self._left(around, None if listed else inner)
        there = first <= last
        digits, first, last = digits[there], first[there], last[there]
        around = {root: (span[0][there], span[1][there]) for root, span in around.items()}
        own = [k for k, loop in enumerate(loops) if loop in self.stream.own]
        same = (digits[1:, own] == digits[:-1, own]).all(axis=1)
        if not listed:
            same &= last[:-1] == first[1:]
        if not same.any():
            return False
        before = self._touched(around, None if listed else inner, last)
        after = self._touched(around, None if listed else inner, first)
        return any(
            not self._is_told(one, other, same) for one, other in zip(before, after, strict=True)
        )  # fmt: skip

    def _is_told(self, before: Range, after: Range, same: np.ndarray) -> bool:
        """Return whether the task that a stay is counted in, the first (of what leaves: the last), wants all of it."""
        one = before[0][:-1][same], before[1][:-1][same]
        other = after[0][1:][same], after[1][1:][same]
        again = self.stream.again or self.stream.returns  # then earlier, or later, stays matter too
        if (again or self.stream.kind == DRAIN) and not _within(one, other):
            return False
        return (self.stream.kind == DRAIN and not again) or _within(other, one)

    @property
    def _tied(self) -> tuple[str, str]:
        return self.tiled[0][0].row, self.tiled[0][0].column

    def _root(self, loop: str) -> str:
        return self.geometry.nest.root_of(loop).name

    def _digits(self, loops: Sequence[str], spread: Collection[str]) -> np.ndarray | None:
        """Return the digits of the iterations of *loops* in which this core has a task; None where there are too many."""
        trips = [self.geometry.points([loop], {}) for loop in loops]
        shown = [
            n if self._root(loop) in self._tied or loop in spread else min(n, LIKE_ANY)
            for loop, n in zip(loops, trips, strict=True)
        ]
        if math.prod(shown) > MOST_TASKS:
            return None
        digits = np.indices(shown, dtype=np.int64).reshape(len(shown), math.prod(shown)).T
        there = np.ones(len(digits), bool)
        for root in self._tied:
            first, last = self._span(root, loops, digits)
            there &= first <= last
        if self.members is not None and any(loop in spread for loop in loops):
            there &= belong(loops, self.members, digits)
        return digits[there]

    def _span(self, root: str, loops: Sequence[str], digits: np.ndarray) -> Range:
        """Return what *digits* of *loops* leave of *root*."""
        low = np.zeros(len(digits), np.int64)
        extent = np.full(len(digits), self.geometry.sizes[root], np.int64)
        for k, loop in enumerate(loops):
            if self._root(loop) == root:
                unit = self.geometry.unit(loop)
                low += digits[:, k] * unit
                extent = np.minimum(extent - digits[:, k] * unit, unit)
        return low, low + extent - 1

    def _left(self, around: dict[str, Range], inner: str | None) -> Range:
        """Return the first and the last digit of *inner* (of no loop: 0) in which a band has a point; none: last < first."""
        row, column = self._tied
        many = len(around[row][0])
        first, last = np.full(many, 1 << 60, np.int64), np.full(many, -1, np.int64)
        for band, _, _ in self.tiled:
            by_row = inner is not None and self._root(inner) == row
            low, high = _clipped(_partners(band, around, by_row), around[row if by_row else column])
            at, unit = (
                (around[row if by_row else column][0], self.geometry.unit(inner)) if inner else (low, 1)
            )
            there = low <= high
            first = np.where(there, np.minimum(first, (low - at) // unit), first)
            last = np.where(there, np.maximum(last, (high - at) // unit if inner else 0), last)
        return first, last

    def _touched(self, around: dict[str, Range], inner: str | None, digit: np.ndarray) -> list[Range]:
        """Return, by band, what is touched of the tile where *inner* stands at *digit*: whole tiles of the bodies inside."""
        spans = dict(around)
        if inner is not None:
            root, unit = self._root(inner), self.geometry.unit(inner)
            low, high = spans[root]
            spans[root] = low + digit * unit, np.minimum(high, low + digit * unit + unit - 1)
        row, column = self._tied
        found: list[Range] = []
        for band, tall, wide in self.tiled:
            span, tile = (spans[column], wide) if self.of_columns else (spans[row], tall)
            low, high = _clipped(_partners(band, spans, not self.of_columns), span)
            start = np.maximum(span[0], low // tile * tile)
            end = np.minimum(span[1], high // tile * tile + tile - 1)
            found.append((np.where(low <= high, start, 0), np.where(low <= high, end, -1)))
        return found


def _partners(band: Band, spans: dict[str, Range], of_rows: bool) -> Range:
    """Return the columns that have points of *band* with the rows of *spans*, or (*of_rows*) the rows with its columns."""
    first, last = spans[band.column if of_rows else band.row]
    if not of_rows:
        return band.columns_of(first, last)
    return (band.low - last, band.high - first) if band.sign > 0 else (first - band.high, last - band.low)


def _clipped(one: Range, other: Range) -> Range:
    return np.maximum(one[0], other[0]), np.minimum(one[1], other[1])


def _within(one: Range, other: Range) -> bool:
    """Return whether each range of *one* lies in that of *other*."""
    empty = one[0] > one[1]
    return bool((empty | ((one[0] >= other[0]) & (one[1] <= other[1]))).all())
