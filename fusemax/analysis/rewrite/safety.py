"""Why exponentials cannot overflow: their exponents are at most 0 because a maximum is taken away from what it bounds.

Algebra does not see overflow, so this is the one condition that is read off the form of a cascade. It is a reason to believe,
beside the trials with extreme values, which are the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from fusemax.analysis.rewrite.ceiling import Ranges
from fusemax.analysis.rewrite.normal import replace_accesses
from fusemax.analysis.rewrite.symbols import to_sympy
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.language.syntax import Access, Binary, Call, Expression, Name, Number, Reduction, walk

#: The greatest exponent of which 2^24 exponentials have a sum in 32 bits: log(3.4e38) less log(2^24).
_MOST = 72.0
OVERFLOWS = "is not bounded and may overflow"


@dataclass(frozen=True, slots=True)
class Exponential:
    """One exponential of a cascade: where it stands, its exponent, and the maximum that bounds it (None: none does).

    Without such a maximum, ``most`` is what the exponent is never above, whatever the inputs are (None: nothing small enough).
    """

    einsum: str
    exponent: Expression
    bound: str | None
    most: float | None = None

    @property
    def may_overflow(self) -> bool:
        """Whether nothing that is known bounds it."""
        return self.bound is None and self.most is None

    def __str__(self) -> str:
        where = f"exp({self.exponent}) in {self.einsum}"
        if self.bound is None and self.most is not None:
            return f"{where} is at most exp({self.most:g}), whatever the inputs are: no sum of them overflows"
        if self.bound is None:
            return f"{where} {OVERFLOWS}"
        return f"{where} is at most 1: {self.bound} is never below what it is taken from"


def exponentials(cascade: Cascade) -> tuple[Exponential, ...]:
    """Return every exponential of *cascade* that runs on data, bounded or not."""
    bounds, ranges = _bounds(cascade), Ranges(cascade)
    found = []
    for einsum in cascade.computed:
        for node in walk(einsum.expression):
            if (
                isinstance(node, Call)
                and node.function == "exp"
                and any(isinstance(x, Access) for x in walk(node))
            ):
                exponent = node.arguments[0]
                most = ranges.of(exponent)[1]
                found.append(
                    Exponential(
                        einsum.name, exponent, _bound_of(exponent, bounds), most if most <= _MOST else None
                    )
                )
    return tuple(found)


def safety_lines(original: Cascade, derived: Cascade) -> tuple[str, ...]:
    """Return the sentences on exponentials of *derived*: what bounds them, or that nothing does any more."""
    before = {str(_bare(e.exponent)) for e in exponentials(original) if e.may_overflow}
    lines = []
    for one in exponentials(derived):
        as_before = one.may_overflow and str(_bare(one.exponent)) in before
        lines.append(f"{one}, as in the original" if as_before else str(one))
    return tuple(dict.fromkeys(lines))


def _bare(expression: Expression) -> sympy.Expr:
    """Return *expression* with tensors in place of their elements, so that values at one point compare as equal."""
    return to_sympy(replace_accesses(expression, lambda access: Name(f"t_{access.tensor}")))


def _bounds(cascade: Cascade) -> dict[str, set[str]]:
    """Return, for each tensor, the values that it is never below."""
    found: dict[str, set[str]] = {}
    changed = True
    while changed:
        changed = False
        for einsum in cascade.computed:
            known = found.setdefault(einsum.output.tensor, set())
            more = _bounded_by(einsum, found)
            if not more <= known:
                known |= more
                changed = True
    return found


def _bounded_by(einsum: Einsum, found: dict[str, set[str]]) -> set[str]:
    expression = einsum.expression
    if isinstance(einsum.action, Reduction):
        above = einsum.action.operator in (
            "max",
            "logsumexp",
        )  # a log-sum-exp is no less than any of its terms
        return _with_own(expression, found) if above else set()
    return _below(expression, found) if einsum.action is None else set()


def _below(expression: Expression, found: dict[str, set[str]]) -> set[str]:
    """Return the values that *expression* is never below."""
    if isinstance(expression, Binary) and expression.operator == "+" and _is_no_loss(expression.right):
        return _below(expression.left, found)
    if not isinstance(expression, Call):
        return set()
    if expression.function == "max":
        parts = [_with_own(argument, found) for argument in expression.arguments]
        return set().union(*parts)
    return _chosen(expression, found) if expression.function == "where" else set()


def _chosen(choice: Call, found: dict[str, set[str]]) -> set[str]:
    """Return what a choice is never below that replaces minus infinity alone.

    ``where(eq(x, -inf), 0, x)``: what is bounded by x then is minus infinity, and still bounded;
    ``where(eq(x, -inf), -inf, y)``: what both x and y bound.
    """
    test, instead, chosen = choice.arguments
    if not (isinstance(test, Call) and test.function == "eq" and _is_limit(test.arguments[1])):
        return set()
    if isinstance(chosen, Access) and test.arguments[0] == chosen:
        return _with_own(chosen, found)
    return _below(test.arguments[0], found) & _below(chosen, found) if _is_limit(instead) else set()


def _is_limit(value: Expression) -> bool:
    return to_sympy(value) == -sympy.oo


def _is_no_loss(value: Expression) -> bool:
    """Return whether *value* is ``log(1 + exp(...))``, which is positive."""
    if not isinstance(value, Call) or value.function != "log":
        return False
    (inner,) = value.arguments
    return (
        isinstance(inner, Binary)
        and inner.operator == "+"
        and inner.left == Number(1.0)
        and isinstance(inner.right, Call)
        and inner.right.function == "exp"
    )


def _with_own(value: Expression, found: dict[str, set[str]]) -> set[str]:
    own = {str(_bare(value))}
    return own | found.get(value.tensor, set()) if isinstance(value, Access) else own


def _bound_of(exponent: Expression, bounds: dict[str, set[str]]) -> str | None:
    if (larger := _larger(exponent)) is not None:
        return larger
    bare = sympy.expand(_bare(exponent))
    if bare == 0:
        return _rising(exponent, bounds)
    for name, below in bounds.items():
        rest = bare + to_sympy(Name(f"t_{name}"))
        if str(rest) in below:
            return name
    return None


def _larger(exponent: Expression) -> str | None:
    """Return the maximum of which a minimum of the same values is taken, as in a join of two log-sum-exps."""
    if not isinstance(exponent, Binary) or exponent.operator != "-":
        return None
    small, large = exponent.left, exponent.right
    pair = (
        isinstance(small, Call)
        and isinstance(large, Call)
        and (small.function, large.function) == ("min", "max")
    )
    if not pair or not isinstance(small, Call) or not isinstance(large, Call):
        return None
    return str(large) if set(small.arguments) & set(large.arguments) else None


def _rising(exponent: Expression, bounds: dict[str, set[str]]) -> str | None:
    """Return the running maximum of which a later generation is taken from an earlier one (``RM[m,p] - RM[m+1,p]``)."""
    if not isinstance(exponent, Binary) or exponent.operator != "-":
        return None
    earlier, later = exponent.left, exponent.right
    if not isinstance(earlier, Access) or not isinstance(later, Access) or earlier.tensor != later.tensor:
        return None
    own = f"t_{earlier.tensor}" in bounds.get(earlier.tensor, ())
    pairs = [(a, b) for a, b in zip(earlier.indices, later.indices, strict=True) if a != b]
    rising = all(isinstance(a, Name) and b == Binary("+", a, Number(1.0)) for a, b in pairs)
    return earlier.tensor if own and rising else None
