"""What a mapping computes: its iterations one by one, in their order, with values, against the cascade on arrays."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fusemax.cascade.evaluate import evaluate
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.cascade.monoid import parts_in
from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.language.functions import FUNCTIONS
from fusemax.language.syntax import (
    Access,
    Binary,
    Call,
    Expression,
    Name,
    Negative,
    Number,
    Populate,
    Reduction,
    walk,
)
from fusemax.mapping.nest import Body, Mapped, Root
from tests.walk.compare import MOST_ITERATIONS, Difference
from tests.walk.design import Design
from tests.walk.space import Element, NotWalkedError, Setting, Space, value_of
from tests.walk.trace import Trace
from tests.walk.walker import iterations, spaces

IDENTITY = {"sum": 0.0, "max": -math.inf, "min": math.inf, "prod": 1.0}
JOIN: Mapping[str, Callable[[float, float], float]] = {
    "sum": operator.add, "max": max, "min": min, "prod": operator.mul,
}  # fmt: skip
BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
}  # fmt: skip


#: An element of a tensor, and how values of one part each, or several, become one.
Key = tuple[str, Element]
Join = Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]


class Outside(Exception):
    """A point that reads beyond the end of a tensor: it does not exist."""


def wrong_values(design: Design) -> list[Difference]:
    """Return the outputs of which an element is not what the cascade says, for some inputs.

    Raises NotWalkedError for lists of a part of a rank and for long walks; FusemaxError for what is refused.
    """
    mapped, machine = design.loaded()
    answer = cost(mapped, derive(mapped, machine), design.sizes)
    fitted = {(k.nest, k.tensor): int(value) for k, value in answer.table("tile").items()}
    cascade = mapped.cascade
    found = spaces(mapped, machine, design.sizes, fitted)
    if iterations(found) > MOST_ITERATIONS:
        raise NotWalkedError("too many iterations")
    known = found[0].sizes
    random = np.random.default_rng(1)
    inputs = {
        name: random.uniform(0.1, 1, [known[rank] for rank in cascade.tensors[name].ranks])
        for name in cascade.inputs
    }
    for access, limit in _named(cascade, known):
        inputs[access.tensor] = random.integers(0, limit, inputs[access.tensor].shape).astype(np.float64)
    told = {rank for name in cascade.inputs for rank in cascade.tensors[name].ranks}
    given = {
        name: size for name, size in known.items() if name in cascade.size_symbols() and name not in told
    }
    run = _Run(mapped, found, inputs)
    with np.errstate(all="ignore"):
        run.all()
    right = evaluate(cascade, inputs, given)
    wrong: list[Difference] = []
    for name in cascade.outputs:
        for element, value in np.ndenumerate(right[name]):
            mine = run.values[name].get(element, run.empty(name))
            if not (math.isnan(value) or mine == value or abs(mine - value) <= 1e-6 * (1 + abs(value))):
                wrong.append(
                    Difference(f"value {name}{list(element)}", {"numpy": float(value), "walk": float(mine)})
                )
                break
    return wrong


def _named(cascade: Cascade, known: Mapping[str, int]) -> Iterator[tuple[Access, int]]:
    """Yield the inputs that name elements of other tensors (``K[e,T[p,j]]``), and below what their values have to be."""
    pairs = [
        (index, known[rank])
        for einsum in cascade.computed
        for access in (*einsum.reads, *einsum.outputs)
        for rank, index in zip(cascade.tensors[access.tensor].ranks, access.indices, strict=True)
    ]
    for index, size in pairs:
        for access in (part for part in walk(index) if isinstance(part, Access)):
            if access.tensor in cascade.inputs:
                limit = next(k for k in itertools.count() if _at(index, k, known) >= size)
                if limit == 0:
                    raise NotWalkedError("a block longer than its rank")
                yield access, limit


def _at(index: Expression, value: int, known: Mapping[str, int]) -> float:
    """Return *index* where what a tensor names is *value*, and every variable its last one."""
    if isinstance(index, Access):
        return value
    if isinstance(index, Binary):
        return BINARY[index.operator](_at(index.left, value, known), _at(index.right, value, known))
    if isinstance(index, Name) and index.name[0].islower():
        return known[index.name.upper()] - 1
    return value_of(index, known)


class _Run:
    """The values of all tensors while a mapping runs."""

    def __init__(self, mapped: Mapped, found: Sequence[Space], inputs: Mapping[str, np.ndarray]) -> None:
        self.mapped, self.cascade, self.spaces = mapped, mapped.cascade, found
        self.values: dict[str, dict[Element, Any]] = {name: {} for name in self.cascade.tensors}
        for name, array in inputs.items():
            self.values[name] = dict(np.ndenumerate(array))
        self.made = {o.tensor: e for e in self.cascade.computed if not e.initial for o in e.outputs}
        self.first = {o.tensor: e for e in self.cascade.einsums if e.initial for o in e.outputs}
        self.rounds: dict[tuple[Key, ...], tuple[int, ...]] = {}

    def all(self) -> None:
        """Run every nest."""
        for nest, space in zip(self.mapped.nests, self.spaces, strict=True):
            self.space = space
            self.shapes = {name: space.shape(name) for name in self.cascade.tensors}
            for step in Trace(self.mapped, nest, space).steps():
                self._step(step.body, step.setting)

    def empty(self, tensor: str) -> float:
        """Return what an element is of which a condition leaves out every point."""
        einsum = self.made[tensor]
        _, neutral = self._joining(einsum)
        place = [output.tensor for output in einsum.outputs].index(tensor)
        return np.float64(neutral[place] if neutral else 0.0)

    def _step(self, body: Body, setting: Setting) -> None:
        einsums = [e for e in self.cascade.computed if e.name in body.einsums]
        for loops, members in itertools.groupby(
            einsums, key=lambda e: tuple((f.variable, f.block, f.down) for f in e.loops)
        ):
            together = list(members)
            for turn in self._turns(loops, setting):
                for einsum in together:
                    self._einsum(einsum, body, setting, turn)

    def _turns(self, loops: Sequence[tuple[str, int, bool]], setting: Setting) -> Iterator[dict[str, int]]:
        """Yield the generations of *loops* inside *setting*, in their order."""
        sides: list[list[int]] = []
        for variable, _, down in loops:
            root = self._root(variable)
            sides.append(
                sorted({point[variable] for point in self.space.inside(root, setting)}, reverse=down)
            )
        for values in itertools.product(*sides):
            yield dict(zip((variable for variable, _, _ in loops), values, strict=True))

    def _root(self, variable: str) -> Root:
        root = self.space.root_of(variable)
        assert root is not None
        return root

    def _einsum(self, einsum: Einsum, body: Body, setting: Setting, turn: Mapping[str, int]) -> None:
        """Add what *einsum* makes of the points inside *setting* in generation *turn*."""
        if isinstance(einsum.action, Populate):
            self._list(einsum, einsum.action, setting, turn)
            return
        join, neutral = self._joining(einsum)
        together: dict[tuple[Key, ...], tuple[Any, ...]] = {}
        points = {
            tuple(p[v] for v in einsum.variables): p for p in self.space.points(einsum.variables, setting)
        }
        for point in points.values():
            if any(point.get(v, n) != n for v, n in turn.items()) or not self.space.holds(
                einsum.conditions, point
            ):
                continue
            known = {**self.cascade.constants, **self.space.sizes, **point}
            try:
                values = tuple(
                    self._value(part, known) for part in parts_in(einsum.expression) or (einsum.expression,)
                )
                keys = tuple((o.tensor, self._element(o, known)) for o in einsum.outputs)
            except Outside:
                continue
            together[keys] = values if join is None else join(together.get(keys, neutral), values)
        mine = {root.name for root in self.space.roots_of(einsum.variables)}
        foreign = tuple(setting[loop] for loop in body.loops if self._root(loop).name not in mine)
        for keys, values in together.items():
            if join is not None and self.rounds.get(keys) == foreign:
                values = join(tuple(self.values[tensor][element] for tensor, element in keys), values)
            self.rounds[keys] = foreign
            for (tensor, element), value in zip(keys, values, strict=True):
                self.values[tensor][element] = value

    def _joining(self, einsum: Einsum) -> tuple[Join | None, tuple[float, ...]]:
        """Return how values of *einsum* are joined, each of one part or several, and what changes nothing; None for no sum."""
        if not isinstance(einsum.action, Reduction):
            return None, ()
        operator_ = einsum.action.operator
        if operator_ in JOIN:
            return lambda a, b: (JOIN[operator_](a[0], b[0]),), (IDENTITY[operator_],)
        monoid = self.cascade.monoid(operator_)
        if monoid is None:
            raise NotWalkedError(f"values of {einsum.name}")
        sides = (*monoid.names("a"), *monoid.names("b"))

        def joined(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
            known = dict(zip(sides, (*a, *b), strict=True))
            return tuple(self._value(part, known) for part in monoid.join)

        return joined, monoid.identity

    def _list(self, einsum: Einsum, action: Populate, setting: Setting, turn: Mapping[str, int]) -> None:
        """Make the lists of *einsum*: the places of the first elements of a rank by their value, these values, or both."""
        root = self._root(action.source)
        sources = {point[action.source]: point for point in self.space.inside(root, setting)}
        every = len({point[action.source] for point in self.space.coordinates(root)})
        if len(sources) < every or every < self.space.sizes[action.target.upper()]:
            raise NotWalkedError("a list of part of a rank, or longer than one")
        places = sorted(
            {point[action.target] for point in self.space.inside(self._root(action.target), setting)}
        )
        sign = 1 if action.operator == "argmin" else -1
        others = [v for v in einsum.variables if v not in (action.source, action.target)]
        for point in self.space.points(others, setting):
            if any(point.get(v, n) != n for v, n in turn.items()):
                continue
            found: list[tuple[Any, int, Any]] = []
            for at, source in sources.items():
                known = {**self.cascade.constants, **self.space.sizes, **point, **source}
                there = self.space.holds(einsum.conditions, known)
                value = self._value(einsum.expression, known) if there else sign * np.inf
                found.append((sign * value, at, value))
            found.sort(key=lambda one: one[:2])
            for place in places[: len(found)]:
                results = {"sort": found[place][2:]}.get(action.operator, found[place][1:])
                known = {**self.cascade.constants, **self.space.sizes, **point, action.target: place}
                for output, value in zip(einsum.outputs, results, strict=False):
                    self.values[output.tensor][self._element(output, known)] = np.float64(value)

    def _element(self, access: Access, known: Mapping[str, Any]) -> Element:
        element = tuple(int(self._value(index, known)) for index in access.indices)
        if not all(0 <= at < size for at, size in zip(element, self.shapes[access.tensor], strict=True)):
            raise Outside
        if not self.space.is_before_the_end(access.tensor, element):
            raise Outside
        return element

    def _read(self, access: Access, known: Mapping[str, Any]) -> Any:
        tensor, element = access.tensor, self._element(access, known)
        found = self.values[tensor].get(element)
        described = self.cascade.tensors[tensor]
        if found is None and described.generation is not None:
            found = self._earlier(tensor, element)
        if found is not None:
            return found
        einsum = self.first.get(tensor)
        if einsum is None or described.generation is None:
            return self.empty(tensor)
        target = next(o for o in einsum.outputs if o.tensor == tensor)
        point = {i.name: at for i, at in zip(target.indices, element, strict=True) if isinstance(i, Name)}
        return self._value(einsum.expression, {**self.cascade.constants, **self.space.sizes, **point})

    def _earlier(self, tensor: str, element: Element) -> Any:
        """Return the newest value in the place of *element*, of the generations before; None if there is none."""
        described = self.cascade.tensors[tensor]
        at = described.ranks.index(described.generation or "")
        down = described.generation in described.descending
        steps = range(element[at] + 1, self.shapes[tensor][at]) if down else range(element[at] - 1, -1, -1)
        earlier = (self.values[tensor].get((*element[:at], step, *element[at + 1 :])) for step in steps)
        return next((value for value in earlier if value is not None), None)

    def _value(self, expression: Expression, known: Mapping[str, Any]) -> Any:
        if isinstance(expression, Number):
            return np.float64(expression.value)
        if isinstance(expression, Name):
            return np.float64(known[expression.name])
        if isinstance(expression, Access):
            return self._read(expression, known)
        if isinstance(expression, Negative):
            return -self._value(expression.operand, known)
        if isinstance(expression, Binary):
            sides = self._value(expression.left, known), self._value(expression.right, known)
            return BINARY[expression.operator](*sides)
        assert isinstance(expression, Call)
        operands = [self._value(argument, known) for argument in expression.arguments]
        return np.float64(FUNCTIONS[expression.function].array(np, *operands))
