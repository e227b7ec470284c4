"""Conditions of a body as a band between two roots, and the parts of the body's work that it leaves.

A causal mask ``m <= p`` or a window ties two ranks. A body does nothing for a pair of tiles without a point of the band;
a pair that has one is done in full.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sympy

from fusemax.cascade.ir import Einsum, affine
from fusemax.cost.extents import ONE, Extents
from fusemax.cost.symbols import (
    band_pairs,
    ceildiv,
    dealt_in_order,
    dealt_longest_first,
    greatest,
    symbol,
    to_sympy,
)
from fusemax.errors import Place, Problem, ProblemsError
from fusemax.language.syntax import Condition
from fusemax.mapping.nest import Body, Mapped, Nest, Root


@dataclass(frozen=True, slots=True)
class Band:
    """Points with ``low <= column - row <= high``; *row* and *column* are roots, the bounds formulas of sizes."""

    row: str
    column: str
    low: sympy.Expr
    high: sympy.Expr

    def part(self, extents: Extents, digits: Collection[str]) -> sympy.Expr:
        """Return the part of all tile pairs that is not empty; *digits* name the tiles, the rest is inside them."""
        sizes = self._sizes(extents, digits)
        rows, row_tile, columns, column_tile = sizes
        return self._count(band_pairs, sizes) / (ceildiv(rows, row_tile) * ceildiv(columns, column_tile))

    def per_row(self, extents: Extents, digits: Collection[str]) -> tuple[sympy.Expr, sympy.Expr]:
        """Return tiles of rows, and touched pairs."""
        sizes = self._sizes(extents, digits)
        return ceildiv(sizes[0], sizes[1]), self._count(band_pairs, sizes)

    def dealt_longest_first(
        self, extents: Extents, digits: Collection[str], others: sympy.Expr
    ) -> sympy.Expr:
        """Return the touched pairs of the busiest core; tiles of rows, *others* times each, are dealt heaviest first."""
        return dealt_longest_first(
            others, symbol("replicas"), *self._sizes(extents, digits), self.low, self.high
        )

    def dealt_in_order(
        self, extents: Extents, digits: Collection[str], before: sympy.Expr, after: sympy.Expr
    ) -> sympy.Expr:
        """Return the touched pairs of the busiest core; tiles of rows go to the core that is free first, in their order.

        All of them are dealt *before* times in turn, each *after* times.
        """
        return dealt_in_order(
            before, after, symbol("replicas"), *self._sizes(extents, digits), self.low, self.high
        )

    def turned(self) -> Band:
        """Return the same points with rows and columns exchanged."""
        return Band(self.column, self.row, -self.high, -self.low)

    def _count(self, function, sizes: tuple[sympy.Expr, ...]) -> sympy.Expr:
        return function(*sizes, self.low, self.high)

    def _sizes(self, extents: Extents, digits: Collection[str]) -> tuple[sympy.Expr, ...]:
        row, column = extents.nest.roots[self.row], extents.nest.roots[self.column]
        found = (symbol(row.size_name), extents.tile(row, digits))
        return (*found, symbol(column.size_name), extents.tile(column, digits))


def band_of(mapped: Mapped, nest: Nest, body: Body) -> Band | None:
    """Return the band of *body*: None without conditions.

    An Einsum of the body without a condition is skipped with the others: the mapping's author says by putting it there
    that it changes nothing where the band is empty (running values).

    Raises
    ------
    ProblemsError
        Naming every condition that is no band between two whole ranks, and Einsums under different bands.
    """
    found: dict[Band, Einsum] = {}
    problems: list[Problem] = []
    for name in body.einsums:
        einsum = mapped.einsum(name)
        if einsum.conditions:
            try:
                found.setdefault(_band(nest, einsum.conditions), einsum)
            except _NoBandError as error:
                problems.append(error.problem(einsum))
    if not problems and len(found) > 1:
        first, other, *_ = found.values()
        text = (
            f"{other.name} stands under another condition than {first.name}, in one body of nest {nest.name}"
        )
        problems.append(_problem(other, text, "give them one condition, or a body each"))
    if problems:
        raise ProblemsError(problems)
    return next(iter(found), None)


class _NoBandError(Exception):
    def __init__(self, condition: Condition) -> None:
        super().__init__(str(condition))
        self.condition = condition

    def problem(self, einsum: Einsum) -> Problem:
        text = f"the cost of {einsum.name} under the condition {self.condition} is not known"
        return _problem(einsum, text, "conditions tie two ranks with steps of one, such as m <= p + M - P")


def _problem(einsum: Einsum, text: str, hint: str) -> Problem:
    return Problem(einsum.place or Place("<cascade>", 1, 1), text, hint)


def _band(nest: Nest, conditions: Iterable[Condition]) -> Band:
    """Return the band of *conditions*; the root that comes first by name is its column."""
    low: list[sympy.Expr] = []
    high: list[sympy.Expr] = []
    pairs: set[tuple[str, str]] = set()
    for condition in conditions:
        column, row, offset, upper = _side(nest, condition)
        if row < column:
            column, row, offset, upper = row, column, -offset, not upper
        pairs.add((row, column))
        (high if upper else low).append(offset)
        if condition.comparison == "==":
            (low if upper else high).append(offset)
        if len(pairs) > 1:
            raise _NoBandError(condition)
    ((row, column),) = pairs
    lowest = greatest(*low) if low else -symbol(row.upper())
    highest = -greatest(*(-bound for bound in high)) if high else symbol(column.upper())
    return Band(row, column, lowest, highest)


def _side(nest: Nest, condition: Condition) -> tuple[str, str, sympy.Expr, bool]:
    """Return ``(column, row, offset, upper)``: the condition says column - row <= offset, or >= when not *upper*."""
    left, right = affine(condition.left), affine(condition.right)
    if left is None or right is None or condition.comparison not in ("<=", "<", ">=", ">", "=="):
        raise _NoBandError(condition)
    terms: dict[str, sympy.Expr] = {}
    for sign, side in ((1, left), (-1, right)):
        for variable, coefficient in side[0].items():
            value = ONE if coefficient is None else to_sympy(coefficient)
            terms[variable] = terms.get(variable, sympy.Integer(0)) + sign * value
    constant = _constant(right) - _constant(left)
    signs = _root_signs(nest, terms, condition)
    column = next((name for name, sign in signs.items() if sign == 1), None)
    row = next((name for name, sign in signs.items() if sign == -1), None)
    if column is None or row is None or len(signs) != 2:
        raise _NoBandError(condition)
    upper = condition.comparison in ("<=", "<", "==")
    strict = {"<": -1, ">": 1}.get(condition.comparison, 0)
    return column, row, constant + strict, upper


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
            raise _NoBandError(condition)
        signs[root.name] = sign
        for variable in mine:
            del left[variable]
    if left:
        raise _NoBandError(condition)
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
