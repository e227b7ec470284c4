"""What the algebra cannot split is sampled: its numerical rank over a grid of earlier results and data.

Rank 1 gives the split itself, ``H(z) = g(z, x*)`` and ``G(x) = g(z*, x)/g(z*, x*)``, which is then held against g at fresh
points. A full rank is the evidence that no short list of accumulators exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import sympy

from fusemax.analysis.rewrite.separate import Refusal, Separation
from fusemax.language.functions import FUNCTIONS

GRID = 14
SMALL = 1e-9
FRESH = 64
ARRAYS = {name: partial(function.array, np) for name, function in FUNCTIONS.items()}


def sampled(
    value: sympy.Expr, earlier: frozenset[sympy.Symbol], neutral: frozenset[sympy.Symbol], why: Refusal
) -> Separation | Refusal:
    """Return a rank-1 separation of *value* under a sum found by sampling, or the refusal *why* with the rank seen."""
    data = value.free_symbols - earlier - neutral
    order = sorted(value.free_symbols, key=str)
    try:
        function = sympy.lambdify(order, value, modules=[ARRAYS, "numpy"])
        grid = _grid(function, order, earlier, frozenset(data))
    except (TypeError, NameError, ValueError, KeyError):
        return why
    if grid is None:
        return why
    rank = numerical_rank(grid)
    if rank != 1:
        return Refusal(f"{why.reason}; sampled on {GRID} x {GRID} points it has rank {rank}, so {_few(rank)}")
    return _skeleton(value, function, order, earlier, frozenset(data)) or why


def _few(rank: int) -> str:
    return "no short sum of products equals it" if rank > GRID // 2 else "no single product equals it"


def numerical_rank(grid: np.ndarray) -> int:
    """Return the number of singular values of *grid* above rounding."""
    values = np.linalg.svd(grid, compute_uv=False)
    return int(np.sum(values > SMALL * max(values[0], 1e-300)))


def _draw(symbol: sympy.Symbol, random: np.random.Generator, count: int) -> np.ndarray:
    return random.uniform(0.2, 2.0, count) if symbol.is_positive else random.uniform(-2.0, 2.0, count)


def _grid(
    function: Any, order: list[Any], earlier: frozenset[Any], data: frozenset[Any]
) -> np.ndarray | None:
    random = np.random.default_rng(7)
    values: dict[Any, Any] = {}
    for symbol in order:
        if symbol in earlier:
            values[symbol] = _draw(symbol, random, GRID)[:, None]
        elif symbol in data:
            values[symbol] = _draw(symbol, random, GRID)[None, :]
        else:
            values[symbol] = _draw(symbol, random, 1)[0]
    with np.errstate(all="ignore"):
        grid = np.broadcast_to(np.asarray(function(*(values[s] for s in order)), dtype=float), (GRID, GRID))
    return grid if np.all(np.isfinite(grid)) and np.any(grid) else None


def _skeleton(
    value: sympy.Expr, function: Any, order: list[Any], earlier: frozenset[Any], data: frozenset[Any]
) -> Separation | None:
    """Return H and G read off at a reference point where g is not 0, if they reproduce g at fresh points."""
    for seed in range(4):
        point = _reference(order, seed)
        at_data = value.subs({s: point[s] for s in data})
        at_earlier = value.subs({s: point[s] for s in earlier})
        corner = at_data.subs({s: point[s] for s in earlier})
        if corner == 0:
            continue
        separation = Separation(((at_data, at_earlier / corner),), "*", "sampling")
        if _holds(value, at_data * at_earlier / corner, order, seed):
            return separation
    return None


def _reference(order: list[Any], seed: int) -> Mapping[Any, Any]:
    choices = (sympy.Rational(1, 2), sympy.Integer(1), sympy.Rational(3, 2), sympy.Integer(2))
    return {symbol: choices[(place + seed) % 4] for place, symbol in enumerate(order)}


def _holds(value: sympy.Expr, product: sympy.Expr, order: list[Any], seed: int) -> bool:
    random = np.random.default_rng(100 + seed)
    points = [_draw(symbol, random, FRESH) for symbol in order]
    sides = [sympy.lambdify(order, side, modules=[ARRAYS, "numpy"]) for side in (value, product)]
    with np.errstate(all="ignore"):
        left, right = (np.broadcast_to(np.asarray(side(*points), dtype=float), (FRESH,)) for side in sides)
    return bool(np.allclose(left, right, rtol=1e-9, atol=1e-12))
