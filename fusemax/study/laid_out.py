"""The rows that there will be, laid out before a study runs, and its figures drawn of them on trial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusemax.errors import FusemaxError, Problem
from fusemax.source import Document
from fusemax.study.axes import is_several
from fusemax.study.describe import LONG_TABLES
from fusemax.study.jobs import Planned
from fusemax.study.long_tables import breakdown_frame, roofline_frame
from fusemax.study.outside import is_outside
from fusemax.study.pictures import figure_mistakes, specs_of
from fusemax.study.results import ordered, records_of
from fusemax.study.rows import JOB, LINE, Record, framed
from fusemax.study.spec import StudyFile
from fusemax.table.table import Table, Tables, table_of

if TYPE_CHECKING:
    import polars


MOST_LAID_OUT = 20_000  #: rows of a figure that is tried before the study runs


def figure_problems(study: StudyFile, document: Document, plan: Planned) -> Iterator[Problem]:
    """Yield the figures that cannot be drawn of the rows that there will be, such as those with two values at one place.

    They are laid out with any numbers in place of measures; those that are told apart by what comes out are left to the run.
    """
    from fusemax.plot.picked import EmptyFigureError
    from fusemax.plot.points import chart

    made = {"results": _stand_in, "breakdown": _long, "roofline": _long}
    if any(figure_mistakes(study)):
        return
    specs = [(n, spec) for n, spec in enumerate(specs_of(study)) if spec.table in made]
    if not specs or not plan.whole or plan.points > MOST_LAID_OUT or may_leave_out(study):
        return
    wanted = {spec.table for _, spec in specs}
    found = {name: make(name, study, plan) for name, make in made.items() if name in wanted}
    tables = Tables(folder=Path(), tables={name: table for name, table in found.items() if table is not None})
    unknown = {"mapping", "limit", "fits", "reason", *(n for n in plan.order[plan.order.index("mapping") :])}
    for number, spec in specs:
        if spec.table not in tables.tables or unknown & {
            *spec.where,
            *spec.panels,
            spec.series or "",
            *spec.fields("title"),
        }:
            continue
        try:
            chart(tables, spec)
        except EmptyFigureError:
            continue
        except FusemaxError as error:
            text, _, hint = str(error).removeprefix(f"{spec.file}: ").partition("\n  hint: ")
            yield document.problem(("figures", number), text, hint or None)


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
