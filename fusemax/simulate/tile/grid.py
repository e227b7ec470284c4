"""Points of ranks as arrays: every combination of values that some digits of each rank take, one axis for each rank."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.cascade.ir import affine
from fusemax.errors import FusemaxError
from fusemax.language.functions import FUNCTIONS
from fusemax.language.syntax import Binary, Call, Expression, Name, Negative, Number
from fusemax.language.value import finite_value_of
from fusemax.simulate.tile.geometry import Geometry

MOST_POINTS = 1 << 27  #: of the ranks that conditions, or accesses to one tensor, tie together
POINTS_AT_ONCE = 1 << 20
BINARY: Mapping[str, np.ufunc] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grid:
    """Points of ``roots``, of which some digits matter; ``values`` holds those, and whole roots, shaped for broadcasting."""

    roots: tuple[str, ...]
    lengths: tuple[int, ...]
    values: Mapping[str, np.ndarray]

    def parts(self) -> Iterator[Grid]:
        """Yield the grid in parts along its first axis, each of a size that is easily kept."""
        inner = math.prod(self.lengths[1:])
        step = max(1, POINTS_AT_ONCE // max(1, inner))
        if not self.roots or self.lengths[0] <= step:
            yield self
            return
        for start in range(0, self.lengths[0], step):
            values = {
                name: one[start : start + step]
                if one.shape[0] == self.lengths[0] and one.shape[0] > 1
                else one
                for name, one in self.values.items()
            }
            length = min(step, self.lengths[0] - start)
            yield Grid(self.roots, (length, *self.lengths[1:]), values)

    def number(self, names: Sequence[str], counts: Sequence[int]) -> np.ndarray:
        """Return the mixed-radix number of the values of *names*, the last one fastest, so many of each as *counts* say."""
        at = np.zeros((1,) * len(self.roots), np.int64)
        for name, count in zip(names, counts, strict=True):
            at = at * count + self.values[name]
        return at

    def of(self, expression: Expression, known: Mapping[str, float]) -> np.ndarray | None:
        """Return the value of *expression* at each point; None when it is no sum of ranks and sizes."""
        parts = affine(expression)
        if parts is None:
            return None
        factors, rest = parts
        start = 0.0 if rest is None else finite_value_of(rest, known)
        total = np.full((1,) * len(self.roots), start)
        for variable, factor in factors.items():
            total = (
                total + (1.0 if factor is None else finite_value_of(factor, known)) * self.values[variable]
            )
        return total

    def index(self, expression: Expression, known: Mapping[str, float]) -> np.ndarray:
        """Return the whole number that an index comes to at each point: ``2*a + w``, ``(i + I - 1) % I``; it reads no tensor.

        Raises
        ------
        FusemaxError
            Where no number comes of it, such as a remainder of 0.
        """
        found = self.of(expression, known)
        if found is None:
            with np.errstate(all="ignore"):
                found = self._value(expression, known)
            if not bool(np.isfinite(found).all()):
                raise FusemaxError(
                    f"index {expression} has no value at some points: something is divided by 0 there"
                )
        return np.rint(found).astype(np.int64)

    def _value(self, expression: Expression, known: Mapping[str, float]) -> np.ndarray:
        if isinstance(expression, Number):
            return np.full((1,) * len(self.roots), float(expression.value))
        if isinstance(expression, Name):
            found = self.values.get(expression.name)
            return np.full((1,) * len(self.roots), known[expression.name]) if found is None else found * 1.0
        if isinstance(expression, Negative):
            return -self._value(expression.operand, known)
        if isinstance(expression, Binary):
            left, right = self._value(expression.left, known), self._value(expression.right, known)
            return BINARY[expression.operator](left, right)
        assert isinstance(expression, Call), "elements that a tensor names are numbered, not computed"
        operands = [self._value(operand, known) for operand in expression.arguments]
        return np.asarray(FUNCTIONS[expression.function].array(np, *operands))


def grid_of(geometry: Geometry, digits: Collection[str]) -> Grid:
    """Return the points that *digits* tell apart, of all roots that they belong to.

    Raises
    ------
    FusemaxError
        When there are more than a run should list.
    """
    roots = tuple(
        name for name, root in geometry.nest.roots.items() if any(d.name in digits for d in root.digits)
    )
    columns: list[dict[str, np.ndarray]] = []
    for root in roots:
        columns.append(_points_of(geometry, root, digits))
    lengths = tuple(len(next(iter(column.values()))) for column in columns)
    if math.prod(lengths) > MOST_POINTS:
        raise FusemaxError(
            f"nest {geometry.nest.name}: {math.prod(lengths):,} points of {', '.join(roots)} that conditions or accesses tie"
            f" together, more than the simulator lists ({MOST_POINTS:,})\n"
            "  hint: simulate smaller sizes, or use 'fusemax cost'"
        )
    values = {
        name: one.reshape([-1 if k == axis else 1 for k in range(len(roots))])
        for axis, column in enumerate(columns)
        for name, one in column.items()
    }
    return Grid(roots, lengths, values)


def _points_of(geometry: Geometry, root: str, digits: Collection[str]) -> dict[str, np.ndarray]:
    """Return the different values of the *digits* of *root*, in ascending order, and of the root where they tell it whole."""
    names = [digit.name for digit in geometry.nest.roots[root].digits]
    mine = [name for name in names if name in digits]
    outside = names[: names.index(mine[0])]
    size = min(geometry.sizes[root], geometry.unit(outside[-1]) if outside else geometry.sizes[root])
    step = geometry.unit(mine[-1])
    if size // step > MOST_POINTS:
        raise FusemaxError(
            f"nest {geometry.nest.name}: {root} has {size // step:,} points under a condition, more than the simulator"
            f" lists ({MOST_POINTS:,})\n  hint: simulate smaller sizes, or use 'fusemax cost'"
        )
    position = np.arange(0, size, step, dtype=np.int64)
    found = {name: position // geometry.unit(name) for name in mine}
    found = {
        name: one % geometry.tiles[name] if name in geometry.tiles else one for name, one in found.items()
    }
    between = names[names.index(mine[0]) : names.index(mine[-1])]
    if any(name not in mine for name in between):
        code = np.zeros(len(position), np.int64)
        for name in mine:
            code = code * (int(found[name].max()) + 1) + found[name]
        _, first = np.unique(code, return_index=True)
        found = {name: one[first] for name, one in found.items()}
    elif mine == names:
        found[root] = position
    return found


def whole_digits(geometry: Geometry, variables: Collection[str]) -> set[str]:
    """Return the digits of *variables*: all of a whole rank, the one of a part."""
    return set(geometry.nest.digits_of(variables))
