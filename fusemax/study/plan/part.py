"""What a study runs: every configuration at every point of every part, as jobs.

Whatever running would refuse is found here, before anything is evaluated; ``fusemax check`` stops after this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.figure import is_figure
from fusemax.language.syntax import names
from fusemax.machine import Machine
from fusemax.study.jobs.asked import Drafted
from fusemax.study.jobs.drafting import drafted
from fusemax.study.jobs.keep import Keep
from fusemax.study.jobs.refused import FractionError
from fusemax.study.jobs.sought_draft import sought
from fusemax.study.jobs.verdict import ConditionError
from fusemax.study.plan.checker import PartChecker, shapes_of
from fusemax.study.spec.axes import Shapes, axis_of, groups_of, listed, outside, points_on
from fusemax.study.spec.cases import for_point
from fusemax.study.spec.choice import BestOf, Searched
from fusemax.study.spec.file import Configuration
from fusemax.study.spec.mistakes import mistakes_of_axes, value_mistakes
from fusemax.study.spec.outside import names_in
from fusemax.study.spec.points import Point, points_of
from fusemax.study.spec.values import number_or_formula, size_value

MOST = 10**12  #: points of one job
MOST_ROWS = 2 * 10**9  #: rows of a whole table: some 150 GB


class PartPlanner(PartChecker):
    """Plans one part once its names are checked."""

    whole = True  #: whether the rows of all configurations are known, wrong ones as they are meant

    def drafts(self, vague: bool = False) -> list[Drafted]:
        """Return the jobs of the part but for their columns; ``problems`` says what is wrong.

        Of a *vague* part the points are not known, so that its names alone are looked at.
        """
        for inside, text in (*mistakes_of_axes(self.part), *value_mistakes(self.part)):
            self.refuse(FusemaxError(text), *inside)
        stuck = vague or bool(self.problems)
        found: list[Drafted] = []
        for name, configuration in self.part.configurations.items():
            meant = self.checked(configuration, ("configurations", name))
            self.whole &= meant is not None
            if meant is None or stuck:
                continue
            before = len(self.problems)
            found += self._configuration(name, meant.configuration, meant.machine)
            stuck = len(self.problems) > before
            if stuck and not meant.whole:  # perhaps for what was left out of it
                del self.problems[before:]
        if self.whole and not vague and (stuck is False or not self.problems):
            self._refuse_unused()
        self.whole &= not stuck
        return found

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
            self.refuse(error, "grid" if self.part.grid else "sizes")
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
                self.refuse(error, "where", error.number)
                return
            except FractionError as error:
                self.refuse(error, *self._place_of(error.name))
                return
            except FusemaxError as error:
                self.refuse(error, *self._blamed(error, here))
                return

    def _points(self, deciding: set[str], shapes: Shapes) -> tuple[Point, ...]:
        try:
            points = points_of(self.part, deciding, shapes)
        except FusemaxError as error:
            self.refuse(error, "sizes")
            return ()
        if not points:
            text = f"part {self.part.name!r} has no points: its 'where' conditions leave none"
            self.refuse(FusemaxError(text), "where")
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
                    self.refuse(FusemaxError(text), key, name, key=True)


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
