"""The iterations of a mapping, one by one: which digits there are, which values a tile holds, which elements an access means.

Nothing here counts by formula: a rank is the list of its coordinates, a tile the coordinates that agree with the loops.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

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
        return known[expression.name if expression.name in known else figure_name(expression.name)]
    if isinstance(expression, Negative):
        return -value_of(expression.operand, known)
    if isinstance(expression, Binary):
        return OPERATORS[expression.operator](
            value_of(expression.left, known), value_of(expression.right, known)
        )
    if isinstance(expression, Call) and expression.function in ("min", "max"):
        pick = min if expression.function == "min" else max
        return pick(value_of(argument, known) for argument in expression.arguments)
    if isinstance(expression, Call) and expression.function in ("floor", "ceil"):
        nearest = math.floor if expression.function == "floor" else math.ceil
        return nearest(value_of(expression.arguments[0], known))
    raise NotWalkedError(f"the value of {expression}")


def figure_name(name: str) -> str:
    """Return the figure that *name* stands for: ``at_shared_dot_size`` is ``shared.size``."""
    return name.removeprefix("at_").replace("_dot_", ".")


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
        key = ("root", name)
        if key not in self._memo:
            mine = (r for r in self.nest.roots.values() if name == r.name or name in _digits(r))
            self._memo[key] = next(mine, None)
        return self._memo[key]  # type: ignore[return-value]

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

    def values_of_loop(self, loop: str, setting: Setting, down: bool = False) -> list[int]:
        """Return the values that *loop* takes inside the loops of *setting*, in ascending order, or *down*."""
        root = self.root_of(loop)
        assert root is not None
        return sorted({point[loop] for point in self.inside(root, setting)}, reverse=down)

    def settings(
        self, loops: Iterable[str], around: Setting, down: Collection[str] = ()
    ) -> Iterator[dict[str, int]]:
        """Yield the settings of *loops*, outermost first, inside *around*; those over roots in *down* run down."""
        first, *rest = (*loops, None)
        if first is None:
            yield dict(around)
            return
        root = self.root_of(first)
        for value in self.values_of_loop(first, around, root is not None and root.name in down):
            yield from self.settings([r for r in rest if r is not None], {**around, first: value}, down)

    def roots_of(self, variables: Iterable[str]) -> tuple[Root, ...]:
        """Return the ranks that *variables* belong to, each once."""
        names_ = tuple(variables)
        key = ("roots", names_)
        if key not in self._memo:
            found = {root.name: root for name in names_ if (root := self.root_of(name)) is not None}
            self._memo[key] = tuple(found.values())
        return self._memo[key]  # type: ignore[return-value]

    def points(self, variables: Iterable[str], setting: Setting) -> Iterator[dict[str, int]]:
        """Yield the points of all ranks of *variables* that lie inside *setting*."""
        roots = self.roots_of(variables)
        for combination in itertools.product(*(self.inside(root, setting) for root in roots)):
            yield {name: value for point in combination for name, value in point.items()}

    def _key(self, what: object, variables: Iterable[str], setting: Setting) -> object:
        names_ = tuple(variables)
        key = ("digits", names_)
        if key not in self._memo:
            self._memo[key] = tuple(name for root in self.roots_of(names_) for name in _digits(root))
        digits: tuple[str, ...] = self._memo[key]  # type: ignore[assignment]
        return (what, tuple((name, setting[name]) for name in digits if name in setting))

    def once(self, what: object, variables: Iterable[str], setting: Setting, found: Callable[[], int]) -> int:
        """Return *found* of *what*, which the loops of *setting* over ranks of *variables* alone decide."""
        key = self._key(what, variables, setting)
        if key not in self._memo:
            self._memo[key] = found()
        return self._memo[key]  # type: ignore[return-value]

    def elements(self, access: Access, setting: Setting) -> frozenset[Element]:
        """Return the elements that *access* means inside *setting*; those that the tensor does not have are left out."""
        text = str_of(access)
        key = self._key(text, _variables(access), setting)
        if key not in self._memo:
            self._memo[key] = frozenset(self._elements(access, setting))
        return self._memo[key]  # type: ignore[return-value]

    def _elements(self, access: Access, setting: Setting) -> Iterator[Element]:
        """Yield the elements of *access*: indices that share a rank go through its coordinates together."""
        limits = self.shape(access.tensor)
        groups = self._groups(access)
        parts: list[list[Element]] = []
        for places in groups:
            indices = [access.indices[place] for place in places]
            used = [name for index in indices for name in _variables(index)]
            found: set[Element] = set()
            for point in self.points(used, setting):
                known = {**self.sizes, **point}
                part = tuple(_coordinate(index, known) for index in indices)
                if all(at >= NAMED or 0 <= at < limits[p] for at, p in zip(part, places, strict=True)):
                    found.add(part)
            parts.append(list(found))
        order = [place for places in groups for place in places]
        back = [order.index(place) for place in range(len(order))]
        for combination in itertools.product(*parts):
            together = [at for part in combination for at in part]
            element = tuple(together[place] for place in back)
            if self.is_before_the_end(access.tensor, element):
                yield element

    def _groups(self, access: Access) -> list[list[int]]:
        """Return the places of the indices of *access*, those that share ranks together."""
        groups: list[tuple[set[str], list[int]]] = []
        for place, index in enumerate(access.indices):
            roots = {root.name for root in self.roots_of(_variables(index))}
            places = [place]
            for mine, others in [g for g in groups if g[0] & roots]:
                groups.remove((mine, others))
                roots, places = roots | mine, others + places
            groups.append((roots, places))
        return [places for _, places in groups]

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

    def is_before_the_end(self, tensor: str, element: Element) -> bool:
        """Return whether *element* is there where ranks of *tensor* are the parts of one that ends inside of a part."""
        for places, sizes, size in self._chunks(tensor):
            position = 0
            for place, inner in zip(places, sizes, strict=True):
                position = position * inner + element[place]
            if position >= size:
                return False
        return True

    def _chunks(self, tensor: str) -> list[tuple[list[int], list[int], int]]:
        """Return where ranks of *tensor* are the parts of one: their places, their sizes, and that of the whole."""
        key = ("chunks", tensor)
        if key not in self._memo:
            described = self.cascade.tensors[tensor]
            found: list[tuple[list[int], list[int], int]] = []
            for root in self.nest.roots.values():
                parts = [digit.size_name for digit in root.digits]
                cut = len(parts) > 1 and all(name in described.ranks for name in parts)
                if cut and described.generation not in parts:
                    places = [described.ranks.index(name) for name in parts]
                    sizes = [0, *(self.sizes[name] for name in parts[1:])]
                    found.append((places, sizes, self.sizes[root.size_name]))
            self._memo[key] = found
        return self._memo[key]  # type: ignore[return-value]

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
            self._memo[key] = self._useful(einsum, wanted, used, setting)
        return int(self._memo[key])  # type: ignore[call-overload]

    def _useful(self, einsum: Einsum, wanted: Sequence[str], used: Sequence[str], setting: Setting) -> int:
        """Return how many different values *wanted* take where the conditions hold: ranks without one each by itself."""
        tied = {root.name for root in self.roots_of(used)}
        groups = [[v for v in wanted if (r := self.root_of(v)) and r.name in tied], *self._free(wanted, tied)]
        many = 1
        for number, mine in enumerate(groups):
            points = self.points([*mine, *(used if number == 0 else ())], setting)
            conditions = einsum.conditions if number == 0 else ()
            many *= len({tuple(p[v] for v in mine) for p in points if self.holds(conditions, p)})
        return many

    def _free(self, wanted: Sequence[str], tied: Collection[str]) -> list[list[str]]:
        roots = [root for root in self.roots_of(wanted) if root.name not in tied]
        return [[v for v in wanted if (r := self.root_of(v)) and r.name == root.name] for root in roots]


def _digits(root: Root) -> tuple[str, ...]:
    return tuple(digit.name for digit in root.digits)


@lru_cache(maxsize=4096)
def str_of(access: Access) -> str:
    """Return *access* as text."""
    return str(access)


@lru_cache(maxsize=4096)
def _variables(expression: Expression) -> tuple[str, ...]:
    """Return the rank variables in *expression*."""
    return tuple(name for name in names(expression) if name[0].islower())


def _coordinate(index: Expression, known: Mapping[str, float]) -> int:
    """Return the coordinate that *index* means; one that another tensor names is a coordinate of its own at each point."""
    if isinstance(index, Name):
        return int(known[index.name])
    if not _names_elements(index):
        return int(value_of(index, known))
    number = NAMED
    for name in sorted(set(_variables(index))):
        number = number * 4096 + int(known[name])
    return number + (hash(str(index)) % 4096 << 200)


@lru_cache(maxsize=4096)
def _names_elements(index: Expression) -> bool:
    return any(isinstance(part, Access) for part in walk(index))
