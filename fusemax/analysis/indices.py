"""Einsums in plain form: every index is one variable with an offset, a constant, or unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fusemax.analysis.filters import Filter
from fusemax.analysis.sums import integer
from fusemax.cascade.ir import Affine, Cascade, Einsum
from fusemax.errors import Place
from fusemax.language.syntax import Name


@dataclass(frozen=True, slots=True)
class Variable:
    """The index ``name + offset``."""

    name: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """A constant index, counted from the first coordinate."""

    position: int


@dataclass(frozen=True, slots=True)
class End:
    """The constant index ``size + position``, as the generation ``M1`` of ``RM[M1]`` (position 0)."""

    position: int


@dataclass(frozen=True, slots=True)
class Opaque:
    """An index about which no claim is made, and why.

    *mentions* are the variables in it; *variables* are the same where it is affine in them and in nothing else.
    *weights* are those of its variables and *offset* what is added, where all of that is known in whole numbers.
    """

    text: str
    why: str
    variables: tuple[str, ...] = ()
    mentions: frozenset[str] = frozenset()
    weights: tuple[tuple[str, int], ...] = ()
    offset: int = 0

    def at(self, name: str, place: int) -> int | None:
        """Return how far from variable *name* it reads where its other variables are all *place*; None if not known."""
        weights = dict(self.weights)
        if weights.pop(name, 0) != 1 or not weights:
            return None
        return self.offset + place * sum(weights.values())

    def weighed(self, terms: Affine) -> Opaque:
        """Return the index with weights from its affine form, if all of them are whole numbers."""
        offset = integer(terms[1])
        weights = {name: 1 if factor is None else integer(factor) for name, factor in terms[0].items()}
        known = tuple((name, weight) for name, weight in weights.items() if weight is not None)
        return (
            self
            if offset is None or len(known) < len(weights)
            else replace(self, weights=known, offset=offset)
        )


Index = Variable | Start | End | Opaque


@dataclass(frozen=True, slots=True)
class Reading:
    """A tensor at plain indices, read or written."""

    tensor: str
    indices: tuple[Index, ...]
    place: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One Einsum in plain form; *number* is its position in the cascade.

    *follows* are conditions on one variable that follow from two *filters*: what is left of it where another is cut.
    """

    number: int
    name: str
    einsum: Einsum
    variables: tuple[str, ...]
    outputs: tuple[Reading, ...]
    reads: tuple[Reading, ...]
    reduced: frozenset[str]
    filters: tuple[Filter, ...]
    follows: tuple[Filter, ...] = ()
    early_exit: bool

    @property
    def loop(self) -> str | None:
        """The iterative variable of the loop that the Einsum stands in."""
        return self.einsum.loop

    @property
    def output_variables(self) -> frozenset[str]:
        """The variables in the output's indices."""
        return frozenset(i.name for o in self.outputs for i in o.indices if isinstance(i, Variable))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A cascade in plain form.

    Attributes
    ----------
    ranks
        The ranks of every tensor after splitting.
    digits
        The parts of every split rank, outermost first.
    readings
        Who reads each tensor, and how.
    """

    cascade: Cascade
    nodes: tuple[Node, ...]
    ranks: Mapping[str, tuple[str, ...]]
    digits: Mapping[str, tuple[str, ...]]
    readings: Mapping[str, tuple[tuple[Node, Reading], ...]]


def sequence(cascade: Cascade, rank: str) -> str:
    """Return the one name that stands for *rank* and all ranks declared to be the same sequence."""
    entry = cascade.ranks.get(rank)
    if entry is not None and isinstance(entry.size, Name) and entry.size.name in cascade.ranks:
        return sequence(cascade, entry.size.name)
    for group in cascade.same:
        if rank in group:
            return group[0]
    return rank
