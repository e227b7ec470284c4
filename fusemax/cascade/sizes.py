"""Sizes of ranks as numbers: what a workload gives, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Binary, Expression, Name, names
from fusemax.language.value import is_size, size_fault, value_of


class SizeError(FusemaxError):
    """Sizes that are missing, unknown or not whole numbers of at least 1."""


class MissingSizeError(SizeError):
    """Sizes that nothing gives: ``names``, of what is called *where*."""

    def __init__(self, where: str, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"{where} needs a size for {', '.join(self.names)}")


def resolve_sizes(
    cascade: Cascade, given: Mapping[str, int], standing_in: Collection[str] = ()
) -> dict[str, int]:
    """Return the size of every rank (and free size) of *cascade*, from the *given* ones.

    A partitioned rank ``M = M1*M0`` needs two of its three sizes; with M and M0 given, M1 is rounded up and the last
    tile is ragged. What the cascade gives a default for may be left out. Generative ranks count iterations, not generations.
    Sizes *standing_in*, among the given, are not the real ones (1 for a tile that is not chosen yet): whether a place is
    inside of a rank is not asked where that follows from them.

    Raises
    ------
    SizeError
        Naming all sizes that are missing, not used, or not whole numbers of at least 1; and all places that are named by
        numbers or sizes and lie outside of their rank.
    """
    known_names = {*cascade.ranks, *cascade.size_symbols()}
    mistakes = [f"{name}={value} is not {_fault(value)}" for name, value in given.items() if _fault(value)]
    mistakes += [
        f"{name} is no rank or size of cascade {cascade.name}; there are: {', '.join(sorted(known_names))}"
        for name in given
        if name not in known_names
    ]
    if mistakes:
        raise SizeError("; ".join(mistakes))
    known = {**cascade.defaults, **given}
    while _step(cascade, known):
        pass
    missing = [name for name in known_names if name not in known]
    if missing:
        raise MissingSizeError(f"cascade {cascade.name}", _to_give(cascade, known, missing))
    for name, rank in cascade.ranks.items():
        if rank.size is not None and not isinstance(rank.size, Name) and _factors(rank.size) is None:
            value = value_of(rank.size, known)
            if value != known[name]:
                raise SizeError(
                    f"{name}={known[name]}, but the cascade says {name} = {rank.size} = {value:g}"
                )
    loose = _following(cascade, given, standing_in)
    wrong = [*_contradictions(cascade, known, {*loose, *standing_in}), *_outside(cascade, known, loose)]
    if wrong:
        raise SizeError("; ".join(wrong))
    return known


def _contradictions(cascade: Cascade, known: Mapping[str, int], loose: Collection[str]) -> Iterator[str]:
    """Yield each size that is given beside others from which another one follows: ``W = P``, or M, M1 and M0 of ``M1*M0``.

    Of a product one factor is as many parts as the others leave, the last one ragged.
    """
    for name, rank in cascade.ranks.items():
        factors = () if rank.size is None else _factors(rank.size) or ()
        if not factors or name in loose or any(factor in loose for factor in factors):
            continue
        whole = math.prod(known[factor] for factor in factors)
        parts = (known[name] * known[factor] for factor in factors)
        if not any(known[f] == -(-part // whole) for f, part in zip(factors, parts, strict=True)):
            beside = ", ".join(f"{factor}={known[factor]}" for factor in dict.fromkeys(factors))
            yield f"{name}={known[name]}, but the cascade says {name} = {rank.size}, with {beside}"


def _outside(cascade: Cascade, known: Mapping[str, int], loose: Collection[str]) -> Iterator[str]:
    """Yield each access at a fixed place that is not there: ``N[2,m]`` where J is 2 has the places 0 and 1."""
    for access, rank, index in cascade.fixed_places:
        if rank in loose or any(name in loose for name in names(index)):
            continue
        last = known[rank] - 1 + (rank in cascade.tensors[access.tensor].generations)
        place = value_of(index, {**cascade.constants, **known})
        if not 0 <= place <= last:
            which = "" if str(index) == f"{place:g}" else f"{index} is {place:g}, and "
            yield f"{access} is not there: {which}rank {rank}={known[rank]} has the places 0 to {last}"


def _following(cascade: Cascade, given: Mapping[str, int], standing_in: Collection[str]) -> frozenset[str]:
    """Return *standing_in* and every size that may follow from those."""
    loose, before = {*standing_in}, -1
    while len(loose) > before:
        before = len(loose)
        for name, used in _named(cascade).items():
            tied = {name, *used}
            if tied & loose:
                loose |= tied - given.keys()
    return frozenset(loose)


def _to_give(cascade: Cascade, known: Mapping[str, int], missing: Sequence[str]) -> list[str]:
    """Return which of the *missing* sizes to ask for: what follows from those is left out."""

    def order(name: str) -> tuple[int, str]:
        rank = cascade.ranks.get(name)
        if rank is not None and rank.size is not None:
            return (0 if len(_factors(rank.size) or ()) > 1 else 2), name
        return 1, name

    given = dict(known)
    wanted: list[str] = []
    for name in sorted(missing, key=order):
        if name not in given:
            wanted.append(name)
            given[name] = 1
            try:
                while _step(cascade, given):
                    pass
            except SizeError:  # a stand-in of 1 may not suit a formula
                continue
    return sorted(wanted)


def _fault(value: object) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        return "a whole number of at least 1"
    return size_fault(value)


def _step(cascade: Cascade, known: dict[str, int]) -> bool:
    """Derive one more size; return whether one was found."""
    for name, rank in cascade.ranks.items():
        if rank.size is None:
            continue
        factors = _factors(rank.size)
        unknown = [factor for factor in _named(cascade)[name] if factor not in known]
        same = (
            known[other] for other, one in cascade.ranks.items() if other in known and one.size == rank.size
        )
        if name not in known and factors and len(factors) > 1 and (size := next(same, None)) is not None:
            known[name] = size
            return True
        if name not in known and not unknown:
            value = value_of(rank.size, known)
            if not is_size(value):
                raise SizeError(f"{name} = {rank.size} = {value:g}, not {size_fault(value)}")
            known[name] = int(value)
            return True
        if name in known and factors and len(unknown) == 1:
            rest = math.prod(known[factor] for factor in factors if factor != unknown[0])
            known[unknown[0]] = -(-known[name] // rest)
            return True
    return False


def _named(cascade: Cascade) -> Mapping[str, tuple[str, ...]]:
    """Return the names in the size of each rank of *cascade*, found once."""
    if "names in sizes" not in cascade.known:
        cascade.known["names in sizes"] = {
            name: () if rank.size is None else tuple(names(rank.size)) for name, rank in cascade.ranks.items()
        }
    return cascade.known["names in sizes"]


def _factors(size: Expression) -> tuple[str, ...] | None:
    """Return the names in a size that is a plain product (or one name), else None."""
    if isinstance(size, Name):
        return (size.name,)
    if isinstance(size, Binary) and size.operator == "*":
        left, right = _factors(size.left), _factors(size.right)
        return None if left is None or right is None else (*left, *right)
    return None
