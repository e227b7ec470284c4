"""Which tasks of one Einsum must have run before a task of another: relations, composed until nothing new follows.

A task is an Einsum at a point of its iteration space. A relation from u to v holds a set of pairs (a, b): v's
task at b needs u's task at a. It is kept as one condition for each variable of u, and at most one for each
variable of v:

* ``("all",)``: a is any coordinate (it is reduced on the way);
* ``("link", j, low, high)``: a lies in [b + low, b + high], where b is v's variable number j;
* ``("start", low, high)`` and ``("end", low, high)``: a lies that far from the first or the last coordinate;
* ``("some",)``: some a, which one is not known.

A variable of v to which nothing is linked is free: the same data for all its coordinates. Every relation is a
*must* relation: a pair in it is certainly a dependence. Where a composition cannot be written in this form it
is dropped, which only lowers the bounds that follow. Coordinates are those of tasks: a tensor written at
``m1+1`` is shifted by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fusemax.analysis.plain import INFINITY, End, Filter, Index, Node, Opaque, Plain, Reading, Start, Variable

Condition = tuple
ALL: Condition = ("all",)
SOME: Condition = ("some",)
FARTHEST = 8  #: finite offsets beyond this many coordinates are dropped
LARGEST = 12  #: relations kept for each ordered pair of Einsums


@dataclass(frozen=True, slots=True)
class Relation:
    """A set of pairs of tasks: conditions on u's variables, restrictions of v's, and the Einsums on the way."""

    sources: tuple[Condition, ...]
    sinks: tuple[Condition | None, ...]
    through: tuple[int, ...] = field(default=(), compare=False)

    def free(self, position: int) -> bool:
        """Return whether v's variable number *position* takes every coordinate, whatever u's task is."""
        return self.sinks[position] is None and not any(
            c[0] == "link" and c[1] == position for c in self.sources
        )


Table = Mapping[int, Mapping[int, tuple[Relation, ...]]]


def relations(plain: Plain) -> Table:
    """Return ``table[u][v]``: the must-relations from Einsum number u to v, direct ones and all that follow."""
    edges = direct(plain)
    composer = _Composer(plain.nodes)
    for node in plain.nodes:
        if node.loop is not None:
            members = {other.number for other in plain.nodes if other.loop == node.loop}
            reached = _reach(node.number, edges, composer, members)
            for star in _stars(reached.get(node.number, [])):
                _add(edges.setdefault(node.number, {}).setdefault(node.number, []), star)
    return {
        node.number: {v: tuple(found) for v, found in _reach(node.number, edges, composer, None).items()}
        for node in plain.nodes
    }


Edges = dict[int, dict[int, list[Relation]]]


def direct(plain: Plain) -> Edges:
    """Return the relations that single reads impose, by producer and reader."""
    writers: dict[str, list[tuple[Node, Reading]]] = {}
    for node in plain.nodes:
        for output in node.outputs:
            writers.setdefault(output.tensor, []).append((node, output))
    edges: Edges = {}
    for reader in plain.nodes:
        for reading in reader.reads:
            for writer, output in writers.get(reading.tensor, ()):
                relation = of_reading(writer, output, reader, reading)
                if relation is not None:
                    _add(edges.setdefault(writer.number, {}).setdefault(reader.number, []), relation)
    return edges


def of_reading(writer: Node, output: Reading, reader: Node, reading: Reading) -> Relation | None:
    """Return what *reading* demands of *writer*; None when no task of the writer is read."""
    sources: dict[str, Condition] = {}
    sinks: list[Condition | None] = [None] * len(reader.variables)
    for written, read in zip(output.indices, reading.indices, strict=True):
        if isinstance(written, Variable):
            condition = _meet(written, read, reader.variables)
            if condition is None:
                return None
            sources[written.name] = SOME if written.name in sources else condition
        elif not _fits(written, read, reader.variables, sinks):
            return None
    rest = SOME if writer.early_exit else ALL
    conditions = tuple(sources.get(variable, rest) for variable in writer.variables)
    return Relation(conditions, tuple(sinks))


def _meet(written: Variable, read: Index, variables: Sequence[str]) -> Condition | None:
    if isinstance(read, Variable):
        shift = read.offset - written.offset
        return ("link", variables.index(read.name), shift, shift) if read.name in variables else SOME
    if isinstance(read, Start):
        position = read.position - written.offset
        return ("start", position, position) if position >= 0 else None
    if isinstance(read, End):
        position = read.position + 1 - written.offset
        return ("end", position, position) if position <= 0 else None
    return SOME


def _fits(written: Index, read: Index, variables: Sequence[str], sinks: list[Condition | None]) -> bool:
    """Return whether a read can meet an output at a constant index; restrict the reader's variable in *sinks*."""
    if isinstance(written, Start) and isinstance(read, Variable) and read.name in variables:
        position = written.position - read.offset
        sinks[variables.index(read.name)] = ("start", position, position)
        return position >= 0
    return isinstance(written, Start) and read == written


