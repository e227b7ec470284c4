"""The tables of a study from the rows of its jobs: results, added up where it says so, and what makes them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fusemax.study.jobs.job import Planned
from fusemax.study.spec.file import StudyFile
from fusemax.study.tables.rows import JOB, LENGTH, LINE, ORDER, SIZE, Record
from fusemax.study.tables.sums import added_up, summed, totals

if TYPE_CHECKING:
    import polars


def ordered(plan: Planned, rows: polars.DataFrame) -> polars.DataFrame:
    """Return the *rows* of all jobs in the order of the study."""
    import polars

    if not plan.whole:
        return rows
    places: dict[tuple[str, ...], int] = {}
    ranks = [places.setdefault(tuple(text for _, text in job.identity), len(places)) for job in plan.jobs]
    numbers = list(range(len(ranks)))
    rank = polars.col(JOB).replace_strict(numbers, ranks, return_dtype=polars.Int64)
    part = polars.col(JOB).replace_strict(numbers, [j.part for j in plan.jobs], return_dtype=polars.Int64)
    return rows.sort(rank, part, ORDER, maintain_order=True)


def apart_of(plan: Planned) -> list[str]:
    """Return the columns that tell the points of *plan* apart: what stands beside the part, labels, sizes, the length."""
    steps = (n for job in plan.jobs for n, _ in job.identity if n not in ("study", "part", "configuration"))
    points = (n for job in plan.jobs for n in (*job.labels, *job.shown))
    return list(dict.fromkeys([*steps, *points, LENGTH]))


def records_of(plan: Planned, study: StudyFile, rows: polars.DataFrame) -> list[Record]:
    """Return the rows of *study* as records: those of its jobs, added up where the study says so, and the totals of parts.

    Sizes that are no columns, and the activity of Einsums, stand in them under names of their own.
    """
    summing = {part.name: part for part in study.parts if part.sum_over and part.configurations}
    found: list[Record] = []
    apart = apart_of(plan)
    for (part, _), group in rows.group_by("part", "configuration", maintain_order=True):
        spare = [n for n in group.columns if n.startswith(LINE) and not n.startswith(f"{LINE}activity[")]
        mine = group.drop(spare).to_dicts()
        found += summed(mine, summing[str(part)], apart) if part in summing else mine
    for part in study.parts:
        if part.total_of:
            found += totals(part, found, apart)
    return found


def results_frame(
    plan: Planned, study: StudyFile, rows: polars.DataFrame, records: Sequence[Record]
) -> polars.DataFrame:
    """Return the table of results: *rows* as they are where nothing is added up, else *records* with the same columns."""
    import polars

    shown = [name for name in plan.order if name in rows.columns and name not in added_up(study)]
    if not any(part.sum_over or part.total_of for part in study.parts):
        return rows.select(shown)
    schema = {name: rows.schema[name] for name in shown}
    return polars.DataFrame([{n: r.get(n) for n in shown} for r in records], schema=schema, strict=False)


def sizes_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what conditions on a record may name: its columns, and the sizes of its point."""
    sizes = {name.removeprefix(SIZE): value for name, value in record.items() if name.startswith(SIZE)}
    return {**record, **{name: value for name, value in sizes.items() if value is not None}}
