"""Which iterations of the loops around a body are done, listed: where conditions are no band between two whole ranks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.cascade.ir import Einsum, is_variable
from fusemax.errors import FusemaxError
from fusemax.language.syntax import names
from fusemax.mapping.nest import Body, Mapped
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.grid import Grid, grid_of
from fusemax.simulate.tile.values import Point
from fusemax.simulate.tile.wanted import BITS

MOST_VISITS = 1 << 25  #: iterations of the loops that move what conditions name
COMPARED: Mapping[str, np.ufunc] = {
    "<=": np.less_equal, "<": np.less, ">=": np.greater_equal, ">": np.greater, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Visits:
    """Iterations of ``loops`` that are done: an array of bool with an axis for each loop."""

    loops: tuple[str, ...]
    done: np.ndarray

    def inside(self, loops: Sequence[str]) -> Visits:
        """Return in which iterations of those among *loops*, in their order, something is done."""
        mine = [loop for loop in loops if loop in self.loops]
        gone = tuple(k for k, loop in enumerate(self.loops) if loop not in mine)
        left = [loop for loop in self.loops if loop in mine]
        done = self.done.any(axis=gone) if gone else self.done
        return Visits(tuple(mine), np.asarray(done).transpose([left.index(loop) for loop in mine]))

    def record(self, depth: int) -> np.ndarray:
        """Return a bit for each iteration of the first *depth* loops: whether something is done in it."""
        done = self.done.any(axis=tuple(range(depth, len(self.loops)))).ravel()
        bits = np.zeros(-(-len(done) // BITS) * BITS, np.int64)
        bits[: len(done)] = done
        return (bits.reshape(-1, BITS) << np.arange(BITS)).sum(axis=1)


def either(geometry: Geometry, several: Iterable[Visits], loops: Sequence[str]) -> Visits:
    """Return the iterations of *loops* in which one of *several* does something, of all loops that they name."""
    inside = [one.inside(loops) for one in several]
    mine = tuple(loop for loop in loops if any(loop in one.loops for one in inside))
    done = np.zeros(_trips(geometry, mine), bool)
    for one in inside:
        shape = [size if loop in one.loops else 1 for loop, size in zip(mine, done.shape, strict=True)]
        done |= one.done.reshape(shape)
    return Visits(mine, done)


def _trips(geometry: Geometry, loops: Iterable[str]) -> tuple[int, ...]:
    return tuple(geometry.points([loop], {}) for loop in loops)


def named_digits(geometry: Geometry, einsum: Einsum) -> frozenset[str]:
    """Return the digits that the conditions of *einsum* name."""
    sides = [side for condition in einsum.conditions for side in (condition.left, condition.right)]
    return geometry.nest.digits_of(n for side in sides for n in names(side) if is_variable(n))


def named_roots(geometry: Geometry, einsum: Einsum) -> tuple[str, ...]:
    """Return the roots of what the conditions of *einsum* name."""
    return tuple(sorted({geometry.nest.root_of(digit).name for digit in named_digits(geometry, einsum)}))


def visits_of(mapped: Mapped, geometry: Geometry, point: Point, body: Body) -> Visits:
    """Return the iterations of *body* in which a condition of one of its Einsums leaves a point.

    Raises
    ------
    FusemaxError
        For a condition that is no sum of ranks and sizes, and for more points or iterations than are listed.
    """
    masked = {e.conditions: e for e in map(mapped.einsum, body.einsums) if e.conditions}
    found = [_visits_of(mapped, geometry, point, body.loops, einsum) for einsum in masked.values()]
    return either(geometry, found, body.loops)


def _visits_of(
    mapped: Mapped, geometry: Geometry, point: Point, loops: Sequence[str], einsum: Einsum
) -> Visits:
    roots = named_roots(geometry, einsum)
    mine = tuple(loop for loop in loops if geometry.nest.root_of(loop).name in roots)
    trips = _trips(geometry, mine)
    size = 1
    for count in trips:
        size *= count
    if size > MOST_VISITS:
        raise FusemaxError(
            f"nest {geometry.nest.name}: {size:,} iterations of {', '.join(mine)} under the condition of {einsum.name}, more"
            f" than the simulator lists ({MOST_VISITS:,})\n  hint: simulate smaller sizes, or use 'fusemax cost'"
        )
    done = np.zeros(size, bool)
    for part in grid_of(geometry, {*named_digits(geometry, einsum), *mine}).parts():
        left = left_by(mapped, geometry, point, einsum, part)
        done[np.broadcast_to(part.number(mine, trips), part.lengths)[left]] = True
    return Visits(mine, done.reshape(trips))


def left_by(mapped: Mapped, geometry: Geometry, point: Point, einsum: Einsum, grid: Grid) -> np.ndarray:
    """Return which points of *grid* the conditions of *einsum* leave.

    Raises
    ------
    FusemaxError
        For a condition that is no sum of ranks and sizes.
    """
    known = {**point.known, **{digit.upper(): float(size) for digit, size in geometry.tiles.items()}}
    left = np.ones(grid.lengths, bool)
    for condition in einsum.conditions:
        one, other = grid.of(condition.left, known), grid.of(condition.right, known)
        if one is None or other is None or condition.comparison not in COMPARED:
            raise FusemaxError(
                f"mapping {mapped.name} cannot be simulated tile by tile: {einsum.name} has the condition {condition}, no"
                " comparison of sums of ranks and sizes"
            )
        left &= COMPARED[condition.comparison](one, other)
    return left


def points_done(
    mapped: Mapped, geometry: Geometry, point: Point, einsum: Einsum, digits: Collection[str]
) -> int:
    """Return how many different values *digits* of the named ranks take at points that *einsum*'s conditions leave."""
    roots = named_roots(geometry, einsum)
    mine = sorted(d for d in digits if geometry.nest.root_of(d).name in roots)
    trips = _trips(geometry, mine)
    size = 1
    for count in trips:
        size *= count
    grid = grid_of(geometry, {*named_digits(geometry, einsum), *mine})
    seen = np.zeros(size, bool) if size <= MOST_VISITS else None
    codes: list[np.ndarray] = []
    for part in grid.parts():
        left = left_by(mapped, geometry, point, einsum, part)
        number = np.broadcast_to(part.number(mine, trips), part.lengths)[left]
        if seen is not None:
            seen[number] = True
        else:
            codes.append(np.unique(number))
    return int(seen.sum()) if seen is not None else len(np.unique(np.concatenate(codes)))
