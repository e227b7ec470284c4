"""Corrections as an axis: the steps of a study that is run as it is, with each alone, and with one on top of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fusemax.errors import FusemaxError, Problem
from fusemax.findings import problems_from
from fusemax.language.figure import figure_value
from fusemax.machine import figures
from fusemax.nearest import meant
from fusemax.quantity import QuantityError
from fusemax.source import Document, KeyPath
from fusemax.study.designs import Designs
from fusemax.study.spec import BestOf, Configuration, Corrected, Correction, Searched, StudyPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of a study: the corrections that hold, in order, and what it is called.

    ``path`` is ``start`` (none), ``alone`` (one), ``together`` (one more than the step before) or ``end`` (one more than the
    last of those).
    """

    path: str
    name: str
    title: str
    corrections: tuple[Correction, ...]

    @property
    def registers(self) -> bool:
        """Whether the energy of register files counts."""
        return any(correction.registers for correction in self.corrections)

    @property
    def identity(self) -> dict[str, str]:
        """The columns that tell the rows of the step apart."""
        return {"path": self.path, "step": self.name, "title": self.title}

    def machines(self) -> dict[str, dict[str, Any]]:
        """Return the values of machine files to replace, by machine and place."""
        return _merged(correction.machines for correction in self.corrections)

    def searched(self, configuration: str) -> BestOf | Searched | None:
        """Return what *configuration* chooses its mapping from, if a correction says so."""
        found = [c.search[configuration] for c in self.corrections if configuration in c.search]
        return found[-1] if found else None

    def part(self, part: StudyPart) -> StudyPart:
        """Return *part* with its configurations corrected."""
        corrected = {name: self._corrected(name, entry) for name, entry in part.configurations.items()}
        return part.model_copy(update={"configurations": corrected}) if self.corrections else part

    def _corrected(self, name: str, configuration: Configuration) -> Configuration:
        """Return the *configuration* of that name with the corrections that concern it, its cases included."""
        figures = _merged(c.figures for c in self.corrections).get(configuration.machine, {})
        changes = _merged(c.changes for c in self.corrections)
        update: dict[str, Any] = {"figures": {**configuration.figures, **figures}}
        mapping = self.searched(name) or configuration.mapping
        if isinstance(mapping, BestOf):
            choices = [
                choice.model_copy(update={"changes": {**changes.get(choice.mapping, {}), **choice.changes}})
                for choice in mapping.best_of
            ]
            update["mapping"] = mapping.model_copy(update={"best_of": choices})
        elif isinstance(mapping, Searched):
            update |= {"mapping": mapping, "changes": {}}
        else:
            update["changes"] = {**configuration.changes, **changes.get(mapping, {})}
        update["cases"] = [] if self.searched(name) else [
            case.model_copy(
                update={
                    "figures": {**case.figures, **{k: v for k, v in figures.items() if k in case.figures}},
                    "changes": {**case.changes, **changes.get(case.mapping or "", {})},
                }
            )
            for case in configuration.cases
        ]  # fmt: skip
        return configuration.model_copy(update=update)


