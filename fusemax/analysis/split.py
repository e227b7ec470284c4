"""Ranks that are read in mixed radix, and the Einsums of a cascade written in their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from fusemax.analysis.filters import Filter, filter_of, holds_at_last, near_an_end, product, reached
from fusemax.analysis.indices import End, Index, Node, Opaque, Reading, Start, Variable, sequence
from fusemax.analysis.sums import integer, sum_of
from fusemax.cascade.indices import parts_of
from fusemax.cascade.ir import Cascade, Einsum, affine, is_variable
from fusemax.language.syntax import (
    Access,
    Binary,
    Call,
    Condition,
    Expression,
    Name,
    Negative,
    Populate,
    Reduction,
    accesses,
    names,
)

EARLY_EXIT = frozenset({"any", "or", "and"})
SHIFTED = "shifts a rank that is split into tiles"


class Splitter:
    """Finds the split ranks of a cascade and rewrites its Einsums."""

    def __init__(self, cascade: Cascade, split: bool) -> None:
        self.cascade = cascade
        self.einsums = tuple(self._whole(einsum) for einsum in cascade.einsums)
        self.digits: dict[str, tuple[str, ...]] = {}
        self.ways: dict[str, set[tuple[str, ...]]] = {}  #: how each rank is read in parts
        self.radix: dict[
            str, tuple[str, ...]
        ] = {}  #: the sizes of the digits, one name for ranks that are one sequence
        if split:
            self._find_mixed_radix()
            self._find_halves()
            self._spread()

    def parts(self, rank: str) -> tuple[str, ...]:
        return self.digits.get(rank, (rank,))

    def variables(self, name: str) -> tuple[str, ...]:
        return tuple(part.lower() for part in self.parts(name.upper()))

    def _whole(self, einsum: Einsum) -> Einsum:
        """Return *einsum* with tile and place written as one variable where it uses them only together."""
        if einsum.loop is not None:
            return einsum
        ways: dict[tuple[str, ...], str] = {}
        for rank, index in self._positions(einsum):
            parts = self._mixed(index)
            if parts is not None:
                ways.setdefault(parts, rank)
        for parts, rank in ways.items():
            same = [
                other
                for other in self.cascade.ranks
                if sequence(self.cascade, other) == sequence(self.cascade, rank)
            ]
            free = [other.lower() for other in (rank, *same) if other.lower() not in einsum.variables]
            if free:
                joined = _joined(einsum, tuple(part.lower() for part in parts), self._mixed, free[0])
                einsum = joined or einsum
        return einsum

    def _positions(self, einsum: Einsum) -> Iterable[tuple[str, Expression]]:
        for access in (*einsum.reads, *einsum.outputs):
            yield from zip(self.cascade.tensors[access.tensor].ranks, access.indices, strict=True)

    def _find_mixed_radix(self) -> None:
        found: dict[str, set[tuple[str, ...]]] = {}
        for einsum in self.einsums:
            for rank, index in self._positions(einsum):
                parts = self._mixed(index)
                if parts is not None:
                    found.setdefault(rank, set()).add(parts)
        self.ways = found
        for rank, ways in found.items():
            sizes = {tuple(sequence(self.cascade, part) for part in way) for way in ways}
            if len(sizes) == 1:
                way = min(ways)
                free = not self._collides(rank, way) and not self._meets(rank, way)
                self.digits[rank] = way if free else self._fresh(rank, len(way))
                (self.radix[rank],) = sizes

    def _find_halves(self) -> None:
        """Split ranks of size ``2*A`` that are read in parts, at ``a`` and ``a + A``: the outer digit is a constant."""
        for einsum in self.einsums:
            for rank, index in self._positions(einsum):
                part = parts_of(self.cascade, rank)
                if part is None or rank in self.digits or self._half(rank, index) is None:
                    continue
                self.digits[rank] = self._fresh(rank, 2)
                self.radix[rank] = (str(self.cascade.ranks[rank].size), sequence(self.cascade, part))

    def _half(self, rank: str, index: Expression) -> tuple[Index, ...] | None:
        """Return the digits of ``a + A`` in a rank of size ``2*A``: 1 and a; None for another index."""
        part = parts_of(self.cascade, rank)
        terms = None if part is None or accesses(index) else affine(index)
        if terms is None or list(terms[0].values()) != [None]:
            return None
        (name,) = terms[0]
        if sequence(self.cascade, name.upper()) != sequence(self.cascade, str(part)):
            return None
        times = _multiple(terms[1], str(part))
        return None if times is None else (Start(times), Variable(name))

    def _spread(self) -> None:
        """Split every rank whose plain variable indexes a split rank."""
        grown = True
        while grown:
            grown = False
            for einsum in self.einsums:
                for rank, index in self._positions(einsum):
                    if not isinstance(index, Name) or not is_variable(index.name):
                        continue
                    other = index.name.upper()
                    if self._half(rank, index) is not None:
                        continue
                    for have, lack in ((rank, other), (other, rank)):
                        if have in self.digits and lack not in self.digits:
                            count = len(self.digits[have])
                            self.digits[lack] = self._fresh(lack, count)
                            self.radix[lack] = self.radix[have]
                            grown = True

    def _fresh(self, rank: str, count: int) -> tuple[str, ...]:
        """Return names for the parts of *rank* that no rank of the cascade bears: ``M1, M0``, or ``M_1, M_0``."""
        plain_names = tuple(f"{rank}{number}" for number in reversed(range(count)))
        taken = self.cascade.ranks.keys() & set(plain_names)
        return plain_names if not taken else tuple(f"{rank}_{number}" for number in reversed(range(count)))

    def _meets(self, rank: str, way: tuple[str, ...]) -> bool:
        """Return whether an Einsum runs over *rank* and over another whole rank whose parts are named *way*."""
        others = [other.lower() for other, parts in self.digits.items() if parts == way]
        return any(rank.lower() in e.variables and set(others) & set(e.variables) for e in self.einsums)

    def _collides(self, rank: str, way: tuple[str, ...]) -> bool:
        """Return whether an Einsum runs over the whole rank and over one that its parts are named after."""
        return any(
            rank.lower() in einsum.variables and any(part.lower() in einsum.variables for part in way)
            for einsum in self.einsums
        )

    def _mixed(self, index: Expression) -> tuple[str, ...] | None:
        """Return the ranks of the digits of ``m1*M0+m0``, outermost first; None for another index."""
        terms = None if accesses(index) else affine(index)
        if terms is None or terms[1] is not None or len(terms[0]) < 2:
            return None
        weights: list[tuple[tuple[str, ...], str]] = []
        for variable, coefficient in terms[0].items():
            sizes = () if coefficient is None else product(coefficient)
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
            return self._opaque(index, "is data-dependent") * count
        parts = self._mixed(index)
        if parts is not None and count > 1:
            return tuple(Variable(part.lower()) for part in parts)
        half = self._half(rank, index)
        if half is not None and count == 2:
            return half
        terms = affine(index)
        if terms is None:
            return self._opaque(index, "is not affine") * count
        if not terms[0]:
            return (self._constant(rank, terms[1], index),) * count
        offset = integer(terms[1])
        (name, coefficient), *more = terms[0].items()
        if more:
            alone = count == 1 and not self._has_parts(terms[0])
            held = tuple(terms[0]) if alone and terms[1] is None else ()
            (found,) = self._opaque(index, "joins several rank variables", held)
            return (found.weighed(terms) if alone else found,) * count
        if coefficient is not None or offset is None:
            held = (name,) if count == 1 and not self._has_parts(terms[0]) else ()
            return self._opaque(index, "is scaled or shifted by a size", held) * count
        if count > 1:
            if offset:
                return self._opaque(index, SHIFTED) * count
            if self.radix.get(name.upper()) != self.radix[rank]:
                return self._opaque(index, "is tiled in another way") * count
            return tuple(Variable(part) for part in self.variables(name))
        if not self._runs_over(name, rank):
            return self._opaque(index, "reads a part of its rank", (name,) if not offset else ())
        return (Variable(name, offset),)

    def _runs_over(self, name: str, rank: str) -> bool:
        """Return whether the variable *name* runs over all of *rank*, a state's last generation aside."""
        own, its = sequence(self.cascade, name.upper()), sequence(self.cascade, rank)
        return own == its or name.upper() not in self.cascade.ranks

    def _opaque(self, index: Expression, why: str, held: tuple[str, ...] = ()) -> tuple[Opaque]:
        found = (part for name in names(index) if is_variable(name) for part in self.variables(name))
        return (Opaque(str(index), why, held, frozenset(found)),)

    def _has_parts(self, variables: Iterable[str]) -> bool:
        return any(len(self.variables(name)) > 1 for name in variables)

    def _constant(self, rank: str, constant: Expression | None, index: Expression) -> Index:
        value = integer(constant)
        if value is not None:
            return Start(value)
        terms = _sum(constant)
        if terms is not None and sequence(self.cascade, terms[0]) == sequence(self.cascade, rank):
            return End(terms[1])
        return self._opaque(index, "is a constant of unknown place")[0]

    def node(self, number: int, einsum: Einsum) -> Node:
        """Return one Einsum in plain form."""
        written, einsum = einsum, self.einsums[number]
        over = tuple(v for name in einsum.variables for v in self.variables(name))
        early = isinstance(einsum.action, Reduction) and einsum.action.operator in EARLY_EXIT
        return Node(
            number=number,
            name=einsum.name,
            einsum=written,
            variables=tuple(dict.fromkeys(over)),
            outputs=tuple(Reading(o.tensor, self.indices(o), o.place) for o in einsum.outputs),
            reads=tuple(Reading(a.tensor, self.indices(a), a.place) for a in einsum.reads),
            reduced=frozenset(v for name in einsum.reduced for v in self.variables(name)),
            filters=tuple(self._filter(condition) for condition in einsum.conditions),
            early_exit=early,
        )

    def _filter(self, condition: Condition) -> Filter:
        """Return *condition* as a filter over parts; it keeps what is known of whole ranks."""
        # a name for a tile and its place: the rank, the two
        wholes: dict[str, tuple[str, tuple[str, ...]]] = {}
        left, right = self._gathered(condition.left, wholes), self._gathered(condition.right, wholes)

        def size(name: str) -> str:
            return sequence(self.cascade, wholes[name][0] if name in wholes else name.upper())

        def parts(name: str) -> tuple[str, ...]:
            return wholes[name][1] if name in wholes else self.variables(name)

        gathered = replace(condition, left=left, right=right)
        reaches = tuple(frozenset(parts(name)) for name in reached(gathered, size))
        apart = filter_of(gathered).difference
        alike = apart is not None and size(apart[0]) == size(apart[1])
        whole = None
        if apart is not None and alike:
            whole = (frozenset(parts(apart[0])), frozenset(parts(apart[1])), *apart[2:])
        last = holds_at_last(gathered, size)
        known = replace(filter_of(self._in_digits(condition)), reaches=reaches, whole=whole, at_last=last)
        found = replace(known, total=sum_of(gathered, size, parts))
        if len(found.variables) == 1:
            found = replace(found, near=near_an_end(gathered, size))
        pair = found.difference[:2] if found.difference is not None else found.unequal
        if pair is None or self._alike(*pair):
            return found
        return replace(found, difference=None, unequal=None)  # ranks of two sizes end at two places

    def _alike(self, one: str, other: str) -> bool:
        """Return whether two variables run over ranks of one size."""
        ranks = one.upper(), other.upper()
        return (
            len({sequence(self.cascade, rank) for rank in ranks}) == 1
            or len(set(map(self._size, ranks))) == 1
        )

    def _gathered(self, expression: Expression, wholes: dict[str, tuple[str, tuple[str, ...]]]) -> Expression:
        """Return *expression* with ``m1*M0 + m0`` written as one variable, noted in *wholes*."""
        parts = self._mixed(expression)
        if parts is not None:
            ranks = [rank for rank, ways in self.ways.items() if parts in ways]
            if not ranks:
                return expression
            name = "_".join(part.lower() for part in parts)
            wholes[name] = ranks[0], tuple(part.lower() for part in parts)
            return Name(name)
        if isinstance(expression, Negative):
            return replace(expression, operand=self._gathered(expression.operand, wholes))
        if isinstance(expression, Binary):
            left, right = self._gathered(expression.left, wholes), self._gathered(expression.right, wholes)
            return replace(expression, left=left, right=right)
        return expression

    def _in_digits(self, condition: Condition) -> Condition:
        """Return *condition* with split variables written in their parts: ``m <= p`` becomes ``m1*M0 + m0 <= p1*M0 + p0``."""
        return replace(condition, left=self._side(condition.left), right=self._side(condition.right))

    def _side(self, expression: Expression) -> Expression:
        parts = self._mixed(expression)
        if parts is not None:
            return self._radix(tuple(part.lower() for part in parts))
        if isinstance(expression, Name) and is_variable(expression.name):
            variables = self.variables(expression.name)
            return expression if len(variables) == 1 else self._radix(variables)
        if isinstance(expression, Negative):
            return replace(expression, operand=self._side(expression.operand))
        if isinstance(expression, Binary):
            left, right = self._side(expression.left), self._side(expression.right)
            return replace(expression, left=left, right=right)
        return expression

    def _radix(self, variables: tuple[str, ...]) -> Expression:
        """Return the coordinate that digits stand for, in one spelling for all ranks that are one sequence."""
        first, *more = variables
        total: Expression = Name(first)
        for variable in more:
            size = Name(self._size(variable.upper()))
            total = Binary("+", Binary("*", total, size), Name(variable))
        return total

    def _size(self, digit: str) -> str:
        """Return one name for the size of *digit*, the same for digits of ranks that are one sequence."""
        for rank, parts in self.digits.items():
            if digit in parts:
                return f"{sequence(self.cascade, rank)}{len(parts) - 1 - parts.index(digit)}"
        return sequence(self.cascade, digit)


