"""Two names of one tensor's places in one body, or where one place keeps it: of ranks that have to be equally long."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fusemax.cascade.ir import Cascade, is_variable
from fusemax.cascade.sizes import SizeError
from fusemax.language.syntax import Access, Expression, Name
from fusemax.mapping.nest import Body, Mapped, Nest


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
        for bodies in _together(nest):
            for tensor, accesses in _read_twice(mapped, bodies):
                for one, other in _pairs(mapped.cascade, tensor, accesses):
                    found[Names(tensor, one, other, nest.name)] = None
    return tuple(found)


def check_names(mapped: Mapped, together: Iterable[Names], known: Mapping[str, int]) -> None:
    """Raise SizeError where ranks that name places of one tensor *together* are not equally long; *known* are the sizes."""
    found = [
        f"{names} of mapping {mapped.name}, of ranks {ranks}" for names, ranks in _unequal(together, known)
    ]
    if found:
        hint = "  hint: take equal lengths, or put the Einsums that read it into nests of their own"
        raise SizeError("\n".join((*found, hint)))


def check_einsums(cascade: Cascade, einsums: Iterable[str], known: Mapping[str, int]) -> None:
    """Raise SizeError where one of *einsums* reads a tensor by names of unequal length, which no mapping can part."""
    found: list[str] = []
    for name in einsums:
        for tensor, accesses in _several(cascade.einsum(name).reads):
            together = (Names(tensor, *pair, name) for pair in _pairs(cascade, tensor, accesses))
            for names, ranks in _unequal(together, known):
                found.append(
                    f"Einsum {name} reads {tensor} under the names {names.one} and {names.other}, of ranks {ranks}"
                )
    if found:
        hint = "  hint: take equal lengths, or make one of the two an input of its own"
        raise SizeError("\n".join((*dict.fromkeys(found), hint)))


def _unequal(together: Iterable[Names], known: Mapping[str, int]) -> Iterator[tuple[Names, str]]:
    """Yield those of *together* whose ranks differ in length, with both lengths; *known* are the sizes."""
    for names in together:
        lengths = {rank: known[rank] for rank in names.ranks if rank in known}
        if len(set(lengths.values())) > 1:
            yield names, " and ".join(f"{rank}={length}" for rank, length in lengths.items())


def hidden_names(mapped: Mapped) -> Iterator[tuple[Body, str, str]]:
    """Yield each body in which names of a tensor that cross stand beside a loop that leaves out a digit outside of it.

    Names cross where one digit is in two dimensions (``X[p,p]`` and ``X[w,p]``): which elements a tile has in common with
    another is then known for whole tiles alone. With each comes what is wrong, and how to mend it.
    """
    for nest in mapped.nests:
        for bodies in _together(nest):
            for tensor, mine in _read_twice(mapped, bodies):
                crossing = _crossing(nest, mine)
                for body in bodies if crossing else ():
                    for inner, outer in _left_out(nest, body, crossing):
                        names = " and ".join(map(str, mine[:2]))
                        text = f"{tensor} is read as {names} inside of {inner}, without a loop over {outer} outside of it"
                        hint = f"loop over {outer} too, or put the Einsums that read {tensor} into nests of their own"
                        yield body, text, hint


def _crossing(nest: Nest, accesses: Sequence[Access]) -> frozenset[str]:
    """Return the digits of the names of *accesses* if one of these is in two dimensions; else none."""
    dims: dict[str, set[int]] = {}
    for access in accesses:
        for dim, index in enumerate(access.indices):
            if isinstance(index, Name) and is_variable(index.name):
                for digit in nest.digits_of((index.name,)):
                    dims.setdefault(digit, set()).add(dim)
    tied = {dim for found in dims.values() if len(found) > 1 for dim in found}
    if all(len({access.indices[dim] for dim in tied}) == 1 for access in accesses):
        return frozenset()  # diagonals, X[p,p] and X[w,w]
    return frozenset(digit for digit, found in dims.items() if found & tied)


def _left_out(nest: Nest, body: Body, digits: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each loop of *body* over one of *digits* with the digit outside of it that has none."""
    for loop in body.loops:
        names = [digit.name for digit in nest.root_of(loop).digits] if loop in digits else []
        missing = [name for name in names[: names.index(loop)] if name not in body.loops] if names else []
        if missing:
            yield loop, missing[-1]


def _together(nest: Nest) -> Iterator[tuple[Body, ...]]:
    """Yield each body, and those inside of each node that keeps tensors."""
    for body in nest.bodies:
        yield (body,)
    for place in {residence.node: residence for residence in nest.residences}.values():
        yield tuple(body for body in nest.bodies if place.covers(body.node))


def _read_twice(mapped: Mapped, bodies: Sequence[Body]) -> Iterator[tuple[str, list[Access]]]:
    """Yield each tensor that *bodies* read by several indices, with an access for each of these."""
    return _several(
        access for body in bodies for name in body.einsums for access in mapped.einsum(name).reads
    )


def _several(reads: Iterable[Access]) -> Iterator[tuple[str, list[Access]]]:
    """Yield each tensor that is among *reads* by several indices, with an access for each of these."""
    found: dict[str, dict[tuple[Expression, ...], Access]] = {}
    for access in reads:
        found.setdefault(access.tensor, {}).setdefault(access.indices, access)
    yield from ((tensor, list(accesses.values())) for tensor, accesses in found.items() if len(accesses) > 1)


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
