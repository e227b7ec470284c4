"""The rows of a figure: its table, several columns of y side by side, and what ``where`` keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError
from fusemax.plot.kinds import KINDS, kind_mistakes
from fusemax.plot.labels import axis_label
from fusemax.plot.scales import scale
from fusemax.plot.spec import FigureSpec
from fusemax.table.column import text
from fusemax.table.table import Table, Tables, need_columns

if TYPE_CHECKING:
    import polars


class EmptyFigureError(FusemaxError):
    """A figure of which no point has a value."""


Row = Mapping[str, Any]


def table_of_figure(tables: Tables, spec: FigureSpec) -> tuple[Table, FigureSpec]:
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


def picked_rows(table: polars.DataFrame, spec: FigureSpec) -> list[dict[str, Any]]:
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


def has_values(row: Row, spec: FigureSpec) -> bool:
    """Return whether *row* has values on both axes: a text, or a finite number."""
    found = (row[spec.x], row[spec.ys[0]])
    return all(
        value is not None and not (isinstance(value, float) and not math.isfinite(value)) for value in found
    )
