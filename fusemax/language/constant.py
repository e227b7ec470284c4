"""The numbers that stand in formulas: what an expression without names comes to, and when it comes to none."""

from __future__ import annotations

import math

from fusemax.errors import FusemaxError
from fusemax.language.functions import FUNCTIONS, OPERATORS
from fusemax.language.syntax import Binary, Call, Expression, Name, Negative, Number, children


class ConstantError(FusemaxError):
    """Numbers that make no finite number."""


def value_of_constant(expression: Expression) -> float | None:
    """Return the value of an *expression* of numbers alone, None for any other.

    >>> from fusemax.language.parse import parse_expression
    >>> from fusemax.source import Text
    >>> value_of_constant(parse_expression(Text("2**3 + 1", "t"))), value_of_constant(parse_expression(Text("M", "t")))
    (9.0, None)

    Raises
    ------
    ConstantError
        When it divides by zero, or is too large or no real number.
    """
    value = _value(expression)
    if value is not None and not math.isfinite(value):
        raise ConstantError(f"{expression} is no finite number")
    return value


def _value(expression: Expression) -> float | None:
    if isinstance(expression, Number):
        return float(expression.value)
    if isinstance(expression, Name):
        return None
    found = [value_of_constant(operand) for operand in children(expression)]
    if isinstance(expression, Binary) and expression.operator == "/" and found[1] == 0:
        raise ConstantError(f"{expression} divides by zero")
    operands = [value for value in found if value is not None]
    if len(operands) < len(found):
        return None
    if isinstance(expression, Negative):
        return -operands[0]
    if isinstance(expression, Binary):
        return OPERATORS[expression.operator](*operands)
    known = FUNCTIONS.get(expression.function) if isinstance(expression, Call) else None
    return None if known is None or known.wrong_number(len(operands)) else known.value(*operands)
