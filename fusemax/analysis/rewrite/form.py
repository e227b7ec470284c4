"""A cascade found by rewriting, with what it costs, how safe it is, and how it was derived."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cache
from math import prod

import sympy

from fusemax.analysis.footprint import Footprint, footprints, whole_words
from fusemax.analysis.passes import Analysis, RankPasses, analyse
from fusemax.analysis.plain import Opaque, sequence
from fusemax.analysis.rewrite.normal import RankError, mentions, view
from fusemax.analysis.rewrite.parts import parts
from fusemax.analysis.rewrite.stages import levels
from fusemax.analysis.rewrite.verify import Verdict
from fusemax.analysis.work import plain_operations
from fusemax.cascade.ir import Cascade

LINE = re.compile(r" \(line \d+\)")
#: Extents at which forms are ranked against each other: the rank in question, its tiles, every other rank.
LONG, TILE, OTHER = 4096, 128, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One equivalent cascade.

    Attributes
    ----------
    title
        What it is, in a few words (``iterate GM, SD, SNV``).
    moves
        The kinds of rewrites that led here, in order.
    passes, sweeps
        Over the rank that was asked about, by the analysis of passes.
    operations, work
        Operations by kind as expressions in the sizes of ranks; their total at the extents of :func:`extents`.
    crossing
        Tensors of which a whole fibre along the rank has to be kept or loaded again.
    partial
        Tensors kept or loaded again with one element for each tile of the rank.
    verdict
        The comparison of values with the original; None for the original itself.
    derivation
        The sentences of every step.
    measured
        Makes :attr:`footprint`, once it is asked for.
    chain
        Why it has that many passes: what needs all of the rank before what can be read.
    """

    title: str
    cascade: Cascade
    moves: tuple[str, ...]
    passes: int
    sweeps: int
    operations: Mapping[str, sympy.Expr]
    work: float
    crossing: tuple[str, ...]
    partial: tuple[str, ...]
    measured: Callable[[], tuple[Footprint, ...]] = field(compare=False, repr=False)
    verdict: Verdict | None
    derivation: tuple[str, ...]
    chain: tuple[str, ...] = ()

    @property
    def footprint(self) -> tuple[Footprint, ...]:
        """The least of every tensor that must be live, as formulas in the sizes of ranks; batch ranks left out."""
        return self.measured()

    @property
    def safe(self) -> bool:
        """Whether it holds wherever the original does."""
        return self.verdict is None or not self.verdict.unsafe

    @property
    def live(self) -> sympy.Expr:
        """The footprints of all tensors together, in words."""
        return sympy.Add(*(one.words for one in self.footprint))

    @property
    def kept(self) -> tuple[Footprint, ...]:
        """The footprints of what is kept along the whole rank, then of what is kept for each tile."""
        words = {one.tensor: one for one in self.footprint}
        return tuple(words[name] for name in (*self.crossing, *self.partial))

    @property
    def safety(self) -> str:
        """The numerical safety in words."""
        if self.verdict is None:
            return "as written"
        return "safe" if self.safe else "unsafe: " + ", ".join(self.verdict.unsafe)


def operation_counts(cascade: Cascade) -> dict[str, sympy.Expr]:
    """Return the number of operations of each kind as expressions in the sizes of the ranks (batch ranks left out)."""
    counts: dict[str, sympy.Expr] = {}
    for einsum in cascade.einsums:
        for operation in plain_operations(cascade, einsum):
            sizes = [sympy.Symbol(v.upper(), positive=True) for v in sorted(operation.variables)]
            counts[operation.name] = counts.get(operation.name, sympy.Integer(0)) + prod(
                sizes, start=sympy.Integer(1)
            )
    wholes = {r.name: parts(r) for r in cascade.ranks.values() if len(parts(r)) == 2}
    return {name: _joined(sympy.expand(count), wholes) for name, count in counts.items()}


def _joined(count: sympy.Expr, wholes: Mapping[str, tuple[str, ...]]) -> sympy.Expr:
    """Return *count* with ``M1*M0`` written as ``M``."""
    for whole, digits in wholes.items():
        first, second = (sympy.Symbol(digit, positive=True) for digit in digits)
        terms = []
        for term in sympy.Add.make_args(count):
            both = term.has(first) and term.has(second)
            terms.append(term / (first * second) * sympy.Symbol(whole, positive=True) if both else term)
        count = sympy.Add(*terms)
    return count


def nominal_work(counts: Mapping[str, sympy.Expr], sizes: Mapping[str, int]) -> float:
    """Return the total of *counts* at the extents *sizes*; other ranks have the usual one. All kinds weigh the same."""
    total = sum(counts.values(), sympy.Integer(0))
    return float(total.subs({s: sizes.get(str(s), OTHER) for s in total.free_symbols}))


