"""What is known of a study's tables before it runs: which rows and columns there will be, held against all that names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemax.errors import FusemaxError, Problem
from fusemax.findings import problems_from
from fusemax.source import Document
from fusemax.study.axes import is_several
from fusemax.study.comparison import Rows, mistakes, read_published
from fusemax.study.describe import LONG_TABLES
from fusemax.study.jobs import Planned
from fusemax.study.pictures import column_mistakes, figure_mistakes, specs_of
from fusemax.study.points import is_outside
from fusemax.study.results import (
    JOB,
    LONG,
    ROOFS,
    Record,
    apart_of,
    breakdown_frame,
    ordered,
    records_of,
    roofline_frame,
)
from fusemax.study.rows import LENGTH, LINE, framed
from fusemax.study.spec import StudyFile
from fusemax.table.table import Table, Tables, table_of

if TYPE_CHECKING:
    import polars

MOST_LAID_OUT = 20_000  #: rows of a figure that is tried before the study runs
OURS = ("published", "ours", "relative_difference", "reason")


def problems_of(study: StudyFile, document: Document, plan: Planned) -> list[Problem]:
    """Return what *study* asks of its tables that they will not have."""
    problems = list(_reductions(study, document, plan)) or list(_repeated(study, document, plan))
    if study.compare is not None and not problems:
        problems += _comparison(study, document, plan)
    values = {**known_values(plan), "part": [part.name for part in study.parts]}
    found = column_mistakes(study, columns_of(study, plan), values)
    problems += [document.problem(*mistake) for mistake in found]
    return problems or list(_figures(study, document, plan))


def _figures(study: StudyFile, document: Document, plan: Planned) -> Iterator[Problem]:
    """Yield the figures that cannot be drawn of the rows that there will be, such as those with two values at one place.

    They are laid out with any numbers in place of measures; those that are told apart by what comes out are left to the run.
    """
    from fusemax.plot.points import EmptyFigureError, chart

    made = {"results": _stand_in, "breakdown": _long, "roofline": _long}
    if any(figure_mistakes(study)):
        return
    specs = [(n, spec) for n, spec in enumerate(specs_of(study)) if spec.table in made]
    if not specs or not plan.whole or plan.points > MOST_LAID_OUT or _may_leave_out(study):
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


def _may_leave_out(study: StudyFile) -> bool:
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
        for number, record in enumerate(_rows(study, plan))
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


def _reductions(study: StudyFile, document: Document, plan: Planned) -> Iterator[Problem]:
    """Yield what only a study whose points are few can do."""
    if plan.whole:
        return
    hint = "take fewer points, or a study of its own for the large grid"
    text = f"the study has {plan.points:,} points, or keeps only some: too many to be"
    for number, part in enumerate(study.parts):
        for key in ("sum_over", "total_of"):
            if getattr(part, key):
                yield document.problem(("parts", number, key), f"{text} added up", hint, key=True)
    if study.compare is not None:
        yield document.problem(("compare",), f"{text} compared", hint, key=True)


def _repeated(study: StudyFile, document: Document, plan: Planned) -> Iterator[Problem]:
    """Yield the parts of a whole table with a row that stands there already: nothing would tell the two apart."""
    if not plan.whole:
        return
    named = [part.name for part in study.parts]
    apart = ("part", "configuration", *apart_of(plan))
    seen: set[tuple[tuple[str, Any], ...]] = set()
    told: set[int] = set()
    for record in _rows(study, plan):
        number = named.index(record["part"]) if record.get(JOB) is None else plan.jobs[record[JOB]].part
        row = tuple((name, record[name]) for name in apart if record.get(name) is not None)
        if row in seen and number not in told:
            told.add(number)
            shown = ", ".join(
                f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in row
            )
            hint = "give one of the parts another name, or leave the points out of one"
            yield document.problem(("parts", number), f"there are two rows of {shown}", hint)
        seen.add(row)


def _rows(study: StudyFile, plan: Planned) -> list[Record]:
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


def known_values(plan: Planned) -> dict[str, list[Any]]:
    """Return all values of the columns whose values are known before the study runs."""
    found: dict[str, dict[Any, None]] = {}
    for job in plan.jobs:
        for name, value in job.identity:
            found.setdefault(name, {})[value] = None
        for name, labels in job.labels.items():
            found.setdefault(name, {}).update(dict.fromkeys(labels))
        for axis in (job.outer, *job.axes):
            for name, values in zip(axis.names, axis.values, strict=True):
                if name in job.shown:
                    found.setdefault(name, {}).update(dict.fromkeys(values))
            if job.length in axis.names:
                lengths = axis.values[axis.names.index(job.length)]
                found.setdefault(LENGTH, {}).update(dict.fromkeys(map(int, lengths)))
    return {name: list(values) for name, values in found.items()}


def columns_of(study: StudyFile, plan: Planned) -> dict[str, list[str]]:
    """Return the columns of every table that *study* will leave."""
    extra = ["point", "equal_points"] if any(job.keep.kind != "all" for job in plan.jobs) else []
    tables = {"results": [*plan.order, *extra]}
    if plan.whole:
        identity = [n for n in plan.order[: plan.order.index("machine")] if n != "study"]
        tables["breakdown"] = [*identity, *LONG]
        tables["roofline"] = [*identity, "unit", *ROOFS]
        if study.compare is not None:
            tables["comparison"] = [*identity, "table", "quantity", *OURS]
    return tables


def _comparison(study: StudyFile, document: Document, plan: Planned) -> list[Problem]:
    assert study.compare is not None
    path = Path(document.file).parent / study.compare.published
    if not path.is_file():
        return [document.problem(("compare", "published"), f"{path}: there is no such file")]
    try:
        published = read_published(path)
    except FusemaxError as error:
        return problems_from(error, document, ("compare", "published"))
    if _may_leave_out(study):
        return []  # which rows are left out is not known yet
    lines: dict[str, set[str]] = {}
    for job in plan.jobs:
        names = (name for name, label in job.lines.items() if label.kind == "activity")
        lines.setdefault(dict(job.identity)["part"], set()).update(names)
    for part in study.parts:
        if part.sum_over or part.total_of:
            lines[part.name] = set()
    return list(mistakes(published, Rows(_rows(study, plan)), plan.order, lines))
