"""A cost program taken apart into single operations on floats, each different one once.

Two lines that hold the same product share it; what no output needs is not there. The order of the operations is that of the
formulas, so that every form of the code computes the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from typing import Any, Generic, NamedTuple, TypeVar

import sympy

from fusemax.cost.functions import ceildiv, item
from fusemax.cost.program import FitRule, Program
from fusemax.language.functions import FUNCTIONS

Value = TypeVar("Value")


class Node(NamedTuple):
    """One operation on earlier nodes; ``value`` is the name of a parameter or tile, a number, or which of several."""

    operation: str
    operands: tuple[int, ...] = ()
    value: str | float = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """The search of one tile: nodes of what bounds it, of the room, and of the footprint as a function of ``tile``."""

    kind: str
    tile: int
    count: int
    room: int
    footprint: int
    rises: bool  #: whether a larger tile never takes less room


class Formulas(Generic[Value]):
    """Takes formulas apart into single operations, each done once: :meth:`add` says what one is."""

    def __init__(self) -> None:
        self.known: dict[Any, Value] = {}  #: what expressions are that were taken apart before

    def add(self, operation: str, *operands: Value, value: str | float = "") -> Value:
        """Return *operation* on *operands*."""
        raise NotImplementedError

    def expression(self, expression: Any, names: Mapping[str, Value]) -> Value:
        """Return what a sympy *expression* is, whose symbols stand for what *names* holds."""
        known = self.known.get(expression)
        if known is None:
            known = self.known[expression] = self._expression(expression, names)
        return known

    def _expression(self, expression: Any, names: Mapping[str, Value]) -> Value:
        if isinstance(expression, sympy.Symbol):
            return names[expression.name]
        if expression.is_Number:
            return self.add("number", value=_double(expression))
        if isinstance(expression, sympy.Add):
            return self._chain("+", [self.expression(term, names) for term in expression.args])
        if isinstance(expression, sympy.Mul):
            return self._product(expression, names)
        if isinstance(expression, sympy.Pow):
            return self._power(expression, names)
        if isinstance(expression, item):
            several, number = expression.args
            assert isinstance(number, sympy.Integer)
            return self.add("item", self.expression(several, names), value=int(number))
        operands = [self.expression(argument, names) for argument in expression.args]
        return self._call(type(expression), operands)

    def _call(self, form: Any, operands: list[Value]) -> Value:
        function = FUNCTIONS.get(getattr(form, "function", ""))
        if function is not None:
            return (
                self._chain(function.name, operands) if function.folds else self.add(function.name, *operands)
            )
        if form is ceildiv:
            return self.add("ceil", self.add("/", *operands))
        return self.add(form.__name__, *operands)

    def _chain(self, operation: str, operands: Sequence[Value]) -> Value:
        return reduce(lambda left, right: self.add(operation, left, right), operands)

    def _product(self, expression: sympy.Mul, names: Mapping[str, Value]) -> Value:
        factors = [(is_below, self.expression(factor, names)) for is_below, factor in factors_of(expression)]
        above = [number for is_below, number in factors if not is_below]
        below = [number for is_below, number in factors if is_below]
        top = self._chain("*", above) if above else self.add("number", value=1.0)
        return self.add("/", top, self._chain("*", below)) if below else top

    def _power(self, expression: sympy.Pow, names: Mapping[str, Value]) -> Value:
        base, exponent = self.expression(expression.base, names), expression.exp
        if not exponent.is_Integer:
            return self.add("**", base, self.expression(exponent, names))
        product = self._chain("*", [base] * abs(int(exponent)))
        return product if exponent > 0 else self.add("/", self.add("number", value=1.0), product)


@dataclass
class Graph(Formulas[int]):
    """Collects nodes; equal ones get the same number. ``fits`` holds the searches by the number of their node."""

    nodes: list[Node] = field(default_factory=list)
    fits: dict[int, Fit] = field(default_factory=dict)
    numbers: dict[tuple[str, tuple[int, ...], str | float], int] = field(default_factory=dict)
    known: dict[Any, int] = field(default_factory=dict)  #: nodes of expressions that were taken apart before

    def add(self, operation: str, *operands: int, value: str | float = "") -> int:
        """Return the number of a node, a new one if there is none like it."""
        known = self.numbers.get((operation, operands, value))
        if known is None:
            node = Node(operation, operands, value)
            known = self.numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return known

    def fit(self, rule: FitRule, names: Mapping[str, int]) -> int:
        """Return the node of the largest tile that fits."""
        tile = self.add("tile", value=f"{rule.tile}@{len(self.fits)}")
        known, self.known = self.known, {}  # inside the search the tile's name stands for another node
        footprint = self.expression(rule.footprint, {**names, rule.tile.name: tile})
        self.known = known
        found = Fit(
            kind=rule.kind,
            tile=tile,
            count=self.expression(rule.count, names),
            room=self.expression(rule.capacity, names),
            footprint=footprint,
            rises=self.trend(footprint, tile) in ("rises", "stays"),
        )
        number = self.add("fit", found.count, found.room, footprint, value=f"{rule.tile}@{len(self.fits)}")
        self.fits[number] = found
        return number

    def trend(self, number: int, tile: int) -> str:
        """Return whether a node ``stays``, ``rises`` (never falls) or is of ``unknown`` trend when *tile* grows.

        Rounding keeps the order of floats, so what rises in the formula rises in its bits too.
        """
        node = self.nodes[number]
        if number == tile:
            return "rises"
        trends = [self.trend(operand, tile) for operand in node.operands]
        if all(trend == "stays" for trend in trends):
            return "stays"
        if "unknown" in trends:
            return "unknown"
        if node.operation == "/":
            rises = trends[1] == "stays" and all(self.is_positive(n) for n in node.operands)
        elif node.operation == "*":
            rises = all(self.is_positive(n) for n in node.operands)
        else:
            rises = node.operation == "+" or _function_rises(node.operation)
        return "rises" if rises else "unknown"

    def is_positive(self, number: int) -> bool:
        """Return whether a node is known not to be negative: sizes and figures of machines are not."""
        node = self.nodes[number]
        if node.operation == "number":
            return float(node.value) >= 0
        if node.operation in ("parameter", "tile", "fit"):
            return True
        function = FUNCTIONS.get(node.operation)
        if function is not None and not function.keeps_sign(len(node.operands)):
            return False
        return all(self.is_positive(operand) for operand in node.operands)


@lru_cache(maxsize=2**14)
def factors_of(product: sympy.Mul) -> tuple[tuple[bool, sympy.Basic], ...]:
    """Return the factors of *product* in their order, each with whether it divides."""
    found: list[tuple[bool, sympy.Basic]] = []
    for factor in product.args:
        exponent = factor.exp if isinstance(factor, sympy.Pow) else None
        if isinstance(exponent, sympy.Integer) and exponent.p < 0:
            base = factor.base  # type: ignore[union-attr]
            found.append((True, base if exponent.p == -1 else sympy.Pow(base, -exponent)))
        else:
            found.append((False, factor))
    return tuple(found)


def _double(number: Any) -> float:
    """Return a number of sympy in double precision; one beyond it is infinite, or zero."""
    if not isinstance(number, sympy.Rational):
        return float(number)
    try:
        return float(number.p) / float(number.q)
    except OverflowError:
        try:
            return number.p / number.q
        except OverflowError:
            return math.inf if number.p > 0 else -math.inf


def _function_rises(operation: str) -> bool:
    function = FUNCTIONS.get(operation)
    return function is not None and function.trend == "rises"


def graph_of(program: Program, outputs: Sequence[str]) -> tuple[Graph, tuple[int, ...]]:
    """Return the operations that *outputs* (lines or parameters of *program*) need, and the outputs' nodes."""
    graph = Graph()
    lines = program.needed(outputs)
    used = {need for line in lines for need in line.needs()} | set(outputs)
    names = {name: graph.add("parameter", value=name) for name in program.parameters if name in used}
    for line in lines:
        value = line.value
        names[line.name] = (
            graph.fit(value, names) if isinstance(value, FitRule) else graph.expression(value, names)
        )
    return graph, tuple(names[name] for name in outputs)


NOTHING = frozenset[int]()


def searched_in(graph: Graph) -> dict[int, tuple[int, ...]]:
    """Return the nodes inside the search of each tile: those that depend on the tile."""
    depends: list[frozenset[int]] = []
    inside: dict[int, list[int]] = {fit.tile: [] for fit in graph.fits.values()}
    for number, (operation, operands, _) in enumerate(graph.nodes):
        found = NOTHING
        for operand in operands:
            found = found | depends[operand] if depends[operand] else found
        if operation == "fit":
            found -= {graph.fits[number].tile}
        for tile in found:
            inside[tile].append(number)
        depends.append(frozenset({number}) if operation == "tile" else found)
    return {number: tuple(inside[fit.tile]) for number, fit in graph.fits.items()}
