"""A single point of a new program, operation by operation: sooner there than its code is compiled, with the same bits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from string import Formatter
from typing import Any

import numpy as np
import sympy

from fusemax.cost.code import FORMS, LISTED, ROOM, SEARCHES, SEVERAL, helpers
from fusemax.cost.graph import Fit, Formulas, Graph, factors_of, graph_of, searched_in
from fusemax.cost.lower import helper_functions
from fusemax.cost.program import FitRule, Program


def values_of(
    program: Program, outputs: Iterable[str], parameters: Mapping[str, float]
) -> list[float] | None:
    """Return the values of *outputs*, lines of *program*, at one point; None where :func:`values_at` returns that."""
    formulas, known = _Formulas(), dict(parameters)
    try:
        for line in program.lines:
            if isinstance(line.value, FitRule):
                found = values_at(*graph_of(program, [line.name]), parameters)
                if found is None:
                    return None
                (known[line.name],) = found
            else:
                known[line.name] = formulas.expression(line.value, known)
        return [float(known[name]) for name in outputs]
    except (ZeroDivisionError, OverflowError, TypeError):
        return None


class _Formulas(Formulas[Any]):
    """Does each operation as soon as it is met."""

    def add(self, operation: str, *operands: Any, value: str | float = "") -> Any:
        if operation == "number":
            return value
        return operands[0][value] if operation == "item" else _alone(operation)(*operands)

    def _product(self, expression: sympy.Mul, names: Mapping[str, Any]) -> Any:
        above = below = None
        for is_below, factor in factors_of(expression):
            value = self.expression(factor, names)
            if is_below:
                below = value if below is None else below * value
            else:
                above = value if above is None else above * value
        above = 1.0 if above is None else above
        return above if below is None else above / below


def values_at(graph: Graph, wanted: Sequence[int], parameters: Mapping[str, float]) -> list[float] | None:
    """Return the values of the nodes *wanted* at one point.

    None where the code of the program has to be asked, which has infinities: for numbers such as a bandwidth of 0.
    """
    try:
        values = _Point(graph, parameters).values()
        return [float(values[node]) for node in wanted]
    except (ZeroDivisionError, OverflowError, TypeError):
        return None


class _Point:
    def __init__(self, graph: Graph, parameters: Mapping[str, float]) -> None:
        self.graph, self.parameters = graph, parameters
        self.searched = searched_in(graph)
        self.functions = _operations({node.operation for node in graph.nodes})
        self.known: list[Any] = [None] * len(graph.nodes)

    def values(self) -> list[Any]:
        """Return the value of every node; of one inside a search of a tile, the last that it had there."""
        later = {node for inside in self.searched.values() for node in inside}
        later |= {fit.tile for fit in self.graph.fits.values()}
        self._evaluate(number for number in range(len(self.known)) if number not in later)
        return self.known

    def _evaluate(self, nodes: Iterable[int]) -> None:
        known, functions, given = self.known, self.functions, self.graph.nodes
        for number in nodes:
            operation, operands, value = given[number]
            if operation == "number":
                known[number] = value
            elif operation == "parameter":
                known[number] = self.parameters[str(value)]
            elif operation == "item":
                known[number] = known[operands[0]][value]
            elif operation == "fit":
                known[number] = self._fitted(number)
            else:
                known[number] = functions[operation](*[known[operand] for operand in operands])

    def _fitted(self, number: int) -> float:
        fit, inside = self.graph.fits[number], self.searched[number]

        def footprint(tile: float) -> float:
            self.known[fit.tile] = tile
            self._evaluate(inside)
            return self.known[fit.footprint]

        return _search(fit.kind, fit.rises)(self.known[fit.count], self.known[fit.room], footprint)


#: Nodes that are no operation on numbers alone.
GIVEN = ("number", "parameter", "item", "tile", "fit")


@lru_cache(maxsize=8)
def _search(kind: str, rises: bool) -> Callable[..., float]:
    """Return the search of a tile as a function of its bound, the room, and the footprint as a function of the tile."""
    fit = Fit(kind=kind, tile=0, count=1, room=2, footprint=3, rises=rises)
    rows = SEARCHES[kind](fit, "found", ["t3 = footprint(t0)"])
    text = "\n    ".join(["def search(t1, t2, footprint, memory):", *rows, "return found"])
    scope = dict(helper_functions(helpers(())))
    exec(compile(text, "<search>", "exec"), scope)
    return lambda count, room, footprint: scope["search"](count, room, footprint, np.zeros((1, ROOM)))


def _operations(used: Collection[str]) -> dict[str, Callable[..., Any]]:
    """Return the operations *used* as functions of their operands, made of the same text as compiled code."""
    text = helpers({name for name in used if name in LISTED or name in SEVERAL})
    return {name: _operation(name, text) for name in used if name not in GIVEN}


@lru_cache(maxsize=512)
def _alone(name: str) -> Callable[..., Any]:
    """Return the operation *name* as a function of its operands, as :func:`_operations` does."""
    return _operations((name,))[name]


@lru_cache(maxsize=512)
def _operation(name: str, text: str) -> Callable[..., Any]:
    scope = dict(helper_functions(text))
    if name in LISTED:
        return lambda *values: scope[name](list(values))
    places = [int(place) for _, place, _, _ in Formatter().parse(FORMS[name]) if place]
    operands = [f"t{number}" for number in range(max(places) + 1)]
    return eval(f"lambda {', '.join(operands)}: {FORMS[name].format(*operands)}", scope)
