"""What :func:`fusemax.cost.visits.tiles_moved` is given: a kept tile, its loops and roots as one list of values."""

from __future__ import annotations

from collections.abc import Collection

import sympy

from fusemax.cost.extents import Extents, Part
from fusemax.cost.masks import Band, tiles_of
from fusemax.cost.symbols import tiles_moved
from fusemax.mapping.nest import Root

ONE, ZERO = sympy.Integer(1), sympy.Integer(0)
ANY = sympy.Integer(10**14)  #: indices in a row, where nothing ends them


def digits_to(extents: Extents, root: Root, loop: str) -> list[str]:
    """Return the digits of *root* that turn, from the outermost to *loop*."""
    digits = extents.part(root).digits
    return list(digits[: digits.index(loop) + 1])


def spans_of(
    extents: Extents, root: Root, loops: Collection[str], digits: Collection[str], endless: sympy.Expr
) -> tuple[list[str], sympy.Expr, sympy.Expr] | None:
    """Return the *loops* over *root*, the elements that an index of a tensor with *digits* spans, and how many are in a row.

    It spans 0 elements where the tensor has no digit of the root; *endless* are in a row where nothing ends them. None where
    the loops, or the digits that the tensor carries, leave one out.
    """
    part = extents.part(root)
    mine = [digit for digit in part.digits if digit in loops]
    carried = [place for place, digit in enumerate(part.digits) if digit in digits]
    gap = bool(carried) and carried[-1] - carried[0] + 1 != len(carried)
    if gap or tuple(mine) != part.digits[: len(mine)]:
        return None
    if not carried:
        return mine, ZERO, endless
    most = endless
    if carried[0] > 0:
        most = sympy.Mul(*(extents.sizes[part.digits[place]] for place in carried))
    return mine, extents.tile(root, digits_to(extents, root, part.digits[carried[-1]])), most


class Visited:
    """Tiles with *digits* inside *loops*, touched in the tiles of the loops *leaf*, under *band* or none.

    *spread* are the loops over cores that have each a place of its own; none where all share one.
    """

    def __init__(
        self, extents: Extents, digits: Collection[str], loops: Collection[str], leaf: Collection[str],
        band: Band | None, spread: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.extents, self.digits, self.leaf, self.band = extents, frozenset(digits), frozenset(leaf), band
        self.spread = frozenset(spread)
        turning = [loop for loop in loops if loop in self._part(loop).digits]
        bound = [n for n, loop in enumerate(turning) if loop in self.digits or loop in self.spread]
        # what turns inside of all of these changes neither tile nor task
        self.loops = turning[: bound[-1] + 1] if bound else []
        names = {extents.nest.root_of(name).name for name in (*self.loops, *self.digits)}
        banded = set() if band is None else {band.row, band.column}
        self.roots = [root for root in extents.nest.roots.values() if root.name in names | banded]

    def _part(self, loop: str) -> Part:
        return self.extents.part(self.extents.nest.root_of(loop))

    def words(
        self, otherwise: sympy.Expr, cores: sympy.Expr = ONE, sharing: sympy.Expr | None = None
    ) -> sympy.Expr | None:
        """Return the words that come to the place, or to those of *cores*; None where digits with gaps between them hide them.

        With too many visits that is *otherwise*; also on one core, and where no more tasks than cores are *sharing* a tile.
        """
        rows = [self._root(root) for root in self.roots]
        if any(row is None for row in rows) or not self._band_is_whole():
            return None
        values = [value for row in rows if row is not None for value in row]
        for loop in self.loops:
            root = self.extents.nest.root_of(loop)
            flags = (loop in self.digits, loop in self.spread)
            inner = self.extents.tile(root, digits_to(self.extents, root, loop))
            values += [sympy.Integer(self.roots.index(root)), inner, *map(sympy.Integer, map(int, flags))]
        numbers = (sympy.Integer(len(rows)), sympy.Integer(len(self.loops)))
        known = -ONE if sharing is None else sharing
        return tiles_moved(otherwise, cores, *self._band_values(), *numbers, known, *values)

    def _band_values(self) -> tuple[sympy.Expr, ...]:
        if self.band is None:
            return (ZERO, ZERO, ONE, -ONE, -ONE)
        names = [root.name for root in self.roots]
        places = (sympy.Integer(names.index(self.band.row)), sympy.Integer(names.index(self.band.column)))
        return (self.band.low, self.band.high, sympy.Integer(self.band.sign), *places)

    def _root(self, root: Root) -> tuple[sympy.Expr, ...] | None:
        """Return the values of one root; None where its loops, or the digits that the tensor carries, leave one out."""
        found = spans_of(self.extents, root, self.loops, self.digits, ANY)
        if found is None:
            return None
        mine, span, most = found
        part = self.extents.part(root)
        touched = tiles_of(self.extents, root, self.leaf & set(part.digits))
        if touched is None:
            return None
        return part.size, touched.size, span, most, sympy.Integer(int(self._is_alike(root, mine)))

    def _is_alike(self, root: Root, mine: list[str]) -> bool:
        """Return whether a loop over *root* has iterations that are all alike, so that three of them tell all."""
        if self.band is not None and root.name in (self.band.row, self.band.column):
            return False
        whole = len(self.extents.part(root).digits) == 1 and len(mine) == 1
        return whole and (mine[0] in self.digits or mine[0] not in self.spread)

    def _band_is_whole(self) -> bool:
        """Return whether a tile that carries rows and columns is moved by every loop over them, in whole tiles of rows."""
        if self.band is None:
            return True
        digits = {
            name: self.extents.part(self.extents.nest.roots[name]).digits
            for name in (self.band.row, self.band.column)
        }
        if not all(set(found) & self.digits for found in digits.values()):
            return True
        return all(digit in self.digits for found in digits.values() for digit in found)
