"""Tasks of a nest by kind, and what the busiest core does of them.

The loops in ``spread`` number tasks. Tasks that hold equal parts of the ranks are of one kind: whole ones, and those at a
ragged edge. What a task of a kind does is counted as a nest is, with the loops in ``spread`` held still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sympy

from fusemax.cost.extents import ONE, Extents, Part
from fusemax.cost.masks import Band, Tiles, tiles_of
from fusemax.cost.symbols import busiest_core, ceildiv, dealt_tasks, dealt_tiles, item, symbol
from fusemax.errors import FusemaxError
from fusemax.mapping.nest import Nest, Root

ZERO = sympy.Integer(0)
KINDS = 8  #: of tasks that one nest may have: two for each of three ragged ranks


@dataclass(frozen=True, slots=True)
class Kind:
    """Equal tasks: how many, and the extents inside one of them."""

    count: sympy.Expr
    extents: Extents


def kinds_of(nest: Nest, spread: Sequence[str], extents: Extents) -> tuple[Kind, ...]:
    """Return the kinds of tasks of *nest*, which the loops in *spread* number.

    Raises
    ------
    FusemaxError
        When the loops in ``spread`` cut so many ranks that there are more than eight kinds.
    """
    kinds = [Kind(ONE, extents)]
    for root in nest.roots.values():
        kinds = [
            Kind(kind.count * count, inside)
            for kind in kinds
            for count, inside in kind.extents.pieces(root, spread)
        ]
    if len(kinds) > KINDS:
        raise too_many(nest, len(kinds))
    return tuple(kinds)


def too_many(nest: Nest, kinds: int) -> FusemaxError:
    """Return what is wrong with so many kinds of tasks."""
    text = (
        f"nest {nest.name}: tasks of {kinds} kinds, by which of their tiles are whole; {KINDS} can be dealt"
    )
    return FusemaxError(f"{text}\n  hint: spread fewer loops over tiles")


@dataclass(frozen=True, slots=True)
class TaskPart:
    """A part of tasks under a band: *count* times in all tasks, with *extents* inside.

    *group* numbers the tiling whose touched pairs these are; None is what every task does of the bodies outside of the band.
    *kind* tells tasks of other sizes of the other roots apart. *places* are those among the four, by whole and last tiles;
    *columns* the digits of the band's columns.
    """

    count: sympy.Expr
    extents: Extents
    group: int | None
    kind: int
    places: tuple[int, ...]
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class UnderBand:
    """Tasks that are tiles of a band.

    Attributes
    ----------
    parts
        What they are made of.
    before, after
        The iterations of the other loops over cores outside and inside of those over the band's roots.
    sizes
        Of the band and its tiles, as ``dealt_tiles`` takes them; None where bodies are done in several tilings.
    numbers
        What ``dealt_tasks`` takes, up to the kinds of tasks.
    kinds
        The sizes of the other roots in each kind of task.
    """

    parts: tuple[TaskPart, ...]
    before: sympy.Expr
    after: sympy.Expr
    sizes: tuple[sympy.Expr, ...] | None
    numbers: tuple[sympy.Expr, ...]
    kinds: tuple[tuple[sympy.Expr, ...], ...]

    def dealt(self, weights: Sequence[sympy.Expr], in_order: bool) -> tuple[sympy.Expr, ...]:
        """Return how many of each part the busiest core does; *weights* are the cycles of one."""
        width = 4 + 4 * len({part.group for part in self.parts if part.group is not None})
        places = [
            [
                width * part.kind + (0 if part.group is None else 4 + 4 * part.group) + place
                for place in part.places
            ]
            for part in self.parts
        ]
        cycles: list[sympy.Expr] = [ZERO] * (width * len(self.kinds))
        counts: list[sympy.Expr] = list(cycles)
        for part, mine, weight in zip(self.parts, places, weights, strict=True):
            counts[mine[0]] = part.count
            for place in mine:
                cycles[place] = weight
        order = ONE if in_order else ZERO
        if self.sizes is not None and len(self.kinds) == 1:
            whole = dealt_tiles(order, self.before, self.after, symbol("replicas"), *self.sizes, *cycles)
        else:
            values = [
                value
                for n, sizes in enumerate(self.kinds)
                for value in (
                    *sizes,
                    *cycles[n * width : (n + 1) * width],
                    *counts[n * width : (n + 1) * width],
                )
            ]
            whole = dealt_tasks(order, symbol("replicas"), *self.numbers, *values)
        return tuple(sum((item(whole, place) for place in mine), ZERO) for mine in places)


def under_band(
    nest: Nest, spread: Sequence[str], extents: Extents, band: Band, leaves: Sequence[tuple[str, ...]]
) -> UnderBand | None:
    """Return the tasks of *nest*, which the loops in *spread* number, under *band*.

    Its bodies stand inside the loops *leaves*. None when a digit is left out.
    """
    digits = {name: {d.name for d in nest.roots[name].digits} for name in (band.row, band.column)}
    if not digits[band.row] & set(spread):
        band = band.turned()
    rows, columns = digits[band.row], digits[band.column]
    tilings = list(dict.fromkeys(frozenset(leaf) & (rows | columns) for leaf in leaves))
    cuts = [frozenset(spread), *tilings]
    tiles = [
        [tiles_of(extents, nest.roots[n], digits[n] & cut) for n in (band.row, band.column)] for cut in cuts
    ]
    (Tr, Tc), *inner = tiles
    if Tr is None or Tc is None or any(tile is None for pair in inner for tile in pair):
        return None
    others = [loop for loop in spread if loop not in rows | columns]
    kinds = other_kinds(nest, extents, others)
    parts: list[TaskPart] = []
    for number, kind in enumerate(kinds):
        for row, column, places, rows_in, columns_in in _combined(extents, band, Tr, Tc):
            held, times = (
                _inside(kind.extents, band, row, column),
                kind.count * _number(rows_in) * _number(columns_in),
            )
            parts.append(TaskPart(times, held, None, number, places, frozenset(columns)))
        for group, (tiling, (tr, tc)) in enumerate(zip(tilings, inner, strict=True)):
            counts = band.kinds(extents, tiling)
            assert counts is not None
            assert tr is not None
            assert tc is not None
            for (count, _), (row, column, places, _, _) in zip(
                counts, _combined(extents, band, tr, tc), strict=True
            ):
                held = _inside(kind.extents, band, row, column)
                parts.append(TaskPart(kind.count * count, held, group, number, places, frozenset(columns)))
    order = [loop for loop in leaves[0] if loop in spread]
    mine = [n for n, loop in enumerate(order) if loop in rows | columns]
    after = extents.points([loop for loop in order[mine[-1] + 1 :]])
    names = list(dict.fromkeys(nest.root_of(loop).name for loop in others))
    numbers = _numbers(extents, band, order, names, inner)
    sizes = tuple(tuple(kind.extents.part(nest.roots[name]).size for name in names) for kind in kinds)
    plain = _one_tiling(extents, band, (Tr, Tc), inner[0]) if len(inner) == 1 else None
    return UnderBand(tuple(parts), extents.points(others) / after, after, plain, numbers, sizes)


def other_kinds(nest: Nest, extents: Extents, others: Sequence[str]) -> list[Kind]:
    """Return the kinds of tasks by what they hold of the roots that are not the band's."""
    kinds = [Kind(ONE, extents)]
    for root in dict.fromkeys(nest.root_of(loop).name for loop in others):
        kinds = [
            Kind(kind.count * count, inside)
            for kind in kinds
            for count, inside in kind.extents.pieces(nest.roots[root], others)
        ]
    if len(kinds) > KINDS:
        raise too_many(nest, len(kinds))
    return kinds


