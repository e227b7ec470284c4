"""The few functions that cost formulas are made of, kept unevaluated by sympy.

sympy's own Max, Min and ceiling simplify wrongly under some assumptions (``Max(512, 65536/(a*b))`` drops a term for positive
integers in sympy 1.14), so ours are opaque: they print well, lower to plain code, and are evaluated only on numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import sympy

from fusemax.language.functions import FUNCTIONS


class ceildiv(sympy.Function):  # noqa: N801 - printed as it is called
    """The whole number of tiles of size b that cover a: a/b rounded up."""

    nargs = 2

    @classmethod
    def eval(cls, a: Any, b: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the number when both are numbers, a when b is 1."""
        if b == 1:
            return a
        if a == b:
            return sympy.Integer(1)
        return sympy.ceiling(a / b) if a.is_Number and b.is_Number else None


class least(sympy.Function):  # noqa: N801
    """The smaller of two values."""

    function = "min"
    nargs = 2

    @classmethod
    def eval(cls, a: Any, b: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the smaller number when both are numbers."""
        if a == b:
            return a
        return min(a, b) if a.is_Number and b.is_Number else None


class greatest(sympy.Function):  # noqa: N801
    """The largest of any number of values."""

    function = "max"

    @classmethod
    def eval(cls, *values: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the single value, or the largest number when all are numbers."""
        distinct = tuple(dict.fromkeys(values))
        if len(distinct) == 1:
            return distinct[0]
        if all(value.is_Number for value in distinct):
            return max(distinct)
        return None if distinct == values else cls(*distinct)


class repeated(sympy.Function):  # noqa: N801
    """``repeated(n, many, once)``: *many* if n > 1, else *once*: a tile that stays is not loaded again."""

    nargs = 3

    @classmethod
    def eval(cls, n: Any, many: Any, once: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the branch when it is known."""
        if many == once:
            return many
        return (many if n > 1 else once) if n.is_Number else None


class band_pairs(sympy.Function):  # noqa: N801
    """Pairs of tiles that a band touches: :func:`fusemax.cost.band.band_pairs`."""

    nargs = 7


class band_kinds(sympy.Function):  # noqa: N801
    """The same by kind, four of them: :func:`fusemax.cost.band.band_kinds`; ``item`` takes one."""

    nargs = 7


class band_turns(sympy.Function):  # noqa: N801
    """Where tiles are wanted twice in a row: :func:`fusemax.cost.band.band_turns`; ``item`` takes one."""

    nargs = 8


class band_most(sympy.Function):  # noqa: N801
    """Touched tiles in the fullest tile of rows: :func:`fusemax.cost.band.band_most`."""

    nargs = 7


class tiles_moved(sympy.Function):  # noqa: N801
    """Words of tiles, visited one by one: :func:`fusemax.cost.visits.tiles_moved`, whose list of numbers are the operands."""


class region_tiles(sympy.Function):  # noqa: N801
    """Tiles that a region touches, by place: :func:`fusemax.cost.lattice.region_tiles`; ``item`` takes one."""


class union_moved(sympy.Function):  # noqa: N801
    """Words of tiles that several accesses share, visited one by one: :func:`fusemax.cost.union_visits.union_moved`."""


class region_moved(sympy.Function):  # noqa: N801
    """Words of tiles under a region, visited one by one: :func:`fusemax.cost.lattice_visits.region_moved`."""


class region_tasks(sympy.Function):  # noqa: N801
    """What the busiest core does under a region: :func:`fusemax.cost.lattice_tasks.region_tasks`; ``item`` takes one."""


class cycle_ratio(sympy.Function):  # noqa: N801
    """The longest circuit of dependences: :func:`fusemax.cost.ratio.cycle_ratio`, whose list of numbers are the operands."""


class window_sum(sympy.Function):  # noqa: N801
    """Elements that tiles of a window touch: :func:`fusemax.cost.band.window_sum`."""

    nargs = 8


class window_most(sympy.Function):  # noqa: N801
    """Elements of the largest tile of a window: :func:`fusemax.cost.band.window_most`."""

    nargs = 8


class dealt_tiles(sympy.Function):  # noqa: N801
    """What the busiest core does of tasks under a band: :func:`fusemax.cost.deal.dealt_tiles`; ``item`` takes one."""

    nargs = 21


class dealt_tasks(sympy.Function):  # noqa: N801
    """The same where tasks are ragged: :func:`fusemax.cost.ragged.dealt_tasks`, whose list of numbers are the operands."""


class busiest_core(sympy.Function):  # noqa: N801
    """Tasks of each kind on the busiest core: :func:`fusemax.cost.deal.busiest_core`; ``item`` takes one of them."""

    nargs = 17


class item(sympy.Function):  # noqa: N801
    """``item(several, n)``: the n-th of several values."""

    nargs = 2


class ceil(sympy.Function):  # noqa: N801
    """Rounded up."""

    function = "ceil"
    nargs = 1


class floor(sympy.Function):  # noqa: N801
    """Rounded down."""

    function = "floor"
    nargs = 1


class log2(sympy.Function):  # noqa: N801
    """Logarithm to base 2."""

    function = "log2"
    nargs = 1


class root2(sympy.Function):  # noqa: N801
    """Square root."""

    function = "sqrt"
    nargs = 1


class at_most(sympy.Function):  # noqa: N801
    """1 where a <= b, else 0."""

    nargs = 2


class less(sympy.Function):  # noqa: N801
    """1 where a < b, else 0."""

    nargs = 2


class equal(sympy.Function):  # noqa: N801
    """1 where a and b are the same number, else 0."""

    nargs = 2


#: The classes above that stand for a function of formulas; the others are made by :func:`form_of`.
OWN: Mapping[str, Any] = {own.function: own for own in (least, greatest, ceil, floor, log2, root2)}


@lru_cache(maxsize=256)
def form_of(function: str) -> Any:
    """Return the class of the *function* of formulas that is so called.

    >>> form_of("exp")(sympy.Symbol("x")), form_of("max")
    (exp(x), greatest)
    """
    if function in OWN:
        return OWN[function]
    least_operands, most_operands = FUNCTIONS[function].operands
    nargs = tuple(range(least_operands, most_operands + 1))
    members = {
        "function": function,
        "nargs": nargs,
        "__module__": __name__,
        "__doc__": f"{function} of formulas.",
    }
    return type(function, (sympy.Function,), members)


def __getattr__(name: str) -> Any:
    """Return the class of a function, so that expressions of it can be sent to other processes."""
    if name in FUNCTIONS:
        return form_of(name)
    raise AttributeError(name)
