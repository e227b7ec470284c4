"""Conditions of a body as a region: whole numbers with sums of steps times values at most a bound, for whatever variables.

:mod:`fusemax.cost.masks` has bands, two whole ranks with steps of one, in closed form. A region is all else that is affine:
one rank (``m >= M - W``), digits of ranks (``j0 <= i0``), steps (``m1*M0 + M0 <= p + 1``), and several conditions at once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import sympy

from fusemax.cascade.ir import affine
from fusemax.cost.extents import ONE, Extents
from fusemax.cost.masks import Band, tiles_of
from fusemax.cost.symbols import ceildiv, item, least, region_tiles, symbol, to_sympy
from fusemax.language.syntax import Condition
from fusemax.mapping.nest import Nest, Root

ZERO = sympy.Integer(0)
ROWS = 48  #: of a region, with all that follows from several


class NoRegionError(Exception):
    """A condition that makes no region."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(str(condition))
        self.condition = condition


@dataclass(frozen=True, slots=True)
class Axis:
    """A variable of a region: the joint value of *digits* of *root*, next to each other and outermost first."""

    root: str
    digits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Points with the sum of *steps* times the values of the axes at most *bound*."""

    steps: tuple[sympy.Expr, ...]
    bound: sympy.Expr


@dataclass(frozen=True, slots=True)
class Sides:
    """One axis inside some extents: its values and those of a tile, and the tiles by what they hold."""

    size: sympy.Expr
    tile: sympy.Expr
    inside: tuple[tuple[frozenset[int], Extents], ...]


@dataclass(frozen=True, slots=True)
class Region:
    """The points that satisfy all rows, which are closed: what follows from several is a row too.

    *last* is the axis whose values go with a box in one interval, where that is not so for every axis; else -1.
    """

    axes: tuple[Axis, ...]
    rows: tuple[Row, ...]
    last: int = -1

    def kinds(
        self, extents: Extents, digits: Collection[str], ends: Collection[tuple[str, str]] = ()
    ) -> tuple[tuple[sympy.Expr, Extents], ...] | None:  # fmt: skip
        """Return the tiles that the region touches by kind: how many, and the extents inside such a tile.

        *digits* number the tiles, the rest of all roots is inside them. None when they leave out a digit between them. Of two
        roots in *ends* the second ends where a tile of the first does, once digits of that one are held still.
        """
        found: list[tuple[sympy.Expr, Extents]] = []
        first = {name for name, _ in ends}
        around = [d for axis in self.axes if axis.root in first for d in self.around(extents.nest, axis)]
        for times, whole in self.pieces(extents, {*digits, *around}):
            held = ended(whole, ends)
            sides = [self.side(held, axis, digits) for axis in self.axes]
            if any(side is None for side in sides):
                return None
            known = [side for side in sides if side is not None]
            counts = self.tiles(held, known)
            for chosen in product(*(side.inside for side in known)):
                parts = dict(held.parts)
                for axis, (_, inside) in zip(self.axes, chosen, strict=True):
                    parts[axis.root] = inside.parts[axis.root]
                places = [sum(places) for places in product(*(sorted(bits) for bits, _ in chosen))]
                count = sum((item(counts, place) for place in places), ZERO)
                found.append((times * count, replace(held, parts=parts)))
        return tuple(found)

    def pieces(
        self, extents: Extents, digits: Collection[str]
    ) -> Iterator[tuple[sympy.Expr, Extents]]:  # fmt: skip
        """Yield *extents* with the digits outside of an axis that are among *digits* held still: how many times each."""
        found = [(ONE, extents)]
        for axis in self.axes:
            around = set(self.around(extents.nest, axis)) & set(digits)
            root = extents.nest.roots[axis.root]
            found = [
                (times * count, inside)
                for times, held in found
                for count, inside in (held.pieces(root, around) if around else ((ONE, held),))
            ]
        yield from found

    def around(self, nest: Nest, axis: Axis) -> tuple[str, ...]:
        """Return the digits of the root of *axis* that are outside of its own."""
        names = [digit.name for digit in nest.roots[axis.root].digits]
        return tuple(names[: names.index(axis.digits[0])])

    def side(self, extents: Extents, axis: Axis, digits: Collection[str]) -> Sides | None:
        """Return one axis, tiled by *digits*; None when they leave out one outside of those that they hold of it."""
        root = extents.nest.roots[axis.root]
        part = extents.part(root)
        mine = [digit for digit in part.digits if digit in axis.digits]
        inner: sympy.Expr = ONE
        for digit in root.inner_to(axis.digits[-1]):
            inner *= extents.sizes[digit.name]
        bit = frozenset({0, 2 ** self.axes.index(axis)})
        size = ceildiv(part.size, inner)
        if mine and part.digits[0] != mine[0]:  # inside of digits that nothing holds still
            if any(digit in digits for digit in mine):
                return None
            size = least(size, _product(extents, mine))
            return Sides(size, size, ((bit, _with(extents, root)),))
        tiles = tiles_of(extents, root, set(digits) & set(mine))
        if tiles is None:
            return None
        held = [digit for digit in mine if digit in digits]
        tile = _product(extents, mine[len(held) :]) if held else size
        inside = tuple(
            (bit if len(places) == 2 else frozenset({max(bit) * next(iter(places))}),
             replace(extents, parts={**extents.parts, root.name: inside_part}))
            for places, inside_part in tiles.inside
        )  # fmt: skip
        return Sides(size, tile, inside)

    def tiles(self, extents: Extents, sides: Iterable[Sides]) -> sympy.Expr:
        """Return how many tiles of *sides* are touched, by place: several values."""
        values = [value for side in sides for value in (side.size, side.tile)]
        numbers = (sympy.Integer(len(self.axes)), sympy.Integer(self.last))
        return region_tiles(*numbers, *values, *self.numbers(extents))

    def along(self, extents: Extents, axis: Axis) -> tuple[sympy.Expr, sympy.Expr]:
        """Return how many elements of its root a value of *axis* is, and how many values there are in a row."""
        root = extents.nest.roots[axis.root]
        part = extents.part(root)
        inner: sympy.Expr = ONE
        for digit in root.inner_to(axis.digits[-1]):
            inner *= extents.sizes[digit.name]
        turned = bool(part.digits) and part.digits[0] in self.around(extents.nest, axis)
        return inner, _product(extents, axis.digits) if turned else part.size

    def numbers(self, extents: Extents) -> tuple[sympy.Expr, ...]:
        """Return the steps and bound of each row; sizes of tiles are those of *extents*."""
        own = {
            symbol(digit.size_name): extents.sizes[digit.name]
            for axis in self.axes
            for digit in extents.nest.roots[axis.root].digits
            if digit.name in extents.sizes
        }
        values = [value for row in self.rows for value in (*row.steps, row.bound)]
        return tuple(value.subs(list(own.items())) for value in values)

    def lengths(self, nest: Nest, axis: Axis, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return how many values *axis* has, and how many at a ragged end of its rank; *sizes* are those of ranks by name."""
        root = nest.roots[axis.root]
        inner = math.prod(sizes[digit.size_name] for digit in root.inner_to(axis.digits[-1]))
        values = -(-sizes[root.size_name] // inner)
        if axis.digits[0] == root.digits[0].name:
            return (values,)
        whole = math.prod(sizes[digit.upper()] for digit in axis.digits)
        return (values,) if values < whole else (whole, *([values % whole] if values % whole else []))

    def differences(
        self, extents: Extents, loops: Collection[str], dropped: Collection[str]
    ) -> tuple[tuple[sympy.Expr, ...], sympy.Expr]:
        """Return the bounds of the difference between the axis of *dropped* loops and another one, and the tiles of that."""
        mine = next((n for n, axis in enumerate(self.axes) if set(axis.digits) & set(dropped)), None)
        if mine is None:
            return (), ONE
        found: dict[int, list[sympy.Expr]] = {}
        for row in self.rows:
            used = [n for n, step in enumerate(row.steps) if step != 0]
            if len(used) == 2 and mine in used and row.steps[used[0]] * row.steps[used[1]] == -1:
                found.setdefault(sum(used) - mine, []).append(row.bound)
        if len(found) != 1:
            return (), ONE
        ((other, bounds),) = found.items()
        _, held = next(self.pieces(extents, loops))
        side = self.side(held, self.axes[other], loops)
        return tuple(bounds), ONE if side is None else side.tile

    def digits(self) -> frozenset[str]:
        """Return the digits of all axes."""
        return frozenset(digit for axis in self.axes for digit in axis.digits)


def ended(extents: Extents, ends: Iterable[tuple[str, str]]) -> Extents:
    """Return *extents* where the second root of each pair is no longer than what is left of the first."""
    parts = dict(extents.parts)
    for first, second in ends:
        part, other = (extents.part(extents.nest.roots[name]) for name in (first, second))
        if len(part.digits) < len(extents.nest.roots[first].digits):
            parts[second] = replace(other, size=least(other.size, part.size))
    return replace(extents, parts=parts)


def _with(extents: Extents, root: Root) -> Extents:
    return replace(extents, parts={**extents.parts, root.name: extents.part(root)})


def _product(extents: Extents, digits: Iterable[str]) -> sympy.Expr:
    """Return the values of *digits* together; the outermost of a root counts as what is left."""
    result: sympy.Expr = ONE
    for digit in digits:
        result *= extents.sizes[digit]
    return result


def region_of_band(nest: Nest, band: Band) -> Region:
    """Return the points of *band* as a region."""
    axes = tuple(
        Axis(name, tuple(digit.name for digit in nest.roots[name].digits)) for name in (band.row, band.column)
    )
    sign = sympy.Integer(band.sign)
    rows = (
        Row((-sign, ONE), band.high),
        Row((sign, -ONE), -band.low),
        Row((ZERO, ZERO), band.high - band.low),
    )
    return Region(axes, rows)


def everywhere(nest: Nest, root: str) -> Region:
    """Return all points of *root* as a region."""
    axis = Axis(root, tuple(digit.name for digit in nest.roots[root].digits))
    return Region((axis,), (Row((ZERO,), ZERO),))


def region_of(nest: Nest, conditions: Iterable[Condition]) -> Region:
    """Return the region of *conditions*.

    Raises
    ------
    NoRegionError
        With the first condition that is not affine in ranks or digits, compares otherwise, or ties them in such a way that
        whole numbers between the bounds are not all there.
    """
    conditions = tuple(conditions)
    raw: list[tuple[Mapping[str, sympy.Expr], sympy.Expr, Condition]] = []
    for condition in conditions:
        raw += [(terms, bound, condition) for terms, bound in _halves(condition)]
    axes = _axes(nest, raw)
    if not axes:
        raise NoRegionError(conditions[-1])
    rows = [Row(_steps(nest, axes, terms, condition), bound) for terms, bound, condition in raw]
    last = _last(axes, rows, conditions[-1])
    closed = _closed(len(axes), rows)
    if closed is None:
        raise NoRegionError(conditions[-1])
    return Region(tuple(axes), closed, last)


def _halves(condition: Condition) -> Iterator[tuple[Mapping[str, sympy.Expr], sympy.Expr]]:
    """Yield the terms and the bound of each inequality that *condition* is: terms at most the bound."""
    left, right = affine(condition.left), affine(condition.right)
    if left is None or right is None or condition.comparison not in ("<=", "<", ">=", ">", "=="):
        raise NoRegionError(condition)
    terms: dict[str, sympy.Expr] = {}
    for sign, side in ((1, left), (-1, right)):
        for variable, coefficient in side[0].items():
            value = ONE if coefficient is None else to_sympy(coefficient)
            terms[variable] = terms.get(variable, ZERO) + sign * value
    terms = {variable: value for variable, value in terms.items() if sympy.expand(value) != 0}
    ends = [ZERO if side[1] is None else to_sympy(side[1]) for side in (right, left)]
    bound = sympy.expand(ends[0] - ends[1])
    if condition.comparison in ("<=", "<", "=="):
        yield terms, bound - (1 if condition.comparison == "<" else 0)
    if condition.comparison in (">=", ">", "=="):
        other = -bound - (1 if condition.comparison == ">" else 0)
        yield {variable: -value for variable, value in terms.items()}, other


def _axes(nest: Nest, raw: Iterable[tuple[Mapping[str, sympy.Expr], sympy.Expr, Condition]]) -> list[Axis]:
    """Return the axes of inequalities: whole roots where all use them whole, else single digits, one of a root."""
    found: dict[str, Axis] = {}
    for terms, _, condition in raw:
        for root in nest.roots.values():
            names = [digit.name for digit in root.digits]
            mine = [variable for variable in terms if variable == root.name or variable in names]
            if not mine:
                continue
            whole = _scale(root, {variable: terms[variable] for variable in mine}) is not None
            axis = Axis(root.name, tuple(names) if whole else (mine[0],))
            if (len(mine) > 1 and not whole) or found.setdefault(root.name, axis) != axis:
                raise NoRegionError(condition)
        known = {v for root in nest.roots.values() for v in (root.name, *(d.name for d in root.digits))}
        if any(variable not in known for variable in terms):
            raise NoRegionError(condition)
    return list(found.values())


def _scale(root: Root, terms: Mapping[str, sympy.Expr]) -> sympy.Expr | None:
    """Return what the position of *root* is multiplied by in *terms*; None when they are no multiple of it."""
    if tuple(terms) == (root.name,):
        return terms[root.name]
    if not all(digit.name in terms for digit in root.digits) or len(terms) != len(root.digits):
        return None
    least_step = terms[root.digits[-1].name]
    size = least_step
    for digit in reversed(root.digits):
        if sympy.expand(terms[digit.name] - size) != 0:
            return None
        size = size * symbol(digit.size_name)
    return least_step


def _steps(
    nest: Nest, axes: Iterable[Axis], terms: Mapping[str, sympy.Expr], condition: Condition
) -> tuple[sympy.Expr, ...]:
    steps: list[sympy.Expr] = []
    for axis in axes:
        root = nest.roots[axis.root]
        names = {root.name, *(digit.name for digit in root.digits)}
        mine = {variable: value for variable, value in terms.items() if variable in names}
        whole = _scale(root, mine) if mine else ZERO
        step = whole if whole is not None else next(iter(mine.values()))
        fraction = step.is_Number and not step.is_Integer
        if mine and (fraction or _sign(step) == 0):
            raise NoRegionError(condition)
        steps.append(step)
    return tuple(steps)


def _sign(step: sympy.Expr) -> int:
    """Return whether *step* is above or below zero: 1 or -1; 0 when it is zero or that is not known."""
    expanded = sympy.expand(step)
    return 1 if expanded.is_positive else -1 if expanded.is_negative else 0


def _last(axes: Iterable[Axis], rows: Iterable[Row], condition: Condition) -> int:
    """Return the axis with other steps than one and bounds on both sides, of which there may be one; -1 if there is none."""
    found = -1
    for n, _ in enumerate(axes):
        steps = [row.steps[n] for row in rows if row.steps[n] != 0]
        if all(step in (1, -1) for step in steps) or len({_sign(step) for step in steps}) == 1:
            continue
        if found >= 0:
            raise NoRegionError(condition)
        found = n
    return found


def _closed(axes: int, rows: Iterable[Row]) -> tuple[Row, ...] | None:
    """Return *rows* with what follows from them: sums in which the steps of an axis, one and minus one, take each other away.

    As eliminating variables one by one does (Fourier and Motzkin), exact in whole numbers where these steps are one. None when
    there are too many.
    """
    found = list(dict.fromkeys(rows))
    for axis in range(axes):
        for one in list(found):
            for other in list(found):
                if one.steps[axis] == 1 and other.steps[axis] == -1:
                    steps = tuple(sympy.expand(a + b) for a, b in zip(one.steps, other.steps, strict=True))
                    row = Row(steps, sympy.expand(one.bound + other.bound))
                    if row not in found:
                        found.append(row)
        if len(found) > ROWS:
            return None
    return tuple(found)
