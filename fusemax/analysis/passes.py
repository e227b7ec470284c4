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

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

from fusemax.analysis.answer import NoClaim, NoSuchFibreError, RankPasses, Step, TensorPasses, named
from fusemax.analysis.chains import tensor_passes
from fusemax.analysis.compose import Composer
from fusemax.analysis.fusion import levels
from fusemax.analysis.order import Order
from fusemax.analysis.plain import SHIFTED, Node, Opaque, Plain, plain, sequence
from fusemax.analysis.regroup import regrouped
from fusemax.analysis.relations import Table, relations
from fusemax.cascade.ir import Cascade
from fusemax.errors import Place

__all__ = [
    "Analysis",
    "NoClaim",
    "NoSuchFibreError",
    "RankPasses",
    "Step",
    "TensorPasses",
    "analyse",
    "named",
]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The passes of a cascade by rank, and what nothing is claimed about.

    A rank is analysed when it is asked for.
    """

    cascade: Cascade
    plain: Plain
    table: Table
    given_up: frozenset[tuple[int, tuple[str, ...]]]  #: conditions that ended a composition, by Einsum

    @cached_property
    def no_claims(self) -> tuple[NoClaim, ...]:
        """What nothing is claimed about; conditions only where some rank has more passes without them."""
        given_up = self.given_up if self.given_up and self._loses() else frozenset()
        return _no_claims(self.plain, given_up)

    def _loses(self) -> bool:
        """Return whether some rank has more passes where the conditions that could not be followed are not there."""
        blamed = {words for _, words in self.given_up}
        einsums = []
        for node in self.plain.nodes:
            left = zip(node.filters, node.einsum.conditions, strict=True)
            kept = tuple(condition for one, condition in left if one.words not in blamed)
            einsums.append(replace(node.einsum, conditions=kept))
        freer = plain(replace(self.cascade, einsums=tuple(einsums)))
        other = Analysis(cascade=freer.cascade, plain=freer, table=relations(freer), given_up=frozenset())
        return any(other.passes(name) > self.passes(name) for name in self.names if name in other.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The ranks that may be asked about; whole ranks before their parts."""
        return tuple(self._questions)

    @cached_property
    def ranks(self) -> tuple[RankPasses, ...]:
        """What is known about each rank, in the order of :attr:`names`."""
        return tuple(self.rank(name) for name in self.names)

    @cached_property
    def _questions(self) -> Mapping[str, tuple[str, ...]]:
        return _questions(self.plain)

    @cached_property
    def _known(self) -> dict[str, RankPasses]:
        return {}

    @cached_property
    def _order(self) -> Order:
        """The order of visits, which all ranks share."""
        return Order(self.plain, self.table)

    @cached_property
    def _whole_view(self) -> Order | None:
        """The order of the cascade with ranks whole, where an index shifts a split one or conditions are on whole ones."""
        parts = {part.lower() for pieces in self.plain.digits.values() for part in pieces}
        shifted = any(
            index.why == SHIFTED or not parts.isdisjoint(index.mentions) for index in _opaque(self.plain)
        )
        filters = (one for node in self.plain.nodes for one in node.filters)
        masked = any(not parts.isdisjoint(one.variables) for one in filters)
        if not shifted and not masked:
            return None
        whole = plain(regrouped(self.cascade, self.plain.digits), split=False)
        tiles = any(node.loop for node in whole.nodes) and next(iter(_opaque(whole)), None) is not None
        return (
            None if tiles and not shifted else Order(whole, relations(whole))
        )  # a loop over tiles stays one

    def rank(self, name: str) -> RankPasses:
        """Return what is known about rank *name*.

        Raises
        ------
        NoSuchFibreError
            When no Einsum runs over such a rank.
        """
        if name not in self._questions:
            known = ", ".join(self.names)
            raise NoSuchFibreError(f"cascade {self.cascade.name} has no rank {name!r}; there are: {known}")
        if name not in self._known:
            entry = _rank(self._order, name, self._questions[name])
            self._known[name] = self._with_whole_view(entry)
        return self._known[name]

    def _with_whole_view(self, entry: RankPasses) -> RankPasses:
        """Return *entry* with the better of two bounds for each tensor: its ranks in parts, or whole.

        A scan over a rank that others read in tiles is known in the second view alone. Both are bounds.
        """
        digits = self.plain.digits
        parts = {part for pieces in digits.values() for part in pieces}
        if self._whole_view is None or entry.rank not in self.cascade.ranks or entry.rank in parts:
            return entry
        order = self._whole_view
        return replace(entry, tensors=tuple(_better(order, one, entry.rank, digits) for one in entry.tensors))

    @property
    def main(self) -> RankPasses:
        """The rank to look at first: most passes, a part of a split rank only where no whole rank has two."""
        parts = {part for digits in self.plain.digits.values() for part in digits}
        whole = [entry for entry in self.ranks if entry.rank not in parts]
        chosen = whole if any(entry.passes > 1 for entry in whole) else self.ranks
        return max(chosen, key=lambda one: (one.passes, sum(len(group) for group in one.groups)))

    def over(self, ranks: tuple[str, ...]) -> RankPasses:
        """Return what is known about several ranks taken as one, outermost first (blocks and their tiles).

        Raises
        ------
        NoSuchFibreError
            When no Einsum runs over one of them.
        """
        if len(ranks) == 1:
            return self.rank(ranks[0])
        for name in ranks:
            self.rank(name)
        return _rank(self._order, ",".join(ranks), ranks)

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
    composer = Composer(form.nodes)
    table = relations(form, composer)
    return Analysis(cascade=cascade, plain=form, table=table, given_up=frozenset(composer.given_up))


def _opaque(form: Plain) -> Iterable[Opaque]:
    readings = (reading for node in form.nodes for reading in (*node.reads, *node.outputs))
    return (index for reading in readings for index in reading.indices if isinstance(index, Opaque))


def _better(
    order: Order, known: TensorPasses, rank: str, digits: Mapping[str, tuple[str, ...]]
) -> TensorPasses:
    places = [
        p for p, name in enumerate(order.form.ranks[known.tensor]) if digits.get(name, (name,)) == known.ranks
    ]
    found = [tensor_passes(order, known.tensor, rank, (place,)) for place in places]
    if len(found) != 1 or found[0].count <= known.count:
        return known  # which of two ranks with equal parts is meant is not told here
    return replace(found[0], ranks=known.ranks)


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


def _rank(order: Order, rank: str, parts: tuple[str, ...]) -> RankPasses:
    form, entries = order.form, []
    for tensor, ranks in form.ranks.items():
        for positions in _positions(form, ranks, parts):
            entries.append(tensor_passes(order, tensor, rank, positions))
    variables = tuple(_variable(form, part) for part in parts)
    found = levels(form, order.table, variables)
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


def _no_claims(form: Plain, given_up: Set[tuple[int, tuple[str, ...]]]) -> tuple[NoClaim, ...]:
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
        for one, condition in zip(node.filters, node.einsum.conditions, strict=True):
            if (node.number, one.words) in given_up:
                text = f"{condition} is compared with equal conditions only; without it some rank has more passes"
                note(node, node.einsum.place, text)
    return tuple(found.values())
