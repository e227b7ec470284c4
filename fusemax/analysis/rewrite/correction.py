"""The factor that repairs a partial result when the earlier results that it was computed with have moved on."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sympy

from fusemax.analysis.rewrite.separate import Refusal, Separation
from fusemax.analysis.rewrite.symbols import to_syntax
from fusemax.language.syntax import names

#: The operation that undoes each operation between H and G; those without one allow deferral only.
INVERTIBLE = {"*", "+"}


def correction(
    head: sympy.Expr,
    operation: str,
    old: dict[Any, Any],
    new: dict[Any, Any],
) -> sympy.Expr | Refusal:
    """Return ``H(old)^-1 (*) H(new)``: what turns a partial result under the old values into one under the new.

    Source: the running form of attention by Milakov and Gimelshein (arXiv 1805.02867), for any invertible H.
    """
    if operation not in INVERTIBLE:
        return Refusal(f"the operation {operation!r} has no inverse, so a partial result cannot be repaired")
    before, after = head.subs(old, simultaneous=True), head.subs(new, simultaneous=True)
    return tidy(after / before) if operation == "*" else sympy.expand(after - before)


def tidy(value: sympy.Expr) -> sympy.Expr:
    """Return *value* with exponentials joined and common factors cancelled."""
    joined = sympy.powsimp(value, combine="exp")
    return joined if joined.has(sympy.exp) else sympy.cancel(joined)


def parted(value: sympy.Expr, folded: Collection[str]) -> tuple[sympy.Expr, sympy.Expr]:
    """Return *value* as a factor that is the same for all points folded, and what varies along the *folded* variables."""
    outside, inside = [], []
    for factor in sympy.Mul.make_args(value):
        varies = any(name in folded for s in factor.free_symbols for name in names(to_syntax(s)))
        (inside if varies else outside).append(factor)
    return sympy.Mul(*outside), sympy.Mul(*inside)


def moments(separation: Separation) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
    """Return the pairs of a sum of products whose H depends on earlier results.

    A partial sum moves from y to y' by ``sum_j (H_j(y') - H_j(y)) * (sum of G_j so far)``, and pairs with a constant H drop
    out: this is how the variance needs the count and the sum, but never the sum of squares.
    """
    return tuple((head, rest) for head, rest in separation.terms if head.free_symbols)


def common_weight(separation: Separation) -> sympy.Expr | None:
    """Return the positive H that every other H is a polynomial multiple of, as ``exp(-L)`` of a weighted variance.

    The sum is then that weight times a sum repaired by moments, each of which bears the weight too. None where there is
    no such H, or where it is constant.
    """
    for candidate, _ in separation.terms:
        others = [tidy(head / candidate) for head, _ in separation.terms]
        plain = all(other.is_polynomial(*other.free_symbols) for other in others)
        if candidate.free_symbols and candidate.is_positive and plain:
            return candidate
    return None
