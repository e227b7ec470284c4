"""Two names of one tensor's places in one body, or where one place keeps it: of ranks that have to be equally long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fusemax.cascade.ir import Cascade, is_variable
from fusemax.cascade.sizes import SizeError
from fusemax.language.syntax import Access, Name
from fusemax.mapping.nest import Mapped, Nest


@dataclass(frozen=True, slots=True)
class Names:
    """Two names, *one* and *other*, of places of *tensor* in *nest*, together in one body or where one place keeps it."""

    tensor: str
    one: str
    other: str
    nest: str

    @property
    def ranks(self) -> tuple[str, str]:
        """The sizes of the ranks that the names run over."""
        return self.one.upper(), self.other.upper()

    def __str__(self) -> str:
        return f"{self.tensor} has the names {self.one} and {self.other} in nest {self.nest}"


def names_together(mapped: Mapped) -> tuple[Names, ...]:
    """Return the names that have to run over ranks of one length (``X[p]``, ``X[m]``).

    What both have in common, and what a tile of both holds, is counted for ranks of one length.
    """
    found: dict[Names, None] = {}
    for nest in mapped.nests:
        for names in _together(mapped, nest):
            accesses = [access for name in names for access in mapped.einsum(name).reads]
            for tensor in dict.fromkeys(access.tensor for access in accesses):
                mine = [access for access in accesses if access.tensor == tensor]
                for one, other in _pairs(mapped.cascade, tensor, mine):
                    found[Names(tensor, one, other, nest.name)] = None
    return tuple(found)


def check_names(mapped: Mapped, known: Mapping[str, int]) -> None:
    """Raise SizeError where two ranks that are not equally long name places of one tensor together. *known* are the sizes."""
    found: list[str] = []
    for names in names_together(mapped):
        one, other = names.ranks
        lengths = known.get(one), known.get(other)
        if None not in lengths and lengths[0] != lengths[1]:
            found.append(
                f"{names} of mapping {mapped.name}, of ranks {one}={lengths[0]} and {other}={lengths[1]}"
            )
    if found:
        hint = "  hint: take equal lengths, or put the Einsums that read it into nests of their own"
        raise SizeError("\n".join((*found, hint)))


def _together(mapped: Mapped, nest: Nest) -> Iterator[tuple[str, ...]]:
    """Yield the Einsums of each body, and those inside of each place."""
    for body in nest.bodies:
        yield body.einsums
    for residence in nest.residences:
        yield tuple(n for body in nest.bodies if residence.covers(body.node) for n in body.einsums)


def _pairs(cascade: Cascade, tensor: str, accesses: Iterable[Access]) -> Iterator[tuple[str, str]]:
    """Yield the variables that name places in one dimension of *tensor*, each beside the first one there."""
    described = cascade.tensors[tensor]
    first: dict[int, str] = {}
    for access in accesses:
        for dim, index in enumerate(access.indices):
            if not isinstance(index, Name) or not is_variable(index.name):
                continue
            if described.ranks[dim] not in described.generations:
                other = first.setdefault(dim, index.name)
                if other != index.name:
                    yield other, index.name
