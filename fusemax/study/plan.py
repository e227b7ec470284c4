"""What a part without a grid runs: every configuration at every point, with its programs derived and its sizes worked out.

Whatever running would refuse is found here, before anything is evaluated; ``fusemax check`` stops after this.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusemax.cost.evaluate import sizes_for
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError, Problem
from fusemax.language.figure import figure_value, is_figure
from fusemax.language.syntax import names
from fusemax.machine import figures as figures_of
from fusemax.mapping.nest import Mapped
from fusemax.quantity import QuantityError
from fusemax.source import Document, KeyPath
from fusemax.study.choices import Way, tile_choices, ways_of
from fusemax.study.designs import Designs
from fusemax.study.grid import with_free_tiles
from fusemax.study.load import problems_from
from fusemax.study.names import nearest
from fusemax.study.points import Point, listed, points_of, value_mistakes
from fusemax.study.spec import Case, Configuration, StudyFile, StudyPart, size_value
from fusemax.study.values import number_or_formula


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One way to run a group of points: its program, and what to evaluate it at.

    Each trial is the place of a point in the group, the words for what was chosen there, and the full parameters.
    """

    mapped: Mapped
    program: Program
    trials: tuple[tuple[int, str, Mapping[str, float]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The points of a configuration that the same cases hold for; of several trials each takes that of the least ``by``."""

    machine: str
    numbers: tuple[int, ...]  #: the places of the points among all of the part
    points: tuple[Point, ...]
    alternatives: tuple[Alternative, ...]
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One configuration of one part at all of its points."""

    part: StudyPart
    configuration: str
    groups: tuple[Group, ...]

    def labels(self, kind: str, attribute: str) -> list[str]:
        """Return one attribute of all lines of a kind, such as the ``unit`` of ``utilization``, each once."""
        lines = [
            line
            for g in self.groups
            for alternative in g.alternatives
            for line in alternative.program.labelled(kind)
        ]
        return list(dict.fromkeys(getattr(line.label, attribute) for line in lines))


def jobs_of(study: StudyFile, document: Document, designs: Designs) -> tuple[tuple[Job, ...], list[Problem]]:
    """Return the jobs of all parts without a grid, and every mistake in them."""
    jobs: list[Job] = []
    problems: list[Problem] = []
    for number, part in enumerate(study.parts):
        if not part.grid and part.configurations:
            planner = _Planner(study, part, document, designs, ("parts", number))
            jobs += planner.jobs()
            problems += planner.problems
    return tuple(jobs), list(dict.fromkeys(problems))


class _Planner:
    """Plans one part and collects what is wrong with it."""

    def __init__(
        self, study: StudyFile, part: StudyPart, document: Document, designs: Designs, at: KeyPath
    ) -> None:
        self.study, self.part, self.document, self.designs, self.at = study, part, document, designs, at
        self.problems: list[Problem] = []
        self.used: set[str] = {study.length}

    def _refuse(self, error: FusemaxError, *inside: str | int, key: bool = False) -> None:
        self.problems += problems_from(error, self.document, (*self.at, *inside), key)

    def jobs(self) -> list[Job]:
        for inside, text in value_mistakes(self.part):
            self.problems.append(self.document.problem((*self.at, *inside), text))
        points = () if self.problems else self._points()
        found = [
            job
            for name, configuration in self.part.configurations.items()
            if (job := self._job(name, configuration, points)) is not None
        ]
        if not self.problems:
            self._refuse_unused()
        return found

    def _points(self) -> tuple[Point, ...]:
        try:
            points = points_of(self.part)
        except FusemaxError as error:
            self._refuse(error, "sizes")
            return ()
        if not points:
            self._refuse(
                FusemaxError(f"part {self.part.name!r} has no points: its 'where' conditions leave none"),
                "where",
            )
        return points

    def _job(self, name: str, configuration: Configuration, points: Sequence[Point]) -> Job | None:
        before = len(self.problems)
        here = ("configurations", name)
        self._check_designs(configuration, here)
        if len(self.problems) > before or not points:
            return None
        groups: dict[str, tuple[Configuration, list[tuple[int, Point]]]] = {}
        for number, point in enumerate(points):
            fitted = for_point(configuration, point)
            key = json.dumps(fitted.model_dump(), sort_keys=True, default=str)
            groups.setdefault(key, (fitted, []))[1].append((number, point))
        try:
            planned = tuple(self._group(fitted, members) for fitted, members in groups.values())
        except FusemaxError as error:
            self._refuse(error, *here)
            return None
        return Job(part=self.part, configuration=name, groups=planned)

    def _check_designs(self, configuration: Configuration, here: tuple[str | int, ...]) -> None:
        """Find what is wrong with the machine, the mappings and the figures of *configuration* and its cases."""
        try:
            machine = self.designs.machine(configuration.machine)
        except FusemaxError as error:
            self._refuse(error, *here, "machine")
            return
        known = figures_of(machine)
        for path, figures in _places_of_figures(configuration):
            for name, value in figures.items():
                self._check_figure(name, value, known, configuration.machine, (*here, *path, name))
        for table, rows in self.part.tables.items():
            for label, row in rows.items():
                for name in filter(is_figure, row):
                    place = ("tables", table, label, name)
                    self._check_figure(name, row[name], known, configuration.machine, place)
        for path, mapping, changes in _places_of_mappings(configuration):
            try:
                mapped = self.designs.mapped(configuration.machine, mapping, changes)
                self.used |= {*mapped.cascade.ranks, *mapped.cascade.size_symbols()}
            except FusemaxError as error:
                is_change = str(error).startswith("changes:")
                self._refuse(
                    error, *here, *(path[:-1] if is_change else path), *(["changes"] if is_change else [])
                )

    def _check_figure(
        self, name: str, value: Any, known: Mapping[str, Any], machine: str, place: tuple[str | int, ...]
    ) -> None:
        if name not in known:
            error = FusemaxError(
                f"{name!r} is no figure of machine {machine}\n  hint: {nearest(name, known)}"
            )
            self._refuse(error, *place, key=True)
            return
        try:
            figure_value(name, value)
        except QuantityError as error:
            self._refuse(FusemaxError(str(error)), *place)

    def _group(self, fitted: Configuration, members: Sequence[tuple[int, Point]]) -> Group:
        points = tuple(point for _, point in members)
        mapping = fitted.mapping
        return Group(
            machine=fitted.machine,
            numbers=tuple(number for number, _ in members),
            points=points,
            alternatives=tuple(
                self._alternative(fitted, way, points) for way in ways_of(mapping, fitted.changes)
            ),
            by=("latency_s",) if isinstance(mapping, str) else tuple(mapping.by),
        )

    def _alternative(self, fitted: Configuration, way: Way, points: Sequence[Point]) -> Alternative:
        figures = [{**fitted.figures, **point.figures} for point in points]
        free = {name for table in figures for name in table}
        mapped, program = self.designs.program(fitted.machine, way.mapping, way.changes, free)
        if way.tiles:
            program = with_free_tiles(program, way.tiles)
        trials = [
            (place, way.words(tiles), {**parameters, **{name: float(size) for name, size in tiles.items()}})
            for place, (point, table) in enumerate(zip(points, figures, strict=True))
            for parameters in (full_parameters(mapped, program, point, table, way.tiles),)
            for tiles in tile_choices(way.tiles, {**parameters, **point.sizes})
        ]
        return Alternative(mapped=mapped, program=program, trials=tuple(trials))

    def _refuse_unused(self) -> None:
        """Find sizes that no cascade, formula or condition of the part uses."""
        used = set(self.used)
        rows = [row for table in self.part.tables.values() for row in table.values()]
        for name, value in [item for table in (self.part.sizes, *rows) for item in table.items()]:
            if not is_figure(name):
                used |= {inner for entry in listed(value) for inner in _formula_names(entry)}
        for condition in [
            *self.part.where,
            *(w for c in self.part.configurations.values() for w in _conditions(c)),
        ]:
            used |= {name for text in (condition.name, condition.value) for name in _words(text)}
        for name in self.part.sizes:
            if name not in used:
                text = f"no cascade of this part has a rank or size {name!r}, and nothing else uses it"
                self._refuse(FusemaxError(text), "sizes", name, key=True)


def _conditions(configuration: Configuration) -> Iterator[Any]:
    for case in configuration.cases:
        yield from case.where


def _formula_names(value: Any) -> tuple[str, ...]:
    found = size_value(value)
    return () if isinstance(found, int) else names(found)


def _words(text: str) -> tuple[str, ...]:
    try:
        found = number_or_formula("where", text)
    except FusemaxError:
        return ()
    return () if isinstance(found, int | float) else names(found)


def _places_of_figures(configuration: Configuration) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    yield ("figures",), configuration.figures
    for number, case in enumerate(configuration.cases):
        yield ("cases", number, "figures"), case.figures


def _places_of_mappings(configuration: Configuration) -> Iterator[tuple[KeyPath, str, Mapping[str, Any]]]:
    """Yield every mapping that *configuration* may take, with its place and the changes made to it."""
    mapping = configuration.mapping
    if isinstance(mapping, str):
        yield ("mapping",), mapping, configuration.changes
    else:
        for number, choice in enumerate(mapping.best_of):
            changes = {**configuration.changes, **choice.changes}
            yield ("mapping", "best_of", number), choice.mapping, changes
    for number, case in enumerate(configuration.cases):
        if case.mapping:
            yield ("cases", number, "mapping"), case.mapping, case.changes
        elif isinstance(mapping, str):
            yield ("cases", number, "mapping"), mapping, {**configuration.changes, **case.changes}


def for_point(configuration: Configuration, point: Point) -> Configuration:
    """Return *configuration* with the cases that hold at *point* applied."""
    mapping, figures, changes = (
        configuration.mapping,
        dict(configuration.figures),
        dict(configuration.changes),
    )
    for case in configuration.cases:
        if all(condition.holds(point.columns()) for condition in case.where):
            mapping = case.mapping or mapping
            figures |= case.figures
            changes = _merged(changes, case)
    return configuration.model_copy(
        update={"mapping": mapping, "figures": figures, "changes": changes, "cases": []}
    )


def _merged(changes: dict[str, Any], case: Case) -> dict[str, Any]:
    return dict(case.changes) if case.mapping else {**changes, **case.changes}


def full_parameters(
    mapped: Mapped, program: Program, point: Point, figures: Mapping[str, Any], tiles: Collection[str] = ()
) -> dict[str, float]:
    """Return the value of every parameter of *program* at *point*, with *figures* replaced; *tiles* are still open.

    Raises
    ------
    FusemaxError
        For sizes that are missing or do not suit the cascade.
    """
    fixed = {name: value for name, value in program.parameters.items() if value is not None}
    values = {name: figure_value(name, value) for name, value in figures.items()}
    needed = {
        name: value
        for name, value in program.parameters.items()
        if value is None and name not in values and name not in tiles
    }
    known = {*mapped.cascade.ranks, *mapped.cascade.size_symbols(), *(n for n in needed if not is_figure(n))}
    sizes = {name: value for name, value in point.sizes.items() if name in known}
    solved = sizes_for(mapped, Program(parameters=needed, lines=program.lines), sizes)
    return {**fixed, **{name: float(value) for name, value in solved.items()}, **values}
