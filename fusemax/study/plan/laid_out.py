"""The rows that there will be, laid out before a study runs, and its figures drawn of them on trial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusemax.errors import Problem
from fusemax.source import Document
from fusemax.study.columns import LONG_TABLES
from fusemax.study.jobs.job import Planned
from fusemax.study.pictures import figure_mistakes, specs_of, undrawable
from fusemax.study.spec.axes import is_several
from fusemax.study.spec.file import StudyFile
from fusemax.study.spec.outside import is_outside
from fusemax.study.tables.long_tables import breakdown_frame, roofline_frame
from fusemax.study.tables.results import ordered, records_of
from fusemax.study.tables.rows import JOB, LINE, Record, framed
from fusemax.table.table import Table, Tables, table_of

if TYPE_CHECKING:
    import polars


MOST_LAID_OUT = 20_000  #: rows of a figure that is tried before the study runs


def figure_problems(study: StudyFile, document: Document, plan: Planned) -> Iterator[Problem]:
    """Yield the figures that cannot be drawn of the rows that there will be, such as those with two values at one place.

    They are laid out with any numbers in place of measures; those that are told apart by what comes out are left to the run.
    """
    made = {"results": _stand_in, "breakdown": _long, "roofline": _long}
    wanted = {spec.table for spec in specs_of(study)} & {*made}
    if any(figure_mistakes(study)) or not wanted or not plan.whole or plan.points > MOST_LAID_OUT:
        return
    if may_leave_out(study):
        return
    found = {name: made[name](name, study, plan) for name in wanted}
    tables = {name: table for name, table in found.items() if table is not None}
    unknown = {"mapping", "limit", "fits", "reason", *(n for n in plan.order[plan.order.index("mapping") :])}
    for mistake in undrawable(study, Tables(folder=Path(), tables=tables), unknown):
        yield document.problem(*mistake)


def may_leave_out(study: StudyFile) -> bool:
    """Return whether rows may be left out by what is known only when they are run."""
    return any(
        not is_outside(condition, part, {name for name in part.grid if is_several(part.grid[name])})
        for part in study.parts
        for condition in part.where
    )


def _stand_in(name: str, study: StudyFile, plan: Planned) -> Table:
    """Return the rows that there will be, each measure a number that no other row has."""
    import polars

    del name

    first = plan.order.index("mapping")
    records = [
        {
            **{name: record.get(name) for name in plan.order[:first]},
            **{name: float(number + 1) for name in plan.order[first + 1 :]},
            "mapping": "",
        }
        for number, record in enumerate(rows_to_come(study, plan))
    ]
    return table_of(polars.DataFrame(records, infer_schema_length=None))


def _long(name: str, study: StudyFile, plan: Planned) -> Table | None:
    """Return the long table *name* that there will be, each value 1.

    None where it is too long to be laid out, or has rows of mappings that are still to be found.
    """
    import polars

    if any(job.sought is not None for job in plan.jobs):
        return None
    if sum(job.points * len(job.lines) for job in plan.jobs) > 10 * MOST_LAID_OUT:
        return None
    lines = dict.fromkeys(line for job in plan.jobs for line in job.lines)
    ones = {f"{LINE}{line}": polars.lit(1.0) for line in lines}
    rows = _identified(plan).with_columns(fits=True, **ones)
    frame = {"breakdown": breakdown_frame, "roofline": roofline_frame}[name](plan, study, rows)
    return table_of(frame, LONG_TABLES[name])


def rows_to_come(study: StudyFile, plan: Planned) -> list[Record]:
    """Return the rows that there will be, with nothing but what tells them apart."""
    import polars

    table = _identified(plan).with_columns(fits=False, reason=polars.lit(""), mapping=polars.lit(""))
    return records_of(plan, study, table)


def _identified(plan: Planned) -> polars.DataFrame:
    """Return the rows of all jobs, with what tells them apart."""
    import polars

    frames = [
        framed(job, np.arange(job.points), {}, {}, {}).with_columns(polars.lit(n).alias(JOB))
        for n, job in enumerate(plan.jobs)
    ]
    return ordered(plan, polars.concat(frames, how="diagonal_relaxed"))
