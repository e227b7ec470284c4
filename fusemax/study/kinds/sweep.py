"""Studies of kind ``sweep``: configurations at points, written out or on a grid."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError, raise_if_any
from fusemax.findings import once
from fusemax.plot.spec import FigureSpec
from fusemax.report.study import Points
from fusemax.source import Document
from fusemax.study.columns import LONG_TABLES, described
from fusemax.study.execute import stream
from fusemax.study.execute.chunks import Counts
from fusemax.study.jobs.job import Planned
from fusemax.study.jobs.keep import keep_of
from fusemax.study.kind import Kind, Outcome, Progress
from fusemax.study.load import study_so_far
from fusemax.study.pictures import specs_of
from fusemax.study.plan.skeleton import problems_of, problems_so_far
from fusemax.study.plan.whole import planned_so_far
from fusemax.study.screen import first_rows, means
from fusemax.study.spec.file import StudyFile
from fusemax.study.tables.comparison import Rows, comparison_frame, read_published
from fusemax.study.tables.long_tables import breakdown_frame, roofline_frame
from fusemax.study.tables.results import apart_of, records_of, results_frame
from fusemax.study.tables.rows import LENGTH
from fusemax.study.tables.sought_words import mapping_files
from fusemax.study.tables.sums import added_up
from fusemax.table.table import table_of

if TYPE_CHECKING:
    import polars

OPTIONS = ("pareto", "top", "by", "resume", "fresh", "cluster", "workers", "chunk")
DRAWN = 20_000  #: rows at most in figures and the report


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What a sweep runs, how, and the measures that were asked for."""

    study: StudyFile
    document: Document
    planned: Planned
    how: stream.Options | None
    asked: str
    files: Mapping[str, Path]
    specs: tuple[FigureSpec, ...]


def plan(document: Document, options: Mapping[str, Any]) -> SweepPlan:
    """Return what the study in *document* runs; raise ProblemsError with every mistake."""
    found = study_so_far(document)
    study, document, problems = found.study, found.document, list(found.problems)
    path = Path(document.file)
    has_grid = any(part.grid for part in study.parts)
    idle = [name for name in options if name != "fresh"]
    if idle and not has_grid:
        listed = ", ".join(f"--{name}" for name in idle)
        raise FusemaxError(f"{document.file}: no part has a grid, so {listed} cannot apply")
    keep = keep_of(options.get("pareto"), options.get("top"), options.get("by"))
    so_far = planned_so_far(study, document, keep, name=path.stem, vague=found.vague)
    jobs, whole = so_far.plan, found.whole and so_far.whole
    problems += so_far.problems
    if whole and jobs is not None:
        problems += problems_of(study, document, jobs)
    else:
        problems += problems_so_far(study, document, jobs, so_far.columns)
    raise_if_any(once(problems, document))
    assert jobs is not None, "without mistakes there is a plan"
    files = dict(jobs.files)
    if study.compare is not None:
        files[study.compare.published] = path.parent / study.compare.published
    how = stream.Options(
        workers=options.get("workers"),
        cluster=options.get("cluster"),
        chunk_points=options.get("chunk"),
        resume=options.get("resume", False),
        fresh=options.get("fresh", False),
    )
    return SweepPlan(
        study=study,
        document=document,
        planned=jobs,
        how=how if has_grid else None,
        asked=",".join(str(options.get(key) or "") for key in ("pareto", "by")),
        files=files,
        specs=specs_of(study),
    )


def tables(plan: SweepPlan, out: Path, progress: Progress) -> Outcome:
    """Return the tables ``results``, ``breakdown`` and ``comparison`` of *plan*, the last two where there are such."""
    import polars

    start_s = time.perf_counter()
    if plan.how is None:
        rows = stream.in_memory(plan.planned, report=lambda at: progress(at.points_done, at.points, "points"))
        return _whole(plan, out, rows, None, "")
    target, counts = stream.run_jobs(plan.planned, out, plan.how, _told(progress, start_s))
    took = f"{counts.points:,} points in {time.perf_counter() - start_s:.2f} s."
    lazy = polars.scan_parquet(target, glob=False)
    count = lazy.select(polars.len()).collect().item()
    if plan.planned.whole or count <= DRAWN:
        return _whole(plan, out, lazy.collect(), counts, took)
    said = [f"{_counted(counts, count)}."]
    if plan.study.figures:
        hint = "keep fewer with --pareto, --top or 'where'"
        said.append(f"no figures: the table has {count:,} rows, a figure takes {DRAWN:,}; {hint}.")
    columns = _described(plan, "results", lazy.collect_schema().names())
    short = first_rows(lazy, count, plan.study.title, plan.asked)
    return Outcome(tables={}, short=(short,), said=tuple(said), streamed={"results": columns}, took=took)


