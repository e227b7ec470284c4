"""The points of a part: every combination of its tables and lists, with formulas worked out and conditions applied."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.figure import figure_value, is_figure
from fusemax.language.syntax import Expression, names
from fusemax.language.value import is_size, value_of
from fusemax.quantity import QuantityError
from fusemax.source import KeyPath
from fusemax.study.spec import StudyPart, size_value
from fusemax.study.values import number_or_formula

MOST_POINTS = 200_000  #: of a part without a grid: all of its rows are held in memory


@dataclass(frozen=True, slots=True)
class Point:
    """One point: its labels (the row chosen of each table), sizes, and machine figures as written."""

    labels: Mapping[str, str]
    sizes: Mapping[str, int]
    figures: Mapping[str, Any]

    def columns(self) -> dict[str, Any]:
        """Return labels, sizes and figures together, as conditions see them."""
        figures = {name: number_or_formula(name, value) for name, value in self.figures.items()}
        return {**figures, **self.sizes, **self.labels}


def points_of(part: StudyPart) -> tuple[Point, ...]:
    """Return the points of *part*, tables first, in the order in which they are written.

    Raises
    ------
    FusemaxError
        For values that are no sizes, formulas that cannot be worked out, too many points, or none at all.
    """
    chosen = [[(table, row) for row in rows] for table, rows in part.tables.items()]
    lists = [[(name, value) for value in listed(values)] for name, values in part.sizes.items()]
    count = math.prod(map(len, [*chosen, *lists]))
    if count > MOST_POINTS:
        raise FusemaxError(
            f"part {part.name!r} has {count:,} points; without a grid at most {MOST_POINTS:,}"
            "\n  hint: give the long lists under 'grid', which is streamed"
        )
    points = (_point(part, combination) for combination in itertools.product(*chosen, *lists))
    return tuple(p for p in points if all(condition.holds(p.columns()) for condition in part.where))


def listed(values: Any) -> list[Any]:
    """Return *values* as a list: itself, or the single value in it."""
    return list(values) if isinstance(values, list) else [values]


def value_mistakes(part: StudyPart) -> Iterator[tuple[KeyPath, str]]:
    """Yield the values among the sizes and tables of *part* that can be none, with their keys inside the part."""
    for name, values in part.sizes.items():
        if is_figure(name):
            yield (
                ("sizes", name),
                f"{name!r} is a figure of a machine, not a size: give it in a table or a grid",
            )
            continue
        if isinstance(values, Mapping):
            yield ("sizes", name), "a range stands under 'grid'; sizes are single values, formulas or lists"
            continue
        for number, value in enumerate(listed(values)):
            place = ("sizes", name, number) if isinstance(values, list) else ("sizes", name)
            yield from ((place, text) for text in _size_mistake(value))
        if isinstance(values, list) and not values:
            yield ("sizes", name), "an empty list has no points"
        texts = [str(value) for value in listed(values)]
        yield from ((("sizes", name), f"{text} stands twice in the list") for text in _twice(texts))
    for table, rows in part.tables.items():
        if not rows:
            yield ("tables", table), "a table needs at least one row"
        for label, row in rows.items():
            for name, value in row.items():
                mistakes = _figure_mistake(name, value) if is_figure(name) else _size_mistake(value)
                yield from ((("tables", table, label, name), text) for text in mistakes)


def _twice(texts: list[str]) -> list[str]:
    return sorted({text for text in texts if texts.count(text) > 1}) if len(set(texts)) < len(texts) else []


def _size_mistake(value: Any) -> list[str]:
    try:
        size_value(value)
    except FusemaxError as error:
        return [str(error)]
    return []


def _figure_mistake(name: str, value: Any) -> list[str]:
    try:
        figure_value(name, value)
    except QuantityError as error:
        return [str(error)]
    return []


def _point(part: StudyPart, combination: tuple[tuple[str, Any], ...]) -> Point:
    labels: dict[str, str] = {}
    raw: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    for name, value in combination:
        if name in part.tables:
            labels[name] = str(value)
            for key, entry in part.tables[name][value].items():
                (figures if is_figure(key) else raw)[key] = entry
        else:
            raw[name] = value
    return Point(labels, _solved(part.name, raw), figures)


def _solved(part: str, raw: Mapping[str, Any]) -> dict[str, int]:
    known: dict[str, int] = {}
    waiting: dict[str, Expression] = {}
    for name, value in raw.items():
        try:
            result = size_value(value)
        except FusemaxError as error:
            raise FusemaxError(f"part {part!r}, size {name}: {error}") from None
        if isinstance(result, int):
            known[name] = result
        else:
            waiting[name] = result
    while waiting:
        ready = [name for name, value in waiting.items() if all(used in known for used in names(value))]
        if not ready:
            unknown = {used for value in waiting.values() for used in names(value)} - {*known, *waiting}
            listed_names = ", ".join(sorted(unknown or waiting))
            what = f"no size is given for {listed_names}" if unknown else f"{listed_names} need each other"
            raise FusemaxError(f"part {part!r}: {what}")
        for name in ready:
            known[name] = _whole(part, name, waiting.pop(name), known)
    return known


def _whole(part: str, name: str, formula: Expression, known: Mapping[str, int]) -> int:
    value = value_of(formula, known)
    if not is_size(value):
        raise FusemaxError(f"part {part!r}: {name} = {value:g} is not a whole number of at least 1")
    return int(value)