Radix = Callable[[Expression], tuple[str, ...] | None]


def _joined(einsum: Einsum, parts: tuple[str, ...], radix: Radix, whole: str) -> Einsum | None:
    """Return *einsum* with the variables *parts* as the one variable *whole*; None if they also occur apart."""
    wanted = tuple(part.upper() for part in parts)

    def change(expression: Expression) -> Expression:
        if isinstance(expression, Binary) and radix(expression) == wanted:
            return Name(whole)
        if isinstance(expression, Binary):
            return replace(expression, left=change(expression.left), right=change(expression.right))
        if isinstance(expression, Negative):
            return replace(expression, operand=change(expression.operand))
        if isinstance(expression, Access):
            return replace(expression, indices=tuple(change(index) for index in expression.indices))
        if isinstance(expression, Call):
            return replace(expression, arguments=tuple(change(argument) for argument in expression.arguments))
        return expression

    action = einsum.action
    if isinstance(action, Reduction) and set(parts) <= set(action.variables):
        others = tuple(v for v in action.variables if v not in parts)
        action = replace(action, variables=(*others, whole))
    conditions = tuple(replace(c, left=change(c.left), right=change(c.right)) for c in einsum.conditions)
    outputs = tuple(replace(o, indices=tuple(change(i) for i in o.indices)) for o in einsum.outputs)
    expression = change(einsum.expression)
    sides = [side for c in conditions for side in (c.left, c.right)]
    left = {n for node in (expression, *outputs, *sides) for n in names(node)}
    left |= set(action.variables if isinstance(action, Reduction) else ())
    if isinstance(action, Populate) or left & set(parts):
        return None
    return replace(einsum, outputs=outputs, expression=expression, action=action, conditions=conditions)


def _multiple(expression: Expression | None, size: str) -> int | None:
    """Return how many times *size* an expression is (0 for None); None when it is something else."""
    if isinstance(expression, Name):
        return 1 if expression.name == size else None
    if isinstance(expression, Binary) and expression.operator == "*":
        for count, rest in ((expression.left, expression.right), (expression.right, expression.left)):
            times, inner = integer(count), _multiple(rest, size)
            if times is not None and inner is not None:
                return times * inner
        return None
    return 0 if expression is None else None


def _sum(expression: Expression | None) -> tuple[str, int] | None:
    """Return the size and the whole number of ``M1`` or ``M1 - 1``, else None."""
    if isinstance(expression, Name):
        return expression.name, 0
    if isinstance(expression, Binary) and expression.operator in "+-" and isinstance(expression.left, Name):
        shift = integer(expression.right)
        return (
            None if shift is None else (expression.left.name, shift if expression.operator == "+" else -shift)
        )
    return None
