"""Who makes and who reads the tensors of a nest, and by which ways: what depends on its loops, on no extents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import Any, TypeVar

from fusemax.cascade.ir import Einsum
from fusemax.cost.extents import digits_of
from fusemax.cost.ways import Shifts, Way, shifts_of, ways_of
from fusemax.cost.windows import Window, unshifted, windows_among
from fusemax.language.syntax import Access
from fusemax.mapping.build import variables_of
from fusemax.mapping.nest import Body, Mapped, Nest, Residence

Value = TypeVar("Value")


class Users:
    """Finds the Einsums of a nest that use a tensor; kinds of its tasks share with the *whole* nest what was found."""

    def __init__(self, mapped: Mapped, nest: Nest, whole: Users | None) -> None:
        self.mapped, self.nest = mapped, nest
        self.cascade = mapped.cascade
        self._places = {
            name: (number, place)
            for number, body in enumerate(nest.bodies)
            for place, name in enumerate(body.einsums)
        }
        self._asked: dict[Hashable, Any] = whole._asked if whole else {}
        self._known: dict[Hashable, Any] = whole._known if whole else self._of_roots()

    def once(self, key: Hashable, value: Callable[[], Value]) -> Value:
        """Return *value*, worked out once for the nest and all kinds of its tasks: it depends on no extents."""
        if key not in self._asked:
            self._asked[key] = value()
        return self._asked[key]

    def _of_roots(self) -> dict[Hashable, Any]:
        """Return what was worked out before of nests of this cascade that cut ranks alike, whatever their loops."""
        return self.cascade.known.setdefault(("nests", self.nest.outline), {})

    def always(self, key: Hashable, value: Callable[[], Value]) -> Value:
        """Return *value*, worked out once for all such nests: but for *key*, it depends on the cascade and the roots."""
        if key not in self._known:
            self._known[key] = value()
        return self._known[key]

    def _ways(self, residence: Residence, earlier: bool = False) -> tuple[Way, ...]:
        """Return the ways by which a kept tensor is made inside, or else read there.

        Generations of a running value take each other's place, unless *earlier* ones are wanted too.
        """
        made, read = self._accesses(residence)
        without = self._taking_turns(residence, earlier)
        return self.once(("ways", residence, earlier), lambda: ways_of(self.nest, made or read, without))

    def _shifts(self, residence: Residence, earlier: bool) -> Shifts:
        made, read = self._accesses(residence)
        without = self._taking_turns(residence, earlier)
        return self.once(("shifts", residence, earlier), lambda: shifts_of(self.nest, made or read, without))

    def _taking_turns(self, residence: Residence, earlier: bool = False) -> int | None:
        """Return the dimension of a running value whose elements take each other's place: where it is made."""
        tensor = self.cascade.tensors[residence.tensor]
        if tensor.generation is None or earlier or not self._accesses(residence)[0]:
            return None
        return tensor.ranks.index(tensor.generation)

    def _accesses(self, residence: Residence) -> tuple[list[Access], list[Access]]:
        """Return the accesses inside a residence to its tensor: those that make it, and those that read it."""
        return self.once(("accesses", residence), lambda: self._accesses_of(residence))

    def _accesses_of(self, residence: Residence) -> tuple[list[Access], list[Access]]:
        touching = self._touching(residence.tensor)
        einsums = [self.mapped.einsum(name) for body, name in touching if residence.covers(body.node)]
        made = [
            access for einsum in einsums for access in einsum.outputs if access.tensor == residence.tensor
        ]
        read = [access for einsum in einsums for access in einsum.reads if access.tensor == residence.tensor]
        return made, read

    def _windows(self, residence: Residence) -> Collection[Window]:
        """Return the windows of the accesses inside a residence that read its tensor, those that are shifted but once."""
        _, read = self._accesses(residence)
        return self.once(
            ("windows", residence), lambda: unshifted(windows_among(self.nest, self.cascade, read))
        )

    def _generations(self, tensor: str) -> frozenset[str]:
        """Return the digits that count the generations of a running value."""
        generation = self.cascade.tensors[tensor].generation
        return frozenset() if generation is None else digits_of(self.nest, (generation.lower(),))

    def _users(self, residence: Residence) -> tuple[list[Body], list[Body]]:
        """Return the bodies that make the tensor of a residence, and those that read it, inside of it or not."""
        return self.once(("users", residence.tensor), lambda: self._users_of(residence))

    def _users_of(self, residence: Residence) -> tuple[list[Body], list[Body]]:
        touching = self._touching(residence.tensor)
        made_by, read_by = (
            {einsum.name for einsum in einsums if not einsum.initial}
            for einsums in (self.cascade.producers(residence.tensor), self.cascade.readers(residence.tensor))
        )
        writers = [body for body, name in touching if name in made_by]
        return writers, [body for body, name in touching if name in read_by]

    def _touching(self, tensor: str) -> list[tuple[Body, str]]:
        """Return the Einsums of this nest that make *tensor* or read it, each with its body, in their order."""
        einsums = (*self.cascade.producers(tensor), *self.cascade.readers(tensor))
        names = {einsum.name for einsum in einsums if not einsum.initial} & self._places.keys()
        places = sorted(self._places[name] for name in names)
        return [(self.nest.bodies[body], self.nest.bodies[body].einsums[place]) for body, place in places]

    def _read_outside(self, residence: Residence) -> Iterator[Access]:
        """Yield the accesses to a kept tensor by Einsums outside its residence."""
        touching = self._touching(residence.tensor)
        here = {name for body, name in touching if residence.covers(body.node)}
        for reader in self.cascade.readers(residence.tensor):
            if reader.name not in here:
                yield from (access for access in reader.reads if access.tensor == residence.tensor)

    def _wanted_outside(self, residence: Residence) -> bool:
        return residence.tensor in self.cascade.outputs or any(self._read_outside(residence))

    def _earlier_wanted_outside(self, residence: Residence) -> bool:
        """Return whether somebody outside wants more generations of a running value than the last one."""
        tensor = self.cascade.tensors[residence.tensor]
        if tensor.generation is None:
            return False
        place = tensor.ranks.index(tensor.generation)
        indices = [access.indices[place] for access in self._read_outside(residence)]
        return residence.tensor in self.cascade.outputs or any(variables_of(index) for index in indices)

    def _returns(self, residence: Residence, writers: list[Body]) -> bool:
        """Return whether tiles come back: partial sums of a reduction that stays open, or values for the next generation."""
        again = {d for body in writers for n in body.einsums for d in self._reduced_into(n, residence.tensor)}
        if self._goes_on(residence):
            again |= self._generations(residence.tensor)
        return any(loop in again for loop in residence.loops)

    def _goes_on(self, residence: Residence) -> bool:
        """Return whether somebody inside reads an earlier generation of a running value, from which the next one is made."""
        tensor = self.cascade.tensors[residence.tensor]
        read = self._accesses(residence)[1]
        return any(tensor.is_earlier(access, rank) for access in read for rank in tensor.generations)

    def _makes(self, name: str, tensor: str) -> bool:
        return any(output.tensor == tensor for output in self.mapped.einsum(name).outputs)

    def _reduced_into(self, name: str, tensor: str) -> frozenset[str]:
        einsum = self.mapped.einsum(name)
        mine = any(output.tensor == tensor for output in einsum.outputs)
        return digits_of(self.nest, einsum.reduced) if mine else frozenset()

    def _lacking(self, einsum: Einsum, loops: Sequence[str]) -> frozenset[str]:
        """Return those of *loops* over ranks that *einsum* does not have: in each iteration its sums begin anew.

        Inside of a loop over which it sums they go on.
        """
        summed = digits_of(self.nest, (*einsum.reduced, einsum.loop or ""))
        first = next((n for n, loop in enumerate(loops) if loop in summed), len(loops))
        return frozenset(loops[:first]) - digits_of(self.nest, (*einsum.variables, einsum.loop or ""))