def extents(rank: str, cascade: Cascade) -> dict[str, int]:
    """Return the extents used to rank forms: long for *rank*, and its tiles accordingly."""
    sizes: dict[str, int] = {}
    for part in rank.split(","):
        sizes[part] = LONG
        digits = parts(cascade.ranks.get(part))
        if len(digits) == 2:
            outer, inner = digits
            sizes |= {outer: LONG // TILE, inner: TILE}
        sizes |= {name: LONG for name in cascade.ranks if _one_sequence(cascade, name, part)}
    return sizes


def _one_sequence(cascade: Cascade, one: str, other: str) -> bool:
    """Return whether two ranks are declared to be the same sequence, or of the same size."""
    return sequence(cascade, one) == sequence(cascade, other)


def busiest_rank(cascade: Cascade) -> str:
    """Return the rank with the most passes; of equals, the one with the longest chain of reductions over it.

    Tiles are left out: their passes cost no traffic.
    """
    tiles = {part for rank in cascade.ranks.values() for part in parts(rank)[1:]}
    entries = [entry for entry in analyse(cascade).ranks if entry.rank not in tiles]
    return max(entries, key=lambda entry: (entry.passes, _chain(cascade, entry.rank), entry.sweeps)).rank


def _chain(cascade: Cascade, rank: str) -> int:
    """Return how many reductions over *rank* need each other in a row; 0 where none can be rewritten."""
    try:
        seen = view(cascade, rank)
    except RankError:
        return 0
    return max(levels(seen, frozenset(seen.reductions)).values(), default=0)


def _asked(cascade: Cascade, rank: str) -> tuple[str, ...]:
    """Return the ranks to ask the analysis about; a rank that no tensor has whole is asked for by its parts."""
    whole = {name for tensor in cascade.tensors.values() for name in tensor.ranks}
    asked: list[str] = []
    for part in (piece.strip() for piece in rank.split(",")):
        asked += [part] if part in whole or not parts(cascade.ranks.get(part)) else parts(cascade.ranks[part])
    return tuple(asked)


def _entry(analysis: Analysis, rank: str) -> RankPasses:
    """Return what is known over *rank*: over its parts where nothing is known of the whole, as none is read whole."""
    cascade = analysis.cascade
    entry = analysis.over(_asked(cascade, rank))
    pieces = parts(cascade.ranks[rank]) if rank in cascade.ranks else ()
    used = {v for einsum in cascade.computed for v in einsum.variables}
    if entry.passes or not pieces or not {piece.lower() for piece in pieces} <= used:
        return entry
    return analysis.over(pieces)


def _kept(entry: RankPasses) -> tuple[str, ...]:
    """Return what crosses between sweeps, or is read in several passes itself, under whichever name of the rank."""
    several = (one.tensor for one in entry.tensors if one.direct > 1)
    return tuple(dict.fromkeys((*entry.crossing, *entry.read_again, *several)))


def _made_before(analysis: Analysis, entry: RankPasses) -> tuple[str, ...]:
    """Return what is made whole before a loop that reads it at places of which nothing is claimed."""
    found: dict[str, None] = {}
    along = set(entry.variables)
    for node in analysis.plain.nodes:
        for reading in node.reads if node.loop is not None else ():
            makers = analysis.cascade.producers(reading.tensor)
            away = any(isinstance(index, Opaque) and index.mentions & along for index in reading.indices)
            if away and makers and all(maker.loop is None for maker in makers):
                found[reading.tensor] = None
    return tuple(found)


def _per_tile(cascade: Cascade, analysis: Analysis, rank: str) -> tuple[str, ...]:
    """Return what has to be kept with an element for each tile, beside what is kept along the whole rank."""
    pieces = [piece.strip() for piece in rank.split(",")]
    if len(pieces) == 1:
        pieces = [n for n in cascade.ranks if _one_sequence(cascade, n, rank) and parts(cascade.ranks[n])]
    outer = [parts(cascade.ranks.get(piece))[0] for piece in pieces if parts(cascade.ranks.get(piece))]
    outer += pieces[:1] if "," in rank else []
    whole = {piece.strip() for piece in rank.split(",")} | {
        p for piece in pieces for p in parts(cascade.ranks.get(piece))[1:]
    }
    pieces = [piece for piece in outer if piece in analysis.names and _leaves_its_loop(cascade, piece, whole)]
    found = [name for piece in pieces for name in _kept(analysis.rank(piece))]
    return tuple(n for n in dict.fromkeys(found) if not whole & set(cascade.tensors[n].ranks))


def _leaves_its_loop(cascade: Cascade, outer: str, whole: Set[str]) -> bool:
    """Return whether what has an element for each tile *outer*, and none of the ranks *whole*, is read outside of its loop."""
    variable = outer.lower()
    for einsum in cascade.computed:
        for access in einsum.reads:
            ranks = cascade.tensors[access.tensor].ranks
            if outer not in ranks or not whole.isdisjoint(ranks) or not mentions(access, (variable,)):
                continue
            makers = [maker for maker in cascade.producers(access.tensor) if not maker.initial]
            own = einsum.loop == variable and all(maker.loops == einsum.loops for maker in makers)
            if not own or not makers:
                return True
    return False


def _footprint(
    analysis: Analysis, entry: RankPasses, partial: tuple[str, ...], crossing: tuple[str, ...]
) -> tuple[Footprint, ...]:
    """Return what every tensor needs; what is kept for each tile needs an element for each of them."""
    made: list[Footprint] = []
    for one in footprints(analysis, entry.rank):
        words = whole_words(analysis, one.tensor)
        if one.tensor in partial:
            made.append(replace(one, kind="per tile", words=words))
        elif one.tensor in crossing and one.tensor not in (*entry.crossing, *entry.read_again):
            made.append(replace(one, kind="whole fibre", words=words))
        else:
            made.append(one)
    return tuple(made)


def _live(
    analysis: Analysis,
    entries: Sequence[RankPasses],
    partial: tuple[str, ...],
    crossings: Sequence[tuple[str, ...]],
) -> tuple[Footprint, ...]:
    """Return what every tensor needs over all names of a sequence: what is kept over any of them counts so."""
    kept = [_footprint(analysis, one, partial, names) for one, names in zip(entries, crossings, strict=True)]
    return tuple(
        next((one for one, names in zip(found, crossings, strict=True) if one.tensor in names), found[0])
        for found in zip(*kept, strict=True)
    )


def _entries(analysis: Analysis, rank: str, wide: bool) -> tuple[RankPasses, ...]:
    """Return what is known over *rank* and, if *wide*, over the other names of its sequence."""
    cascade = analysis.cascade
    if not wide or rank not in cascade.ranks:
        return (_entry(analysis, rank),)
    own = sequence(cascade, rank)
    others = [n for n in analysis.names if n in cascade.ranks and n != rank and sequence(cascade, n) == own]
    first = (_entry(analysis, rank),) if rank in analysis.names or parts(cascade.ranks[rank]) else ()
    return (*first, *(analysis.rank(name) for name in others))


def form_of(
    cascade: Cascade,
    rank: str,
    title: str,
    moves: tuple[str, ...],
    verdict: Verdict | None,
    lines: tuple[str, ...],
    wide: bool = False,
) -> Form:
    """Return *cascade* as a form: its passes, operations and crossing tensors along *rank*.

    With *wide*, all names of its sequence count, as several of them are folded.
    """
    analysis = analyse(cascade)
    entries = _entries(analysis, rank, wide)
    counts = operation_counts(cascade)
    partial = _per_tile(cascade, analysis, rank)
    crossings = [tuple(dict.fromkeys((*_kept(one), *_made_before(analysis, one)))) for one in entries]
    return Form(
        title=title,
        cascade=cascade,
        moves=moves,
        passes=max(one.passes for one in entries),
        sweeps=max(one.sweeps for one in entries),
        operations=counts,
        work=nominal_work(counts, extents(rank, cascade)),
        crossing=tuple(dict.fromkeys(name for names in crossings for name in names)),
        partial=partial,
        measured=cache(lambda: _live(analysis, entries, partial, crossings)),
        verdict=verdict,
        derivation=lines,
        chain=_chain_of(max(entries, key=lambda one: one.passes)),
    )


def at_least_two(form: Form) -> Form:
    """Return *form* with 2 passes, where an output needs as many and nothing is claimed of what it reads away from its place.

    What is read at such places by several Einsums is loaded again.
    """
    analysis = analyse(form.cascade)
    readers: dict[str, set[str]] = {}
    for node in analysis.plain.nodes:
        for reading in node.reads:
            if any(isinstance(index, Opaque) for index in reading.indices):
                readers.setdefault(reading.tensor, set()).add(node.name)
    again = tuple(name for name, by in readers.items() if len(by) > 1 and name in form.cascade.inputs)
    kept = tuple(dict.fromkeys((*form.crossing, *again)))

    def measured() -> tuple[Footprint, ...]:
        whole = {name: whole_words(analysis, name) for name in again}
        return tuple(
            replace(one, kind="whole fibre", words=whole[one.tensor]) if one.tensor in whole else one
            for one in form.footprint
        )

    passes, sweeps = max(form.passes, 2), max(form.sweeps, 2)
    return replace(form, passes=passes, sweeps=sweeps, crossing=kept, measured=cache(measured))


def _chain_of(entry: RankPasses) -> tuple[str, ...]:
    """Return why there are that many passes, without the lines of a file that may never be written."""
    longest = max(entry.tensors, key=lambda one: (one.count, one.direct), default=None)
    steps = longest.steps if longest is not None else ()
    return tuple(LINE.sub("", str(step)) for step in steps)
