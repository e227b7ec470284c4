"""What a configuration may be at different points: its cases, with all figures and mappings that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fusemax.language.figure import is_figure
from fusemax.source import KeyPath
from fusemax.study.designs import Changes
from fusemax.study.spec.axes import TILES
from fusemax.study.spec.choice import BestOf
from fusemax.study.spec.file import Case, Configuration, StudyPart
from fusemax.study.spec.points import Point

Figures = tuple[tuple[str | int, ...], Mapping[str, Any]]


def figures_given(
    part: StudyPart, configuration: Configuration, here: tuple[str | int, ...]
) -> Iterator[Figures]:
    """Yield all figures that *configuration* may take in *part*, with the keys under which they stand."""
    yield (*here, "figures"), configuration.figures
    for number, case in enumerate(configuration.cases):
        yield (*here, "cases", number, "figures"), case.figures
    yield ("grid",), {n: v for n, v in part.grid.items() if is_figure(n) and not n.startswith(TILES)}
    for table, rows in part.tables.items():
        for label, row in rows.items():
            yield ("tables", table, label), {name: row[name] for name in filter(is_figure, row)}


def places_of_mappings(configuration: Configuration) -> Iterator[tuple[KeyPath, str, Changes]]:
    """Yield every mapping that *configuration* may take, with its place and the changes made to it."""
    mapping = configuration.mapping
    if isinstance(mapping, str):
        yield ("mapping",), mapping, configuration.changes
    elif isinstance(mapping, BestOf):
        for number, choice in enumerate(mapping.best_of):
            changes = {**configuration.changes, **choice.changes}
            yield ("mapping", "best_of", number), choice.mapping, changes
    for number, case in enumerate(configuration.cases):
        if case.mapping:
            yield ("cases", number, "mapping"), case.mapping, case.changes
        elif isinstance(mapping, str):
            yield ("cases", number, "mapping"), mapping, {**configuration.changes, **case.changes}


def mappings_of(configuration: Configuration) -> list[str]:
    """Return every mapping that *configuration* may take."""
    mapping = configuration.mapping
    own = [mapping] if isinstance(mapping, str) else mapping.mappings if isinstance(mapping, BestOf) else []
    return [*own, *(case.mapping for case in configuration.cases if case.mapping)]


def for_point(configuration: Configuration, point: Point) -> Configuration:
    """Return *configuration* with the cases that hold at *point* applied."""
    if not configuration.cases:
        return configuration
    mapping, changed = configuration.mapping, dict(configuration.changes)
    given = dict(configuration.figures)
    for case in configuration.cases:
        if all(condition.holds(point.columns()) for condition in case.where):
            mapping = case.mapping or mapping
            given |= case.figures
            changed = _merged(changed, case)
    return configuration.model_copy(
        update={"mapping": mapping, "figures": given, "changes": changed, "cases": []}
    )


def _merged(changes: dict[str, Any], case: Case) -> dict[str, Any]:
    return dict(case.changes) if case.mapping else {**changes, **case.changes}
