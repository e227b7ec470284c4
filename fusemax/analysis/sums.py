"""Conditions as sums of coordinates that are compared with 0, so that they can be tried at any place; and their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

from fusemax.cascade.ir import affine
from fusemax.language.syntax import Binary, Condition, Expression, Name, Negative, Number

COMPARE: Mapping[str, Callable[[float], bool]] = {
    "<=": lambda value: value <= 0,
    "<": lambda value: value < 0,
    ">=": lambda value: value >= 0,
    ">": lambda value: value > 0,
    "==": lambda value: value == 0,
    "!=": lambda value: value != 0,
}


@dataclass(frozen=True, slots=True)
class Sum:
    """``weight*coordinate + ... + sized*size + more`` compared with 0.

    A coordinate is one variable, or its parts, outermost first.
    """

    weights: tuple[tuple[tuple[str, ...], int], ...]
    sized: float
    more: float
    comparison: str

    def holds(self, at: Mapping[str, int], extents: Callable[[str], int]) -> bool:
        """Return whether variables *at* these coordinates of ranks of these *extents* meet the condition."""
        total, size = self.more, 0
        for parts, weight in self.weights:
            place = 0
            for part in parts:
                place = place * extents(part) + at[part]
            total += weight * place
            size = prod(map(extents, parts))
        return COMPARE[self.comparison](total + self.sized * size)


def sum_of(
    condition: Condition, sizes: Callable[[str], str], parts: Callable[[str], tuple[str, ...]]
) -> Sum | None:
    """Return *condition* as a sum; None where it is none, or of ranks of several sizes.

    *sizes* gives the size that a variable runs up to, one name for ranks that are one sequence, *parts* the variables of it.
    """
    terms = affine(Binary("-", condition.left, condition.right))
    constant = None if terms is None else linear(terms[1], sizes)
    if terms is None or constant is None or len({sizes(n) for n in terms[0]} | constant.keys() - {""}) != 1:
        return None
    weights = {name: 1 if factor is None else integer(factor) for name, factor in terms[0].items()}
    known = tuple((parts(name), weight) for name, weight in weights.items() if weight is not None)
    sized = sum(factor for size, factor in constant.items() if size)
    return (
        Sum(known, sized, constant.get("", 0), condition.comparison) if len(known) == len(weights) else None
    )


def linear(expression: Expression | None, sizes: Callable[[str], str]) -> Mapping[str, float] | None:
    """Return an expression of sizes as ``{size: factor}``, its whole number under the empty name; else None."""
    value = integer(expression)
    if value is not None:
        return {"": value}
    if isinstance(expression, Name):
        return {sizes(expression.name.lower()): 1}
    if isinstance(expression, Negative):
        inner = linear(expression.operand, sizes)
        return None if inner is None else {name: -factor for name, factor in inner.items()}
    if isinstance(expression, Binary) and expression.operator in "+-":
        left = linear(expression.left, sizes)
        right = linear(expression.right if expression.operator == "+" else Negative(expression.right), sizes)
        if left is not None and right is not None:
            return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}
    return None


def integer(expression: Expression | None) -> int | None:
    """Return the value of an expression of whole numbers (None stands for 0), else None."""
    if expression is None:
        return 0
    if isinstance(expression, Number):
        return int(expression.value) if float(expression.value).is_integer() else None
    if isinstance(expression, Negative):
        inner = integer(expression.operand)
        return None if inner is None else -inner
    if isinstance(expression, Binary) and expression.operator in "+-*":
        left, right = integer(expression.left), integer(expression.right)
        if left is None or right is None:
            return None
        return {"+": left + right, "-": left - right, "*": left * right}[expression.operator]
    return None
