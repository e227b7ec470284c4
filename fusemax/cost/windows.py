"""Windows: an index that is a sum over several ranks (``K[e,p+w]``) touches fewer elements than its ranks have pairs.

With p in a tile of a and w in one of b it touches a + b - 1 elements, not a*b; where the tensor ends, fewer. Indices that
number the tiles of one rank (``m1*M0+m0``) do not overlap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import sympy

from fusemax.cascade.ir import Cascade, affine
from fusemax.cost.conditions import Mask
from fusemax.cost.extents import ONE, Extents, Part, digits_of
from fusemax.cost.masks import Band, tiles_of
from fusemax.cost.region import Region
from fusemax.cost.symbols import ceildiv, floor, greatest, least, symbol, to_sympy, window_most, window_sum
from fusemax.language.syntax import Access, Name
from fusemax.mapping.nest import Nest, Root

ZERO = sympy.Integer(0)
#: Lowest and highest values of an index.
Bounds = tuple[list[sympy.Expr], list[sympy.Expr]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Elements of a tensor, numbered from 0 to *size*: each line has those that are sums of a start and of steps along roots.

    What is outside is left out; an element of several lines is one. ``each`` has a start and the step along each root by name.
    """

    size: sympy.Expr
    each: tuple[tuple[sympy.Expr, tuple[tuple[str, sympy.Expr], ...]], ...]

    @property
    def roots(self) -> frozenset[str]:
        """The names of all roots along which a line runs."""
        return frozenset(name for _, steps in self.each for name, _ in steps)


