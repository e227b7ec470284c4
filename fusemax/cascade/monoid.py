"""Reductions of one's own: a value that changes nothing, and how two values are joined.

A value may have several parts, each the result of one tensor: the largest score and where it stands. The parts of two values
are called ``a0, a1`` and ``b0, b1`` (``a`` and ``b`` where there is one), and ``join`` says what comes of them. Order and
brackets must not matter, because nothing says in which order points are taken: that is tried on samples when it is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from fusemax.language.functions import FUNCTIONS
from fusemax.language.parse import parse_expression
from fusemax.language.syntax import Access, Call, Expression, Name, walk
from fusemax.language.value import value_of
from fusemax.source import Text

PARTS = "parts"  #: ``parts(QK[m,p], m)``: the parts of a value, as if it were a function
LAWS = "points are taken in any order, and a tile without points is worth the identity"
SAMPLES = (-2.5, -1.0, 0.0, 0.75, 3.0)
Value = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Monoid:
    """A reduction by name: its identity and its join, one entry for each part."""

    name: str
    identity: tuple[float, ...]
    join: tuple[Expression, ...]

    def names(self, side: str) -> tuple[str, ...]:
        """Return what the parts of the value on *side* (``a`` or ``b``) are called in ``join``."""
        return (side,) if len(self.identity) == 1 else tuple(f"{side}{n}" for n in range(len(self.identity)))

    def joined(self, a: Value, b: Value) -> Value:
        """Return what comes of two values."""
        known = dict(zip((*self.names("a"), *self.names("b")), (*a, *b), strict=True))
        return tuple(value_of(part, known) for part in self.join)

    def mistakes(self) -> list[tuple[str, str]]:
        """Return what is wrong with it, and how to mend that: names that are no parts, laws that do not hold on samples."""
        wrong = self._no_join()
        if wrong:
            count = len(self.identity)
            parts = "one part" if count == 1 else f"{count} parts"
            called = (
                f"{', '.join(self.names('a'))} for one value and {', '.join(self.names('b'))} for the other"
            )
            return [(wrong, f"its identity has {parts}: write {called}")]
        law = self._broken_law()
        return [(law, LAWS)] if law else []

    def _no_join(self) -> str | None:
        known = {*self.names("a"), *self.names("b")}
        for node in (node for part in self.join for node in walk(part)):
            if isinstance(node, Name) and node.name not in known:
                return f"{node.name!r} is no part of a value; there are: {', '.join(sorted(known))}"
            if isinstance(node, Access):
                return f"{node} is a tensor; a join is of {', '.join(sorted(known))}"
            if isinstance(node, Call) and node.function not in FUNCTIONS:
                return f"unknown function {node.function!r}"
            wrong = isinstance(node, Call) and FUNCTIONS[node.function].wrong_number(len(node.arguments))
            if wrong:
                return wrong
        return None

    def _broken_law(self) -> str | None:
        values = self._values()
        for a in (*values, self.identity):
            for one in (self.joined(a, self.identity), self.joined(self.identity, a)):
                if not _equal(one, a):
                    return f"joined with its identity, {_shown(a)} becomes {_shown(one)}"
        for a, b in product(values, values):
            if not _equal(self.joined(a, b), self.joined(b, a)):
                return f"{_shown(a)} and {_shown(b)} joined the other way round are something else"
        for a, b, c in product(values[:7], values[:7], values[:7]):
            left, right = self.joined(self.joined(a, b), c), self.joined(a, self.joined(b, c))
            if not _equal(left, right):
                return (
                    f"{_shown(a)}, {_shown(b)} and {_shown(c)} depend on the order in which they are joined"
                )
        return None

    def _values(self) -> list[Value]:
        """Return samples in which no two parts are equal, so that a choice between values is told from its ties."""
        count = len(self.identity)
        return [tuple(x + 0.37 * part * (1 + x * x) for part in range(count)) for x in SAMPLES]


def parts_in(expression: Expression) -> tuple[Expression, ...] | None:
    """Return what stands in ``parts(...)``; None for any other expression."""
    paired = isinstance(expression, Call) and expression.function == PARTS
    return expression.arguments if paired and isinstance(expression, Call) else None


def monoid_of(name: str, identity: Sequence[float], join: Sequence[str]) -> Monoid:
    """Return the reduction called *name*."""
    return Monoid(name, tuple(map(float, identity)), tuple(parse_expression(Text(one, name)) for one in join))


#: Reductions that nobody has to declare.
KNOWN: Mapping[str, Monoid] = {
    "logsumexp": monoid_of(
        "logsumexp",
        [-math.inf],
        ["where(eq(max(a, b), -inf), -inf, max(a, b) + log(1 + exp(min(a, b) - max(a, b))))"],
    )
}


def _equal(one: Value, other: Value) -> bool:
    return all(
        a == b or abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b)) for a, b in zip(one, other, strict=True)
    )


def _shown(value: Value) -> str:
    text = ", ".join(f"{part:g}" for part in value)
    return text if len(value) == 1 else f"({text})"
