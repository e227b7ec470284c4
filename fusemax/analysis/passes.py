"""Lower bounds on passes for every rank and tensor of a cascade, with the chain of Einsums that forces them.

The definition (after FuseMax, MICRO 2024, section III, made exact): fix one fibre of tensor X over ranks ρ.
Its *cone* is X and everything written from it coordinate by coordinate over ρ. A *visit* is an Einsum that
reads a member of the cone along ρ. Visit u precedes visit v when every task of v needs every task of u. The
passes over ρ that X needs are the longest chain of complete visits: in every schedule, with any fusion,
pipelining or recomputation, that many disjoint windows of time each read the whole fibre in some form. The
*sweeps* over ρ are the longest such chain over all Einsums: how many loops over ρ there must be.

The symbolic answer never exceeds the definition's: dependences that cannot be written in the form of
:mod:`fusemax.analysis.relations` are left out, and named under ``no_claims``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from fusemax.analysis.barriers import Corner, Sweep, is_barrier, longest_chain
from fusemax.analysis.conditions import Relation
from fusemax.analysis.cones import Visit, cone, visits
from fusemax.analysis.domains import complete_visits
from fusemax.analysis.fusion import Level, levels
from fusemax.analysis.plain import INFINITY, Node, Opaque, Plain, Start, plain, sequence
from fusemax.analysis.relations import Table, relations
from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError, Place

FIRST, LAST = Corner("start", 0), Corner("end", 0)


class NoSuchFibreError(FusemaxError):
    """A question about a rank or tensor that the cascade does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Why one visit must be over before the next begins; ``through`` names the Einsums between the two."""

    earlier: Visit
    later: Visit
    through: tuple[str, ...]
    rank: str

    def __str__(self) -> str:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The passes of a cascade by rank, and what nothing is claimed about."""

    cascade: Cascade
    plain: Plain
    table: Table
    ranks: tuple[RankPasses, ...]
    no_claims: tuple[NoClaim, ...]

    def rank(self, name: str) -> RankPasses:
        """Return what is known about rank *name*.

        Raises
        ------
        NoSuchFibreError
            When no Einsum runs over such a rank.
        """
        for entry in self.ranks:
            if entry.rank == name:
                return entry
        known = ", ".join(entry.rank for entry in self.ranks)
        raise NoSuchFibreError(f"cascade {self.cascade.name} has no rank {name!r}; there are: {known}")

    def over(self, ranks: tuple[str, ...]) -> RankPasses:
        """Return what is known about several ranks taken as one, outermost first (a table's blocks and their tiles).

        Raises
        ------
        NoSuchFibreError
            When no Einsum runs over one of them.
        """
        if len(ranks) == 1:
            return self.rank(ranks[0])
        for name in ranks:
            self.rank(name)
        return _rank(self.plain, self.table, ",".join(ranks), ranks)

    def passes(self, rank: str, tensor: str | None = None) -> int:
        """Return the bound for *rank*, or for one *tensor* over it."""
        entry = self.rank(rank)
        return entry.passes if tensor is None else entry.of(tensor).count


def analyse(cascade: Cascade) -> Analysis:
    """Return the passes, sweeps, fusion groups and certificates of *cascade*, for every rank.

    >>> from fusemax.cascade.build import load_cascade
    >>> attention = analyse(load_cascade("attention/3-pass"))
    >>> attention.passes("M"), attention.passes("M", "V"), attention.rank("M").crossing
    (3, 1, ('QK', 'SN'))
    """
    form = plain(cascade)
    table = relations(form)
    questions = _questions(form)
    return Analysis(
        cascade=cascade,
        plain=form,
        table=table,
        ranks=tuple(_rank(form, table, rank, parts) for rank, parts in questions.items()),
        no_claims=_no_claims(form),
    )


