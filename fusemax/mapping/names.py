"""Two names of one tensor's places in one body, or where one place keeps it: of ranks that have to be equally long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fusemax.cascade.ir import Cascade, is_variable
from fusemax.cascade.sizes import SizeError
from fusemax.language.syntax import Access, Name
from fusemax.mapping.nest import Mapped, Nest


def check_names(mapped: Mapped, known: Mapping[str, int]) -> None:
    """Raise SizeError where two ranks that are not equally long name places of one tensor together (``X[p]``, ``X[m]``).

    What both have in common, and what a tile of both holds, is counted for ranks of one length. *known* are the sizes.
    """
    found: dict[str, None] = {}
    for nest in mapped.nests:
        for names in _together(mapped, nest):
            accesses = [access for name in names for access in mapped.einsum(name).reads]
            for tensor in dict.fromkeys(access.tensor for access in accesses):
                mine = [access for access in accesses if access.tensor == tensor]
                for one, other in _pairs(mapped.cascade, tensor, mine):
                    lengths = known.get(one.upper()), known.get(other.upper())
                    if None not in lengths and lengths[0] != lengths[1]:
                        text = f"{tensor} has the names {one} and {other} in nest {nest.name} of mapping {mapped.name}, of"
                        found[f"{text} ranks {one.upper()}={lengths[0]} and {other.upper()}={lengths[1]}"] = (
                            None
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
