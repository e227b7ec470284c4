"""The points of a figure: rows of a table, picked, checked, and set against a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import Formatter
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.nearest import nearest
from fusemax.plot.chart import Chart, Keys, Panel, Point
from fusemax.plot.kinds import KINDS, kind_mistakes, settled
from fusemax.plot.labels import scale, tick, value_text
from fusemax.plot.spec import FigureSpec
from fusemax.table.column import Column, Role
from fusemax.table.table import Table, Tables, need_columns

if TYPE_CHECKING:
    import polars


MOST_LAYERS = 8  #: of a stack: as many as there are colours


class EmptyFigureError(FusemaxError):
    """A figure of which no point has a value."""


Row = Mapping[str, Any]
Values = Mapping[tuple[Keys, str, Any], tuple[float, ...]]


def chart(tables: Tables, spec: FigureSpec) -> Chart:
    """Return the points of *spec*, read from *tables*.

    Panels, series and x values stand in the order of the table; numeric x values ascend. Rows that agree in panel, series
    and x are refused, but for stacks, where they are added up if they are pieces of one whole. A point without a value, or
    without one to compare with, is a gap.

    Raises
    ------
    FusemaxError
        When the figure cannot be meant so, a column is missing, no row with a value is left, a value is no number, a point
        has two values, values have different units, or one that is not positive meets a logarithmic axis.
    """
    spec = settled(spec)
    mistakes = (*spec.mistakes(), *kind_mistakes(spec))
    if mistakes:
        raise FusemaxError("\n".join(f"{spec.file}: {text}" for text in mistakes))
    described = tables.table(spec.table)
    table = described.frame
    fields = spec.fields("annotate")
    need_columns(table, dict.fromkeys((*spec.columns(), *fields, *spec.fields("title"))), spec.table)
    for what in KINDS[spec.kind].needs:
        if described.telling(what) is None:
            raise FusemaxError(
                f"{spec.file}: a {spec.kind} needs a column that tells the {what}; {spec.table} has none"
            )
    picked = [_named(row, spec, described) for row in _picked(table, spec)]
    rows = [row for row in picked if _has_values(row, spec)]
    gaps = [_words(_place(row, spec), spec) for row in picked if not _has_values(row, spec)]
    if not rows:
        raise EmptyFigureError(f"{spec.file}: none of the {len(picked)} rows has a value of {spec.y} to show")
    y = _own(rows, spec, described)
    values = _values(rows, spec, described, y)
    if spec.baseline is not None:
        values, lost = _relative(values, spec)
        gaps += lost
    _check_log(values, spec)
    notes: tuple[str, ...] = ()
    if KINDS[spec.kind].adds_up:
        values, notes = _gathered(values, spec)
    texts = {_place(row, spec): _filled(spec.annotate, row) for row in rows} if fields else {}
    # Layers of a stack keep the order of their own rows; elsewhere a series keeps its colour in every figure.
    kind = KINDS[spec.kind]
    source = rows if kind.adds_up else table.select(spec.series).to_dicts() if spec.series else []
    column = described.column(spec.series) if spec.series else None
    known = dict.fromkeys(_text(row[spec.series], column) for row in source) if spec.series else ("",)
    return Chart(
        **_arranged(values, texts, _more(rows, spec, described)),
        known=(*known, *dict.fromkeys(series for _, series, _ in values if series not in known)),
        notes=notes,
        title=_title(rows, spec),
        gaps=tuple(dict.fromkeys(gaps)),
        x=described.column(spec.x),
        y=y,
        series_column=column,
    )


def _named(row: dict[str, Any], spec: FigureSpec, table: Table) -> dict[str, Any]:
    """Return *row* with the text that stands for its series, such as ``2 GB/s``, in place of the value."""
    if spec.series is None:
        return row
    return {**row, spec.series: _text(row[spec.series], table.column(spec.series))}


def _text(value: object, column: Column | None) -> str:
    return value if isinstance(value, str) else value_text(value, column)


def _filled(text: str, row: Row) -> str:
    parts = Formatter().parse(text)
    return "".join(before + ("" if name is None else tick(row[name])) for before, name, _, _ in parts)


def _title(rows: Sequence[Row], spec: FigureSpec) -> str:
    """Return the title, its braces filled; a column with several values is refused."""
    for name in spec.fields("title"):
        values = dict.fromkeys(tick(row[name]) for row in rows)
        if len(values) > 1:
            raise FusemaxError(f"{spec.file}: title: {name} has several values: {', '.join(values)}")
    return _filled(spec.title, rows[0])


def _picked(table: polars.DataFrame, spec: FigureSpec) -> list[dict[str, Any]]:
    """Return the rows that ``where`` keeps; the message of an empty choice lists what there is."""
    import polars

    kept = table
    for column, wanted in spec.where.items():
        choices = list(wanted) if isinstance(wanted, tuple | list) else [wanted]
        try:
            absent = [choice for choice in choices if kept.filter(polars.col(column) == choice).is_empty()]
        except polars.exceptions.PolarsError:
            raise FusemaxError(
                f"{spec.file}: {column}: {choices} cannot be compared with that column"
            ) from None
        if absent:
            there = ", ".join(repr(value) for value in kept[column].unique(maintain_order=True).head(20))
            raise FusemaxError(f"{spec.file}: no row has {column} = {absent[0]!r}; there are: {there}")
        kept = kept.filter(polars.col(column).is_in(choices))
    if kept.is_empty():
        raise FusemaxError(f"{spec.file}: the table {spec.table!r} has no rows to draw")
    return kept.to_dicts()


def _place(row: Row, spec: FigureSpec) -> tuple[Keys, str, Any]:
    """Return the panel, the series and the x of *row*."""
    series = "" if spec.series is None else tick(row[spec.series])
    return tuple(row[name] for name in spec.panels), series, row[spec.x]


def _own(rows: Sequence[Row], spec: FigureSpec, table: Table) -> Column:
    """Return the column of y, with the unit and the words that its rows give where they do."""
    column = table.column(spec.y)
    if not column.unit_in:
        return column
    kinds = dict.fromkeys((row[column.words_in], row[column.unit_in]) for row in rows)
    if len({unit for _, unit in kinds}) > 1:
        listed = ", ".join(f"{words} ({unit})" for words, unit in kinds)
        hint = f"keep one of them: where: {{{column.words_in}: {next(iter(kinds))[0]}}}"
        raise FusemaxError(f"{spec.file}: {spec.y} has several units: {listed}\n  hint: {hint}")
    words = "/".join(dict.fromkeys(words for words, _ in kinds))
    return replace(column, name=words, unit=next(iter(kinds))[1])


def _values(rows: Sequence[Row], spec: FigureSpec, table: Table, column: Column) -> Values:
    """Return the y, in *column*, of each panel, series and x: one, but in a scatter without baseline."""
    values: dict[tuple[Keys, str, Any], tuple[float, ...]] = {}
    first: dict[tuple[Keys, str, Any], Row] = {}
    kind = KINDS[spec.kind]
    several = kind.takes_many and spec.baseline is None
    factor = 1.0 if spec.baseline else scale(column, spec.unit).factor
    for row in rows:
        place = _place(row, spec)
        _check_row(row, spec)
        y = factor * row[spec.y]
        before = values.get(place, ())
        is_another = before and not several and (not kind.adds_up or _differing((first[place], row), table))
        if is_another:
            same = [one for one in rows if _place(one, spec) == place]
            raise FusemaxError(
                f"{spec.file}: two rows for {_words(place, spec)}\n  hint: {_apart(same, table)}"
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


def _has_values(row: Row, spec: FigureSpec) -> bool:
    """Return whether *row* has values on both axes: a text, or a finite number."""
    found = (row[spec.x], row[spec.y])
    return all(
        value is not None and not (isinstance(value, float) and not math.isfinite(value)) for value in found
    )


def _check_row(row: Row, spec: FigureSpec) -> None:
    """Raise unless the values on the axes are numbers where they must be."""
    numeric_x = not KINDS[spec.kind].is_categorical
    for name, must in ((spec.y, True), (spec.x, numeric_x)):
        value = row[name]
        if must and (isinstance(value, bool) or not isinstance(value, int | float)):
            where = _words(_place(row, spec), spec)
            raise FusemaxError(f"{spec.file}: {name}: expected a number, got {value!r} for {where}")


def _relative(values: Values, spec: FigureSpec) -> tuple[Values, list[str]]:
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
            lost.append(_words((panel, series, x), spec))
            continue
        shown[panel, series, x] = (value / base if spec.ratio == "value/baseline" else base / value,)
    if not shown and lost:
        raise EmptyFigureError(f"{spec.file}: {spec.baseline} has no value at any point that others have")
    if not shown:
        raise FusemaxError(f"{spec.file}: baseline: there is no series but {spec.baseline!r}")
    return shown, lost


def _gathered(values: Values, spec: FigureSpec) -> tuple[Values, tuple[str, ...]]:
    """Return *values* with the thinnest layers as one where there are more than there are colours, and the words for it.

    A layer is as thick as its largest share of a bar.
    """
    bars: dict[tuple[Keys, Any], float] = {}
    for (panel, _, x), (y, *_) in values.items():
        bars[panel, x] = bars.get((panel, x), 0.0) + y
    thick: dict[str, float] = {}
    for (panel, series, x), (y, *_) in values.items():
        thick[series] = max(thick.get(series, 0.0), y / (bars[panel, x] or 1.0))
    if len(thick) <= MOST_LAYERS:
        return values, ()
    thin = sorted(thick, key=lambda series: -thick[series])[MOST_LAYERS - 1 :]
    name = f"{len(thin)} others"
    found: dict[tuple[Keys, str, Any], tuple[float, ...]] = {
        place: ys for place, ys in values.items() if place[1] not in thin
    }
    for (panel, series, x), (y, *_) in values.items():
        if series in thin:
            place = (panel, name, x)
            found[place] = (found.get(place, (0.0,))[0] + y,)
    listed = ", ".join(series for series in thick if series in thin)
    most = max(thick[series] for series in thin)
    return found, (f"{name}, each at most {most:.2%} of a bar: {listed}.",)


def _check_log(values: Values, spec: FigureSpec) -> None:
    for place, ys in values.items():
        y = min(ys)
        on_axes = (("x", spec.x, place[2]), ("y", spec.y, y))
        for axis, column, value in on_axes:
            is_low = isinstance(value, int | float) and value <= 0
            if axis in spec.log and spec.log != "none" and is_low:
                here = _words(place, spec)
                raise FusemaxError(
                    f"{spec.file}: {column}: {value!r} has no place on a logarithmic axis ({here})"
                )


def _words(place: tuple[Keys, str, Any], spec: FigureSpec) -> str:
    panel, series, x = place
    pairs = [*zip(spec.panels, panel, strict=True), *([(spec.series, series)] if spec.series else [])]
    return ", ".join(f"{name} = {value}" for name, value in [*pairs, (spec.x, x)])


def _more(
    rows: Sequence[Row], spec: FigureSpec, table: Table
) -> Mapping[tuple[Keys, str, Any], list[tuple[float, ...]]]:
    """Return what the kind of figure needs of each row besides x and y, row by row at each place."""
    found: dict[tuple[Keys, str, Any], list[tuple[float, ...]]] = {}
    needed = [name for what in KINDS[spec.kind].needs if (name := table.telling(what))]
    for row in rows if needed else ():
        found.setdefault(_place(row, spec), []).append(tuple(row[name] for name in needed))
    return found


def _arranged(
    values: Values,
    texts: Mapping[tuple[Keys, str, Any], str],
    more: Mapping[tuple[Keys, str, Any], list[tuple[float, ...]]],
) -> dict[str, Any]:
    """Return panels, series and xs of a chart."""
    xs = list(dict.fromkeys(x for _, _, x in values))
    if all(isinstance(x, int | float) for x in xs):
        xs.sort()
    rank = {x: position for position, x in enumerate(xs)}
    panels: dict[Keys, dict[str, list[Point]]] = {}
    for (panel, series, x), ys in values.items():
        place = (panel, series, x)
        rest = more.get(place, [()] * len(ys))
        points = [Point(x, y, texts.get(place, ""), extra) for y, extra in zip(ys, rest, strict=True)]
        panels.setdefault(panel, {}).setdefault(series, []).extend(points)
    ordered = (
        Panel(keys, {name: tuple(sorted(ps, key=lambda p: rank[p.x])) for name, ps in series.items()})
        for keys, series in panels.items()
    )
    return {
        "panels": tuple(ordered),
        "series": tuple(dict.fromkeys(s for _, s, _ in values)),
        "xs": tuple(xs),
    }
