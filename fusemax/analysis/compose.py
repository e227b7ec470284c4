"""Composition of relations: what u's tasks are to v's when they are something to w's, and w's to v's.

Whatever has no form as a relation is dropped. Filters of the Einsum in between narrow "all" to a prefix or a
window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from fusemax.analysis.conditions import ALL, SOME, Condition, Relation, normal
from fusemax.analysis.plain import INFINITY, Filter, Node
from fusemax.analysis.stretches import (
    Band,
    Choice,
    Unknown,
    bands_of,
    has_place_beside,
    is_point,
    is_within,
    pinned_by,
    prefix_within,
    stretch_within,
    stretches_of,
)

FARTHEST = 8  #: finite offsets beyond this many coordinates are dropped
MOST_KNOWN = 100_000  #: compositions that are remembered: cascades that are searched through are mostly alike


@dataclass(frozen=True, eq=False, slots=True)
class Shape:
    """What a composition asks of an Einsum: one object for all that are alike, so that it is looked up quickly."""

    variables: tuple[str, ...]
    filters: tuple[Filter, ...]


@lru_cache(maxsize=MOST_KNOWN)
def _shape(variables: tuple[str, ...], filters: tuple[Filter, ...]) -> Shape:
    return Shape(variables, filters)


_ANY = Shape((), ())  #: stands for every Einsum where there is no filter to ask about


class Composer:
    """Composes relations of the Einsums *nodes*, and remembers conditions for which it could not."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        shapes = [_shape(node.variables, node.filters) for node in nodes]
        self._shapes = shapes
        self.given_up: set[tuple[int, tuple[str, ...]]] = (
            set()
        )  #: conditions that ended a composition, by Einsum
        self._stretches = [stretches_of(shape, shape.filters) or {} for shape in shapes]

    def compose(self, u: int, first: Relation, w: int, second: Relation, v: int) -> tuple[Relation, ...]:
        """Return first∘second (u to w to v), in parts where it has no one form; nothing when it is empty or not known."""
        through = self._shapes[w]
        around = (self._shapes[u], self._shapes[v]) if through.filters else (_ANY, _ANY)
        found, blamed = _parts(first, second, through if through.filters else _ANY, *around)
        if blamed:
            self.given_up |= {(w, words) for words in blamed}
        if not found:
            return ()
        way = (*first.through, w, *second.through)
        return tuple(self.of_tasks(u, Relation(one.sources, one.sinks, way), v) for one in found)

    def of_tasks(self, u: int, relation: Relation, v: int) -> Relation:
        """Return *relation* without what conditions of u and v on one variable say anyhow.

        All of u's tasks are those that it has.
        """
        needed, readers = self._stretches[u], self._stretches[v]
        if not needed and not readers:
            return relation
        sources = tuple(
            ALL if i in needed and is_within(needed[i], c) else c for i, c in enumerate(relation.sources)
        )
        sinks = tuple(
            None if c is not None and j in readers and is_within(readers[j], c) else c
            for j, c in enumerate(relation.sinks)
        )
        return Relation(sources, sinks, relation.through)


@lru_cache(maxsize=MOST_KNOWN)
def _parts(
    first: Relation, second: Relation, w: Shape, u: Shape, v: Shape
) -> tuple[tuple[Relation, ...], frozenset[tuple[str, ...]]]:
    """Return what is known of a composition, or the conditions for which nothing is."""
    found: list[Relation] = []
    blamed: set[tuple[str, ...]] = set()
    mixed = _mixed(w)
    sides = (-1, 1) if any(one.unequal for one in w.filters) else (1,)
    for stretched, side in product((True,) if mixed is None else (True, False), sides):
        try:
            found.append(_composed(u, first, w, second, v, Choice(stretched, side)))
        except Unknown as unknown:
            blamed |= set(unknown.args[:1] or (() if mixed is None else (mixed,)))
    return tuple(dict.fromkeys(found)), frozenset() if found else frozenset(blamed)


def _composed(u: Shape, first: Relation, w: Shape, second: Relation, v: Shape, choice: Choice) -> Relation:
    filtered, stretches, limits = _filtered(u, first, w, second, v, choice)
    users: dict[int, list[int]] = {}
    for i, condition in enumerate(first.sources):
        if condition[0] == "link":
            users.setdefault(condition[1], []).append(i)
    sinks = list(second.sinks)
    for k, condition in limits:
        _narrow(sinks, k, condition)
    between = [filtered.get(j, condition) for j, condition in enumerate(second.sources)]
    for j, through in enumerate(between):
        own = users.get(j, [])
        if len(own) > 1 and not is_point(through):
            raise Unknown
        stretch = stretches.get(j)
        if stretch is not None:
            between[j] = through = _stretched(through, stretch, bool(own or first.sinks[j]), sinks)
        for i in own:
            _exists(first.sources[i], through, sinks)
        _restrict(first.sinks[j], through, bool(own), sinks)
    sources = tuple(_follow(c, between[c[1]]) if c[0] == "link" else c for c in first.sources)
    return Relation(sources, tuple(sinks))


