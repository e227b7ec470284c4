"""How much of each tensor must be live, and how many words must move, as formulas in the sizes of ranks.

Both follow from the passes alone and hold for every mapping. Along the rank of interest a tensor needs a tile
when it is made and used within one sweep, one generation when it is a running value, and the whole fibre when
it crosses from one sweep into a later one (or else it is stored and loaded again, or made again). Its other
ranks count in full, or as the tile that a caller names (``{"P": "P0"}``).

The traffic bound is a wavefront argument (Elango et al., "On characterizing the data movement complexity of
computational DAGs", SPAA 2014) at the times of the barriers: when a pass begins, at most S words are in fast
memory, so all but S of the cheapest cut between the inputs and what the pass reads must be loaded during it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemax.analysis.answer import RankPasses
from fusemax.analysis.members import Visit
from fusemax.analysis.passes import Analysis
from fusemax.analysis.plain import Node, Plain, Reading, Variable
from fusemax.language.syntax import Name

if TYPE_CHECKING:
    import sympy

Expression = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """The least of one tensor that must be live: ``words`` is a formula, ``kind`` says why.

    Kinds: ``tile``, ``inner`` (whole tiles of a split rank), ``window``, ``state`` (one generation),
    ``result`` (no such rank), ``crossing`` and ``read again`` (the whole fibre), ``prefix`` (all that came
    before).
    """

    tensor: str
    kind: str
    words: sympy.Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A lower bound on the words that move between slow and fast memory.

    ``compulsory`` counts each input and output once; ``cuts`` are the words that each pass after the first
    needs at least; ``words`` is the bound for a fast memory of ``S`` words.
    """

    compulsory: sympy.Expr
    cuts: tuple[sympy.Expr, ...]
    words: sympy.Expr


def symbol(name: str) -> sympy.Symbol:
    """Return the symbol of a size; positive, and not integer, so that sympy's Max stays right."""
    import sympy

    return sympy.Symbol(name, positive=True)


def footprints(
    analysis: Analysis, rank: str, tiles: Mapping[str, str] | None = None
) -> tuple[Footprint, ...]:
    """Return the live footprint of every tensor with respect to *rank*, in words.

    Several ranks taken as one are named together, outermost first: ``J,M0``.

    >>> from fusemax.analysis.passes import analyse
    >>> from fusemax.cascade.build import load_cascade
    >>> found = footprints(analyse(load_cascade("attention/3-pass")), "M", {"P": "P0"})
    >>> [(f.tensor, f.kind, str(f.words)) for f in found if f.tensor in ("K", "QK", "GM")]
    [('K', 'tile', 'E'), ('QK', 'crossing', 'M*P0'), ('GM', 'result', 'P0')]
    """
    entry = analysis.over(tuple(rank.split(",")))
    named = dict(tiles or {})
    found = []
    for tensor, ranks in analysis.plain.ranks.items():
        kind, own = _kind(analysis, entry, tensor)
        along = {variable.upper() for variable in entry.variables}
        outside = _outer_digits(analysis.plain, entry.rank)
        rest = [name for name in ranks if name not in outside and not _of(analysis.plain, name, along)]
        found.append(Footprint(tensor=tensor, kind=kind, words=own * _product(analysis.plain, rest, named)))
    return tuple(found)


def whole_words(analysis: Analysis, tensor: str) -> sympy.Expr:
    """Return the size of *tensor* with all of its ranks, in words; batch ranks left out."""
    whole: sympy.Expr = _product(analysis.plain, analysis.plain.ranks[tensor], {})
    return whole


def _outer_digits(form: Plain, rank: str) -> frozenset[str]:
    """Return the parts around *rank* in a split rank: at any time one coordinate of them is worked on."""
    around = (parts[: parts.index(rank)] for parts in form.digits.values() if rank in parts)
    return frozenset(part for parts in around for part in parts)


def _of(form: Plain, rank: str, along: Iterable[str]) -> bool:
    """Return whether *rank* is one of *along*, or declared to be another name of one."""
    return any(_named(form, rank) == _named(form, other) for other in along)


def _named(form: Plain, rank: str) -> str:
    """Return the rank that *rank* is another name of (``ranks: {P: S}``)."""
    entry = form.cascade.ranks.get(rank)
    while entry is not None and isinstance(entry.size, Name) and entry.size.name in form.cascade.ranks:
        entry = form.cascade.ranks[entry.size.name]
    return entry.name if entry is not None else rank


def _product(form: Plain, ranks: Iterable[str], tiles: Mapping[str, str]) -> Expression:
    import sympy

    left = list(ranks)
    whole = []
    for name, parts in form.digits.items():
        if parts and all(part in left for part in parts):
            left = [rank for rank in left if rank not in parts]
            whole.append(name)
    return sympy.Mul(*(symbol(tiles.get(rank, rank)) for rank in (*whole, *left)))


def _kind(analysis: Analysis, entry: RankPasses, tensor: str) -> tuple[str, Expression]:
    """Return why a tensor is live along a rank, and how many of its coordinates are."""
    import sympy

    form = analysis.plain
    along = tuple(variable.upper() for variable in entry.variables)
    carried = [rank for rank in form.ranks[tensor] if _of(form, rank, along)]
    if not carried:
        return "result", sympy.Integer(1)
    if form.cascade.tensors[tensor].generation in carried:
        return "state", sympy.Integer(1)
    named = len(carried) == len(along) and "," not in entry.rank
    whole = symbol(entry.rank) if named else _product(form, carried, {})
    if tensor in entry.crossing:
        return "crossing", whole
    if tensor in entry.read_again:
        return "read again", whole
    readings = [(n, r) for n in form.nodes for r in n.reads if r.tensor == tensor]
    if any(_prefix(form, node, reading, along) for node, reading in readings):
        return ("prefix", whole) if len(along) == 1 else ("inner", symbol(along[-1]))
    if len(along) > 1 and len(carried) == len(along):
        inner = analysis.rank(along[-1])
        if tensor in inner.crossing or tensor in inner.read_again:
            return "inner", symbol(along[-1])
    width = _width(form, readings, along)
    return ("window", sympy.Integer(1 + width)) if width else ("tile", sympy.Integer(1))


