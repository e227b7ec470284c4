"""What a mapping leaves open, and a mapping with everything chosen but its tile sizes.

A *phase* is a top-level nest as data: blocks of loops with what they keep, bodies of Einsums, and how many digits each rank
is cut into. The sizes of its tiles stay open: they are parameters of its cost program, so that one derivation prices every
tiling. With numbers for them a list of phases is an ordinary mapping file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fusemax.analysis.work import Operation, is_view, operations
from fusemax.cascade.ir import Cascade
from fusemax.cascade.views import without
from fusemax.language.syntax import Expression, Name, Number, names
from fusemax.mapping.nest import Body, Digit, Mapped, Nest, Residence, Root
from fusemax.mapping.spec import Deal, Schedule

Bind = Mapping[tuple[str, int], str]
DIGITS = 4  #: digits of a rank, at most, in the mappings that a search makes


@dataclass(frozen=True, slots=True)
class Keep:
    """A tensor kept at a level inside the loops of a block, in so many buffers."""

    level: str
    tensor: str
    buffers: int = 1


@dataclass(frozen=True, slots=True)
class Block:
    """Loops, what is kept inside them, and inner blocks or the Einsums of one body."""

    loops: tuple[str, ...]
    do: tuple[Block, ...] | tuple[str, ...]
    keep: tuple[Keep, ...] = ()
    spatial: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])

    @property
    def einsums(self) -> tuple[str, ...]:
        """All Einsums inside, in their order."""
        return tuple(name for one in self.do for name in (one.einsums if isinstance(one, Block) else (one,)))

    def bodies(self) -> Iterator[Block]:
        """Yield the blocks that hold Einsums."""
        for one in self.do:
            if isinstance(one, Block):
                yield from one.bodies()
        if any(isinstance(one, str) for one in self.do):
            yield self


@dataclass(frozen=True, slots=True)
class Phase:
    """A top-level nest. ``cuts`` counts, by rank, the digits inside the outermost one; ``bind`` names the unit of each
    (Einsum, operation)."""

    block: Block
    cuts: Mapping[str, int]
    bind: Bind
    offload: Mapping[tuple[str, str], Mapping[str, Expression]] = field(
        default_factory=dict[tuple[str, str], Mapping[str, Expression]]
    )
    spread: tuple[str, ...] = ()
    schedule: Schedule = "overlapped"
    deal: Deal = "longest_first"
    in_place: tuple[tuple[str, ...], ...] = ()  #: groups of tensors that share one place

    @property
    def name(self) -> str:
        """The name of the nest: its last Einsum."""
        return self.block.einsums[-1]


def prepared(cascade: Cascade, absorb: Collection[str] = ()) -> Cascade:
    """Return *cascade* as mappings see it: batch ranks written out, absorbed Einsums and renamings gone."""
    cascade = cascade.batched()
    views = [e.name for e in cascade.computed if is_view(e) and e.name not in cascade.outputs]
    return without(cascade, [*absorb, *(view for view in views if view not in absorb)])


def parts_of(cascade: Cascade, rank: str) -> tuple[str, ...]:
    """Return the ranks that the cascade itself cuts *rank* into, outermost first; none if it does not."""
    size = cascade.ranks[rank].size
    if size is None or isinstance(size, Name):
        return ()
    used = names(size)
    variables = {v for e in cascade.einsums for v in e.variables}
    is_product = all(n in cascade.ranks for n in used) and "+" not in str(size) and "-" not in str(size)
    cut = is_product and len(used) > 1 and any(n.lower() in variables for n in used)
    return used if cut and not _only_as_long(cascade, rank, variables) else ()


def as_long_as(cascade: Cascade, rank: str) -> tuple[str, ...]:
    """Return the variables of the ranks whose sizes are multiplied to that of *rank* (``i0`` for ``J0: I0``), if any."""
    size = cascade.ranks[rank].size
    used = () if size is None else names(size)
    is_product = str(size) == "*".join(used) and all(name in cascade.ranks for name in used)
    return tuple(name.lower() for name in used) if is_product else ()


def _only_as_long(cascade: Cascade, rank: str, variables: Collection[str]) -> bool:
    """Return whether *rank* is walked as a whole, and only as long as another one that is cut: ``P: M1*M0`` beside M."""
    others = (
        name for name, one in cascade.ranks.items() if name != rank and one.size == cascade.ranks[rank].size
    )
    return rank.lower() in variables and any(name.lower() not in variables for name in others)


def whole_ranks(cascade: Cascade) -> tuple[str, ...]:
    """Return the ranks that are no part of another."""
    inner = {part for rank in cascade.ranks for part in parts_of(cascade, rank)}
    return tuple(rank for rank in cascade.ranks if rank not in inner)


def may_cut(cascade: Cascade, rank: str) -> bool:
    """Return whether a mapping may cut *rank*: not where its tiles would have the names of other sizes (C0 of C)."""
    taken = {*cascade.ranks, *cascade.size_symbols()}
    return not any(f"{rank}{number}" in taken for number in range(DIGITS))


def digits_of_rank(cascade: Cascade, rank: str, cuts: int) -> tuple[str, ...]:
    """Return the names of the digits of *rank* cut into *cuts* more than one, outermost first."""
    parts = parts_of(cascade, rank)
    if parts:
        return tuple(part.lower() for part in parts)
    low = rank.lower()
    return tuple(f"{low}{number}" for number in range(cuts, -1, -1)) if cuts else (low,)


def nest_of(cascade: Cascade, phase: Phase, number: int = 0, tiles: Mapping[str, int] | None = None) -> Nest:
    """Return the nest of *phase*; the size of a digit not in *tiles* is a parameter of the digit's own name (``P1``)."""
    bodies: list[Body] = []
    residences: list[Residence] = []
    _walk(phase.block, (number,), (), {}, bodies, residences)
    return Nest(
        name=phase.name, roots=roots_of(cascade, phase.cuts, tiles), bodies=tuple(bodies), residences=tuple(residences),
        schedule=phase.schedule, spread=phase.spread, deal=phase.deal,
    )  # fmt: skip


