"""How many different words of a tensor an algorithm certainly reads or writes: each moves at least once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusemax.analysis.footprint import size_of, symbol
from fusemax.analysis.plain import End, Node, Opaque, Plain, Reading, Start, Variable

if TYPE_CHECKING:
    import sympy

Expression = Any
BY_DATA = "is data-dependent"  #: why nothing is known of an index that a tensor gives


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
    few = wanted(form)
    return _together(_part(form, node, reading, few) for node, reading in form.readings.get(tensor, ()))


def written_words(form: Plain, tensor: str) -> sympy.Expr:
    """Return how many different words of *tensor* are written at least, as a formula in sizes; batch ranks left out."""
    return _together(
        _part(form, node, output, {})
        for node in form.nodes
        for output in node.outputs
        if output.tensor == tensor
    )


def wanted(form: Plain) -> Mapping[tuple[int, str], int]:
    """Return the output variables of Einsums of which a few coordinates are needed only, by number and name, and how many.

    ``T[m] = X[m]`` need not be made where only ``T[0]`` is read. What data choose is one coordinate at least; running
    values, outputs and ranks in parts are wanted whole.
    """
    few: dict[tuple[int, str], int] = {}
    parts = {part for digits in form.digits.values() for part in digits}
    for node in reversed(form.nodes):
        for output in node.outputs if node.loop is None and not node.einsum.initial else ():
            readings = form.readings.get(output.tensor, ())
            for position, index in enumerate(output.indices):
                whole = output.tensor in form.cascade.outputs or form.ranks[output.tensor][position] in parts
                if whole or not isinstance(index, Variable):
                    continue
                counts = _coordinates(readings, position, few)
                if counts is not None:
                    few[node.number, index.name] = max(counts, few.get((node.number, index.name), 0))
    return few


def _coordinates(
    readings: Sequence[tuple[Node, Reading]], position: int, few: Mapping[tuple[int, str], int]
) -> int | None:
    """Return how many coordinates of a position are read at least; None where one reading wants them all."""
    constants: set[object] = set()
    most = 1
    for node, reading in readings:
        index = reading.indices[position]
        if isinstance(index, Start | End):
            constants.add(index)
        elif isinstance(index, Variable) and (node.number, index.name) in few:
            most = max(most, few[node.number, index.name])
        elif not (isinstance(index, Opaque) and index.why == BY_DATA):
            return None
    return max(most, (len({type(one) for one in constants}) == 1 and len(constants)) or 1)


def moved_once(form: Plain) -> sympy.Expr:
    """Return the words that move for any fast memory: what is read of inputs, and what is written of outputs."""
    import sympy

    cascade = form.cascade
    reads = (read_words(form, name) for name in cascade.inputs)
    return sympy.Add(*reads, *(written_words(form, name) for name in cascade.outputs))


def _part(form: Plain, node: Node, reading: Reading, few: Mapping[tuple[int, str], int]) -> _Part:
    import sympy

    sure = _sure(node, {v for index in reading.indices for v in _variables(index)})
    constants = tuple((at, i) for at, i in enumerate(reading.indices) if isinstance(i, Start | End))
    whole: list[str] = []
    words: Expression = sympy.Integer(1)
    seen: set[str] = set()
    for rank, index in zip(form.ranks[reading.tensor], reading.indices, strict=True):
        variables = _variables(index)
        if not variables or seen & set(variables) or not sure.issuperset(variables):
            continue
        seen |= set(variables)
        counts = [few[node.number, name] for name in variables if (node.number, name) in few]
        if counts:
            words *= min(counts) if isinstance(index, Variable) else 1
        elif isinstance(index, Variable) and not index.offset:
            whole.append(rank)
        elif isinstance(index, Variable):
            words *= sympy.Max(1, symbol(rank) - abs(index.offset))
        else:
            sizes = [symbol(name.upper()) for name in variables]
            words *= sympy.Add(*sizes) - len(sizes) + 1 if _joins(index) else sizes[0]
    return _Part(constants, words * size_of(form, whole, {}))


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


def _sure(node: Node, wanted: Set[str]) -> frozenset[str]:
    """Return which of the *wanted* variables run through all their coordinates, whatever the conditions of *node*."""
    tied = {name for one in node.filters for name in one.variables}
    free = set(node.variables) - tied
    if len(node.filters) == 1:
        reached = max(node.filters[0].reaches, key=lambda group: len(group & wanted), default=None)
        return frozenset() if reached is None else frozenset(free | reached)
    at_equal = all(
        one.difference is not None and one.difference[2] <= 0 <= one.difference[3] and len(one.reaches) == 2
        for one in node.filters
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
