"""Lower bounds on the words that move between a fast and a slow memory, as formulas in the sizes of ranks.

Three reasons, each with its proof:

* what is read of inputs and written of outputs moves once (:mod:`fusemax.analysis.compulsory`);
* passes: a wavefront argument (Elango et al., "On characterizing the data movement complexity of computational DAGs",
  SPAA 2014) at the times of the barriers. When a pass begins, at most S words are in fast memory, so all but S of the
  cheapest cut between what was loaded before and what the pass reads must be loaded during it, again;
* sums of products, whatever the passes (:mod:`fusemax.analysis.products`), and weighted sums of values whose weights are
  made of such (:mod:`fusemax.analysis.weighted`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from fusemax.analysis.answer import RankPasses
from fusemax.analysis.compulsory import as_needed, moved_once, read_words
from fusemax.analysis.footprint import is_along, size_of, symbol
from fusemax.analysis.members import Visit
from fusemax.analysis.passes import Analysis
from fusemax.analysis.plain import Plain, Reading, Variable
from fusemax.analysis.products import Product, sums_of_products
from fusemax.analysis.weighted import Weighted, weighted_sums
from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    import sympy

Expression = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A lower bound on the words that move between slow and fast memory.

    Attributes
    ----------
    compulsory
        What is read of inputs and written of outputs, once.
    cuts
        For each pass after the first, the words that it needs and that were in fast memory before.
    fibres
        How many fibres have such passes of their own, no word of one serving another.
    words
        The bound from these two for a fast memory of ``S`` words.
    products
        The sums of products that load more than their operands once.
    weighted
        The weighted sums whose weights are made of sums of products: both together load more.
    least
        The largest bound of all: ``words``, or what the products load with the rest moved once.
    """

    compulsory: sympy.Expr
    cuts: tuple[sympy.Expr, ...]
    fibres: sympy.Expr
    words: sympy.Expr
    products: tuple[Product, ...]
    weighted: tuple[Weighted, ...]
    least: sympy.Expr


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
    form, named = analysis.plain, dict(tiles or {})
    compulsory = moved_once(form)
    best: tuple[sympy.Expr, ...] = ()
    fibres: sympy.Expr = sympy.Integer(1)
    entry = analysis.rank(rank)
    needed, partly = as_needed(form)
    for one in sorted(entry.tensors, key=lambda tensor: -tensor.count):
        if any(len(_reading(form, visit)) != 1 for visit in one.chain[1:]):
            continue
        if any(
            visit.number in partly or form.nodes[visit.number] != needed.nodes[visit.number]
            for visit in one.chain[1:]
        ):
            continue
        cuts, shared = _cuts(form, entry, one.chain, named)
        if len(cuts) > len(best):
            best, fibres = cuts, shared
    extra = fibres * sympy.Add(*(sympy.Max(0, cut - size) for cut in best))
    products, chains = sums_of_products(needed, partly), weighted_sums(needed, partly)
    more = _beyond_first_loads(form, products, chains, size)
    return Traffic(
        compulsory=compulsory,
        cuts=best,
        fibres=fibres,
        words=compulsory + extra,
        products=products,
        weighted=chains,
        least=compulsory + sympy.Max(extra, more),
    )


def _beyond_first_loads(
    form: Plain, products: Sequence[Product], chains: Sequence[Weighted], capacity: Expression
) -> Expression:
    """Return the words that sums of products load beside the first load of each word of their inputs.

    The scores of a weighted sum count with it, or by themselves where that is more.
    """
    import sympy

    def beyond(one: Product | Weighted) -> Expression:
        return sympy.Max(0, one.loads(capacity) - sympy.Add(*(read_words(form, name) for name in one.inputs)))

    inside = {name for chain in chains for name in chain.inputs}
    alone = [product for product in products if inside.isdisjoint(product.inputs)]
    groups = [sympy.Max(beyond(chain), beyond(chain.scores)) for chain in chains]
    return sympy.Add(*(beyond(product) for product in alone), *groups)


