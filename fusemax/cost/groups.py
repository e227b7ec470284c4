"""Counts of nests whose cores share a level in groups: what comes to that level is counted as groups do the nest.

A group does a nest as a core with a level of its own would, the loops side by side inside each of its bodies: its tiles hold
what all its cores want, and come once (:func:`fusemax.mapping.groups.as_groups`). All else is counted core by core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy

from fusemax.cost import counts
from fusemax.cost.counts import Counter, NestCounts
from fusemax.cost.extents import Extents
from fusemax.cost.residences import Move, Room
from fusemax.cost.symbols import groups_of
from fusemax.cost.tasks import kinds_of
from fusemax.machine import Machine
from fusemax.mapping.groups import as_groups, shared_level, with_shared_tiles
from fusemax.mapping.nest import Mapped, Nest

#: So many times what is counted there.
Kinds = tuple[tuple[sympy.Expr, Counter], ...]


def count(mapped: Mapped, machine: Machine, nest: Nest, extents: Extents) -> NestCounts:
    """Return the counts of *nest*; *extents* knows the symbols of its tile sizes."""
    level = shared_level(machine, nest)
    if level is None:
        return counts.count(mapped, machine, nest, extents)
    cores = _OfCores(mapped, machine, with_shared_tiles(nest, level), extents, level)
    groups = _OfGroups(mapped, machine, as_groups(nest), extents, level)
    cores.kinds = cores.by_kind(nest.spread)
    groups.kinds = groups.by_kind(groups.nest.spread)
    tasks = kinds_of(groups.nest, groups.nest.spread, extents)
    own = [cores.within(kind.extents) for kind in tasks]
    together = [
        (*one.at_shared(nest.beside), *(m for m in group.moves() if m.level == level))
        for one, (_, group) in zip(own, groups.kinds, strict=True)
    ]
    whole = cores.counts()
    rooms = (
        Room(residence=room.residence, words=groups.room(mine) if mine.level == level else room.words)
        for room, mine in zip(whole.rooms, groups.nest.residences, strict=True)
    )
    fullest = (cores.within(_at_first(kind.extents, nest.beside)).counts() for kind in tasks)
    return replace(
        whole, moves=(*whole.moves, *groups.moves()), rooms=tuple(rooms), tasks=extents.points(groups.nest.spread),
        kinds=tuple((kind.count, one) for kind, one in zip(tasks, fullest, strict=True)), shared=level,
        together=tuple(together),
    )  # fmt: skip


def _at_first(extents: Extents, loops: tuple[str, ...]) -> Extents:
    for loop in loops:
        extents = extents.at_first(loop)
    return extents


class _Part(Counter):
    def __init__(
        self, mapped: Mapped, machine: Machine, nest: Nest, extents: Extents, level: str, whole: _Part | None = None
    ) -> None:  # fmt: skip
        super().__init__(mapped, machine, nest, extents, whole)
        self.level = level
        self.spread = nest.spread

    def within(self, extents: Extents):
        """Return the counter of tasks with *extents* inside."""
        return type(self)(self.mapped, self.machine, self.nest, extents, self.level, self)

    def by_kind(self, spread: tuple[str, ...]) -> Kinds:
        """Return the counters of the kinds of tasks that the loops in *spread* number, with how many there are of each."""
        return tuple(
            (kind.count, self.within(kind.extents)) for kind in kinds_of(self.nest, spread, self.extents)
        )


class _OfCores(_Part):
    """Counts what each core does and moves for itself: all but what comes to the level that groups share."""

    def __init__(
        self, mapped: Mapped, machine: Machine, nest: Nest, extents: Extents, level: str, whole: _Part | None = None
    ) -> None:  # fmt: skip
        super().__init__(mapped, machine, nest, extents, level, whole)
        self.elsewhere = level

    def at_shared(self, beside: tuple[str, ...]) -> Iterator[Move]:
        """Yield what all cores of a group take from the level that they share, and give to it, in a task of the group."""
        for times, core in self.by_kind(beside):
            for move in core.moves():
                if move.level == self.level:
                    yield replace(move, words=times * move.words)


class _OfGroups(_Part):
    """Counts what comes to the level that groups share: each group is as a core that has it for itself."""

    def __init__(
        self, mapped: Mapped, machine: Machine, nest: Nest, extents: Extents, level: str, whole: _Part | None = None
    ) -> None:  # fmt: skip
        super().__init__(mapped, machine, nest, extents, level, whole)
        self.cores = groups_of(level)

    def moves(self) -> Iterator[Move]:
        """Yield what comes to the level that groups share, and what leaves it outwards."""
        for residence in self.residences:
            if residence.level == self.level and not residence.staged:
                yield from self.transfers(residence)

    def _is_of_a_core(self, level: str) -> bool:
        return level == self.level