def _one_tiling(
    extents: Extents, band: Band, tasks: tuple[Tiles, Tiles], pairs: Sequence[Tiles | None]
) -> tuple[sympy.Expr, ...]:
    """Return the sizes that ``dealt_tiles`` takes: of tiles that are tasks, made of pairs of one tiling."""
    (Tr, Tc), (tr, tc) = tasks, pairs
    assert tr is not None
    assert tc is not None
    R, Trs, C, _, low, high, sign = band.sizes(extents, Tr.size, Tc.size)
    # without digits in spread all columns are one tile, whole tiles of the inner ones
    width = ceildiv(C, tc.size) * tc.size if Tc.size == C else Tc.size
    return R, Trs, tr.size, C, width, tc.size, low, high, sign


def _numbers(
    extents: Extents,
    band: Band,
    order: Sequence[str],
    names: Sequence[str],
    tilings: Sequence[Sequence[Tiles | None]],
) -> tuple[sympy.Expr, ...]:
    """Return what ``dealt_tasks`` takes after the cores, up to the kinds of tasks; *names* are the other roots."""
    R, _, C, _, low, high, sign = band.sizes(extents, ONE, ONE)
    roots = [band.row, band.column, *names]
    loops: list[sympy.Expr] = []
    for loop in order:
        root = extents.nest.root_of(loop)
        loops.append(sympy.Integer(roots.index(root.name)))
        if root.name in names:
            loops += elements_of(extents, root, loop, order)
        else:
            digits = extents.part(root).digits
            loops += [extents.tile(root, digits[: digits.index(loop) + 1]), ZERO]
    others = [extents.part(extents.nest.roots[name]).size for name in names]
    groups = [tile.size for pair in tilings for tile in pair if tile is not None]
    kinds = ONE
    for name in names:
        kinds *= len(extents.pieces(extents.nest.roots[name], order))
    many = [sympy.Integer(len(order)), sympy.Integer(len(names)), sympy.Integer(len(tilings)), kinds]
    return (low, high, sign, R, C, *many, *loops, *others, *groups)