def _reach(
    start: int, edges: Edges, composer: _Composer, members: set[int] | None
) -> dict[int, list[Relation]]:
    """Return the relations from Einsum *start* to every Einsum that it reaches (inside *members*, if given)."""
    found: dict[int, list[Relation]] = {}
    queue: deque[tuple[int, Relation]] = deque()

    def note(target: int, relation: Relation) -> None:
        if members is None or target in members:
            new = _add(found.setdefault(target, []), relation)
            if new is not None:
                queue.append((target, new))

    for target, direct_ones in edges.get(start, {}).items():
        for relation in direct_ones:
            note(target, relation)
    while queue:
        middle, relation = queue.popleft()
        if relation not in found[middle]:
            continue
        for target, direct_ones in edges.get(middle, {}).items():
            for step in direct_ones:
                longer = composer.compose(start, relation, middle, step, target)
                if longer is not None:
                    note(target, longer)
    return {target: kept for target, kept in found.items() if kept}


def _stars(loops: Iterable[Relation]) -> list[Relation]:
    """Return the closures of relations of an Einsum to itself that step back one coordinate at a time."""
    found = []
    for relation in loops:
        steps = [
            (i, c)
            for i, c in enumerate(relation.sources)
            if c[0] == "link" and c[1] == i and c[3] < 0 and 2 * c[3] >= c[2] - 1
        ]
        if len(steps) != 1 or any(sink is not None for sink in relation.sinks):
            continue
        position, (_, _, _, high) = steps[0]
        others = [c for i, c in enumerate(relation.sources) if i != position]
        if all(c == ALL or (c[0] == "link" and c[2] == c[3] == 0 and _idle(relation, c)) for c in others):
            sources = list(relation.sources)
            sources[position] = ("link", position, -INFINITY, high)
            found.append(Relation(tuple(sources), relation.sinks, relation.through))
    return found


def _idle(relation: Relation, condition: Condition) -> bool:
    """Return whether a link of a self-relation leaves its variable as it is."""
    return relation.sources[condition[1]] == condition


# ------------------------------------------------------------------------------------ sets of relations
def _add(kept: list[Relation], relation: Relation) -> Relation | None:
    """Add *relation* to *kept*, merged with neighbours; return what is new, or None."""
    if any(_covers(other, relation) for other in kept):
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
    if a == b or a == ALL:
        return True
    return a[:-2] == b[:-2] and len(a) > 2 and a[-2] <= b[-2] and b[-1] <= a[-1]


def _union(one: Relation, other: Relation) -> Relation | None:
    """Return the union of two relations that differ in one interval only, when that is an interval again."""
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
    joined = _normal((*a[:-2], min(a[-2], b[-2]), max(a[-1], b[-1])))
    values = list(mine)
    values[position] = joined
    count = len(one.sources)
    if position >= count and joined == ALL:
        values[position] = None
    shorter = one if len(one.through) <= len(other.through) else other
    return Relation(tuple(values[:count]), tuple(values[count:]), shorter.through)


def _normal(condition: Condition) -> Condition:
    """Return *condition* in its one form: an interval that is everything is ``ALL``."""
    if len(condition) < 3:
        return condition
    low, high = condition[-2:]
    if condition[0] == "start" and low <= 0:
        low = -INFINITY
    if condition[0] == "end" and high >= 0:
        high = INFINITY
    return ALL if low == -INFINITY and high == INFINITY else (*condition[:-2], low, high)


# ------------------------------------------------------------------------------------------------ composition
class _Unknown(Exception):
    """The composition has no form here; it is dropped."""


class _Composer:
    """Composes relations and remembers results: the same shapes come again and again."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self._filtered = [bool(node.filters) for node in nodes]
        self._known: dict[tuple, Relation | None] = {}

    def compose(self, u: int, first: Relation, w: int, second: Relation, v: int) -> Relation | None:
        """Return first∘second (u to w to v), or None when it is empty or not known."""
        key = (first, second, (u, w, v) if self._filtered[w] else None)
        if key not in self._known:
            try:
                self._known[key] = self._composed(u, first, w, second, v)
            except _Unknown:
                self._known[key] = None
        found = self._known[key]
        return (
            None
            if found is None
            else Relation(found.sources, found.sinks, (*first.through, w, *second.through))
        )

    def _composed(self, u: int, first: Relation, w: int, second: Relation, v: int) -> Relation:
        filtered = _filtered(self.nodes[u], first, self.nodes[w], second, self.nodes[v])
        users: dict[int, list[int]] = {}
        for i, condition in enumerate(first.sources):
            if condition[0] == "link":
                users.setdefault(condition[1], []).append(i)
        sinks = list(second.sinks)
        for j, through in enumerate(second.sources):
            own = users.get(j, [])
            if len(own) > 1 and not _point(through):
                raise _Unknown
            _restrict(first.sinks[j], through, bool(own), sinks)
        sources = tuple(
            _follow(c, filtered.get(c[1], second.sources[c[1]])) if c[0] == "link" else c
            for c in first.sources
        )
        return Relation(sources, tuple(sinks))


def _filtered(u: Node, first: Relation, w: Node, second: Relation, v: Node) -> dict[int, Condition]:
    """Return the conditions that w's filters narrow from "all" to a prefix, or raise when they have no form here."""
    changed: dict[int, Condition] = {}
    for one in w.filters:
        if _implied_before(one, u, first, w) or _implied_after(one, w, second, v):
            continue
        if one.difference is None:
            raise _Unknown
        position, condition = _prefix(one, first, w, second)
        if position is None:
            continue
        if position in changed:
            raise _Unknown
        changed[position] = condition
    return changed


