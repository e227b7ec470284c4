"""The points of a figure: rows of a table, picked, checked, and set against a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from string import Formatter
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.nearest import nearest
from fusemax.plot.chart import Chart, Keys, Panel, Point, Values
from fusemax.plot.kinds import KINDS, kind_mistakes, settled
from fusemax.plot.labels import axis_label, panel_text, scale, sized, tick
from fusemax.plot.layers import gathered
from fusemax.plot.spec import FigureSpec
from fusemax.plot.words import told_apart
from fusemax.table.column import Column, Role, text
from fusemax.table.table import Table, Tables, need_columns

if TYPE_CHECKING:
    import polars


class EmptyFigureError(FusemaxError):
    """A figure of which no point has a value."""


Row = Mapping[str, Any]


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
    described, spec = _read(tables, settled(spec))
    table, named_y = described.frame, next(iter(spec.ys))
    column = described.column(spec.series) if spec.series else None
    names = _names(table, spec.series, column)
    picked = [
        {**row, spec.series: names[row[spec.series]]} if spec.series else row for row in _picked(table, spec)
    ]
    rows = [row for row in picked if _has_values(row, spec)]
    gaps = [_words(_place(row, spec), spec) for row in picked if not _has_values(row, spec)]
    if not rows:
        raise EmptyFigureError(
            f"{spec.file}: none of the {len(picked)} rows has a value of {named_y} to show"
        )
    kind = KINDS[spec.kind]
    y = _own(rows, spec, described)
    if spec.baseline is None and not spec.unit:
        y = sized(y, _sizes(rows, spec, kind.adds_up), "y" in spec.log)
    values = _values(rows, spec, described, y)
    if spec.baseline is not None:
        values, lost = _relative(values, spec)
        gaps += lost
    _check_log(values, spec)
    notes: tuple[str, ...] = ()
    if KINDS[spec.kind].adds_up:
        values, notes = gathered(values)
    texts = {_place(row, spec): _filled(spec.annotate, row) for row in rows} if spec.annotate else {}
    # Layers of a stack keep the order of their own rows; elsewhere a series keeps its colour in every figure.
    source = [row[spec.series] for row in rows] if kind.adds_up and spec.series else names.values()
    known = dict.fromkeys(source) if spec.series else ("",)
    x = described.column(spec.x)
    if x.role == "measure" and not kind.is_categorical:
        x = sized(x, [row[spec.x] for row in rows if isinstance(row[spec.x], int | float)], "x" in spec.log)
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


def _read(tables: Tables, spec: FigureSpec) -> tuple[Table, FigureSpec]:
    """Return the table of *spec* with all that it needs, and one column of y; raise FusemaxError with what it lacks."""
    mistakes = (*spec.mistakes(), *kind_mistakes(spec))
    if mistakes:
        raise FusemaxError("\n".join(f"{spec.file}: {text}" for text in mistakes))
    table = tables.table(spec.table)
    named = (*spec.columns(), *spec.fields("annotate"), *spec.fields("title"))
    need_columns(table.frame, dict.fromkeys(named), spec.table)
    for what in KINDS[spec.kind].needs:
        if table.telling(what) is None:
            text = f"a {spec.kind} needs a column that tells the {what}; {spec.table} has none"
            raise FusemaxError(f"{spec.file}: {text}")
    return _side_by_side(table, spec) if len(spec.ys) > 1 else (table, spec)


def _side_by_side(table: Table, spec: FigureSpec) -> tuple[Table, FigureSpec]:
    """Return *table* with a row for each column of y that has values, and *spec* with those columns as its series."""
    import polars

    frame = _kept(table.frame, spec)
    units = dict.fromkeys(table.column(name).unit for name in spec.ys)
    if len(units) > 1:
        raise FusemaxError(
            f"{spec.file}: y: columns with several units: {', '.join(f'{n} ({table.column(n).unit})' for n in spec.ys)}"
        )
    words = {name: axis_label(table.column(name)).partition(" (")[0] for name in spec.ys}
    there = [name for name in spec.ys if frame[name].null_count() < frame.height]
    if not there:
        raise EmptyFigureError(
            f"{spec.file}: none of the {frame.height} rows has a value of {', '.join(spec.ys)} to show"
        )
    others = [name for name in frame.columns if name not in spec.ys]
    long = polars.concat(
        [
            frame.select(*others, polars.lit(words[name]).alias(SERIES), polars.col(name).alias(VALUE))
            for name in there
        ],
        how="vertical_relaxed",
    )
    first, common = table.column(spec.ys[0]), _common([name.split() for name in words.values()])
    own = [column for column in table.columns if column.name in others]
    series, y = text(SERIES), replace(first, name=VALUE, heading="")
    shown = scale(first, spec.unit).unit
    label = " ".join(common) + (f" ({shown})" if shown and common else shown)
    changed = replace(spec, y=VALUE, series=SERIES, ylabel=spec.ylabel or label)
    return Table(long, (*own, series, y)), changed


def _common(names: Sequence[Sequence[str]]) -> list[str]:
    """Return the words with which all of *names* begin."""
    return [words[0] for words in takewhile(lambda words: len(set(words)) == 1, zip(*names, strict=False))]


SERIES, VALUE = "series", "value"  #: columns of a table in which several columns of y stand below each other


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


def _picked(table: polars.DataFrame, spec: FigureSpec) -> list[dict[str, Any]]:
    """Return the rows that ``where`` keeps; the message of an empty choice lists what there is."""
    return _kept(table, spec).to_dicts()


def _kept(table: polars.DataFrame, spec: FigureSpec) -> polars.DataFrame:
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
        kept = kept.filter(polars.any_horizontal(polars.col(column) == choice for choice in choices))
    if kept.is_empty():
        raise FusemaxError(f"{spec.file}: the table {spec.table!r} has no rows to draw")
    return kept


def _place(row: Row, spec: FigureSpec) -> tuple[Keys, str, Any]:
    """Return the panel, the series and the x of *row*."""
    series = "" if spec.series is None else tick(row[spec.series])
    return tuple(row[name] for name in spec.panels), series, row[spec.x]


def _own(rows: Sequence[Row], spec: FigureSpec, table: Table) -> Column:
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
        y = factor * row[spec.ys[0]]
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
    found = (row[spec.x], row[spec.ys[0]])
    return all(
        value is not None and not (isinstance(value, float) and not math.isfinite(value)) for value in found
    )


def _check_row(row: Row, spec: FigureSpec) -> None:
    """Raise unless the values on the axes are numbers where they must be."""
    numeric_x = not KINDS[spec.kind].is_categorical
    for name, must in ((spec.ys[0], True), (spec.x, numeric_x)):
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


def _check_log(values: Values, spec: FigureSpec) -> None:
    for place, ys in values.items():
        y = min(ys)
        on_axes = (("x", spec.x, place[2]), ("y", spec.ys[0], y))
        for axis, column, value in on_axes:
            is_low = isinstance(value, int | float) and value <= 0
            if axis in spec.log and is_low:
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
    columns: Sequence[Column],
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
