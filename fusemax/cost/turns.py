"""Groups of threads that take turns on the units of a core: how much of one another's work they hide."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sympy

from fusemax.cost.symbols import greatest

ZERO = sympy.Integer(0)
LEAST = sympy.Rational(1, 10**30)  #: against 0/0 where nothing is done


def cycles_in_turns(busy: Sequence[sympy.Expr], groups: int, waiting: sympy.Expr = ZERO) -> sympy.Expr:
    """Return the cycles in which *groups* do their epochs, all of which keep the units of a core *busy* for so long.

    Each group goes from unit to unit and waits where another one is. How long it is there varies as it happens to (services of
    exponential length): a closed network of queues, whose rate with n groups is h(n-1)/h(n), h(n) the sum of all products of n
    of the units' times (Gordon and Newell, Operations Research 15(2), 1967; Buzen, CACM 16(9), 1973). One group works
    serially; with many the longest unit is never idle. What is short beside the longest unit is hidden by few; equal units are
    not. *waiting* is what nobody stands in the way of: its products count over the factorial of their number.

    >>> two, one = cycles_in_turns([sympy.Integer(4), sympy.Integer(1)], 2), cycles_in_turns([sympy.Integer(4)], 2)
    >>> two, one  # 4*(1 + 1/4 + 1/16)/(1 + 1/4), and what a unit alone takes
    (21/5, 4)
    """
    longest = greatest(*busy) if len(busy) > 1 else busy[0]
    shares = [time / greatest(LEAST, longest) for time in busy]
    delay = waiting / greatest(LEAST, longest)
    sums = [delay**number / math.factorial(number) for number in range(groups + 1)]
    for share in shares:
        for number in range(1, groups + 1):
            sums[number] += share * sums[number - 1]
    return longest * sums[groups] / greatest(LEAST, sums[groups - 1])
