"""The iterations of a mapping, one by one: which digits there are, which values a tile holds, which elements an access means.

Nothing here counts by formula: a rank is the list of its coordinates, a tile the coordinates that agree with the loops.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fusemax.cascade.ir import Cascade, Einsum
from fusemax.language.syntax import (
    Access,
    Binary,
    Call,
    Condition,
    Expression,
    Name,
    Negative,
    Number,
    names,
    walk,
)
from fusemax.mapping.nest import Nest, Root

OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip

#: Coordinates from here on are those that another tensor names, each point one of its own.
NAMED = 1 << 40

#: An element of a tensor: its coordinates.
Element = tuple[int, ...]
#: Values of loops by name.
Setting = Mapping[str, int]


class NotWalkedError(Exception):
    """A design outside what the walker knows; the text says what."""


def value_of(expression: Expression, known: Mapping[str, float]) -> float:
    """Return the value of *expression* where each name has a number."""
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Name):
        return known[expression.name]
    if isinstance(expression, Negative):
        return -value_of(expression.operand, known)
    if isinstance(expression, Binary):
        return OPERATORS[expression.operator](
            value_of(expression.left, known), value_of(expression.right, known)
        )
    if isinstance(expression, Call) and expression.function in ("min", "max"):
        pick = min if expression.function == "min" else max
        return pick(value_of(argument, known) for argument in expression.arguments)
    raise NotWalkedError(f"the value of {expression}")


@dataclass(frozen=True)
class Space:
    """The ranks of one nest with their sizes, cut into digits of known sizes.

    ``sizes`` holds every size of the cascade, ``digits`` the size of each digit but the outermost ones.
    """

    cascade: Cascade
    nest: Nest
    sizes: Mapping[str, int]
    digits: Mapping[str, int]
    _memo: dict[object, object] = field(default_factory=dict, compare=False, repr=False)

    def root_of(self, name: str) -> Root | None:
        """Return the rank that the variable or digit *name* belongs to."""
        for root in self.nest.roots.values():
            if name == root.name or any(digit.name == name for digit in root.digits):
                return root
        return None

    def coordinates(self, root: Root) -> list[dict[str, int]]:
        """Return every coordinate of *root*, as values of its own variable and of all its digits."""
        key = ("coordinates", root.name)
        if key not in self._memo:
            self._memo[key] = [self._taken_apart(root, value) for value in range(self.sizes[root.size_name])]
        return self._memo[key]  # type: ignore[return-value]

    def _taken_apart(self, root: Root, value: int) -> dict[str, int]:
        found = {root.name: value}
        rest = value
        for digit in reversed(root.digits[1:]):
            rest, found[digit.name] = divmod(rest, self.digits[digit.name])
        found[root.digits[0].name] = rest
        return found

    def inside(self, root: Root, setting: Setting) -> list[dict[str, int]]:
        """Return the coordinates of *root* that agree with the loops of *setting*."""
        mine = tuple((digit.name, setting[digit.name]) for digit in root.digits if digit.name in setting)
        key = ("inside", root.name, mine)
        if key not in self._memo:
            every = self.coordinates(root)
            self._memo[key] = [point for point in every if all(point[name] == v for name, v in mine)]
        return self._memo[key]  # type: ignore[return-value]

    def values_of_loop(self, loop: str, setting: Setting) -> list[int]:
        """Return the values that *loop* takes inside the loops of *setting*, in ascending order."""
        root = self.root_of(loop)
        assert root is not None
        return sorted({point[loop] for point in self.inside(root, setting)})

    def settings(self, loops: Iterable[str], around: Setting) -> Iterator[dict[str, int]]:
        """Yield the settings of *loops*, outermost first, inside *around*."""
        first, *rest = (*loops, None)
        if first is None:
            yield dict(around)
            return
        for value in self.values_of_loop(first, around):
            yield from self.settings([r for r in rest if r is not None], {**around, first: value})

    def roots_of(self, variables: Iterable[str]) -> tuple[Root, ...]:
        """Return the ranks that *variables* belong to, each once."""
        found = {root.name: root for name in variables if (root := self.root_of(name)) is not None}
        return tuple(found.values())

    def points(self, variables: Iterable[str], setting: Setting) -> Iterator[dict[str, int]]:
        """Yield the points of all ranks of *variables* that lie inside *setting*."""
        roots = self.roots_of(variables)
        for combination in itertools.product(*(self.inside(root, setting) for root in roots)):
            yield {name: value for point in combination for name, value in point.items()}

    def _key(self, what: object, variables: Iterable[str], setting: Setting) -> object:
        digits = [digit.name for root in self.roots_of(variables) for digit in root.digits]
        return (what, tuple((name, setting[name]) for name in digits if name in setting))

    def elements(self, access: Access, setting: Setting) -> frozenset[Element]:
        """Return the elements that *access* means inside *setting*; those that the tensor does not have are left out."""
        used = _variables(access)
        key = self._key((access.tensor, str(access)), used, setting)
        if key not in self._memo:
            limits = self.shape(access.tensor)
            found = set()
            for point in self.points(used, setting):
                known = {**self.sizes, **point}
                element = tuple(_coordinate(index, known) for index in access.indices)
                there = all(at >= NAMED or 0 <= at < limit for at, limit in zip(element, limits, strict=True))
                if there and self._is_before_the_end(access.tensor, element):
                    found.add(element)
            self._memo[key] = frozenset(found)
        return self._memo[key]  # type: ignore[return-value]

    def apart(self, tensor: str, elements: frozenset[Element]) -> frozenset[Element]:
        """Return *elements* without those that another tensor names in a dimension of which all is among them."""
        named = [e for e in elements if any(at >= NAMED for at in e)]
        limits = self.shape(tensor)
        within = {
            e for e in named
            for dim, at in enumerate(e)
            if at >= NAMED and all((*e[:dim], k, *e[dim + 1 :]) in elements for k in range(limits[dim]))
        }  # fmt: skip
        return elements - within

    def _is_before_the_end(self, tensor: str, element: Element) -> bool:
        """Return whether *element* is there where ranks of *tensor* are the parts of one that ends inside of a part."""
        ranks = self.cascade.tensors[tensor].ranks
        for root in self.nest.roots.values():
            names = [digit.size_name for digit in root.digits]
            if len(names) > 1 and all(name in ranks for name in names):
                position = element[ranks.index(names[0])]
                for name in names[1:]:
                    position = position * self.sizes[name] + element[ranks.index(name)]
                if (
                    self.cascade.tensors[tensor].generation not in names
                    and position >= self.sizes[root.size_name]
                ):
                    return False
        return True

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Return the sizes of *tensor*, generations included."""
        described = self.cascade.tensors[tensor]
        return tuple(self.sizes[r] + (1 if r == described.generation else 0) for r in described.ranks)

    def satisfied(self, einsum: Einsum, setting: Setting) -> bool:
        """Return whether one point inside *setting* satisfies all conditions of *einsum*."""
        used = [name for c in einsum.conditions for side in (c.left, c.right) for name in names(side)]
        key = self._key(("satisfied", einsum.name), used, setting)
        if key not in self._memo:
            self._memo[key] = any(
                self.holds(einsum.conditions, point) for point in self.points(used, setting)
            )
        return bool(self._memo[key])

    def holds(self, conditions: Iterable[Condition], point: Mapping[str, int]) -> bool:
        """Return whether *point* satisfies every one of *conditions*."""
        known = {**self.sizes, **point}
        return all(
            OPERATORS[c.comparison](value_of(c.left, known), value_of(c.right, known)) for c in conditions
        )

    def useful(self, einsum: Einsum, variables: Iterable[str], setting: Setting) -> int:
        """Return how many different values *variables* take inside *setting* at points that satisfy the conditions."""
        wanted = sorted(v for v in variables if self.root_of(v) is not None)
        used = [name for c in einsum.conditions for side in (c.left, c.right) for name in names(side)]
        key = self._key(("useful", einsum.name, tuple(wanted)), [*wanted, *used], setting)
        if key not in self._memo:
            points = self.points([*wanted, *used], setting)
            found = {tuple(p[v] for v in wanted) for p in points if self.holds(einsum.conditions, p)}
            self._memo[key] = len(found)
        return int(self._memo[key])  # type: ignore[call-overload]


def _variables(expression: Expression) -> tuple[str, ...]:
    """Return the rank variables in *expression*."""
    return tuple(name for name in names(expression) if name[0].islower())


def _coordinate(index: Expression, known: Mapping[str, float]) -> int:
    """Return the coordinate that *index* means; one that another tensor names is a coordinate of its own at each point."""
    if not any(isinstance(part, Access) for part in walk(index)):
        return int(value_of(index, known))
    number = NAMED
    for name in sorted(set(_variables(index))):
        number = number * 4096 + int(known[name])
    return number + (hash(str(index)) % 4096 << 200)