def roots_of(
    cascade: Cascade, cuts: Mapping[str, int], tiles: Mapping[str, int] | None = None
) -> dict[str, Root]:
    """Return every whole rank with its digits, *cuts* of them inside the outermost; sizes are those in *tiles*, or open."""
    known = tiles or {}
    roots: dict[str, Root] = {}
    for rank in whole_ranks(cascade):
        digits = digits_of_rank(cascade, rank, cuts.get(rank, 0))
        names_ = [digit.upper() for digit in digits[1:]]
        rules: list[Expression | None] = [
            None,
            *(Number(float(known[n])) if n in known else Name(n) for n in names_),
        ]
        found = tuple(Digit(digit, rule) for digit, rule in zip(digits, rules, strict=True))
        roots[rank.lower()] = Root(rank.lower(), found, as_long_as(cascade, rank))
    return roots


def _walk(
    block: Block, number: tuple[int, ...], outside: tuple[tuple[str, ...], ...],
    spatial: Mapping[str, Mapping[str, str]], bodies: list[Body], residences: list[Residence],
) -> None:  # fmt: skip
    opened = (*outside, block.loops)
    loops = tuple(loop for some in opened for loop in some)
    spatial = {**spatial, **block.spatial}
    for keep in block.keep:
        residences.append(
            Residence(
                tensor=keep.tensor, level=keep.level, node=number, loops=loops, buffers=keep.buffers
            )
        )  # fmt: skip
    done = tuple(one for one in block.do if isinstance(one, str))
    if done:
        bodies.append(Body(node=number, opened=opened, spatial=spatial, einsums=done))
        return
    for position, child in enumerate(block.do):
        assert isinstance(child, Block)
        _walk(child, (*number, position), opened, spatial, bodies, residences)


