"""The loops of a mapping walked one by one, and the words that every step moves: counted from the definition.

Nothing here is a formula: the values that a tile covers are found among all values of its rank, and a level that keeps a tile
remembers which one it holds. This is a second opinion on the cost model's counts, so it must not use them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fusemax.cascade.ir import Einsum, is_variable
from fusemax.language.syntax import Access, names
from fusemax.machine import Machine
from fusemax.mapping.legality import previous_generation
from fusemax.mapping.nest import Body, Mapped, Nest, Residence, Root
from fusemax.simulate.pe.band import Band

Place = Mapping[str, int]  #: the loops that are open, and where each of them is
Touched = dict[str, set[int]]  #: values of ranks
BANDED = ("m", "p")  #: the ranks that a band ties


class Space:
    """The values of one root, each with its digits."""

    def __init__(self, root: Root, size: int, digit_sizes: Mapping[str, int]) -> None:
        self.root, self.size = root, size
        values = np.arange(size)
        self.digits: dict[str, NDArray[np.int64]] = {}
        inner = 1
        for digit in reversed(root.digits):
            here = values // inner
            self.digits[digit.name] = here if digit.rule is None else here % digit_sizes[digit.name]
            inner *= digit_sizes.get(digit.name, 1)
        self._found: dict[tuple, NDArray[np.int64]] = {}
        self._counted: dict[tuple, int] = {}

    def values(self, place: Place) -> NDArray[np.int64]:
        """Return the values that agree with the open loops."""
        fixed = tuple((digit, place[digit]) for digit in self.digits if digit in place)
        if fixed not in self._found:
            agrees = np.ones(self.size, bool)
            for digit, at in fixed:
                agrees &= self.digits[digit] == at
            self._found[fixed] = np.flatnonzero(agrees)
        return self._found[fixed]

    def count(self, mine: frozenset[str], place: Place) -> int:
        """Return how many different combinations of the digits *mine* agree with the open loops."""
        chosen = [digit for digit in self.digits if digit in mine]
        key = (tuple(chosen), tuple((digit, place[digit]) for digit in self.digits if digit in place))
        if key not in self._counted:
            rows = (
                np.stack([self.digits[d][self.values(place)] for d in chosen]) if chosen else np.zeros((0, 1))
            )
            self._counted[key] = np.unique(rows, axis=1).shape[1] if chosen else 1
        return self._counted[key]

    def positions(self, digit: str, place: Place) -> list[int]:
        """Return the iterations of the loop over *digit* inside the open loops."""
        return np.unique(self.digits[digit][self.values(place)]).tolist()


@dataclass(frozen=True, slots=True)
class Moved:
    """Words moved at once: of which tensor, at which level, in which direction (read, write, fill, drain)."""

    level: str
    kind: str
    tensor: str
    words: int


@dataclass(frozen=True, slots=True)
class Visit:
    """One execution of a body: where the loops are, what it moved itself, and what was loaded or stored just before it.

    ``loads`` names the tensors among ``before`` with the number of buffers that they have.
    """

    body: Body
    place: Place
    moved: tuple[Moved, ...]
    before: tuple[Moved, ...]
    loads: tuple[tuple[str, int], ...] = ()


@dataclass
class _Kept:
    """What one residence holds, stay by stay."""

    residence: Residence
    digits: frozenset[str]
    outside: str
    written_inside: bool
    wanted_outside: bool
    users: frozenset[str]
    stays: dict[int, _Stay] = field(default_factory=dict)
    now: _Stay | None = None


@dataclass
class _Stay:
    """A tile in its place, from the visit with which it comes.

    ``touched`` holds, for each rank under a condition, which of its values the visits use; ``earlier`` and ``later`` those of
    stays of the same tile before and after, None when there are none.
    """

    place: Place
    touched: Touched = field(default_factory=dict)
    earlier: Touched | None = None
    later: Touched | None = None


class Walk:
    """The walk through one nest; under a *band* bodies are passed over where they have no point of it."""

    def __init__(
        self,
        mapped: Mapped,
        machine: Machine,
        nest: Nest,
        sizes: Mapping[str, int],
        digit_sizes: Mapping[str, int],
        band: Band | None = None,
    ) -> None:
        self.mapped, self.machine, self.nest, self.band = mapped, machine, nest, band
        self.spaces = {
            name: Space(root, sizes[root.size_name], digit_sizes)
            for name, root in nest.roots.items()
            if self._is_used(root)
        }
        order = machine.places
        kept = [r for r in nest.residences if not r.staged and r.level != machine.outermost]
        self.kept = [self._kept(r) for r in sorted(kept, key=lambda r: (len(r.node), order.index(r.level)))]
        self._seen: dict[tuple[str, str], set[tuple]] = {}

    def _is_used(self, root: Root) -> bool:
        """Return whether an Einsum of the nest runs over *root*; a size that only conditions name is none to walk."""
        names_of = {root.name, *(digit.name for digit in root.digits)}
        einsums = (self.mapped.einsum(name) for body in self.nest.bodies for name in body.einsums)
        return any(names_of & set(einsum.variables) for einsum in einsums)

    def visits(self) -> Iterator[Visit]:
        """Yield the executions of all bodies in order; the last has no body: what is stored at the end."""
        done = [
            (body, place) for body, place in self._node(0, self.nest.bodies, {}) if self._is_done(body, place)
        ]
        for kept in self.kept:
            self._plan(kept, done)
        for number, (body, place) in enumerate(done):
            before: list[Moved] = []
            loads: list[tuple[str, int]] = []
            for kept in self.kept:
                if number in kept.stays:
                    self._leave(kept, before)
                    kept.now = kept.stays[number]
                    self._enter(kept, before, loads)
            yield Visit(body, place, tuple(self._own(body, place)), tuple(before), tuple(loads))
        rest: list[Moved] = []
        for kept in reversed(self.kept):
            self._leave(kept, rest)
        end = Body(node=(), opened=(), spatial={}, einsums=())
        yield Visit(end, {}, (), tuple(rest))

    def _is_done(self, body: Body, place: Place) -> bool:
        """Return whether *body* has a point of the band, or no condition."""
        if self.band is None or not any(self.mapped.einsum(name).conditions for name in body.einsums):
            return True
        return self.band.meets(*(self.spaces[root].values(place) for root in BANDED))

    def words(self, digits: Iterable[str], place: Place) -> int:
        """Return the elements of a tensor with *digits* that the open loops leave."""
        mine = frozenset(digits)
        product = 1
        for space in self.spaces.values():
            product *= space.count(mine, place)
        return product

    def room(self, residence: Residence) -> int:
        """Return the elements of the largest tile that *residence* keeps: a first tile, of one generation."""
        digits = set(self._digits(residence)) - set(residence.loops)
        generation = self.mapped.cascade.tensors[residence.tensor].generation
        digits.discard((generation or "").lower())
        return self.words(digits, {})

    # --- loops

    def _node(
        self, depth: int, bodies: tuple[Body, ...], place: Place
    ) -> Iterator[tuple[Body, Place]]:  # fmt: skip
        for inside in self._places(bodies[0].opened[depth], place):
            if len(bodies[0].node) == depth + 1:
                yield bodies[0], inside
                continue
            for _, group in itertools.groupby(bodies, key=lambda body: body.node[depth + 1]):
                yield from self._node(depth + 1, tuple(group), inside)

    def _places(self, loops: tuple[str, ...], place: Place) -> Iterator[Place]:
        if not loops:
            yield place
            return
        space = self.spaces[self.nest.root_of(loops[0]).name]
        for at in space.positions(loops[0], place):
            yield from self._places(loops[1:], {**place, loops[0]: at})

    # --- what a body reads and writes

    def _own(self, body: Body, place: Place) -> Iterator[Moved]:
        einsums = [self.mapped.einsum(name) for name in body.einsums]
        made = {(o.tensor, o.indices) for einsum in einsums for o in einsum.outputs}
        wanted = {(a.tensor, a.indices): a for einsum in einsums for a in einsum.reads}
        for key, access in wanted.items():
            if key not in made:
                yield self._moved("read", access, body, place)
        for einsum in einsums:
            for output in einsum.outputs:
                if self._leaves(output, einsum, body):
                    yield self._moved("write", output, body, place)
                    yield from self._again(output, einsum, body, place)

    def _again(self, output: Access, einsum: Einsum, body: Body, place: Place) -> Iterator[Moved]:
        """Yield the partial sums read back, where a sum goes on that an earlier visit began."""
        digits = self._access_digits(output)
        reduced = self._digits_of(einsum.reduced)
        if not any(loop in reduced for loop in body.loops):
            return
        key = tuple(sorted((loop, at) for loop, at in place.items() if loop in digits))
        seen = self._seen.setdefault((einsum.name, output.tensor), set())
        if key in seen:
            yield self._moved("read", output, body, place)
        seen.add(key)

    def _moved(self, kind: str, access: Access, body: Body, place: Place) -> Moved:
        around = [
            k for k in self.kept if k.residence.tensor == access.tensor and k.residence.covers(body.node)
        ]
        level = around[-1].residence.level if around else self.machine.outermost
        return Moved(level, kind, access.tensor, self.words(self._access_digits(access), place))

    def _leaves(self, output: Access, einsum: Einsum, body: Body) -> bool:
        """Return whether anything outside this visit of the body needs what *einsum* makes."""
        cascade = self.mapped.cascade
        if output.tensor in cascade.outputs:
            return True
        return any(
            access.tensor == output.tensor
            and (reader.name not in body.einsums or previous_generation(self.mapped, access, einsum))
            for reader in cascade.readers(output.tensor)
            for access in reader.reads
        )

    # --- what levels keep

    def _kept(self, residence: Residence) -> _Kept:
        chain = [
            r
            for r in self.nest.residences
            if r.tensor == residence.tensor
            and not r.staged
            and residence.covers(r.node)
            and r is not residence
        ]
        outer = max(chain, key=lambda r: len(r.node), default=None)
        inside = {name for b in self.nest.bodies if residence.covers(b.node) for name in b.einsums}
        cascade = self.mapped.cascade
        makers = {e.name for e in cascade.producers(residence.tensor)} & inside
        wanted = residence.tensor in cascade.outputs or outer is not None
        wanted = wanted or any(e.name not in inside for e in cascade.readers(residence.tensor))
        outside = outer.level if outer is not None else self.machine.outermost
        accesses = {n: (*self.mapped.einsum(n).reads, *self.mapped.einsum(n).outputs) for n in inside}
        users = frozenset(
            n for n, used in accesses.items() if any(a.tensor == residence.tensor for a in used)
        )
        generation = cascade.tensors[residence.tensor].generation
        digits = self._digits(residence) - {(generation or "").lower()}
        return _Kept(residence, digits, outside, bool(makers), wanted, users)

    def _plan(self, kept: _Kept, done: Sequence[tuple[Body, Place]]) -> None:
        """Find the stays of *kept*: a tile comes with the first visit that uses it, and stays while it is the same."""
        alike: dict[tuple, list[_Stay]] = {}
        key, stay = None, _Stay({})
        for number, (body, place) in enumerate(done):
            if not (kept.residence.covers(body.node) and kept.users & set(body.einsums)):
                continue
            loops = {loop: place[loop] for loop in kept.residence.loops}
            mine = tuple(sorted((loop, at) for loop, at in loops.items() if loop in kept.digits))
            if mine != key:
                key, stay = mine, _Stay(loops)
                kept.stays[number] = stay
                alike.setdefault(mine, []).append(stay)
            for root in BANDED if self.band is not None else ():
                stay.touched.setdefault(root, set()).update(self.spaces[root].values(place).tolist())
        for stays in alike.values():
            for one, two in itertools.pairwise(stays):
                two.earlier = _union(one.touched, one.earlier)
            for one, two in itertools.pairwise(reversed(stays)):
                two.later = _union(one.touched, one.later)

    def _enter(self, kept: _Kept, before: list[Moved], loads: list[tuple[str, int]]) -> None:
        stay = kept.now
        assert stay is not None
        if kept.written_inside and stay.earlier is None:
            return
        words = self._touched(kept, stay, stay.earlier if kept.written_inside else None)
        before.append(Moved(kept.outside, "read", kept.residence.tensor, words))
        before.append(Moved(kept.residence.level, "fill", kept.residence.tensor, words))
        loads.append((kept.residence.tensor, kept.residence.buffers))

    def _leave(self, kept: _Kept, moves: list[Moved]) -> None:
        stay = kept.now
        if stay is None or not (kept.written_inside and (kept.wanted_outside or stay.later is not None)):
            return
        words = self._touched(kept, stay, None if kept.wanted_outside else stay.later)
        moves.append(Moved(kept.residence.level, "drain", kept.residence.tensor, words))
        moves.append(Moved(kept.outside, "write", kept.residence.tensor, words))

    def _touched(self, kept: _Kept, stay: _Stay, others: Touched | None) -> int:
        """Return the words of the tile of *stay* that its visits touch, and *others* too where they are given."""
        if self.band is None:
            return self.words(kept.digits, stay.place)
        product = 1
        for name, space in self.spaces.items():
            if name not in BANDED or not kept.digits & set(space.digits):
                product *= space.count(kept.digits, stay.place)
                continue
            values = stay.touched[name] if others is None else stay.touched[name] & others[name]
            chosen = [digit for digit in space.digits if digit in kept.digits]
            at = np.array(sorted(values), dtype=np.int64)
            product *= len(
                {tuple(row) for row in np.stack([space.digits[d][at] for d in chosen], axis=1).tolist()}
            )
        return product

    # --- digits

    def _digits_of(self, variables: Iterable[str]) -> frozenset[str]:
        found: set[str] = set()
        for variable in variables:
            root = self.nest.roots.get(variable)
            found |= {digit.name for digit in root.digits} if root is not None else {variable}
        return frozenset(found)

    def _access_digits(self, access: Access) -> frozenset[str]:
        used = [name for index in access.indices for name in names(index)]
        return self._digits_of(name for name in used if is_variable(name))

    def _digits(self, residence: Residence) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for body in self.nest.bodies:
            if residence.covers(body.node):
                for name in body.einsums:
                    einsum = self.mapped.einsum(name)
                    for access in (*einsum.reads, *einsum.outputs):
                        if access.tensor == residence.tensor:
                            found |= self._access_digits(access)
        return found


def _union(one: Touched, other: Touched | None) -> Touched:
    return one if other is None else {root: values | other[root] for root, values in one.items()}
