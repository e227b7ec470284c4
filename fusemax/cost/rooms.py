"""Room: the bytes that a level, or a unit's registers, must have for what is there at once (docs/mappings.md, "Room").

Kept tiles with their buffers, and values that are made and used inside a body, moment by moment of an epoch as
:mod:`fusemax.mapping.lives` says; tensors that share one place count once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import sympy

from fusemax.cost.counts import Room
from fusemax.cost.extents import Extents
from fusemax.cost.symbols import ceildiv, floor, greatest, least, repeated, symbol, to_sympy
from fusemax.machine import Machine
from fusemax.machine.figures import DIVIDED_FIGURES
from fusemax.mapping.divided import accumulators, dealt_digits, in_columns, tile_digits
from fusemax.mapping.groups import shared_level, with_shared_tiles
from fusemax.mapping.lives import Moment, Tile, Value, moments
from fusemax.mapping.nest import Mapped, Residence
from fusemax.mapping.outermost import whole_digits, whole_tensors

ZERO, ONE = sympy.Integer(0), sympy.Integer(1)


def word_B(mapped: Mapped, tensor: str) -> sympy.Expr:  # noqa: N802 - the unit is a byte
    """Return the bytes of one word of *tensor*."""
    found = mapped.words.get(tensor)
    return symbol("word") if found is None else to_sympy(found)


def capacity_B(machine: Machine, place: str) -> sympy.Expr | None:  # noqa: N802
    """Return the bytes of a level, or of a memory in all lanes of a unit; None for a level without ``size``."""
    if place in machine.levels:
        return None if machine.levels[place].size is None else symbol(f"{place}.size")
    memory = machine.lane_memories[place]
    word = symbol("word") if memory.described.word is None else symbol(f"{memory.prefix}.word")
    lanes = sympy.Integer(1)
    for dimension in machine.units[memory.unit].shape:
        lanes *= symbol(f"{memory.unit}.{dimension}")
    return lanes * symbol(f"{memory.prefix}.depth") * word


@dataclass(frozen=True, slots=True)
class Rooms:
    """What one nest keeps where.

    ``words`` are those of the tile of each residence, buffers not counted; ``whole`` names the tensors that are in the
    outermost level as a whole.
    """

    mapped: Mapped
    machine: Machine
    extents: Extents
    words: Mapping[Residence, sympy.Expr]
    moments: tuple[Moment, ...]
    whole: tuple[str, ...]

    def places(self) -> tuple[str, ...]:
        """Return the levels, and the units with registers, in which something takes room, or spills into."""
        kept = [tile.residence.level for moment in self.moments for tile in moment.tiles]
        made = [value.place for moment in self.moments for value in moment.values]
        over = [self.machine.around(level) for level in self.mapped.spill]
        return tuple(dict.fromkeys((*kept, *made, *over, self.machine.outermost)))

    def footprint(self, place: str) -> sympy.Expr:
        """Return the bytes that *place* must have: at the fullest moment, everything that is there."""
        dealt = self.dealt(place)
        if not dealt:
            return self._most(place, frozenset(), ONE)
        groups = self.machine.levels[place].divided.groups  # type: ignore[union-attr]
        return reduce(least, (self._divided(place, dealt, number) for number in range(1, groups + 1)))

    def dealt(self, place: str) -> frozenset[str]:
        """Return the digits that are dealt to groups of threads in *place*; none where it is one pool."""
        return dealt_digits(self.machine, self.extents.nest, place)

    def _divided(self, place: str, dealt: frozenset[str], groups: int) -> sympy.Expr:
        """Return the bytes that *place* must have when so many groups divide it, each with what is *dealt* to it."""
        most, step, own, beside = (symbol(f"{place}.divided.{key}") for key in DIVIDED_FIGURES)
        mine = own + self._most(place, dealt, sympy.Integer(groups))
        return greatest(groups * step * ceildiv(mine, step) + beside, symbol(f"{place}.size") * mine / most)

    def _most(self, place: str, dealt: frozenset[str], groups: sympy.Integer) -> sympy.Expr:
        found = [self._at(moment, place, dealt, groups) for moment in self.moments]
        distinct = list(dict.fromkeys(found))
        return greatest(*distinct) if distinct else ZERO

    def needed(self, place: str) -> sympy.Expr:
        """Return the bytes that *place* must have: its footprint, and what spills from the levels next inside of it."""
        return self.footprint(place) + self._over(place)

    def _over(self, place: str) -> sympy.Expr:
        """Return the bytes that spill into *place* of tensors that it does not keep anyway."""
        held = {r.tensor for r in self.words if r.level == place and not r.staged} | {*self._whole(place)}
        total: sympy.Expr = ZERO
        for level, tensors in self.mapped.spill.items():
            size = capacity_B(self.machine, level)
            if size is None or self.machine.around(level) != place:
                continue
            apart = [room for name, _, room in self.parts(level) if name in tensors and name not in held]
            most = sum(apart, self._over(level))
            if most != 0:
                total += least(greatest(ZERO, self.needed(level) - size), most)
        return total

    def parts(self, place: str) -> Iterator[tuple[str, str, sympy.Expr]]:
        """Yield what *place* has to hold at some moment: a tensor, why (``whole``, ``tile``, ``value``), and its bytes."""
        whole = self._whole(place)
        for tensor in whole:
            yield tensor, "whole", self._whole_B(tensor)
        for residence in self.words:
            if residence.level == place and residence.tensor not in whole:
                yield residence.tensor, "tile", self._tile(residence)
        most: dict[Value, int] = {}
        for moment in self.moments:
            for value, copies in moment.values.items():
                most[value] = max(copies, most.get(value, 0))
        for value, copies in most.items():
            if value.place == place:
                yield value.tensor, "value", self._value(value, copies)

    def _at(self, moment: Moment, place: str, dealt: frozenset[str], groups: sympy.Integer) -> sympy.Expr:
        total: sympy.Expr = ZERO
        shared: dict[tuple[str, ...], list[sympy.Expr]] = {}
        for tensor, size in self._sizes(moment, place, dealt, groups):
            group = next((g for g in self.mapped.in_place if tensor in g), None)
            if group is None:
                total += size
            else:
                shared.setdefault(group, []).append(size)
        for sizes in shared.values():
            total += greatest(*sizes) if len(sizes) > 1 else sizes[0]
        return total

    def _sizes(
        self, moment: Moment, place: str, dealt: frozenset[str], groups: sympy.Integer
    ) -> Iterator[tuple[str, sympy.Expr]]:
        whole = {
            (t.residence.level, t.residence.tensor) for t in moment.tiles if not t.residence.staged
        }  # a tensor that is kept as a whole needs no room to pass through
        everything = self._whole(place)
        for tensor in everything:
            yield tensor, self._whole_B(tensor)
        for tile in moment.tiles:
            residence = tile.residence
            if residence.tensor in everything:
                continue
            passing = residence.staged and (residence.level, residence.tensor) in whole
            if residence.level == place and residence.buffers and not passing:
                size = self._unless(tile, self._tile(residence))
                mine = tile_digits(self.mapped, self.extents.nest, residence) & dealt if dealt else dealt
                apart = bool(mine) and in_columns(self.mapped, self.machine, self.extents.nest, residence)
                yield residence.tensor, self._share(place, size, mine, groups, apart)
        for value, copies in moment.values.items():
            if value.place == place:
                size = self._value(value, copies if groups == 1 else 1)
                yield value.tensor, self._share(place, size, value.digits & dealt, groups)

    def _share(
        self, place: str, size: sympy.Expr, dealt: frozenset[str], groups: sympy.Integer, apart: bool = False
    ) -> sympy.Expr:
        """Return what a group has of *size*: whole instructions of the rows that are *dealt*; all, if none are.

        Of fewer instructions than groups, several groups have a part of one each where a tile may be taken *apart* so.
        """
        if not dealt:
            return size
        rows = symbol(self.machine.levels[place].divided.rows)  # type: ignore[union-attr]
        points = self.extents.points(dealt)
        many = ceildiv(points, rows)
        parts = greatest(ONE, floor(groups / many)) if apart and groups > 1 else ONE
        return size / points * rows * ceildiv(many, groups) / parts

    def _whole(self, place: str) -> tuple[str, ...]:
        return self.whole if place == self.machine.outermost else ()

    def _whole_B(self, tensor: str) -> sympy.Expr:  # noqa: N802
        digits = whole_digits(self.mapped, self.extents.nest, tensor)
        return self.extents.points(digits) * word_B(self.mapped, tensor)

    def _tile(self, residence: Residence) -> sympy.Expr:
        return self.words[residence] * residence.buffers * self._word(residence.tensor, residence.level)

    def _word(self, tensor: str, place: str) -> sympy.Expr:
        """Return the bytes of a word of *tensor* that waits in *place*: of a sum, those in which its unit has it."""
        sums = [symbol(name) for name in accumulators(self.mapped, self.machine, tensor, place)]
        return greatest(word_B(self.mapped, tensor), *sums) if sums else word_B(self.mapped, tensor)

    def _unless(self, tile: Tile, size: sympy.Expr) -> sympy.Expr:
        turns = self.extents.least_turns(tile.unless, tile.residence.loops)
        return repeated(turns, ZERO, size)

    def _value(self, value: Value, copies: int) -> sympy.Expr:
        size = self.extents.points(value.digits) * copies * self._word(value.tensor, value.place)
        level = self.machine.levels.get(value.place)
        spread = self.mapped.task_loops(self.extents.nest)
        if level is None or level.per_core or not spread:
            return size
        if level.shared_by is not None:
            return size * least(symbol(f"{value.place}.shared_by"), self._busy(spread))
        return size * least(symbol("replicas"), self.extents.points(spread))

    def _busy(self, spread: Sequence[str]) -> sympy.Expr:
        """Return how many cores of a group work at once: those of the loops side by side, or all for which there are tasks."""
        return self.extents.points(self.extents.nest.beside or spread)


def rooms_of(mapped: Mapped, machine: Machine, extents: Extents, kept: Sequence[Room]) -> Rooms:
    """Return what the nest of *extents* keeps where; *kept* are its counted residences."""
    words = {room.residence: room.words for room in kept}
    nest = extents.nest
    level = shared_level(machine, nest)
    nest = nest if level is None else with_shared_tiles(nest, level)
    whole = whole_tensors(mapped, machine, nest)
    return Rooms(mapped, machine, extents, words, moments(mapped, machine, nest), whole)