def _questions(form: Plain) -> dict[str, tuple[str, ...]]:
    """Return the ranks to ask about, each with its parts; whole ranks before their parts."""
    used = {v.upper() for node in form.nodes for v in node.variables}
    held = {rank for ranks in form.ranks.values() for rank in ranks}
    questions: dict[str, tuple[str, ...]] = {}
    for rank in form.cascade.ranks:
        parts = form.digits.get(rank, (rank,))
        if all(part in used | held for part in parts):
            questions[rank] = parts
    for rank in sorted(used):
        questions.setdefault(rank, (rank,))
    whole = {rank: len(parts) for rank, parts in questions.items()}
    return dict(sorted(questions.items(), key=lambda item: -whole[item[0]]))


def _rank(form: Plain, table: Table, rank: str, parts: tuple[str, ...]) -> RankPasses:
    entries = []
    for tensor, ranks in form.ranks.items():
        for positions in _positions(form, ranks, parts):
            entries.append(tensor_passes(form, table, tensor, rank, positions))
    variables = tuple(_variable(form, part) for part in parts)
    found = levels(form, table, variables)
    return RankPasses(
        rank=rank,
        variables=variables,
        tensors=tuple(entries),
        levels=found.levels,
        crossing=found.crossing,
        read_again=found.read_again,
        conflicts=found.conflicts,
    )


def _variable(form: Plain, rank: str) -> str:
    """Return the variable that runs over *rank*: its own, or that of a rank that is the same sequence."""
    used = dict.fromkeys(v for node in form.nodes for v in node.variables)
    same = [v for v in used if sequence(form.cascade, v.upper()) == sequence(form.cascade, rank)]
    return rank.lower() if rank.lower() in used or not same else same[0]


def _positions(form: Plain, ranks: Sequence[str], parts: tuple[str, ...]) -> Iterable[tuple[int, ...]]:
    """Return where *parts* stand among *ranks*; a part alone only where the rest of its whole is absent.

    The inner part of a split rank (the tile) is asked for wherever it stands.
    """
    if len(parts) == 1 and _is_outer_digit(form, ranks, parts[0]):
        return
    if all(part in ranks for part in parts):
        yield tuple(ranks.index(part) for part in parts)


def _is_outer_digit(form: Plain, ranks: Sequence[str], part: str) -> bool:
    return any(part in digits[:-1] and all(d in ranks for d in digits) for digits in form.digits.values())


def tensor_passes(
    form: Plain, table: Table, tensor: str, rank: str, positions: tuple[int, ...]
) -> TensorPasses:
    """Return the passes over the ranks at *positions* of *tensor*'s plain indices, called *rank*."""
    members = cone(form, tensor, positions)
    every = visits(form, members)
    complete = complete_visits(form, tensor, positions, every)
    states = _states(form, table, tuple(complete))
    if states:
        complete = {visit: ends for visit, ends in complete.items() if _in_step(form, visit)}
    chain, corner = _longest(form, table, complete)
    direct, _ = _longest(form, table, {v: ends for v, ends in complete.items() if v.tensor == tensor})
    steps = tuple(
        Step(earlier=a, later=b, through=_through(form, table, a, b, corner), rank=rank)
        for a, b in pairwise(chain)
    )
    return TensorPasses(
        tensor=tensor,
        rank=rank,
        ranks=tuple(form.ranks[tensor][position] for position in positions),
        count=len(chain),
        direct=len(direct),
        chain=chain,
        steps=steps,
        grows_with=states,
        partial=bool(every) and not complete,
    )


def _longest(form: Plain, table: Table, candidates: Sequence[Visit]) -> tuple[tuple[Visit, ...], Corner]:
    """Return the longest chain over all places where free coordinates may be fixed, and that place."""
    corners = _corners(form, candidates)
    best: tuple[tuple[Visit, ...], Corner] = ((), FIRST)
    for corner in corners:
        fitting = [visit for visit in candidates if _agrees(visit, candidates[visit], corner)]
        chain = longest_chain(fitting, lambda a, b, c=corner: _barrier(form, table, a, b, c) is not None)
        if len(chain) > len(best[0]):
            best = (chain, corner)
    return best


