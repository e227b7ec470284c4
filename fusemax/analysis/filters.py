"""Conditions of Einsums as the analysis sees them: in words, as differences of two variables, by their slopes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from fusemax.analysis.sums import Sum, integer, linear
from fusemax.cascade.ir import affine, is_variable
from fusemax.language.syntax import Binary, Condition, Expression, Name, Negative, names

INFINITY = float("inf")
BOTH = frozenset({"start", "end"})
TOKEN = re.compile(r"[A-Za-z_][A-Za-z_0-9]*|\d+(?:\.\d+)?|[^\sA-Za-z_0-9]+")


@dataclass(frozen=True, slots=True)
class Filter:
    """A restriction of an iteration space in words; ``first - second`` in [low, high] if it has that form."""

    words: tuple[str, ...]
    variables: tuple[str, ...]
    difference: tuple[str, str, float, float] | None = None
    slopes: tuple[tuple[str, int], ...] = ()
    at_zero: bool = False
    at_last: bool = False  #: whether it certainly holds where all its variables are at their last coordinates
    reaches: tuple[frozenset[str], ...] = ()  #: sets that may stand anywhere, the others where it is easiest
    unequal: tuple[str, str] | None = None  #: two variables that it keeps apart (``m != p``)
    #: ``first - second`` in [low, high] for whole ranks, each by the parts that it is written in
    whole: tuple[frozenset[str], frozenset[str], float, float] | None = None
    #: of one variable: ``("start" or "end", low, high)``, how far it stands from that end of its rank
    near: tuple[str, float, float] | None = None
    total: Sum | None = (
        None  #: the same as a sum compared with 0, where all sizes in it are those of its ranks
    )

    def slope(self, variable: str) -> int:
        """Return 1 when growing *variable* makes the condition harder to meet, -1 when easier, else 0."""
        return dict(self.slopes).get(variable, 0)

    def allows_every(self, variables: Set[str]) -> bool:
        """Return whether every coordinate of *variables* meets the condition for some place of the others."""
        return any(variables <= group for group in self.reaches)

    def ends(self) -> frozenset[str]:
        """Return the ends ("start", "end") at which the condition holds if all its variables stand there."""
        if self.difference is not None:
            return BOTH if self.difference[2] <= 0 <= self.difference[3] else frozenset()
        if self.near is not None:
            return ends_near(0, self.near)
        held = {"start": self.at_zero, "end": self.at_last}
        return frozenset(end for end, holds in held.items() if self.slopes and holds)

    def leaves_some(self) -> bool:
        """Return whether a condition on one variable holds somewhere in each rank of three coordinates or more."""
        if self.near is None:
            return False
        side, low, high = self.near
        return low <= high and (high >= 0 and low <= 2 if side == "start" else low <= 0 and high >= -2)

    def leaves_all(self) -> bool:
        """Return whether a condition on one variable holds everywhere."""
        if self.near is None:
            return False
        side, low, high = self.near
        return (low <= 0 and high == INFINITY) if side == "start" else (low == -INFINITY and high >= 0)

    def renamed(self, changes: Mapping[str, str]) -> tuple[str, ...]:
        """Return the words with variables replaced by *changes*."""
        return tuple(changes.get(word, word) for word in self.words)


def filter_of(condition: Condition) -> Filter:
    """Return *condition* as a filter; ``p >= m`` and ``m <= p`` give the same one."""
    left, comparison, right = condition.left, condition.comparison, condition.right
    if comparison in (">", ">="):
        left, comparison, right = right, comparison.replace(">", "<"), left
    words = tuple(TOKEN.findall(f"{left} {comparison} {right}"))
    variables = tuple(dict.fromkeys(n for n in (*names(left), *names(right)) if is_variable(n)))
    difference, slopes = _difference(left, comparison, right), _slopes(left, comparison, right)
    apart = _difference(left, "==", right) if comparison == "!=" else None
    unequal = apart[:2] if apart is not None and apart[2] == 0 else None
    return Filter(words, variables, difference, slopes, _at_zero(left, comparison, right), unequal=unequal)


def ends_near(offset: int, near: tuple[str, float, float]) -> frozenset[str]:
    """Return the ends of a rank of three or more that lie, *offset* away, where *near* says; both: all."""
    side, low, high = near
    beyond = (
        high == INFINITY and low <= offset + 2 if side == "start" else low == -INFINITY and high >= offset - 2
    )
    return frozenset(end for end in BOTH if (low <= offset <= high if end == side else beyond))


def follow_from(filters: Sequence[Filter]) -> tuple[Filter, ...]:
    """Return the conditions on one variable that follow from one on two and one on the other: of m <= p and m > 0, p > 0."""
    found: list[Filter] = []
    for one in filters:
        if one.difference is None:
            continue
        x, y, low, high = one.difference
        for other in filters:
            if other.near is None:
                continue
            side, nearest, farthest = other.near
            if other.variables == (y,):
                found.append(_near(x, side, nearest + low, farthest + high))
            elif other.variables == (x,):
                found.append(_near(y, side, nearest - high, farthest - low))
    return tuple(one for one in found if not one.leaves_all())


def _near(variable: str, side: str, low: float, high: float) -> Filter:
    return Filter((side, str(low), str(high), variable), (variable,), near=(side, low, high))


def near_an_end(condition: Condition, sizes: Callable[[str], str]) -> tuple[str, float, float] | None:
    """Return a condition on one variable as the stretch from an end of its rank that it leaves; None for any other.

    *sizes* gives the size that a variable runs up to.
    """
    left, comparison, right = condition.left, condition.comparison, condition.right
    if comparison in (">", ">="):
        left, comparison, right = right, comparison.replace(">", "<"), left
    terms = affine(Binary("-", left, right)) if comparison in ("<", "<=", "==") else None
    if terms is None or len(terms[0]) != 1:
        return None
    ((name, coefficient),) = terms[0].items()
    weight = 1 if coefficient is None else integer(coefficient)
    terms_of = linear(terms[1], sizes)
    if weight not in (1, -1) or terms_of is None:
        return None
    rest = {size: -weight * factor for size, factor in terms_of.items()}  # the variable is compared with this
    bound, sized = rest.pop("", 0), {size: factor for size, factor in rest.items() if factor}
    if sized not in ({}, {sizes(name): 1}):
        return None
    side, bound = ("end", bound + 1) if sized else ("start", bound)
    strict = weight if comparison == "<" else 0
    low = -INFINITY if comparison != "==" and weight > 0 else bound - strict
    high = INFINITY if comparison != "==" and weight < 0 else bound - strict
    return side, low, high


def reached(condition: Condition, sizes: Callable[[str], str]) -> frozenset[str]:
    """Return the variables every coordinate of which *condition* allows, when all others stand where it is easiest.

    *sizes* gives the size that a variable runs up to, one name for ranks that are one sequence.
    """
    one = filter_of(condition)
    if one.difference is not None and condition.comparison == "==":
        same = sizes(one.difference[0]) == sizes(one.difference[1])
        return frozenset(one.variables) if same and one.difference[2] == 0 else frozenset()
    weighed = _weighed(condition, sizes)
    if weighed is None:
        return frozenset()
    last = {v: {n for n, w in weighed[0].items() if (w > 0) == (n == v)} for v in weighed[0]}
    return frozenset(v for v, ones in last.items() if _holds(*weighed, ones, sizes))


def holds_at_last(condition: Condition, sizes: Callable[[str], str]) -> bool:
    """Return whether *condition* certainly holds where all its variables are at their last coordinates."""
    weighed = _weighed(condition, sizes)
    return weighed is not None and _holds(*weighed, set(weighed[0]), sizes)


def _weighed(
    condition: Condition, sizes: Callable[[str], str]
) -> tuple[Mapping[str, int], Mapping[str, float], bool] | None:
    """Return the weights of variables in a sum that is to be at most 0, what is added, and whether 0 will do."""
    left, comparison, right = condition.left, condition.comparison, condition.right
    if comparison in (">", ">="):
        left, comparison, right = right, comparison.replace(">", "<"), left
    terms = affine(Binary("-", left, right)) if comparison in ("<", "<=") else None
    if terms is None:
        return None
    weights = {name: 1 if c is None else integer(c) for name, c in terms[0].items()}
    known = {name: weight for name, weight in weights.items() if weight is not None}
    constant = linear(terms[1], sizes)
    return None if constant is None or len(known) < len(weights) else (known, constant, comparison == "<=")


def _holds(
    weights: Mapping[str, int],
    constant: Mapping[str, float],
    with_equal: bool,
    last: Set[str],
    sizes: Callable[[str], str],
) -> bool:
    """Return whether a sum of variables is at most 0 with those of *last* at their last coordinates, the others at 0."""
    total = dict(constant)
    for name, weight in weights.items():
        if name in last:  # size - 1
            total[sizes(name)] = total.get(sizes(name), 0) + weight
            total[""] = total.get("", 0) - weight
    rest = total.pop("", 0)
    if any(value > 0 for value in total.values()):
        return False
    most = rest + sum(total.values())  # sizes are at least 1
    return most <= 0 if with_equal else most < 0


def _difference(left: Expression, comparison: str, right: Expression) -> tuple[str, str, float, float] | None:
    terms = affine(Binary("-", left, right))
    if terms is None or len(terms[0]) != 2:
        return None
    constant = integer(terms[1])
    weights = {name: 1 if c is None else integer(c) for name, c in terms[0].items()}
    if constant is None or sorted(w or 0 for w in weights.values()) != [-1, 1]:
        return None
    first = next(name for name, weight in weights.items() if weight == 1)
    second = next(name for name, weight in weights.items() if weight == -1)
    high = float(-constant)
    ranges = {"<=": (-INFINITY, high), "<": (-INFINITY, high - 1), "==": (high, high)}
    return (first, second, *ranges[comparison]) if comparison in ranges else None


def _slopes(left: Expression, comparison: str, right: Expression) -> tuple[tuple[str, int], ...]:
    terms = affine(Binary("-", left, right))
    if terms is None or comparison not in ("<", "<="):
        return ()
    return tuple((name, _sign(coefficient)) for name, coefficient in terms[0].items())


def _at_zero(left: Expression, comparison: str, right: Expression) -> bool:
    """Return whether a comparison certainly holds when all variables are 0; sizes are at least 1."""
    terms = affine(Binary("-", left, right))
    if terms is None or comparison not in ("<", "<="):
        return False
    value = integer(terms[1])
    if value is None:
        return isinstance(terms[1], Negative) and product(terms[1].operand) is not None
    return value <= 0 if comparison == "<=" else value < 0


def _sign(coefficient: Expression | None) -> int:
    """Return the sign of a coefficient whose sizes are positive; 0 if it is not known."""
    if coefficient is None or product(coefficient) is not None:
        return 1
    if isinstance(coefficient, Negative):
        return -_sign(coefficient.operand)
    value = integer(coefficient)
    return 0 if value is None else (value > 0) - (value < 0)


def product(expression: Expression) -> tuple[str, ...] | None:
    """Return the names of a product of sizes, else None."""
    if isinstance(expression, Name):
        return (expression.name,)
    if isinstance(expression, Binary) and expression.operator == "*":
        left, right = product(expression.left), product(expression.right)
        return None if left is None or right is None else left + right
    return None
