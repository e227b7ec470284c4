"""What a study file says: parts, each with workloads, configurations and conditions, and what to compare with."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from fusemax.study.spec.choice import BEST, BestOf, Searched, form_of_mapping, named_or_searched
from fusemax.study.spec.condition import Where
from fusemax.typed import FilePart


def _no_search(value: Any) -> Any:
    if value == BEST:
        raise ValueError("a case takes the mapping of a file; 'best' is for a configuration")
    return value


class Case(FilePart):
    """A change of a configuration for the points where all conditions hold."""

    where: Where
    mapping: Annotated[str | None, BeforeValidator(_no_search, json_schema_input_type=str | None)] = None
    figures: dict[str, Any] = Field(default_factory=dict)
    changes: dict[str, Any] = Field(default_factory=dict)


class Configuration(FilePart):
    """A machine, a mapping, and what is different from their files; of a mapping that is searched for, the ``cascade``."""

    machine: str
    mapping: Annotated[
        Annotated[str, Tag("name")] | Annotated[BestOf, Tag("choice")] | Annotated[Searched, Tag("searched")],
        Discriminator(form_of_mapping),
        BeforeValidator(named_or_searched, json_schema_input_type=str | BestOf | Searched),
    ]
    cascade: str | None = None
    doc: str = ""
    figures: dict[str, Any] = Field(default_factory=dict)
    changes: dict[str, Any] = Field(default_factory=dict)
    cases: list[Case] = Field(default_factory=list)


class StudyPart(FilePart):
    """Points and configurations that make the rows of one part of the results.

    ``tables`` are named rows of sizes and figures; ``sizes`` single values, formulas, or lists; all are crossed. ``sum_over``
    adds up the rows of one table; ``total_of`` adds up earlier parts instead. With a ``grid`` (values or ranges of sizes,
    figures and tiles) the part is streamed through compiled code: ``zip`` names entries that go together, ``outputs`` the
    columns.
    """

    name: str
    tables: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    sizes: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, Any] = Field(default_factory=dict)
    zip: list[list[str]] = Field(default_factory=list)
    outputs: list[str] = Field(default_factory=list)
    where: Where = Field(default_factory=list)
    configurations: dict[str, Configuration] = Field(default_factory=dict)
    sum_over: str | None = None
    total_of: list[str] = Field(default_factory=list)


class Reason(FilePart):
    """Why some rows of a comparison differ: the rows, the quantities, and the words."""

    reason: str
    quantities: list[str]
    where: Where = Field(default_factory=list)


class Comparison(FilePart):
    """A table of published values (long form: columns part, configuration, ..., quantity, value) and known differences."""

    published: str
    tolerance: float = Field(gt=0)
    reasons: list[Reason] = Field(default_factory=list)


class Correction(FilePart):
    """One correction: values of machine files and figures by machine, values of mapping files by mapping.

    ``search`` gives configurations more to choose their mapping from, or has the best one searched for. ``registers`` says
    that energies are to count those of register files; a study that tells apart what was charged asks for it.
    """

    name: str
    title: str
    doc: str = ""
    registers: bool = False
    search: dict[
        str,
        Annotated[
            Annotated[BestOf, Tag("choice")] | Annotated[Searched, Tag("searched")],
            Discriminator(form_of_mapping),
            BeforeValidator(named_or_searched, json_schema_input_type=BestOf | Searched),
        ],
    ] = Field(default_factory=dict)
    machines: dict[str, dict[str, Any]] = Field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = Field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Corrected(FilePart):
    """Corrections of a study.

    It runs as it is, with each alone, with those of ``together`` one on another, and with each of ``ends`` on all of these.
    """

    corrections: list[Correction] = Field(default_factory=list)
    together: list[str] = Field(default_factory=list)
    ends: list[str] = Field(default_factory=list)

    def correction(self, name: str) -> Correction:
        """Return the correction called *name*."""
        return next(correction for correction in self.corrections if correction.name == name)


class Summary(FilePart):
    """What the short tables show: which parts, and which configurations the others are measured against."""

    parts: list[str] = Field(default_factory=list)
    baselines: list[str] = Field(default_factory=list)


class StudyFile(Corrected):
    """A study of ``kind: sweep``."""

    kind: Literal["sweep"]
    title: str
    source: str
    doc: str = ""
    length: str = "M"
    parts: list[StudyPart] = Field(min_length=1)
    compare: Comparison | None = None
    figures: list[dict[str, Any]] = Field(default_factory=list)
    summary: Summary = Field(default_factory=Summary)

    def label_columns(self, part: str) -> list[str]:
        """Return the tables whose rows tell the points of *part* apart, one column each."""
        names = [name for entry in self._summed(part) for name in entry.tables if name != entry.sum_over]
        return list(dict.fromkeys(names))

    def listed_sizes(self, part: str) -> list[str]:
        """Return the sizes that *part* gives as lists, besides the length, which has a column of its own."""
        found = [
            name
            for entry in self._summed(part)
            for name, value in entry.sizes.items()
            if isinstance(value, list) and name != self.length
        ]
        return list(dict.fromkeys(found))

    def _summed(self, part: str) -> list[StudyPart]:
        """Return the part called *part* with the parts that it adds up."""
        named = [entry for entry in self.parts if entry.name == part]
        others = {name for entry in named for name in entry.total_of}
        return named + [entry for entry in self.parts if entry.name in others]
