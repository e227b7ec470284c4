"""Chains of visits to a fibre that is cut at a corner: what each visit sees, and which tasks it has, as intervals.

Where the coordinates that a fibre fixes stand at an end of their rank, bands and masks leave a few coordinates of it.
There visits are complete, and follow one another, that are not so anywhere else. Every answer holds for all ranks of three
coordinates or more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fusemax.analysis.barriers import Corner
from fusemax.analysis.corner_order import Seen, longest
from fusemax.analysis.domains import elsewhere, wanted
from fusemax.analysis.kept import Kept, anywhere, narrowed, places_of
from fusemax.analysis.members import Member, Visit
from fusemax.analysis.order import FIRST, LAST, MIDDLE, Order
from fusemax.analysis.plain import INFINITY, End, Node, Opaque, Reading, Start, Variable
from fusemax.analysis.spans import Span, View, stands

NEAR = tuple(Corner(side, sign * far) for far in (1, 2) for side, sign in (("start", 1), ("end", -1)))
CORNERS = (FIRST, LAST, MIDDLE, *NEAR)
CORNER = -1
Sighting = tuple[Member, Node, Reading, Visit]


def corner_chain(
    order: Order, tensor: str, position: int, cone: Sequence[Member], longer_than: int
) -> tuple[tuple[Visit, ...], Corner]:
    """Return the longest chain of visits at any corner to a fibre of *tensor* along one rank, and that corner.

    Nothing where none has more than *longer_than* visits.
    """
    best: tuple[tuple[Visit, ...], Corner] = ((), FIRST)
    sightings = tuple(order.cones.sightings(cone))
    if not any(map(_is_cut, sightings)):
        return best
    state = any(cone[0].states)
    sights = tuple(_sights(sightings, cone))
    most = _most(order, sights)
    for corner in CORNERS:
        view = View(corner)
        fibre = _fibre(order, tensor, position, view) if most > max(longer_than, len(best[0])) else None
        if fibre is None:
            continue
        tasks = fibre
        if state:  # its first and its last generation may be left out, and are read
            fibre = view.meet(fibre, view.past_first, sure=False) or fibre
            tasks = view.widest
        seen = list(_seen(sights, order, view, fibre, tasks))
        written = _written(order, tensor, position, view)
        cut = written is not None and not view.several(written)
        if cut or not view.several(fibre) or any(one.single for one in seen):
            seen = seen[:1]  # whatever follows one coordinate follows all of it
        if len({one.visit.number for one in seen}) <= max(longer_than, len(best[0])):
            continue
        chain = longest(order, seen, view)
        if len(chain) > max(longer_than, len(best[0])):
            best = (chain, corner)
    return best


def _most(order: Order, sights: Sequence[_Sight]) -> int:
    """Return how many visits a chain has at most, whatever the corner.

    A visit of two tasks or more is over before another begins only where that needs more than one coordinate of it.
    """
    running = any(sight.member.running for sight in sights)
    visits: dict[int, set[str]] = {}
    for sight in sights:
        visits.setdefault(sight.visit.number, set()).add(sight.along)
    length: dict[int, int] = {}
    for v in sorted(visits):
        before = [u for u in visits if u != v and (running or order.needs_several(u, v, visits[u]))]
        if any(u > v and v in order.table[u] for u in before):
            return len(visits)
        length[v] = 1 + max((length[u] for u in before if u < v and v in order.table[u]), default=0)
    return max(length.values(), default=0)


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


def _written(order: Order, tensor: str, position: int, view: View) -> Span | None:
    """Return a stretch in which all coordinates of the fibre lie that are written under a condition; None for anywhere."""
    makers = [(n, o) for n in order.form.nodes for o in n.outputs if o.tensor == tensor]
    if not all(node.filters and isinstance(output.indices[position], Variable) for node, output in makers):
        return None
    return view.hull(_read(node, output, position, view) for node, output in makers) if makers else None


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
    for one in (*node.filters, *node.follows):
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
    for condition in kept.near:
        around = view.sure(condition, ())
        span = None if span is None or around is None else view.meet(span, around, sure=True)
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


@dataclass(frozen=True, slots=True)
class _Sight:
    """A visit to a member of the cone, and what does not hang on the corner: what it sees of the fibre, and when it is there.

    ``of_parts`` is what it sees where ranks in parts stand at an end with all their parts, ``filters`` are what each condition
    that ties its tasks to the fibre leaves of them, ``standing`` are conditions on variables that stand somewhere else.
    """

    number: int
    member: Member
    visit: Visit
    along: str
    offset: int
    ends: frozenset[str]
    places: Mapping[str, tuple[int, int]]
    left: Kept | None
    of_parts: Kept | None
    running: Kept | None
    running_of_parts: Kept | None
    filters: tuple[Kept, ...]
    standing: tuple[tuple[int, tuple[str, float, float]], ...]
    alike: tuple[Member, ...]


def _sights(sightings: Sequence[Sighting], cone: Sequence[Member]) -> Iterator[_Sight]:
    """Return the visits that may see all of the fibre somewhere; those of one read in several copies have one number."""
    numbers: dict[tuple[object, ...], int] = {}
    for member, node, reading, visit in sightings:
        ends = elsewhere(node, visit)
        if member.kept is None or visit.point or len(visit.variables) != 1 or ends is None or len(ends) > 1:
            continue
        (along,) = visit.variables
        index = reading.indices[member.positions[0]]
        assert isinstance(index, Variable)
        places = _places(node, visit)
        by = index.offset - member.offsets[0]
        around, parts = (
            narrowed(Kept(), (*node.filters, *node.follows), along, by, places, visit.inner, whole=whole)
            for whole in (False, True)
        )
        key = (node.number, id(reading), member.positions, tuple(places.items()))
        filters = (
            narrowed(Kept(), [one], along, 0, places, frozenset())
            for one in node.filters
            if along in one.variables and set(one.variables) <= {along, *places}
        )
        yield _Sight(
            numbers.setdefault(key, len(numbers)), member, visit, along, index.offset, frozenset(ends), places,
            _left(member, by, around), _left(member, by, parts), around, parts,
            tuple(kept for kept in filters if kept is not None),
            wanted(node, visit),
            tuple(other for other in cone if (other.tensor, other.positions) == (member.tensor, member.positions)),
        )  # fmt: skip


def _seen(sights: Sequence[_Sight], order: Order, view: View, fibre: Span, touched: Span) -> Iterator[Seen]:
    """Return the visits that see all of *fibre* at the corner, those of one read in several shifted copies together.

    Their tasks are those that read anything of *touched*.
    """
    found: dict[int, list[Span]] = {}
    whole = view.corner in (FIRST, LAST)
    for sight in sights:
        left = sight.of_parts if whole else sight.left
        sees = _span(left, view) if left is not None and _stands(sight, view.corner) else None
        room = order.room(order.number(sight.visit), sight.visit, view.corner)
        if sees is None or not room or not _runs(sight, view, whole):
            continue
        copies = found.setdefault(sight.number, [])
        copies.append(sees)
        if not view.covers(sees, fibre) and not (len(copies) > 1 and view.together(copies, fibre)):
            continue
        places = sight.places
        standing = {
            name: Span(view.at(places[name][1]), view.at(places[name][1])) if name in places else view.whole
            for name in order.form.nodes[sight.visit.number].variables
        }
        single = room == 1 and not sight.member.running
        yield Seen(sight.visit, {**standing, sight.along: _tasks(sight, view, touched)}, single)


def _stands(sight: _Sight, corner: Corner) -> bool:
    """Return whether the visit is made of the fibre at *corner*."""
    if not sight.ends <= {corner.side} or (sight.ends and corner.position):
        return False
    same = all(
        side == corner.side and position + (side == "end") == corner.position
        for _, side, position in sight.visit.constants
    )
    return (
        same
        and stands(sight.standing, corner)
        and all(corner.has(offset) for _, _, offset in sight.visit.fixed)
    )


def _runs(sight: _Sight, view: View, whole: bool) -> bool:
    """Return whether some element of a running value is read, which holds what lies on one side of it."""
    if not sight.member.running:
        return True
    tasks = sight.running_of_parts if whole else sight.running
    span = None if tasks is None or tasks.gaps else _span(tasks, view)
    return span is not None and view.before(span.low, span.high)


def _places(node: Node, visit: Visit) -> dict[str, tuple[int, int]]:
    """Return where the variables of the Einsum stand that do not run: where the fibre fixes them, or at the corner."""
    running = visit.inner.union(visit.variables)
    found = {name: (CORNER, 0) for name in node.variables if name not in running}
    return found | {name: (coordinate, offset) for name, coordinate, offset in visit.fixed}


def _left(member: Member, by: int, around: Kept | None) -> Kept | None:
    """Return what of the fibre a visit sees of a member whose tasks read what *around* says, those at x place ``x + by``."""
    kept = member.kept
    if kept is None or around is None:
        return None
    if not member.running:
        shifted = kept.shifted(by)
        first, last = max(shifted.first, around.first), min(shifted.last, around.last)
        bands, gaps, near = (
            shifted.bands + around.bands,
            shifted.gaps + around.gaps,
            shifted.near + around.near,
        )
        return replace(shifted, bands=bands, gaps=gaps, near=near, first=first, last=last)
    before, after = "before" in member.running, "after" in member.running
    beyond, ahead = (  # an element holds what lies on one side of it, too
        tuple((k, -INFINITY if before else low, INFINITY if after else high) for k, low, high in tied)
        for tied in (around.bands, around.near)
    )
    first = kept.first if before else max(kept.first, by, around.first)
    last = kept.last if after else min(kept.last, by, around.last)
    return replace(kept, first=first, last=last, bands=kept.bands + beyond, near=kept.near + ahead)


def _tasks(sight: _Sight, view: View, fibre: Span) -> Span:
    """Return a stretch in which the tasks lie that read anything of *fibre*."""
    spans = []
    for member in sight.alike:
        span = fibre.shifted(view.turned(member.offsets[0] - sight.offset))
        if ("after" if view.mirrored else "before") in member.running:
            span = Span(span.low, view.high)
        if ("before" if view.mirrored else "after") in member.running:
            span = Span(view.low, span.high)
        spans.append(span)
    tasks = replace(view.hull(spans), holes=frozenset())
    for kept in sight.filters:
        around = _span(kept, view)
        if around is not None:
            tasks = view.meet(tasks, around, sure=False) or tasks
    return view.meet(tasks, view.whole, sure=False) or tasks
