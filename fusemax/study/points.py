"""The points of a part: every combination of its tables and lists, with formulas worked out and conditions applied."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.syntax import Expression, names
from fusemax.language.value import is_size, value_of
from fusemax.study.spec import StudyPart, size_value
from fusemax.study.values import number_or_formula


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
    """Return the points of *part*, tables first, in the order in which they are written."""
    chosen = [[(table, row) for row in rows] for table, rows in part.tables.items()]
    lists = [[(name, value) for value in _listed(values)] for name, values in part.sizes.items()]
    points = (_point(part, combination) for combination in itertools.product(*chosen, *lists))
    return tuple(p for p in points if all(condition.holds(p.columns()) for condition in part.where))


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list) else [values]


def _point(part: StudyPart, combination: tuple[tuple[str, Any], ...]) -> Point:
    labels: dict[str, str] = {}
    raw: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    for name, value in combination:
        if name in part.tables:
            labels[name] = str(value)
            for key, entry in part.tables[name][value].items():
                (figures if "." in key else raw)[key] = entry
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
            unknown = {used for value in waiting.values() for used in names(value)} - set(known)
            raise FusemaxError(f"part {part!r}: no size is given for {', '.join(sorted(unknown))}")
        for name in ready:
            value = value_of(waiting.pop(name), known)
            if not is_size(value):
                raise FusemaxError(f"part {part!r}: {name} = {value:g} is not a whole number of at least 1")
            known[name] = int(value)
    return known


def chunks(points: tuple[Point, ...], size: int) -> Iterator[tuple[Point, ...]]:
    """Return *points* in pieces of at most *size*."""
    for start in range(0, len(points), size):
        yield points[start : start + size]
