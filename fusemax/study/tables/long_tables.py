"""Tables with several rows for each row of results: what makes it up, and the rooflines of its units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fusemax.cost.roofline import BANDWIDTH, OF_UNITS
from fusemax.study.jobs.job import Job, Planned
from fusemax.study.jobs.measures import BREAKDOWN
from fusemax.study.spec.file import StudyFile
from fusemax.study.tables.rows import JOB, LINE, Record
from fusemax.study.tables.sought_rows import long_rows
from fusemax.study.tables.sums import added_up

if TYPE_CHECKING:
    import polars


PLACE = ("nest", "unit", "level", "einsum", "tensor", "action", "component")


LONG = ("kind", *PLACE, "value", "unit_of_measure")


ROOFS = (*OF_UNITS, BANDWIDTH)


def breakdown_frame(plan: Planned, study: StudyFile, rows: polars.DataFrame) -> polars.DataFrame:
    """Return the long table of what makes up each row: activity, energy, cycles, words and times."""
    import polars

    types = {**dict.fromkeys(LONG, polars.String), "value": polars.Float64}
    return _of_jobs(plan, study, rows, _long, types)


def roofline_frame(plan: Planned, study: StudyFile, rows: polars.DataFrame) -> polars.DataFrame:
    """Return the table of rooflines: intensity, speed and what bounds it, of each unit that works in a row."""
    import polars

    types = {"unit": polars.String, **dict.fromkeys(ROOFS, polars.Float64)}
    return _of_jobs(plan, study, rows, _roofs, types)


#: From a job, its rows that fit, and the columns that tell them apart, to rows of another table.
_Make = Callable[["Job", "polars.DataFrame", Sequence[str]], "polars.DataFrame"]


def _of_jobs(
    plan: Planned, study: StudyFile, rows: polars.DataFrame, make: _Make, types: Mapping[str, Any]
) -> polars.DataFrame:
    """Return what *make* makes of the rows of each job, in the order of *rows*: what tells them apart, then *types*."""
    import polars

    kept = {part.name for part in study.parts if not part.sum_over}
    rows = rows.with_row_index("row")
    place = ("study", "machine", "mapping")
    identity = [
        name
        for name in plan.order[: plan.order.index("mapping")]
        if name in rows.columns and name not in place
    ]
    frames = [
        make(job, rows.filter((polars.col(JOB) == n) & polars.col("fits")), ["row", *identity])
        for n, job in enumerate(plan.jobs)
        if dict(job.identity)["part"] in kept
    ]
    schema = {**{n: rows.schema[n] for n in ["row", *identity]}, **types}
    frames = [frame for frame in frames if frame.height]
    table = polars.concat(frames) if frames else polars.DataFrame(schema=schema)
    shown = [name for name in (*identity, *types) if name not in added_up(study)]
    return table.sort("row", maintain_order=True).select(shown)


def _roofs(job: Job, rows: polars.DataFrame, identity: Sequence[str]) -> polars.DataFrame:
    import polars

    known = dict.fromkeys(label.unit for label in job.lines.values() if label.kind == OF_UNITS[0])
    units = known if job.sought is None else dict.fromkeys(job.sought.machine.units)
    frames: list[polars.DataFrame] = []
    for unit in units:
        names = {**{kind: f"{LINE}{kind}[{unit}]" for kind in OF_UNITS}, BANDWIDTH: f"{LINE}{BANDWIDTH}"}
        if not set(names.values()) <= set(rows.columns):
            continue
        values = [polars.col(name).cast(polars.Float64).alias(kind) for kind, name in names.items()]
        frame = rows.select(*identity, polars.lit(unit).alias("unit"), *values)
        frames.append(frame.filter((polars.col("speed") > 0) & polars.col("intensity").is_finite()))
    return polars.concat(frames) if frames else rows.head(0)


def _long(job: Job, rows: polars.DataFrame, identity: Sequence[str]) -> polars.DataFrame:
    import polars

    if job.sought is not None:
        return long_rows(rows, identity).select(*identity, *LONG)
    lines = {name: label for name, label in job.lines.items() if label.kind in BREAKDOWN}
    labels: list[Record] = []
    for name, label in lines.items():
        kind, unit = BREAKDOWN[label.kind]
        place = {key: getattr(label, key) for key in PLACE}
        labels.append({"line": f"{LINE}{name}", "kind": kind, **place, "unit_of_measure": unit})
    schema: dict[str, Any] = dict.fromkeys(("line", "kind", *PLACE, "unit_of_measure"), polars.String)
    known = polars.DataFrame(labels, schema=schema)
    known = known.with_row_index("number")
    there = [f"{LINE}{name}" for name in lines if f"{LINE}{name}" in rows.columns]
    table = rows.unpivot(there, index=list(identity), variable_name="line", value_name="value").drop_nulls(
        "value"
    )
    table = table.with_columns(polars.col("value").cast(polars.Float64))
    table = table.join(known, on="line", how="left", maintain_order="left").sort("row", "number")
    return table.select(*identity, *LONG)
