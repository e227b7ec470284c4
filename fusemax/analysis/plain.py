"""A cascade in plain form for the analysis: every index is one variable with an offset, or a constant.

Ranks that are read in mixed radix are split wherever they occur: with ``K[e, m1*M0+m0]`` anywhere, K has the
ranks [E, M1, M0], and a plain ``m`` stands for ``m1, m0``. An index that has no such form is :class:`Opaque`,
with the reason: no claim rests on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fusemax.cascade.ir import Cascade, Einsum, affine, is_variable
from fusemax.errors import Place
from fusemax.language.syntax import (
    Access,
    Binary,
    Condition,
    Expression,
    Name,
    Negative,
    Number,
    Reduction,
    accesses,
    names,
)

INFINITY = float("inf")
BOTH = frozenset({"start", "end"})
EARLY_EXIT = frozenset({"any", "or", "and"})
TOKEN = re.compile(r"[A-Za-z_][A-Za-z_0-9]*|\d+(?:\.\d+)?|[^\sA-Za-z_0-9]+")


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
    """An index about which no claim is made, and why."""

    text: str
    why: str


Index = Variable | Start | End | Opaque


@dataclass(frozen=True, slots=True)
class Reading:
    """A tensor at plain indices, read or written."""

    tensor: str
    indices: tuple[Index, ...]
    place: Place | None


@dataclass(frozen=True, slots=True)
class Filter:
    """A restriction of an iteration space in words; ``first - second`` in [low, high] if it has that form."""

    words: tuple[str, ...]
    variables: tuple[str, ...]
    difference: tuple[str, str, float, float] | None = None
    slopes: tuple[tuple[str, int], ...] = ()
    at_zero: bool = False

    def slope(self, variable: str) -> int:
        """Return 1 when growing *variable* makes the condition harder to meet, -1 when easier, else 0."""
        return dict(self.slopes).get(variable, 0)

    def ends(self) -> frozenset[str]:
        """Return the ends ("start", "end") at which the condition holds if all its variables stand there."""
        if self.difference is not None:
            return BOTH if self.difference[2] <= 0 <= self.difference[3] else frozenset()
        return frozenset({"start"}) if self.slopes and self.at_zero else frozenset()

    def renamed(self, changes: Mapping[str, str]) -> tuple[str, ...]:
        """Return the words with variables replaced by *changes*."""
        return tuple(changes.get(word, word) for word in self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One Einsum in plain form; *number* is its position in the cascade."""

    number: int
    name: str
    einsum: Einsum
    variables: tuple[str, ...]
    outputs: tuple[Reading, ...]
    reads: tuple[Reading, ...]
    reduced: frozenset[str]
    filters: tuple[Filter, ...]
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


def plain(cascade: Cascade) -> Plain:
    """Return *cascade* in plain form (its batch ranks stay out: they are independent copies)."""
    splitter = _Splitter(cascade)
    nodes = tuple(splitter.node(number, einsum) for number, einsum in enumerate(cascade.einsums))
    ranks = {
        name: tuple(part for rank in tensor.ranks for part in splitter.parts(rank))
        for name, tensor in cascade.tensors.items()
    }
    readings: dict[str, list[tuple[Node, Reading]]] = {}
    for node in nodes:
        for reading in node.reads:
            readings.setdefault(reading.tensor, []).append((node, reading))
    by_tensor = {tensor: tuple(found) for tensor, found in readings.items()}
    return Plain(cascade=cascade, nodes=nodes, ranks=ranks, digits=dict(splitter.digits), readings=by_tensor)


def sequence(cascade: Cascade, rank: str) -> str:
    """Return the one name that stands for *rank* and all ranks declared to be the same sequence."""
    entry = cascade.ranks.get(rank)
    if entry is not None and isinstance(entry.size, Name) and entry.size.name in cascade.ranks:
        return sequence(cascade, entry.size.name)
    for group in cascade.same:
        if rank in group:
            return group[0]
    return rank