def mapped_phases(
    cascade: Cascade, phases: Sequence[Phase], tiles: Sequence[Mapping[str, int]] = (), name: str = "best"
) -> Mapped:
    """Return the mapping that *phases* make of *cascade* (as :func:`prepared` gives it); some of its phases will do too.

    *tiles* gives the sizes of tiles by phase; without them they are parameters.
    """
    bind = {entry: unit for phase in phases for entry, unit in phase.bind.items()}
    offload = {entry: parts for phase in phases for entry, parts in phase.offload.items()}
    known = tiles or [{} for _ in phases]
    nests = tuple(
        nest_of(cascade, one, n, sizes) for n, (one, sizes) in enumerate(zip(phases, known, strict=True))
    )
    return Mapped(
        name=name,
        title=name,
        cascade=cascade,
        nests=nests,
        bind=bind,
        spill={},
        offload=offload,
        in_place=tuple(group for phase in phases for group in phase.in_place),
    )


# ------------------------------------------------------------------------------------ as a mapping file


def mapping_data(
    cascade: Cascade, phases: Sequence[Phase], tiles: Sequence[Mapping[str, int]], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a mapping file with these phases and tile sizes holds; *about* gives title, source, cascade, absorb."""
    shared: Mapping[str, int] = tiles[0] if tiles and all(sizes == tiles[0] for sizes in tiles) else {}
    schedules = {str(phase.schedule) for phase in phases}
    data: dict[str, Any] = dict(about)
    if shared:
        data["tiles"] = dict(shared)
    nests: list[dict[str, Any]] = []
    for phase, sizes in zip(phases, tiles, strict=True):
        nest: dict[str, Any] = {"name": phase.name} if len(phases) > 1 else {}
        if sizes and not shared:
            nest["tiles"] = dict(sizes)
        nest |= _block_data(phase.block, top=True)
        if phase.spread:
            nest["spread"] = list(phase.spread)
        if len(schedules) > 1:
            nest["schedule"] = phase.schedule
        nests.append(nest)
    data["nests"] = nests
    data["bind"] = _bind_data(cascade, phases)
    offload = {
        f"{einsum}.{operation}": {unit: str(part) for unit, part in parts.items()}
        for phase in phases
        for (einsum, operation), parts in phase.offload.items()
    }
    if offload:
        data["offload"] = offload
    groups = [list(group) for phase in phases for group in phase.in_place]
    if groups:
        data["in_place"] = groups
    if len(schedules) == 1:
        data["schedule"] = phases[0].schedule
    return data


def _block_data(block: Block, top: bool = False) -> dict[str, Any]:
    data: dict[str, Any] = {"for": list(block.loops)} if block.loops or top else {}
    keeps: dict[str, list[Any]] = {}
    for keep in block.keep:
        entry = keep.tensor if keep.buffers == 1 else {"tensor": keep.tensor, "buffers": keep.buffers}
        keeps.setdefault(keep.level, []).append(entry)
    if keeps:
        data["keep"] = keeps
    spatial = {unit: dict(digits) for unit, digits in block.spatial.items() if digits}
    if spatial:
        data["spatial"] = spatial
    data["do"] = [one if isinstance(one, str) else _block_data(one) for one in block.do]
    return data


def _bind_data(cascade: Cascade, phases: Sequence[Phase]) -> dict[str, list[str]]:
    bind: dict[str, list[str]] = {}
    for phase in phases:
        for name in phase.block.einsums:
            todo = operations(cascade, cascade.einsum(name))
            units = {phase.bind[name, number] for number in range(len(todo))}
            if len(units) == 1:
                bind.setdefault(units.pop(), []).append(name)
                continue
            for entry, unit in _one_each(name, todo, phase.bind):
                bind.setdefault(unit, []).append(entry)
    return bind


def _one_each(name: str, todo: Sequence[Operation], bind: Bind) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, operation in enumerate(todo):
        if operation.name not in seen:
            seen.add(operation.name)
            yield f"{name}.{operation.name}", bind[name, number]