def _merged(tables: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return what all *tables* say of each name, later ones over earlier ones."""
    found: dict[str, dict[str, Any]] = {}
    for table in tables:
        for name, values in table.items():
            found.setdefault(name, {}).update(values)
    return found


def steps_of(study: Corrected) -> tuple[Step, ...]:
    """Return the steps of *study*: the start, each correction alone, then together one after another, then the ends."""
    if not study.corrections:
        return ()
    steps = [Step(path="start", name="start", title="our counts of the same", corrections=())]
    for correction in study.corrections:
        steps.append(
            Step(path="alone", name=correction.name, title=correction.title, corrections=(correction,))
        )
    held: tuple[Correction, ...] = ()
    for name in study.together:
        held = (*held, study.correction(name))
        steps.append(Step(path="together", name=name, title=held[-1].title, corrections=held))
    for name in study.ends:
        last = study.correction(name)
        steps.append(Step(path="end", name=name, title=last.title, corrections=(*held, last)))
    return tuple(steps)


def correction_problems(
    study: Corrected, parts: Iterable[StudyPart], document: Document, designs: Designs
) -> Iterator[Problem]:
    """Yield what is wrong with the corrections in *document*: names that *parts* lack, values that files cannot have."""
    yield from _order_problems(study, document)
    configurations = {name: entry for part in parts for name, entry in part.configurations.items()}
    machines = dict.fromkeys(entry.machine for entry in configurations.values())
    uses = {(entry.machine, name) for entry in configurations.values() for name in mappings_of(entry)}
    searches = [(c, n, best) for c in study.corrections for n, best in c.search.items()]
    uses |= {
        (configurations[n].machine, mapping)
        for _, n, best in searches if n in configurations and isinstance(best, BestOf)
        for mapping in best.mappings
    }  # fmt: skip
    mappings = dict.fromkeys(mapping for _, mapping in uses)
    for number, correction in enumerate(study.corrections):
        at: KeyPath = ("corrections", number)
        named = (
            ("search", configurations),
            ("machines", machines),
            ("figures", machines),
            ("changes", mappings),
        )
        for key, known in named:
            for name in getattr(correction, key):
                if name not in known:
                    what = {"search": "configuration", "changes": "mapping"}.get(key, "machine")
                    text = f"no {what} of the study is called {name!r}"
                    yield document.problem((*at, key, name), text, meant(name, known), key=True)
        for name, values in correction.machines.items():
            if name in machines:
                yield from _tried(
                    lambda n=name, v=values: designs.machine(n, v), document, (*at, "machines", name)
                )
        for name, given in correction.figures.items():
            for figure, value in given.items() if name in machines else ():
                place = (*at, "figures", name, figure)
                yield from _tried(
                    lambda n=name, f=figure, v=value: _figure(designs, n, f, v), document, place
                )
        for mapping, values in correction.changes.items():
            for machine in [m for m, used in uses if used == mapping]:
                yield from _tried(
                    lambda m=machine, n=mapping, v=values: designs.mapped(designs.machine(m), n, v),
                    document,
                    (*at, "changes", mapping),
                )


def _order_problems(study: Corrected, document: Document) -> Iterator[Problem]:
    """Yield two corrections of one name, and what ``together`` and ``ends`` name that is none, or name twice."""
    names = [correction.name for correction in study.corrections]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield document.problem(("corrections", number, "name"), f"two corrections are called {name!r}")
    for key in ("together", "ends"):
        for number, name in enumerate(getattr(study, key)):
            if name not in names:
                hint = meant(name, names) if names else None
                yield document.problem((key, number), f"no correction is called {name!r}", hint)
            elif name in getattr(study, key)[:number] or (key == "ends" and name in study.together):
                yield document.problem((key, number), f"{name!r} is made already")


def _figure(designs: Designs, machine: str, name: str, value: Any) -> None:
    """Raise FusemaxError where the figure *name* of *machine* cannot have that value."""
    known = figures(designs.machine(machine))
    if name not in known:
        raise FusemaxError(f"{name!r} is no figure of machine {machine}\n  hint: {meant(name, known)}")
    try:
        figure_value(name, value)
    except QuantityError as error:
        raise FusemaxError(str(error)) from None


def _tried(read: Any, document: Document, place: KeyPath) -> list[Problem]:
    try:
        read()
    except FusemaxError as error:
        return problems_from(FusemaxError(str(error)), document, place)
    return []


def mappings_of(configuration: Configuration) -> list[str]:
    """Return every mapping that *configuration* may take."""
    mapping = configuration.mapping
    own = [mapping] if isinstance(mapping, str) else mapping.mappings if isinstance(mapping, BestOf) else []
    return [*own, *(case.mapping for case in configuration.cases if case.mapping)]
