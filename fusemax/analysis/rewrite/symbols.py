"""Einsum expressions as sympy expressions, and back.

A symbol bears the text of what it stands for (``QK[m,p]``), so that the way back is to read its name. Symbols are real;
sizes and the tensors that the caller knows to be positive are positive. Nothing is declared an integer: sympy drops terms
of a maximum of positive integers.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from fusemax.cascade.ir import is_variable
from fusemax.language.functions import FUNCTIONS
from fusemax.language.parse import parse_expression
from fusemax.language.syntax import Access, Binary, Call, Expression, Name, Negative, Number
from fusemax.source import Text


def at_least_zero(tensor: str) -> str:
    """Return the entry that says of *tensor*, among those known to be positive, that it is not below 0."""
    return f"{tensor} >= 0"


def symbol(node: Access | Name, positive: Collection[str] = ()) -> sympy.Symbol:
    """Return the symbol that stands for an access or a name; *positive* names tensors and constants above 0."""
    if isinstance(node, Access):
        if node.tensor in positive:
            return sympy.Symbol(str(node), real=True, positive=True)
        nonnegative = True if at_least_zero(node.tensor) in positive else None
        return sympy.Symbol(str(node), real=True, nonnegative=nonnegative)
    above_zero = node.name in positive or not is_variable(node.name)
    return sympy.Symbol(node.name, real=True, positive=True if above_zero else None)


def to_sympy(expression: Expression, positive: Collection[str] = ()) -> sympy.Expr:
    """Return *expression* as a sympy expression over :func:`symbol`."""
    if isinstance(expression, Number):
        return _number(expression.value)
    if isinstance(expression, Access | Name):
        return symbol(expression, positive)
    if isinstance(expression, Negative):
        return -to_sympy(expression.operand, positive)
    if isinstance(expression, Binary):
        left, right = to_sympy(expression.left, positive), to_sympy(expression.right, positive)
        return _binary(expression.operator, left, right)
    arguments = [to_sympy(argument, positive) for argument in expression.arguments]
    return apply(expression.function, arguments)


def apply(function: str, arguments: list[sympy.Expr]) -> sympy.Expr:
    """Return *function* of *arguments*; a function without algebra of its own stays an opaque name."""
    known = FUNCTIONS[function]
    if known.algebra is not None:
        return known.algebra(sympy, *arguments)
    positive = True if known.positive else None
    nonnegative = True if known.nonnegative else None
    return sympy.Function(function, real=True, positive=positive, nonnegative=nonnegative)(*arguments)


def _binary(operator: str, left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    return left / right if operator == "/" else left**right


def _number(value: float) -> sympy.Expr:
    if value == float("inf"):
        return sympy.oo
    return sympy.Integer(int(value)) if float(value).is_integer() else sympy.Float(value)


def to_syntax(value: Any) -> Expression:
    """Return the Einsum expression of *value*: products as fractions, sums with positive terms first."""
    if isinstance(value, sympy.Symbol):
        return parse_expression(Text(value.name))
    if isinstance(value, sympy.Add):
        return _sum(value)
    if isinstance(value, sympy.Mul):
        return _product(value)
    if isinstance(value, sympy.Pow) and not isinstance(value, sympy.exp):
        return _power(value)
    if value.is_Number or value in (sympy.oo, -sympy.oo):
        return _literal(value)
    if isinstance(value, sympy.Max) and sympy.Integer(0) in value.args and len(value.args) == 2:
        inner = next(argument for argument in value.args if argument != 0)
        return Call("relu", (to_syntax(inner),))
    name = value.func.__name__ if isinstance(value, AppliedUndef) else str(value.func.__name__).lower()
    if name == "exp1":
        return Call("exp", (Number(1.0),))
    return Call(name, tuple(to_syntax(argument) for argument in value.args))


def _literal(value: Any) -> Expression:
    if value == sympy.oo:
        return Number(float("inf"))
    if value.is_negative:
        return Negative(_literal(-value))
    if isinstance(value, sympy.Rational) and not isinstance(value, sympy.Integer):
        return Binary("/", Number(float(value.p)), Number(float(value.q)))
    return Number(float(value))


def _is_negative(term: Any) -> bool:
    return bool(term.could_extract_minus_sign())


def _sum(value: Any) -> Expression:
    terms = sorted(value.args, key=lambda term: (_is_negative(term), str(term)))
    result = to_syntax(terms[0])
    for term in terms[1:]:
        negative = _is_negative(term)
        result = Binary("-" if negative else "+", result, to_syntax(-term if negative else term))
    return result


def _product(value: Any) -> Expression:
    coefficient, rest = value.as_coeff_Mul()
    if coefficient.is_negative:
        return Negative(to_syntax(-value))
    over, under = [], []
    for factor in sympy.Mul.make_args(rest):
        base, power = factor.as_base_exp()
        inverse = not isinstance(factor, sympy.exp) and power.is_number and power.is_negative
        (under if inverse else over).append(base ** (-power) if inverse else factor)
    if coefficient.is_Rational and coefficient.q != 1:
        under.append(sympy.Integer(coefficient.q))
        coefficient = sympy.Integer(coefficient.p)
    if coefficient != 1:
        over.insert(0, coefficient)
    result = _chain("*", over) if over else Number(1.0)
    for factor in under:
        result = Binary("/", result, to_syntax(factor))
    return result


def _chain(operator: str, factors: list[sympy.Expr]) -> Expression:
    return reduce(lambda a, b: Binary(operator, a, b), [to_syntax(factor) for factor in factors])


def _power(value: Any) -> Expression:
    base, power = value.args
    if power == sympy.Rational(1, 2):
        return Call("sqrt", (to_syntax(base),))
    if power.is_number and power.is_negative:
        return Binary("/", Number(1.0), to_syntax(base ** (-power)))
    return Binary("**", to_syntax(base), to_syntax(power))
