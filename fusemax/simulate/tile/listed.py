"""Words listed task by task: which elements of a tensor accesses mean, where no closed form of ranges says it.

So for tiles of which conditions leave a part, for tensors of chunks whose last one is short (``CG[i1,j0]``), and for elements
that another tensor names beside others (``K[e,T[p,j]]``: each point is taken for another element).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.cascade.ir import is_variable
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Access, Expression, names
from fusemax.mapping.nest import Mapped
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.geometry import Geometry, is_gather
from fusemax.simulate.tile.grid import Grid, grid_of
from fusemax.simulate.tile.visits import Visits

MOST_LISTED = 1 << 28  #: tasks times elements of one tensor


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers by task: ``data`` at the sum of the digits of a stream's loops times ``strides``."""

    strides: tuple[int, ...]
    data: tuple[int, ...]

    def numbers(self) -> list[int]:
        """Return the table as the clock reads it: a 0, where shares have the number of their boxes, strides, and the data."""
        return [0, *self.strides, *[0] * (clock.WIDTH - len(self.strides)), *self.data]


def table_of(data: np.ndarray) -> Table:
    """Return *data*, an array with an axis for each loop of a stream, as a table without axes along which nothing changes."""
    for axis in range(data.ndim):
        first = data.take([0], axis=axis)
        if bool((data == first).all()):
            data = first
    strides = [0] * data.ndim
    step = 1
    for axis in reversed(range(data.ndim)):
        strides[axis] = step if data.shape[axis] > 1 else 0
        step *= data.shape[axis]
    return Table(tuple(strides), tuple(data.ravel().tolist()))


def trips_of(geometry: Geometry, loops: Collection[str]) -> tuple[int, ...]:
    """Return the most iterations of each of *loops*."""
    return tuple(geometry.points([loop], {}) for loop in loops)


