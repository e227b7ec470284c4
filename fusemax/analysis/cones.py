"""What still carries the fibre of a tensor, and which Einsums visit it.

The cone of tensor X over ranks ρ holds X and every tensor that is written, coordinate by coordinate over ρ,
from a member. A visit is an Einsum that reads a member along ρ. Each member remembers where X's other
coordinates went, because only visits of the same fibre may be compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from types import MappingProxyType

from fusemax.analysis.kept import Kept, Places, loose_folded, narrowed, places_of
from fusemax.analysis.members import LOST, Member, Trace, Visit, folded_names
from fusemax.analysis.narrowing import loose, narrowings, placed_near, still_narrowed
from fusemax.analysis.overlaps import at_first_place
from fusemax.analysis.plain import End, Index, Node, Opaque, Plain, Reading, Start, Variable, indexed_by
from fusemax.analysis.room import SEVERAL, Room
from fusemax.analysis.running import at_its_end, runs_on
from fusemax.analysis.standing import CORNER, WIDEST, Fixed, besides, distances, standing

MEMBERS = 12  #: ways in which one tensor may carry a fibre, at most
EMPTY: Mapping[int, int] = MappingProxyType({})


class Cones:
    """Finds cones and visits, and remembers what every member leads to."""

    def __init__(self, plain: Plain) -> None:
        self.plain = plain
        self.room = Room(plain)
        self._distances = distances(plain.nodes)
        self._next: dict[Member, tuple[tuple[Member, object], ...]] = {}
        self._visits: dict[Member, tuple[Visit, ...]] = {}
        self._sights: dict[Member, tuple[tuple[Node, Reading, Visit], ...]] = {}

    def cone(
        self, tensor: str, positions: tuple[int, ...], apart: Mapping[int, int] = EMPTY
    ) -> tuple[Member, ...]:
        """Return the cone of *tensor* over the ranks at *positions* of its indices, *tensor* itself first.

        The fibre's other coordinates stand at one place, those in *apart* that far from it.
        """
        outer = tuple(
            LOST if position in positions else ("at", position, apart.get(position, 0))
            for position in range(len(self.plain.ranks[tensor]))
        )
        generation = self.plain.cascade.tensors[tensor].generation
        states = tuple(self.plain.ranks[tensor][position] == generation for position in positions)
        first = Member(
            tensor,
            positions,
            (0,) * len(positions),
            outer,
            tensor if any(states) else "",
            positions,
            len(outer),
            states=states,
            kept=Kept() if len(positions) == 1 else None,
        )
        seen: set[object] = {first.shape(self._generation(tensor))}
        count: dict[str, int] = {}
        members, queue = [first], deque([first])
        while queue:
            for new, shape in self._carriers(queue.popleft()):
                # an element of X stands for itself alone
                itself = (new.tensor, new.positions) == (tensor, positions)
                if shape not in seen and not itself and count.get(new.tensor, 0) < MEMBERS:
                    seen.add(shape)
                    count[new.tensor] = count.get(new.tensor, 0) + 1
                    members.append(new)
                    queue.append(new)
        return tuple(members)

    def visits(self, members: tuple[Member, ...]) -> tuple[Visit, ...]:
        """Return the visits of the fibre whose cone *members* is, each once, in the order of the Einsums."""
        found = {visit: None for member in members for visit in self._readers(member)}
        return tuple(sorted(found, key=lambda visit: visit.number))

    def sightings(self, members: Iterable[Member]) -> Iterator[tuple[Member, Node, Reading, Visit]]:
        """Return each way in which a member is visited."""
        for member in members:
            if member not in self._sights:
                self._sights[member] = tuple(
                    (node, reading, visit)
                    for node, reading in self.plain.readings.get(member.tensor, ())
                    for visit in _visit(node, reading, member)
                )
            yield from ((member, *sight) for sight in self._sights[member])

    def unseen(self, members: tuple[Member, ...]) -> bool:
        """Return whether some member is read in a way that makes no visit, so that not all that is read is known."""
        return any(
            not isinstance(index, (Variable, Start, End))
            for member in members
            for _, reading in self.plain.readings.get(member.tensor, ())
            for index in reading.indices
        )

    def kept_apart(self, tensor: str, positions: tuple[int, ...]) -> tuple[Mapping[int, int], ...]:
        """Return how far apart conditions of makers and readers put coordinates of a fibre that they keep from one place."""
        made = (
            (node, output) for node in self.plain.nodes for output in node.outputs if output.tensor == tensor
        )
        found: list[dict[int, int]] = []
        for node, access in (*made, *self.plain.readings.get(tensor, ())):
            free = {
                i.name: q
                for q, i in enumerate(access.indices)
                if isinstance(i, Variable) and q not in positions
            }
            placed = standing(node, set(node.variables) - free.keys(), ()) if len(free) > 1 else None
            apart = {free[name]: by for name, _, by in placed or () if by and abs(by) <= WIDEST}
            if apart and apart not in found:
                found.append(apart)
        return tuple(found[:2])

    def only_reader(self, tensor: str, positions: tuple[int, ...]) -> tuple[Visit, ...]:
        """Return the one visit of a tensor that is read at one place only; nothing when it may leave coordinates out.

        Whatever fibre it sees there, it alone sees it: all of what is read of it, if no condition ties the coordinates
        along the fibre to others that neither the fibre fixes nor the visit runs over.
        """
        found = [
            (node, reading)
            for node, reading in self.plain.readings.get(tensor, ())
            if not all(indexed_by(reading.indices[position]) == () for position in positions)
        ]
        if len(found) != 1:
            return ()
        node, reading = found[0]
        running = [indexed_by(index) for index in reading.indices]
        along = [v for position in positions for v in running[position] or ()]
        others = {v for p, variables in enumerate(running) if p not in positions for v in variables or ()}
        loose = node.output_variables - others.union(along)
        loose |= {v for variables in running if len(variables or ()) > 1 for v in variables or ()} - set(
            along
        )
        tied = any(set(one.variables) & set(along) and set(one.variables) & loose for one in node.filters)
        if None in running or tied or others & set(along) or len(along) != len(set(along)):
            return ()
        if standing(node, set(), ()) is None or not self.room.anywhere(node, ()):
            return ()
        if not all(running[position] for position in positions):
            return ()
        outer = node.output_variables | others
        visit = Visit(
            number=node.number,
            einsum=node.name,
            tensor=tensor,
            variables=tuple(along),
            fixed=(),
            constants=(),
            inner=frozenset(v for v in node.variables if v not in outer and v not in along),
            narrowed=frozenset(),
            complete=True,
            place=node.einsum.place,
        )
        return (visit,)

    def _window(self, node: Node, reading: Reading, member: Member) -> Iterator[Visit]:
        """Return the visit of windows that overlap."""
        found = at_first_place(self.plain, node, reading, member)
        if found is None:
            return
        for visit in _visit(node, found[0], member):
            yield replace(visit, inner=visit.inner | found[1], shifted=True)

    def _generation(self, tensor: str) -> int | None:
        """Return which index of *tensor* counts its generations, if it has any."""
        generation = self.plain.cascade.tensors[tensor].generation
        ranks = self.plain.ranks[tensor]
        return ranks.index(generation) if generation in ranks else None

    def _carriers(self, member: Member) -> tuple[tuple[Member, object], ...]:
        """Return the members that are written from *member* directly, with their shapes."""
        if member not in self._next:
            carried = (
                _carried(node, reading, output, member)
                for node, reading in self.plain.readings.get(member.tensor, ())
                for output in node.outputs
                if self._has_room(node, reading, member)
            )
            self._next[member] = tuple(
                (new, new.shape(self._generation(new.tensor))) for new in carried if new is not None
            )
        return self._next[member]

    def _has_room(self, node: Node, reading: Reading, member: Member) -> bool:
        """Return whether conditions leave an Einsum several coordinates of the fibre to carry on."""
        along = _along(reading, member) if node.filters else None
        own = {name for name, coordinate, _ in _fixed(reading, member) if coordinate < member.ranks}
        return along is None or self.room.anywhere(node, [i.name for i in along], own) == SEVERAL

    def _readers(self, member: Member) -> tuple[Visit, ...]:
        """Return the visits that read *member*."""
        if member not in self._visits:
            self._visits[member] = tuple(
                visit
                for node, reading in self.plain.readings.get(member.tensor, ())
                for one in (*_visit(node, reading, member), *self._window(node, reading, member))
                for visit in (one, *self._beside(node, one))
            )
        return self._visits[member]

    def _beside(self, node: Node, visit: Visit) -> Iterator[Visit]:
        """Return a visit where a variable that nothing fixes stands as far from the corner as conditions keep some apart."""
        swept = visit.inner.union(visit.variables)
        for one in () if visit.point else besides(node, swept, visit.fixed, self._distances):
            yield replace(visit, fixed=(*visit.fixed, one))


def _carried(node: Node, reading: Reading, output: Reading, member: Member) -> Member | None:
    """Return the member that *output* is when it is written coordinate by coordinate from *reading*."""
    along = _along(reading, member)
    if along is None or any(index.name in node.reduced for index in along):
        return None
    written = {i.name: (q, i.offset) for q, i in enumerate(output.indices) if isinstance(i, Variable)}
    if any(index.name not in written for index in along) or _folds_cut(node, reading, member):
        return None
    offsets = tuple(
        offset - index.offset + written[index.name][1]
        for offset, index in zip(member.offsets, along, strict=True)
    )
    if any(abs(offset) > WIDEST for offset in offsets):
        return None
    traces = _traces(reading, member, written)
    positions = tuple(written[index.name][0] for index in along)
    placed = standing(node, {v.name for v in along}, _fixed(reading, member))
    if placed is None:
        return None
    for name, coordinate, offset in placed:
        if name in written:
            q, shift = written[name]
            here = ("at", q, offset + shift)
            if coordinate == CORNER:
                traces.append(here)
            elif traces[coordinate] == LOST:
                traces[coordinate] = here
            else:
                return None
    names = names_of(reading, member, member.first)
    places = {name: (CORNER, offset) for name, _, offset in placed}
    for name in loose(node, along, names, written):
        names[name] = f"<{len(traces)}>"
        places[name] = len(traces), 0
        traces.append(("at", *written[name]))
    known = {name: offset for name, _, offset in (*_fixed(reading, member), *placed)}
    near = placed_near(node, reading, {v.name for v in along}, known, written)
    if near is None:
        return None
    traces += [("at", *written[name]) for name in near[1] if name not in places]
    runs = frozenset() if output.tensor == member.whose else runs_on(node, output, along)
    names |= folded_names(node, node.reduced - names.keys(), names)
    left_out = narrowings(node, along, names, member.ranks)
    return Member(
        tensor=output.tensor,
        positions=positions,
        offsets=offsets,
        traces=tuple(traces),
        whose=member.whose,
        first=member.first,
        narrowed=still_narrowed(member, reading, node, left_out),
        ranks=member.ranks,
        states=member.states,
        cut=member.cut or member.loses(along),
        running=member.running | runs,
        stands=member.stands | near[0],
        kept=_kept(node, reading, member, along, places, runs),
    )


def _folds_cut(node: Node, reading: Reading, member: Member) -> bool:
    """Return whether a coordinate that conditions may have cut is folded, so that what it goes with is not known."""
    for k in range(member.ranks, len(member.traces)) if member.stands else ():
        index = reading.indices[member.traces[k][1]] if member.traces[k][0] == "at" else None
        if not isinstance(index, Variable) or index.name not in node.reduced:
            continue
        apart = any(one.mentions(k) and one.meets != "diagonal" for one in member.narrowed)
        if apart or any(index.name in one.variables for one in node.filters):
            return True
    return False


def _traces(reading: Reading, member: Member, written: Mapping[str, tuple[int, int]]) -> list[Trace]:
    """Return where the fibre's coordinates stand in what is written from *reading*."""
    traces: list[Trace] = []
    for trace in member.traces:
        if trace[0] != "at":
            traces.append(trace)
            continue
        _, position, offset = trace
        index = reading.indices[position]
        constant = _constant(index, offset)
        if isinstance(index, Variable) and index.name in written:
            q, shift = written[index.name]
            traces.append(("at", q, offset - index.offset + shift))
        else:
            traces.append(constant or LOST)
    return traces


