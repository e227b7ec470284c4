"""Conditions that are decided before a grid is walked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.figure import is_figure
from fusemax.language.syntax import Expression, names
from fusemax.study.spec.axes import listed
from fusemax.study.spec.condition import Condition
from fusemax.study.spec.file import StudyPart
from fusemax.study.spec.values import number_or_formula, size_value


def is_outside(condition: Condition, part: StudyPart, inner: Collection[str]) -> bool:
    """Return whether *condition* is decided before the grid is walked: it names nothing of it, nor any output."""
    if is_label(condition, part):
        return True
    known = {*part.sizes, *(n for n in part.grid if not is_figure(n))}
    known |= {name for rows in part.tables.values() for row in rows.values() for name in row}
    waiting = _waiting(part, inner)
    return all(name in known and name not in waiting for name in names_in(condition))


def names_in(condition: Condition) -> set[str]:
    """Return the names of sizes, figures, labels and outputs in *condition*; the text that a label is held against is none."""
    found: set[str] = set()
    for text in (condition.name, condition.value):
        try:
            read = number_or_formula("where", text)
        except FusemaxError:
            read = 0.0
        found |= set() if isinstance(read, int | float) else set(names(read))
    return found


def is_label(condition: Condition, part: StudyPart) -> bool:
    """Return whether *condition* holds a label against a text."""
    return condition.name in part.tables


def _waiting(part: StudyPart, inner: Collection[str]) -> set[str]:
    """Return the names of *part* that are known only inside the grid."""
    waiting = set(inner)
    entries = [*part.sizes.items(), *part.grid.items()]
    entries += [item for rows in part.tables.values() for row in rows.values() for item in row.items()]
    formulas = [(n, names(found)) for n, v in entries if not is_figure(n) for found in _formulas(v)]
    while True:
        more = {n for n, used in formulas if any(u in waiting or is_figure(u) for u in used)} - waiting
        if not more:
            return waiting
        waiting |= more


def _formulas(value: Any) -> Iterator[Expression]:
    for entry in [] if isinstance(value, Mapping) else listed(value):
        try:
            found = size_value(entry)
        except FusemaxError:
            continue
        if isinstance(found, Expression):
            yield found
