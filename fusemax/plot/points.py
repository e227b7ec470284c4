"""The points of a figure: rows of a table, picked, checked, and set against a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from string import Formatter
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.plot.chart import Chart, Keys, Panel, Point, Values
from fusemax.plot.kinds import KINDS, settled
from fusemax.plot.labels import axis_label, panel_text, tick
from fusemax.plot.layers import gathered
from fusemax.plot.picked import EmptyFigureError, Row, has_values, picked_rows, table_of_figure
from fusemax.plot.scales import labelled, scale, sized
from fusemax.plot.spec import FigureSpec
from fusemax.plot.values import check_log, own_column, place_in_words, place_of, relative, values_of
from fusemax.plot.words import told_apart
from fusemax.table.column import Column
from fusemax.table.table import Table, Tables

if TYPE_CHECKING:
    import polars


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
    described, spec = table_of_figure(tables, settled(spec))
    table, named_y = described.frame, next(iter(spec.ys))
    column = described.column(spec.series) if spec.series else None
    names = _names(table, spec.series, column)
    picked = [
        {**row, spec.series: names[row[spec.series]]} if spec.series else row
        for row in picked_rows(table, spec)
    ]
    rows = [row for row in picked if has_values(row, spec)]
    gaps = [place_in_words(place_of(row, spec), spec) for row in picked if not has_values(row, spec)]
    if not rows:
        raise EmptyFigureError(
            f"{spec.file}: none of the {len(picked)} rows has a value of {named_y} to show"
        )
    kind = KINDS[spec.kind]
    y = own_column(rows, spec, described)
    beside = _numbers(rows, spec.x) if kind.one_unit else []
    if spec.baseline is None and not spec.unit:
        y = sized(labelled(y, spec.ylabel), [*_sizes(rows, spec, kind.adds_up), *beside], "y" in spec.log)
    values = values_of(rows, spec, described, y)
    if spec.baseline is not None:
        values, lost = relative(values, spec)
        gaps += lost
    check_log(values, spec)
    notes: tuple[str, ...] = ()
    if KINDS[spec.kind].adds_up:
        values, notes = gathered(values)
    texts = {place_of(row, spec): _filled(spec.annotate, row) for row in rows} if spec.annotate else {}
    # Layers of a stack keep the order of their own rows; elsewhere a series keeps its colour in every figure.
    source = [row[spec.series] for row in rows] if kind.adds_up and spec.series else names.values()
    known = dict.fromkeys(source) if spec.series else ("",)
    x = _x_of(spec, rows, described.column(spec.x), y)
    return Chart(
        **_arranged(
            values, texts, _more(rows, spec, described), [described.column(name) for name in spec.panels]
        ),
        known=(*known, *dict.fromkeys(series for _, series, _ in values if series not in known)),
        notes=notes,
        title=_title(rows, spec, described, x, y),
        gaps=() if kind.lies else tuple(dict.fromkeys(gaps)),
        x=x,
        y=y,
        series_column=column,
    )


def _names(table: polars.DataFrame, series: str | None, column: Column | None) -> dict[Any, str]:
    """Return the text that stands for each value of *series*, such as ``2 GB/s``, in the order of the table."""
    values = [] if series is None else table[series].unique(maintain_order=True).to_list()
    return dict(zip(values, told_apart(values, column), strict=True)) if values else {}


def _sizes(rows: Sequence[Row], spec: FigureSpec, adds_up: bool) -> list[float]:
    """Return the values of y; of stacks the heights of the bars."""
    if not adds_up:
        return [row[spec.ys[0]] for row in rows if isinstance(row[spec.ys[0]], int | float)]
    bars: dict[tuple[Any, ...], float] = {}
    for row in rows:
        place = (*(row[name] for name in spec.panels), row[spec.x])
        bars[place] = bars.get(place, 0.0) + (
            row[spec.ys[0]] if isinstance(row[spec.ys[0]], int | float) else 0.0
        )
    return list(bars.values())


def _filled(text: str, row: Row) -> str:
    parts = Formatter().parse(text)
    return "".join(before + ("" if name is None else tick(row[name])) for before, name, _, _ in parts)


def _x_of(spec: FigureSpec, rows: Sequence[Row], x: Column, y: Column) -> Column:
    """Return the column *x* in the unit in which it is shown: that of its label, of *y*, or what suits its values."""
    kind = KINDS[spec.kind]
    if kind.one_unit and x.unit == y.unit:
        return replace(x, shown=scale(y, spec.unit).unit)
    if x.role != "measure" or kind.is_categorical:
        return x
    return sized(labelled(x, spec.xlabel), _numbers(rows, spec.x), "x" in spec.log)


def _numbers(rows: Sequence[Row], name: str) -> list[float]:
    return [row[name] for row in rows if isinstance(row[name], int | float)]


def _title(rows: Sequence[Row], spec: FigureSpec, table: Table, x: Column, y: Column) -> str:
    """Return the title, its braces filled; a column with several values is refused. Without one, say what is shown."""
    if not spec.title:
        return _said(spec, table, x, y)
    for name in spec.fields("title"):
        values = dict.fromkeys(tick(row[name]) for row in rows)
        if len(values) > 1:
            raise FusemaxError(f"{spec.file}: title: {name} has several values: {', '.join(values)}")
    return _filled(spec.title, rows[0])


def _said(spec: FigureSpec, table: Table, x: Column, y: Column) -> str:
    """Return what *spec* shows, in words: y, over or by x, and of which rows."""
    what, along = (
        (text.partition(" (")[0]) for text in (spec.ylabel or axis_label(y), spec.xlabel or axis_label(x))
    )
    if spec.baseline is not None and not spec.ylabel:
        what = f"{what} relative to {spec.baseline}"
    one = {name: value for name, value in spec.where.items() if not isinstance(value, tuple | list)}
    chosen = [panel_text(value, table.column(name)) for name, value in one.items()]
    chosen = [words for words in chosen if words != what]
    found = f"{what} {'by' if x.kind == 'text' else 'over'} {along}"
    return found[:1].upper() + found[1:] + (f": {', '.join(chosen)}" if chosen else "")


def _more(
    rows: Sequence[Row], spec: FigureSpec, table: Table
) -> Mapping[tuple[Keys, str, Any], list[tuple[float, ...]]]:
    """Return what the kind of figure needs of each row besides x and y, row by row at each place."""
    found: dict[tuple[Keys, str, Any], list[tuple[float, ...]]] = {}
    needed = [name for what in KINDS[spec.kind].needs if (name := table.telling(what))]
    for row in rows if needed else ():
        found.setdefault(place_of(row, spec), []).append(tuple(row[name] for name in needed))
    return found


def merged(orders: Iterable[Iterable[Any]]) -> list[Any]:
    """Return what stands in any of *orders*: what an earlier one lacks comes behind what it follows in its own.

    >>> merged([["H100", "B200"], ["H100", "8 x H100", "B200"], ["CPU"]])
    ['H100', '8 x H100', 'B200', 'CPU']
    """
    found: list[Any] = []
    for order in map(list, orders):
        at = 0 if any(x in found for x in order) else len(found)
        for x in order:
            if x in found:
                at = found.index(x) + 1
            else:
                found.insert(at, x)
                at += 1
    return found


def _arranged(
    values: Values,
    texts: Mapping[tuple[Keys, str, Any], str],
    more: Mapping[tuple[Keys, str, Any], list[tuple[float, ...]]],
    columns: Sequence[Column],
) -> dict[str, Any]:
    """Return panels, series and xs of a chart."""
    along: dict[Keys, dict[Any, None]] = {}
    for panel, _, x in values:
        along.setdefault(panel, {})[x] = None
    xs = merged(along.values())
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
        Panel(
            keys,
            {name: tuple(sorted(ps, key=lambda p: rank[p.x])) for name, ps in series.items()},
            ", ".join(panel_text(key, column) for key, column in zip(keys, columns, strict=True)),
        )
        for keys, series in panels.items()
    )
    return {
        "panels": tuple(ordered),
        "series": tuple(dict.fromkeys(s for _, s, _ in values)),
        "xs": tuple(xs),
    }