def _kept(
    node: Node, reading: Reading, member: Member, along: Sequence[Variable], places: Places, runs: Set[str]
) -> Kept | None:
    """Return what of the fibre an Einsum carries on from *member*; *places* are those of variables that nothing fixes."""
    kept = loose_folded(member.kept, reading, member.traces, member.ranks, node.reduced, node.filters)
    if kept is None or (runs and any(along[0].name in one.variables for one in node.filters)):
        return None
    by = along[0].offset - member.offsets[0]
    places = {**places, **places_of(reading, member.traces)}
    folded = node.reduced - places.keys()
    return narrowed(kept.shifted(by), (*node.filters, *node.follows), along[0].name, by, places, folded)


def _fixed(reading: Reading, member: Member) -> list[Fixed]:
    """Return the variables that the fibre's other coordinates fix: ``(variable, coordinate of X, offset)``."""
    found = []
    for coordinate, trace in enumerate(member.traces):
        index = reading.indices[trace[1]] if trace[0] == "at" else None
        if isinstance(index, Variable):
            found.append((index.name, coordinate, trace[2] - index.offset))
    return found


def names_of(reading: Reading, member: Member, first: tuple[int, ...]) -> dict[str, str]:
    """Return names for the variables of *reading* that stand for coordinates of the fibre's own tensor."""
    along = zip(member.positions, member.offsets, first, strict=True)
    places = [(position, offset, at) for position, offset, at in along]
    places += [(trace[1], trace[2], at) for at, trace in enumerate(member.traces) if trace[0] == "at"]
    names: dict[str, str] = {}
    for position, offset, at in places:
        index = reading.indices[position]
        if isinstance(index, Variable) and index.offset == offset:
            names[index.name] = f"<{at}>"
    return names