def _filtered(
    u: Shape, first: Relation, w: Shape, second: Relation, v: Shape, choice: Choice
) -> tuple[dict[int, Condition], dict[int, Condition], list[tuple[int, Condition]]]:
    """Return the conditions that w's filters narrow from "all" to a prefix, and what those on one variable leave of it.

    *choice* tells what is taken of a condition that has no form by itself. Raise if there is none.
    """
    changed: dict[int, Condition] = {}
    left = [
        one
        for one in w.filters
        if not (
            _implied_before(one, u, first, w)
            or _implied_after(one, w, second, v)
            or _met(one, first, w)
            or _found(one, first, w, second)
        )
    ]
    if len(left) == 1 and _idle(left[0], first, w, second):
        return changed, {}, []
    near = [one for one in left if one.near is not None]
    others = [one for one in left if one.near is None]
    stretches = stretches_of(w, near)
    if stretches is None:
        raise Unknown(near[0].words)
    limits: list[tuple[int, Condition]] = []
    pinned = pinned_by(others, w, second.sources)
    for j, there in pinned.items():
        if j in stretches:
            raise Unknown
        if second.sources[j] == ALL:
            changed[j] = there
        else:
            _, k, by, _ = second.sources[j]
            limits.append((k, (there[0], -by, -by)))
    for band in bands_of(others, choice.side):
        if not pinned.keys().isdisjoint(map(w.variables.index, band[:2])):
            raise Unknown
        position, condition, point = _prefix(band, first, w, second, stretches)
        if position is None:
            continue
        if position in changed:
            raise Unknown
        changed[position] = condition
        if position in stretches:
            within = stretch_within if choice.stretched else prefix_within
            limits += within(stretches[position], condition, point=point)
            changed[position] = stretches[position] if choice.stretched else condition
            stretches = {j: stretch for j, stretch in stretches.items() if j != position}
    return changed, stretches, limits


def _mixed(node: Shape) -> tuple[str, ...] | None:
    """Return a condition on one variable that another one of the Einsum is on, too, in words; None without any."""
    others = {name for one in node.filters if one.near is None for name in one.variables}
    return next((one.words for one in node.filters if one.near and others & set(one.variables)), None)


def _met(one: Filter, first: Relation, w: Shape) -> bool:
    """Return whether the filter holds wherever variables stand that *first* puts at their first places."""
    sinks = dict(zip(w.variables, first.sinks, strict=True))
    first_ones = {n for n in one.variables if sinks[n] == ("start", 0, 0) and one.slope(n) > 0}
    return bool(first_ones) and one.allows_every(set(one.variables) - first_ones)


def _found(one: Filter, first: Relation, w: Shape, second: Relation) -> bool:
    """Return whether the filter holds for some place of variables about which nothing else says anything."""
    linked = {condition[1] for condition in first.sources if condition[0] == "link"}
    free = {
        name
        for name, place in ((name, w.variables.index(name)) for name in one.variables)
        if place not in linked and first.sinks[place] is None and second.sources[place] == ALL
        if not any(name in other.variables for other in w.filters if other is not one)
    }
    return bool(free) and one.allows_every(set(one.variables) - free)


def _idle(one: Filter, first: Relation, w: Shape, second: Relation) -> bool:
    """Return whether each task of v finds a task of w that obeys the filter and needs what all of them need."""
    places = {name: w.variables.index(name) for name in one.variables}
    linked = {condition[1] for condition in first.sources if condition[0] == "link"}
    if any(place in linked or first.sinks[place] is not None for place in places.values()):
        return False
    tied = {name: second.sources[place] for name, place in places.items() if second.sources[place] != ALL}
    return all(c[0] == "link" and c[2:] == (0, 0) for c in tied.values()) and one.allows_every(tied.keys())


def _stretched(
    through: Condition, stretch: Condition, used: bool, sinks: list[Condition | None]
) -> Condition:
    """Return what v needs along a variable of w that a condition leaves a stretch of; v's tasks are restricted in *sinks*."""
    if through == ALL:
        return stretch if used else ALL
    if through[0] == stretch[0]:
        both = (stretch[0], max(through[1], stretch[1]), min(through[2], stretch[2]))
        if both[1] > both[2]:
            raise Unknown
        return both
    if through[0] != "link" or (used and not is_point(through)):
        raise Unknown
    _, k, low, high = through
    _narrow(sinks, k, (stretch[0], stretch[1] - high, stretch[2] - low))
    return through


def _implied_before(one: Filter, u: Shape, first: Relation, w: Shape) -> bool:
    """Return whether every task of u that w's variables name obeys the same filter by itself."""
    changes: dict[str, str] = {}
    for name in one.variables:
        j = w.variables.index(name)
        own = [i for i, c in enumerate(first.sources) if c[0] == "link" and c[1] == j]
        if len(own) != 1 or first.sources[own[0]][2:] != (0, 0):
            return False
        changes[name] = u.variables[own[0]]
    return any(one.renamed(changes) == other.words for other in u.filters)


