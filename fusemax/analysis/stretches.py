"""Stretches of a rank that conditions on one variable leave (``m < 3``), beside what conditions on two leave (``m <= p``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from fusemax.analysis.conditions import ALL, Condition, normal
from fusemax.analysis.plain import INFINITY, Filter

Band = tuple[str, str, float, float]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is taken of what conditions leave: each choice is a part of it.

    Where one on one variable and one on two are on the same one, all of the stretch (*stretched*) or all of the prefix, for
    those tasks of v for which it lies in the other. Where two variables differ, those that lie on that *side* of the second.
    """

    stretched: bool
    side: int


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


def is_point(condition: Condition, kind: str = "") -> bool:
    """Return whether *condition* leaves one coordinate, by a condition of that *kind* if one is named."""
    return len(condition) > 2 and condition[-2] == condition[-1] and kind in ("", condition[0])


def bands_of(filters: Sequence[Filter], side: int) -> list[Band]:
    """Return what *filters* say of each pair of variables together: ``x - y in [low, high]``.

    Where they say that two differ, what lies on that *side*.
    """
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for one in filters:
        if one.difference is not None:
            x, y, low, high = one.difference
        elif one.unequal is not None:
            (x, y), (low, high) = one.unequal, (-INFINITY, -1) if side < 0 else (1, INFINITY)
        else:
            continue
        if (y, x) in found:
            x, y, low, high = y, x, -high, -low
        before, after = found.get((x, y), (-INFINITY, INFINITY))
        found[x, y] = max(low, before), min(high, after)
    if any(low > high for low, high in found.values()):
        raise Unknown
    return [(x, y, low, high) for (x, y), (low, high) in found.items()]


def pinned_by(
    filters: Sequence[Filter], w: HasVariables, sources: Sequence[Condition]
) -> dict[int, Condition]:
    """Return at which end variables of w obey those of *filters* that are sums, wherever others stand (``m + p < M``: m = 0).

    Raise where a condition has no such end. What a task needs of w's tasks there is a part of what it needs.
    """
    found: dict[int, Condition] = {}
    for one in filters:
        if one.difference is not None or one.unequal is not None:
            continue
        able = [
            name
            for name in one.variables
            if one.slope(name) and one.allows_every(set(one.variables) - {name})
            if sources[w.variables.index(name)] == ALL or is_point(sources[w.variables.index(name)], "link")
        ]
        name = max(able, key=lambda name: sources[w.variables.index(name)] == ALL, default=None)
        j = None if name is None else w.variables.index(name)
        if name is None or j is None or j in found:
            raise Unknown(one.words)
        found[j] = ("start" if one.slope(name) > 0 else "end", 0, 0)
    return found
