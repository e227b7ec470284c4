"""Stretches of a rank that conditions on one variable leave (``m < 3``), beside what conditions on two leave (``m <= p``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from fusemax.analysis.conditions import ALL, Condition, normal
from fusemax.analysis.plain import INFINITY, Filter


class HasVariables(Protocol):
    """An Einsum, or what is asked of one."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The rank variables of the Einsum, in order."""
        ...


class Unknown(Exception):
    """The composition has no form here; it is dropped. With the words of the condition to blame, where it is one."""


def stretches_of(node: HasVariables, filters: Iterable[Filter]) -> dict[int, Condition] | None:
    """Return what conditions on single variables leave of them, by number of the variable; None where that has no form."""
    found: dict[int, Condition] = {}
    for one in filters:
        if one.near is None or normal(one.near) == ALL:
            continue
        j = node.variables.index(one.variables[0])
        side, low, high = found.get(j, (one.near[0], -INFINITY, INFINITY))
        if side != one.near[0]:
            return None
        found[j] = (side, max(low, one.near[1]), min(high, one.near[2]))
    return found


def is_within(stretch: Condition, condition: Condition) -> bool:
    """Return whether all of *stretch* obeys *condition*."""
    return condition[0] == stretch[0] and condition[1] <= stretch[1] and stretch[2] <= condition[2]


def stretch_within(stretch: Condition, prefix: Condition, *, point: bool) -> Iterator[tuple[int, Condition]]:
    """Return for which tasks of v, by variable, all of *stretch* lies in *prefix*, which is told from one *point* of each."""
    side, low, high = stretch
    if prefix[0] != "link" or not point:
        raise Unknown
    bottom = ("start", max(low, 0)) if side == "start" or low == -INFINITY else (side, low)
    top = ("end", min(high, 0)) if side == "end" or high == INFINITY else (side, high)
    if prefix[2] > -INFINITY:
        yield prefix[1], _limit(bottom[0], -INFINITY, bottom[1] - prefix[2])
    if prefix[3] < INFINITY:
        yield prefix[1], _limit(top[0], top[1] - prefix[3], INFINITY)


def prefix_within(stretch: Condition, prefix: Condition, *, point: bool) -> Iterator[tuple[int, Condition]]:
    """Return for which tasks of v, by variable, all of *prefix*, which is told from one *point* of each, lies in *stretch*."""
    side, low, high = stretch
    if prefix[0] != "link" or not point:
        raise Unknown
    if low > (0 if side == "start" else -INFINITY):
        yield prefix[1], _limit(side, low - prefix[2], INFINITY)
    if high < (INFINITY if side == "start" else 0):
        yield prefix[1], _limit(side, -INFINITY, high - prefix[3])


def _limit(side: str, low: float, high: float) -> Condition:
    """Return where a variable has to stand; raise where that is nowhere."""
    if low == INFINITY or high == -INFINITY or (low > 0 if side == "end" else high < 0):
        raise Unknown
    return side, low, high


def has_place_beside(stretch: Condition, low: float, high: float) -> bool:
    """Return whether some coordinate of *stretch* lies in [low, high] of each one of its rank."""
    side, nearest, farthest = stretch
    first = nearest <= 0 if side == "start" else nearest == -INFINITY
    last = farthest == INFINITY if side == "start" else farthest >= 0
    return (first and low == -INFINITY and high >= 0) or (last and high == INFINITY and low <= 0)
