"""Which Einsums may share loops: levels of a rank (must-dependence), legality of a nest (may-dependence).

The two are kept apart. Bounds rest on what is certainly needed (:mod:`fusemax.analysis.relations`). Legality
must hold for anything that may be needed: an index that the analysis does not know counts as "any
coordinate".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fusemax.analysis.barriers import Corner, Sweep, is_barrier
from fusemax.analysis.plain import INFINITY, End, Index, Node, Plain, Reading, Start, Variable, plain
from fusemax.analysis.relations import Table
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Einsums that may share one loop over a rank."""

    number: int
    einsums: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The level schedule of a rank.

    ``crossing`` are tensors written along the rank in one level and read along it in a later one;
    ``read_again`` are inputs read in several levels; ``conflicts`` are levels in which a forward and a
    backward scan want opposite directions.
    """

    levels: tuple[Level, ...]
    crossing: tuple[str, ...]
    read_again: tuple[str, ...]
    conflicts: tuple[str, ...]


def levels(form: Plain, table: Table, along: tuple[str, ...]) -> Levels:
    """Return the fewest loops over the variables *along* that the Einsums need, and what crosses them."""
    nodes = [n for n in form.nodes if all(v in n.variables for v in along) and not n.einsum.initial]
    reached = _reachable(form)
    level: dict[int, int] = {}
    for later in nodes:
        level[later.number] = 1
        for earlier in nodes:
            if earlier.number not in level or earlier is later or later.number not in reached[earlier.number]:
                continue
            step = level[earlier.number] + _separated(table, earlier, later, along)
            level[later.number] = max(level[later.number], step)
    level = _delayed(form, table, nodes, reached, level, along)
    names = {node.number: node.name for node in nodes}
    grouped = tuple(
        Level(number=number, einsums=tuple(names[n] for n, at in level.items() if at == number))
        for number in range(1, max(level.values(), default=0) + 1)
    )
    crossing, again = _crossing(form, nodes, level, along)
    return Levels(
        levels=grouped, crossing=crossing, read_again=again, conflicts=_conflicts(table, nodes, level, along)
    )


def _delayed(
    form: Plain,
    table: Table,
    nodes: Sequence[Node],
    reached: Mapping[int, set[int]],
    level: dict[int, int],
    along: tuple[str, ...],
) -> dict[int, int]:
    """Return *level* with Einsums in a later level where a tensor then crosses no more, and none in its place."""

    def latest(node: Node, at: Mapping[int, int]) -> int:
        after = [later for later in nodes if later.number in reached[node.number]]
        ends = (at[later.number] - _separated(table, node, later, along) for later in after)
        return min(ends, default=at[node.number])

    def without(tensor: str, at: dict[int, int]) -> dict[int, int]:
        before, moved, wanted = _kept(form, nodes, at, along), dict(at), {tensor}
        while wanted:
            makers = [n for n in nodes if any(o.tensor in wanted for o in n.outputs)]
            later = {node.number: latest(node, moved) for node in makers}
            if not makers or all(moved[number] >= end for number, end in later.items()):
                return at
            moved |= later
            now = _kept(form, nodes, moved, along)
            wanted = (now - before) | (now & {tensor})
        return moved

    for tensor in _crossing(form, nodes, level, along)[0]:
        level = without(tensor, level)
    return level


def _kept(
    form: Plain, nodes: Sequence[Node], level: Mapping[int, int], along: tuple[str, ...]
) -> frozenset[str]:
    return frozenset(name for names in _crossing(form, nodes, level, along) for name in names)


def _separated(table: Table, earlier: Node, later: Node, along: tuple[str, ...]) -> bool:
    sweep = Sweep(along)
    return any(
        is_barrier(relation, earlier, sweep, later, sweep, corner)
        for relation in table[earlier.number].get(later.number, ())
        for corner in (Corner("start", 0), Corner("end", 0))
    )


def _reachable(form: Plain) -> dict[int, set[int]]:
    """Return, for each Einsum, those that come after it in the order of the cascade and may need it."""
    reached: dict[int, set[int]] = {}
    for node in reversed(form.nodes):
        written = {output.tensor for output in node.outputs}
        after = {
            other.number
            for other in form.nodes[node.number + 1 :]
            if any(reading.tensor in written for reading in other.reads)
        }
        reached[node.number] = after.union(*(reached[number] for number in after))
    return reached


def _crossing(
    form: Plain, nodes: Sequence[Node], level: Mapping[int, int], along: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    def carries(reading: Reading) -> bool:
        here = {index.name for index in reading.indices if isinstance(index, Variable)}
        return all(name in here for name in along)

    written = {o.tensor: level[n.number] for n in nodes for o in n.outputs if carries(o)}
    read: dict[str, set[int]] = {}
    for node in nodes:
        for reading in node.reads:
            if carries(reading):
                read.setdefault(reading.tensor, set()).add(level[node.number])
    crossing = tuple(t for t, at in written.items() if any(other > at for other in read.get(t, ())))
    again = tuple(t for t in form.cascade.inputs if len(read.get(t, ())) > 1)
    return crossing, again


def _conflicts(
    table: Table, nodes: Sequence[Node], level: Mapping[int, int], along: tuple[str, ...]
) -> tuple[str, ...]:
    found: list[str] = []
    for number in sorted(set(level.values())):
        members = [node for node in nodes if level[node.number] == number]
        for variable in along:
            ways = {_direction(table, u, v, variable): (u.name, v.name) for u in members for v in members}
            if 1 in ways and -1 in ways:
                (a, b), (c, d) = ways[1], ways[-1]
                found.append(
                    f"{a} -> {b} wants {variable} ascending and {c} -> {d} wants it descending: "
                    f"a sweep more, or storage for all of {variable.upper()}"
                )
    return tuple(found)


def _direction(table: Table, earlier: Node, later: Node, variable: str) -> int:
    """Return 1 when the later Einsum needs all smaller coordinates, -1 when all larger ones, else 0."""
    if variable not in earlier.variables:
        return 0
    position = earlier.variables.index(variable)
    for relation in table[earlier.number].get(later.number, ()):
        condition = relation.sources[position]
        if condition[0] == "link" and later.variables[condition[1]] == variable:
            if condition[2] == -INFINITY:
                return 1
            if condition[3] == INFINITY:
                return -1
    return 0


# ------------------------------------------------------------------------------------ legality of a nest
@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Why two Einsums may not share the loop over a rank variable."""

    variable: str
    producer: str
    consumer: str
    why: str

    def __str__(self) -> str:
        return f"{self.producer} and {self.consumer} cannot share a loop over {self.variable}: {self.why}"


