"""Conditions of a body as a band between two roots, and the parts of the body's work that it leaves.

A causal mask ``m <= p`` or a window ties two ranks. A body does nothing for a pair of tiles without a point of the band;
a pair that has one is done in full.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import sympy

from fusemax.cascade.ir import affine
from fusemax.cost.extents import ONE, Extents, Part
from fusemax.cost.symbols import band_kinds, band_pairs, ceildiv, greatest, item, symbol, to_sympy
from fusemax.language.syntax import Condition
from fusemax.mapping.nest import Nest, Root


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tiles of one root: their size, and the extents inside a whole one and inside the last, with the places of both.

    The places are those in ``band_kinds`` along this root: 0 for whole tiles, 1 for the last one; both where all are alike.
    """

    size: sympy.Expr
    inside: tuple[tuple[frozenset[int], Part], ...]


@dataclass(frozen=True, slots=True)
class Band:
    """Points with ``low <= column - row <= high``, or of ``column + row`` when *sign* is -1.

    *row* and *column* are roots, the bounds formulas of sizes.
    """

    row: str
    column: str
    low: sympy.Expr
    high: sympy.Expr
    sign: int = 1

    def turned(self) -> Band:
        """Return the same points with rows and columns exchanged."""
        if self.sign < 0:
            return replace(self, row=self.column, column=self.row)
        return Band(self.column, self.row, -self.high, -self.low)

    def kinds(
        self, extents: Extents, digits: Collection[str]
    ) -> tuple[tuple[sympy.Expr, Extents], ...] | None:  # fmt: skip
        """Return the pairs of tiles that the band touches by kind: how many, and the extents inside such a pair.

        *digits* number the tiles, the rest of both roots is inside them. None when they leave out a digit between them.
        """
        rows, columns = (
            tiles_of(extents, extents.nest.roots[name], digits) for name in (self.row, self.column)
        )
        if rows is None or columns is None:
            return None
        sizes = self.sizes(extents, rows.size, columns.size)
        found: list[tuple[sympy.Expr, Extents]] = []
        for row_places, row in rows.inside:
            for column_places, column in columns.inside:
                places = [2 * r + c for r in sorted(row_places) for c in sorted(column_places)]
                count = (
                    band_pairs(*sizes)
                    if len(places) == 4
                    else sum((item(band_kinds(*sizes), place) for place in places), sympy.Integer(0))
                )
                parts = {**extents.parts, self.row: row, self.column: column}
                found.append((count, replace(extents, parts=parts)))
        return tuple(found)

    def differences(
        self, extents: Extents, loops: Collection[str], dropped: Collection[str]
    ) -> tuple[tuple[sympy.Expr, ...], sympy.Expr]:
        """Return the bounds of the difference between the root of *dropped* loops and the other one, and the tiles of this."""
        names = {extents.nest.root_of(loop).name for loop in dropped}
        other = {self.row, self.column} - names
        if self.sign < 0 or len(other) != 1:
            return (), ONE
        tiles = tiles_of(extents, extents.nest.roots[other.pop()], loops)
        return (self.high, -self.low), ONE if tiles is None else tiles.size

    def sizes(
        self, extents: Extents, row_tile: sympy.Expr, column_tile: sympy.Expr
    ) -> tuple[sympy.Expr, ...]:  # fmt: skip
        """Return what the functions of :mod:`fusemax.cost.band` take, for tiles of these sizes."""
        rows, columns = (extents.part(extents.nest.roots[name]).size for name in (self.row, self.column))
        return (rows, row_tile, columns, column_tile, self.low, self.high, sympy.Integer(self.sign))


def tiles_of(extents: Extents, root: Root, digits: Collection[str]) -> Tiles | None:
    """Return the tiles of *root* that *digits* number; None when a digit is missing between them, or outside of them."""
    part = extents.part(root)
    flags = [digit in digits for digit in part.digits]
    depth = sum(flags)
    if not all(flags[:depth]):
        return None
    both = frozenset({0, 1})
    if depth == 0:
        return Tiles(part.size, ((both, part),))
    rest = part.digits[depth:]
    size = extents.tile(root, digits)
    if not rest:
        return Tiles(size, ((both, Part((), ONE)),))
    last = part.size - (ceildiv(part.size, size) - 1) * size
    return Tiles(size, ((frozenset({0}), Part(rest, size)), (frozenset({1}), Part(rest, last))))