def _told(progress: Progress, start_s: float) -> stream.Report:
    def told(at: stream.Progress) -> None:
        passed_s = max(time.perf_counter() - start_s, 1e-9)
        rate = (at.points_done - at.points_resumed) / passed_s / 1e6
        progress(at.points_done, at.points, f"{at.points_done:,} points, {rate:.2f} M/s")

    return told


def _whole(plan: SweepPlan, out: Path, rows: polars.DataFrame, counts: Counts | None, took: str) -> Outcome:
    """Return what is told of a study whose *rows* are few enough to be looked at."""
    study = plan.study
    found = {"results": rows}
    said = [f"{_counted(counts, rows.height)}."] if counts is not None else []
    if plan.planned.whole:
        records = records_of(plan.planned, study, rows)
        found["results"] = results_frame(plan.planned, study, rows, records)
        found["breakdown"] = breakdown_frame(plan.planned, study, rows)
        found["roofline"] = roofline_frame(plan.planned, study, rows)
        if study.compare is not None:
            published = read_published(Path(plan.document.file).parent / study.compare.published)
            found["comparison"] = comparison_frame(study.compare, published, Rows(records))
            said.append(_compared(found["comparison"]))
    results = found["results"]
    lost = results.height - int(results["fits"].sum())
    if lost:
        said.append(f"{lost} of {results.height} rows do not fit; their column 'reason' says why.")
    found = {
        name: frame for name, frame in found.items() if frame.height or name in ("results", "comparison")
    }
    made = {name: table_of(frame, _described(plan, name, frame.columns)) for name, frame in found.items()}
    points = _points(plan, results)
    short = means(study, made["results"], points)
    if counts is not None:
        short = (*short, first_rows(results.lazy(), results.height, study.title, plan.asked))
    return Outcome(
        tables=made,
        short=short,
        said=tuple(said),
        texts=mapping_files(plan.planned, rows, out),
        parquet=("results",),
        points=points,
        took=took,
    )


def _described(plan: SweepPlan, name: str, columns: Sequence[str]):
    labels = dict.fromkeys(label for job in plan.planned.jobs for label in job.labels)
    sizes = dict.fromkeys(size for job in plan.planned.jobs for size in job.shown)
    special = LONG_TABLES.get(name, ())
    known = {column.name: column for column in special}
    found = described(columns, labels, sizes, plan.study.length)
    return tuple(known.get(column.name, column) for column in found)


def _points(plan: SweepPlan, results: polars.DataFrame) -> Points:
    """Return what the report has to know: of parts and baselines those of which conditions have left rows."""
    study = plan.study
    parts, configurations = set(results["part"]), set(results["configuration"])
    return Points(
        parts=tuple(name for name in study.summary.parts if name in parts),
        baselines=tuple(name for name in study.summary.baselines if name in configurations),
        configurations={n: c.doc for part in study.parts for n, c in part.configurations.items() if c.doc},
        labels=tuple(
            name for name in apart_of(plan.planned) if name not in {*added_up(study), LENGTH, study.length}
        ),
        sums={part.name: tuple(part.total_of) for part in study.parts if part.total_of},
    )


def _counted(counts: Counts, kept: int) -> str:
    there = counts.points - counts.left_out
    said = [f"{there:,} point{'s' * (there != 1)}"]
    if kept != there:
        said.append(f"{kept:,} of them kept")
    if counts.left_out:
        said.append(f"{counts.left_out:,} left out by 'where'")
    if counts.no_room:
        said.append(f"{counts.no_room:,} do not fit")
    if counts.no_value:
        said.append(f"{counts.no_value:,} without a finite measure")
    return "; ".join(said)


def _compared(comparison: polars.DataFrame) -> str:
    import polars as pl

    differs = comparison.filter(pl.col("reason") != "")
    equal = comparison.height - differs.height
    unexplained = differs.filter(pl.col("reason") == "not explained").height
    text = f"published values: {comparison.height}; equal: {equal}; differ for a reason given in comparison.csv: "
    return f"{text}{differs.height - unexplained}; differ without one: {unexplained}"


KIND = Kind(plan=plan, tables=tables, specs=lambda plan: plan.specs, options=OPTIONS)
