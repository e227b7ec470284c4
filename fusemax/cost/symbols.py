"""Symbols of named values, and the functions of cost formulas: from formulas in YAML to sympy expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import sympy

from fusemax.cost import functions
from fusemax.language.syntax import Access, Binary, Call, Expression, Name, Negative, Number
from fusemax.mapping.nest import sides

ceildiv: Callable[..., Any] = functions.ceildiv
least: Callable[..., Any] = functions.least
greatest: Callable[..., Any] = functions.greatest
repeated: Callable[..., Any] = functions.repeated
band_pairs: Callable[..., Any] = functions.band_pairs
band_kinds: Callable[..., Any] = functions.band_kinds
band_turns: Callable[..., Any] = functions.band_turns
band_most: Callable[..., Any] = functions.band_most
tiles_moved: Callable[..., Any] = functions.tiles_moved
region_tiles: Callable[..., Any] = functions.region_tiles
region_moved: Callable[..., Any] = functions.region_moved
union_moved: Callable[..., Any] = functions.union_moved
region_tasks: Callable[..., Any] = functions.region_tasks
cycle_ratio: Callable[..., Any] = functions.cycle_ratio
window_sum: Callable[..., Any] = functions.window_sum
window_most: Callable[..., Any] = functions.window_most
dealt_tiles: Callable[..., Any] = functions.dealt_tiles
dealt_tasks: Callable[..., Any] = functions.dealt_tasks
busiest_core: Callable[..., Any] = functions.busiest_core
item: Callable[..., Any] = functions.item
ceil: Callable[..., Any] = functions.ceil
floor: Callable[..., Any] = functions.floor
log2: Callable[..., Any] = functions.log2
root2: Callable[..., Any] = functions.root2
at_most: Callable[..., Any] = functions.at_most
less: Callable[..., Any] = functions.less
equal: Callable[..., Any] = functions.equal


def _nested(function: Any, values: tuple[Any, ...]) -> Any:
    result = values[0]
    for value in values[1:]:
        result = function(result, value)
    return result


@lru_cache(maxsize=2**16)
def symbol(name: str) -> sympy.Symbol:
    """Return the symbol of a named value; it is positive and, on purpose, not said to be an integer."""
    return sympy.Symbol(name, positive=True)


def groups_of(level: str) -> sympy.Expr:
    """Return how many groups of cores there are that share a *level* each.

    >>> groups_of("pair")
    replicas/pair.shared_by
    """
    return symbol("replicas") / symbol(f"{level}.shared_by")


@lru_cache(maxsize=2**12)
def lanes_along(unit: str, dimension: str) -> sympy.Expr:
    """Return the lanes of *unit* along a dimension, or along several together.

    >>> lanes_along("2d", "rows"), lanes_along("mxu", "arrays*rows")
    (2d.rows, mxu.arrays*mxu.rows)
    """
    lanes: sympy.Expr = sympy.Integer(1)
    for side in sides(dimension):
        lanes *= symbol(f"{unit}.{side}")
    return lanes


def to_sympy(expression: Expression, names: Mapping[str, sympy.Expr] | None = None) -> sympy.Expr:
    """Return a formula as a sympy expression; names not in *names* become symbols."""
    if isinstance(expression, Number):
        value = expression.value
        return (
            sympy.Integer(int(value))
            if math.isfinite(value) and value == int(value)
            else sympy.Float(value, 17)
        )
    if isinstance(expression, Name):
        found = (names or {}).get(expression.name)
        return symbol(expression.name) if found is None else found
    if isinstance(expression, Negative):
        return -to_sympy(expression.operand, names)
    if isinstance(expression, Binary):
        left, right = to_sympy(expression.left, names), to_sympy(expression.right, names)
        if expression.operator == "+":
            return left + right
        if expression.operator == "-":
            return left - right
        if expression.operator == "*":
            return left * right
        return left / right if expression.operator == "/" else left**right
    if isinstance(expression, Call):
        form = functions.form_of(expression.function)
        operands = tuple(to_sympy(a, names) for a in expression.arguments)
        return _nested(form, operands) if form is functions.least else form(*operands)
    assert isinstance(expression, Access)
    raise TypeError(f"{expression} is a tensor, not a size")
