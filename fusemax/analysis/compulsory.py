"""How many different words of a tensor an algorithm certainly reads or writes: each moves at least once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fusemax.analysis.filters import Filter
from fusemax.analysis.footprint import size_of, symbol
from fusemax.analysis.plain import End, Index, Node, Opaque, Plain, Reading, Start, Variable

if TYPE_CHECKING:
    import sympy

Expression = Any


@dataclass(frozen=True, slots=True)
class _Part:
    """A set of coordinates of a tensor: constants by position, and how many there are at least."""

    constants: tuple[tuple[int, Start | End], ...]
    words: Expression


def read_words(form: Plain, tensor: str) -> sympy.Expr:
    """Return how many different words of *tensor* are read at least, as a formula in sizes; batch ranks left out.

    A part of a tensor counts as that part: ``X[0]`` is one word. Parts at different constant coordinates are summed, of
    parts that may overlap the largest counts. What a condition may leave out, or data choose, is not counted.
    """
    needed = wanted(form)
    return _together(
        _part(form, node, reading, needed.get(node.number, ALL))
        for node, reading in form.readings.get(tensor, ())
    )


def written_words(form: Plain, tensor: str) -> sympy.Expr:
    """Return how many different words of *tensor* are written at least, as a formula in sizes; batch ranks left out."""
    return _together(
        _part(form, node, output, ALL)
        for node in form.nodes
        for output in node.outputs
        if output.tensor == tensor
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What of the points of an Einsum its readers need at least: some coordinates of a variable, under conditions."""

    few: Mapping[str, Expression]
    filters: tuple[Filter, ...] = ()


ALL = _Wanted({})


def wanted(form: Plain) -> Mapping[int, _Wanted]:
    """Return what is needed of Einsums of which not all is, by number.

    ``T[m] = X[m]`` need not be made where only ``T[0]``, ``T[2*p]``, or ``T[m]`` under ``m < 2`` is read. What data choose
    is one coordinate at least, as is a rank in parts of which one is not wanted whole; running values and outputs are.
    """
    import sympy

    found: dict[int, _Wanted] = {}
    parts_of = {part: digits for digits in form.digits.values() for part in digits}
    for node in reversed(form.nodes):
        names = {output.tensor for output in node.outputs}
        if node.loop is not None or node.einsum.initial or not names.isdisjoint(form.cascade.outputs):
            continue
        asked = [
            _asked(form, reader, reading, output, found.get(reader.number, ALL))
            for output in node.outputs
            for reader, reading in form.readings.get(output.tensor, ())
        ]
        most = _most(asked)
        ranks = {
            index.name: rank
            for output in node.outputs
            for index, rank in zip(output.indices, form.ranks[output.tensor], strict=True)
            if isinstance(index, Variable)
        }
        cut = {part for name in most.few for part in parts_of.get(ranks[name], ())}
        few = {
            name: sympy.Integer(1) if parts_of.keys() & {str(one) for one in words.free_symbols} else words
            for name, words in most.few.items()
        } | {name: sympy.Integer(1) for name, rank in ranks.items() if rank in cut}
        if few or len(_filters(node, most)) > len(node.filters):
            found[node.number] = _Wanted(few, most.filters)
    return found


def as_needed(form: Plain) -> tuple[Plain, frozenset[int]]:
    """Return *form* with the conditions under which its Einsums are needed, and those of which only a part is for sure."""
    needed = wanted(form)
    nodes = tuple(replace(node, filters=_filters(node, needed.get(node.number, ALL))) for node in form.nodes)
    return replace(form, nodes=nodes), frozenset(number for number, one in needed.items() if one.few)


def _asked(form: Plain, node: Node, reading: Reading, output: Reading, here: _Wanted) -> _Wanted:
    """Return what *reading* needs of *output*: of some variables a constant, or how many at least; and its conditions."""
    import sympy

    asked: dict[str, Expression] = {}
    seen: set[str] = set()
    sure = _sure(node, {v for index in reading.indices for v in _variables(index)}, here)
    names = {
        index.name: written.name
        for written, index in zip(output.indices, reading.indices, strict=True)
        if isinstance(written, Variable) and isinstance(index, Variable) and not index.offset
    }
    filters = _filters(node, here)
    handed = {v for one in filters for v in one.variables} <= names.keys() - here.few.keys()
    ranks = form.ranks[reading.tensor]
    for written, index, rank in zip(output.indices, reading.indices, ranks, strict=True):
        if not isinstance(written, Variable):
            continue
        variables = _variables(index)
        if isinstance(index, Start | End):
            asked[written.name] = index
        elif not variables or seen & set(variables) or not (handed or sure.issuperset(variables)):
            asked[written.name] = sympy.Integer(1)
        elif (words := _runs(index, rank, here)) is not None:
            asked[written.name] = words
        seen |= set(variables)
    return _Wanted(asked, tuple(_renamed(one, names) for one in filters) if handed else ())


