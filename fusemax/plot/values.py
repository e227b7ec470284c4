"""The values of a figure: one for each place, in one unit, over those of a baseline; what cannot be shown is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.nearest import nearest
from fusemax.plot.chart import Keys, Values
from fusemax.plot.kinds import KINDS
from fusemax.plot.labels import tick
from fusemax.plot.picked import EmptyFigureError, Row
from fusemax.plot.scales import scale
from fusemax.plot.spec import FigureSpec
from fusemax.table.column import Column, Role
from fusemax.table.table import Table


def place_of(row: Row, spec: FigureSpec) -> tuple[Keys, str, Any]:
    """Return the panel, the series and the x of *row*."""
    series = "" if spec.series is None else tick(row[spec.series])
    return tuple(row[name] for name in spec.panels), series, row[spec.x]


def own_column(rows: Sequence[Row], spec: FigureSpec, table: Table) -> Column:
    """Return the column of y, with the unit and the words that its rows give where they do."""
    column = table.column(spec.ys[0])
    if not column.unit_in:
        return column
    kinds = dict.fromkeys((row[column.words_in], row[column.unit_in]) for row in rows)
    if len({unit for _, unit in kinds}) > 1:
        listed = ", ".join(f"{words} ({unit})" for words, unit in kinds)
        hint = f"keep one of them: where: {{{column.words_in}: {next(iter(kinds))[0]}}}"
        raise FusemaxError(f"{spec.file}: {spec.ys[0]} has several units: {listed}\n  hint: {hint}")
    words = "/".join(dict.fromkeys(words for words, _ in kinds))
    return replace(column, name=words, unit=next(iter(kinds))[1])


def values_of(rows: Sequence[Row], spec: FigureSpec, table: Table, column: Column) -> Values:
    """Return the y, in *column*, of each panel, series and x: one, but in a scatter without baseline."""
    values: dict[tuple[Keys, str, Any], tuple[float, ...]] = {}
    first: dict[tuple[Keys, str, Any], Row] = {}
    kind = KINDS[spec.kind]
    several = kind.takes_many and spec.baseline is None
    factor = 1.0 if spec.baseline else scale(column, spec.unit).factor
    for row in rows:
        place = place_of(row, spec)
        _check_row(row, spec)
        y = factor * row[spec.ys[0]]
        before = values.get(place, ())
        is_another = before and not several and (not kind.adds_up or _differing((first[place], row), table))
        if is_another:
            same = [one for one in rows if place_of(one, spec) == place]
            raise FusemaxError(
                f"{spec.file}: two rows for {place_in_words(place, spec)}\n  hint: {_apart(same, table)}"
            )
        first.setdefault(place, row)
        values[place] = (sum(before, y),) if kind.adds_up else (*before, y)
    return values


def _apart(rows: Sequence[Row], table: Table) -> str:
    """Return how *rows* can be told apart: by the labels and sizes in which they differ."""
    found = _differing(rows, table) or _differing(rows, table, ("piece",))
    if not found:
        return "tell them apart with series, panels or where"
    some = ", ".join(tick(value) for value in dict.fromkeys(row[found[0]] for row in rows))
    listed = " and ".join(filter(None, (", ".join(found[:-1]), found[-1])))
    return f"they differ in {listed} ({found[0]}: {some}); tell them apart with series, panels or where"


def _differing(rows: Sequence[Row], table: Table, roles: Sequence[Role] = ("label", "size")) -> list[str]:
    """Return the columns of *roles* in which *rows* differ."""
    names = [column.name for column in table.columns if column.role in roles]
    return [name for name in names if len({row[name] for row in rows}) > 1]


def _check_row(row: Row, spec: FigureSpec) -> None:
    """Raise unless the values on the axes are numbers where they must be."""
    numeric_x = not KINDS[spec.kind].is_categorical
    for name, must in ((spec.ys[0], True), (spec.x, numeric_x)):
        value = row[name]
        if must and (isinstance(value, bool) or not isinstance(value, int | float)):
            where = place_in_words(place_of(row, spec), spec)
            raise FusemaxError(f"{spec.file}: {name}: expected a number, got {value!r} for {where}")


def relative(values: Values, spec: FigureSpec) -> tuple[Values, list[str]]:
    """Return the values over those of the baseline, or the other way round, without the baseline itself; and the gaps."""
    names = dict.fromkeys(series for _, series, _ in values)
    if spec.series is None or spec.baseline not in names:
        near = nearest(spec.baseline or "", names)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(names)}"
        raise FusemaxError(f"{spec.file}: baseline: no series is called {spec.baseline!r}; {hint}")
    shown: dict[tuple[Keys, str, Any], tuple[float, ...]] = {}
    lost: list[str] = []
    for (panel, series, x), (value, *_) in values.items():
        if series == spec.baseline:
            continue
        base, *_ = values.get((panel, spec.baseline, x), (0,))
        if base == 0 or value == 0:
            lost.append(place_in_words((panel, series, x), spec))
            continue
        shown[panel, series, x] = (value / base if spec.ratio == "value/baseline" else base / value,)
    if not shown and lost:
        raise EmptyFigureError(f"{spec.file}: {spec.baseline} has no value at any point that others have")
    if not shown:
        raise FusemaxError(f"{spec.file}: baseline: there is no series but {spec.baseline!r}")
    return shown, lost


def check_log(values: Values, spec: FigureSpec) -> None:
    """Raise FusemaxError for a value that has no place on a logarithmic axis."""
    for place, ys in values.items():
        y = min(ys)
        on_axes = (("x", spec.x, place[2]), ("y", spec.ys[0], y))
        for axis, column, value in on_axes:
            is_low = isinstance(value, int | float) and value <= 0
            if axis in spec.log and is_low:
                here = place_in_words(place, spec)
                raise FusemaxError(
                    f"{spec.file}: {column}: {value!r} has no place on a logarithmic axis ({here})"
                )


def place_in_words(place: tuple[Keys, str, Any], spec: FigureSpec) -> str:
    """Return panel, series and x of a *place* with the names of their columns."""
    panel, series, x = place
    pairs = [*zip(spec.panels, panel, strict=True), *([(spec.series, series)] if spec.series else [])]
    return ", ".join(f"{name} = {value}" for name, value in [*pairs, (spec.x, x)])
