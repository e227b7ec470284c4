"""A nest as streams: each Einsum on each unit, each tile that is brought in or out, is a stream of tasks in loop order.

Words follow from walking the loops (docs/simulate.md): a body takes each operand from the innermost level that keeps it, once
per iteration; a kept tile moves when the loops come to another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fusemax.analysis.work import Operation, operations
from fusemax.cascade.ir import Einsum, is_variable
from fusemax.language.syntax import Access, Expression, names
from fusemax.language.value import finite_value_of
from fusemax.machine import Machine
from fusemax.mapping.legality import previous_generation
from fusemax.mapping.nest import Body, Mapped, Nest, Residence
from fusemax.mapping.units import lowered, taken_parts
from fusemax.simulate.tile.geometry import (
    access_digits,
    digits_of,
    generation_digits,
    is_window,
    produced_inside,
    residence_digits,
)
from fusemax.simulate.tile.parts import parted

Part = tuple[str | None, tuple[tuple[Operation, float], ...]]
COMPUTE, FILL, DRAIN = 0, 1, 2
LAST_CHILD = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words of one tensor that a task moves at a level: those of ``digits`` (without the loops' own).

    ``serves`` is the inner level whose tiles they are. ``again`` says that they move only when the value was there before:
    partial sums that are read back. Where ``accesses`` are given, the words are what these mean together, without what those
    in ``apart`` mean, which is there already.
    """

    tensor: str
    level: str
    kind: str
    digits: frozenset[str]
    serves: str | None = None
    again: bool = False
    accesses: tuple[Access, ...] = ()
    apart: tuple[Access, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One stream of tasks: one for each iteration of ``loops``, in order.

    Attributes
    ----------
    node
        The node of the tree of nests that it belongs to, ``key`` its place in the order of one iteration.
    work
        For a compute stream: its operations, and the part of each that this unit does.
    own
        The loops of a transfer that name another tile.
    anew
        The loops inside which a value begins anew: those that name another one, and those that its Einsum does not have.
    again
        Whether the first visit of a value differs: a transfer that only brings it back, or a task that reads partial sums.
    returns, last
        Whether a transfer takes out only what comes back later, or what does not.
    """

    name: str
    kind: int
    node: tuple[int, ...]
    key: tuple[int, ...]
    loops: tuple[str, ...]
    unit: str | None = None
    body: Body | None = None
    einsum: str | None = None
    part: int = 0
    parts: int = 1
    work: tuple[tuple[Operation, float], ...] = ()
    residence: Residence | None = None
    words: tuple[Words, ...] = ()
    own: frozenset[str] = frozenset()
    anew: frozenset[str] = frozenset()
    again: bool = False
    returns: bool = False
    last: bool = False


def streams_of(
    mapped: Mapped, machine: Machine, nest: Nest, known: Mapping[str, float]
) -> tuple[Stream, ...]:
    """Return every stream of *nest* in the order in which one iteration walks them; *known* are figures and sizes."""
    reader = _Reader(mapped, machine, nest, known)
    found = [s for body in nest.bodies for s in reader.compute(body)]
    found += [s for residence in nest.residences for s in reader.transfers(residence)]
    return tuple(sorted(found, key=lambda s: s.key))


class _Reader:
    def __init__(self, mapped: Mapped, machine: Machine, nest: Nest, known: Mapping[str, float]) -> None:
        self.mapped, self.machine, self.nest, self.known = mapped, machine, nest, known
        self.cascade = mapped.cascade

    # --- tasks on units

    def compute(self, body: Body) -> Iterator[Stream]:
        first_read: set[tuple[str, object]] = {
            (o.tensor, o.indices) for name in body.einsums for o in self.mapped.einsum(name).outputs
        }
        there: list[Access] = []
        for number, name in enumerate(body.einsums):
            einsum = self.mapped.einsum(name)
            parts = self._parts(name)
            fetched = [a for a in einsum.reads if (a.tensor, a.indices) not in first_read]
            first_read |= {(a.tensor, a.indices) for a in fetched}
            taken: list[Words] = []
            for access in dict.fromkeys(fetched):
                taken.append(self._read(body, access, there))
                there.append(access)
            there += einsum.outputs
            written = tuple(self._written(body, einsum))
            several = sum(len(part) for part in parts) > 1
            for part, beside in enumerate(parts):
                for order, (unit, work) in enumerate(beside):
                    words = list(taken) if part == order == 0 else []
                    words += written if part == len(parts) - 1 and order == 0 else ()
                    yield Stream(
                        name=f"{name} {work[0][0].name}" if several else name, kind=COMPUTE, node=body.node,
                        key=(*body.node, 0, number, part, order), loops=body.loops, unit=unit, body=body, einsum=name,
                        part=part, parts=len(parts), work=work, words=tuple(words), anew=self._anew(body, einsum),
                        again=any(w.again for w in words),
                    )  # fmt: skip

    def _parts(self, name: str) -> list[tuple[Part, ...]]:
        """Return what the Einsum does, step by step; units that share one operation stand side by side in a step."""
        parts: list[tuple[Part, ...]] = []
        when = self.mapped.when.get(name)
        often = 1.0 if when is None else finite_value_of(when, self.known)
        for index, whole in enumerate(operations(self.cascade, self.mapped.einsum(name))):
            unit = self.mapped.bind[name, index]
            for operation in lowered(self.machine, unit, whole, taken_parts(self.mapped.offload, name)):
                shared = {
                    other: finite_value_of(share, self.known)
                    for other, share in self.mapped.offload.get((name, operation.name), {}).items()
                }
                rest = 1.0 - sum(shared.values())
                beside = tuple(
                    (u, ((operation, s * often),)) for u, s in ((unit, rest), *shared.items()) if s > 1e-12
                )
                alone = len(beside) == 1 and parts and len(parts[-1]) == 1
                if alone and parts[-1][0][0] == beside[0][0]:
                    parts[-1] = ((beside[0][0], (*parts[-1][0][1], *beside[0][1])),)
                else:
                    parts.append(beside)
        return parts or [((None, ()),)]

    def _output_digits(self, einsum: Einsum) -> frozenset[str]:
        return frozenset(d for output in einsum.outputs for d in access_digits(self.nest, output))

    def _anew(self, body: Body, einsum: Einsum) -> frozenset[str]:
        """Return the loops inside which the sums of *einsum* begin anew: its value's own, and those that it does not have."""
        foreign = set(body.loops) - digits_of(self.nest, einsum.variables)
        return self._output_digits(einsum) | foreign

    def _read(self, body: Body, access: Access, there: Sequence[Access]) -> Words:
        """Return the words of a read of *access* where the body has those in *there* already."""
        level = self.home(access.tensor, body.node)
        apart = tuple(a for a in there if self._same_generation(a, access))
        window = any(is_window(self.nest, index) for index in access.indices)
        window = window or bool(parted(self.mapped, self.nest, access))
        return Words(
            tensor=access.tensor, level=level, kind="read", digits=access_digits(self.nest, access),
            accesses=(access,) if apart or window else (), apart=apart,
        )  # fmt: skip

    def _same_generation(self, one: Access, other: Access) -> bool:
        tensor = self.cascade.tensors[one.tensor]
        if one.tensor != other.tensor or tensor.generation is None:
            return one.tensor == other.tensor
        at = tensor.ranks.index(tensor.generation)
        return one.indices[at] == other.indices[at]

    def _written(self, body: Body, einsum: Einsum) -> Iterator[Words]:
        summed = digits_of(self.nest, einsum.reduced)
        open_outside = any(loop in summed for loop in body.loops)
        for output in einsum.outputs:
            if self._leaves(output.tensor, body, einsum):
                level, digits = (
                    self.home(output.tensor, body.node),
                    access_digits(self.nest, output),
                )
                yield Words(tensor=output.tensor, level=level, kind="write", digits=digits)
                if open_outside:
                    yield Words(tensor=output.tensor, level=level, kind="read", digits=digits, again=True)

    def _leaves(self, tensor: str, body: Body, einsum: Einsum) -> bool:
        """Return whether *tensor* is wanted outside *body*, or by its next iteration as an earlier generation."""
        if tensor in self.cascade.outputs:
            return True
        for reader in self.cascade.readers(tensor):
            if reader.name not in body.einsums:
                return True
            mine = [access for access in reader.reads if access.tensor == tensor]
            if any(previous_generation(self.mapped, access, einsum) for access in mine):
                return True
        return False

    # --- where tensors are

    def around(self, tensor: str, node: tuple[int, ...]) -> list[Residence]:
        """Return the places that keep *tensor* around *node*, outermost first."""
        found = [r for r in self.nest.residences if r.tensor == tensor and not r.staged and r.covers(node)]
        return sorted(found, key=lambda r: depth_of(self.machine, r))

    def home(self, tensor: str, node: tuple[int, ...]) -> str:
        """Return the level from which a body at *node* takes *tensor*."""
        found = self.around(tensor, node)
        return found[-1].level if found else self.machine.outermost

    # --- tiles that move

    def transfers(self, residence: Residence) -> Iterator[Stream]:
        if residence.staged or residence.level == self.machine.outermost:
            return
        chain = self.around(residence.tensor, residence.node)
        position = chain.index(residence)
        outside = chain[position - 1].level if position else self.machine.outermost
        if not produced_inside(self.mapped, self.nest, residence):
            yield self._filled(residence, outside)
            return
        wanted, returning = self._wanted_outside(residence), self._returning(residence)
        if returning:
            yield self._brought_back(residence, outside, returning)
        if wanted or returning:
            yield self._drained(residence, outside, returning if not wanted else frozenset())

    def _filled(self, residence: Residence, outside: str) -> Stream:
        """Return the stream of tiles that are made elsewhere: the union of what is read of them inside."""
        reads = tuple(dict.fromkeys(a for a in self._accesses(residence) if a.tensor == residence.tensor))
        carried = residence_digits(self.mapped, self.nest, residence)
        loops = frozenset(residence.loops)
        stream = self._transfer(residence, outside, FILL, carried - loops, carried & loops)
        generations = self._generations(residence.tensor)
        words: list[Words] = []
        for mine, is_set in (
            self._by_generation(residence, reads) if generations <= loops else [(reads, False)]
        ):
            union = len(mine) > 1 or any(is_window(self.nest, i) for a in mine for i in a.indices)
            union = union or any(parted(self.mapped, self.nest, access) for access in mine)
            words += (replace(w, accesses=mine if union else (), again=is_set) for w in stream.words)
        first = any(entry.again for entry in words)
        return replace(stream, words=tuple(words), anew=loops - generations if first else stream.anew)

    def _by_generation(
        self, residence: Residence, reads: Sequence[Access]
    ) -> list[tuple[tuple[Access, ...], bool]]:
        """Return *reads* by generation, and whether it is the earlier one, of which the first is set and never comes."""
        tensor = self.cascade.tensors[residence.tensor]
        if tensor.generation is None:
            return [(tuple(reads), False)]
        at = tensor.ranks.index(tensor.generation)
        initial = any(einsum.initial for einsum in self.cascade.producers(residence.tensor))
        found: dict[Expression, list[Access]] = {}
        for access in reads:
            found.setdefault(access.indices[at], []).append(access)
        return [(tuple(mine), initial and tensor.is_earlier(mine[0])) for mine in found.values()]

    def _brought_back(self, residence: Residence, outside: str, returning: frozenset[str]) -> Stream:
        """Return the stream of tiles that come back: with partial sums, or with an earlier generation."""
        digits = self._made_digits(residence)
        own = digits & set(residence.loops)
        stream = self._transfer(residence, outside, FILL, digits - set(residence.loops), own)
        return replace(stream, again=True, anew=frozenset(residence.loops) - returning)

    def _drained(self, residence: Residence, outside: str, returning: frozenset[str]) -> Stream:
        """Return the stream of tiles that leave; only those that come back in the loops *returning*, if there are any."""
        digits = self._made_digits(residence)
        own = digits & set(residence.loops)
        if self._read_by_generation(residence):
            generations = self._generations(residence.tensor)
            own |= generations & set(residence.loops)
            digits |= generations  # those that no loop around it tells apart leave together
        stream = self._transfer(residence, outside, DRAIN, digits - set(residence.loops), own)
        last = self._leaves_last(residence)
        goes_on = self._generations(residence.tensor) if last else returning
        return replace(stream, returns=bool(returning), last=last, anew=frozenset(residence.loops) - goes_on)

    def _transfer(
        self, residence: Residence, outside: str, kind: int, digits: frozenset[str], own: frozenset[str],
        accesses: tuple[Access, ...] = (),
    ) -> Stream:  # fmt: skip
        names = ("read", "fill") if kind == FILL else ("write", "drain")
        tensor, level = residence.tensor, residence.level
        words = (
            Words(
                tensor=tensor, level=outside, kind=names[0], digits=digits, serves=level, accesses=accesses
            ),
            Words(tensor=tensor, level=level, kind=names[1], digits=digits, accesses=accesses),
        )
        end = -1 if kind == FILL else LAST_CHILD
        _, inward = depth_of(self.machine, residence)
        order = inward if kind == FILL else -inward  # from the outside in, and from the inside out
        place = (*residence.node, end, order, list(self.nest.residences).index(residence))
        near = level in self.machine.level_names[:2]
        name = f"load {tensor}" if kind == FILL else f"store {tensor}"
        name += "" if near else f" to {level}" if kind == FILL else f" from {level}"
        return Stream(
            name=name, kind=kind, node=residence.node, key=place, loops=residence.loops, residence=residence, words=words,
            own=own,
        )  # fmt: skip

    def _accesses(self, residence: Residence) -> Iterator[Access]:
        for body in self.nest.bodies:
            for name in body.einsums if residence.covers(body.node) else ():
                yield from self.mapped.einsum(name).reads

    def _makers(self, residence: Residence) -> list[Einsum]:
        """Return the Einsums inside *residence* that make its tensor."""
        here = [n for body in self.nest.bodies if residence.covers(body.node) for n in body.einsums]
        einsums = [self.mapped.einsum(name) for name in here]
        return [e for e in einsums if any(o.tensor == residence.tensor for o in e.outputs)]

    def _made_digits(self, residence: Residence) -> frozenset[str]:
        """Return the digits of what is made inside of the kept tensor, without those of its generations."""
        outputs = [o for e in self._makers(residence) for o in e.outputs if o.tensor == residence.tensor]
        digits = frozenset(d for output in outputs for d in access_digits(self.nest, output))
        return digits - self._generations(residence.tensor)

    def _generations(self, tensor: str) -> frozenset[str]:
        return digits_of(self.nest, generations(self.mapped, tensor))

    def _returning(self, residence: Residence) -> frozenset[str]:
        """Return the loops around *residence* over which its tiles come back: of open sums, and of generations."""
        loops: set[str] = set()
        for maker in self._makers(residence):
            loops |= digits_of(self.nest, maker.reduced)
        if self._goes_on(residence):
            loops |= self._generations(residence.tensor)
        return frozenset(residence.loops) & loops

    def _goes_on(self, residence: Residence) -> bool:
        """Return whether somebody inside reads an earlier generation of the kept tensor, from which the next one is made."""
        tensor = self.cascade.tensors[residence.tensor]
        mine = [access for access in self._accesses(residence) if access.tensor == residence.tensor]
        return any(tensor.is_earlier(access, rank) for access in mine for rank in tensor.generations)

    def _leaves_last(self, residence: Residence) -> bool:
        """Return whether of all generations in the loops around the place the last one alone is wanted, and leaves."""
        inside = bool(self._generations(residence.tensor) & set(residence.loops))
        wanted = residence.tensor in self.cascade.outputs or self._read_by_generation(residence)
        return inside and not wanted and not self._returning(residence)

    def _outside_readers(self, residence: Residence) -> Iterator[Access]:
        """Yield what is read of the kept tensor outside of the place."""
        here = {name for body in self.nest.bodies if residence.covers(body.node) for name in body.einsums}
        for reader in self.cascade.readers(residence.tensor):
            if reader.name not in here:
                yield from (a for a in reader.reads if a.tensor == residence.tensor)

    def _wanted_outside(self, residence: Residence) -> bool:
        if residence.tensor in self.cascade.outputs:
            return True
        return next(self._outside_readers(residence), None) is not None

    def _read_by_generation(self, residence: Residence) -> bool:
        """Return whether somebody outside reads each generation of the kept tensor, not only the last."""
        rank = self.cascade.tensors[residence.tensor].generation
        if rank is None:
            return False
        at = self.cascade.tensors[residence.tensor].ranks.index(rank)
        return any(
            any(map(is_variable, names(access.indices[at]))) for access in self._outside_readers(residence)
        )


def depth_of(machine: Machine, residence: Residence) -> tuple[int, int]:
    """Return how far inside *residence* is: deeper nodes first, then levels from the outermost one to the units."""
    return len(residence.node), machine.places.index(residence.level)


def shared_loops(nest: Nest, one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Return how many loops two nodes of the tree run inside together."""
    depth = 0
    while depth < min(len(one), len(other)) and one[depth] == other[depth]:
        depth += 1
    for body in nest.bodies:
        if body.node[:depth] == one[:depth]:
            return sum(len(opened) for opened in body.opened[:depth])
    return 0


def generations(mapped: Mapped, tensor: str) -> frozenset[str]:
    """Return the digit that counts the generations of *tensor*, if any."""
    return generation_digits(mapped.cascade, tensor)
