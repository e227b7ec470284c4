"""Who waits for whom: the needs of a stream's next task, each as an iteration of another stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fusemax.language.syntax import Access
from fusemax.machine import Machine
from fusemax.mapping.legality import previous_generation
from fusemax.mapping.nest import Mapped, Nest, Residence
from fusemax.simulate.tile.apart import Apart
from fusemax.simulate.tile.geometry import access_digits, digits_of
from fusemax.simulate.tile.streams import (
    COMPUTE,
    DRAIN,
    FILL,
    Stream,
    depth_of,
    generations,
    shared_loops,
)

LAST, ZERO = -1, -1000  #: of a loop: its last iteration, its first
DATA, SLOT, REUSE, WINDOW = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A task waits until stream ``on`` has finished a certain task.

    Attributes
    ----------
    kind
        DATA: the value; SLOT: a buffer of a tile that is brought in; REUSE: the place of a tile that is made; WINDOW: the
        place of a value that lives in registers.
    source
        For each loop of ``on``: the position of this stream's loop with the same value, LAST, ZERO, or -2 - position for the
        iteration before.
    buffers
        How many tiles, or values, have a place.
    prefix
        REUSE: the loops of the residence, of which the iteration ``buffers`` earlier is meant.
    fresh
        REUSE: positions of loops that must all be at their first iteration, else the place is already this tile's.
    """

    on: int
    kind: int
    source: tuple[int, ...]
    buffers: int = 0
    prefix: int = 0
    fresh: tuple[int, ...] = ()