class UnknownEinsumError(FusemaxError):
    """A name that no Einsum of the cascade bears."""


def may_fuse(
    cascade: Cascade,
    einsums: Iterable[str],
    loops: Sequence[str],
    parts: Mapping[str, str] | None = None,
) -> tuple[Violation, ...]:
    """Return why *einsums* may not share the ascending *loops*, outermost first; empty when they may.

    Parameters
    ----------
    loops
        Rank variables of the cascade, or tile variables that *parts* maps to them.
    parts
        For a tile variable of the mapping, the rank variable of the cascade that it is a digit of
        (``{"p2": "p", "p1": "p"}`` for p = (p2*P1 + p1)*P0 + p0), digits in descending order in *loops*.

    Einsums outside the group run wholly before the loops or wholly after them. A value may be read at the
    coordinate of the loop at which it is written or at a later one; one read before its producer is done
    breaks the order of the nest. A producer that does not run over a loop's variable is computed in its first
    iteration.

    >>> from fusemax.cascade.build import load_cascade
    >>> attention = load_cascade("attention/3-pass")
    >>> [str(v) for v in may_fuse(attention, ["QK", "GM", "SN"], ["m"])]
    ['GM and SN cannot share a loop over m: SN needs GM after its reduction over m has ended']
    """
    return fusion_of(cascade).violations(einsums, loops, parts)


def fusion_of(cascade: Cascade) -> Fusion:
    """Return *cascade* made ready for questions about fusion; the same one when it is asked for again."""
    if "fusion" not in cascade.known:
        cascade.known["fusion"] = Fusion(cascade)
    return cascade.known["fusion"]


class Fusion:
    """A cascade made ready for many questions of the kind that :func:`may_fuse` answers."""

    def __init__(self, cascade: Cascade) -> None:
        self._cascade, self._form = cascade, plain(cascade)
        self._by_name = {node.name: node for node in self._form.nodes}
        self._links = {node.number: _read_by(self._form, node) for node in self._form.nodes}
        self._feeds = {
            node.number: sorted(
                {reader.number for o in node.outputs for reader, _ in self._form.readings.get(o.tensor, ())}
            )
            for node in self._form.nodes
        }

    def violations(
        self, einsums: Iterable[str], loops: Sequence[str], parts: Mapping[str, str] | None = None
    ) -> tuple[Violation, ...]:
        """Return what :func:`may_fuse` returns."""
        by_name = self._by_name
        wanted = list(dict.fromkeys(einsums))
        unknown = [name for name in wanted if name not in by_name]
        if unknown:
            raise UnknownEinsumError(
                f"cascade {self._cascade.name} has no Einsum {', '.join(unknown)}; there are: {', '.join(by_name)}"
            )
        group = [by_name[name] for name in wanted]
        digits = _digits(self._form, loops, parts or {})
        down = frozenset(node.loop for node in group if node.loop is not None and node.einsum.down)
        found: dict[tuple[str, str, str], Violation] = {}
        for producer in group:
            read_by = self._links[producer.number]
            for consumer in (node for node in group if node.number in read_by):
                for output, reading in read_by[consumer.number]:
                    violation = _order(producer, output, consumer, reading, loops, digits, down)
                    if violation is not None:
                        key = (violation.variable, violation.producer, violation.consumer)
                        found.setdefault(key, violation)
        for violation in _outsiders(self._form, self._feeds, group, loops):
            found.setdefault((violation.variable, violation.producer, violation.consumer), violation)
        return tuple(found.values())


