"""Rows of jobs whose mappings are searched for: at every point the best one, kept by content, told like all others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from fusemax.cost.evaluate import Cost
from fusemax.cost.program import Line, Program
from fusemax.cost.roofline import BANDWIDTH, OF_UNITS, roofline
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Number
from fusemax.language.value import value_of
from fusemax.machine import Machine
from fusemax.search.best import Found, best_found
from fusemax.search.facts import figure_values
from fusemax.search.write import with_cascade
from fusemax.shipped import shipped
from fusemax.study.formulas import MEASURES
from fusemax.study.jobs import Job, Planned
from fusemax.study.measures import BREAKDOWN, LIMIT, columns_of
from fusemax.study.points import names_in
from fusemax.study.rows import LINE, NO_ROOM, framed
from fusemax.study.sought import LEAST, Sought, sizes_and_figures, solved
from fusemax.study.sought_shelf import shelf_for, values_at
from fusemax.study.values import number_or_formula

if TYPE_CHECKING:
    import polars

#: Hidden columns of whole tables: the mapping's file, and the rows of the long table.
TEXT, LONG_ROWS = f"{LINE}text", f"{LINE}rows"
PLACES = ("nest", "unit", "level", "einsum", "tensor", "action", "component")


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a point: its values by name, and the mapping found, or why there is none; neither, if it is left out."""

    values: Mapping[str, float]
    found: Found | None = None
    reason: str = ""

    @property
    def verdict(self) -> float:
        """0 where a condition leaves it out, 1 where it cannot be run, 2 where all is well."""
        return 2.0 if self.found else 1.0 if self.reason else 0.0


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


def rows_of(job: Job, points: Sequence[int] | np.ndarray) -> list[Row]:
    """Return what comes of each of *points*."""
    assert job.sought is not None
    sought = job.sought
    rows = [_asked(sought, values_at(job, int(point))) for point in points]
    waiting = [row for row in rows if isinstance(row, _Point)]
    shelf = shelf_for(job)
    asked = [(point.sizes, point.figures) for point in waiting]
    answers = iter(shelf.found(asked) if shelf else (_found(sought, *one) for one in asked))
    return [row if isinstance(row, Row) else _judged(sought, row, next(answers)) for row in rows]


@dataclass(frozen=True, slots=True)
class _Point:
    """A point to be searched at: all that is known there by name, its own values, sizes and figures of those."""

    known: Mapping[str, float]
    values: Mapping[str, float]
    sizes: Mapping[str, int]
    figures: Mapping[str, float]


def _asked(sought: Sought, given: Mapping[str, float]) -> _Point | Row:
    """Return what is asked at a point, or its row where a condition leaves it out or it has no sizes."""
    try:
        values = solved(sought, given)
        sizes, figures = sizes_and_figures(sought.cascade, values)
        known = {**_machine(sought, figures), **values}
        if not all(c.holds(known) for c in sought.where if names_in(c) <= set(known)):
            return Row(values)
    except FusemaxError as error:
        return Row(dict(given), reason=_said(error))
    return _Point(known, values, sizes, figures)


def _found(sought: Sought, sizes: Mapping[str, int], figures: Mapping[str, float]) -> Found | FusemaxError:
    try:
        return best_found(sought.cascade, sought.machine, sizes, figures, sought.wanted)
    except FusemaxError as error:
        return error


def _judged(sought: Sought, point: _Point, answer: Found | FusemaxError) -> Row:
    if isinstance(answer, FusemaxError):
        return Row(point.values, reason=_said(answer))
    row = Row(point.values, answer)
    if not sought.where:
        return row
    outputs = {**point.known, **_numbers(row)}
    return row if all(c.holds(outputs) for c in sought.where) else Row(point.values)


def _said(error: FusemaxError) -> str:
    return "; ".join(line for line in str(error).splitlines() if "hint:" not in line)


def _machine(sought: Sought, figures: Mapping[str, float]) -> Mapping[str, float]:
    """Return the machine's figures, where conditions may ask for them."""
    return figure_values(sought.cascade, sought.machine, figures) if sought.where else {}


# ------------------------------------------------------------------------------------ rows


def sought_frame(job: Job, points: np.ndarray, rows: Sequence[Row]) -> polars.DataFrame:
    """Return the table's rows for *points*, of which *rows* tells what came."""
    import polars

    assert job.sought is not None
    lengths = np.array([row.values.get(job.sought.length, np.nan) for row in rows])
    made = [measures_of(row.found) if row.found else {} for row in rows]
    columns: dict[str, Any] = {"mapping": polars.Series([_words(row) for row in rows], dtype=polars.String)}
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
    units = roofline(_lines_of(cost), machine, {**cost.parameters, **cost.values})
    found = {f"{kind}[{unit}]": each[kind] for unit, each in units.items() for kind in OF_UNITS}
    for each in units.values():
        found[BANDWIDTH] = each[BANDWIDTH]
    return found


def _lines_of(cost: Cost) -> Program:
    """Return the lines of *cost* by name and label, their formulas forgotten."""
    nothing = sympy.Integer(0)
    lines = tuple(Line(name, nothing, label) for name, label in cost.labels.items())
    return Program(parameters=cost.parameters, lines=lines)


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


def measures_of(found: Found) -> dict[str, Any]:
    """Return the columns of results that a mapping has at its point: those of all mappings, and what a search knows."""
    cost = found.cost
    values = {name: np.array([value]) for name, value in cost.values.items()}
    columns = columns_of(_lines_of(cost))
    made: dict[str, Any] = {name: column.of(values)[0] for name, column in columns.items()}
    for name, text in MEASURES.items():
        formula = number_or_formula(name, text)
        if not isinstance(formula, int | float):
            made[name] = value_of(formula, {"energy_J": cost.energy_J, "latency_s": cost.latency_s})
    return made | {name: getattr(found.least, field) for name, field in LEAST.items()}


def _numbers(row: Row) -> dict[str, float]:
    if row.found is None:
        return {}
    return {n: float(v) for n, v in measures_of(row.found).items() if not isinstance(v, str)}


# ------------------------------------------------------------------------------------ the mapping in words


def name_of(text: str) -> str:
    """Return the name of a mapping that was found: of equal ones the same.

    >>> name_of("title: t\\n")
    'f81b9dc8'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _words(row: Row) -> str:
    """Return the name of the mapping found, with its tiles."""
    if row.found is None:
        return "best"
    tiles = list(_tiles(row.found))
    return f"best {name_of(row.found.text)}" + (f": {', '.join(tiles)}" if tiles else "")


def _tiles(found: Found) -> Iterator[str]:
    many = len(found.mapped.nests) > 1
    for nest in found.mapped.nests:
        digits = [digit for root in nest.roots.values() for digit in root.digits]
        for digit in digits:
            if isinstance(digit.rule, Number):
                yield f"{digit.size_name}={digit.rule.value:g}" + (f" in {nest.name}" if many else "")


def mapping_files(plan: Planned, rows: polars.DataFrame, out: Path) -> dict[str, str]:
    """Return the files of the mappings that were found, by name: they are to stand in the folder *out* of the results."""
    files: dict[str, str] = {}
    for job in plan.jobs:
        if job.sought is None or TEXT not in rows.columns:
            continue
        cascade = job.sought.cascade
        own = cascade.file if cascade.name not in shipped("einsums") else cascade.name
        for text in rows[TEXT].drop_nulls().unique(maintain_order=True):
            if f"\ncascade: {cascade.name}\n" in text:
                files[f"mappings/{name_of(text)}.yaml"] = with_cascade(text, own, out / "mappings")
    return files