class Flow:
    """Finds the needs of every stream of a nest. ``window`` values of a tensor in registers may be alive at once."""

    def __init__(
        self, mapped: Mapped, machine: Machine, nest: Nest, streams: Sequence[Stream], window: int,
        apart: Apart | None = None,
    ) -> None:  # fmt: skip
        self.mapped, self.machine, self.nest = mapped, machine, nest
        self.apart = apart or Apart()
        self.streams, self.window = tuple(streams), window
        self.cascade = mapped.cascade
        self.einsums = by_einsum(self.streams)

    def needs(self, number: int) -> tuple[Need, ...]:
        """Return the needs of stream *number*, each once."""
        stream = self.streams[number]
        found = list(self._compute(number) if stream.kind == COMPUTE else self._transfer(number))
        found += self._place_of_others(stream)
        return tuple(dict.fromkeys(need for need in found if need.on != number))

    # --- index maps

    def _source(self, reader: Stream, writer: Stream, carried: frozenset[str]) -> tuple[int, ...]:
        """Return the map onto *writer*'s loops: shared ones and the tensor's own alike, others to their end."""
        shared = shared_loops(self.nest, reader.node, writer.node)
        return tuple(
            position if position < shared else reader.loops.index(loop) if loop in carried and loop in reader.loops
            else LAST
            for position, loop in enumerate(writer.loops)
        )  # fmt: skip

    def _first(self, reader: Stream, other: Stream) -> tuple[int, ...]:
        shared = shared_loops(self.nest, reader.node, other.node)
        return tuple(p if p < shared else ZERO for p in range(len(other.loops)))

    # --- tasks on units

    def _compute(self, number: int) -> Iterator[Need]:
        stream = self.streams[number]
        assert stream.einsum is not None
        einsum = self.mapped.einsum(stream.einsum)
        for other in self.einsums[stream.einsum][stream.part - 1] if stream.part else ():
            yield Need(on=other, kind=DATA, source=tuple(range(len(stream.loops))))
        for access in einsum.reads:
            yield from self._value(stream, access)
        for output in einsum.outputs:
            yield from self._place(number, output.tensor, access_digits(self.nest, output))

    def _value(self, stream: Stream, access: Access) -> Iterator[Need]:
        """Yield what a read of *access* waits for: the tile that is brought in, or whoever makes it."""
        fill = self._fill(access.tensor, stream.node)
        if fill is not None and not self.streams[fill].again:
            yield Need(on=fill, kind=DATA, source=self._prefix(self.streams[fill]))
            return
        yield from self._makers(stream, access)

    def _makers(self, stream: Stream, access: Access) -> Iterator[Need]:
        carried = access_digits(self.nest, access)
        for producer in self.cascade.producers(access.tensor):
            if producer.initial or producer.name not in self.einsums:
                continue
            for maker in self.einsums[producer.name][-1]:
                source = self._source(stream, self.streams[maker], carried)
                if previous_generation(self.mapped, access, producer):
                    for earlier in self._earlier(stream, self.streams[maker], source, access.tensor):
                        yield Need(on=maker, kind=DATA, source=earlier)
                elif self.streams[maker].key < stream.key:
                    yield Need(on=maker, kind=DATA, source=source)

    def _earlier(
        self, stream: Stream, maker: Stream, source: tuple[int, ...], tensor: str
    ) -> Iterator[tuple[int, ...]]:
        """Yield *source* one generation back: in each shared loop over generations the one before, inside it the last."""
        digits = digits_of(self.nest, generations(self.mapped, tensor))
        shared = shared_loops(self.nest, stream.node, maker.node)
        mine = [position for position, loop in enumerate(maker.loops[:shared]) if loop in digits]
        for number, at in enumerate(mine):
            inner = mine[number + 1 :]
            yield tuple(-2 - p if k == at else LAST if k in inner else p for k, p in enumerate(source))

    def _prefix(self, outer: Stream) -> tuple[int, ...]:
        return tuple(range(len(outer.loops)))

    def _fill(self, tensor: str, node: tuple[int, ...], outside: Residence | None = None) -> int | None:
        """Return the stream that brings *tensor* to the innermost place around *node* (further out than *outside*)."""
        found = {
            self._depth(s.residence): number
            for number, s in enumerate(self.streams)
            if s.kind == FILL and s.residence is not None and s.residence.tensor == tensor
            and s.residence.covers(node)
            and (outside is None or self._depth(s.residence) < self._depth(outside))
        }  # fmt: skip
        return found[max(found)] if found else None

    def _depth(self, residence: Residence) -> tuple[int, int]:
        return depth_of(self.machine, residence)

    # --- places

    def _place(self, number: int, tensor: str, carried: frozenset[str]) -> Iterator[Need]:
        """Yield what must be over before a task may write *tensor*."""
        stream = self.streams[number]
        kept = [
            r for r in self.nest.residences if r.tensor == tensor and not r.staged and r.covers(stream.node)
        ]
        if not kept:
            if stream.part == stream.parts - 1:
                yield from self._registers(number, tensor)
            return
        residence = max(kept, key=self._depth)
        fill = self._fill(tensor, stream.node)
        if fill is not None:
            yield Need(on=fill, kind=DATA, source=self._prefix(self.streams[fill]))
            return
        if residence.buffers:
            yield from self._reuse(stream, residence, carried)

    def _registers(self, number: int, tensor: str) -> Iterator[Need]:
        stream = self.streams[number]
        body = stream.body
        assert body is not None
        for reader in self.cascade.readers(tensor):
            if reader.name in body.einsums and reader.name != stream.einsum:
                for access in reader.reads:
                    if access.tensor == tensor and not self._from_before(access):
                        own = tuple(range(len(stream.loops)))
                        for part in self.einsums[reader.name]:
                            for other in part:
                                yield Need(on=other, kind=WINDOW, source=own, buffers=self.window)

    def _from_before(self, access: Access) -> bool:
        return any(
            previous_generation(self.mapped, access, producer)
            for producer in self.cascade.producers(access.tensor)
            if not producer.initial
        )

    def _reuse(self, stream: Stream, residence: Residence, carried: frozenset[str]) -> Iterator[Need]:
        group = next((g for g in self.mapped.in_place if residence.tensor in g), (residence.tensor,))
        own = carried - generations(self.mapped, residence.tensor)
        depth = len(residence.loops)
        fresh = tuple(p for p, loop in enumerate(stream.loops) if p >= depth and loop not in own)
        for number, other in enumerate(self.streams):
            if not self._uses(other, residence, group):
                continue
            source = tuple(
                p if p < depth
                else stream.loops.index(loop) if loop in own and loop in stream.loops
                else LAST
                for p, loop in enumerate(other.loops)
            )  # fmt: skip
            yield Need(
                on=number, kind=REUSE, source=source, buffers=residence.buffers, prefix=depth, fresh=fresh
            )

    def _uses(self, stream: Stream, residence: Residence, group: Sequence[str]) -> bool:
        """Return whether *stream* takes from the place of *residence* (or what shares it) inside it."""
        if stream.kind == DRAIN:
            return stream.residence == residence
        if not residence.covers(stream.node):
            return False
        if stream.residence is None:
            return stream.kind == COMPUTE and self._reads(stream, group)
        if stream.residence.tensor == residence.tensor:
            return self._depth(stream.residence) > self._depth(residence)
        return stream.residence.tensor in group

    def _reads(self, stream: Stream, tensors: Sequence[str]) -> bool:
        assert stream.einsum is not None
        return any(access.tensor in tensors for access in self.mapped.einsum(stream.einsum).reads)

    def _place_of_others(self, stream: Stream) -> Iterator[Need]:
        """Yield what must be over before *stream* may fill a place in which tiles of another node are before it."""
        for mine in self._begun_by(stream):
            for other in self.apart.of(mine):
                inside = [n for n, s in enumerate(self.streams) if other.covers(s.node) and s.kind == COMPUTE]
                last = max(inside, key=lambda n: self.streams[n].key)
                stores = [n for n, s in enumerate(self.streams) if s.kind == DRAIN and s.residence == other]
                for number in (last, *stores):
                    for source in self._before(stream, self.streams[number]):
                        yield Need(on=number, kind=DATA, source=source)

    def _begun_by(self, stream: Stream) -> Iterator[Residence]:
        """Yield the places that tasks of *stream* begin to fill: by a transfer, or with what they make."""
        if stream.kind == FILL and stream.residence is not None:
            yield stream.residence
        for residence in self.nest.residences if stream.kind == COMPUTE else ():
            if residence.covers(stream.node) and self._writes(stream, residence.tensor):
                yield residence

    def _before(self, reader: Stream, other: Stream) -> Iterator[tuple[int, ...]]:
        """Yield the maps from *reader* to the last task of *other*, in another node, that comes before it."""
        shared = shared_loops(self.nest, reader.node, other.node)
        rest = (LAST,) * (len(other.loops) - shared)
        if other.key < reader.key:
            yield (*range(shared), *rest)
            return
        for at in range(shared):
            yield (*range(at), -2 - at, *(LAST,) * (shared - at - 1), *rest)

    # --- transfers

    def _transfer(self, number: int) -> Iterator[Need]:
        stream = self.streams[number]
        residence = stream.residence
        assert residence is not None
        if stream.kind == DRAIN:
            for other, s in enumerate(self.streams):
                if s.kind == COMPUTE and residence.covers(s.node) and self._writes(s, residence.tensor):
                    source = tuple(p if p < len(residence.loops) else LAST for p in range(len(s.loops)))
                    yield Need(on=other, kind=DATA, source=source)
                if s.kind == DRAIN and s.residence is not None and s.residence.tensor == residence.tensor:
                    inside = self._depth(s.residence) > self._depth(residence)
                    if inside and residence.covers(s.node):
                        source = tuple(p if p < len(residence.loops) else LAST for p in range(len(s.loops)))
                        yield Need(on=other, kind=DATA, source=source)
            return
        if stream.again:
            outer = self._fill(residence.tensor, residence.node, outside=residence)
            if outer is not None:
                yield Need(on=outer, kind=DATA, source=self._prefix(self.streams[outer]))
            drain = next(
                n for n, s in enumerate(self.streams) if s.kind == DRAIN and s.residence == residence
            )
            yield Need(on=drain, kind=WINDOW, source=self._prefix(stream), buffers=max(residence.buffers, 1))
            return
        yield from self._arrived(stream, residence)
        group = next((g for g in self.mapped.in_place if residence.tensor in g), (residence.tensor,))
        if residence.buffers:
            for other, s in enumerate(self.streams):
                if other != number and self._uses(s, residence, group):
                    yield Need(on=other, kind=SLOT, source=self._first(stream, s), buffers=residence.buffers)

    def _arrived(self, stream: Stream, residence: Residence) -> Iterator[Need]:
        outer = self._fill(residence.tensor, residence.node, outside=residence)
        if outer is not None:
            yield Need(on=outer, kind=DATA, source=self._prefix(self.streams[outer]))
            return
        carried = frozenset(stream.own)
        for producer in self.cascade.producers(residence.tensor):
            if not producer.initial and producer.name in self.einsums:
                for maker in self.einsums[producer.name][-1]:
                    if self.streams[maker].key < stream.key:
                        source = self._source(stream, self.streams[maker], carried)
                        yield Need(on=maker, kind=DATA, source=source)

    def _writes(self, stream: Stream, tensor: str) -> bool:
        assert stream.einsum is not None
        return any(output.tensor == tensor for output in self.mapped.einsum(stream.einsum).outputs)


def by_einsum(streams: tuple[Stream, ...]) -> Mapping[str, list[list[int]]]:
    """Return, for each Einsum and each of its parts, the numbers of the streams that do it."""
    found: dict[str, list[list[int]]] = {}
    for number, stream in enumerate(streams):
        if stream.einsum is not None:
            parts = found.setdefault(stream.einsum, [[] for _ in range(stream.parts)])
            parts[stream.part].append(number)
    return found