@dataclass(frozen=True, slots=True)
class Listing:
    """The dimensions *dims* of a tensor, whose elements are listed; in those *still* the loops tell a task its one place."""

    mapped: Mapped
    geometry: Geometry
    known: Mapping[str, float]
    tensor: str
    dims: tuple[int, ...]
    still: frozenset[int] = frozenset()

    def elements(
        self, loops: Sequence[str], uses: Sequence[tuple[Access, Visits | None]], blocks: Sequence[Access]
    ) -> np.ndarray:
        """Return bool[iteration of *loops*, element]: whether one of *uses*, where its body is done, means the element.

        *blocks* are all accesses of which elements are told apart, in every call for one tensor the same.
        """
        starts, size = self._blocks(blocks)
        trips = trips_of(self.geometry, loops)
        rows = math.prod(trips)
        if rows * size > MOST_LISTED:
            raise FusemaxError(
                f"nest {self.geometry.nest.name} of mapping {self.mapped.name}: {rows:,} tiles of {size:,} elements of"
                f" {self.tensor} under conditions, more than the simulator lists ({MOST_LISTED:,} together)\n"
                "  hint: simulate smaller sizes, or use 'fusemax cost'"
            )
        seen = np.zeros(rows * size, bool)
        for access, visits in uses:
            indices = self.indices(access)
            digits = {*loops, *(visits.loops if visits is not None else ()), *self._digits(indices)}
            for part in grid_of(self.geometry, digits).parts():
                at = part.number(loops, trips) * size + starts[self._block(indices)]
                there, code = self._codes(part, indices)
                if visits is not None:
                    done = visits.done.ravel()[part.number(visits.loops, visits.done.shape)]
                    there = there & done
                seen[np.broadcast_to(at + code, part.lengths)[np.broadcast_to(there, part.lengths)]] = True
        return seen.reshape(rows, size)

    def apart(self, seen: np.ndarray, blocks: Sequence[Access]) -> np.ndarray:
        """Return *seen* without elements that data name in dimensions of which all is seen anyway; axis 1 has elements."""
        starts, _ = self._blocks(blocks)
        plain = next((one for one in map(self.indices, blocks) if not any(map(is_gather, one))), None)
        if len(starts) < 2 or plain is None:
            return seen
        found = seen.copy()
        first = starts[self._block(plain)]
        sizes = self._counts(plain)
        own = seen[:, first : first + math.prod(sizes)].reshape(len(seen), *sizes)
        for indices in map(self.indices, blocks):
            dims = tuple(1 + k for k, index in enumerate(indices) if is_gather(index))
            if not dims:
                continue
            counts = self._counts(indices)
            whole = np.broadcast_to(own.all(axis=dims, keepdims=True), (len(seen), *counts))
            at = starts[self._block(indices)]
            found[:, at : at + math.prod(counts)] &= ~whole.reshape(len(seen), -1)
        return found

    def indices(self, access: Access) -> tuple[Expression, ...]:
        """Return the indices of *access* in the dimensions that are listed."""
        return tuple(access.indices[dim] for dim in self.dims)

    def roots(self, accesses: Collection[Access]) -> set[str]:
        """Return the roots that the listed indices of *accesses* name."""
        nest = self.geometry.nest
        return {
            nest.root_of(digit).name for access in accesses for digit in self._digits(self.indices(access))
        }

    def _digits(self, indices: Collection[Expression]) -> frozenset[str]:
        return self.geometry.nest.digits_of(n for index in indices for n in names(index) if is_variable(n))

    # --- elements as numbers

    def _block(self, indices: Sequence[Expression]) -> tuple[str, ...]:
        """Return what tells elements apart that data name: of others, the numbers alone do."""
        return tuple(str(index) if is_gather(index) else "" for index in indices)

    def _blocks(self, accesses: Collection[Access]) -> tuple[dict[tuple[str, ...], int], int]:
        """Return where the numbers of each block begin, and how many there are in all."""
        starts: dict[tuple[str, ...], int] = {}
        size = 0
        for indices in map(self.indices, accesses):
            if self._block(indices) not in starts:
                starts[self._block(indices)] = size
                size += math.prod(self._counts(indices))
        return starts, size

    def _sizes(self, indices: Sequence[Expression]) -> list[int]:
        """Return how many values each index may take."""
        return [
            math.prod(trips_of(self.geometry, self._digits([index])))
            if is_gather(index)
            else self._limit(dim)
            for dim, index in zip(self.dims, indices, strict=True)
        ]

    def _counts(self, indices: Sequence[Expression]) -> list[int]:
        """Return how many values of each index are told apart."""
        pairs = zip(self.dims, self._sizes(indices), strict=True)
        return [1 if dim in self.still else size for dim, size in pairs]

    def _limit(self, dim: int) -> int:
        described = self.mapped.cascade.tensors[self.tensor]
        rank = described.ranks[dim]
        return int(self.known[rank]) + (rank == described.generation)

    def _codes(self, part: Grid, indices: Sequence[Expression]) -> tuple[np.ndarray, np.ndarray]:
        """Return which points of *part* mean an element that is there, and its number."""
        there = np.ones((1,) * len(part.roots), bool)
        code = np.zeros((1,) * len(part.roots), np.int64)
        values: dict[int, np.ndarray] = {}
        for dim, index, size in zip(self.dims, indices, self._sizes(indices), strict=True):
            if is_gather(index):
                digits = sorted(self._digits([index]))
                value = part.number(digits, trips_of(self.geometry, digits))
            else:
                value = part.index(index, self.known)
                there = there & (value >= 0) & (value < size)
            values[dim] = value
            if dim not in self.still:
                code = code * size + np.clip(value, 0, size - 1)
        return there & self._before_the_end(values), code

    def _before_the_end(self, values: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return which elements are there where dimensions are the parts of a rank that ends inside of a part."""
        described = self.mapped.cascade.tensors[self.tensor]
        there = np.ones((), bool)
        for root in self.geometry.nest.roots.values():
            parts = [digit.size_name for digit in root.digits]
            if len(parts) < 2 or described.generation in parts or not set(parts) <= set(described.ranks):
                continue
            dims = [described.ranks.index(part) for part in parts]
            if all(dim in values for dim in dims):
                position = values[dims[0]]
                for dim, digit in zip(dims[1:], root.digits[1:], strict=True):
                    position = position * self.geometry.tiles[digit.name] + values[dim]
                there = there & (position < self.geometry.sizes[root.name])
        return there


def listed_dims(
    geometry: Geometry, mapped: Mapped, tensor: str, accesses: Collection[Access], roots: Collection[str],
    also: Collection[int],
) -> tuple[int, ...]:  # fmt: skip
    """Return the dimensions of *tensor* that are listed: those *also*, and all that name one of *roots* or of theirs."""
    described = mapped.cascade.tensors[tensor]
    nest = geometry.nest
    generation = None if described.generation is None else described.ranks.index(described.generation)
    used = {
        dim: {
            nest.root_of(digit).name
            for access in accesses
            for digit in nest.digits_of(n for n in names(access.indices[dim]) if is_variable(n))
        }
        for dim in range(len(described.ranks)) if dim != generation
    }  # fmt: skip
    tied, found = set(roots), set(also)
    while True:
        more = {dim for dim, its in used.items() if its & tied} - found
        found |= more
        before = len(tied)
        tied |= {name for dim in found for name in used[dim]}
        if not more and len(tied) == before:
            return tuple(sorted(found))
