"""What of a study fits on a screen: means over its points, or the first rows of its table."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from fusemax.language.figure import figure_kind, is_figure
from fusemax.quantity import format_quantity
from fusemax.report.numbers import Numbers
from fusemax.report.study import Points, Short
from fusemax.report.summary import Headline, headline
from fusemax.study.columns import TELLING
from fusemax.study.spec.file import StudyFile
from fusemax.table.table import Table

if TYPE_CHECKING:
    import polars

SHOWN = 20  #: rows on the screen


def means(study: StudyFile, results: Table, points: Points) -> tuple[Short, ...]:
    """Return the means over the points of each part of *study* that has no grid, or is asked for, as the report has them."""
    asked = study.summary.parts or [part.name for part in study.parts if not part.grid]
    wanted = asked or ([part.name for part in study.parts] if study.summary.baselines else [])
    if not wanted or not results.frame.height:
        return ()
    numbers = Numbers(results, None, points.labels, points.sums)
    found: list[Short] = []
    for part in dict.fromkeys(wanted):
        there = set(results.frame.filter(results.frame["part"] == part)["configuration"])
        if not there:
            continue  # conditions have left nothing of it
        baselines = [name for name in study.summary.baselines if name in there]
        found.append(_short(headline(numbers, results, part, baselines)))
    return tuple(short for short in found if len(short.headings) > short.texts)


def _short(head: Headline) -> Short:
    names = ("configuration", *([head.label] if head.label else []))
    shares = len(head.columns) - head.shares
    rows: list[tuple[str, ...]] = []
    for line in head.lines:
        values = [cell.ours for cell in line.cells]
        cells = ["" if v is None else f"{v:.3g}" if n < shares else f"{v:.0%}" for n, v in enumerate(values)]
        label = [] if head.label is None else [line.label or "all"]
        rows.append((line.configuration, *label, *cells))
    headings = (*names, *(_broken(column) for column in head.columns))
    return Short(
        title=f"{head.part}: means over the points", headings=headings, rows=tuple(rows), texts=len(names)
    )


def _broken(heading: str) -> str:
    """Return *heading* in two lines: what it is, and of what.

    >>> _broken("speed-up over FLAT"), _broken("energy relative to FLAT"), _broken("2d busy")
    ('speed-up\\nFLAT', 'energy\\nFLAT', '2d\\nbusy')
    """
    for words in (" over ", " relative to "):
        what, between, base = heading.partition(words)
        if between:
            return f"{what}\n{base}"
    return "\n".join(heading.rsplit(" ", 1))


def first_rows(lazy: polars.LazyFrame, rows: int, title: str, asked: str) -> Short:
    """Return the first rows, in as many of the columns that vary as the screen has room for."""
    import polars

    frame = lazy.head(SHOWN).collect()
    varying = [name for name in _varying(lazy, rows) if name != TELLING["lost"]]
    cells = {name: [_cell(name, value) for value in frame[name]] for name in varying}
    widths = {name: max(map(len, (name, *texts))) + 3 for name, texts in cells.items()}
    room = shutil.get_terminal_size((80, 24)).columns
    shown = _fitting(widths, _wanted(asked, varying), room - 2)
    shown.sort(key=lambda name: frame.schema[name] != polars.String)
    texts = sum(frame.schema[name] == polars.String for name in shown)
    note = ""
    if rows > frame.height or len(shown) < len(varying):
        note = f" (the first {frame.height} of {rows:,} rows, {len(shown)} of {len(frame.columns)} columns)"
    return Short(
        title=title + note,
        headings=tuple(shown),
        rows=tuple(zip(*(cells[name] for name in shown), strict=True)),
        texts=texts,
    )


def _varying(lazy: polars.LazyFrame, rows: int) -> list[str]:
    """Return the columns that do not hold one value in all rows; the table is read column by column, piece by piece."""
    import polars

    def varies(name: str) -> bool:
        column = polars.col(name)
        asked = (
            column.min().alias("least"), column.max().alias("most"), column.null_count().alias("missing"),
        )  # fmt: skip
        found = lazy.select(asked).collect(engine="streaming").row(0, named=True)
        return found["least"] != found["most"] or 0 < found["missing"] < rows

    return [name for name in lazy.collect_schema().names() if varies(name)]


def _cell(name: str, value: object) -> str:
    """Return the text of a value of the column *name*; one of a figure has its unit."""
    if value is None:
        return ""
    if is_figure(name) and isinstance(value, float):
        return format_quantity(value, figure_kind(name).unit, 4)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _fitting(widths: Mapping[str, int], first: Collection[str], room: int) -> list[str]:
    """Return the columns of *widths* that fit into *room*, in their order; those in *first* before all others."""
    fitting: set[str] = set()
    for name in sorted(widths, key=lambda name: name not in first):
        if widths[name] <= room:
            fitting.add(name)
            room -= widths[name]
    return [name for name in widths if name in fitting]


def _wanted(asked: str, columns: Iterable[str]) -> set[str]:
    """Return the columns of the measures that the command line names, with or without their units, or the time."""
    words = [word for word in asked.replace("-", "").split(",") if word]
    return {name for name in columns if name in words or name.rpartition("_")[0] in words} or {
        TELLING["time"]
    }
