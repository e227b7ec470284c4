"""Chains of visits to a fibre that is cut at a corner: what each visit sees, and which tasks it has, as intervals.

Where the coordinates that a fibre fixes stand at an end of their rank, bands and masks leave a few coordinates of it.
There visits are complete, and follow one another, that are not so anywhere else. Every answer holds for all ranks of three
coordinates or more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fusemax.analysis.barriers import Corner
from fusemax.analysis.conditions import Relation
from fusemax.analysis.domains import elsewhere
from fusemax.analysis.kept import Kept, anywhere, narrowed, places_of
from fusemax.analysis.members import Member, Visit
from fusemax.analysis.order import FIRST, LAST, MIDDLE, Order
from fusemax.analysis.plain import INFINITY, End, Node, Opaque, Reading, Start, Variable
from fusemax.analysis.spans import Span, View

NEAR = tuple(Corner(side, sign * far) for far in (1, 2) for side, sign in (("start", 1), ("end", -1)))
CORNERS = (FIRST, LAST, MIDDLE, *NEAR)
CORNER = -1
Sighting = tuple[Member, Node, Reading, Visit]


@dataclass(frozen=True, slots=True)
class Seen:
    """A visit at a corner: where each variable of its Einsum stands."""

    visit: Visit
    standing: Mapping[str, Span]


def corner_chain(
    order: Order, tensor: str, position: int, cone: Sequence[Member], longer_than: int
) -> tuple[tuple[Visit, ...], Corner]:
    """Return the longest chain of visits at any corner to a fibre of *tensor* along one rank, and that corner.

    Nothing where none has more than *longer_than* visits.
    """
    best: tuple[tuple[Visit, ...], Corner] = ((), FIRST)
    sightings = tuple(order.cones.sightings(cone))
    if any(cone[0].states) or not any(map(_is_cut, sightings)):
        return best
    for corner in CORNERS:
        view = View(corner)
        fibre = _fibre(order, tensor, position, view)
        if fibre is None or not view.several(fibre):
            continue
        seen = list(_seen(sightings, cone, view, fibre))
        if len({one.visit.number for one in seen}) <= max(longer_than, len(best[0])):
            continue
        chain = _longest(order, seen, view)
        if len(chain) > max(longer_than, len(best[0])):
            best = (chain, corner)
    return best


def _fibre(order: Order, tensor: str, position: int, view: View) -> Span | None:
    """Return a stretch in which all coordinates lie that anything reads of the fibre itself; None for no such read."""
    spans = []
    for node, reading in order.form.readings.get(tensor, ()):
        index = reading.indices[position]
        if isinstance(index, (Start, End)):
            continue
        others = [other for place, other in enumerate(reading.indices) if place != position]
        if not _meets(others, view.corner):
            continue
        spans.append(_read(node, reading, position, view))
    return view.hull(spans) if spans else None


def _meets(others: Sequence[object], corner: Corner) -> bool:
    """Return whether a read at the indices *others* may be of a fibre at *corner*."""
    for index in others:
        if isinstance(index, Variable) and corner.side != "middle" and not corner.has(-index.offset):
            return False
        if isinstance(index, Start) and not _may_be(corner, "start", index.position):
            return False
        if isinstance(index, End) and not _may_be(corner, "end", index.position + 1):
            return False
    return True


def _may_be(corner: Corner, side: str, position: int) -> bool:
    """Return whether the coordinate *position* from an end may be that at *corner*, in some rank."""
    if corner.side == "middle":
        return position != 0
    return corner.position == position if corner.side == side else abs(corner.position) + abs(position) >= 2


def _read(node: Node, reading: Reading, position: int, view: View) -> Span:
    """Return a stretch in which the coordinates lie that *reading* reads of the fibre itself."""
    index = reading.indices[position]
    others = [other for place, other in enumerate(reading.indices) if place != position]
    if isinstance(index, Opaque) or any(index == other for other in others):
        return view.whole
    assert isinstance(index, Variable)
    mentioned = {other.name for other in others if isinstance(other, Variable)}
    if index.name in mentioned:
        return view.whole
    traces = [("at", place, 0) if place != position else ("lost",) for place in range(len(reading.indices))]
    places = places_of(reading, traces)
    edges = Kept().shifted(index.offset)
    around = []
    for one in node.filters:
        if index.name not in one.variables:
            continue
        if set(one.variables) <= {index.name, *places}:
            around.append(narrowed(Kept(), [one], index.name, index.offset, places, frozenset()))
        elif one.difference is not None:
            edges = anywhere(edges, one, index.name, index.offset)
    span = _span(edges, view)
    for kept in around:
        band = None if kept is None else _span(kept, view)
        span = view.meet(span, band, sure=False) or span if band is not None and span is not None else span
    return span or view.whole


def _span(kept: Kept, view: View) -> Span | None:
    """Return the coordinates that *kept* leaves, as seen at the corner; None where it is not known."""
    corner = view.corner
    if view.mirrored:
        span: Span | None = Span((0, -kept.last), (1, -kept.first))
    else:
        span = Span((view.low[0], kept.first), (1, kept.last))
    for _, low, high in kept.bands:
        around = Span((0, -INFINITY), (0, INFINITY))
        near, far = view.band(corner.position + low, corner.position + high)
        around = Span((0, near), (0, far))
        span = None if span is None else view.meet(span, around, sure=True)
    if span is None:
        return None
    holes = frozenset(view.turned(corner.position + distance) for _, distance in kept.gaps)
    return replace(span, holes=holes).trimmed()


def _is_cut(sighting: Sighting) -> bool:
    """Return whether a visit may see more or less at one place than at another, so that corners tell something new."""
    member, node, _, visit = sighting
    return (
        bool(member.running)
        or (member.kept is not None and member.kept != Kept())
        or any(set(visit.variables) & set(one.variables) for one in node.filters)
    )


def _seen(sightings: Sequence[Sighting], cone: Sequence[Member], view: View, fibre: Span) -> Iterator[Seen]:
    """Return the visits that see all of *fibre* at the corner."""
    for member, node, reading, visit in sightings:
        kept = member.kept
        if kept is None or visit.point or len(visit.variables) != 1 or not _stands(node, visit, view.corner):
            continue
        (along,) = visit.variables
        index = reading.indices[member.positions[0]]
        assert isinstance(index, Variable)
        by = index.offset - member.offsets[0]
        places = _places(node, visit)
        left = _left(kept, member, node, along, by, places, visit, view)
        sees = None if left is None else _span(left, view)
        if sees is None or not view.covers(sees, fibre):
            continue
        alike = [
            other for other in cone if (other.tensor, other.positions) == (member.tensor, member.positions)
        ]
        tasks = _tasks(node, alike, index.offset, along, places, view, fibre)
        standing = {
            name: Span(view.at(places[name][1]), view.at(places[name][1])) if name in places else view.whole
            for name in node.variables
        }
        yield Seen(visit, {**standing, along: tasks})


def _stands(node: Node, visit: Visit, corner: Corner) -> bool:
    """Return whether the visit is made of the fibre at *corner*."""
    ends = elsewhere(node, visit)
    if ends is None or not ends <= {corner.side} or (ends and corner.position):
        return False
    same = all(
        side == corner.side and position + (side == "end") == corner.position
        for _, side, position in visit.constants
    )
    return same and all(corner.has(offset) for _, _, offset in visit.fixed)


def _places(node: Node, visit: Visit) -> dict[str, tuple[int, int]]:
    """Return where the variables of the Einsum stand that do not run: where the fibre fixes them, or at the corner."""
    running = visit.inner.union(visit.variables)
    found = {name: (CORNER, 0) for name in node.variables if name not in running}
    return found | {name: (coordinate, offset) for name, coordinate, offset in visit.fixed}


def _left(
    kept: Kept,
    member: Member,
    node: Node,
    along: str,
    by: int,
    places: Mapping[str, tuple[int, int]],
    visit: Visit,
    view: View,
) -> Kept | None:
    """Return what of the fibre a visit sees of a member."""
    whole = view.corner in (FIRST, LAST)
    if not member.running:
        return narrowed(kept.shifted(by), node.filters, along, by, places, visit.inner, whole=whole)
    tasks = narrowed(Kept(), node.filters, along, by, places, visit.inner, whole=whole)
    span = None if tasks is None or tasks.gaps else _span(tasks, view)
    if tasks is None or span is None or not view.before(span.low, span.high):
        return None
    before, after = "before" in member.running, "after" in member.running
    beyond = tuple(  # an element holds what lies on one side of it, too
        (k, -INFINITY if before else low, INFINITY if after else high) for k, low, high in tasks.bands
    )
    first = kept.first if before else max(kept.first, by)
    last = kept.last if after else min(kept.last, by)
    return replace(kept, first=first, last=last, bands=kept.bands + beyond)


def _tasks(
    node: Node,
    alike: Sequence[Member],
    offset: int,
    along: str,
    places: Mapping[str, tuple[int, int]],
    view: View,
    fibre: Span,
) -> Span:
    """Return a stretch in which the tasks lie that read anything of *fibre* of the members *alike*."""
    spans = []
    for member in alike:
        span = fibre.shifted(view.turned(member.offsets[0] - offset))
        if ("after" if view.mirrored else "before") in member.running:
            span = Span(span.low, view.high)
        if ("before" if view.mirrored else "after") in member.running:
            span = Span(view.low, span.high)
        spans.append(span)
    tasks = replace(view.hull(spans), holes=frozenset())
    for one in node.filters:
        if along in one.variables and set(one.variables) <= {along, *places}:
            kept = narrowed(Kept(), [one], along, 0, places, frozenset())
            around = None if kept is None else _span(kept, view)
            if around is not None:
                tasks = view.meet(tasks, around, sure=False) or tasks
    return view.meet(tasks, view.whole, sure=False) or tasks


def _longest(order: Order, seen: Sequence[Seen], view: View) -> tuple[Visit, ...]:
    """Return a longest chain: rows that follow no other one left are taken off in turn."""
    after = [
        {j for j, v in enumerate(seen) if i != j and _waits(order, u, v, view)} for i, u in enumerate(seen)
    ]
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


def _waits(order: Order, u: Seen, v: Seen, view: View) -> bool:
    """Return whether every task of *u* must run before every task of *v*."""
    found = order.table[u.visit.number].get(v.visit.number, ())
    return any(_by(order, one, u, v, view) for one in found)


def _by(order: Order, relation: Relation, u: Seen, v: Seen, view: View) -> bool:
    before, after = order.form.nodes[u.visit.number], order.form.nodes[v.visit.number]
    there = {place: v.standing[name] for place, name in enumerate(after.variables)}
    for place, restriction in enumerate(relation.sinks):
        if restriction is not None and not view.obeys(restriction, there[place]):
            return False
    return all(
        view.holds(condition, u.standing[name], there)
        for name, condition in zip(before.variables, relation.sources, strict=True)
    )