def _prefix(form: Plain, node: Node, reading: Reading, along: tuple[str, ...]) -> bool:
    """Return whether a filter makes each coordinate of another rank of the same sequence read a growing part."""
    here = {i.name for i in reading.indices if isinstance(i, Variable) and _of(form, i.name.upper(), along)}
    return any(
        one.difference is not None
        and len(here & {one.difference[0], one.difference[1]}) == 1
        and _of(form, one.difference[0].upper(), along)
        and _of(form, one.difference[1].upper(), along)
        and abs(one.difference[3] - one.difference[2]) == float("inf")
        for one in node.filters
    )


def _width(form: Plain, readings: Iterable[tuple[Node, Reading]], along: tuple[str, ...]) -> int:
    offsets = [
        index.offset
        for _, reading in readings
        for index in reading.indices
        if isinstance(index, Variable) and _of(form, index.name.upper(), along)
    ]
    return max(offsets, default=0) - min(offsets, default=0)


# ------------------------------------------------------------------------------------------------ traffic
def traffic_bound(
    analysis: Analysis, rank: str, tiles: Mapping[str, str] | None = None, capacity: Expression = None
) -> Traffic:
    """Return a lower bound on the words moved by one batch element, for a fast memory of ``S`` words.

    Parameters
    ----------
    tiles
        Ranks of which several coordinates go through the passes together, by the name of their number (``P``:
        ``P0``). Without one, a rank that a pass keeps fixed counts as one coordinate: sound for every
        schedule. With one, the bound holds for a schedule that aligns the passes of that many.
    capacity
        The words of fast memory; the symbol ``S`` if not given.

    >>> from fusemax.analysis.passes import analyse
    >>> from fusemax.cascade.build import load_cascade
    >>> found = traffic_bound(analyse(load_cascade("attention/3-pass")), "M", {"P": "P0"})
    >>> [str(cut) for cut in found.cuts]
    ['M*Min(E, P0)', 'M*Min(E, P0)']
    """
    import sympy

    size = symbol("S") if capacity is None else sympy.sympify(capacity)
    form = analysis.plain
    compulsory = sympy.Add(*(_product(form, form.ranks[name], {}) for name in _outside(analysis)))
    best: tuple[sympy.Expr, ...] = ()
    entry = analysis.rank(rank)
    for one in sorted(entry.tensors, key=lambda tensor: -tensor.count):
        cuts = tuple(
            _cut(form, entry, visit, dict(tiles or {})) for visit in one.chain[1:] if not visit.point
        )
        if len(cuts) > len(best):
            best = cuts
    extra = sympy.Add(*(sympy.Max(0, cut - size) for cut in best))
    return Traffic(compulsory=compulsory, cuts=best, words=compulsory + extra)


def _outside(analysis: Analysis) -> tuple[str, ...]:
    return (*analysis.cascade.inputs, *analysis.cascade.outputs)


def _cut(form: Plain, entry: RankPasses, visit: Visit, tiles: Mapping[str, str]) -> Expression:
    """Return the fewest words between the inputs and what *visit* reads, over all coordinates of the rank."""
    import sympy

    node = form.nodes[visit.number]
    reading = next(
        r
        for r in node.reads
        if r.tensor == visit.tensor
        and {v for v in visit.variables} <= {i.name for i in r.indices if isinstance(i, Variable)}
    )
    read = {index.name for index in reading.indices if isinstance(index, Variable)}
    fixed = (set(node.output_variables) | read) - set(visit.variables)
    options = _options(form, reading.tensor, frozenset(visit.variables), 0)
    weights = [
        sympy.Add(*(_weight(form, tensor, entry, fixed, tiles) for tensor in option)) for option in options
    ]
    fewest = sympy.Integer(1) if sympy.Integer(1) in weights else sympy.Min(*weights)
    return symbol(entry.rank) * fewest


def _options(form: Plain, tensor: str, along: frozenset[str], depth: int) -> tuple[frozenset[str], ...]:
    """Return the sets of tensors any one of which, along the rank, is enough to make *tensor* again."""
    found = [frozenset({tensor})]
    makers = [node for node in form.nodes if any(output.tensor == tensor for output in node.outputs)]
    if len(makers) != 1 or depth > 8 or makers[0].reduced & along or makers[0].loop is not None:
        return tuple(found)
    carried = [
        reading.tensor
        for reading in makers[0].reads
        if along & {index.name for index in reading.indices if isinstance(index, Variable)}
    ]
    ways: list[frozenset[str]] = [frozenset()]
    for operand in dict.fromkeys(carried):
        ways = [way | more for way in ways for more in _options(form, operand, along, depth + 1)][:64]
    found += [way for way in ways if way]
    return tuple(dict.fromkeys(found))


def _weight(
    form: Plain, tensor: str, entry: RankPasses, fixed: set[str], tiles: Mapping[str, str]
) -> Expression:
    """Return the words of *tensor* at one coordinate of the rank: ranks that visits keep fixed count as their tile."""
    import sympy

    along = tuple(variable.upper() for variable in entry.variables)
    total: Expression = sympy.Integer(1)
    for rank in form.ranks[tensor]:
        if _of(form, rank, along):
            continue
        if rank in tiles:
            total *= symbol(tiles[rank])
        elif rank.lower() not in fixed:
            total *= symbol(rank)
    return total