def _along(reading: Reading, member: Member) -> tuple[Variable, ...] | None:
    """Return the indices of *reading* along ρ, or None when it does not read the member along ρ."""
    indices = [reading.indices[position] for position in member.positions]
    along = tuple(index for index in indices if isinstance(index, Variable))
    if len(along) < len(indices) or len({index.name for index in along}) < len(along):
        return None
    if any(isinstance(reading.indices[t[1]], Opaque) for t in member.traces if t[0] == "at"):
        return None
    swept = {index.name for index in along}
    others = [reading.indices[trace[1]] for trace in member.traces if trace[0] == "at"]
    if any(isinstance(index, Variable) and index.name in swept for index in others):
        return None  # a diagonal: one element of each fibre
    if any(isinstance(index, Opaque) and index.mentions & swept for index in reading.indices):
        return None  # what lies outside the tensor is not read: some coordinates of the fibre may be
    return along


def _constant(index: Index, offset: int) -> Trace | None:
    if isinstance(index, Start):
        return ("start", index.position - offset)
    return ("end", index.position - offset) if isinstance(index, End) else None


def _visit(node: Node, reading: Reading, member: Member) -> Iterator[Visit]:
    """Return the visits that *reading* makes."""
    along = _along(reading, member)
    if along is None:
        return
    fixed = _fixed(reading, member)
    constants: list[tuple[int, str, int]] = []
    for coordinate, trace in enumerate(member.traces):
        if trace[0] in ("start", "end"):
            constants.append((coordinate, trace[0], trace[1]))
        elif trace[0] == "at":
            constant = _constant(reading.indices[trace[1]], trace[2])
            if constant is not None:
                constants.append((coordinate, constant[0], constant[1]))
    of_index = {index.name for index in reading.indices if isinstance(index, Variable)}
    variables = tuple(index.name for index in along)
    outer = node.output_variables | of_index
    inner = frozenset(v for v in node.variables if v not in outer and v not in variables)
    last = at_its_end(node, reading, member, along, inner, fixed)
    if last is not None:
        yield last
    fixed += standing(node, inner.union(variables), fixed) or ()
    yield Visit(
        number=node.number,
        einsum=node.name,
        tensor=reading.tensor,
        variables=variables,
        fixed=tuple(fixed),
        constants=tuple(constants),
        inner=inner,
        narrowed=member.narrowed,
        complete=not member.cut and not member.loses(along),
        place=node.einsum.place,
        shifted=any(index.offset != offset for offset, index in zip(member.offsets, along, strict=True)),
        stands=member.stands,
    )
