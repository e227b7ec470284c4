"""Tasks of a nest that a region makes unequal, and what the busiest core does of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import sympy

from fusemax.cost.extents import ONE, Extents
from fusemax.cost.region import Region, Sides
from fusemax.cost.symbols import ceildiv, item, region_tasks, symbol
from fusemax.cost.tasks import TaskPart, elements_of, other_kinds
from fusemax.mapping.nest import Nest

ZERO = sympy.Integer(0)


@dataclass(frozen=True, slots=True)
class UnderRegion:
    """Tasks that are boxes of a region.

    Attributes
    ----------
    parts
        What they are made of.
    places, times
        Of each part, where it stands among the numbers of its kind of task, and how often each of these counts.
    numbers
        What ``region_tasks`` takes after the cores, up to the kinds of tasks.
    kinds
        The sizes of the other roots in each kind of task.
    rows
        The rows of the region.
    """

    parts: tuple[TaskPart, ...]
    places: tuple[tuple[int, ...], ...]
    times: tuple[sympy.Expr, ...]
    width: int
    numbers: tuple[sympy.Expr, ...]
    kinds: tuple[tuple[sympy.Expr, ...], ...]
    rows: tuple[sympy.Expr, ...]

    def dealt(self, weights: Sequence[sympy.Expr], in_order: bool) -> tuple[sympy.Expr, ...]:
        """Return how many of each part the busiest core does; *weights* are the cycles of one."""
        cycles: list[sympy.Expr] = [ZERO] * (self.width * len(self.kinds))
        counts: list[sympy.Expr] = list(cycles)
        for part, places, times, weight in zip(self.parts, self.places, self.times, weights, strict=True):
            counts[part.kind * self.width + places[0]] = part.count / times
            for place in places:
                cycles[part.kind * self.width + place] = weight * times
        values: list[sympy.Expr] = []
        for n, sizes in enumerate(self.kinds):
            mine = slice(n * self.width, (n + 1) * self.width)
            values += [*sizes, *cycles[mine], *counts[mine]]
        order = ONE if in_order else ZERO
        whole = region_tasks(order, symbol("replicas"), *self.numbers, *values, *self.rows)
        return tuple(
            times * sum((item(whole, part.kind * self.width + place) for place in places), ZERO)
            for part, places, times in zip(self.parts, self.places, self.times, strict=True)
        )


def under_region(
    nest: Nest, spread: Sequence[str], extents: Extents, region: Region, leaves: Sequence[tuple[str, ...]]
) -> UnderRegion | None:
    """Return the tasks of *nest*, which the loops in *spread* number, under *region*.

    Its bodies stand inside the loops *leaves*. None when a digit is left out, or one of a part of a rank is spread beside
    those outside of it.
    """
    under = region.digits()
    others = [loop for loop in spread if loop not in under]
    whole = [region.side(extents, axis, spread) for axis in region.axes]
    around = {digit for axis in region.axes for digit in region.around(nest, axis)}
    spread_parts = any(region.around(nest, axis) and set(axis.digits) & set(spread) for axis in region.axes)
    if any(side is None for side in whole) or spread_parts or around & set(others):
        return None
    tasks = [side for side in whole if side is not None]
    tilings = list(dict.fromkeys(frozenset(leaf) & (under | around) for leaf in leaves))
    kinds = other_kinds(nest, extents, others)
    parts: list[TaskPart] = []
    places: list[tuple[int, ...]] = []
    times: list[sympy.Expr] = []
    groups: list[tuple[Sides, ...]] = []
    columns = frozenset(under - set(spread))
    for number, kind in enumerate(kinds):
        for held, mine, count in _boxes(kind.extents, region, tasks):
            parts.append(TaskPart(kind.count * count, held, None, number, mine, columns))
            places.append(mine)
            times.append(ONE)
        groups = []
        for tiling_number, tiling in enumerate(tilings):
            for often, inside in region.pieces(kind.extents, tiling):
                sides = [region.side(inside, axis, tiling) for axis in region.axes]
                if any(side is None for side in sides):
                    return None
                groups.append(tuple(side for side in sides if side is not None))
                touched = region.tiles(inside, groups[-1])
                base = 2 ** len(region.axes) * len(groups)
                for held, mine, _ in _boxes(inside, region, groups[-1]):
                    count = sum((item(touched, place) for place in mine), ZERO)
                    parts.append(
                        TaskPart(kind.count * often * count, held, tiling_number, number, mine, columns)
                    )
                    places.append(tuple(base + place for place in mine))
                    times.append(often)
    names = list(dict.fromkeys(nest.root_of(loop).name for loop in others))
    order = [loop for loop in leaves[0] if loop in spread]
    numbers = _numbers(extents, region, order, names, tasks, groups, len(kinds))
    sizes = tuple(tuple(kind.extents.part(nest.roots[name]).size for name in names) for kind in kinds)
    width = 2 ** len(region.axes) * (1 + len(groups))
    return UnderRegion(
        tuple(parts), tuple(places), tuple(times), width, numbers, sizes, region.numbers(extents)
    )


def _boxes(extents: Extents, region: Region, sides: Iterable[Sides]):
    """Yield the boxes of *sides* by what they hold: the extents inside, the places, and how many there are."""
    sides = list(sides)
    for chosen in product(*(side.inside for side in sides)):
        parts = dict(extents.parts)
        count: sympy.Expr = ONE
        for axis, side, (bits, inside) in zip(region.axes, sides, chosen, strict=True):
            parts[axis.root] = inside.parts[axis.root]
            tiles = ceildiv(side.size, side.tile)
            count *= tiles if len(bits) == 2 else tiles - 1 if 0 in bits else ONE
        mine = tuple(sum(bits) for bits in product(*(sorted(bits) for bits, _ in chosen)))
        yield replace(extents, parts=parts), mine, count


def _numbers(
    extents: Extents, region: Region, order: Sequence[str], names: Sequence[str], tasks: Sequence[Sides],
    groups: Sequence[Sequence[Sides]], kinds: int,
) -> tuple[sympy.Expr, ...]:  # fmt: skip
    """Return what ``region_tasks`` takes after the cores, up to the kinds of tasks; *names* are the other roots."""
    roots = [axis.root for axis in region.axes]
    loops: list[sympy.Expr] = []
    for loop in order:
        root = extents.nest.root_of(loop)
        if root.name in roots:
            axis = region.axes[roots.index(root.name)]
            inner: sympy.Expr = ONE
            for digit in axis.digits[axis.digits.index(loop) + 1 :]:
                inner *= extents.sizes[digit]
            loops += [sympy.Integer(roots.index(root.name)), inner, ZERO]
        else:
            place = sympy.Integer(len(roots) + names.index(root.name))
            loops += [place, *elements_of(extents, root, loop, order)]
    many = [len(roots), region.last, len(order), len(names), len(groups), kinds]
    sizes = [side.size for side in tasks]
    others = [extents.part(extents.nest.roots[name]).size for name in names]
    tiles = [value for group in groups for side in group for value in (side.size, side.tile)]
    return (*map(sympy.Integer, many), *loops, *sizes, *others, *tiles)
