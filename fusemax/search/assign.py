"""Who does what: operations joined one by one, keeping of the loads so far those that no other is below in every unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import inf
from operator import add, le
from typing import Any

from fusemax.search.facts import Facts, Item, Piece
from fusemax.search.lanes import Spatial, Work, cycles_of
from fusemax.search.shapes import variable_of

FRONT = 24  #: load vectors that a join keeps

Loads = tuple[float, ...]  #: cycles of each unit that has lanes of its own
Score = tuple[float, ...]  #: what assignments are sorted by


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do an item: on *unit*, but for the parts that others take: who does which piece, and the energy of all."""

    unit: str
    pieces: tuple[tuple[str, Piece], ...]
    energy_J: float
    taken: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """A way for each of some items, in turn: those before, the last; the loads and the energy of all."""

    loads: Loads
    energy_J: float
    before: Assignment | None = None
    way: Way | None = None

    def ways(self) -> list[Way]:
        """Return the ways of all items."""
        found: list[Way] = []
        one: Assignment | None = self
        while one is not None and one.way is not None:
            found.append(one.way)
            one = one.before
        return found[::-1]

    def score(self, objective: str) -> Score:
        """Return what assignments are sorted by."""
        cycles, total = max(self.loads, default=0.0), sum(self.loads)
        if objective == "energy":
            return self.energy_J, cycles, total
        if objective == "edp":
            return self.energy_J * cycles, cycles, total
        return cycles, self.energy_J, total


def choices_of(item: Item) -> Iterator[tuple[str, tuple[tuple[int, str], ...]]]:
    """Yield the ways to do *item*: the unit it is bound to, and which of its pieces other units take, by number.

    A unit that does it in parts may leave some of them to units that cannot do all of it.
    """
    for unit, pieces in item.units.items():
        others: list[list[tuple[int, str] | None]] = [[None] for _ in pieces]
        if len(pieces) > len(item.indices):
            for number, one in enumerate(item.parts):
                if pieces[number].cycles < inf:
                    others[number] += [(number, other) for other in one if other not in item.units]
                else:
                    others[number] = [(number, other) for other in one]
        for chosen in product(*others):
            yield unit, tuple(one for one in chosen if one is not None)


@dataclass
class Assigner:
    """Joins the items of parts; what an item takes on a unit is computed once for each use of its lanes."""

    facts: Facts
    objective: str
    _ways: dict[int, list[tuple[Item, tuple[Way, ...]]]] = field(default_factory=dict[int, Any])
    _cycles: dict[tuple[int, int, str, int], float] = field(default_factory=dict[Any, float])

    def joined(
        self, parts: Sequence[tuple[Work, Mapping[str, Spatial]]], below: Score | None = None
    ) -> tuple[list[Item], Assignment] | None:
        """Return the items of *parts* and the best assignment found; None where none has a score *below* that given."""
        entries = [
            (item, [(self._loads(work, spatial, way), way) for way in ways])
            for work, spatial in parts
            for item, ways in self._items(work)
        ]
        entries.sort(key=lambda entry: -min(sum(loads) for loads, _ in entry[1]))
        most = below[0] if below is not None and self.objective not in ("energy", "edp") else inf
        front = [Assignment((0.0,) * len(self.facts.owners), 0.0)]
        for _, ways in entries:
            grown = [
                Assignment(tuple(map(add, one.loads, loads)), one.energy_J + way.energy_J, one, way)
                for one in front
                for loads, way in ways
            ]
            front = self._pruned([one for one in grown if max(one.loads) <= most])
        best = min(front, key=lambda one: one.score(self.objective), default=None)
        if best is None or (below is not None and not best.score(self.objective) < below):
            return None
        return [item for item, _ in entries], best

    def _items(self, work: Work) -> list[tuple[Item, tuple[Way, ...]]]:
        if id(work) not in self._ways:
            items = [item for name in work.part.einsums for item in self.facts.items[name]]
            self._ways[id(work)] = [(item, tuple(self._ways_of(work, item))) for item in items]
        return self._ways[id(work)]

    def _ways_of(self, work: Work, item: Item) -> Iterator[Way]:
        for unit, others in choices_of(item):
            where = dict(others)
            pieces = tuple(
                (where[number], item.parts[number][where[number]]) if number in where else (unit, piece)
                for number, piece in enumerate(item.units[unit])
            )
            energy_J = sum(_points(self.facts, work, piece) * piece.energy_J for _, piece in pieces)
            taken = tuple((item.parts[number][other].operation, other) for number, other in others)
            yield Way(unit, pieces, energy_J, taken)

    def _loads(self, work: Work, spatial: Mapping[str, Spatial], way: Way) -> Loads:
        loads = dict.fromkeys(self.facts.owners, 0.0)
        for unit, piece in way.pieces:
            key = (id(work), id(spatial[unit]), unit, id(piece))  # of things that live as long as this
            cycles = self._cycles.get(key)
            if cycles is None:
                cycles = self._cycles[key] = cycles_of(self.facts, work, unit, spatial[unit], [piece])
            loads[self.facts.physical[unit]] += cycles
        return tuple(loads.values())

    def _pruned(self, found: list[Assignment]) -> list[Assignment]:
        """Return those of *found* that no other is below in every unit (and in energy, where it counts), the best first."""
        counts = self.objective in ("energy", "edp")
        found.sort(key=lambda o: (o.energy_J if counts else 0.0, max(o.loads), sum(o.loads), o.energy_J))
        kept: list[Assignment] = []
        for one in found:
            if not any(
                all(map(le, other.loads, one.loads)) and (not counts or other.energy_J <= one.energy_J)
                for other in kept
            ):
                kept.append(one)
                if len(kept) == FRONT:
                    break
        return kept


def _points(facts: Facts, work: Work, piece: Piece) -> float:
    """Return how many points of *piece* there are, in all iterations."""
    points = work.iterations
    for digit, extent in work.extents.items():
        if variable_of(facts, digit) in piece.variables:
            points *= extent
    return points
