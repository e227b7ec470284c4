"""The points of a part, written out: its tables and lists crossed, formulas worked out, conditions applied."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.figure import figure_value, is_figure
from fusemax.language.syntax import Expression, names
from fusemax.language.value import is_size, size_fault, value_of
from fusemax.study.spec.axes import Shapes, axis_of, is_several, outside
from fusemax.study.spec.axis import Axis
from fusemax.study.spec.file import StudyPart
from fusemax.study.spec.outside import is_outside
from fusemax.study.spec.values import size_value

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
