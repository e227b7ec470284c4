"""Groups of threads that take turns on the units of a core: how much of one another's work they hide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import sympy

from fusemax.cost.symbols import equal, floor, greatest, least, to_sympy
from fusemax.language.syntax import Call, Expression, Number
from fusemax.mapping.spec import MOST_GROUPS

ZERO = sympy.Integer(0)
LEAST = sympy.Rational(1, 10**30)  #: against 0/0 where nothing is done


def cycles_in_turns(busy: Sequence[sympy.Expr], groups: Expression, waiting: sympy.Expr = ZERO) -> sympy.Expr:
    """Return the cycles in which *groups* do their epochs, all of which keep the units of a core *busy* for so long.

    Each group goes from unit to unit and waits where another one is. How long it is there varies as it happens to (services of
    exponential length): a closed network of queues, whose rate with n groups is h(n-1)/h(n), h(n) the sum of all products of n
    of the units' times (Gordon and Newell, Operations Research 15(2), 1967; Buzen, CACM 16(9), 1973). One group works
    serially; with many the longest unit is never idle. What is short beside the longest unit is hidden by few; equal units are
    not. *waiting* is what nobody stands in the way of: its products count over the factorial of their number.

    A formula for *groups* is rounded down, to 1 at least and ``MOST_GROUPS`` at most.

    >>> two, one = Number(2), Number(1)
    >>> cycles_in_turns([sympy.Integer(4), sympy.Integer(1)], two)  # 4*(1 + 1/4 + 1/16)/(1 + 1/4)
    21/5
    >>> cycles_in_turns([sympy.Integer(4), sympy.Integer(1)], one)
    5
    """
    longest = greatest(*busy) if len(busy) > 1 else busy[0]
    shares = [time / greatest(LEAST, longest) for time in busy]
    delay = waiting / greatest(LEAST, longest)
    most = _most(groups)
    sums = [delay**number / math.factorial(number) for number in range(most + 1)]
    for share in shares:
        for number in range(1, most + 1):
            sums[number] += share * sums[number - 1]
    times = [longest * more / greatest(LEAST, fewer) for fewer, more in pairwise(sums)]
    if isinstance(groups, Number):
        return times[-1]
    many = greatest(1, least(most, floor(to_sympy(groups))))
    return sum((equal(many, number) * time for number, time in enumerate(times, start=1)), ZERO)


def _most(groups: Expression) -> int:
    """Return how many groups there are at most: a number, or the one in a formula ``min(number, ...)``."""
    numbers = [groups]
    if isinstance(groups, Call) and groups.function == "min":
        numbers = list(groups.arguments)
    return min([MOST_GROUPS, *(max(1, int(one.value)) for one in numbers if isinstance(one, Number))])
