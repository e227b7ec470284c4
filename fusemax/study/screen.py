"""What of a study fits on a screen: means over its points, or the first rows of its table."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from fusemax.report.study import Short
from fusemax.study.spec import StudyFile
from fusemax.study.summary import summarize

if TYPE_CHECKING:
    import polars

SHOWN = 20  #: rows on the screen


def means(study: StudyFile, results: polars.DataFrame, apart: Collection[str]) -> tuple[Short, ...]:
    """Return the means over the points of each part of *study* that has no grid, or is asked for."""
    wanted = (
        [part.name for part in study.parts if not part.grid]
        if not study.summary.parts
        else study.summary.parts
    )
    wanted = wanted or ([part.name for part in study.parts] if study.summary.baselines else [])
    found = summarize(study, results, dict.fromkeys(wanted), apart) if wanted else {}
    return tuple(_short(part, frame) for part, frame in found.items())


def _short(part: str, frame: polars.DataFrame) -> Short:
    headings: list[str] = []
    for column in frame.columns:
        name = column.replace("speed_up_over_", "speed-up\n").replace("energy_over_", "energy\n")
        headings.append(name.replace("utilization_", "util.\n"))
    rows = [
        tuple(_mean_cell(column, value) for column, value in zip(frame.columns, record, strict=True))
        for record in frame.iter_rows()
    ]
    texts = sum(not frame.schema[name].is_numeric() for name in frame.columns)
    return Short(
        title=f"{part}: means over the points", headings=tuple(headings), rows=tuple(rows), texts=texts
    )


def _mean_cell(column: str, value: object) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return f"{value:.0%}" if column.startswith("utilization_") else f"{value:.3g}"


def first_rows(lazy: polars.LazyFrame, rows: int, title: str, asked: str) -> Short:
    """Return the first rows, in as many of the columns that vary as the screen has room for."""
    import polars

    frame = lazy.head(SHOWN).collect()
    varying = [name for name in _varying(lazy, rows) if name != "reason"]
    cells = {name: [_cell(value) for value in frame[name]] for name in varying}
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
    """Return the columns that do not hold one value in all rows; the table is read piece by piece."""
    import polars

    every = polars.all()
    asked = (
        every.min().name.suffix(" min"), every.max().name.suffix(" max"), every.null_count().name.suffix(" null"),
    )  # fmt: skip
    found = lazy.select(asked).collect(engine="streaming").row(0, named=True)
    return [
        name
        for name in lazy.collect_schema().names()
        if found[f"{name} min"] != found[f"{name} max"] or 0 < found[f"{name} null"] < rows
    ]


def _cell(value: object) -> str:
    if value is None:
        return ""
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
    """Return the columns of the measures that the command line names (``latency`` is latency_s), or the time."""
    words = [word for word in asked.replace("-", "").split(",") if word]
    return {name for name in columns if name in words or name.rpartition("_")[0] in words} or {"latency_s"}
