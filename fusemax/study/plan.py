"""What a study runs: every configuration at every point of every part, as jobs.

Whatever running would refuse is found here, before anything is evaluated; ``fusemax check`` stops after this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fusemax.errors import FusemaxError, Problem, ProblemsError
from fusemax.findings import problems_from
from fusemax.language.figure import figure_value, is_figure
from fusemax.language.syntax import names
from fusemax.machine import Machine, figures
from fusemax.nearest import meant
from fusemax.quantity import QuantityError
from fusemax.source import Document, KeyPath
from fusemax.study.asked import Asked, Drafted
from fusemax.study.axes import Shapes, axis_of, expanded, groups_of, is_several, listed, outside, points_on
from fusemax.study.cases import figures_given, for_point, places_of_mappings
from fusemax.study.choice import BestOf, Searched
from fusemax.study.designs import Changes, Designs
from fusemax.study.drafting import drafted
from fusemax.study.keep import Keep
from fusemax.study.mistakes import mistakes_of_axes, mistakes_of_values, value_mistakes
from fusemax.study.outside import names_in
from fusemax.study.points import Point, points_of
from fusemax.study.refused import FractionError
from fusemax.study.sought_asked import cascade_for, mistakes_of_search
from fusemax.study.sought_draft import sought
from fusemax.study.spec import Configuration, StudyFile, StudyPart
from fusemax.study.values import number_or_formula, size_value
from fusemax.study.verdict import ConditionError

MOST = 10**12  #: points of one job
MOST_ROWS = 2 * 10**9  #: rows of a whole table: some 150 GB


class PartPlanner:
    """Plans one part and collects what is wrong with it.

    ``identity`` are columns that stand before those of the part, ``machines`` changes of machine files by name.
    """

    def __init__(
        self,
        study: StudyFile,
        part: StudyPart,
        document: Document,
        designs: Designs,
        at: KeyPath,
        keep: Keep,
        identity: Mapping[str, str] | None = None,
        machines: Mapping[str, Changes] | None = None,
    ) -> None:
        self.study, self.part, self.document, self.designs, self.at = study, part, document, designs, at
        self.machines = machines or {}
        self.asked = Asked(
            study=study,
            part=part,
            document=document,
            designs=designs,
            at=at,
            keep=keep,
            identity=dict(identity or {}),
        )
        self.problems: list[Problem] = []
        self.used: set[str] = {study.length}

    def _refuse(self, error: FusemaxError, *inside: str | int, key: bool = False) -> None:
        said = str(error)
        if inside and said.startswith(f"{inside[-1]}: "):
            error = FusemaxError(said.removeprefix(f"{inside[-1]}: "))
        self.problems += problems_from(error, self.document, (*self.at, *inside), key)

    def drafts(self) -> list[Drafted]:
        """Return the jobs of the part but for their columns; ``problems`` says what is wrong."""
        for inside, text in (*mistakes_of_axes(self.part), *value_mistakes(self.part)):
            self._refuse(FusemaxError(text), *inside)
        found: list[Drafted] = []
        for name, configuration in self.part.configurations.items():
            before = len(self.problems)
            machine = self._checked(configuration, ("configurations", name))
            if machine is None or len(self.problems) > before or self.problems:
                continue
            found += self._configuration(name, configuration, machine)
        if not self.problems:
            self._refuse_unused()
        return found

    # --- names

    def machine_of(self, configuration: Configuration) -> Machine:
        """Return the machine of *configuration*, with what is changed in its file."""
        return self.designs.machine(configuration.machine, self.machines.get(configuration.machine))

    def _checked(self, configuration: Configuration, here: tuple[str | int, ...]) -> Machine | None:
        """Find what is wrong with the machine, the mappings and the figures of *configuration* and its cases."""
        try:
            machine = self.machine_of(configuration)
        except FusemaxError as error:
            self._refuse(error, *here, "machine")
            return None
        before_all = len(self.problems)
        shapes = shapes_of(machine)
        known = figures(machine)
        wrong: set[tuple[str | int, ...]] = set()
        for path, given in figures_given(self.part, configuration, here):
            for name, value in given.items():
                before, place = len(self.problems), (*path, name)
                self._check_figure(name, value, known, configuration.machine, place, shapes)
                wrong |= {place} if len(self.problems) > before else set()
        for inside, text in mistakes_of_values(self.part, shapes):
            if inside not in wrong:
                self._refuse(FusemaxError(text), *inside)
        for path, mapping, changes in places_of_mappings(configuration):
            try:
                mapped = self.designs.mapped(machine, mapping, changes)
                self.used |= {*mapped.cascade.ranks, *mapped.cascade.size_symbols()}
            except FusemaxError as error:
                self._refuse_mapping(error, machine, mapping, (*here, *path))
        for inside, error in mistakes_of_search(self.asked, configuration, machine):
            self._refuse(error, *here, *inside, key=inside[-1] in ("cascade", "changes"))
        if isinstance(configuration.mapping, Searched) and len(self.problems) == before_all:
            cascade = cascade_for(self.asked, configuration)
            self.used |= {*cascade.ranks, *cascade.size_symbols()}
        return machine

    def _refuse_mapping(
        self, error: FusemaxError, machine: Machine, mapping: str, place: tuple[str | int, ...]
    ) -> None:
        """Say what is wrong with a mapping: where it stands, or where the changes do that made it wrong."""
        try:
            self.designs.mapped(machine, mapping, {})
        except FusemaxError:
            self._refuse(error, *place)
            return
        texts = [p.text for p in error.problems] if isinstance(error, ProblemsError) else [str(error)]
        for text in texts:
            self._refuse(FusemaxError(text), *place[:-1], "changes")

    def _check_figure(
        self,
        name: str,
        value: Any,
        known: Mapping[str, Any],
        machine: str,
        place: tuple[str | int, ...],
        shapes: Shapes,
    ) -> None:
        try:
            inner = expanded(name, shapes)
            unknown = [figure for figure in inner if is_figure(figure) and figure not in known]
            if unknown:
                text = f"{unknown[0]!r} is no figure of machine {machine}\n  hint: {meant(unknown[0], known)}"
                self._refuse(FusemaxError(text), *place, key=True)
            elif not is_several(value):
                for used in _check_value(inner[0], value, known):
                    self._refuse(FusemaxError(f"{used!r} is no figure of machine {machine}"), *place)
        except FusemaxError as error:
            self._refuse(FusemaxError(str(error).removeprefix(f"{name}: ")), *place)

    # --- points

    def _configuration(self, name: str, configuration: Configuration, machine: Machine) -> Iterator[Drafted]:
        """Yield the jobs of one configuration: its points, those apart for which different cases hold."""
        here = ("configurations", name)
        deciding = {
            n for case in configuration.cases for condition in case.where for n in names_in(condition)
        }
        points = self._points(deciding, shapes_of(machine))
        inner = [g for g in groups_of(self.part) if g not in outside(self.part, deciding)]
        axes = [axis_of(self.part, group, shapes_of(machine)) for group in inner]
        try:
            _refuse_many(len(points) * points_on(axes), self.asked.keep)
        except FusemaxError as error:
            self._refuse(error, "grid" if self.part.grid else "sizes")
            return
        groups: dict[str, tuple[Configuration, list[tuple[int, Point]]]] = {}
        for number, point in enumerate(points):
            fitted = for_point(configuration, point)
            texts = {name: str(value) for name, value in point.formulas.items()}
            key = (fitted.model_dump(), [*point.sizes], [*point.figures], texts)
            found = groups.setdefault(json.dumps(key, sort_keys=True, default=str), (fitted, []))
            found[1].append((number, point))
        for fitted, members in groups.values():
            try:
                make = sought if isinstance(fitted.mapping, Searched) else drafted
                yield make(self.asked, name, fitted, machine, members, axes)
            except ConditionError as error:
                self._refuse(error, "where", error.number)
                return
            except FractionError as error:
                self._refuse(error, *self._place_of(error.name))
                return
            except FusemaxError as error:
                self._refuse(error, *self._blamed(error, here))
                return

    def _points(self, deciding: set[str], shapes: Shapes) -> tuple[Point, ...]:
        try:
            points = points_of(self.part, deciding, shapes)
        except FusemaxError as error:
            self._refuse(error, "sizes")
            return ()
        if not points:
            text = f"part {self.part.name!r} has no points: its 'where' conditions leave none"
            self._refuse(FusemaxError(text), "where")
        return points

    def _place_of(self, name: str) -> tuple[str | int, ...]:
        """Return the keys under which the size *name* stands."""
        for key in ("sizes", "grid"):
            if name in getattr(self.part, key):
                return (key, name)
        return next(
            ("tables", table)
            for table, rows in self.part.tables.items()
            if any(name in r for r in rows.values())
        )

    def _blamed(self, error: FusemaxError, here: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """Return the keys of what *error* is about: messages start with the name that they mean."""
        said = str(error)
        names = (said.partition(":")[0], said.partition(" ")[0])
        places = (
            (key, name) for key in ("grid", "sizes") for name in names if name in getattr(self.part, key)
        )
        return next(places, here)

    def _refuse_unused(self) -> None:
        """Find sizes that no cascade, formula or condition of the part uses."""
        part, used = self.part, set(self.used)
        rows = [row for table in part.tables.values() for row in table.values()]
        entries = [item for table in (part.sizes, part.grid, *rows) for item in table.items()]
        entries += [item for c in part.configurations.values() for item in (*c.figures.items(), *_tiles(c))]
        for name, value in entries:
            used |= {inner for entry in listed(value) for inner in _formula_names(name, entry)}
        cases = [case for c in part.configurations.values() for case in c.cases]
        for condition in [*part.where, *(one for case in cases for one in case.where)]:
            used |= names_in(condition)
        for key in ("sizes", "grid"):
            for name in getattr(part, key):
                if name not in used and not is_figure(name):
                    text = f"no cascade of this part has a rank or size {name!r}, and nothing else uses it"
                    self._refuse(FusemaxError(text), key, name, key=True)


def shapes_of(machine: Machine) -> Shapes:
    """Return the dimensions of each unit of *machine*."""
    return {unit: tuple(described.shape) for unit, described in machine.units.items()}


def _check_value(name: str, value: Any, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures that *value* of the figure *name* is made of and that are not *known*; raise for what is no value."""
    try:
        found = number_or_formula(name, value)
        if isinstance(found, int | float):
            figure_value(name, value)
    except QuantityError as error:
        raise FusemaxError(str(error)) from None
    if not isinstance(found, int | float):
        yield from (used for used in names(found) if is_figure(used) and used not in known)


def _refuse_many(points: int, keep: Keep) -> None:
    """Raise FusemaxError for more points than can be run, or rows than can be kept."""
    if points > MOST:
        raise FusemaxError(f"the grid has {points:.3g} points, at most {MOST:.0e} can be run")
    if keep.kind == "all" and points > MOST_ROWS:
        hint = "keep a few of them: --pareto latency,area or --top 100 --by latency"
        raise FusemaxError(f"a table of {points:.3g} points is too large\n  hint: {hint}")


def _formula_names(name: str, value: Any) -> tuple[str, ...]:
    try:
        found = number_or_formula(name, value) if is_figure(name) else size_value(value)
    except (FusemaxError, AttributeError):
        return ()
    return () if isinstance(found, int | float) else names(found)


def _tiles(configuration: Configuration) -> list[tuple[str, Any]]:
    mapping = configuration.mapping
    return [i for c in mapping.best_of for i in c.tiles.items()] if isinstance(mapping, BestOf) else []