def _implied_before(one: Filter, u: Node, first: Relation, w: Node) -> bool:
    """Return whether every task of u that w's variables name obeys the same filter by itself."""
    changes: dict[str, str] = {}
    for name in one.variables:
        j = w.variables.index(name)
        own = [i for i, c in enumerate(first.sources) if c[0] == "link" and c[1] == j]
        if len(own) != 1 or first.sources[own[0]][2:] != (0, 0):
            return False
        changes[name] = u.variables[own[0]]
    return any(one.renamed(changes) == other.words for other in u.filters)


def _implied_after(one: Filter, w: Node, second: Relation, v: Node) -> bool:
    """Return whether every task of v obeys the same filter, so that w's tasks which it reads do."""
    changes: dict[str, str] = {}
    for name in one.variables:
        condition = second.sources[w.variables.index(name)]
        if condition[0] != "link" or condition[2:] != (0, 0):
            return False
        changes[name] = v.variables[condition[1]]
    return any(one.renamed(changes) == other.words for other in v.filters)


def _prefix(one: Filter, first: Relation, w: Node, second: Relation) -> tuple[int | None, Condition]:
    """Return which variable of w a filter ``x - y in [low, high]`` narrows from "all" to a link, and to what."""
    assert one.difference is not None
    x, y, low, high = one.difference
    for inside, outside, low_, high_ in ((x, y, low, high), (y, x, -high, -low)):
        i, o = w.variables.index(inside), w.variables.index(outside)
        if second.sources[i] != ALL:
            continue
        used = [any(c[0] == "link" and c[1] == n for c in first.sources) for n in (i, o)]
        if not used[0] and first.sinks[i] is None and low_ <= 0 <= high_:
            return None, ALL
        beyond = second.sources[o]
        if len(beyond) < 3 or (used[1] and not _point(beyond)) or first.sinks[o] is not None:
            continue
        if first.sinks[i] is not None:
            continue
        return i, _normal((*beyond[:-2], beyond[-2] + low_, beyond[-1] + high_))
    raise _Unknown


def _point(condition: Condition) -> bool:
    return len(condition) > 2 and condition[-2] == condition[-1]


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
        # the coordinate in between has to exist for every pair
        outside = (low > 0 > low_) or (low_ > 0 > low) or (high_ < 0 < high) or (high < 0 < high_)
        if outside:
            raise _Unknown
    total = (low + low_, high + high_)
    if any(abs(t) > FARTHEST and abs(t) != INFINITY for t in total):
        raise _Unknown
    if beyond[0] == "start" and (
        total[1] < 0 or (low < 0 and low_ > -INFINITY and total[0] < 0 and high > 0)
    ):
        raise _Unknown
    if beyond[0] == "end" and (total[0] > 0 or (high > 0 and high_ < INFINITY and total[1] > 0 and low < 0)):
        raise _Unknown
    return _normal((*beyond[:-2], *total))


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
    if beyond[0] == "link" and (not used or _point(beyond)):
        k, low, high = beyond[1:]
        _narrow(sinks, k, (sink[0], sink[1] - high, sink[2] - low))
        return
    if beyond[0] == sink[0] and not used:
        if max(beyond[1], sink[1], -INFINITY) <= min(beyond[2], sink[2]):
            return
    raise _Unknown


def _narrow(sinks: list[Condition | None], k: int, condition: Condition) -> None:
    condition = _normal(condition)
    old = sinks[k]
    if condition == ALL:
        return
    if old is not None:
        if old[0] != condition[0]:
            raise _Unknown
        condition = (old[0], max(old[1], condition[1]), min(old[2], condition[2]))
        if condition[1] > condition[2]:
            raise _Unknown
    sinks[k] = condition


def opaque_indices(reading: Reading) -> tuple[Opaque, ...]:
    """Return the indices of *reading* about which nothing is claimed."""
    return tuple(index for index in reading.indices if isinstance(index, Opaque))
