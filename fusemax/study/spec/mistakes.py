"""What is wrong with the names and the values of a part's sizes, tables and axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.figure import figure_value, is_figure
from fusemax.quantity import QuantityError
from fusemax.source import KeyPath
from fusemax.study.spec.axes import Shapes, axis_of, groups_of, is_several, listed
from fusemax.study.spec.file import StudyPart
from fusemax.study.spec.values import size_value

#: What is wrong, and the keys inside the part where it stands.
Mistake = tuple[KeyPath, str]


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


def value_mistakes(part: StudyPart) -> Iterator[tuple[KeyPath, str]]:
    """Yield the values among the sizes and tables of *part* that can be none, with their keys inside the part."""
    for name, values in part.sizes.items():
        if isinstance(values, Mapping):
            continue
        for number, value in enumerate(listed(values)):
            place = ("sizes", name, number) if isinstance(values, list) else ("sizes", name)
            yield from ((place, text) for text in _mistake(name, value))
        if isinstance(values, list) and not values:
            yield ("sizes", name), "an empty list has no points"
        texts = [str(value) for value in listed(values)]
        twice = (
            sorted({text for text in texts if texts.count(text) > 1}) if len(set(texts)) < len(texts) else []
        )
        if not any(name in group for group in part.zip):
            yield from ((("sizes", name), f"{text} stands twice in the list") for text in twice)
    for table, rows in part.tables.items():
        for label, row in rows.items():
            for name, value in row.items():
                yield from ((("tables", table, label, name), text) for text in _mistake(name, value))
    for name, value in part.grid.items():
        if not is_several(value) and not is_figure(name):
            yield from ((("grid", name), text) for text in _mistake(name, value))


def _mistake(name: str, value: Any) -> list[str]:
    try:
        figure_value(name, value) if is_figure(name) else size_value(value)
    except (FusemaxError, QuantityError) as error:
        return [str(error)]
    return []
