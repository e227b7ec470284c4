"""How much of each tensor must be live, as formulas in the sizes of ranks.

This follows from the passes alone and holds for every mapping. Along the rank of interest a tensor needs a tile
when it is made and used within one sweep, one generation when it is a running value, and the whole fibre when
it crosses from one sweep into a later one (or else it is stored and loaded again, or made again). Its other
ranks count in full, or as the tile that a caller names (``{"P": "P0"}``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemax.analysis.answer import RankPasses
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
        rest = [name for name in ranks if name not in outside and not is_along(analysis.plain, name, along)]
        found.append(Footprint(tensor=tensor, kind=kind, words=own * size_of(analysis.plain, rest, named)))
    return tuple(found)


def whole_words(analysis: Analysis, tensor: str) -> sympy.Expr:
    """Return the size of *tensor* with all of its ranks, in words; batch ranks left out."""
    whole: sympy.Expr = size_of(analysis.plain, analysis.plain.ranks[tensor], {})
    return whole


def _outer_digits(form: Plain, rank: str) -> frozenset[str]:
    """Return the parts around *rank* in a split rank: at any time one coordinate of them is worked on."""
    around = (parts[: parts.index(rank)] for parts in form.digits.values() if rank in parts)
    return frozenset(part for parts in around for part in parts)


def is_along(form: Plain, rank: str, along: Iterable[str]) -> bool:
    """Return whether *rank* is one of *along*, or declared to be another name of one."""
    return any(_named(form, rank) == _named(form, other) for other in along)


def _named(form: Plain, rank: str) -> str:
    """Return the rank that *rank* is another name of (``ranks: {P: S}``)."""
    entry = form.cascade.ranks.get(rank)
    while entry is not None and isinstance(entry.size, Name) and entry.size.name in form.cascade.ranks:
        entry = form.cascade.ranks[entry.size.name]
    return entry.name if entry is not None else rank


def size_of(form: Plain, ranks: Iterable[str], tiles: Mapping[str, str]) -> Expression:
    """Return the product of the sizes of *ranks*, of a tile for those in *tiles*; all parts of a rank make the rank."""
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
    carried = [rank for rank in form.ranks[tensor] if is_along(form, rank, along)]
    if not carried:
        return "result", sympy.Integer(1)
    if form.cascade.tensors[tensor].generation in carried and tensor not in entry.crossing:
        return "state", sympy.Integer(1)
    named = len(carried) == len(along) and "," not in entry.rank
    whole = symbol(entry.rank) if named else size_of(form, carried, {})
    if tensor in entry.crossing:
        return "crossing", whole
    if tensor in entry.read_again:
        return "read again", whole
    readings = [(n, r) for n in form.nodes for r in n.reads if r.tensor == tensor]
    if any(_prefix(form, node, reading, along) for node, reading in readings):
        return ("prefix", whole) if len(along) == 1 else ("inner", symbol(along[-1]))
    if len(along) > 1 and len(carried) == len(along):
        inner = analysis.rank(along[-1]) if along[-1] in analysis.names else None
        if inner is not None and (tensor in inner.crossing or tensor in inner.read_again):
            return "inner", symbol(along[-1])
    width = _width(form, readings, along)
    return ("window", sympy.Integer(1 + width)) if width else ("tile", sympy.Integer(1))


def _prefix(form: Plain, node: Node, reading: Reading, along: tuple[str, ...]) -> bool:
    """Return whether a filter makes each coordinate of another rank of the same sequence read a growing part."""
    here = {
        i.name for i in reading.indices if isinstance(i, Variable) and is_along(form, i.name.upper(), along)
    }
    return any(
        one.difference is not None
        and len(here & {one.difference[0], one.difference[1]}) == 1
        and is_along(form, one.difference[0].upper(), along)
        and is_along(form, one.difference[1].upper(), along)
        and abs(one.difference[3] - one.difference[2]) == float("inf")
        for one in node.filters
    )


def _width(form: Plain, readings: Iterable[tuple[Node, Reading]], along: tuple[str, ...]) -> int:
    offsets = [
        index.offset
        for _, reading in readings
        for index in reading.indices
        if isinstance(index, Variable) and is_along(form, index.name.upper(), along)
    ]
    return max(offsets, default=0) - min(offsets, default=0)
