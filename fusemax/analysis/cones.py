"""What still carries the fibre of a tensor, and which Einsums visit it.

The cone of tensor X over ranks ρ holds X and every tensor that is written, coordinate by coordinate over ρ,
from a member. A visit is an Einsum that reads a member along ρ. Each member remembers where X's other
coordinates went, because only visits of the same fibre may be compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from fusemax.analysis.plain import End, Filter, Index, Node, Opaque, Plain, Reading, Start, Variable
from fusemax.errors import Place

MEMBERS = 12  #: ways in which one tensor may carry a fibre, at most
WIDEST = 2  #: shifts of a fibre that are followed, at most

Trace = tuple  # ("at", position, offset) | ("start", c) | ("end", c) | ("lost",)
LOST: Trace = ("lost",)
CORNER = -1  #: in place of a coordinate of X: relative to the corner where free variables stand


@dataclass(frozen=True, slots=True)
class Member:
    """A tensor of the cone: where ρ stands in its indices, how far shifted, and where the others went.

    ``first`` are the positions of ρ in X itself, ``states`` whether X is a state along them; ``narrowed`` are
    conditions that leave some of ρ out, and ``cut`` says whether a shift on the way has.
    """

    tensor: str
    positions: tuple[int, ...]
    offsets: tuple[int, ...]
    traces: tuple[Trace, ...]
    first: tuple[int, ...]
    narrowed: frozenset[tuple[str, ...]] = frozenset()
    states: tuple[bool, ...] = ()
    cut: bool = False

    def shape(self) -> tuple[object, ...]:
        """Return what tells members apart; later generations of a state are the same member."""
        return (
            self.tensor,
            self.positions,
            self.offsets,
            tuple(t[:2] if t[0] == "at" else t for t in self.traces),
            self.cut,
        )

    def loses(self, along: Sequence[Variable]) -> bool:
        """Return whether an Einsum that reads this at the indices *along* leaves out some of the fibre.

        It reads coordinate c at its own c + offset - index.offset, and runs as far as the rank; a state's first and
        last generation may be left out.
        """
        return any(
            index.offset - offset not in ((0, 1) if state else (0,))
            for offset, index, state in zip(self.offsets, along, self.states, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """An Einsum that reads a member of the cone along ρ.

    Attributes
    ----------
    variables
        The Einsum's variables that run along ρ.
    fixed
        Variables that a coordinate of the fibre fixes: ``(variable, coordinate of X, offset)``.
    constants
        Coordinates of the fibre that the read fixes: ``(coordinate of X, "start" or "end", position)``.
    narrowed
        Conditions under which the tensor that it reads was written, in words.
    inner
        Variables over which the whole of the visit runs besides ρ.
    complete
        Whether every coordinate of ρ is visited as far as the index tells.
    """

    number: int
    einsum: str
    tensor: str
    variables: tuple[str, ...]
    fixed: tuple[tuple[str, int, int], ...]
    constants: tuple[tuple[int, str, int], ...]
    inner: frozenset[str]
    narrowed: frozenset[tuple[str, ...]]
    complete: bool
    place: Place | None


class Cones:
    """Finds cones and visits, and remembers what every member leads to: the cones of a chain share most of it."""

    def __init__(self, plain: Plain) -> None:
        self.plain = plain
        self._next: dict[Member, tuple[tuple[Member, object], ...]] = {}
        self._visits: dict[Member, tuple[Visit, ...]] = {}

    def cone(self, tensor: str, positions: tuple[int, ...]) -> tuple[Member, ...]:
        """Return the cone of *tensor* over the ranks at *positions* of its indices, *tensor* itself first."""
        outer = tuple(
            LOST if position in positions else ("at", position, 0)
            for position in range(len(self.plain.ranks[tensor]))
        )
        generation = self.plain.cascade.tensors[tensor].generation
        states = tuple(self.plain.ranks[tensor][position] == generation for position in positions)
        first = Member(tensor, positions, (0,) * len(positions), outer, positions, states=states)
        seen: set[object] = {first.shape()}
        count: dict[str, int] = {}
        members, queue = [first], deque([first])
        while queue:
            for new, shape in self._carriers(queue.popleft()):
                if shape not in seen and count.get(new.tensor, 0) < MEMBERS:
                    seen.add(shape)
                    count[new.tensor] = count.get(new.tensor, 0) + 1
                    members.append(new)
                    queue.append(new)
        return tuple(members)

    def visits(self, members: tuple[Member, ...]) -> tuple[Visit, ...]:
        """Return the visits of the fibre whose cone *members* is, each once, in the order of the Einsums."""
        found = {visit: None for member in members for visit in self._readers(member)}
        return tuple(sorted(found, key=lambda visit: visit.number))

    def _carriers(self, member: Member) -> tuple[tuple[Member, object], ...]:
        """Return the members that are written from *member* directly, with their shapes."""
        if member not in self._next:
            carried = (
                _carried(node, reading, output, member)
                for node, reading in self.plain.readings.get(member.tensor, ())
                for output in node.outputs
            )
            self._next[member] = tuple((new, new.shape()) for new in carried if new is not None)
        return self._next[member]

    def _readers(self, member: Member) -> tuple[Visit, ...]:
        """Return the visits that read *member*."""
        if member not in self._visits:
            self._visits[member] = tuple(
                visit
                for node, reading in self.plain.readings.get(member.tensor, ())
                for visit in _visit(node, reading, member)
            )
        return self._visits[member]


def _carried(node: Node, reading: Reading, output: Reading, member: Member) -> Member | None:
    """Return the member that *output* is when it is written coordinate by coordinate from *reading*."""
    along = _along(reading, member)
    if along is None or any(index.name in node.reduced for index in along):
        return None
    written = {i.name: (q, i.offset) for q, i in enumerate(output.indices) if isinstance(i, Variable)}
    if any(index.name not in written for index in along):
        return None
    offsets = tuple(
        offset - index.offset + written[index.name][1]
        for offset, index in zip(member.offsets, along, strict=True)
    )
    if any(abs(offset) > WIDEST for offset in offsets):
        return None
    traces = []
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
    narrowed = member.narrowed | _narrowing(node, reading, member, along)
    return Member(
        tensor=output.tensor,
        positions=positions,
        offsets=offsets,
        traces=tuple(traces),
        first=member.first,
        narrowed=narrowed,
        states=member.states,
        cut=member.cut or member.loses(along),
    )


Fixed = tuple[str, int, int]


def _fixed(reading: Reading, member: Member) -> list[Fixed]:
    """Return the variables that the fibre's other coordinates fix: ``(variable, coordinate of X, offset)``."""
    found = []
    for coordinate, trace in enumerate(member.traces):
        index = reading.indices[trace[1]] if trace[0] == "at" else None
        if isinstance(index, Variable):
            found.append((index.name, coordinate, trace[2] - index.offset))
    return found


