"""When all of one visit must have happened before any of another: barriers, and the longest chains of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from fusemax.analysis.plain import Node
from fusemax.analysis.relations import ALL, Relation


@dataclass(frozen=True, slots=True)
class Corner:
    """Where variables with a free choice are fixed: that far from the first or from the last coordinate."""

    side: str
    position: int

    def inside(self, condition: tuple) -> bool:
        """Return whether a condition ``(side, low, high)`` holds here."""
        return condition[0] == self.side and condition[1] <= self.position <= condition[2]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A traversal of ranks ρ by one Einsum: what runs along ρ, what a fibre's coordinates fix, what runs besides."""

    along: tuple[str, ...]
    fixed: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    inner: frozenset[str] = frozenset()


def is_barrier(
    relation: Relation, before: Node, earlier: Sweep, after: Node, later: Sweep, corner: Corner
) -> bool:
    """Return whether every task of *earlier* must run before every task of *later*, by *relation* alone."""
    swept = {*later.along, *later.inner}
    for position, name in enumerate(after.variables):
        if name in swept and not relation.free(position):
            return False
        restriction = relation.sinks[position]
        if restriction is not None and not corner.inside(restriction):
            return False
    return all(
        _allows(condition, name, earlier, after, later, corner)
        for name, condition in zip(before.variables, relation.sources, strict=True)
    )


def _allows(condition: tuple, name: str, earlier: Sweep, after: Node, later: Sweep, corner: Corner) -> bool:
    if condition == ALL:
        return True
    if name in earlier.along or name in earlier.inner:
        return False
    own = earlier.fixed.get(name)
    if condition[0] == "link":
        low, high = condition[2:]
        other = later.fixed.get(after.variables[condition[1]])
        if own is not None and other is not None and own[0] == other[0]:
            return low <= own[1] - other[1] <= high
        shift = own[1] if own is not None else 0
        return shift == 0 and low <= 0 <= high
    if condition[0] in ("start", "end"):
        shift = own[1] if own is not None else 0
        return Corner(corner.side, corner.position + shift).inside(condition)
    return own is None and name not in after.variables


Item = TypeVar("Item")


def longest_chain(items: Sequence[Item], precedes: Callable[[Item, Item], bool]) -> tuple[Item, ...]:
    """Return a longest sequence of *items* in which each precedes the next; the first found among equals.

    Items that stand on a cycle of *precedes* are followed once.
    """
    after = {i: [j for j, b in enumerate(items) if i != j and precedes(a, b)] for i, a in enumerate(items)}
    best: dict[int, tuple[int, ...]] = {}
    open_: set[int] = set()

    def chain(i: int) -> tuple[int, ...]:
        if i in best:
            return best[i]
        open_.add(i)
        rest = max((chain(j) for j in after[i] if j not in open_), key=len, default=())
        open_.discard(i)
        best[i] = (i, *rest)
        return best[i]

    found = max((chain(i) for i in range(len(items))), key=len, default=())
    return tuple(items[i] for i in found)
