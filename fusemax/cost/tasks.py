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
from fusemax.cost.symbols import busiest_core, ceildiv, dealt_tiles, item, symbol
from fusemax.errors import FusemaxError
from fusemax.mapping.nest import Nest

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
        text = f"nest {nest.name}: tasks of {len(kinds)} kinds, by which of their tiles are whole; {KINDS} can be dealt"
        raise FusemaxError(f"{text}\n  hint: spread fewer loops over tiles")
    return tuple(kinds)


@dataclass(frozen=True, slots=True)
class TaskPart:
    """A part of tasks under a band: *count* times in all tasks, with *extents* inside.

    *in_band*: a touched pair of tiles; else what every task does of the bodies outside of the band. *places* are its kinds
    among the four, by whole and last tiles; *columns* the digits of the band's columns.
    """

    count: sympy.Expr
    extents: Extents
    in_band: bool
    places: tuple[int, ...]
    columns: frozenset[str]


@dataclass(frozen=True, slots=True)
class UnderBand:
    """Tasks that are tiles of a band: their parts, the iterations of the loops around and inside, and the band's sizes."""

    parts: tuple[TaskPart, ...]
    before: sympy.Expr
    after: sympy.Expr
    sizes: tuple[sympy.Expr, ...]

    def dealt(self, weights: Sequence[sympy.Expr], in_order: bool) -> tuple[sympy.Expr, ...]:
        """Return how many of each part the busiest core does; *weights* are the cycles of one."""
        cycles: list[sympy.Expr] = [sympy.Integer(0)] * 8
        for part, weight in zip(self.parts, weights, strict=True):
            for place in part.places:
                cycles[place + 4 * part.in_band] = weight
        order = sympy.Integer(1 if in_order else 0)
        whole = dealt_tiles(order, self.before, self.after, symbol("replicas"), *self.sizes, *cycles)
        return tuple(
            sum((item(whole, place + 4 * part.in_band) for place in part.places), sympy.Integer(0))
            for part in self.parts
        )


def under_band(
    nest: Nest, spread: Sequence[str], extents: Extents, band: Band, loops: Sequence[str]
) -> UnderBand | None:
    """Return the tasks of *nest*, which the loops in *spread* number, under *band*, whose bodies stand inside *loops*.

    None when a digit is left out.
    """
    digits = {name: {d.name for d in nest.roots[name].digits} for name in (band.row, band.column)}
    if not digits[band.row] & set(spread):
        band = band.turned()
    rows, columns = digits[band.row], digits[band.column]
    others = [loop for loop in spread if loop not in rows | columns]
    held = extents
    for loop in others:
        root = nest.root_of(loop)
        held = held.pieces(root, [loop])[0][1]
    Tr, Tc, tr, tc = (
        tiles_of(extents, nest.roots[name], digits[name] & set(cut))
        for cut in (spread, loops)
        for name in (band.row, band.column)
    )
    if Tr is None or Tc is None or tr is None or tc is None:
        return None
    times = extents.points(others)
    parts = [
        TaskPart(
            times * _number(rows_in) * _number(columns_in), _inside(held, band, row, column), False, places,
            frozenset(columns),
        )
        for row, column, places, rows_in, columns_in in _combined(extents, band, Tr, Tc)
    ]  # fmt: skip
    counts = band.kinds(extents, (rows | columns) & set(loops))
    assert counts is not None
    for (count, _), (row, column, places, _, _) in zip(counts, _combined(extents, band, tr, tc), strict=True):
        parts.append(
            TaskPart(times * count, _inside(held, band, row, column), True, places, frozenset(columns))
        )
    order = [loop for loop in loops if loop in spread]
    mine = [n for n, loop in enumerate(order) if loop in rows | columns]
    after = extents.points([loop for loop in order[mine[-1] + 1 :]])
    (R, C), (low, high, sign) = (
        [extents.part(nest.roots[n]).size for n in (band.row, band.column)],
        band.sizes(extents, ONE, ONE)[4:],
    )
    # without digits in spread all columns are one tile, whole tiles of the inner ones
    width = ceildiv(C, tc.size) * tc.size if Tc.size == C else Tc.size
    sizes = (R, Tr.size, tr.size, C, width, tc.size, low, high, sign)
    return UnderBand(tuple(parts), times / after, after, sizes)


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


def dealt(counts: Sequence[sympy.Expr], weights: Sequence[sympy.Expr]) -> tuple[sympy.Expr, ...]:
    """Return how many tasks of each kind the busiest core does: the heaviest first, each to the core that is free first."""
    if len(counts) == 1:
        return (ceildiv(counts[0], symbol("replicas")),)
    pairs = [
        *zip(counts, weights, strict=True),
        *[(sympy.Integer(0), sympy.Integer(0))] * (KINDS - len(counts)),
    ]
    whole = busiest_core(symbol("replicas"), *(value for pair in pairs for value in pair))
    return tuple(item(whole, number) for number in range(len(counts)))
