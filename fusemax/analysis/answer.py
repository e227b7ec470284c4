"""What the pass analysis answers: bounds by rank and tensor, their certificates, and what is not claimed."""

from __future__ import annotations

from dataclasses import dataclass

from fusemax.analysis.fusion import Level
from fusemax.analysis.members import Visit
from fusemax.errors import FusemaxError, Place


class NoSuchFibreError(FusemaxError):
    """A question about a rank or tensor that the cascade does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Why one visit must be over before the next begins; ``through`` names the Einsums between the two.

    ``fold`` is the Einsum that folds what the earlier visit writes, where that is a map: it is what needs all of it.
    """

    earlier: Visit
    later: Visit
    through: tuple[str, ...]
    rank: str
    fold: tuple[str, Place | None] | None = None

    def __str__(self) -> str:
        if self.fold is not None:
            link = f", by way of {', '.join(self.through[1:])}," if self.through[1:] else ""
            made, after = self.earlier.einsum, self.later
            again = "it again" if made == after.tensor else after.tensor
            return (
                f"{named(*self.fold)} needs all of {made} over {self.rank}{link} "
                f"before {named(after.einsum, after.place)} can read any of {again}"
            )
        link = f", by way of {', '.join(self.through)}," if self.through else ""
        before, after = self.earlier, self.later
        again = "it again" if before.tensor == after.tensor else after.tensor
        return (
            f"{named(before.einsum, before.place)} needs all of {before.tensor} over {self.rank}{link} "
            f"before {named(after.einsum, after.place)} can read any of {again}"
        )


def named(einsum: str, place: Place | None) -> str:
    """Return an Einsum's name with its line: ``GM (line 9)``."""
    return f"{einsum} (line {place.line})" if place else einsum


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorPasses:
    """The passes over one rank of one tensor.

    Attributes
    ----------
    count
        The bound; 0 when no Einsum reads the whole fibre (``partial`` tells whether some read parts of it).
    direct
        The same counted over readers of the tensor itself only, without what is derived from it.
    chain
        The visits that force the passes, in order; with one pass, the visit that makes it.
    steps
        The certificate: one reason for each pair of consecutive visits.
    grows_with
        Iterative ranks with every step of which the state is swept again: the count is per step.
    """

    tensor: str
    rank: str
    ranks: tuple[str, ...]
    count: int
    direct: int
    chain: tuple[Visit, ...]
    steps: tuple[Step, ...]
    grows_with: tuple[str, ...] = ()
    partial: bool = False
    at: tuple[
        str, ...
    ] = ()  #: the fibre of which the chain holds, where not of every one: ``the last p``, ``p = 0``

    def why(self) -> str:
        """Return the certificate in words, a line for each step."""
        if not self.chain:
            return (
                f"no Einsum reads all of {self.tensor} over {self.rank} by an index that the analysis knows"
            )
        if not self.steps:
            visit = self.chain[0]
            reader = named(visit.einsum, visit.place)
            return f"{reader} reads {visit.tensor} over {self.rank}; nothing needs it again after that"
        return "\n".join(str(step) for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankPasses:
    """Everything about one rank: passes by tensor, sweeps, and what they mean for fusion.

    ``rank`` is a rank of the cascade, a part of one (``M0``) or a whole one that is split; ``variables`` are
    the rank variables that run over it together, outermost first.
    """

    rank: str
    variables: tuple[str, ...]
    tensors: tuple[TensorPasses, ...]
    levels: tuple[Level, ...]
    crossing: tuple[str, ...]
    read_again: tuple[str, ...]
    conflicts: tuple[str, ...]

    @property
    def passes(self) -> int:
        """The largest bound over the tensors."""
        return max((entry.count for entry in self.tensors), default=0)

    @property
    def sweeps(self) -> int:
        """How many loops over the rank there must be, whichever of its variables runs along it."""
        return max(len(self.levels), self.passes)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The Einsums that may share a loop over the rank, by level."""
        return tuple(level.einsums for level in self.levels)

    def of(self, tensor: str) -> TensorPasses:
        """Return the entry of *tensor*."""
        for entry in self.tensors:
            if entry.tensor == tensor:
                return entry
        known = ", ".join(entry.tensor for entry in self.tensors)
        raise NoSuchFibreError(f"no tensor {tensor!r} has rank {self.rank}; there are: {known}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoClaim:
    """A construct on which no claim rests, and where it stands."""

    place: Place | None
    einsum: str
    text: str

    def __str__(self) -> str:
        return f"{named(self.einsum, self.place)}: {self.text}"
