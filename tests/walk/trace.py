"""What a nest does, in order: for each iteration of each body, the elements that it takes and gives, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fusemax.cascade.ir import Einsum
from fusemax.language.syntax import names
from fusemax.mapping.nest import Body, Mapped, Nest, Residence
from tests.walk.space import Element, Setting, Space


@dataclass(frozen=True)
class Step:
    """One iteration of one body: its loops, and per tensor what is taken from and given to the memories.

    ``again`` holds the partial sums that are taken back to be added to.
    """

    body: Body
    setting: Setting
    taken: Mapping[str, frozenset[Element]]
    given: Mapping[str, frozenset[Element]]
    again: Mapping[str, frozenset[Element]]


class Trace:
    """The iterations of one nest. ``wanted_later`` names, by nest, the tensors that later nests read."""

    def __init__(self, mapped: Mapped, nest: Nest, space: Space) -> None:
        self.mapped, self.nest, self.space = mapped, nest, space
        self.cascade = mapped.cascade
        self.body_of = {name: body for n in mapped.nests for body in n.bodies for name in body.einsums}
        self._written: set[tuple[str, Element, tuple[int, ...]]] = set()
        self.all_steps: list[Step] = []
        self._tiles: dict[tuple[Residence, tuple[tuple[str, int], ...]], frozenset[Element]] = {}
        self._made: dict[str, set[Element]] = {}
        self._outside: dict[tuple[str, tuple[int, ...]], set[Element]] = {}

    def steps(self) -> list[Step]:
        """Return every iteration in the order in which one core would do them."""
        self.all_steps = list(self._inside((self.nest.bodies[0].node[0],), 0, {}))
        return self.all_steps

    def _inside(self, node: tuple[int, ...], depth: int, around: Setting) -> Iterator[Step]:
        bodies = [body for body in self.nest.bodies if body.node[: len(node)] == node]
        loops = bodies[0].opened[depth]
        children = list(dict.fromkeys(b.node[: len(node) + 1] for b in bodies if len(b.node) > len(node)))
        for setting in self.space.settings(loops, around, self._down(bodies)):
            if not children:
                yield from self._step(bodies[0], setting)
            for child in children:
                yield from self._inside(child, depth + 1, setting)

    def _down(self, bodies: Iterable[Body]) -> set[str]:
        """Return the roots of the loops of the cascade around what *bodies* do that run from the last generation down."""
        made = [o.tensor for b in bodies for name in b.einsums for o in self.mapped.einsum(name).outputs]
        ranks = [rank for tensor in made for rank in self.cascade.tensors[tensor].descending]
        return {root.name for root in self.space.roots_of([rank.lower() for rank in ranks])}

    def _step(self, body: Body, setting: Setting) -> Iterator[Step]:
        einsums = [self.mapped.einsum(name) for name in body.einsums]
        masked = [einsum for einsum in einsums if einsum.conditions]
        if masked and not any(self.space.satisfied(einsum, setting) for einsum in masked):
            return
        made: dict[str, set[Element]] = {}
        taken: dict[str, set[Element]] = {}
        given: dict[str, set[Element]] = {}
        again: dict[str, set[Element]] = {}
        for einsum in einsums:
            for access in einsum.reads:
                fresh = self.space.elements(access, setting) - made.get(access.tensor, set())
                taken.setdefault(access.tensor, set()).update(fresh)
            for output in einsum.outputs:
                elements = self.space.elements(output, setting)
                made.setdefault(output.tensor, set()).update(elements)
                if self._leaves(output.tensor, body):
                    given.setdefault(output.tensor, set()).update(elements)
                    partial = self._seen_before(einsum, output.tensor, elements, body, setting)
                    again.setdefault(output.tensor, set()).update(partial)
        taken = {tensor: set(self.space.apart(tensor, frozenset(found))) for tensor, found in taken.items()}
        yield Step(
            body,
            setting,
            *({t: frozenset(e) for t, e in found.items() if e} for found in (taken, given, again)),
        )

    def is_set(self, tensor: str, element: Element) -> bool:
        """Return whether *element* is the value before the first iteration, which is set where it is kept at no cost."""
        generation = self.generation(tensor)
        return (
            generation is not None
            and element[generation] == self._ends(tensor)[0]
            and any(e.initial for e in self.cascade.producers(tensor))
        )

    def comes_from_outside(self, tensor: str, element: Element, place: Residence) -> bool:
        """Return whether *element*, which *place* does not hold, is brought in: not so values that are set where they are
        kept, nor those that a mask leaves out of what is made there (a tile is read whole, with such holes)."""
        if self.is_set(tensor, element):
            return False
        makers = [self.body_of[e.name] for e in self.cascade.producers(tensor) if e.name in self.body_of]
        if not makers or not all(place.covers(body.node) for body in makers):
            return True
        if tensor not in self._made:
            self._made[tensor] = set().union(*(s.given.get(tensor, frozenset()) for s in self.all_steps))
        return element in self._made[tensor]

    def is_last(self, tensor: str, element: Element) -> bool:
        """Return whether *element* is of the last generation of *tensor*."""
        generation = self.generation(tensor)
        return generation is not None and element[generation] == self._ends(tensor)[1]

    def _ends(self, tensor: str) -> tuple[int, int]:
        """Return the generation that is set and the last one that is made."""
        described = self.cascade.tensors[tensor]
        assert described.generation is not None
        ends = (0, self.space.sizes[described.generation])
        return (ends[1], ends[0]) if described.generation in described.descending else ends

    def generation(self, tensor: str) -> int | None:
        """Return which coordinate of *tensor* tells its generations apart."""
        described = self.cascade.tensors[tensor]
        return None if described.generation is None else described.ranks.index(described.generation)

    def taken_outside(self, tensor: str, place: Residence) -> set[Element]:
        """Return the elements that bodies outside *place* take."""
        key = (tensor, place.node)
        if key not in self._outside:
            taken = [
                s.taken.get(tensor, frozenset()) for s in self.all_steps if not place.covers(s.body.node)
            ]
            later = [n for n in self.mapped.nests if n is not self.nest]
            readers = [(n, e) for n in later for b in n.bodies for e in b.einsums]
            accesses = [a for _, e in readers for a in self.mapped.einsum(e).reads if a.tensor == tensor]
            self._outside[key] = set().union(*taken, *(self.space.elements(a, {}) for a in accesses))
        return self._outside[key]

    def tile(self, place: Residence, setting: Setting) -> frozenset[Element]:
        """Return the tile of *place* inside its loops: all that any Einsum inside names, whether a mask leaves it or not."""
        key = (place, tuple(setting.items()))
        if key not in self._tiles:
            inside = [n for body in self.nest.bodies if place.covers(body.node) for n in body.einsums]
            accesses = [a for n in inside for e in (self.mapped.einsum(n),) for a in (*e.reads, *e.outputs)]
            mine = [access for access in accesses if access.tensor == place.tensor]
            elements = frozenset(e for access in mine for e in self.space.elements(access, setting))
            elements = self.space.apart(place.tensor, elements)
            self._tiles[key] = frozenset(self.place(place, element) for element in elements)
        return self._tiles[key]

    def place(self, place: Residence, element: Element) -> Element:
        """Return where *element* is stored in *place*: generations of a running value take each other's place where made.

        Where they are only read they are elements like others.
        """
        generation = self.generation(place.tensor)
        if generation is None or not self._is_made_in(place):
            return element
        return (*element[:generation], *element[generation + 1 :])

    def _is_made_in(self, place: Residence) -> bool:
        makers = [e.name for e in self.cascade.producers(place.tensor) if not e.initial]
        return any(place.covers(self.body_of[name].node) for name in makers if name in self.body_of)

    def loops_of_windows(self, tensor: str) -> frozenset[str]:
        """Return the digits that move a window over *tensor* (``K[e,p+w]``: those of p and of w; of ``n1*N0+u`` n1 alone)."""
        found: set[str] = set()
        for access in (a for e in self.cascade.computed for a in e.reads if a.tensor == tensor):
            for index in access.indices:
                used = [name for name in names(index) if name[0].islower()]
                if len(self.space.roots_of(used)) > 1:
                    found |= self.nest.digits_of(used)
        return frozenset(found)

    def _leaves(self, tensor: str, body: Body) -> bool:
        """Return whether somebody else needs what *body* makes: another body, the next generation, the user."""
        if tensor in self.cascade.outputs:
            return True
        readers = self.cascade.readers(tensor)
        if any(reader.initial for reader in readers):  # what sets a running value stands in no body
            return True
        if any(self.body_of[r.name] is not body for r in readers if not r.initial and r.name in self.body_of):
            return True
        return any(self._of_next_generation(reader, tensor) for reader in readers)

    def _of_next_generation(self, reader: Einsum, tensor: str) -> bool:
        described = self.cascade.tensors[tensor]
        return any(access.tensor == tensor and described.is_earlier(access) for access in reader.reads)

    def _seen_before(
        self, einsum: Einsum, tensor: str, elements: frozenset[Element], body: Body, setting: Setting
    ) -> set[Element]:
        """Return those of *elements* that hold a partial sum of this round of the loops outside the reduction."""
        mine = set(einsum.variables)
        foreign = tuple(
            setting[loop]
            for loop in body.loops
            if loop not in mine and (r := self.space.root_of(loop)) is not None and r.name not in mine
        )
        reduces = any(
            root.name in {r.name for r in self.space.roots_of(einsum.reduced)}
            for root in self.space.roots_of(body.loops)
        )
        found: set[Element] = set()
        for element in elements:
            key = (tensor, element, foreign)
            if reduces and key in self._written:
                found.add(element)
            self._written.add(key)
        return found
