"""The numbers that stand in formulas: what an expression without names comes to, and when it comes to none."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

from fusemax.errors import FusemaxError
from fusemax.language.syntax import Binary, Call, Expression, Negative, Number

_OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": math.pow,
}  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "ceil": math.ceil, "floor": math.floor, "log2": math.log2, "sqrt": math.sqrt,
    "max": lambda *values: max(values), "min": lambda *values: min(values),
}  # fmt: skip


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
    if isinstance(expression, Negative):
        inner = value_of_constant(expression.operand)
        return None if inner is None else -inner
    if isinstance(expression, Binary):
        operands = (expression.left, expression.right)
        return _applied(_OPERATORS[expression.operator], operands, expression)
    if isinstance(expression, Call) and expression.function in _FUNCTIONS:
        return _applied(_FUNCTIONS[expression.function], expression.arguments, expression)
    return None


def _applied(
    function: Callable[..., float], operands: tuple[Expression, ...], whole: Expression
) -> float | None:
    values = [value_of_constant(operand) for operand in operands]
    if isinstance(whole, Binary) and whole.operator == "/" and values[1] == 0:
        raise ConstantError(f"{whole} divides by zero")
    if any(value is None for value in values):
        return None
    try:
        return float(function(*values))
    except (ValueError, OverflowError, ZeroDivisionError):
        raise ConstantError(f"{whole} is no finite number") from None