class _Splitter:
    """Finds the split ranks of a cascade and rewrites its Einsums."""

    def __init__(self, cascade: Cascade) -> None:
        self.cascade = cascade
        self.digits: dict[str, tuple[str, ...]] = {}
        self._find_mixed_radix()
        self._spread()

    def parts(self, rank: str) -> tuple[str, ...]:
        return self.digits.get(rank, (rank,))

    def variables(self, name: str) -> tuple[str, ...]:
        return tuple(part.lower() for part in self.parts(name.upper()))

    def _positions(self, einsum: Einsum) -> Iterable[tuple[str, Expression]]:
        for access in (*einsum.reads, *einsum.outputs):
            yield from zip(self.cascade.tensors[access.tensor].ranks, access.indices, strict=True)

    def _find_mixed_radix(self) -> None:
        found: dict[str, set[tuple[str, ...]]] = {}
        for einsum in self.cascade.einsums:
            for rank, index in self._positions(einsum):
                parts = self._mixed(index)
                if parts is not None:
                    found.setdefault(rank, set()).add(parts)
        for rank, ways in found.items():
            sizes = {tuple(sequence(self.cascade, part) for part in way) for way in ways}
            if len(sizes) == 1:
                way = min(ways)
                self.digits[rank] = way if not self._collides(rank, way) else _digit_names(rank, len(way))

    def _spread(self) -> None:
        """Split every rank whose plain variable indexes a split rank."""
        grown = True
        while grown:
            grown = False
            for einsum in self.cascade.einsums:
                for rank, index in self._positions(einsum):
                    if not isinstance(index, Name) or not is_variable(index.name):
                        continue
                    other = index.name.upper()
                    for have, lack in ((rank, other), (other, rank)):
                        if have in self.digits and lack not in self.digits:
                            count = len(self.digits[have])
                            self.digits[lack] = _digit_names(lack, count)
                            grown = True

    def _collides(self, rank: str, way: tuple[str, ...]) -> bool:
        """Return whether an Einsum runs over the whole rank and over one that its parts are named after."""
        return any(
            rank.lower() in einsum.variables and any(part.lower() in einsum.variables for part in way)
            for einsum in self.cascade.einsums
        )

    def _mixed(self, index: Expression) -> tuple[str, ...] | None:
        """Return the ranks of the digits of ``m1*M0+m0``, outermost first; None for another index."""
        terms = None if accesses(index) else affine(index)
        if terms is None or terms[1] is not None or len(terms[0]) < 2:
            return None
        weights: list[tuple[tuple[str, ...], str]] = []
        for variable, coefficient in terms[0].items():
            sizes = () if coefficient is None else _product(coefficient)
            if sizes is None:
                return None
            weights.append((tuple(sorted(sequence(self.cascade, size) for size in sizes)), variable))
        weights.sort(key=lambda weight: len(weight[0]))
        expected: list[str] = []
        for sizes, variable in weights:
            if list(sizes) != sorted(expected):
                return None
            expected.append(sequence(self.cascade, variable.upper()))
        return tuple(variable.upper() for _, variable in reversed(weights))

    def indices(self, access: Access) -> tuple[Index, ...]:
        """Return the plain indices of *access*, split ranks written out."""
        ranks = self.cascade.tensors[access.tensor].ranks
        return tuple(
            part
            for rank, index in zip(ranks, access.indices, strict=True)
            for part in self._index(rank, index)
        )

    def _index(self, rank: str, index: Expression) -> tuple[Index, ...]:
        count = len(self.parts(rank))
        if accesses(index):
            return (Opaque(str(index), "is data-dependent"),) * count
        parts = self._mixed(index)
        if parts is not None and count > 1:
            return tuple(Variable(part.lower()) for part in parts)
        terms = affine(index)
        if terms is None:
            return (Opaque(str(index), "is not affine"),) * count
        if not terms[0]:
            return (self._constant(rank, terms[1], index),) * count
        offset = _integer(terms[1])
        (name, coefficient), *more = terms[0].items()
        if more:
            return (Opaque(str(index), "joins several rank variables"),) * count
        if coefficient is not None or offset is None:
            return (Opaque(str(index), "is scaled or shifted by a size"),) * count
        if count > 1:
            if offset:
                return (Opaque(str(index), "shifts a rank that is split into tiles"),) * count
            return tuple(Variable(part) for part in self.variables(name))
        return (Variable(name, offset),)

    def _constant(self, rank: str, constant: Expression | None, index: Expression) -> Index:
        value = _integer(constant)
        if value is not None:
            return Start(value)
        terms = _sum(constant)
        if terms is not None and sequence(self.cascade, terms[0]) == sequence(self.cascade, rank):
            return End(terms[1])
        return Opaque(str(index), "is a constant of unknown place")

    def node(self, number: int, einsum: Einsum) -> Node:
        """Return one Einsum in plain form."""
        over = tuple(v for name in einsum.variables for v in self.variables(name))
        early = isinstance(einsum.action, Reduction) and einsum.action.operator in EARLY_EXIT
        return Node(
            number=number,
            name=einsum.name,
            einsum=einsum,
            variables=tuple(dict.fromkeys(over)),
            outputs=tuple(Reading(o.tensor, self.indices(o), o.place) for o in einsum.outputs),
            reads=tuple(Reading(a.tensor, self.indices(a), a.place) for a in einsum.reads),
            reduced=frozenset(v for name in einsum.reduced for v in self.variables(name)),
            filters=tuple(filter_of(condition) for condition in einsum.conditions),
            early_exit=early,
        )


