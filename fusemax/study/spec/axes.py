"""The axes of a part: its tables, lists of sizes, and what stands under ``grid``.

A part is points times a grid. Points are written out one by one (tables, lists of sizes, and the entries of a grid that decide
between cases); the entries of the grid are walked by the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.study.spec.axis import Axis
from fusemax.study.spec.file import StudyPart
from fusemax.study.spec.ranges import numbers
from fusemax.study.spec.values import number_or_formula

TILES, SHAPE = "tiles.", ".shape"


Shapes = Mapping[str, Sequence[str]]


def listed(values: Any) -> list[Any]:
    """Return *values* as a list: itself, or the single value in it."""
    return list(values) if isinstance(values, list) else [values]


def is_several(value: Any) -> bool:
    """Return whether *value* is a list or a range."""
    return isinstance(value, list | Mapping)


def groups_of(part: StudyPart) -> list[tuple[str, ...]]:
    """Return the lists and ranges of *part* in their order, those that are zipped together as one where the first stands."""
    several = [name for name, value in [*part.sizes.items(), *part.grid.items()] if is_several(value)]
    found: list[tuple[str, ...]] = []
    for name in several:
        group = next((tuple(n for n in g if n in several) for g in part.zip if name in g), (name,))
        if name == next(member for member in several if member in group):
            found.append(group)
    return found


def outside(part: StudyPart, deciding: Collection[str]) -> list[tuple[str, ...]]:
    """Return the groups that are written out as points: those with a list of sizes, and those that cases are decided by."""
    units = {name.partition(".")[0] for name in deciding}
    decides = {
        name
        for name in part.grid
        if name in deciding or name.removeprefix(TILES) in deciding
        or (name.endswith(SHAPE) and name.removesuffix(SHAPE) in units)
    }  # fmt: skip
    return [g for g in groups_of(part) if any(name in part.sizes or name in decides for name in g)]


def axis_of(part: StudyPart, group: Sequence[str], shapes: Shapes) -> Axis:
    """Return the axis of one *group* of zipped names; *shapes* are the dimensions of each unit.

    Raises
    ------
    FusemaxError
        For values that the names cannot have, and a unit that the machine lacks.
    """
    members = [_axis(name, (part.grid if name in part.grid else part.sizes)[name], shapes) for name in group]
    names = tuple(name for member in members for name in member.names)
    return Axis(names=names, values=tuple(values for member in members for values in member.values))


def expanded(name: str, shapes: Shapes) -> tuple[str, ...]:
    """Return the parameters that *name* stands for: ``2d.shape`` for all dimensions of the unit, ``tiles.P1`` for P1."""
    if name.startswith(TILES):
        return (name.removeprefix(TILES),)
    if not name.endswith(SHAPE):
        return (name,)
    unit = name.removesuffix(SHAPE)
    if unit not in shapes:
        raise FusemaxError(f"the machine has no unit {unit!r}; there are: {', '.join(shapes)}")
    return tuple(f"{unit}.{dimension}" for dimension in shapes[unit])


def _axis(name: str, value: Any, shapes: Shapes) -> Axis:
    names = expanded(name, shapes)
    if isinstance(value, list) and all(isinstance(entry, list) for entry in value) and len(names) > 1:
        wrong = [entry for entry in value if len(entry) != len(names)]
        if wrong:
            raise FusemaxError(f"expected {len(names)} numbers ({', '.join(names)}), got {wrong[0]!r}")
        columns = ([entry[position] for entry in value] for position in range(len(names)))
        values = (tuple(_number(n, v) for v in column) for n, column in zip(names, columns, strict=True))
        return Axis(names=names, values=tuple(values))
    return Axis(names=names, values=tuple(numbers(inner, value) for inner in names))


def _number(name: str, value: Any) -> float:
    found = number_or_formula(name, value)
    if not isinstance(found, int | float):
        raise FusemaxError(f"{name}: the values on an axis are numbers, got the formula {value!r}")
    return float(found)


def points_on(axes: Sequence[Axis]) -> int:
    """Return the number of points of the grid of *axes*."""
    return math.prod(axis.length for axis in axes)