@dataclass(frozen=True, slots=True)
class Window:
    """An index over several roots, each with the step that its variable takes, from *start* on, into *size* elements."""

    roots: tuple[Root, ...]
    digits: tuple[frozenset[str], ...]
    steps: tuple[sympy.Expr, ...]
    start: sympy.Expr
    size: sympy.Expr

    def touched(self, extents: Extents, fixed: Collection[str]) -> sympy.Expr:
        """Return the elements of a whole tile, over its pairs; *fixed* are the digits that loops around it hold still."""
        return self.elements(extents, fixed) / greatest(1, self._pairs(extents, fixed))

    def elements(self, extents: Extents, fixed: Collection[str]) -> sympy.Expr:
        """Return the elements of a whole tile, if none lies outside of the tensor; *fixed* are the digits held still."""
        touched: sympy.Expr = ONE
        for root, digits, step in zip(self.roots, self.digits, self.steps, strict=True):
            free = digits - set(fixed)
            apart = (
                extents.tile(root, free) if free else ONE
            )  # where loops stand inside of a digit without one
            touched += abs(step) * apart * (extents.covered(root, free) - 1)
        return least(least(touched, self._pairs(extents, fixed)), self.size)

    def _pairs(self, extents: Extents, fixed: Collection[str]) -> sympy.Expr:
        pairs: sympy.Expr = ONE
        for root, digits in zip(self.roots, self.digits, strict=True):
            pairs *= extents.covered(root, digits - set(fixed))
        return pairs

    def is_exact(self, extents: Extents, fixed: Collection[str]) -> bool:
        """Return whether :meth:`share` is exact."""
        return self._tiles(extents, fixed) is not None

    def most(self, extents: Extents, fixed: Collection[str]) -> sympy.Expr:
        """Return the elements of the largest tile over its pairs: the index may lie outside of the tensor in part."""
        tiles = self._tiles(extents, fixed)
        if tiles is None:
            return self.touched(extents, fixed)
        pairs = self._pairs(extents, fixed)
        most = reduce(greatest, (window_most(self.size, *part) for part in self._upright(tiles)))
        return least(most, pairs) / greatest(1, pairs)

    def share(self, extents: Extents, fixed: Collection[str], again: Collection[str] = ()) -> sympy.Expr:
        """Return the elements of all tiles over all their pairs: exact for two ranks cut from the outside in.

        Pairs come in each iteration of the loops *again*, also of those that do not move them.
        """
        ended = self._ended(extents)
        if ended is not None:
            return ended
        turned = self._turned(extents, again)
        if turned is not None:
            return turned
        tiles = self._tiles(extents, fixed)
        if tiles is None:
            over_all = self._over_all(extents)
            return self.touched(extents, fixed) if over_all is None else over_all
        total = sum((window_sum(self.size, *part) for part in self._upright(tiles)), ZERO)
        return total / greatest(1, tiles[1] * tiles[4])

    def _tiles(self, extents: Extents, fixed: Collection[str]) -> list[sympy.Expr] | None:
        """Return step, size and tile of both roots; None where the tiles of one are not known, or where one is held still."""
        tiles = [
            tiles_of(extents, root, digits & set(fixed))
            for root, digits in zip(self.roots, self.digits, strict=True)
        ]
        held = any(root.name in extents.parts for root in self.roots)
        if held or len(tiles) != 2:
            return None
        values: list[sympy.Expr] = []
        for root, digits, step, found in zip(self.roots, self.digits, self.steps, tiles, strict=True):
            inner = extents.tile(root, digits)  # what lies inside of the digits that the index has
            if found is None or (inner != ONE and set(extents.part(root).digits[: len(digits)]) != digits):
                return None
            size = ceildiv(extents.part(root).size, inner)
            values += [step, size, found.size / inner if digits & set(fixed) else size]
        return values

    def _ended(self, extents: Extents) -> sympy.Expr | None:
        """Return the share where a tile of the first root is held still, at whose end the second one ends; else None."""
        end = self.ends()
        if end is None:
            return None
        outer = [root.name for root in self.roots].index(end[0])
        root, other = self.roots[outer], self.roots[1 - outer]
        part = extents.part(root)
        if (
            root.name not in extents.parts
            or set(part.digits) & self.digits[outer]
            or other.name in extents.parts
        ):
            return None
        length = extents.covered(other, self.digits[1 - outer])
        return least(length, part.size) / greatest(1, length)

    def _over_all(self, extents: Extents) -> sympy.Expr | None:
        """Return the share of two roots of which the second ends with tiles of the first; None where they are held still.

        However loops cut both, each element is in one tile.
        """
        end = self.ends()
        if end is None or any(root.name in extents.parts for root in self.roots):
            return None
        outer = [root.name for root in self.roots].index(end[0])
        length = extents.covered(self.roots[1 - outer], self.digits[1 - outer])
        whole = floor(self.size / self.steps[outer])
        last = least(length, self.size - whole * self.steps[outer])
        tiles = extents.covered(self.roots[outer], self.digits[outer])
        return (whole * length + last) / greatest(1, tiles * length)

    def _turned(self, extents: Extents, again: Collection[str]) -> sympy.Expr | None:
        """Return the share where loops among *again* run inside of a tile of the first root, at whose end the second one ends.

        In the last tile, a short one, these turn less often as well. None where there are none, or where roots are held still.
        """
        end = self.ends()
        if end is None or any(root.name in extents.parts for root in self.roots):
            return None
        outer = [root.name for root in self.roots].index(end[0])
        root, step = self.roots[outer], self.steps[outer]
        inside = tuple(digit.name for digit in root.digits if digit.name not in self.digits[outer])
        turning = set(inside) & set(again)
        if not turning:
            return None

        def turns(size: sympy.Expr) -> sympy.Expr:
            parts = {**extents.parts, root.name: Part(inside, size)}
            return replace(extents, parts=parts).covered(root, turning)

        length = extents.covered(self.roots[1 - outer], self.digits[1 - outer])
        whole = floor(self.size / step)
        rest = self.size - whole * step
        pairs = extents.covered(root, self.digits[outer] | turning) * length
        return (whole * turns(step) * length + turns(rest) * least(length, rest)) / greatest(1, pairs)

    def all_digits(self) -> frozenset[str]:
        """Return the digits of all roots that the index uses."""
        return frozenset[str]().union(*self.digits)

    def line(self) -> Lines:
        """Return the window as a line of its own."""
        steps = zip((root.name for root in self.roots), self.steps, strict=True)
        return Lines(self.size, ((self.start, tuple(steps)),))

    def ends(self) -> tuple[str, str] | None:
        """Return two roots, if the second runs over a tile of the first, where that one ends (``K[n1*N0+u]``: n and u)."""
        if len(self.roots) != 2 or self.start != 0:
            return None
        for k, (root, digits) in enumerate(zip(self.roots, self.digits, strict=True)):
            names = [digit.name for digit in root.digits]
            inner: sympy.Expr = ONE
            for digit in names[len(digits) :]:
                inner *= symbol(digit.upper())
            outer = digits == set(names[: len(digits)]) and len(digits) < len(names)
            if outer and self.steps[k] == inner and self.steps[1 - k] == 1:
                return root.name, self.roots[1 - k].name
        return None

    def is_inside_of(self, mask: Mask) -> bool:
        """Return whether *mask* holds just those points whose index the tensor has, at its beginning, its end or both."""
        bounds = self._bounds_of_band(mask) if isinstance(mask, Band) else self._bounds_of_region(mask)
        if bounds is None:
            return False
        low, high = bounds
        return all(sympy.expand(one) == 0 for one in low) and all(
            sympy.expand(one + 1 - self.size) == 0 for one in high
        )

    def _bounds_of_band(self, band: Band) -> Bounds | None:
        """Return between what *band* keeps the index: its lowest and highest values, as far as it has any."""
        roots = [root.name for root in self.roots]
        if sorted(roots) != sorted((band.row, band.column)):
            return None
        row, column = (self.steps[roots.index(name)] for name in (band.row, band.column))
        if abs(column) != 1 or row != -band.sign * column:
            return None
        rows, columns = symbol(band.row.upper()), symbol(band.column.upper())
        ends = (
            (-rows, columns) if band.sign > 0 else (ZERO, columns + rows)
        )  # what a band without a bound has
        low, high = (
            [] if one == end else [one] for one, end in zip((band.low, band.high), ends, strict=True)
        )
        if column < 0:
            low, high = [-one for one in high], [-one for one in low]
        return [self.start + one for one in low], [self.start + one for one in high]

    def _bounds_of_region(self, region: Region) -> Bounds | None:
        """Return between what *region* keeps the index; None if its rows compare anything else."""
        roots = [root.name for root in self.roots]
        if sorted(axis.root for axis in region.axes) != sorted(roots):
            return None
        if any(self.digits[roots.index(axis.root)] != {*axis.digits} for axis in region.axes):
            return None
        steps = [self.steps[roots.index(axis.root)] for axis in region.axes]
        low: list[sympy.Expr] = []
        high: list[sympy.Expr] = []
        for row in region.rows:
            if all(sympy.expand(a - b) == 0 for a, b in zip(row.steps, steps, strict=True)):
                high.append(self.start + row.bound)
            elif all(sympy.expand(a + b) == 0 for a, b in zip(row.steps, steps, strict=True)):
                low.append(self.start - row.bound)
            elif any(row.steps):
                return None
        return low, high

    def _upright(self, tiles: Sequence[sympy.Expr]) -> Iterator[tuple[sympy.Expr, ...]]:
        """Yield *tiles* with the start before them, as parts in which no step is below zero.

        An index that falls along one rank rises when that is counted from the end; whole tiles of it and the last, ragged one
        are parts of their own. One that falls along both is counted from the end of the tensor.
        """
        step, rows, tile, other, columns, wide = tiles
        if step.is_negative and other.is_negative:
            yield self.size - 1 - self.start, -step, rows, tile, -other, columns, wide
            return
        if step.is_negative:
            step, rows, tile, other, columns, wide = other, columns, wide, step, rows, tile
        if not other.is_negative:
            yield (self.start, *tiles)
            return
        whole = floor(columns / wide) * wide
        yield self.start + other * (whole - 1), step, rows, tile, -other, whole, wide
        if wide not in (ONE, columns):
            yield self.start + other * (columns - 1), step, rows, tile, -other, columns - whole, wide


