"""What is kept where at one point, in bytes; and tiles settled, those that fill a level among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from fusemax.cascade.sizes import resolve_sizes
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Name
from fusemax.language.value import finite_value_of
from fusemax.machine import LaneMemory, Machine
from fusemax.mapping.divided import accumulators, dealt_digits, in_columns, tile_digits
from fusemax.mapping.groups import shared_level, with_shared_tiles
from fusemax.mapping.lives import Moment, Tile, Value, moments
from fusemax.mapping.nest import Mapped, Nest, Residence
from fusemax.mapping.outermost import whole_digits, whole_tensors
from fusemax.mapping.spec import Fit
from fusemax.simulate.tile.geometry import Geometry, word_B
from fusemax.simulate.tile.held import tile_words
from fusemax.simulate.tile.seen import most_seen
from fusemax.simulate.tile.values import Point, tile_rules


def room_B(mapped: Mapped, point: Point, geometry: Geometry, residence: Residence) -> float:  # noqa: N802
    """Return the bytes of one buffer of *residence*."""
    seen = most_seen(mapped, geometry, point, residence)
    words = tile_words(mapped, geometry, point.known, residence, seen)
    return words * word_B(mapped, point, residence.tensor)


@dataclass(frozen=True, slots=True)
class _Share:
    """What one of so many *groups* has of a memory that they divide by *rows*; *dealt* are the digits dealt to them."""

    dealt: frozenset[str] = frozenset()
    groups: int = 1
    rows: int = 1

    def part(self, geometry: Geometry, digits: frozenset[str], apart: bool = False) -> float:
        """Return which part of a tile over *digits* one group has: more than all of one that fills no instruction.

        Of one that may be taken *apart*, several groups have a part of an instruction where there are more groups.
        """
        if not digits & self.dealt:
            return 1.0
        points = geometry.points(digits & self.dealt, {})
        instructions = -(-points // self.rows)
        parts = max(1, self.groups // instructions) if apart else 1
        return -(-instructions // self.groups) * self.rows / points / parts


WHOLE = _Share()


@dataclass(frozen=True, slots=True)
class Stock:
    """What a nest keeps and holds, moment by moment of an epoch (:mod:`fusemax.mapping.lives`)."""

    mapped: Mapped
    machine: Machine
    nest: Nest
    moments: tuple[Moment, ...]
    whole: tuple[str, ...]

    @classmethod
    def of(cls, mapped: Mapped, machine: Machine, nest: Nest) -> Stock:
        """Return the stock of *nest*."""
        level = shared_level(machine, nest)
        nest = nest if level is None else with_shared_tiles(nest, level)
        whole = whole_tensors(mapped, machine, nest)
        return cls(mapped, machine, nest, moments(mapped, machine, nest), whole)

    def places(self) -> tuple[str, ...]:
        """Return the levels, and the units with registers, in which something takes room, or spills into."""
        kept = [tile.residence.level for moment in self.moments for tile in moment.tiles]
        made = [value.place for moment in self.moments for value in moment.values]
        over = [self.machine.around(level) for level in self.mapped.spill]
        return tuple(dict.fromkeys((*kept, *made, *over, self.machine.outermost)))

    def occupied_B(self, point: Point, geometry: Geometry, place: str) -> float:  # noqa: N802
        """Return the bytes that are in *place* at the fullest moment, all buffers; a shared place counts once."""
        dealt = dealt_digits(self.machine, self.nest, place)
        if not dealt:
            return self._most_at(point, geometry, place, WHOLE)
        divided = self.machine.levels[place].divided
        assert divided is not None
        rows = int(point.figures[divided.rows])
        shares = (_Share(dealt, number, rows) for number in range(1, divided.groups + 1))
        return min(self._divided_B(point, geometry, place, share) for share in shares)

    def _divided_B(self, point: Point, geometry: Geometry, place: str, share: _Share) -> float:  # noqa: N802
        """Return the bytes that *place* must have for the groups of *share*, portions and what no group has counted."""
        most, step, own, beside = (
            point.figures[f"{place}.divided.{key}"] for key in ("most", "step", "own", "beside")
        )
        mine = own + self._most_at(point, geometry, place, share)
        whole = share.groups * step * math.ceil(mine / step) + beside
        return max(whole, point.figures[f"{place}.size"] * mine / most)

    def _most_at(self, point: Point, geometry: Geometry, place: str, share: _Share) -> float:
        there = (sum(self._at(point, geometry, m, place, share).values()) for m in self.moments)
        return max(there, default=0.0)

    def needed_B(self, point: Point, geometry: Geometry, place: str) -> float:  # noqa: N802
        """Return the bytes that *place* must have: what is there, and what spills from the levels next inside of it."""
        return self.occupied_B(point, geometry, place) + self._over_B(point, geometry, place)

    def _over_B(self, point: Point, geometry: Geometry, place: str) -> float:  # noqa: N802
        """Return the bytes that spill into *place* of tensors that it does not keep anyway."""
        kept = [tile.residence for moment in self.moments for tile in moment.tiles]
        held = {kept_.tensor for kept_ in kept if kept_.level == place and not kept_.staged}
        held |= {*self.whole} if place == self.machine.outermost else set()
        total = 0.0
        for level, tensors in self.mapped.spill.items():
            if self.machine.around(level) != place or self.machine.levels[level].size is None:
                continue
            over = self.needed_B(point, geometry, level) - capacity_B(point, level)
            apart = {name for name in tensors if name not in held}
            most = self._most_B(point, geometry, level, apart) + self._over_B(point, geometry, level)
            total += max(0.0, min(over, most))
        return total

    def _most_B(self, point: Point, geometry: Geometry, place: str, tensors: Collection[str]) -> float:  # noqa: N802
        """Return the bytes of all tiles and values of *tensors* in *place*, whenever they are there."""
        tiles = [r for r in self.nest.residences if r.level == place and r.tensor in tensors]
        copies: dict[Value, int] = {}
        for moment in self.moments:
            for value, many in moment.values.items():
                if value.place == place and value.tensor in tensors:
                    copies[value] = max(many, copies.get(value, 0))
        kept = sum(self._kept_B(point, geometry, r) * r.buffers for r in tiles)
        return kept + sum(self._value_B(point, geometry, value, many) for value, many in copies.items())

    def _value_B(self, point: Point, geometry: Geometry, value: Value, copies: int) -> float:  # noqa: N802
        words = geometry.points(value.digits, {}) * self._cores(point, geometry, value.place)
        return words * copies * self._word_B(point, value.tensor, value.place)

    def _kept_B(self, point: Point, geometry: Geometry, residence: Residence) -> float:  # noqa: N802
        wider = self._word_B(point, residence.tensor, residence.level)
        return (
            room_B(self.mapped, point, geometry, residence)
            / word_B(self.mapped, point, residence.tensor)
            * wider
        )

    def _word_B(self, point: Point, tensor: str, place: str) -> float:  # noqa: N802
        """Return the bytes of a word that waits in *place*: of a sum, those in which its unit has it."""
        sums = (point.figures[name] for name in accumulators(self.mapped, self.machine, tensor, place))
        return max(word_B(self.mapped, point, tensor), *sums, 0.0)

    def parts_B(self, point: Point, geometry: Geometry, place: str) -> dict[str, float]:  # noqa: N802
        """Return the bytes of what is in *place* at the fullest moment, by tensor."""
        found = [self._at(point, geometry, moment, place) for moment in self.moments]
        return {" or ".join(key): size for key, size in max(found, key=lambda at: sum(at.values())).items()}

    def _at(
        self, point: Point, geometry: Geometry, moment: Moment, place: str, share: _Share = WHOLE
    ) -> dict[tuple[str, ...], float]:
        """Return the bytes in *place* at *moment*, by tensor or by the group that shares one place."""
        shared: dict[tuple[str, ...], float] = {}
        alone: dict[tuple[str, ...], float] = {}
        for tensor, size in self._sizes(point, geometry, moment, place, share):
            group = next((g for g in self.mapped.in_place if tensor in g), None)
            if group is None:
                alone[(tensor,)] = alone.get((tensor,), 0.0) + size
            else:
                shared[group] = max(shared.get(group, 0.0), size)
        return alone | shared

    def _sizes(
        self, point: Point, geometry: Geometry, moment: Moment, place: str, share: _Share
    ) -> Iterator[tuple[str, float]]:
        everything = self.whole if place == self.machine.outermost else ()
        for tensor in everything:
            words = geometry.points(whole_digits(self.mapped, self.nest, tensor), {})
            yield tensor, words * word_B(self.mapped, point, tensor)
        whole = {(t.residence.level, t.residence.tensor) for t in moment.tiles if not t.residence.staged}
        for tile in moment.tiles:
            residence = tile.residence
            if residence.tensor in everything:
                continue
            passing = residence.staged and (residence.level, residence.tensor) in whole
            if residence.level == place and not passing and not _gone(geometry, tile):
                apart = share.groups > 1 and in_columns(self.mapped, self.machine, self.nest, residence)
                part = share.part(geometry, tile_digits(self.mapped, self.nest, residence), apart)
                size = self._kept_B(point, geometry, residence) * residence.buffers
                yield residence.tensor, size * part
        for value, copies in moment.values.items():
            if value.place == place:
                size = self._value_B(point, geometry, value, copies if share.groups == 1 else 1)
                yield value.tensor, size * share.part(geometry, value.digits)

    def _cores(self, point: Point, geometry: Geometry, place: str) -> float:
        """Return how many cores have values of their own in *place*: all that are busy, where they or a group share it."""
        level = self.machine.levels.get(place)
        if level is None or level.per_core or not self.nest.spread:
            return 1.0
        if level.shared_by is not None:
            busy = geometry.points(self.nest.beside or self.nest.spread, {})
            return min(point.figures[f"{place}.shared_by"], busy)
        return min(point.figures["replicas"], geometry.points(self.nest.spread, {}))


def _gone(geometry: Geometry, tile: Tile) -> bool:
    """Return whether a tile is never there: loops of its own turn, also at the end of what those around them run over."""
    fixed: dict[str, int] = {}
    for root in geometry.nest.roots.values():
        left = geometry.sizes[root.name] - 1
        own = [digit.name in tile.unless for digit in root.digits]
        for number, digit in enumerate(root.digits):
            value, left = divmod(left, geometry.unit(digit.name))
            if digit.name in tile.residence.loops and not any(own[: number + 1]):
                fixed[digit.name] = value
    return geometry.points(tile.unless, fixed) > 1


def capacity_B(point: Point, level: str, memory: LaneMemory | None = None, lanes: float = 1.0) -> float:  # noqa: N802
    """Return the bytes that *level* holds; of a *memory* inside a unit, those of all its *lanes*."""
    if memory is None:
        return point.figures[f"{level}.size"]
    word = point.figures.get(f"{memory.prefix}.word", point.figures["word"])
    return lanes * point.figures[f"{memory.prefix}.depth"] * word


def geometry_of(mapped: Mapped, machine: Machine, nest: Nest, point: Point) -> Geometry:
    """Return *nest* at *point* with its tiles settled: plain rules first, then those that fill a level.

    Raises
    ------
    FusemaxError
        When a tile is no whole number of at least 1, or its rule names a size that nobody gave.
    """
    sizes = {root.name: int(point.ranks[root.size_name]) for root in nest.roots.values()}
    rules = tile_rules(nest)
    known = point.known
    tiles = _plain_tiles(mapped, rules, known)
    found = _sizes_by_tiles(mapped, nest, point, tiles)
    if found:  # rules may name these too (``J00: ceil(J0/2)``)
        sizes |= {root.name: found[root.size_name] for root in nest.roots.values() if root.size_name in found}
        tiles = _plain_tiles(mapped, rules, {**known, **found})
    fits = {name: rule for name, rule in rules.items() if isinstance(rule, Fit)}
    stock = Stock.of(mapped, machine, nest)
    tiles |= dict.fromkeys(fits, 1)
    for name, rule in fits.items():
        tiles[name] = _fitting(stock, point, sizes, tiles, name, rule)
    return Geometry(nest, sizes, tiles)


def _plain_tiles(mapped: Mapped, rules: Mapping[str, object], known: Mapping[str, float]) -> dict[str, int]:
    """Return the sizes that formulas give, each known to those after it."""
    tiles: dict[str, int] = {}
    named = dict(known)
    for name, rule in rules.items():
        if isinstance(rule, Fit):
            continue
        try:
            value = finite_value_of(rule, named)  # type: ignore[arg-type]
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
        named[name.upper()] = value
    return tiles


def _sizes_by_tiles(mapped: Mapped, nest: Nest, point: Point, tiles: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes that follow from tiles which the mapping gives (``J0: I0`` where it cuts I by I0)."""
    symbols = mapped.cascade.size_symbols()
    cuts = {d.size_name: tiles[d.name] for r in nest.roots.values() for d in r.digits if d.name in tiles}
    cuts = {name: size for name, size in cuts.items() if name in symbols}
    return dict(resolve_sizes(mapped.cascade, {**cuts, **point.given}, cuts)) if cuts else {}


