"""The value of a formula whose names have numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fusemax.errors import FusemaxError
from fusemax.language.formula import undotted
from fusemax.language.functions import FUNCTIONS, OPERATORS
from fusemax.language.syntax import Binary, Call, Expression, Name, Negative, Number
from fusemax.source import LARGEST_EXACT


def is_size(value: float) -> bool:
    """Return whether *value* is a whole number from 1 to 2^53 - 1: what comes to 2^53 may have been rounded to it.

    >>> is_size(4096), is_size(1.5), is_size(3e21)
    (True, False, False)
    """
    return 1 <= value <= LARGEST_EXACT and value == int(value)


def size_fault(value: float) -> str:
    """Return what keeps *value* from being a size, to stand behind "a size is"; nothing where it is one.

    >>> size_fault(1.5), size_fault(3e21)
    ('a whole number of at least 1', 'at most 9007199254740991')
    """
    if is_size(value):
        return ""
    return f"at most {LARGEST_EXACT}" if LARGEST_EXACT < value < math.inf else "a whole number of at least 1"


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
