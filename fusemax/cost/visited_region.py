"""What :func:`fusemax.cost.lattice_visits.region_moved` is given: a kept tile under a region as one list of values."""

from __future__ import annotations

from collections.abc import Collection

import sympy

from fusemax.cost.extents import ONE, Extents
from fusemax.cost.region import Region
from fusemax.cost.symbols import least, region_moved
from fusemax.cost.visited import digits_to, spans_of
from fusemax.cost.windows import Lines
from fusemax.mapping.nest import Root

ZERO = sympy.Integer(0)


class Inside:
    """Tiles with *digits* inside *loops*, touched in the tiles of the loops *leaf*, under *region*.

    *spread* are the loops over cores that have each a place of its own; none where all share one. Of *lines* each
    element is there once. Unless a tile *stays* it comes in each iteration of the loops.
    """

    def __init__(
        self, extents: Extents, digits: Collection[str], loops: Collection[str], leaf: Collection[str],
        region: Region, spread: Collection[str] = (), ends: Collection[tuple[str, str]] = (),
        lines: Lines | None = None, stays: bool = True,
    ) -> None:  # fmt: skip
        self.lines, self.stays = lines, stays
        self.extents, self.digits, self.region = extents, frozenset(digits), region
        self.spread = frozenset(spread)
        self.ends = {second: first for first, second in tuple(ends)[:1]}
        under = {digit.name for axis in region.axes for digit in extents.nest.roots[axis.root].digits}
        own = [loop for loop in loops if self._turns(loop)]
        bound = [n for n, loop in enumerate(own) if loop in {*self.digits, *self.spread, *under}]
        self.own = own if not stays else own[: bound[-1] + 1] if bound else []
        self.touching = [
            loop for loop in leaf if self._turns(loop) and loop not in self.own and loop in under
        ]
        names = {extents.nest.root_of(name).name for name in (*self.loops, *self.digits)}
        names |= {axis.root for axis in region.axes} | set(self.ends.values())
        self.roots = [root for root in extents.nest.roots.values() if root.name in names]

    @property
    def loops(self) -> list[str]:
        """The loops that are visited: those around the tile, then those that touch it."""
        return [*self.own, *self.touching]

    def _turns(self, loop: str) -> bool:
        return loop in self.extents.part(self.extents.nest.root_of(loop)).digits

    def _ends(self) -> tuple[tuple[str, str], ...]:
        return tuple((first, second) for second, first in self.ends.items())

    def once(self) -> sympy.Expr:
        """Return the words of all touched tiles, each once; whole ones where digits with gaps between them hide them."""
        kinds = self.region.kinds(self.extents, set(self.loops) & self.digits, self._ends())
        if kinds is None:
            return self.extents.points(self.digits)
        return sum((count * inside.points(self.digits) for count, inside in kinds), ZERO)

    def words(self, cores: sympy.Expr = ONE) -> sympy.Expr:
        """Return the words that come to the place, or to those of *cores*.

        Of more tiles than can be visited each comes at every visit, or as if there were no region, whichever is less.
        """
        otherwise = self.extents.moved(self.digits, tuple(self.own), stays=True)
        kinds = self.region.kinds(self.extents, self.own, self._ends())
        if kinds is not None:
            every = [count * inside.points({*self.digits, *self.own}) for count, inside in kinds]
            otherwise = least(otherwise, sum(every, ZERO))
        return self.visited(otherwise, cores)

    def visited(self, otherwise: sympy.Expr, cores: sympy.Expr = ONE) -> sympy.Expr:
        """Return what :meth:`words` does, or *otherwise* of more tiles than can be visited."""
        rows = [self._root(root) for root in self.roots]
        if any(row is None for row in rows):
            return otherwise
        values = [value for row in rows if row is not None for value in row]
        for loop in self.loops:
            root = self.extents.nest.root_of(loop)
            moves = loop in self.own and (loop in self.digits or not self.stays)
            flags = (moves, loop in self.spread)
            inner = self.extents.tile(root, digits_to(self.extents, root, loop))
            values += [sympy.Integer(self.roots.index(root)), inner, *map(sympy.Integer, map(int, flags))]
        tile: sympy.Expr = ONE
        for first in self.ends.values():
            for digit in self.extents.nest.roots[first].digits[1:]:
                tile *= self.extents.sizes[digit.name]
        counts = (
            len(self.own),
            len(self.region.axes),
            self.region.last,
            0 if self.lines is None else len(self.lines.each),
            tile,
            len(self.roots),
            len(self.loops),
            0,
        )
        return region_moved(otherwise, cores, *map(sympy.sympify, counts), *values, *self._axes())

    def _of_lines(self) -> tuple[sympy.Expr, ...]:
        """Return how many elements there are, and of each line where it starts, and its step along each root."""
        if self.lines is None:
            return ()
        values = [self.lines.size]
        for start, steps in self.lines.each:
            values += [start, *(dict(steps).get(root.name, ZERO) for root in self.roots)]
        return tuple(values)

    def _axes(self) -> tuple[sympy.Expr, ...]:
        """Return the root of each axis, the elements of a value, how many values there are in a row; the lines; the rows."""
        values: list[sympy.Expr] = []
        for axis in self.region.axes:
            root = self.extents.nest.roots[axis.root]
            values += [sympy.Integer(self.roots.index(root)), *self.region.along(self.extents, axis)]
        return (*values, *self._of_lines(), *self.region.numbers(self.extents))

    def _root(self, root: Root) -> tuple[sympy.Expr, ...] | None:
        """Return the values of one root; None where its loops, or the digits that the tensor carries, leave one out."""
        part = self.extents.part(root)
        found = spans_of(self.extents, root, self.loops, self.digits, part.size)
        if found is None:
            return None
        mine, span, most = found
        ends = ZERO
        if self._runs_over(root):
            if root.name in self.extents.parts:  # where in it a line is, is not known
                return None
            ends = -ONE
        if root.name in self.ends:  # the root of whose tiles it takes one
            ends = ONE + self.roots.index(self.extents.nest.roots[self.ends[root.name]])
        return part.size, ends, span, most, sympy.Integer(int(self._is_alike(root, mine)))

    def _is_alike(self, root: Root, mine: list[str]) -> bool:
        """Return whether a loop over *root* has iterations that are all alike, so that three of them tell all."""
        if self._runs_over(root) or any(axis.root == root.name for axis in self.region.axes):
            return False
        if root.name in self.ends:  # its last iterations may be outside of a short tile
            return False
        whole = len(self.extents.part(root).digits) == 1 and len(mine) == 1
        return whole and (mine[0] in self.digits or mine[0] not in self.spread)

    def _runs_over(self, root: Root) -> bool:
        return self.lines is not None and root.name in self.lines.roots
