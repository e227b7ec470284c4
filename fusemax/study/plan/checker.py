"""The names of a part, checked: machines, mappings, figures of each configuration and its cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError, Problem, ProblemsError
from fusemax.findings import problems_from
from fusemax.language.figure import figure_value, is_figure
from fusemax.language.syntax import names
from fusemax.machine import Machine, figures
from fusemax.nearest import meant, nearest
from fusemax.quantity import QuantityError
from fusemax.shipped import machines, mappings_for, shipped
from fusemax.source import Document, KeyPath
from fusemax.study.designs import Changes, Designs
from fusemax.study.jobs.asked import Asked
from fusemax.study.jobs.keep import Keep
from fusemax.study.jobs.sought import LEAST
from fusemax.study.jobs.sought_asked import cascade_for, columns_on, mistakes_of_search
from fusemax.study.spec.axes import Shapes, expanded, is_several
from fusemax.study.spec.cases import figures_given, mappings_of, places_of_mappings
from fusemax.study.spec.choice import Searched
from fusemax.study.spec.file import Configuration, StudyFile, StudyPart
from fusemax.study.spec.mistakes import mistakes_of_values
from fusemax.study.spec.values import number_or_formula


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What a configuration is meant to be; where it is not ``whole``, some wrong figures or changes are left out."""

    machine: Machine
    configuration: Configuration
    whole: bool