def _most(asked: Sequence[_Wanted]) -> _Wanted:
    """Return what the readings need together at least: what one of the widest does, or all that differ in one variable."""
    import sympy

    first = min(asked, key=lambda one: (len(one.few), len(one.filters)), default=ALL)
    alike = [one.few for one in asked if one.few.keys() == first.few.keys() and not one.filters]
    if len(first.few) != 1 or first.filters:
        few = {n: sympy.Integer(1) if isinstance(c, Start | End) else c for n, c in first.few.items()}
        return _Wanted(few, first.filters)
    (name,) = first.few
    constants = {few[name] for few in alike if isinstance(few[name], Start | End)}
    counts = [few[name] for few in alike if not isinstance(few[name], Start | End)]
    apart = len(constants) if len({type(one) for one in constants}) == 1 else 1
    return _Wanted({name: sympy.Max(apart, *counts)})


def _renamed(one: Filter, names: Mapping[str, str]) -> Filter:
    """Return a condition in the variables of another Einsum: its words, difference, and which sets may stand anywhere."""
    difference = one.difference and (names[one.difference[0]], names[one.difference[1]], *one.difference[2:])
    return Filter(
        one.renamed(names),
        tuple(names[name] for name in one.variables),
        difference,
        reaches=tuple(frozenset(names[name] for name in group) for group in one.reaches),
    )


def _filters(node: Node, here: _Wanted) -> tuple[Filter, ...]:
    """Return the conditions of *node* and of those who need it, each once."""
    return tuple({one.words: one for one in (*node.filters, *here.filters)}.values())


def moved_once(form: Plain) -> sympy.Expr:
    """Return the words that move for any fast memory: what is read of inputs, and what is written of outputs."""
    import sympy

    cascade = form.cascade
    reads = (read_words(form, name) for name in cascade.inputs)
    return sympy.Add(*reads, *(written_words(form, name) for name in cascade.outputs))


def _part(form: Plain, node: Node, reading: Reading, here: _Wanted) -> _Part:
    import sympy

    sure = _sure(node, {v for index in reading.indices for v in _variables(index)}, here)
    constants = tuple((at, i) for at, i in enumerate(reading.indices) if isinstance(i, Start | End))
    whole: list[str] = []
    words: Expression = sympy.Integer(1)
    seen: set[str] = set()
    for rank, index in zip(form.ranks[reading.tensor], reading.indices, strict=True):
        variables = _variables(index)
        if not variables or seen & set(variables) or not sure.issuperset(variables):
            continue
        seen |= set(variables)
        part = _runs(index, rank, here)
        if part is None:
            whole.append(rank)
        else:
            words *= part
    return _Part(constants, words * size_of(form, whole, {}))


def _runs(index: Index, rank: str, here: _Wanted) -> Expression | None:
    """Return how many coordinates an index with variables runs through at least; None for all of *rank*."""
    import sympy

    variables = _variables(index)
    counts = [here.few[name] for name in variables if name in here.few]
    if counts:
        return sympy.Min(*counts) if isinstance(index, Variable) else sympy.Integer(1)
    if isinstance(index, Variable):
        return sympy.Max(1, symbol(rank) - abs(index.offset)) if index.offset else None
    sizes = [symbol(name.upper()) for name in variables]
    return sympy.Add(*sizes) - len(sizes) + 1 if _joins(index) else sizes[0]


def _variables(index: object) -> tuple[str, ...]:
    if isinstance(index, Variable):
        return (index.name,)
    return index.variables if isinstance(index, Opaque) else ()


def _joins(index: object) -> bool:
    """Return whether an index is a sum of variables, each once: ``t + w`` runs through T + W - 1 coordinates."""
    return (
        isinstance(index, Opaque)
        and "*" not in index.text
        and "-" not in index.text
        and len(index.variables) > 1
    )


def _sure(node: Node, wanted: Set[str], here: _Wanted) -> frozenset[str]:
    """Return which of the *wanted* variables run through all their coordinates, whatever the conditions of *node*."""
    filters = _filters(node, here)
    tied = {name for one in filters for name in one.variables}
    free = set(node.variables) - tied
    if not tied.isdisjoint(here.few):
        return frozenset(free)
    if len(filters) == 1:
        reached = max(filters[0].reaches, key=lambda group: len(group & wanted), default=None)
        return frozenset() if reached is None else frozenset(free | reached)
    at_equal = all(
        one.difference is not None and one.difference[2] <= 0 <= one.difference[3] and len(one.reaches) == 2
        for one in filters
    )
    # all may stand at one coordinate: each coordinate of one of them has its task
    return frozenset(free | set(sorted(tied & wanted)[:1])) if at_equal else frozenset()


def _together(parts: Iterable[_Part]) -> Expression:
    """Return the words of all parts: the sum over parts that constants keep apart, else the largest."""
    import sympy

    found = list(dict.fromkeys(parts))
    for position in {at for part in found for at, _ in part.constants}:
        groups: dict[object, list[_Part]] = {}
        for part in found:
            constant = dict(part.constants).get(position)
            groups.setdefault(constant, []).append(part)
        kinds = {type(key) for key in groups}
        if len(groups) > 1 and len(kinds) == 1 and None not in groups:
            return sympy.Add(*(_largest(group) for group in groups.values()))
    return _largest(found)


def _largest(parts: list[_Part]) -> Expression:
    import sympy

    return sympy.Max(*(part.words for part in parts)) if parts else sympy.Integer(0)
