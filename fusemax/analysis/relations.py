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

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from fusemax.analysis.compose import Composer
from fusemax.analysis.conditions import ALL, SOME, Condition, Relation, add
from fusemax.analysis.plain import INFINITY, End, Index, Node, Plain, Reading, Start, Variable

Table = Mapping[int, Mapping[int, tuple[Relation, ...]]]


def relations(plain: Plain) -> Table:
    """Return ``table[u][v]``: the must-relations from Einsum number u to v, direct and composed."""
    edges = direct(plain)
    composer = Composer(plain.nodes)
    for node in plain.nodes:
        if node.loop is not None:
            members = {other.number for other in plain.nodes if other.loop == node.loop}
            reached = _reach(node.number, edges, composer, members)
            for star in _stars(reached.get(node.number, [])):
                add(edges.setdefault(node.number, {}).setdefault(node.number, []), star)
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
                    add(edges.setdefault(writer.number, {}).setdefault(reader.number, []), relation)
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
    """Return whether a read can meet an output at a constant index; restrict the reader in *sinks*."""
    if isinstance(written, Start) and isinstance(read, Variable) and read.name in variables:
        position = written.position - read.offset
        sinks[variables.index(read.name)] = ("start", position, position)
        return position >= 0
    return isinstance(written, Start) and read == written


def _reach(
    start: int, edges: Edges, composer: Composer, members: set[int] | None
) -> dict[int, list[Relation]]:
    """Return the relations from Einsum *start* to all that it reaches (inside *members*, if given)."""
    found: dict[int, list[Relation]] = {}
    queue: deque[tuple[int, Relation]] = deque()

    def note(target: int, relation: Relation) -> None:
        if members is None or target in members:
            new = add(found.setdefault(target, []), relation)
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
