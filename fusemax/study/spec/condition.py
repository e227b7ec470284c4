"""Conditions on points, as a study writes them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from fusemax.errors import FusemaxError
from fusemax.language.parse import COMPARISONS
from fusemax.language.syntax import names
from fusemax.language.value import value_of
from fusemax.quantity import QuantityError, quantity
from fusemax.study.spec.values import number_or_formula
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
