"""How many elements a tile has, counted digit by digit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fusemax.analysis.work import Operation
from fusemax.cascade.ir import Cascade, is_variable
from fusemax.language.syntax import Access, Expression, names, walk
from fusemax.language.value import finite_value_of
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped, Nest, Residence, Root
from fusemax.mapping.rates import cycles_of
from fusemax.simulate.tile.values import Point


@dataclass(frozen=True, slots=True)
class Geometry:
    """A nest at one point: the size of each root and of each digit but the outermost ones."""

    nest: Nest
    sizes: Mapping[str, int]
    tiles: Mapping[str, int]

    def unit(self, digit: str) -> int:
        """Return how many elements of its root one step of *digit* is."""
        product = 1
        for inner in self.nest.root_of(digit).inner_to(digit):
            product *= self.tiles[inner.name]
        return product

    def count(self, root: Root, wanted: Collection[str], fixed: Mapping[str, int]) -> int:
        """Return how many different values the *wanted* digits of *root* take where others are *fixed*."""
        return self._count(root, 0, self.sizes[root.name], wanted, fixed)

    def _count(
        self, root: Root, position: int, extent: int, wanted: Collection[str], fixed: Mapping[str, int]
    ) -> int:
        if position == len(root.digits):
            return 1
        name = root.digits[position].name
        unit = self.unit(name)
        whole, part = divmod(extent, unit)

        def inside(extent: int) -> int:
            return self._count(root, position + 1, extent, wanted, fixed)

        if name in fixed:
            if fixed[name] < whole:
                return inside(unit)
            return inside(part) if part and fixed[name] == whole else 0
        if name in wanted:
            return (whole * inside(unit) if whole else 0) + (inside(part) if part else 0)
        return inside(unit) if whole else inside(part)

    def points(self, wanted: Iterable[str], fixed: Mapping[str, int]) -> int:
        """Return how many different points the *wanted* digits of all roots take together."""
        chosen = set(wanted) - set(fixed)
        product = 1
        for root in self.nest.roots.values():
            if any(digit.name in chosen for digit in root.digits):
                product *= self.count(root, chosen, fixed)
        return product


def digits_of(nest: Nest, variables: Iterable[str]) -> frozenset[str]:
    """Return the digits of rank *variables*: all of a whole rank, the one of a part."""
    found: set[str] = set()
    for variable in variables:
        root = nest.roots.get(variable)
        found |= {digit.name for digit in root.digits} if root is not None else {variable}
    return frozenset(found)


def access_digits(nest: Nest, access: Access) -> frozenset[str]:
    """Return the digits that *access* is indexed by."""
    return digits_of(nest, (n for index in access.indices for n in names(index) if is_variable(n)))


def is_window(nest: Nest, index: Expression) -> bool:
    """Return whether *index* is a sum over several ranks, such as ``p + w``; not one that another tensor gives."""
    if is_gather(index):
        return False
    variables = [name for name in names(index) if is_variable(name)]
    return len({(nest.roots.get(v) or nest.root_of(v)).name for v in variables}) > 1


def is_gather(index: Expression) -> bool:
    """Return whether *index* reads another tensor."""
    return any(isinstance(part, Access) for part in walk(index))


def generation_digits(cascade: Cascade, tensor: str) -> frozenset[str]:
    """Return the digit that counts the generations of *tensor*, if it has any."""
    generation = cascade.tensors[tensor].generation
    return frozenset() if generation is None else frozenset({generation.lower()})


def residence_digits(mapped: Mapped, nest: Nest, residence: Residence) -> frozenset[str]:
    """Return the digits that the kept tensor carries in the bodies inside its residence."""
    found: set[str] = set()
    for body in nest.bodies:
        if residence.covers(body.node):
            for name in body.einsums:
                einsum = mapped.einsum(name)
                for access in (*einsum.reads, *einsum.outputs):
                    if access.tensor == residence.tensor:
                        found |= access_digits(nest, access)
    return frozenset(found)


def produced_inside(mapped: Mapped, nest: Nest, residence: Residence) -> bool:
    """Return whether a body inside *residence* writes its tensor."""
    return any(
        output.tensor == residence.tensor
        for body in nest.bodies
        if residence.covers(body.node)
        for name in body.einsums
        for output in mapped.einsum(name).outputs
    )


def word_B(mapped: Mapped, point: Point, tensor: str) -> float:  # noqa: N802 - the unit is a byte
    """Return the bytes of a word of *tensor*."""
    rule = mapped.words.get(tensor)
    return point.figures["word"] if rule is None else finite_value_of(rule, point.known)


def cycles_at(
    mapped: Mapped, machine: Machine, point: Point, unit: str | None, operation: Operation
) -> float:
    """Return for how many cycles of the machine *operation* holds a lane of *unit*."""
    assert unit is not None, "operations have a unit"
    return finite_value_of(cycles_of(mapped, machine, unit, operation), point.figures)
