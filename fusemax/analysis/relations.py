"""Which tasks of one Einsum must run before a task of another: relations, composed until nothing new follows.

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

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

from fusemax.analysis.compose import Composer
from fusemax.analysis.conditions import ALL, SOME, Condition, Relation, add, joined
from fusemax.analysis.overlaps import placed
from fusemax.analysis.plain import INFINITY, End, Index, Node, Plain, Reading, Start, Variable
from fusemax.analysis.room import Room

MOST_NOTED = 200  #: relations to one Einsum that are followed on; steps along two ranks could go on for ever
Table = Mapping[int, Mapping[int, tuple[Relation, ...]]]


def relations(plain: Plain, composer: Composer | None = None) -> Table:
    """Return ``table[u][v]``: the must-relations from Einsum number u to v, direct and composed.

    A *composer* of one's own tells afterwards which conditions relations were given up for.
    """
    composer = composer or Composer(plain.nodes)
    edges = direct(plain, composer)
    staying: dict[int, list[Relation]] = {}
    for node in plain.nodes:
        if node.loop is not None:
            members = {other.number for other in plain.nodes if other.loop == node.loop}
            again: list[Relation] = []
            reached = _reach(node.number, edges, composer, {}, members, again)
            for star in _stars(dict.fromkeys((*again, *reached.get(node.number, [])))):
                add(edges.setdefault(node.number, {}).setdefault(node.number, []), star)
                if ALL not in star.sources:
                    add(staying.setdefault(node.number, []), _with_itself(star))
    return {
        node.number: {
            v: joined(found) for v, found in _reach(node.number, edges, composer, staying, None).items()
        }
        for node in plain.nodes
    }


Edges = dict[int, dict[int, list[Relation]]]


def direct(plain: Plain, composer: Composer) -> Edges:
    """Return the relations that single reads impose, by producer and reader."""
    writers: dict[str, list[tuple[Node, Reading]]] = {}
    for node in plain.nodes:
        for output in node.outputs:
            writers.setdefault(output.tensor, []).append((node, output))
    edges: Edges = {}
    room = Room(plain)
    for reader in plain.nodes:
        if not room.anywhere(reader, ()):
            continue  # it has no task at all
        for reading in reader.reads:
            writing = writers.get(reading.tensor, ())
            ways = ((reading, {}), *placed(plain, reading)) if writing else ()
            for (writer, output), (way, at) in product(writing, ways):
                relation = of_reading(writer, output, reader, way, at)
                if relation is not None:
                    relation = composer.of_tasks(writer.number, relation, reader.number)
                    add(edges.setdefault(writer.number, {}).setdefault(reader.number, []), relation)
    return edges


def of_reading(
    writer: Node, output: Reading, reader: Node, reading: Reading, at: Mapping[str, int]
) -> Relation | None:
    """Return what *reading* demands of *writer* where variables of the reader stand *at* places from the first.

    None when no task of the writer is read.
    """
    sources: dict[str, Condition] = {}
    sinks: list[Condition | None] = [
        ("start", at[name], at[name]) if name in at else None for name in reader.variables
    ]
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
    """Return whether a read can meet an output at a constant index; restrict the reader in *sinks*."""
    if isinstance(written, Start) and isinstance(read, Variable) and read.name in variables:
        position = written.position - read.offset
        sinks[variables.index(read.name)] = ("start", position, position)
        return position >= 0
    return isinstance(written, Start) and read == written


def _reach(
    start: int,
    edges: Edges,
    composer: Composer,
    staying: Mapping[int, Sequence[Relation]],
    members: set[int] | None,
    again: list[Relation] | None = None,
) -> dict[int, list[Relation]]:
    """Return the relations from Einsum *start* to all that it reaches (inside *members*, if given).

    *staying* are closures of Einsums to themselves, each task included: what a running value needs, its latest task or any
    before it does. Relations of *start* to itself are put into *again* too, each by itself, before neighbours are joined.
    """
    found: dict[int, list[Relation]] = {}
    queue: deque[tuple[int, Relation]] = deque()
    noted: Counter[int] = Counter()

    def note(target: int, relation: Relation) -> None:
        if (members is None or target in members) and noted[target] < MOST_NOTED:
            if again is not None and target == start and len(again) < MOST_NOTED:
                again.append(relation)
            new = add(found.setdefault(target, []), relation)
            if new is not None:
                noted[target] += 1
                queue.append((target, new))

    first = edges.get(start, {})
    for target in sorted(first, key=lambda target: target != start):
        for relation in first[target]:
            note(target, relation)
    while queue:
        middle, relation = queue.popleft()
        if relation not in found[middle]:
            continue
        for target, direct_ones in edges.get(middle, {}).items():
            loops = staying.get(middle, ()) if target == middle != start else ()
            for step in (*loops, *direct_ones):
                for longer in composer.compose(start, relation, middle, step, target):
                    note(target, longer)
    return {target: kept for target, kept in found.items() if kept}


def _stars(loops: Iterable[Relation]) -> list[Relation]:
    """Return the closures of relations of an Einsum to itself that step along one coordinate and hold the others still.

    What is part of a must-relation is one: of steps in two directions at once, those along one of them are taken.
    """
    found = []
    for relation in loops:
        if any(sink is not None for sink in relation.sinks):
            continue
        for position, condition in enumerate(relation.sources):
            far = _far(condition) if condition[:2] == ("link", position) else None
            others = [_still(c, p) for p, c in enumerate(relation.sources) if p != position]
            if far is None or None in others:
                continue
            sources = [condition for condition in others if condition is not None]
            sources.insert(position, ("link", position, *far))
            found.append(Relation(tuple(sources), relation.sinks, relation.through))
    return found


def _with_itself(star: Relation) -> Relation:
    """Return a closure with each task's relation to itself."""
    sources = list(star.sources)
    (position,) = (p for p, c in enumerate(sources) if INFINITY in (-c[-2], c[-1]) and c[0] == "link")
    _, _, low, high = sources[position]
    sources[position] = ("link", position, min(low, 0), max(high, 0))
    return replace(star, sources=tuple(sources))


def _still(condition: Condition, position: int) -> Condition | None:
    """Return the part of a self-relation's condition that leaves variable number *position* as it is; None without one."""
    if condition == ALL:
        return ALL
    stays = condition[:2] == ("link", position) and condition[2] <= 0 <= condition[3]
    return ("link", position, 0, 0) if stays else None


def _far(condition: Condition) -> tuple[float, float] | None:
    """Return how far steps of a condition reach when they are taken again and again, to one side; None for not all of it."""
    low, high = condition[2:]
    down, up = min(high, -1), max(low, 1)
    if low <= down and 2 * down >= low - 1:
        return (-INFINITY, down)
    return (up, INFINITY) if up <= high and 2 * up <= high + 1 else None
