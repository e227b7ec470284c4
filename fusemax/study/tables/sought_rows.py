"""Rows of jobs whose mappings are searched for: at every point the best one, kept by content, told like all others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fusemax.cost.evaluate import Cost
from fusemax.cost.roofline import BANDWIDTH, OF_UNITS, roofline
from fusemax.machine import Machine
from fusemax.study.jobs.job import Job
from fusemax.study.jobs.limit import LIMIT
from fusemax.study.jobs.measures import BREAKDOWN
from fusemax.study.tables.rows import LINE, NO_ROOM, framed
from fusemax.study.tables.sought_points import Row, lines_of_cost, measures_of, rows_of
from fusemax.study.tables.sought_words import LONG_ROWS, TEXT, mapping_in_words

if TYPE_CHECKING:
    import polars

PLACES = ("nest", "unit", "level", "einsum", "tensor", "action", "component")


def sought_table(job: Job, points: np.ndarray) -> tuple[polars.DataFrame, np.ndarray]:
    """Return the rows of those of *points* that conditions leave, and the verdicts of all of them."""
    rows = rows_of(job, points)
    verdict = np.array([row.verdict for row in rows])
    return sought_frame(job, points[verdict > 0], [row for row in rows if row.verdict]), verdict


def sought_measures(job: Job, points: np.ndarray) -> np.ndarray:
    """Return what *points* are kept by, and their verdicts: float64[measures + 1, points]."""
    rows = rows_of(job, points)
    found = np.full((len(job.keep.columns) + 1, len(rows)), np.nan)
    for place, row in enumerate(rows):
        if row.found is not None:
            made = measures_of(row.found)
            found[:-1, place] = [float(made.get(name, np.nan)) for name in job.keep.columns]
        found[-1, place] = row.verdict
    return found


# ------------------------------------------------------------------------------------ points


# ------------------------------------------------------------------------------------ rows


def sought_frame(job: Job, points: np.ndarray, rows: Sequence[Row]) -> polars.DataFrame:
    """Return the table's rows for *points*, of which *rows* tells what came."""
    import polars

    assert job.sought is not None
    lengths = np.array([row.values.get(job.sought.length, np.nan) for row in rows])
    made = [measures_of(row.found) if row.found else {} for row in rows]
    columns: dict[str, Any] = {
        "mapping": polars.Series([mapping_in_words(row) for row in rows], dtype=polars.String)
    }
    for name in job.columns:
        kind = polars.String if name == LIMIT else polars.Float64
        column = polars.Series([one.get(name) for one in made], dtype=kind, strict=False)
        columns[name] = column if name == LIMIT else column.fill_nan(None)
    columns["fits"] = polars.Series([row.found is not None for row in rows], dtype=polars.Boolean)
    columns[NO_ROOM] = polars.Series([row.reason for row in rows], dtype=polars.String)
    lines = _lines(job.sought.machine, rows) if job.whole else {}
    return framed(job, points, {job.sought.length: lengths}, columns, lines)


def _lines(machine: Machine, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the hidden columns of whole tables: rooflines, the mapping's file, the rows of the long table."""
    import polars

    texts = [row.found.text if row.found else None for row in rows]
    long = [json.dumps(_long(row.found.cost)) if row.found else None for row in rows]
    return {
        **_roofs(machine, rows),
        TEXT: polars.Series(texts, dtype=polars.String),
        LONG_ROWS: polars.Series(long, dtype=polars.String),
    }


def _roofs(machine: Machine, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the columns of rooflines: intensity, speed and peak of every unit, and the bandwidth."""
    import polars

    found = [_roofline(machine, row.found.cost) if row.found else {} for row in rows]
    names = [*(f"{kind}[{unit}]" for unit in machine.units for kind in OF_UNITS), BANDWIDTH]
    return {
        f"{LINE}{name}": polars.Series([one.get(name) for one in found], dtype=polars.Float64)
        for name in names
    }


def _roofline(machine: Machine, cost: Cost) -> dict[str, float]:
    units = roofline(lines_of_cost(cost), machine, {**cost.parameters, **cost.values})
    found = {f"{kind}[{unit}]": each[kind] for unit, each in units.items() for kind in OF_UNITS}
    for each in units.values():
        found[BANDWIDTH] = each[BANDWIDTH]
    return found


def _long(cost: Cost) -> list[dict[str, Any]]:
    """Return the rows of the long table for a point."""
    return [
        {
            "kind": BREAKDOWN[label.kind][0],
            **{place: getattr(label, place) for place in PLACES},
            "value": cost.values[name],
            "unit_of_measure": BREAKDOWN[label.kind][1],
        }
        for name, label in cost.labels.items()
        if label.kind in BREAKDOWN
    ]


def long_rows(rows: polars.DataFrame, identity: Sequence[str]) -> polars.DataFrame:
    """Return the long table of *rows*, the columns *identity* first."""
    import polars

    kind = polars.Struct(
        {name: polars.String for name in ("kind", *PLACES)}
        | {"value": polars.Float64, "unit_of_measure": polars.String}
    )
    whole = rows.select(*identity, polars.col(LONG_ROWS).str.json_decode(polars.List(kind)))
    return whole.explode(LONG_ROWS).unnest(LONG_ROWS)


# ------------------------------------------------------------------------------------ the mapping in words
