"""When all of one visit must have happened before any of another: barriers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fusemax.analysis.conditions import ALL, SOME, Condition, Relation
from fusemax.analysis.members import Visit
from fusemax.analysis.plain import INFINITY, Node


@dataclass(frozen=True, slots=True)
class Corner:
    """Where variables with a free choice are fixed: that far from the first or from the last coordinate.

    The side may be "middle": any coordinate with one more before it and one more after it.
    """

    side: str
    position: int

    def has(self, offset: int) -> bool:
        """Return whether the coordinate *offset* from here exists."""
        at = self.position + offset
        return at >= 0 if self.side == "start" else at <= 0 if self.side == "end" else abs(at) <= 1

    def named(self, variable: str, offset: int) -> str:
        """Return in words where *variable* stands, *offset* from here."""
        at = self.position + offset
        if self.side == "middle":
            return f"a {variable} between others"
        if not at:
            return f"the {'last' if self.side == 'end' else 'first'} {variable}"
        return f"{variable} = {variable.upper()}{at - 1:+d}" if self.side == "end" else f"{variable} = {at}"

    @property
    def inwards(self) -> Corner | None:
        """The place one further from the end; None beyond the second, which not every rank has."""
        if self.side == "middle" or self.position:
            return None
        return Corner(self.side, 1 if self.side == "start" else -1)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A traversal of ranks ρ by an Einsum: variables along ρ and inside it take every coordinate.

    The others stand at the corner, shifted by ``fixed`` where a coordinate of the fibre fixes them.
    """

    along: tuple[str, ...]
    fixed: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    inner: frozenset[str] = frozenset()

    def standing(self, name: str, corner: Corner) -> int | None:
        """Return where variable *name* stands, from the side of *corner*; None when everywhere."""
        if name in self.along or name in self.inner:
            return None
        return corner.position + (self.fixed[name][1] if name in self.fixed else 0)


def sweep_of(visit: Visit) -> Sweep:
    """Return how a visit runs: along its rank, with the fibre's coordinates fixed."""
    fixed = {name: (coordinate, offset) for name, coordinate, offset in visit.fixed}
    return Sweep(visit.variables, fixed, visit.inner)


def is_barrier(
    relation: Relation, before: Node, earlier: Sweep, after: Node, later: Sweep, corner: Corner
) -> bool:
    """Return whether every task of *earlier* must run before every task of *later*, by *relation*."""
    for name, restriction in zip(after.variables, relation.sinks, strict=True):
        if restriction is not None and not _inside(restriction, later.standing(name, corner), corner):
            return False
    for name, condition in zip(before.variables, relation.sources, strict=True):
        if condition is ALL or condition == ALL:
            continue
        here = earlier.standing(name, corner)
        if condition[0] == "link":
            there = later.standing(after.variables[condition[1]], corner)
            low, high = condition[2:]
            if not _linked(here, there, low, high, corner.side):
                return False
        elif condition == SOME or not _inside(condition, here, corner):
            return False
    return True


def _inside(condition: Condition, standing: int | None, corner: Corner) -> bool:
    """Return whether a variable at *standing* certainly obeys *condition*, in any rank of two coordinates or more."""
    if standing is None:
        return False
    side, low, high = condition
    if side == corner.side:
        return low <= standing <= high
    if side == "start":
        return low <= standing + 1 and high == INFINITY
    return low == -INFINITY and standing - 1 <= high


def _linked(here: int | None, there: int | None, low: float, high: float, side: str) -> bool:
    """Return whether *here* lies in [there + low, there + high], wherever either may be."""
    if here is not None and there is not None:
        return low <= here - there <= high
    if side == "middle" or (here is None and there is None):
        return False
    if here is None:
        assert there is not None
        if side == "start":
            return high == INFINITY and there + low <= 0
        return low == -INFINITY and there + high >= 0
    return (low == -INFINITY and high >= here) if side == "start" else (high == INFINITY and low <= here)