def _implied_after(one: Filter, w: Shape, second: Relation, v: Shape) -> bool:
    """Return whether every task of v obeys the same filter, so that w's tasks which it reads do."""
    changes: dict[str, str] = {}
    for name in one.variables:
        condition = second.sources[w.variables.index(name)]
        if condition[0] != "link" or condition[2:] != (0, 0):
            return False
        changes[name] = v.variables[condition[1]]
    return any(one.renamed(changes) == other.words for other in v.filters)


def _prefix(
    band: Band, first: Relation, w: Shape, second: Relation, stretches: Mapping[int, Condition]
) -> tuple[int | None, Condition, bool]:
    """Return which variable of w the filters ``x - y in [low, high]`` narrow from "all", to what, and if y is one there.

    *stretches* are what other conditions leave of variables.
    """
    x, y, low, high = band
    for inside, outside, low_, high_ in ((x, y, low, high), (y, x, -high, -low)):
        i, o = w.variables.index(inside), w.variables.index(outside)
        if second.sources[i] != ALL:
            continue
        used = [any(c[0] == "link" and c[1] == n for c in first.sources) for n in (i, o)]
        beside = i not in stretches or has_place_beside(stretches[i], low_, high_)
        if not used[0] and first.sinks[i] is None and low_ <= 0 <= high_ and beside:
            return None, ALL, False
        beyond = second.sources[o]
        if len(beyond) < 3 or (used[1] and not is_point(beyond)) or first.sinks[o] is not None:
            continue
        if first.sinks[i] is not None:
            continue
        return i, normal((*beyond[:-2], beyond[-2] + low_, beyond[-1] + high_)), is_point(beyond)
    raise Unknown


def _follow(link: Condition, beyond: Condition) -> Condition:
    """Return the condition on a when a lies in [b + low, b + high] and *beyond* holds for b."""
    _, _, low, high = link
    if beyond == SOME:
        return SOME
    if beyond == ALL:
        if low > 0:
            return ("start", low, INFINITY)
        return ("end", -INFINITY, high) if high < 0 else ALL
    low_, high_ = beyond[-2:]
    if beyond[0] == "link":
        # the coordinate in between has to exist for every pair: of [-1, 0] and [1, ..] what goes by 0
        if low > 0 > low_ and high_ >= 0:
            low_ = 0
        if high < 0 < high_ and low_ <= 0:
            high_ = 0
        beyond_start, beyond_end = high_ < 0 < high and low > 0, low_ > 0 > low and high < 0
        if (low > 0 > low_) or (high < 0 < high_) or beyond_start or beyond_end:
            raise Unknown
    total = (low + low_, high + high_)
    if any(abs(t) > FARTHEST and abs(t) != INFINITY for t in total):
        raise Unknown
    if beyond[0] == "start" and (
        total[1] < 0 or (low < 0 and low_ > -INFINITY and total[0] < 0 and high > 0)
    ):
        raise Unknown
    if beyond[0] == "end" and (total[0] > 0 or (high > 0 and high_ < INFINITY and total[1] > 0 and low < 0)):
        raise Unknown
    if beyond[0] == "start":
        total = (
            low + max(low_, 0),
            total[1],
        )  # what would lie before the first is not there: nothing goes by it
    if beyond[0] == "end":
        total = total[0], high + min(high_, 0)
    return normal((*beyond[:-2], *total))


def _exists(link: Condition, beyond: Condition, sinks: list[Condition | None]) -> None:
    """Restrict v's tasks in *sinks* to those for which there is the task in between, on whose other side a may lie."""
    if beyond[0] != "link":
        return
    (low, high), (k, low_, high_) = link[2:], beyond[1:]
    if high_ < 0 < high and low <= 0:
        _narrow(sinks, k, ("start", -high_, INFINITY))
    if low_ > 0 > low and high >= 0:
        _narrow(sinks, k, ("end", -INFINITY, -low_))


def _restrict(sink: Condition | None, beyond: Condition, used: bool, sinks: list[Condition | None]) -> None:
    """Carry the restriction of a variable in the middle over to the reader's variables."""
    if sink is None:
        if used or beyond[0] != "link":
            return
        k, low, high = beyond[1:]
        if high < 0:
            _narrow(sinks, k, ("start", -high, INFINITY))
        elif low > 0:
            _narrow(sinks, k, ("end", -INFINITY, -low))
        return
    if beyond == ALL and not used:
        return
    if beyond[0] == "link" and (not used or is_point(beyond)):
        k, low, high = beyond[1:]
        _narrow(sinks, k, (sink[0], sink[1] - high, sink[2] - low))
        return
    meets = beyond[0] == sink[0] and max(beyond[1], sink[1]) <= min(beyond[2], sink[2])
    if meets and not used:
        return
    raise Unknown


def _narrow(sinks: list[Condition | None], k: int, condition: Condition) -> None:
    condition = normal(condition)
    old = sinks[k]
    if condition == ALL:
        return
    if old is not None:
        if old[0] != condition[0]:
            raise Unknown
        condition = (old[0], max(old[1], condition[1]), min(old[2], condition[2]))
        if condition[1] > condition[2]:
            raise Unknown
    sinks[k] = condition