def _read_by(form: Plain, producer: Node) -> dict[int, list[tuple[Reading, Reading]]]:
    """Return the nodes that read what *producer* writes, each with what is written and what it reads of that."""
    found: dict[int, list[tuple[Reading, Reading]]] = {}
    for output in producer.outputs:
        for consumer, reading in form.readings.get(output.tensor, ()):
            found.setdefault(consumer.number, []).append((output, reading))
    return found


def _digits(
    form: Plain, loops: Sequence[str], parts: Mapping[str, str]
) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Return, for each loop, the plain variables that it walks through and whether it is their last digit."""
    found: dict[str, tuple[tuple[str, ...], bool]] = {}
    for position, loop in enumerate(loops):
        whole = parts.get(loop, loop)
        variables = tuple(part.lower() for part in form.digits.get(whole.upper(), (whole.upper(),)))
        last = loop not in parts and len(variables) == 1
        last = last or (
            not any(parts.get(other, other) == whole for other in loops[position + 1 :]) and loop not in parts
        )
        found[loop] = (variables, last)
    return found


def _order(
    producer: Node,
    output: Reading,
    consumer: Node,
    reading: Reading,
    loops: Sequence[str],
    digits: Mapping[str, tuple[tuple[str, ...], bool]],
    down: frozenset[str],
) -> Violation | None:
    """Return the first loop whose order a read breaks; a loop that carries the read frees the inner ones."""
    for loop in loops:
        variables, last = digits[loop]
        carried = False
        for variable in variables:
            high, why = _distance(producer, output, consumer, reading, variable, variable in down)
            if high > 0:
                return Violation(variable=loop, producer=producer.name, consumer=consumer.name, why=why)
            carried = carried or (high < 0 and last)
            if carried:
                break
        if carried:
            return None
    return None


def _distance(
    producer: Node, output: Reading, consumer: Node, reading: Reading, variable: str, down: bool
) -> tuple[float, str]:
    """Return how far ahead of the consumer's the producer's coordinate may lie, and words for a violation.

    A loop that runs *down* comes to the last coordinate first.
    """
    name = output.tensor
    if variable not in producer.variables:
        return 0, ""
    written = next(
        (
            (index, read)
            for index, read in zip(output.indices, reading.indices, strict=True)
            if isinstance(index, Variable) and index.name == variable
        ),
        None,
    )
    if written is None:
        why = f"{consumer.name} needs {name} after its reduction over {variable} has ended"
        return INFINITY, why
    index, read = written
    return _gap(index, read, variable, f"{consumer.name} reads {name}", down)


def _gap(index: Variable, read: Index, variable: str, head: str, down: bool) -> tuple[float, str]:
    if isinstance(read, Variable) and read.name == variable:
        shift = (read.offset - index.offset) * (-1 if down else 1)
        return shift, f"{head} {shift} coordinates of {variable} ahead; the loop has to be skewed by {shift}"
    before = read.position < index.offset if isinstance(read, Start) else False
    after = read.position >= index.offset if isinstance(read, End) else False
    if after if down else before:
        return 0, ""
    if isinstance(read, Start if down else End):
        return INFINITY, f"{head} at the {'first' if down else 'last'} {variable}, after the loop has ended"
    what = f"at {read.name}" if isinstance(read, Variable) else f"at {_shown(read)}"
    return INFINITY, f"{head} {what}, which may be any coordinate of {variable}"


def _shown(index: Index) -> str:
    return str(index.position) if isinstance(index, Start) else getattr(index, "text", str(index))


def _outsiders(
    form: Plain, feeds: Mapping[int, Sequence[int]], group: Sequence[Node], loops: Sequence[str]
) -> Iterable[Violation]:
    """Return pairs of the group between which an Einsum outside it has to run; *feeds* says who reads what a node makes."""
    inside = {node.number for node in group}
    variable = loops[0] if loops else "?"
    for producer in group:
        stack = [number for number in feeds[producer.number] if number not in inside]
        seen = set(stack)
        while stack:
            middle = stack.pop()
            for target in feeds[middle]:
                if target in inside:
                    yield _between(variable, producer, form.nodes[middle], form.nodes[target])
                elif target not in seen:
                    seen.add(target)
                    stack.append(target)


def _between(variable: str, producer: Node, middle: Node, consumer: Node) -> Violation:
    why = f"{middle.name}, which is not in the loop, needs {producer.name} and feeds {consumer.name}"
    return Violation(variable=variable, producer=producer.name, consumer=consumer.name, why=why)