class NoBandError(Exception):
    """A condition that is no band between two whole ranks."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(str(condition))
        self.condition = condition


def band_between(nest: Nest, conditions: Iterable[Condition]) -> Band:
    """Return the band of *conditions*; the root that comes first by name is its column.

    Raises
    ------
    NoBandError
        With the first condition that does not tie the same two whole ranks, with steps of one.
    """
    low: list[sympy.Expr] = []
    high: list[sympy.Expr] = []
    pairs: set[tuple[str, str, int]] = set()
    for condition in conditions:
        column, row, sign, offset, upper = _side(nest, condition)
        pairs.add((row, column, sign))
        (high if upper else low).append(offset)
        if condition.comparison == "==":
            (low if upper else high).append(offset)
        if len(pairs) > 1:
            raise NoBandError(condition)
    ((row, column, sign),) = pairs
    least_of_all = -symbol(row.upper()) if sign > 0 else sympy.Integer(0)
    most_of_all = symbol(column.upper()) if sign > 0 else symbol(column.upper()) + symbol(row.upper())
    lowest = greatest(*low) if low else least_of_all
    highest = -greatest(*(-bound for bound in high)) if high else most_of_all
    return Band(row, column, lowest, highest, sign)


def _side(nest: Nest, condition: Condition) -> tuple[str, str, int, sympy.Expr, bool]:
    """Return ``(column, row, sign, offset, upper)``: column - sign*row <= offset, or >= when not *upper*."""
    left, right = affine(condition.left), affine(condition.right)
    if left is None or right is None or condition.comparison not in ("<=", "<", ">=", ">", "=="):
        raise NoBandError(condition)
    terms: dict[str, sympy.Expr] = {}
    for sign, side in ((1, left), (-1, right)):
        for variable, coefficient in side[0].items():
            value = ONE if coefficient is None else to_sympy(coefficient)
            terms[variable] = terms.get(variable, sympy.Integer(0)) + sign * value
    constant = _constant(right) - _constant(left)
    signs = _root_signs(nest, terms, condition)
    if len(signs) != 2:
        raise NoBandError(condition)
    column, row = sorted(signs)
    upper = condition.comparison in ("<=", "<", "==")
    offset = constant + {"<": -1, ">": 1}.get(condition.comparison, 0)
    if signs[column] < 0:  # the column counts up
        offset, upper = -offset, not upper
    return column, row, -signs[column] * signs[row], offset, upper


def _constant(side) -> sympy.Expr:
    return sympy.Integer(0) if side[1] is None else to_sympy(side[1])


def _root_signs(nest: Nest, terms: dict[str, sympy.Expr], condition: Condition) -> dict[str, int]:
    """Return +1 or -1 for each whole root that *terms* are made of."""
    signs: dict[str, int] = {}
    left = {variable: value for variable, value in terms.items() if value != 0}
    for root in nest.roots.values():
        mine = _coefficients(root, left)
        if mine is None:
            continue
        sign = next((s for s in (1, -1) if all(left[v] == s * c for v, c in mine.items())), None)
        if sign is None:
            raise NoBandError(condition)
        signs[root.name] = sign
        for variable in mine:
            del left[variable]
    if left:
        raise NoBandError(condition)
    return signs


def _coefficients(root: Root, terms: dict[str, sympy.Expr]) -> dict[str, sympy.Expr] | None:
    """Return what the variables of *root* are multiplied by in its position; None when *terms* do not hold the root."""
    if root.name in terms:
        return {root.name: ONE}
    if not all(digit.name in terms for digit in root.digits):
        return None
    found: dict[str, sympy.Expr] = {}
    scale: sympy.Expr = ONE
    for digit in reversed(root.digits):
        found[digit.name] = scale
        scale = scale * symbol(digit.size_name)
    return found