def _fitting(
    stock: Stock, point: Point, sizes: Mapping[str, int], tiles: Mapping[str, int], name: str, rule: Fit
) -> int:
    """Return the largest admissible size with which everything kept at the level fits; 1 when none does."""
    nest = stock.nest
    plain = Geometry(nest, sizes, tiles)
    inner = plain.unit(name)
    bound = -(-sizes[nest.root_of(name).name] // inner)
    capacity = capacity_B(point, rule.level)

    def fits(size: int) -> bool:
        return stock.needed_B(point, Geometry(nest, sizes, {**tiles, name: size}), rule.level) <= capacity

    if rule.kind == "power_of_two":
        return max((1 << k for k in range(bound.bit_length()) if fits(1 << k)), default=1)
    most = _most(bound, fits)
    return most if rule.kind == "any" else _largest_divisor(bound, most)


def _most(bound: int, fits: Callable[[int], bool]) -> int:
    """Return the largest size up to *bound* that fits, or 1; a larger tile never takes less room."""
    low, high = 1, bound
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _largest_divisor(number: int, most: int) -> int:
    """Return the largest divisor of *number* up to *most*: walked down, and up in the other factor, side by side."""
    divisor, times = min(most, number), -(-number // min(most, number))
    while number % divisor and number % times:
        divisor, times = divisor - 1, times + 1
    return divisor if number % divisor == 0 else number // times
