"""Sums of third and higher powers about a running mean, repaired by those of lower powers about the same mean.

``sum (x - y')^k`` follows from the sums of ``(x - y)^j``, j <= k, by the Taylor series of the term in y, which ends. Sums of
powers of x alone would do as well, but cancel when the mean is large. Source: Pebay, Formulas for robust, one-pass parallel
computation of covariances and arbitrary-order statistical moments (Sandia report SAND2008-6212, 2008), for any polynomial.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import sympy

from fusemax.analysis.rewrite.correction import parted
from fusemax.analysis.rewrite.defer import Term

LEAST = 3  #: the degree from which it is used: below, counts and sums suffice
MOST = 6


def derivatives(term: Term) -> tuple[sympy.Symbol, tuple[sympy.Expr, ...]] | None:
    """Return the earlier result y of *term* and ``d^k term / dy^k / k!`` for k = 1 up to the last that is not 0.

    None where the term has several earlier results, or is no polynomial in y of degree 3 to 6.
    """
    present = sorted(term.earlier & term.value.free_symbols, key=str)
    if len(present) != 1 or not term.value.is_polynomial(present[0]):
        return None
    (result,) = present
    value: Any = term.value
    degree = int(str(sympy.Poly(value, result).degree()))
    if not LEAST <= degree <= MOST:
        return None
    slopes: list[Any] = [sympy.diff(value, result, k) / sympy.factorial(k) for k in range(1, degree + 1)]
    return result, tuple(factored(slope) for slope in slopes)


def factored(value: Any) -> Any:
    """Return *value* as a product."""
    return sympy.factor(value)


def bare(value: sympy.Expr, folded: Collection[str]) -> sympy.Expr:
    """Return what of *value* varies along the *folded* variables."""
    return parted(factored(value), folded)[1]


def moved(
    term: Term,
    folded: Collection[str],
    before: dict[Any, Any],
    step: Callable[[sympy.Symbol], sympy.Expr],
    gathered: Callable[[sympy.Expr], sympy.Expr | None],
) -> sympy.Expr | None:
    """Return what the sum of *term* so far changes by when its earlier result moves on.

    *step* gives by how much it does. *gathered* gives the sum so far, under the result *before*, of what varies along
    *folded*, or None where nothing gathers it.
    """
    found = derivatives(term)
    if found is None:
        return None
    result, slopes = found
    total: sympy.Expr = sympy.Integer(0)
    for order, slope in enumerate(slopes, 1):
        coefficient, varying = parted(slope, folded)
        moment = gathered(varying)
        if moment is None:
            return None
        total += step(result) ** order * coefficient.subs(before) * moment
    return total
