"""What comes of points whose mappings are searched for: the mapping found, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from fusemax.cost.evaluate import Cost
from fusemax.cost.program import Line, Program
from fusemax.errors import FusemaxError
from fusemax.language.value import value_of
from fusemax.search.best import Found, best_found
from fusemax.search.facts import figure_values
from fusemax.study.jobs.formulas import MEASURES
from fusemax.study.jobs.job import Job
from fusemax.study.jobs.measures import columns_of
from fusemax.study.jobs.sought import LEAST, Sought, sizes_and_figures, solved
from fusemax.study.spec.outside import names_in
from fusemax.study.spec.values import number_or_formula
from fusemax.study.tables.sought_shelf import shelf_for, values_at


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


def lines_of_cost(cost: Cost) -> Program:
    """Return the lines of *cost* by name and label, their formulas forgotten."""
    nothing = sympy.Integer(0)
    lines = tuple(Line(name, nothing, label) for name, label in cost.labels.items())
    return Program(parameters=cost.parameters, lines=lines)


def measures_of(found: Found) -> dict[str, Any]:
    """Return the columns of results that a mapping has at its point: those of all mappings, and what a search knows."""
    cost = found.cost
    values = {name: np.array([value]) for name, value in cost.values.items()}
    columns = columns_of(lines_of_cost(cost))
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