def windows_among(nest: Nest, cascade: Cascade, accesses: Iterable[Access]) -> tuple[Window, ...]:
    """Return the windows among the indices of *accesses*."""
    return tuple(window for access in accesses for window in windows_of(nest, cascade, access))


def unshifted(windows: Sequence[Window]) -> Collection[Window]:
    """Return *windows*, the first one of those that are shifted against each other."""
    return {(window.digits, window.steps): window for window in reversed(windows)}.values()


def windows_of(nest: Nest, cascade: Cascade, access: Access) -> Iterator[Window]:
    """Yield the windows among the indices of *access*."""
    ranks = cascade.tensors[access.tensor].ranks
    for index, rank in zip(access.indices, ranks, strict=True):
        terms = None if isinstance(index, Name) else affine(index)
        if terms is None or len(terms[0]) < 2:
            continue
        roots = tuple(nest.roots.get(v) or nest.root_of(v) for v in terms[0])
        if len({root.name for root in roots}) < len(terms[0]):
            continue
        yield Window(
            roots,
            tuple(digits_of(nest, (variable,)) for variable in terms[0]),
            tuple(ONE if step is None else to_sympy(step) for step in terms[0].values()),
            sympy.Integer(0) if terms[1] is None else to_sympy(terms[1]),
            symbol(rank),
        )
    yield from _over_parts(nest, cascade, access)


def _over_parts(nest: Nest, cascade: Cascade, access: Access) -> Iterator[Window]:
    """Yield what ``C[n1,u]`` is for a tensor with the ranks N1 and N0: it ends with rank N, as ``K[n1*N0+u]`` does."""
    ranks = cascade.tensors[access.tensor].ranks
    names = {
        rank: index.name for rank, index in zip(ranks, access.indices, strict=True) if isinstance(index, Name)
    }
    for root in nest.roots.values():
        if len(root.digits) != 2:
            continue
        digits = [digit.name for digit in root.digits]
        outer = all(names.get(digit.upper()) == digit for digit in digits[:-1])
        last = nest.roots.get(names.get(digits[-1].upper(), ""))
        if outer and last is not None and last.name != root.name:
            steps = (symbol(digits[-1].upper()), ONE)
            mine = (digits_of(nest, digits[:1]), digits_of(nest, (last.name,)))
            yield Window((root, last), mine, steps, sympy.Integer(0), symbol(root.size_name))
