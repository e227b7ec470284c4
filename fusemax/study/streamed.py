"""Grids of a sweep: planned as jobs, streamed to a table on disk, and told in a few rows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError, Problem, raise_if_any
from fusemax.report.study import Points, Short
from fusemax.source import Document
from fusemax.study.chunks import Counts
from fusemax.study.describe import described
from fusemax.study.jobs import Planned, planned
from fusemax.study.kind import Outcome, Progress
from fusemax.study.pictures import column_mistakes
from fusemax.study.spec import StudyFile
from fusemax.study.stream import Options, keep_of, run_jobs
from fusemax.table.table import Table

if TYPE_CHECKING:
    import polars

    from fusemax.study import stream

OPTIONS = ("pareto", "top", "by", "resume", "fresh", "cluster", "workers", "chunk")
SHOWN = 20  #: rows on the screen
DRAWN = 20_000  #: rows at most in figures and the report


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """The jobs of a study of grids, how they are run, and the measures that were asked for."""

    planned: Planned
    how: Options
    asked: str
    files: Mapping[str, Path]


def planned_grid(study: StudyFile, document: Document, options: Mapping[str, Any]) -> GridPlan:
    """Return what the grids of *study* run, with the *options* of the command line.

    Raises
    ------
    FusemaxError
        With every mistake: parts without a grid beside others, options that no part can take, and those of each job.
    """
    _refuse_parts_without_grid(study, document, options)
    keep = keep_of(options.get("pareto"), options.get("top"), options.get("by"))
    how = Options(
        workers=options.get("workers"),
        cluster=options.get("cluster"),
        chunk_points=options.get("chunk"),
        resume=options.get("resume", False),
        fresh=options.get("fresh", False),
    )
    jobs = planned(study.parts, keep, document)
    raise_if_any(_mistakes(study, document, jobs))
    asked = ",".join(str(options.get(key) or "") for key in ("pareto", "by"))
    files = {"/".join(path.parts[-3:]): path for path in jobs.files}
    return GridPlan(planned=jobs, how=how, asked=asked, files=files)


def _refuse_parts_without_grid(study: StudyFile, document: Document, options: Mapping[str, Any]) -> None:
    plain = [(number, part) for number, part in enumerate(study.parts) if not part.grid]
    if len(plain) == len(study.parts):
        listed = ", ".join(f"--{name}" for name in options)
        raise FusemaxError(f"{document.file}: no part has a grid, so {listed} cannot apply")
    hint = "put parts without a grid into a study of their own"
    raise_if_any(
        document.problem(("parts", number), f"part {part.name!r} has no grid, others have", hint)
        for number, part in plain
    )


def _mistakes(study: StudyFile, document: Document, jobs: Planned) -> list[Problem]:
    """Return what is wrong with figures, summary and comparison of a study of grids."""
    columns: dict[str, None] = {}
    values: dict[str, list[Any]] = {}
    for job in jobs.jobs:
        columns |= dict.fromkeys(name for name, _ in job.identity)
        for name, value in job.identity:
            values.setdefault(name, []).append(value)
        for axis in job.axes:
            columns |= dict.fromkeys((*((axis.label,) if axis.label else ()), *axis.names, "fits"))
            if axis.label:
                values.setdefault(axis.label, []).extend(axis.labels)
        columns |= dict.fromkeys((*job.columns, "reason"))
    found = [document.problem(*m) for m in column_mistakes(study, {"results": list(columns)}, values)]
    if study.compare is not None:
        text = "a study of grids is compared with nothing yet"
        found.append(document.problem(("compare",), text, "give the points as lists under 'sizes'", key=True))
    return found


def run_grid(study: StudyFile, grid: GridPlan, out: Path, progress: Progress) -> Outcome:
    """Return what is told of the grids of *study*, whose table is streamed into the folder *out*."""
    import polars

    start_s = time.perf_counter()

    def told(at: stream.Progress) -> None:
        passed_s = max(time.perf_counter() - start_s, 1e-9)
        rate = (at.points_done - at.points_resumed) / passed_s / 1e6
        progress(at.points_done, at.points, f"{at.points_done:,} points, {rate:.2f} M/s")

    target, counts = run_jobs(grid.planned, out, grid.how, told)
    took_s = time.perf_counter() - start_s
    lazy = polars.scan_parquet(target, glob=False)
    rows = lazy.select(polars.len()).collect().item()
    labels = tuple(axis.label for job in grid.planned.jobs for axis in job.axes if axis.label)
    names = tuple(name for job in grid.planned.jobs for axis in job.axes for name in axis.names if name)
    columns = described(lazy.collect_schema().names(), labels, names, study.length)
    said = [f"{_counted(counts)}.", f"{counts.points:,} points in {took_s:.2f} s."]
    small = rows <= DRAWN
    if not small and study.figures:
        hint = "keep fewer with --pareto, --top or 'where'"
        said.append(f"no figures: the table has {rows:,} rows, a figure takes {DRAWN:,}; {hint}.")
    tables = {"results": Table(lazy.collect(), columns)} if small else {}
    return Outcome(
        tables=tables,
        short=(_first_rows(lazy, rows, study.title, grid.asked),),
        said=tuple(said[:1]) if small else (said[0], *said[2:]),
        streamed={} if small else {"results": columns},
        points=_points(study, dict.fromkeys((*labels, *names))) if small else None,
        took=said[1],
    )


def _points(study: StudyFile, labels: Iterable[str]) -> Points:
    return Points(
        parts=tuple(study.summary.parts),
        baselines=tuple(study.summary.baselines),
        configurations={n: c.doc for part in study.parts for n, c in part.configurations.items() if c.doc},
        labels=tuple(labels),
    )


def _counted(counts: Counts) -> str:
    said = [f"{counts.points - counts.left_out:,} points"]
    if counts.left_out:
        said.append(f"{counts.left_out:,} left out by 'where'")
    if counts.no_room:
        said.append(f"{counts.no_room:,} do not fit")
    if counts.no_value:
        said.append(f"{counts.no_value:,} without a finite measure")
    return "; ".join(said)


def _first_rows(lazy: polars.LazyFrame, rows: int, title: str, asked: str) -> Short:
    """Return the first rows, in as many of the columns that vary as the screen has room for."""
    import polars

    frame = lazy.head(SHOWN).collect()
    many = lazy.select(polars.all().n_unique()).collect().row(0)
    varying = [
        name for name, count in zip(frame.columns, many, strict=True) if count > 1 and name != "reason"
    ]
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