class PartChecker:
    """Collects in ``problems`` what is wrong with one part, in ``used`` the sizes that its cascades have.

    ``columns`` are those that rows of configurations have whose points are not known.
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
            study=study, part=part, document=document, designs=designs, at=at, keep=keep, identity=dict(identity or {}),
        )  # fmt: skip
        self.problems: list[Problem] = []
        self.used: set[str] = {study.length}
        self.seen: list[tuple[Configuration, Machine]] = []
        self.near: dict[str, str | None] = {}

    def refuse(self, error: FusemaxError, *inside: str | int, key: bool = False) -> None:
        """Note *error* at the keys *inside* the part, or at the *key* itself."""
        said = str(error)
        if inside and said.startswith(f"{inside[-1]}: "):
            error = FusemaxError(said.removeprefix(f"{inside[-1]}: "))
        self.problems += problems_from(error, self.document, (*self.at, *inside), key)

    def machine_of(self, configuration: Configuration) -> Machine:
        """Return the machine of *configuration*, with what is changed in its file."""
        return self.designs.machine(configuration.machine, self.machines.get(configuration.machine))

    def checked(self, configuration: Configuration, here: tuple[str | int, ...]) -> Meant | None:
        """Find what is wrong with the machine, the mappings and the figures of *configuration* and its cases.

        Returns what is meant by it, where that is plain: a misspelt name stands for that which is near.
        """
        named = self._machine(configuration, here)
        if named is None:
            return None
        machine, configuration = named
        wrong = self._figures(configuration, machine, here)
        mapped = self._mappings(configuration, machine, here)
        mapped = self._sought(mapped, machine, here)
        if mapped is None:
            return None
        self.seen.append((mapped, machine))
        if any(place[: len(here)] != here for place in wrong):
            return None
        whole = not wrong and mapped.changes == configuration.changes
        right = _without(mapped, [place[len(here) :] for place in wrong])
        return Meant(machine=machine, configuration=right, whole=whole)

    def _machine(
        self, configuration: Configuration, here: tuple[str | int, ...]
    ) -> tuple[Machine, Configuration] | None:
        """Return the machine of *configuration*, which names it as it is meant; note what is wrong with it."""
        try:
            return self.machine_of(configuration), configuration
        except FusemaxError as error:
            self.refuse(error, *here, "machine")
        if configuration.machine not in self.near:
            self.near[configuration.machine] = nearest(configuration.machine, machines())
        near = self.near[configuration.machine]
        if near is None or near == configuration.machine:
            return None
        meant_by = configuration.model_copy(update={"machine": near})
        try:
            return self.machine_of(meant_by), meant_by
        except FusemaxError:
            return None

    def _figures(
        self, configuration: Configuration, machine: Machine, here: tuple[str | int, ...]
    ) -> set[tuple[str | int, ...]]:
        """Note the figures that *configuration* may take and that are wrong; return their places."""
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
                self.refuse(FusemaxError(text), *inside)
                wrong.add(inside)
        return wrong

    def _mappings(
        self, configuration: Configuration, machine: Machine, here: tuple[str | int, ...]
    ) -> Configuration | None:
        """Note what is wrong with the mappings that *configuration* may take; return what is meant, where that is plain."""
        meant_by: Configuration | None = configuration
        for path, mapping, changes in places_of_mappings(configuration):
            try:
                self._use(machine, mapping, changes)
            except FusemaxError as error:
                self._refuse_mapping(error, machine, mapping, (*here, *path))
                near = self._near(machine, mapping) if path == ("mapping",) else None
                meant_by = configuration.model_copy(update=near) if near else None
        return meant_by

    def _near(self, machine: Machine, mapping: str) -> dict[str, Any] | None:
        """Return what *mapping*, which is wrong, is meant to be: itself without changes, or what its name is near to."""
        known = mappings_for(Path(machine.file), machine.mappings).near
        for name in (mapping, nearest(mapping, known)):
            with suppress(FusemaxError):
                if name is not None:
                    self._use(machine, name, {})
                    return {"mapping": name} | ({"changes": {}} if name == mapping else {})
        return None

    def _sought(
        self, configuration: Configuration | None, machine: Machine, here: tuple[str | int, ...]
    ) -> Configuration | None:
        """Note what is wrong with a search of *configuration*; return what is meant, where that is plain."""
        if configuration is None:
            return None
        found = list(mistakes_of_search(self.asked, configuration, machine))
        for inside, error in found:
            self.refuse(error, *here, *inside, key=inside[-1] in ("cascade", "changes"))
        if found:
            near = nearest(configuration.cascade or "", shipped("einsums"))
            meant_by = configuration.model_copy(update={"cascade": near})
            if near is None or [*mistakes_of_search(self.asked, meant_by, machine)]:
                return None
            configuration = meant_by
        if isinstance(configuration.mapping, Searched):
            cascade = cascade_for(self.asked, configuration)
            self.used |= {*cascade.ranks, *cascade.size_symbols()}
        return configuration

    def columns(self) -> Iterator[str]:
        """Yield the columns that the rows of the configurations seen would have, at any points."""
        swept = [name for name, value in self.part.grid.items() if is_several(value)]
        for configuration, machine in self.seen:
            is_sought = isinstance(configuration.mapping, Searched)
            with suppress(FusemaxError):
                mapped = (
                    None if is_sought else self.designs.mapped(machine, mappings_of(configuration)[0], {})
                )
                cascade = cascade_for(self.asked, configuration) if mapped is None else mapped.cascade
                yield from (*columns_on(machine, cascade), *(LEAST if is_sought else ()))
                yield from (inner for name in swept for inner in expanded(name, shapes_of(machine)))

    def _use(self, machine: Machine, mapping: str, changes: Changes) -> None:
        """Note the sizes that *mapping* has; raise FusemaxError where it is wrong."""
        mapped = self.designs.mapped(machine, mapping, changes)
        self.used |= {*mapped.cascade.ranks, *mapped.cascade.size_symbols()}

    def _refuse_mapping(
        self, error: FusemaxError, machine: Machine, mapping: str, place: tuple[str | int, ...]
    ) -> None:
        """Say what is wrong with a mapping: where it stands, or where the changes do that made it wrong."""
        try:
            self.designs.mapped(machine, mapping, {})
        except FusemaxError:
            self.refuse(error, *place)
            return
        texts = [p.text for p in error.problems] if isinstance(error, ProblemsError) else [str(error)]
        for text in texts:
            self.refuse(FusemaxError(text), *place[:-1], "changes")

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
                self.refuse(FusemaxError(text), *place, key=True)
            elif not is_several(value):
                for used in _check_value(inner[0], value, known):
                    self.refuse(FusemaxError(f"{used!r} is no figure of machine {machine}"), *place)
        except FusemaxError as error:
            self.refuse(FusemaxError(str(error).removeprefix(f"{name}: ")), *place)


def _without(configuration: Configuration, places: Sequence[tuple[str | int, ...]]) -> Configuration:
    """Return *configuration* without the figures at *places* in it."""
    left = {n: v for n, v in configuration.figures.items() if ("figures", n) not in places}
    cases = [
        case.model_copy(
            update={
                "figures": {
                    n: v for n, v in case.figures.items() if ("cases", number, "figures", n) not in places
                }
            }
        )
        for number, case in enumerate(configuration.cases)
    ]
    return configuration.model_copy(update={"figures": left, "cases": cases})


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
