"""Which visits at a corner must be over before others begin, by where their tasks stand there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fusemax.analysis.conditions import ALL, Condition, Relation
from fusemax.analysis.members import Visit
from fusemax.analysis.order import Order
from fusemax.analysis.spans import Span, View

Known = dict[tuple[int, int], bool]


@dataclass(frozen=True, slots=True)
class Seen:
    """A visit at a corner: where each variable of its Einsum stands, and whether it sees a single coordinate of the fibre."""

    visit: Visit
    standing: Mapping[str, Span]
    single: bool = False


def longest(order: Order, seen: Sequence[Seen], view: View) -> tuple[Visit, ...]:
    """Return a longest chain: rows that follow no other one left are taken off in turn."""
    known = order.waiting.setdefault(view.corner, {})
    numbers = [order.standing_number(one.visit.number, tuple(one.standing.items())) for one in seen]

    def waits(i: int, j: int) -> bool:
        key = numbers[i], numbers[j]
        found = order.table[seen[i].visit.number].get(seen[j].visit.number, ()) if i != j else ()
        if found and key not in known:
            known[key] = _waits(order, found, seen[i], seen[j], view)
        return bool(found) and known[key]

    after = [{j for j in range(len(seen)) if waits(i, j)} for i in range(len(seen))]
    left, rows = set(range(len(seen))), []
    while left:
        follows = {j for i in left for j in after[i]}
        row = left - follows
        if not row:
            break
        rows.append(sorted(row))
        left &= follows
    chain: list[int] = []
    for row in reversed(rows):
        chain.append(next(i for i in row if not chain or chain[-1] in after[i]))
    return tuple(seen[i].visit for i in reversed(chain))


def _waits(order: Order, relations: Sequence[Relation], u: Seen, v: Seen, view: View) -> bool:
    """Return whether every task of *u* must run before every task of *v*, by one relation or by several together.

    Several do where each leaves only coordinates of the same variable out, and none is left out by all of them.
    """
    before, after = order.form.nodes[u.visit.number], order.form.nodes[v.visit.number]
    parts: dict[int, list[Span]] = {}
    tasks = [
        *(u.standing[name] for name in before.variables),
        *(v.standing[name] for name in after.variables),
    ]
    for relation in relations:
        left_out = []
        for place, condition in enumerate(_conditions(relation)):
            if not view.holds(condition, tasks[place], tasks[len(before.variables) :]):
                left_out.append((place, condition))
            if len(left_out) > 1:
                break
        if not left_out:
            return True
        place, condition = left_out[0]
        span = None if len(left_out) > 1 else view.sure(condition, tasks[len(before.variables) :])
        if span is not None:
            parts.setdefault(place, []).append(span)
    return any(len(spans) > 1 and view.together(spans, tasks[place]) for place, spans in parts.items())


def _conditions(relation: Relation) -> Iterator[Condition]:
    """Return the conditions on the tasks needed, then those on the tasks that need them."""
    yield from relation.sources
    for restriction in relation.sinks:
        yield ALL if restriction is None else restriction
