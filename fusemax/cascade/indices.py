"""What an index may be besides affine: a whole number made by division, a part of a rank."""

from __future__ import annotations

from fusemax.cascade.ir import Cascade
from fusemax.language.syntax import Binary, Call, Expression, Name, Negative, Number, names


def is_whole(expression: Expression) -> bool:
    """Return whether an index has a whole number at every point: sums, products, whole parts of rank variables and sizes.

    >>> from fusemax.language.parse import parse_expression
    >>> from fusemax.source import Text
    >>> [is_whole(parse_expression(Text(text, "t"))) for text in ("h // 2", "2*(t % N) + 1", "h/2")]
    [True, True, False]
    """
    if isinstance(expression, Number):
        return float(expression.value).is_integer()
    if isinstance(expression, Name):
        return True
    if isinstance(expression, Negative):
        return is_whole(expression.operand)
    if isinstance(expression, Binary):
        return expression.operator in "+-*" and is_whole(expression.left) and is_whole(expression.right)
    if isinstance(expression, Call):
        if expression.function in ("floor", "ceil", "round"):
            return True
        return expression.function in ("mod", "max", "min", "abs") and all(
            map(is_whole, expression.arguments)
        )
    return False


def parts_of(cascade: Cascade, rank: str) -> str | None:
    """Return the rank A of a *rank* that is said to have the size ``2*A``: it may be read in parts, at ``a`` and ``a + A``."""
    entry = cascade.ranks.get(rank)
    size = entry.size if entry is not None else None
    if isinstance(size, Binary) and size.operator == "*":
        for count, part in ((size.left, size.right), (size.right, size.left)):
            if isinstance(count, Number) and isinstance(part, Name) and part.name in cascade.ranks:
                return part.name
    return None


def sums_of(cascade: Cascade, rank: str) -> tuple[str, ...]:
    """Return the ranks in a sum that is the size of *rank*, such as ``2*A + C``: it may be read from its start on."""
    entry = cascade.ranks.get(rank)
    size = entry.size if entry is not None else None
    if not isinstance(size, Binary) or size.operator != "+":
        return ()
    return tuple(name for name in names(size) if name in cascade.ranks)
