"""Between what the values of a cascade lie, whatever its inputs are: interval arithmetic over its Einsums.

An exponent below a fixed number needs no maximum taken from it: a capped score (``cap*tanh(x/cap)``) is at most ``cap``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fusemax.cascade.ir import Cascade, Einsum
from fusemax.language.functions import FUNCTIONS
from fusemax.language.syntax import Access, Binary, Call, Expression, Name, Negative, Number, Reduction

Interval = tuple[float, float]

EVERYTHING: Interval = (-math.inf, math.inf)
#: Reductions whose result is one of the values that they take.
_CHOOSES = frozenset({"max", "min"})


@dataclass(frozen=True, slots=True)
class Ranges:
    """Between what each value of *cascade* lies, each tensor worked out once."""

    cascade: Cascade
    known: dict[str, Interval] = field(default_factory=dict)

    def of(self, expression: Expression) -> Interval:
        """Return the least and the greatest value of *expression*, infinite where nothing is known."""
        match expression:
            case Number(value):
                return (value, value)
            case Name(name):
                value = self.cascade.constants.get(name)
                return EVERYTHING if value is None else (value, value)
            case Access(tensor, indices):
                inside = all(isinstance(index, Name) for index in indices)
                return self._of_tensor(tensor) if inside else _hull([(0.0, 0.0), self._of_tensor(tensor)])
            case Negative(operand):
                low, high = self.of(operand)
                return (-high, -low)
            case Binary(operator, left, right):
                act = _ARITHMETIC.get(operator)
                return EVERYTHING if act is None else act(self.of(left), self.of(right))
            case Call(function, arguments):
                return self._of_call(function, tuple(self.of(argument) for argument in arguments))

    def _of_tensor(self, name: str) -> Interval:
        """Return the range of a tensor's values; one made with its own earlier values has none that is known."""
        if name not in self.known:
            self.known[name] = EVERYTHING
            makers = self.cascade.producers(name)
            if makers and all(map(_takes_what_it_reads, makers)):
                self.known[name] = _hull([self.of(einsum.expression) for einsum in makers])
        return self.known[name]

    def _of_call(self, function: str, operands: tuple[Interval, ...]) -> Interval:
        if function == "where":
            return _hull(operands[1:])
        entry = FUNCTIONS[function]
        low, high = entry.range
        if entry.trend == "rises":
            least, most = (tuple(operand[side] for operand in operands) for side in (0, 1))
            low, high = max(low, entry.value(*least)), min(high, entry.value(*most))  # a nan changes neither
        return (low, high)


def _takes_what_it_reads(einsum: Einsum) -> bool:
    """Return whether every value that *einsum* makes is one of its expression: no sum, no place left out by a condition."""
    chooses = isinstance(einsum.action, Reduction) and einsum.action.operator in _CHOOSES
    return not einsum.conditions and (einsum.action is None or chooses)


def _hull(intervals: list[Interval] | tuple[Interval, ...]) -> Interval:
    return (min(low for low, _ in intervals), max(high for _, high in intervals))


def _sum(left: Interval, right: Interval) -> Interval:
    return (left[0] + right[0], left[1] + right[1])


def _difference(left: Interval, right: Interval) -> Interval:
    return (left[0] - right[1], left[1] - right[0])


def _product(left: Interval, right: Interval) -> Interval:
    if not all(math.isfinite(end) for end in (*left, *right)):
        return EVERYTHING
    ends = [a * b for a in left for b in right]
    return (min(ends), max(ends))


def _quotient(left: Interval, right: Interval) -> Interval:
    if right[0] <= 0 <= right[1] or not all(math.isfinite(end) for end in right):
        return EVERYTHING
    return _product(left, (1 / right[1], 1 / right[0]))


_ARITHMETIC: Mapping[str, Callable[[Interval, Interval], Interval]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
}