def standing(node: Node, swept: Set[str], fixed: Sequence[Fixed]) -> list[Fixed] | None:
    """Return where free variables of *node* are put so that its filters hold beside *fixed*; None for nowhere.

    Filters that touch a *swept* variable are left to it. A free variable that may stand where the other one does
    stays free; for ``k < t`` t stands right after k.
    """
    known = {name: (coordinate, offset) for name, coordinate, offset in fixed}
    placed: list[Fixed] = []
    for one in node.filters:
        if not swept.isdisjoint(one.variables):
            continue
        if one.difference is None:
            if not one.ends():
                return None
            continue
        x, y, low, high = one.difference
        (of_x, here), (of_y, there) = known.get(x, (CORNER, 0)), known.get(y, (CORNER, 0))
        if low <= here - there <= high:
            continue
        if x in known and y in known:
            return None
        apart = int(min(max(low, 0), high))
        moves_x = y in known or (x not in known and apart > 0)
        free, at = (x, (of_y, there + apart)) if moves_x else (y, (of_x, here - apart))
        known[free] = at
        placed.append((free, *at))
    return placed


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


def _narrowing(
    node: Node, reading: Reading, member: Member, along: tuple[Variable, ...]
) -> frozenset[tuple[str, ...]]:
    """Return the conditions on ρ under which *node* writes, where they leave coordinates of the fibre out."""
    names = names_of(reading, member, member.first)
    swept = {index.name for index in along}
    left_out = [
        one for one in node.filters if any(v in swept for v in one.variables) and not _idle(node, one)
    ]
    return frozenset(one.renamed(names) for one in left_out)


def _idle(node: Node, one: Filter) -> bool:
    """Return whether a condition with a reduced variable leaves some of them to each coordinate of ρ."""
    if one.difference is None or not any(v in node.reduced for v in one.variables):
        return False
    return one.difference[2] <= 0 <= one.difference[3]


def _along(reading: Reading, member: Member) -> tuple[Variable, ...] | None:
    """Return the indices of *reading* along ρ, or None when it does not read the member along ρ."""
    indices = [reading.indices[position] for position in member.positions]
    along = tuple(index for index in indices if isinstance(index, Variable))
    if len(along) < len(indices) or len({index.name for index in along}) < len(along):
        return None
    if any(isinstance(reading.indices[t[1]], Opaque) for t in member.traces if t[0] == "at"):
        return None
    return along


def _constant(index: Index, offset: int) -> Trace | None:
    if isinstance(index, Start):
        return ("start", index.position - offset)
    return ("end", index.position - offset) if isinstance(index, End) else None


def _visit(node: Node, reading: Reading, member: Member) -> Iterator[Visit]:
    """Return the visit that *reading* makes, if any."""
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
    )
