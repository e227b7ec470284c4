"""Studies of kind ``sweep``: configurations at points, from lists or from grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.plot.spec import FigureSpec, Picture
from fusemax.report.study import Points, Short
from fusemax.source import Document
from fusemax.study.describe import BREAKDOWN, COMPARISON, described
from fusemax.study.kind import About, Kind, Outcome, Progress
from fusemax.study.load import study_of
from fusemax.study.pictures import specs_of
from fusemax.study.plan import Job
from fusemax.study.planned import planned_points
from fusemax.study.results import breakdown_frame, comparison_frame, results_frame
from fusemax.study.rows import rows_of
from fusemax.study.spec import StudyFile
from fusemax.study.streamed import OPTIONS, GridPlan, planned_grid, run_grid
from fusemax.study.summary import summarize
from fusemax.study.sums import with_sums
from fusemax.table.table import Table, Tables, table_of

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What a sweep runs: the jobs of its points, or a grid."""

    study: StudyFile
    document: Document
    jobs: tuple[Job, ...]
    grid: GridPlan | None
    files: Mapping[str, Path]
    specs: tuple[FigureSpec, ...]


def plan(document: Document, options: Mapping[str, Any]) -> SweepPlan:
    """Return what the study in *document* runs; raise ProblemsError with every mistake."""
    study = study_of(document)
    path = Path(document.file)
    files = {path.name: path}
    if study.compare is not None:
        files[study.compare.published] = path.parent / study.compare.published
    jobs: tuple[Job, ...] = ()
    grid = None
    if options or any(part.grid for part in study.parts):
        grid = planned_grid(study, document, options)
        files |= grid.files
    else:
        jobs, read = planned_points(study, document)
        files |= read
    return SweepPlan(study=study, document=document, jobs=jobs, grid=grid, files=files, specs=specs_of(study))


def tables(plan: SweepPlan, out: Path, progress: Progress) -> Outcome:
    """Return the tables ``results``, ``breakdown`` and ``comparison`` of *plan*, the last two where there are such."""
    if plan.grid is not None:
        return run_grid(plan.study, plan.grid, out, progress)
    study, path = plan.study, Path(plan.document.file)
    rows = with_sums(study, rows_of(plan.jobs, progress))
    results = results_frame(study, path.stem, rows)
    found = {"results": results, "breakdown": breakdown_frame(study, rows)}
    said: list[str] = []
    if study.compare is not None:
        found["comparison"] = comparison_frame(study, rows, path.parent)
        said.append(_compared(found["comparison"]))
    lost = sum(not row.fits for row in rows)
    if lost:
        said.append(f"{lost} of {len(rows)} rows do not fit; their column 'reason' says why.")
    return Outcome(
        tables={name: _described(study, name, frame) for name, frame in found.items()},
        short=tuple(_short(part, frame) for part, frame in summarize(study, results).items()),
        said=tuple(said),
        parquet=("results",),
        points=points_of_report(study),
    )


def _described(study: StudyFile, name: str, frame: polars.DataFrame) -> Table:
    labels, sizes = labels_of(study), sizes_of(study)
    columns = described(frame.columns, labels, sizes, study.length)
    special = {"breakdown": BREAKDOWN, "comparison": COMPARISON}.get(name, ())
    return table_of(frame, (*columns, *special))


def labels_of(study: StudyFile) -> tuple[str, ...]:
    """Return the columns of tables that tell points of *study* apart."""
    return tuple(dict.fromkeys(name for part in study.parts for name in study.label_columns(part.name)))


def sizes_of(study: StudyFile) -> tuple[str, ...]:
    """Return the columns of listed sizes of *study*."""
    return tuple(dict.fromkeys(name for part in study.parts for name in study.listed_sizes(part.name)))


def points_of_report(study: StudyFile) -> Points:
    """Return what the report of *study* has to know."""
    return Points(
        parts=tuple(study.summary.parts),
        baselines=tuple(study.summary.baselines),
        configurations={n: c.doc for part in study.parts for n, c in part.configurations.items() if c.doc},
        labels=(*labels_of(study), *sizes_of(study)),
        sums={part.name: tuple(part.total_of) for part in study.parts if part.total_of},
    )


def _short(part: str, frame: polars.DataFrame) -> Short:
    headings = []
    for column in frame.columns:
        name = column.replace("speed_up_over_", "speed-up\n").replace("energy_over_", "energy\n")
        headings.append(name.replace("utilization_", "util.\n"))
    rows = [
        tuple(_cell(column, value) for column, value in zip(frame.columns, record, strict=True))
        for record in frame.iter_rows()
    ]
    texts = sum(not frame.schema[name].is_numeric() for name in frame.columns)
    return Short(
        title=f"{part}: means over the points", headings=tuple(headings), rows=tuple(rows), texts=texts
    )


def _cell(column: str, value: object) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return f"{value:.0%}" if column.startswith("utilization_") else f"{value:.3g}"


def _compared(comparison: polars.DataFrame) -> str:
    import polars as pl

    differs = comparison.filter(pl.col("reason") != "")
    equal = comparison.height - differs.height
    unexplained = differs.filter(pl.col("reason") == "not explained").height
    text = f"published values: {comparison.height}; equal: {equal}; differ for a reason given in comparison.csv: "
    return f"{text}{differs.height - unexplained}; differ without one: {unexplained}"


def figures(plan: SweepPlan, tables: Tables, progress: Progress) -> Sequence[Picture]:
    """Return the pictures of *plan*, drawn from *tables* into their folder."""
    from fusemax.plot.sweep import drawn

    return drawn(tables, plan.specs, progress)


KIND = Kind(
    plan=plan,
    about=lambda plan: About(title=plan.study.title, source=plan.study.source, doc=plan.study.doc),
    files=lambda plan: plan.files,
    tables=tables,
    figures=figures,
    options=OPTIONS,
)
