"""How many elements a tile has, counted digit by digit; and the tiles of a mapping at one point."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fusemax.cascade.ir import Cascade, is_variable
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Access, Name, names
from fusemax.language.value import finite_value_of
from fusemax.mapping.nest import Mapped, Nest, Residence, Root
from fusemax.mapping.spec import Fit
from fusemax.simulate.tile.values import Point, tile_rules


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


def tile_digits(mapped: Mapped, nest: Nest, residence: Residence) -> frozenset[str]:
    """Return the digits that run inside a kept tile: those no loop fixes; one generation is there at a time."""
    digits = residence_digits(mapped, nest, residence) - set(residence.loops)
    return digits - generation_digits(mapped.cascade, residence.tensor)


def word_B(mapped: Mapped, point: Point, tensor: str) -> float:  # noqa: N802 - the unit is a byte
    """Return the bytes of a word of *tensor*."""
    rule = mapped.words.get(tensor)
    return point.figures["word"] if rule is None else finite_value_of(rule, point.known)


def room_B(mapped: Mapped, point: Point, geometry: Geometry, residence: Residence) -> float:  # noqa: N802
    """Return the bytes of one buffer of *residence*."""
    words = geometry.points(tile_digits(mapped, geometry.nest, residence), {})
    return words * word_B(mapped, point, residence.tensor)


def occupied_B(mapped: Mapped, point: Point, geometry: Geometry, level: str) -> float:  # noqa: N802
    """Return the bytes that everything kept at *level* takes in all its buffers; a shared place counts once."""
    mine = [r for r in geometry.nest.residences if r.level == level and r.buffers]
    whole = {r.tensor for r in mine if not r.staged}
    total = 0.0
    shared: dict[tuple[str, ...], float] = {}
    for residence in mine:
        if residence.staged and residence.tensor in whole:
            continue
        size = room_B(mapped, point, geometry, residence) * residence.buffers
        group = next((g for g in mapped.in_place if residence.tensor in g), None)
        if group is None:
            total += size
        else:
            shared[group] = max(shared.get(group, 0.0), size)
    return total + sum(shared.values())


def capacity_B(point: Point, level: str, lanes: float | None) -> float:  # noqa: N802
    """Return the bytes that *level* holds; for the registers of a unit, those of all its *lanes*."""
    if lanes is None:
        return point.figures[f"{level}.size"]
    word = point.figures.get(f"{level}.registers.word", point.figures["word"])
    return lanes * point.figures[f"{level}.registers.depth"] * word


def geometry_of(mapped: Mapped, nest: Nest, point: Point) -> Geometry:
    """Return *nest* at *point* with its tiles settled: plain rules first, then those that fill a level.

    Raises
    ------
    FusemaxError
        When a tile is no whole number of at least 1, or its rule names a size that nobody gave.
    """
    sizes = {root.name: int(point.ranks[root.size_name]) for root in nest.roots.values()}
    rules = tile_rules(nest)
    tiles: dict[str, int] = {}
    known = point.known
    for name, rule in rules.items():
        if isinstance(rule, Fit):
            continue
        try:
            value = finite_value_of(rule, known)  # type: ignore[arg-type]
        except KeyError as error:
            missing = error.args[0]
            own = isinstance(rule, Name) and rule.name == name.upper()
            what = f"give it: --set {missing}=..." if own else f"its rule is {rule}"
            raise FusemaxError(
                f"tile {name.upper()} of mapping {mapped.name} needs {missing}; {what}"
            ) from None
        if value < 1 or value != int(value):
            raise FusemaxError(f"tile {name.upper()} of mapping {mapped.name} is {value:g}, no whole number")
        tiles[name] = int(value)
        known[name.upper()] = value
    fits = {name: rule for name, rule in rules.items() if isinstance(rule, Fit)}
    tiles |= dict.fromkeys(fits, 1)
    for name, rule in fits.items():
        tiles[name] = _fitting(mapped, nest, point, sizes, tiles, name, rule)
    return Geometry(nest, sizes, tiles)


def _fitting(
    mapped: Mapped, nest: Nest, point: Point, sizes: Mapping[str, int], tiles: Mapping[str, int], name: str,
    rule: Fit,
) -> int:  # fmt: skip
    """Return the largest admissible size with which everything kept at the level fits; 1 when none does."""
    plain = Geometry(nest, sizes, tiles)
    inner = plain.unit(name)
    bound = -(-sizes[nest.root_of(name).name] // inner)
    capacity = capacity_B(point, rule.level, None)

    def fits(size: int) -> bool:
        return occupied_B(mapped, point, Geometry(nest, sizes, {**tiles, name: size}), rule.level) <= capacity

    return max((size for size in _admissible(bound, rule.kind, fits) if fits(size)), default=1)


def _admissible(bound: int, kind: str, fits) -> list[int]:
    if kind == "power_of_two":
        return [1 << k for k in range(bound.bit_length()) if 1 << k <= bound]
    if kind == "divisor":
        small = [d for d in range(1, int(bound**0.5) + 1) if bound % d == 0]
        return [*small, *(bound // d for d in small)]
    low, high = 1, bound
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return [low]