def _digit_names(rank: str, count: int) -> tuple[str, ...]:
    return tuple(f"{rank}{number}" for number in reversed(range(count)))


def filter_of(condition: Condition) -> Filter:
    """Return *condition* as a filter; ``p >= m`` and ``m <= p`` give the same one."""
    left, comparison, right = condition.left, condition.comparison, condition.right
    if comparison in (">", ">="):
        left, comparison, right = right, comparison.replace(">", "<"), left
    words = tuple(TOKEN.findall(f"{left} {comparison} {right}"))
    variables = tuple(dict.fromkeys(n for n in (*names(left), *names(right)) if is_variable(n)))
    difference, slopes = _difference(left, comparison, right), _slopes(left, comparison, right)
    return Filter(words, variables, difference, slopes, _at_zero(left, comparison, right))


def _difference(left: Expression, comparison: str, right: Expression) -> tuple[str, str, float, float] | None:
    terms = affine(Binary("-", left, right))
    if terms is None or len(terms[0]) != 2:
        return None
    constant = _integer(terms[1])
    weights = {name: 1 if c is None else _integer(c) for name, c in terms[0].items()}
    if constant is None or sorted(w or 0 for w in weights.values()) != [-1, 1]:
        return None
    first = next(name for name, weight in weights.items() if weight == 1)
    second = next(name for name, weight in weights.items() if weight == -1)
    high = float(-constant)
    ranges = {"<=": (-INFINITY, high), "<": (-INFINITY, high - 1), "==": (high, high)}
    return (first, second, *ranges[comparison]) if comparison in ranges else None


def _slopes(left: Expression, comparison: str, right: Expression) -> tuple[tuple[str, int], ...]:
    terms = affine(Binary("-", left, right))
    if terms is None or comparison not in ("<", "<="):
        return ()
    return tuple((name, _sign(coefficient)) for name, coefficient in terms[0].items())


def _at_zero(left: Expression, comparison: str, right: Expression) -> bool:
    """Return whether a comparison certainly holds when all variables are 0; sizes are at least 1."""
    terms = affine(Binary("-", left, right))
    if terms is None or comparison not in ("<", "<="):
        return False
    value = _integer(terms[1])
    if value is None:
        return isinstance(terms[1], Negative) and _product(terms[1].operand) is not None
    return value <= 0 if comparison == "<=" else value < 0


def _sign(coefficient: Expression | None) -> int:
    """Return the sign of a coefficient whose sizes are positive; 0 if it is not known."""
    if coefficient is None or _product(coefficient) is not None:
        return 1
    if isinstance(coefficient, Negative):
        return -_sign(coefficient.operand)
    value = _integer(coefficient)
    return 0 if value is None else (value > 0) - (value < 0)


def _product(expression: Expression) -> tuple[str, ...] | None:
    """Return the names of a product of sizes, else None."""
    if isinstance(expression, Name):
        return (expression.name,)
    if isinstance(expression, Binary) and expression.operator == "*":
        left, right = _product(expression.left), _product(expression.right)
        return None if left is None or right is None else left + right
    return None


def _integer(expression: Expression | None) -> int | None:
    """Return the value of an expression of whole numbers (None stands for 0), else None."""
    if expression is None:
        return 0
    if isinstance(expression, Number):
        return int(expression.value) if float(expression.value).is_integer() else None
    if isinstance(expression, Negative):
        inner = _integer(expression.operand)
        return None if inner is None else -inner
    if isinstance(expression, Binary) and expression.operator in "+-*":
        left, right = _integer(expression.left), _integer(expression.right)
        if left is None or right is None:
            return None
        return {"+": left + right, "-": left - right, "*": left * right}[expression.operator]
    return None


def _sum(expression: Expression | None) -> tuple[str, int] | None:
    """Return the size and the whole number of ``M1`` or ``M1 - 1``, else None."""
    if isinstance(expression, Name):
        return expression.name, 0
    if isinstance(expression, Binary) and expression.operator in "+-" and isinstance(expression.left, Name):
        shift = _integer(expression.right)
        return (
            None if shift is None else (expression.left.name, shift if expression.operator == "+" else -shift)
        )
    return None