def elements_of(
    extents: Extents, root: Root, loop: str, order: Sequence[str]
) -> tuple[sympy.Expr, sympy.Expr]:
    """Return the elements of *root* in one iteration of *loop*, and after how many these come again, else 0.

    The loops of *order* before it are held still.
    """
    digits = [
        d
        for d in extents.part(root).digits
        if d == loop or d not in order or order.index(d) > order.index(loop)
    ]
    position = digits.index(loop)
    inner: sympy.Expr = ONE
    for digit in digits[position + 1 :]:
        inner *= extents.sizes[digit]
    return inner, inner * extents.sizes[loop] if position else ZERO


def _combined(extents: Extents, band: Band, rows: Tiles, columns: Tiles):
    """Yield row and column parts of each kind of pair, its places among the four, and how many tiles of each there are."""
    sizes = [extents.part(extents.nest.roots[name]).size for name in (band.row, band.column)]
    for row_places, row in rows.inside:
        for column_places, column in columns.inside:
            places = tuple(2 * r + c for r in sorted(row_places) for c in sorted(column_places))
            yield (
                row,
                column,
                places,
                (row_places, ceildiv(sizes[0], rows.size)),
                (column_places, ceildiv(sizes[1], columns.size)),
            )


def _number(tiles: tuple[frozenset[int], sympy.Expr]) -> sympy.Expr:
    places, number = tiles
    return number if len(places) == 2 else number - 1 if 0 in places else ONE


def _inside(extents: Extents, band: Band, row: Part, column: Part) -> Extents:
    return replace(extents, parts={**extents.parts, band.row: row, band.column: column})


def dealt(
    counts: Sequence[sympy.Expr], weights: Sequence[sympy.Expr], cores: sympy.Expr
) -> tuple[sympy.Expr, ...]:
    """Return how many tasks of each kind the busiest of *cores* does: the heaviest first, each to the one free first."""
    if len(counts) == 1:
        return (ceildiv(counts[0], cores),)
    pairs = [
        *zip(counts, weights, strict=True),
        *[(sympy.Integer(0), sympy.Integer(0))] * (KINDS - len(counts)),
    ]
    whole = busiest_core(cores, *(value for pair in pairs for value in pair))
    return tuple(item(whole, number) for number in range(len(counts)))
