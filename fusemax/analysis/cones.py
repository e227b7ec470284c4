"""What still carries the fibre of a tensor, and which Einsums visit it.

The cone of tensor X over ranks ρ holds X and every tensor that is written, coordinate by coordinate over ρ,
from a member. A visit is an Einsum that reads a member along ρ. Each member remembers where X's other
coordinates went, because only visits of the same fibre may be compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from fusemax.analysis.plain import End, Index, Node, Opaque, Plain, Reading, Start, Variable
from fusemax.errors import Place

MEMBERS = 12  #: ways in which one tensor may carry a fibre, at most

Trace = tuple  # ("at", position, offset) | ("start", c) | ("end", c) | ("lost",)
LOST: Trace = ("lost",)


@dataclass(frozen=True, slots=True)
class Member:
    """A tensor of the cone: where ρ stands in its indices, shifted by how much, and where X's other ranks went."""

    tensor: str
    positions: tuple[int, ...]
    offsets: tuple[int, ...]
    traces: tuple[Trace, ...]

    def shape(self) -> tuple[object, ...]:
        """Return what tells members apart; later generations of a state are the same member."""
        return (self.tensor, self.positions, tuple(t[:2] if t[0] == "at" else t for t in self.traces))


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
    complete: bool
    place: Place | None


def cone(plain: Plain, tensor: str, positions: tuple[int, ...]) -> tuple[Member, ...]:
    """Return the cone of *tensor* over the ranks at *positions* of its indices, *tensor* itself first."""
    outer = tuple(
        LOST if position in positions else ("at", position, 0) for position in range(len(plain.ranks[tensor]))
    )
    first = Member(tensor, positions, (0,) * len(positions), outer)
    seen = {first.shape()}
    count: dict[str, int] = {}
    members, queue = [first], deque([first])
    while queue:
        member = queue.popleft()
        for node in plain.nodes:
            for reading in node.reads:
                if reading.tensor != member.tensor:
                    continue
                for output in node.outputs:
                    new = _carried(node, reading, output, member)
                    if new is not None and new.shape() not in seen and count.get(new.tensor, 0) < MEMBERS:
                        seen.add(new.shape())
                        count[new.tensor] = count.get(new.tensor, 0) + 1
                        members.append(new)
                        queue.append(new)
    return tuple(members)


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
    if any(abs(offset) > 8 for offset in offsets):
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
    return Member(output.tensor, tuple(written[i.name][0] for i in along), offsets, tuple(traces))


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


def visits(plain: Plain, members: tuple[Member, ...]) -> tuple[Visit, ...]:
    """Return the visits of the fibre whose cone *members* is, each once, in the order of the Einsums."""
    found = {
        visit: None
        for node in plain.nodes
        for reading in node.reads
        for member in members
        if member.tensor == reading.tensor
        for visit in _visit(node, reading, member)
    }
    return tuple(found)


def _visit(node: Node, reading: Reading, member: Member) -> Iterator[Visit]:
    along = _along(reading, member)
    if along is None:
        return
    fixed: list[tuple[str, int, int]] = []
    constants: list[tuple[int, str, int]] = []
    for coordinate, trace in enumerate(member.traces):
        if trace[0] in ("start", "end"):
            constants.append((coordinate, trace[0], trace[1]))
        elif trace[0] == "at":
            index = reading.indices[trace[1]]
            constant = _constant(index, trace[2])
            if isinstance(index, Variable):
                fixed.append((index.name, coordinate, trace[2] - index.offset))
            elif constant is not None:
                constants.append((coordinate, constant[0], constant[1]))
    of_index = {index.name for index in reading.indices if isinstance(index, Variable)}
    variables = tuple(index.name for index in along)
    outer = node.output_variables | of_index
    yield Visit(
        number=node.number,
        einsum=node.name,
        tensor=reading.tensor,
        variables=variables,
        fixed=tuple(fixed),
        constants=tuple(constants),
        inner=frozenset(v for v in node.variables if v not in outer and v not in variables),
        complete=all(o == index.offset for o, index in zip(member.offsets, along, strict=True)),
        place=node.einsum.place,
    )
