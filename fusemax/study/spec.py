"""What a study file says: parts, each with workloads, configurations and conditions, and what to compare with."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fusemax.errors import FusemaxError
from fusemax.language.formula import formula
from fusemax.language.parse import COMPARISONS
from fusemax.quantity import QuantityError, quantity
from fusemax.shipped import find
from fusemax.source import Document, read_yaml, typed


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


class Condition(_Part):
    """``NAME COMPARISON VALUE``: a size or a column of the point against a number or a text."""

    name: str
    comparison: str
    value: float | str

    def holds(self, point: Mapping[str, Any]) -> bool:
        """Return whether the condition holds at *point*; a column that the point lacks makes it false."""
        if self.name not in point:
            return False
        left: Any = point[self.name]
        right: Any = self.value
        if isinstance(left, str) or isinstance(right, str):
            left, right = str(left), str(right)
        return bool(_COMPARE[self.comparison](left, right))


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip


def _condition(value: Any) -> Any:
    if isinstance(value, Condition):
        return value
    parts = str(value).split(maxsplit=2)
    if len(parts) != 3 or parts[1] not in COMPARISONS:
        raise ValueError(f"expected a condition such as 'M >= 16Ki' or 'model == BERT', got {value!r}")
    try:
        right: float | str = quantity(parts[2], "1")
    except QuantityError:
        right = parts[2]
    return Condition(name=parts[0], comparison=parts[1], value=right)


Where = list[Annotated[Condition, BeforeValidator(_condition)]]


class BestOf(_Part):
    """Several mappings, of which each point takes the one with the least *by* among those that fit."""

    best_of: list[str] = Field(min_length=1)
    by: Literal["latency_s", "traffic_B", "energy_J"]


class Case(_Part):
    """A change of a configuration for the points where all conditions hold."""

    where: Where
    mapping: str | None = None
    figures: dict[str, Any] = Field(default_factory=dict)
    changes: dict[str, Any] = Field(default_factory=dict)


class Configuration(_Part):
    """A machine, a mapping, and what is different from their files."""

    machine: str
    mapping: str | BestOf
    doc: str = ""
    figures: dict[str, Any] = Field(default_factory=dict)
    changes: dict[str, Any] = Field(default_factory=dict)
    cases: list[Case] = Field(default_factory=list)


class StudyPart(_Part):
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


class Reason(_Part):
    """Why some rows of a comparison differ: the rows, the quantities, and the words."""

    reason: str
    quantities: list[str]
    where: Where = Field(default_factory=list)


class Comparison(_Part):
    """A table of published values (long form: columns part, configuration, ..., quantity, value) and known differences."""

    published: str
    tolerance: float = Field(gt=0)
    reasons: list[Reason] = Field(default_factory=list)


class Summary(_Part):
    """What the short tables show: which parts, and which configurations the others are measured against."""

    parts: list[str] = Field(default_factory=list)
    baselines: list[str] = Field(default_factory=list)


class StudyFile(_Part):
    """A study of ``kind: sweep``."""

    kind: Literal["sweep"]
    title: str
    source: str
    doc: str = ""
    length: str = "M"
    parts: list[StudyPart] = Field(min_length=1)
    compare: Comparison | None = None
    figures: str | list[dict[str, Any]] | None = None
    summary: Summary = Field(default_factory=Summary)


def load_study(name: str) -> tuple[StudyFile, Document, Path]:
    """Return the study called *name* (of ``studies/`` or the user's own path), its document and its file."""
    path = find("studies", name)
    document = read_yaml(path)
    return typed(document, StudyFile), document, path


def study_kind(name: str) -> tuple[str, Path]:
    """Return the ``kind`` of the study called *name* and its file."""
    path = find("studies", name)
    document = read_yaml(path)
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise FusemaxError(f"{document.place(())}: a study needs a 'kind', such as 'kind: sweep'")
    return str(data["kind"]), path


def size_value(value: Any) -> Any:
    """Return a size as written in a study: a whole number (``1Ki``), or a formula of other sizes."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FusemaxError(f"expected a size such as 64, '1Ki' or 'B*P', got {value!r}")
    try:
        number = quantity(value, "1")
    except QuantityError:
        return formula(value, "1")
    if number < 1 or number != int(number):
        raise FusemaxError(f"expected a whole number of at least 1, got {value!r}")
    return int(number)


def figure_value(value: Any, unit: str) -> float:
    """Return a machine figure as written in a study, in SI."""
    return quantity(value, unit)
