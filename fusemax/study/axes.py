"""The axes of a part: its tables, lists of sizes, and what stands under ``grid``.

A part is points times a grid. Points are written out one by one (tables, lists of sizes, and the entries of a grid that decide
between cases); the entries of the grid are walked by the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.figure import is_figure
from fusemax.source import KeyPath
from fusemax.study.axis import Axis
from fusemax.study.spec import StudyPart
from fusemax.study.values import number_or_formula, numbers

TILES, SHAPE = "tiles.", ".shape"


Shapes = Mapping[str, Sequence[str]]
#: What is wrong, and the keys inside the part where it stands.
Mistake = tuple[KeyPath, str]


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


def mistakes_of_axes(part: StudyPart) -> Iterator[Mistake]:
    """Yield what is wrong with the names of the axes of *part*, each with its keys inside the part."""
    several = {name for group in groups_of(part) for name in group}
    for name in part.sizes:
        if name in part.grid:
            yield ("grid", name), f"{name} is given twice: among the sizes and in the grid"
        elif is_figure(name):
            yield (
                ("sizes", name),
                f"{name!r} is a figure of a machine, not a size: give it in a table or a grid",
            )
    for table, rows in part.tables.items():
        if not rows:
            yield ("tables", table), "a table needs at least one row"
        for name in dict.fromkeys(name for row in rows.values() for name in row):
            if name in part.sizes or name in part.grid:
                yield ("tables", table), f"{name} is given twice: in the table and outside it"
    seen: set[str] = set()
    for number, group in enumerate(part.zip):
        unknown = [name for name in group if name not in part.sizes and name not in part.grid]
        unknown += [name for name in group if name not in several and name not in unknown]
        if unknown:
            there = ", ".join(n for n, v in [*part.sizes.items(), *part.grid.items()] if is_several(v))
            yield ("zip", number), f"{unknown[0]!r} is no list or range of this part; there are: {there}"
        if seen & set(group) or len(set(group)) < len(group):
            yield ("zip", number), "a name stands in two groups"
        seen |= set(group)


def mistakes_of_values(part: StudyPart, shapes: Shapes) -> Iterator[Mistake]:
    """Yield the lists and ranges of *part* whose values are none, and zipped ones of unequal length."""
    for group in groups_of(part):
        lengths: dict[str, int] = {}
        for name in group:
            key = ("grid" if name in part.grid else "sizes", name)
            if key[0] == "sizes" and isinstance(part.sizes[name], list):
                lengths[name] = len(part.sizes[name])
                continue
            try:
                lengths[name] = axis_of(part, (name,), shapes).length
            except FusemaxError as error:
                yield key, str(error).removeprefix(f"{name}: ")
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{name} {length}" for name, length in lengths.items())
            yield ("zip",), f"zipped entries differ in length: {said}"


def points_on(axes: Sequence[Axis]) -> int:
    """Return the number of points of the grid of *axes*."""
    return math.prod(axis.length for axis in axes)
