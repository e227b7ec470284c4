"""Corrections as an axis: the steps of a study that is run as it is, with each alone, and with one on top of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fusemax.study.spec.choice import BestOf, Searched
from fusemax.study.spec.file import Configuration, Corrected, Correction, StudyPart


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