def least_words(analysis: Analysis, sizes: Mapping[str, float], capacity: float) -> float:
    """Return the fewest words that move for all batch elements, whatever the mapping.

    Parameters
    ----------
    sizes
        The size of every rank and free size, batch ranks too. Passes over the parts of a rank whose sizes are not
        given are left out.
    capacity
        The words that the fast memory holds: all that are kept below the slow memory, registers included.

    Raises
    ------
    FusemaxError
        When a size is missing without which nothing can be said.

    >>> from fusemax.analysis.passes import analyse
    >>> from fusemax.cascade.build import load_cascade
    >>> found = analyse(load_cascade("attention/1-pass"))
    >>> sizes = {"B": 1, "H": 1, "E": 64, "F": 64, "M": 16384, "P": 16384}
    >>> round(least_words(found, sizes, 8192) / 1e6)
    357
    """
    known = dict(sizes)  # the capacity goes in as a number: a rank may be called S
    bounds = [traffic_bound(analysis, entry.rank, capacity=capacity) for entry in analysis.ranks]
    needed = {str(symbol) for bound in bounds[:1] for symbol in bound.compulsory.free_symbols}
    missing = sorted((needed | set(analysis.cascade.batch)) - known.keys())
    if missing:
        raise FusemaxError(
            f"no size for {', '.join(missing)}: the traffic bound of {analysis.cascade.name} needs it"
        )
    told = [b.least for b in bounds if {str(symbol) for symbol in b.least.free_symbols} <= known.keys()]
    told += [bound.compulsory for bound in bounds[:1]]
    batch = prod(float(sizes[name]) for name in analysis.cascade.batch)
    return max((value_of(words, known) for words in told), default=0.0) * batch


def value_of(words: Expression, sizes: Mapping[str, float]) -> float:
    """Return the number that a formula in sizes stands for."""
    return float(words.subs({s: sizes[s.name] for s in words.free_symbols}))


def _reading(form: Plain, visit: Visit) -> Sequence[Reading]:
    """Return the reading that makes *visit*; nothing for a single element that stands for a fibre."""
    if visit.point or visit.number >= len(form.nodes):
        return ()
    along = set(visit.variables)
    return [
        reading
        for reading in form.nodes[visit.number].reads
        if reading.tensor == visit.tensor
        and along <= {index.name for index in reading.indices if isinstance(index, Variable)}
    ][:1]


def _cuts(
    form: Plain, entry: RankPasses, chain: Sequence[Visit], tiles: Mapping[str, str]
) -> tuple[tuple[Expression, ...], Expression]:
    """Return the cut of each pass of *chain* after the first, and how many fibres share no word of them."""
    import sympy

    cuts: list[Expression] = []
    loaded: set[str] = set()
    common: set[str] | None = None
    for earlier, visit in pairwise(chain):
        before = _reading(form, earlier)
        loaded |= _inputs(form, before[0].tensor, frozenset(earlier.variables), 0) if before else set()
        (reading,) = _reading(form, visit)
        read = {index.name for index in reading.indices if isinstance(index, Variable)}
        fixed = (set(form.nodes[visit.number].output_variables) | read) - set(visit.variables)
        ways = _options(form, reading.tensor, frozenset(visit.variables), 0)
        charged = [frozenset(t for t in way if t not in form.cascade.inputs or t in loaded) for way in ways]
        weights = [
            sympy.Add(*(_weight(form, tensor, entry, fixed, tiles) for tensor in way)) for way in charged
        ]
        fewest = sympy.Integer(1) if sympy.Integer(1) in weights else sympy.Min(*weights)
        cuts.append(symbol(entry.rank) * fewest)
        for way in charged:
            for tensor in way:
                held = {rank for rank in form.ranks[tensor] if rank.lower() in fixed and rank not in tiles}
                common = held if common is None else common & held
    masked = any(
        set(one.variables) & set(visit.variables)
        for visit in chain
        for one in form.nodes[visit.number].filters
    )
    alone = sorted(common or ()) if not masked and not tiles else []
    return tuple(cuts), size_of(form, alone, {})


def _inputs(form: Plain, tensor: str, along: frozenset[str], depth: int) -> Set[str]:
    """Return the inputs whose fibre must have been loaded for *tensor* to be there along the rank."""
    if tensor in form.cascade.inputs:
        return {tensor}
    found: set[str] = set()
    for node in form.nodes:
        if depth > 8 or node.reduced & along or not any(output.tensor == tensor for output in node.outputs):
            continue
        for reading in node.reads:
            if along <= {index.name for index in reading.indices if isinstance(index, Variable)}:
                found |= _inputs(form, reading.tensor, along, depth + 1)
    return found


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
        if is_along(form, rank, along):
            continue
        if rank in tiles:
            total *= symbol(tiles[rank])
        elif rank.lower() not in fixed:
            total *= symbol(rank)
    return total
