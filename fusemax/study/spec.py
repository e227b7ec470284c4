"""What a study file says: parts, each with workloads, configurations and conditions, and what to compare with."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from fusemax.errors import FusemaxError
from fusemax.language.formula import formula, substituted
from fusemax.language.parse import COMPARISONS
from fusemax.language.syntax import names
from fusemax.language.value import is_size, size_fault, value_of
from fusemax.quantity import QuantityError, quantity
from fusemax.study.values import number_or_formula, reading
from fusemax.typed import FilePart


class Condition(FilePart):
    """``NAME COMPARISON VALUE``: a size, a figure or a label against a number, a formula or a text, as written."""

    name: str
    comparison: str
    value: str

    def holds(self, point: Mapping[str, Any]) -> bool:
        """Return whether the condition holds at *point*; a name that the point lacks makes it false."""
        left = point.get(self.name)
        if isinstance(left, str):
            return bool(_COMPARE[self.comparison](*_alike(left, self.value)))
        sides = [_evaluated(text, point) for text in (self.name, self.value)]
        return None not in sides and bool(_COMPARE[self.comparison](*sides))

    def __str__(self) -> str:
        return f"{self.name} {self.comparison} {self.value}"


def is_number(text: str) -> bool:
    """Return whether a label is a plain number, such as the 16 of an array of 16 x 16."""
    try:
        quantity(text, "1")
    except QuantityError:
        return False
    return True


def _alike(left: str, right: str) -> tuple[Any, Any]:
    """Return two texts as numbers where both are, else as they are."""
    if is_number(left) and is_number(right):
        return quantity(left, "1"), quantity(right, "1")
    return left, right


def _evaluated(text: str, point: Mapping[str, Any]) -> float | None:
    """Return the number or formula *text* at *point*; None where the point lacks a name."""
    found = number_or_formula("where", text)
    if isinstance(found, int | float):
        return found
    if any(name not in point for name in names(found)):
        return None
    value = value_of(found, {name: float(point[name]) for name in names(found)})
    if not math.isfinite(value):
        raise FusemaxError(f"where: {text!r} has no value at {dict(point)}")
    return float(value)


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


def _condition(value: Any) -> Any:
    if isinstance(value, Condition):
        return value
    parts = str(value).split(maxsplit=2)
    if len(parts) != 3 or parts[1] not in COMPARISONS:
        raise ValueError(f"expected a condition such as 'M >= 16Ki' or 'model == BERT', got {value!r}")
    return Condition(name=parts[0], comparison=parts[1], value=parts[2].strip())


Where = list[Annotated[Condition, BeforeValidator(_condition)]]


class Choice(FilePart):
    """One mapping of several, with choices of its own.

    ``changes`` are values of the mapping file; to the list at each place of ``perhaps`` any subset of its entries is added;
    ``tiles`` takes each tile from 1, 2, 4, ... and the whole of what its formula says.
    """

    mapping: str
    changes: dict[str, Any] = Field(default_factory=dict)
    perhaps: dict[str, list[Any]] = Field(default_factory=dict)
    tiles: dict[str, Any] = Field(default_factory=dict)


def _choice(value: Any) -> Any:
    return {"mapping": value} if isinstance(value, str) else value


Measure = Literal["latency_s", "traffic_B", "energy_J"]


class BestOf(FilePart):
    """Several mappings, of which each point takes the one with the least *by* among those that fit.

    Where two are equal to a billionth in one measure, the next of *by* decides.
    """

    best_of: list[Annotated[Choice, BeforeValidator(_choice, json_schema_input_type=str | Choice)]] = Field(
        min_length=1
    )
    by: Annotated[
        list[Measure],
        BeforeValidator(
            lambda by: by if isinstance(by, list) else [by], json_schema_input_type=Measure | list[Measure]
        ),
    ] = Field(min_length=1)

    @property
    def mappings(self) -> list[str]:
        """The names of the mappings, each once."""
        return list(dict.fromkeys(choice.mapping for choice in self.best_of))


#: Stands for a mapping that a search finds, as in ``mapping: best``.
BEST = "best"


def _strategy(value: Any) -> str:
    from fusemax.search.strategies import strategy

    strategy(str(value))
    return str(value)


class Searched(FilePart):
    """The best mapping that a search finds at each point, as ``fusemax map`` does.

    ``cascade`` is what is to be run, where the configuration does not name it; ``search`` the strategy; ``objective``
    (``for:``) what is to be least; ``within`` the part of the space that is left open (what a file for ``--within`` holds);
    ``each`` has every point of a large grid searched in full.
    """

    model_config = ConfigDict(populate_by_name=True)

    search: Annotated[str, reading(_strategy)] = "joined"
    objective: Literal["latency", "energy", "traffic", "edp"] = Field(default="latency", alias="for")
    cascade: str | None = None
    absorb: list[str] = Field(default_factory=list)
    seconds: float = Field(default=12.0, gt=0)
    each: bool = False
    within: dict[str, Any] = Field(default_factory=dict)


def _form_of_mapping(value: Any) -> str:
    if isinstance(value, Searched) or (isinstance(value, dict) and not {"best_of", "by"} & set(value)):
        return "searched"
    return "choice" if isinstance(value, dict | BestOf) else "name"


def _named_or_searched(value: Any) -> Any:
    return {} if isinstance(value, str) and value == BEST else value


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
        Discriminator(_form_of_mapping),
        BeforeValidator(_named_or_searched, json_schema_input_type=str | BestOf | Searched),
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
            Discriminator(_form_of_mapping),
            BeforeValidator(_named_or_searched, json_schema_input_type=BestOf | Searched),
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


def size_value(value: Any) -> Any:
    """Return a size as written in a study: a whole number (``1Ki``), or a formula of other sizes."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FusemaxError(f"expected a size such as 64, '1Ki' or 'B*P', got {value!r}")
    try:
        number = quantity(value, "1")
    except QuantityError:
        return substituted(formula(value, "1"), {})
    if not is_size(number):
        raise FusemaxError(f"expected {size_fault(number)}, got {value!r}")
    return int(number)
