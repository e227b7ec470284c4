"""The conditions that make up a relation, and sets of relations that are kept small.

See :mod:`fusemax.analysis.relations` for what a relation is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from fusemax.analysis.plain import INFINITY

Condition = tuple
ALL: Condition = ("all",)
SOME: Condition = ("some",)
LARGEST = 12  #: relations kept for each ordered pair of Einsums


@dataclass(frozen=True, slots=True)
class Relation:
    """A set of pairs of tasks: conditions on u's variables, restrictions of v's, the Einsums on the way."""

    sources: tuple[Condition, ...]
    sinks: tuple[Condition | None, ...]
    through: tuple[int, ...] = field(default=(), compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Remember the hash: relations are looked up far more often than made."""
        object.__setattr__(self, "_hash", hash((self.sources, self.sinks)))

    def __hash__(self) -> int:
        return self._hash

    def free(self, position: int) -> bool:
        """Return whether v's variable number *position* takes every coordinate, whatever u's task is."""
        return self.sinks[position] is None and not any(
            c[0] == "link" and c[1] == position for c in self.sources
        )


def add(kept: list[Relation], relation: Relation) -> Relation | None:
    """Add *relation* to *kept*, merged with neighbours; return what is new, or None."""
    if relation in kept or any(_covers(other, relation) for other in kept):
        return None
    merged = True
    while merged:
        merged = False
        for other in kept:
            union = _union(other, relation)
            if union is not None:
                kept.remove(other)
                relation, merged = union, True
                break
    kept[:] = [other for other in kept if not _covers(relation, other)]
    if len(kept) >= LARGEST:
        return None
    kept.append(relation)
    return relation


def _covers(one: Relation, other: Relation) -> bool:
    return all(_wider(a, b) for a, b in zip(one.sources, other.sources, strict=True)) and all(
        a is None or (b is not None and _wider(a, b)) for a, b in zip(one.sinks, other.sinks, strict=True)
    )


def _wider(a: Condition, b: Condition) -> bool:
    if a in (b, ALL):
        return True
    return a[:-2] == b[:-2] and len(a) > 2 and a[-2] <= b[-2] and b[-1] <= a[-1]


def _union(one: Relation, other: Relation) -> Relation | None:
    """Return the union of two relations that differ in one interval only, when that is an interval again."""
    if one.sources != other.sources and one.sinks != other.sinks:
        return None
    mine, theirs = (*one.sources, *one.sinks), (*other.sources, *other.sinks)
    different = [i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b]
    if len(different) != 1:
        return None
    (position,) = different
    a, b = mine[position], theirs[position]
    if a is None or b is None or len(a) < 3 or a[:-2] != b[:-2]:
        return None
    if a[-2] > b[-1] + 1 or b[-2] > a[-1] + 1:
        return None
    joined = normal((*a[:-2], min(a[-2], b[-2]), max(a[-1], b[-1])))
    values: list[Any] = list(mine)
    values[position] = joined
    count = len(one.sources)
    if position >= count and joined == ALL:
        values[position] = None
    wide, narrow = b[-1] - b[-2], a[-1] - a[-2]  # the way of the wider one is that of most of what is needed
    shorter = len(one.through) <= len(other.through) if wide == narrow else narrow > wide
    kept = one if shorter else other
    return Relation(tuple(values[:count]), tuple(values[count:]), kept.through)


def joined(kept: Sequence[Relation]) -> tuple[Relation, ...]:
    """Return relations with what two of them cover together and neither covers alone.

    Of pairs with t <= -1 and of pairs with t = 0, p = 0 from the end, those with p = 0 are there for every t.
    """
    found = list(kept)
    queue = deque(combinations(found, 2))
    while queue and len(found) < LARGEST:
        for new in _joint(*queue.popleft()):
            if not any(_covers(other, new) for other in found):
                queue.extend((other, new) for other in found)
                found.append(new)
    return tuple(found)


def _joint(one: Relation, other: Relation) -> Iterator[Relation]:
    """Return what lies in either of two relations by one condition, and in both by all others."""
    count = len(one.sources)
    pairs = list(zip((*one.sources, *one.sinks), (*other.sources, *other.sinks), strict=True))
    for position, (a, b) in enumerate(pairs):
        union = _either(a, b)
        if union is None:
            continue
        values = [union if at == position else _both(*pair) for at, pair in enumerate(pairs)]
        if None not in values:
            sinks = tuple(None if value == ALL else value for value in values[count:])
            through = max(one.through, other.through, key=len)
            yield Relation(tuple(value for value in values[:count] if value is not None), sinks, through)


def _either(a: Condition | None, b: Condition | None) -> Condition | None:
    """Return two intervals that touch as one; None where neither reaches beyond the other."""
    if a is None or b is None or len(a) < 3 or a[:-2] != b[:-2] or a == b:
        return None
    if a[-2] > b[-1] + 1 or b[-2] > a[-1] + 1:
        return None
    union = normal((*a[:-2], min(a[-2], b[-2]), max(a[-1], b[-1])))
    return None if union in (a, b) else union


def _both(a: Condition | None, b: Condition | None) -> Condition | None:
    """Return what two conditions share, all where nothing restricts a reader; None where it has no form or is empty."""
    a, b = a or ALL, b or ALL
    if a == b or b == ALL:
        return a
    if a == ALL:
        return b
    if len(a) < 3 or a[:-2] != b[:-2]:
        return None
    low, high = max(a[-2], b[-2]), min(a[-1], b[-1])
    return (*a[:-2], low, high) if low <= high else None


def normal(condition: Condition) -> Condition:
    """Return *condition* in its one form: an interval that is everything is ``ALL``."""
    if len(condition) < 3:
        return condition
    low, high = condition[-2:]
    if condition[0] == "start" and low <= 0:
        low = -INFINITY
    if condition[0] == "end" and high >= 0:
        high = INFINITY
    return ALL if low == -INFINITY and high == INFINITY else (*condition[:-2], low, high)
