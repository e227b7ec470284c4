"""The value of a formula whose names have numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fusemax.errors import FusemaxError
from fusemax.language.formula import undotted
from fusemax.language.functions import FUNCTIONS, OPERATORS
from fusemax.language.syntax import Binary, Call, Expression, Name, Negative, Number


def is_size(value: float) -> bool:
    """Return whether *value* is a whole number of at least 1."""
    return math.isfinite(value) and value >= 1 and value == int(value)


def value_of(expression: Expression, known: Mapping[str, float]) -> float:
    """Return the value of a formula whose names stand in *known*; inf or nan where there is none.

    >>> from fusemax.language.formula import formula
    >>> value_of(formula("ceil(P/3) + log2(8)", "1"), {"P": 7})
    6.0

    Raises
    ------
    KeyError
        For a name that is not known.
    TypeError
        For a tensor in it: a formula is checked before it comes here.
    """
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Name):
        return known[undotted(expression.name)]
    if isinstance(expression, Negative):
        return -value_of(expression.operand, known)
    if isinstance(expression, Binary):
        left, right = value_of(expression.left, known), value_of(expression.right, known)
        return OPERATORS[expression.operator](left, right)
    if isinstance(expression, Call):
        operands = (value_of(operand, known) for operand in expression.arguments)
        return FUNCTIONS[expression.function].value(*operands)
    raise TypeError(f"{expression} is a tensor, not a number")


def finite_value_of(expression: Expression, known: Mapping[str, float]) -> float:
    """Return the value of a formula as :func:`value_of` does, a float.

    Raises
    ------
    KeyError
        For a name that is not known.
    FusemaxError
        When no number comes of it: a division by zero, the root of a negative number.
    """
    value = value_of(expression, known)
    if not math.isfinite(value):
        raise FusemaxError(f"formula {expression} has no value: it comes to {value:g}")
    return float(value)
