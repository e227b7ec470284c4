"""What a study of kind ``audit`` says: a base study, corrections of its machines and mappings, and the order to apply them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fusemax.errors import FusemaxError, Problem, ProblemsError, raise_if_any
from fusemax.nearest import meant
from fusemax.shipped import find
from fusemax.source import Document, KeyPath, read_yaml
from fusemax.study.load import problems_from, study_of
from fusemax.study.spec import BestOf, Configuration, StudyFile, StudyPart, size_value
from fusemax.typed import typed

Length = Annotated[int, BeforeValidator(size_value)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Correction(_Part):
    """One correction: values of machine files and figures by machine, values of mapping files by mapping.

    ``registers`` counts the energy of register files; ``search`` gives configurations more to choose their mapping from.
    """

    name: str
    title: str
    doc: str
    registers: bool = False
    search: dict[str, BestOf] = Field(default_factory=dict)
    machines: dict[str, dict[str, Any]] = Field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = Field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = Field(default_factory=dict)


class AuditFile(_Part):
    """A study of ``kind: audit``."""

    kind: Literal["audit"]
    title: str
    source: str
    doc: str = ""
    base: str
    part: str
    ours: str
    against: list[str] = Field(min_length=1)
    start: str
    corrections: list[Correction] = Field(min_length=1)
    together: list[str]
    ends: list[str] = Field(default_factory=list)
    lengths: list[Length] = Field(min_length=1)

    @model_validator(mode="after")
    def _known(self) -> AuditFile:
        names = [correction.name for correction in self.corrections]
        if len(set(names)) < len(names):
            raise ValueError("two corrections have one name")
        unknown = [name for name in (*self.together, *self.ends) if name not in names]
        if unknown:
            raise ValueError(f"no correction is called {', '.join(unknown)}; there are: {', '.join(names)}")
        return self

    def correction(self, name: str) -> Correction:
        """Return the correction called *name*."""
        return next(correction for correction in self.corrections if correction.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of the base study: the corrections that hold, in order, and what it is called.

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

    def machine_changes(self, machine: str) -> dict[str, Any]:
        """Return the values of *machine*'s file to replace, by place."""
        return {k: v for c in self.corrections for k, v in c.machines.get(machine, {}).items()}

    def mapping_changes(self, mapping: str) -> dict[str, Any]:
        """Return the values of *mapping*'s file to replace, by place."""
        return {k: v for c in self.corrections for k, v in c.changes.get(mapping, {}).items()}

    def figures(self, machine: str) -> dict[str, Any]:
        """Return the figures of *machine* to replace."""
        return {k: v for c in self.corrections for k, v in c.figures.get(machine, {}).items()}

    def searched(self, configuration: str) -> BestOf | None:
        """Return what *configuration* chooses its mapping from, if a correction says so."""
        found = [c.search[configuration] for c in self.corrections if configuration in c.search]
        return found[-1] if found else None

    def corrected(self, name: str, configuration: Configuration) -> Configuration:
        """Return the *configuration* of that name with the corrections that concern it, its cases included."""
        figures = self.figures(configuration.machine)
        search = self.searched(name)
        if search is not None:
            choices = [
                choice.model_copy(
                    update={"changes": {**self.mapping_changes(choice.mapping), **choice.changes}}
                )
                for choice in search.best_of
            ]
            update = {
                "mapping": search.model_copy(update={"best_of": choices}),
                "figures": {**configuration.figures, **figures}, "cases": [],
            }  # fmt: skip
            return configuration.model_copy(update=update)
        assert isinstance(configuration.mapping, str)
        cases = [
            case.model_copy(
                update={
                    "figures": {**case.figures, **{k: v for k, v in figures.items() if k in case.figures}},
                    "changes": {
                        **case.changes,
                        **(self.mapping_changes(case.mapping) if case.mapping else {}),
                    },
                }
            )
            for case in configuration.cases
        ]
        update = {
            "figures": {**configuration.figures, **figures},
            "changes": {**configuration.changes, **self.mapping_changes(configuration.mapping)},
            "cases": cases,
        }
        return configuration.model_copy(update=update)


def audit_of(document: Document) -> tuple[AuditFile, StudyFile, Document]:
    """Return the audit in *document*, the study that it corrects, and that study's document.

    Raises
    ------
    ProblemsError
        For mistakes of the file, and parts, configurations, machines and mappings that the base study does not have.
    """
    audit = typed(document, AuditFile)
    try:
        base = read_yaml(find("studies", audit.base, Path(document.file).parent))
        study = study_of(base)
    except FusemaxError as error:
        raise ProblemsError(problems_from(error, document, ("base",))) from None
    parts = {part.name: part for part in study.parts}
    if audit.part not in parts:
        text = f"study {audit.base} has no part {audit.part!r}"
        raise ProblemsError([document.problem(("part",), text, meant(audit.part, parts))])
    problems = list(_name_problems(audit, parts[audit.part], document))
    if study.compare is None:
        problems.append(
            document.problem(("base",), f"study {audit.base} has no published table to begin with")
        )
    raise_if_any(problems)
    return audit, study, base


def _name_problems(audit: AuditFile, part: StudyPart, document: Document) -> Iterator[Problem]:
    """Yield every name in *audit* that the corrected *part* does not know."""
    known = list(part.configurations)
    machines = list(dict.fromkeys(c.machine for c in part.configurations.values()))
    mappings = list(dict.fromkeys(name for c in part.configurations.values() for name in mappings_of(c)))
    named: list[tuple[KeyPath, str, list[str], str]] = [(("ours",), audit.ours, known, "configuration")]
    named += [(("against", n), name, known, "configuration") for n, name in enumerate(audit.against)]
    for number, correction in enumerate(audit.corrections):
        at = ("corrections", number)
        named += [((*at, "search", name), name, known, "configuration") for name in correction.search]
        named += [((*at, "machines", name), name, machines, "machine") for name in correction.machines]
        named += [((*at, "figures", name), name, machines, "machine") for name in correction.figures]
        named += [((*at, "changes", name), name, mappings, "mapping") for name in correction.changes]
    for path, name, names, what in named:
        if name not in names:
            yield document.problem(path, f"{audit.part} has no {what} {name!r}", meant(name, names), key=True)


def mappings_of(configuration: Configuration) -> list[str]:
    """Return every mapping that *configuration* may take."""
    mapping = configuration.mapping
    own = [mapping] if isinstance(mapping, str) else mapping.mappings
    return [*own, *(case.mapping for case in configuration.cases if case.mapping)]


def steps_of(audit: AuditFile) -> tuple[Step, ...]:
    """Return the steps of *audit*: the start, each correction alone, then together one after another, then the ends."""
    steps = [Step(path="start", name="start", title="our counts of the same", corrections=())]
    for correction in audit.corrections:
        steps.append(
            Step(path="alone", name=correction.name, title=correction.title, corrections=(correction,))
        )
    held: tuple[Correction, ...] = ()
    for name in audit.together:
        held = (*held, audit.correction(name))
        steps.append(Step(path="together", name=name, title=held[-1].title, corrections=held))
    for name in audit.ends:
        last = audit.correction(name)
        steps.append(Step(path="end", name=name, title=last.title, corrections=(*held, last)))
    return tuple(steps)
