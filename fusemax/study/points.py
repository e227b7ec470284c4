"""The points of a part, written out: its tables and lists crossed, formulas worked out, conditions applied."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.figure import figure_value, is_figure
from fusemax.language.syntax import Expression, names
from fusemax.language.value import is_size, size_fault, value_of
from fusemax.quantity import QuantityError
from fusemax.source import KeyPath
from fusemax.study.axes import Shapes, axis_of, is_several, listed, outside
from fusemax.study.axis import Axis
from fusemax.study.spec import Condition, StudyPart, size_value
from fusemax.study.values import number_or_formula

MOST_POINTS = 200_000  #: of a part, written out


@dataclass(frozen=True, slots=True)
class Point:
    """One point: its labels (the row chosen of each table), sizes, figures, and formulas that wait for the grid."""

    labels: Mapping[str, str]
    sizes: Mapping[str, int]
    figures: Mapping[str, float]
    formulas: Mapping[str, Expression] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """Return labels, sizes and figures together, as conditions see them."""
        return {**self.figures, **self.sizes, **self.labels}


def points_of(
    part: StudyPart, deciding: Collection[str] = (), shapes: Shapes | None = None
) -> tuple[Point, ...]:
    """Return the points of *part*, tables first, in the order in which they are written.

    Entries of the grid that are *deciding* between cases are written out too; what names others of them stays a formula.

    Raises
    ------
    FusemaxError
        For values that are no sizes, formulas that cannot be worked out, too many points.
    """
    choices = [[((table, row),) for row in rows] for table, rows in part.tables.items()]
    written = outside(part, deciding)
    choices += [_on_axis(part, group, shapes or {}) for group in written]
    count = math.prod(map(len, choices))
    if count > MOST_POINTS:
        raise FusemaxError(
            f"part {part.name!r} has {count:,} points; without a grid at most {MOST_POINTS:,}"
            "\n  hint: give the long lists under 'grid', which is streamed"
        )
    single = {name: value for name, value in part.sizes.items() if not is_several(value)}
    single |= {n: v for n, v in part.grid.items() if not is_several(v) and not is_figure(n)}
    outer = {name for group in written for name in group}
    inner = {n for n, v in part.grid.items() if is_several(v) and n not in outer}
    where = [condition for condition in part.where if is_outside(condition, part, inner)]
    points = (
        _point(part, dict(itertools.chain(*some)), single, inner) for some in itertools.product(*choices)
    )
    return tuple(p for p in points if all(condition.holds(p.columns()) for condition in where))


def _on_axis(part: StudyPart, group: Sequence[str], shapes: Shapes) -> list[tuple[tuple[str, Any], ...]]:
    if all(name in part.sizes and isinstance(part.sizes[name], list) for name in group):
        rows = zip(*(part.sizes[name] for name in group), strict=True)
        return [tuple(zip(group, row, strict=True)) for row in rows]
    axis: Axis = axis_of(part, group, shapes)
    return [tuple(zip(axis.names, row, strict=True)) for row in zip(*axis.values, strict=True)]


def is_outside(condition: Condition, part: StudyPart, inner: Collection[str]) -> bool:
    """Return whether *condition* is decided before the grid is walked: it names nothing of it, nor any output."""
    if is_label(condition, part):
        return True
    known = {*part.sizes, *(n for n in part.grid if not is_figure(n))}
    known |= {name for rows in part.tables.values() for row in rows.values() for name in row}
    waiting = _waiting(part, inner)
    return all(name in known and name not in waiting for name in names_in(condition))


def names_in(condition: Condition) -> set[str]:
    """Return the names of sizes, figures, labels and outputs in *condition*; the text that a label is held against is none."""
    found: set[str] = set()
    for text in (condition.name, condition.value):
        try:
            read = number_or_formula("where", text)
        except FusemaxError:
            read = 0.0
        found |= set() if isinstance(read, int | float) else set(names(read))
    return found


def is_label(condition: Condition, part: StudyPart) -> bool:
    """Return whether *condition* holds a label against a text."""
    return condition.name in part.tables


def _waiting(part: StudyPart, inner: Collection[str]) -> set[str]:
    """Return the names of *part* that are known only inside the grid."""
    waiting = set(inner)
    entries = [*part.sizes.items(), *part.grid.items()]
    entries += [item for rows in part.tables.values() for row in rows.values() for item in row.items()]
    formulas = [(n, names(found)) for n, v in entries if not is_figure(n) for found in _formulas(v)]
    while True:
        more = {n for n, used in formulas if any(u in waiting or is_figure(u) for u in used)} - waiting
        if not more:
            return waiting
        waiting |= more


def _formulas(value: Any) -> Iterator[Expression]:
    for entry in [] if isinstance(value, Mapping) else listed(value):
        try:
            found = size_value(entry)
        except FusemaxError:
            continue
        if isinstance(found, Expression):
            yield found


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


def _point(
    part: StudyPart, chosen: Mapping[str, Any], single: Mapping[str, Any], inner: Collection[str]
) -> Point:
    labels: dict[str, str] = {}
    raw: dict[str, Any] = {}
    for name, value in chosen.items():
        if name in part.tables:
            labels[name] = str(value)
            raw |= part.tables[name][value]
        else:
            raw[name] = value
    sizes = {name: value for name, value in {**raw, **single}.items() if not is_figure(name)}
    figures = {n: v if isinstance(v, float) else figure_value(n, v) for n, v in raw.items() if is_figure(n)}
    known, formulas = _solved(part.name, sizes, inner, figures)
    return Point(labels, known, figures, formulas)


def _solved(
    part: str, raw: Mapping[str, Any], inner: Collection[str], figures: Mapping[str, float]
) -> tuple[dict[str, int], dict[str, Expression]]:
    """Return the sizes that are numbers, or follow from such; and the formulas that wait for the grid or a machine."""
    known: dict[str, int] = {}
    waiting: dict[str, Expression] = {}
    for name, value in raw.items():
        result = int(value) if isinstance(value, float) else size_value(value)
        if isinstance(result, int):
            known[name] = result
        else:
            waiting[name] = result
    later: dict[str, Expression] = {}
    while waiting:
        there: dict[str, float] = {**figures, **known}
        ready = [name for name, value in waiting.items() if all(used in there for used in names(value))]
        for name in ready:
            known[name] = _whole(part, name, waiting.pop(name), there)
        late = [
            name
            for name, value in waiting.items()
            if not ready and all(u in there or u in inner or u in later or is_figure(u) for u in names(value))
        ]
        later |= {name: waiting.pop(name) for name in late}
        if not ready and not late:
            unknown = {used for value in waiting.values() for used in names(value)} - {
                *there,
                *waiting,
                *inner,
            }
            listed_names = ", ".join(sorted(unknown or waiting))
            what = f"no size is given for {listed_names}" if unknown else f"{listed_names} need each other"
            raise FusemaxError(f"part {part!r}: {what}")
    return known, later


def _whole(part: str, name: str, formula: Expression, known: Mapping[str, float]) -> int:
    value = value_of(formula, known)
    if not is_size(value):
        raise FusemaxError(f"part {part!r}: {name} = {value:g} is not {size_fault(value)}")
    return int(value)