def _corners(form: Plain, candidates: Iterable[Visit]) -> tuple[Corner, ...]:
    """Return the places worth trying: both ends, and every constant index."""
    corners = dict.fromkeys([FIRST, LAST])
    for visit in candidates:
        for _, side, position in visit.constants:
            corners[Corner(side, position + (side == "end"))] = None
    for node in form.nodes:
        for reading in node.reads:
            for index in reading.indices:
                if isinstance(index, Start):
                    corners[Corner("start", index.position)] = None
    return tuple(corners)


def _agrees(visit: Visit, ends: frozenset[str], corner: Corner) -> bool:
    return (
        ends <= {corner.side}
        and (not ends or corner.position == 0)
        and all(
            side == corner.side and position + (side == "end") == corner.position
            for _, side, position in visit.constants
        )
    )


def _sweep(visit: Visit) -> Sweep:
    fixed = {name: (coordinate, offset) for name, coordinate, offset in visit.fixed}
    return Sweep(visit.variables, fixed, visit.inner)


def _barrier(form: Plain, table: Table, u: Visit, v: Visit, corner: Corner) -> Relation | None:
    """Return the shortest relation by which *u* must be over before *v* begins, if there is one."""
    found = [
        relation
        for relation in table[u.number].get(v.number, ())
        if is_barrier(relation, form.nodes[u.number], _sweep(u), form.nodes[v.number], _sweep(v), corner)
    ]
    return min(found, key=lambda relation: len(relation.through), default=None)


def _through(form: Plain, table: Table, u: Visit, v: Visit, corner: Corner) -> tuple[str, ...]:
    relation = _barrier(form, table, u, v, corner)
    return tuple(form.nodes[number].name for number in relation.through) if relation else ()


def _states(form: Plain, table: Table, complete: Sequence[Visit]) -> tuple[str, ...]:
    """Return the iterative ranks with every step of which the fibre is swept again."""
    ranks: dict[str, None] = {}
    for visit in complete:
        node = form.nodes[visit.number]
        for relation in table[visit.number].get(visit.number, ()):
            for position, condition in enumerate(relation.sources):
                if condition[0] != "link" or condition[1] != position or not condition[3] < 0:
                    continue
                here = list(relation.sources)
                here[position] = ("link", position, -INFINITY, INFINITY)
                again = replace(relation, sources=tuple(here))
                if is_barrier(
                    again, node, _ignoring(visit, node.variables[position]), node, _sweep(visit), FIRST
                ):
                    ranks[node.variables[position].upper()] = None
    return tuple(ranks)


def _in_step(form: Plain, visit: Visit) -> bool:
    """Return whether a visit falls into the step of the loop in which the fibre itself stands."""
    loop = form.nodes[visit.number].loop
    return all(offset == 0 for name, _, offset in visit.fixed if name == loop)


def _ignoring(visit: Visit, variable: str) -> Sweep:
    sweep = _sweep(visit)
    return replace(sweep, fixed={name: at for name, at in sweep.fixed.items() if name != variable})


def _no_claims(form: Plain) -> tuple[NoClaim, ...]:
    found: dict[tuple[str, str], NoClaim] = {}

    def note(node: Node, place: Place | None, text: str) -> None:
        found.setdefault((node.name, text), NoClaim(place=place, einsum=node.name, text=text))

    for node in form.nodes:
        for reading in node.reads:
            for index in reading.indices:
                if isinstance(index, Opaque):
                    text = f"index {index.text} of {reading.tensor} {index.why}; no claim about what it reads"
                    note(node, reading.place, text)
        if node.early_exit:
            text = f"{node.einsum.action} may end early; no claim that it needs everything"
            note(node, node.einsum.place, text)
        for one in node.filters:
            if one.difference is None:
                condition = " ".join(one.words)
                text = f"{condition} is not a difference of two variables; only equal conditions are compared"
                note(node, node.einsum.place, text)
    return tuple(found.values())
