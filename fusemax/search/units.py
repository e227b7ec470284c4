"""Which digit runs over which lanes, and which unit does what: fronts of unit loads, joined operation by operation.

Loads are sums over operations, so that the best binding is found by joining them one after another and keeping, of the load
vectors so far, those that no other is below in every unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import ceil, inf

import numpy as np

from fusemax.search.facts import Facts, Item, Piece
from fusemax.search.lanes import Spatial, Work, cycles_of, options, steps_of
from fusemax.search.shapes import Skeleton, variable_of
from fusemax.search.split import Ways, split

FRONT = 24  #: load vectors that a join keeps
PARTS = 256  #: of how many a unit takes some of an operation


@dataclass(frozen=True, slots=True)
class Binding:
    """Spatial digits by part and unit, units by (Einsum, operation), and the loads that follow, in cycles by unit.

    ``taken`` gives, by ((Einsum, operation), unit), the part of an operation that a unit takes from the one it is bound to.
    """

    spatial: tuple[Mapping[str, Spatial], ...]
    bind: Mapping[tuple[str, int], str]
    loads: Mapping[str, float]
    energy_J: float
    taken: Mapping[tuple[tuple[str, str], str], float] = field(
        default_factory=dict[tuple[tuple[str, str], str], float]
    )

    @property
    def cycles(self) -> float:
        """The busiest unit's."""
        return max(self.loads.values(), default=0.0)


def work_of(facts: Facts, skeleton: Skeleton, tiles: Mapping[str, int]) -> list[Work]:
    """Return the work of each part under *tiles* (sizes of all digits inside the outermost ones)."""
    found: list[Work] = []
    for part in skeleton.bodies:
        loops = (*skeleton.batch, *skeleton.outer, *part.loops)
        variables = {v for name in part.einsums for v in facts.carried[name]}
        extents: dict[str, int] = {}
        points = 1.0
        for rank in facts.ranks:
            digits = facts.digits(rank, skeleton.cuts.get(rank, 0))
            sizes = _digit_sizes(facts, rank, digits, tiles)
            for digit, size in zip(digits, sizes, strict=True):
                if digit in loops:
                    points *= size
                elif variable_of(facts, digit) in variables and size > 1:
                    extents[digit] = size
        found.append(Work(part, extents, points))
    return found


def _digit_sizes(facts: Facts, rank: str, digits: Sequence[str], tiles: Mapping[str, int]) -> list[int]:
    whole = facts.sizes[rank] if rank not in facts.follows else tiles.get(facts.follows[rank], 1)
    inner = [min(tiles.get(d.upper(), facts.sizes.get(d.upper(), 1)), whole) for d in digits[1:]]
    total = 1
    for size in inner:
        total *= size
    return [max(1, ceil(whole / total)), *inner]


def _points(facts: Facts, work: Work, pieces: Sequence[Piece]) -> float:
    total = 0.0
    for piece in pieces:
        points = work.iterations
        for digit, extent in work.extents.items():
            if variable_of(facts, digit) in piece.variables:
                points *= extent
        total += points * piece.energy_J
    return total


def _best_options(facts: Facts, work: Work, unit: str, items: Sequence[Item], most: int) -> list[Spatial]:
    """Return the options of *unit* that no other is below in every operation, the least total first."""
    mine = [pieces for item in items if (pieces := _pieces(item, unit))]
    if not mine:
        return [{}]
    ways = options(facts, work, unit)
    kinds = dict.fromkeys((piece.variables, piece.reduced) for pieces in mine for piece in pieces)
    steps = {one: steps_of(facts, work, unit, *one) for one in kinds}
    cycles = [
        sum(steps[piece.variables, piece.reduced] * piece.cycles for piece in pieces) for pieces in mine
    ]
    rated: dict[tuple[float, ...], Spatial] = {}
    for spatial, vector in zip(ways, np.array(cycles).T.tolist(), strict=True):
        known = rated.get(tuple(vector))
        if known is None or len(spatial) < len(known):
            rated[tuple(vector)] = spatial
    ordered = sorted(rated, key=sum)
    kept: list[tuple[float, ...]] = []
    for vector in ordered:
        if not any(all(a <= b for a, b in zip(other, vector, strict=True)) for other in kept):
            kept.append(vector)
        if len(kept) == most:
            break
    return [rated[vector] for vector in kept] or [{}]


def _pieces(item: Item, unit: str) -> tuple[Piece, ...]:
    """Return what *unit* may have to do of *item*."""
    whole = tuple(piece for piece in item.units.get(unit, ()) if piece.cycles < inf)
    return whole or tuple(one[unit] for one in item.parts if unit in one)


# ------------------------------------------------------------------------------------ who does what


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do an item: on *unit*, but for the parts of it that other units take; cycles by unit."""

    unit: str
    loads: Mapping[str, float]
    energy_J: float
    taken: tuple[tuple[str, str], ...] = ()


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


def ways_of(facts: Facts, work: Work, spatial: Mapping[str, Spatial], item: Item) -> list[Way]:
    """Return the ways to do *item* with the cycles that they take."""
    found: list[Way] = []
    for unit, others in choices_of(item):
        where = dict(others)
        loads: dict[str, float] = {}
        energy = 0.0
        for number, piece in enumerate(item.units[unit]):
            one, done = unit, piece
            if number in where:
                one, done = where[number], item.parts[number][where[number]]
            loads[one] = loads.get(one, 0.0) + cycles_of(facts, work, one, spatial[one], [done])
            energy += _points(facts, work, [done])
        taken = tuple((item.parts[number][other].operation, other) for number, other in others)
        found.append(Way(unit, loads, energy, taken))
    return found


def bindings(facts: Facts, works: Sequence[Work], objective: str, most: int = 3) -> Binding:
    """Return the best binding found for the parts *works* of a phase."""
    spatial: list[Mapping[str, Spatial]] = []
    for work in works:
        items = [item for name in work.part.einsums for item in facts.items[name]]
        per_unit = [_best_options(facts, work, unit, items, most) for unit in facts.machine.units]
        best: tuple[tuple[float, ...], Mapping[str, Spatial]] | None = None
        for chosen in product(*per_unit):
            tried = dict(zip(facts.machine.units, chosen, strict=True))
            answer = _joined(facts, [(work, tried)], objective)
            score = _score(answer, objective)
            if best is None or score < best[0]:
                best = (score, tried)
        assert best is not None
        spatial.append(best[1])
    answer = _joined(facts, list(zip(works, spatial, strict=True)), objective)
    return replace(answer, spatial=tuple(spatial))


def shared_out(facts: Facts, works: Sequence[Work], binding: Binding) -> Binding:
    """Return *binding* with operations shared between units so that the busiest has least to do, where that gains a hundredth.

    Of each operation as its unit does it, every other unit that knows it may take a part; parts are of 256.
    """
    seconds: dict[tuple[str, str], Ways] = {}
    known_as: dict[tuple[str, str], dict[str, str]] = {}
    for work, spatial in zip(works, binding.spatial, strict=True):
        for name in work.part.einsums:
            for item in facts.items[name]:
                unit = binding.bind[name, item.indices[0]]
                for number, piece in enumerate(item.units[unit]):
                    others = offering(facts, item, number, piece)
                    cycles = {
                        u: cycles_of(facts, work, u, spatial.get(u, {}), [p]) for u, p in others.items()
                    }
                    named = _names(facts, cycles, unit)
                    cycles = {owner: cycles[u] for owner, u in named.items()}
                    known_as[name, piece.operation] = named
                    known = seconds.get((name, piece.operation))
                    if known is not None:
                        cycles = {
                            u: c + known.whole.get(u, 0.0) for u, c in cycles.items() if u in known.whole
                        }
                    seconds[name, piece.operation] = Ways(cycles)
    least, _, shares = split(facts.owners, seconds)
    if least >= 0.99 * binding.cycles:
        return binding
    taken: dict[tuple[tuple[str, str], str], float] = {}
    bind = dict(binding.bind)
    for (name, operation), owned in shares.items():
        parts = {known_as[name, operation][owner]: part for owner, part in owned.items()}
        item = next(
            i
            for i in facts.items[name]
            if any(p.operation == operation for ps in i.units.values() for p in ps)
        )
        home = _home(item, bind[name, item.indices[0]], parts)
        bind.update(dict.fromkeys(((name, index) for index in item.indices), home))
        total = sum(parts.values())
        for unit, part in parts.items():
            rounded = round(PARTS * part / total) / PARTS if total else 0.0
            if unit != home and rounded:
                taken[(name, operation), unit] = rounded
    return replace(binding, bind=bind, taken=taken)


def _names(facts: Facts, cycles: Mapping[str, float], bound: str) -> dict[str, str]:
    """Return, by unit with lanes of its own, the name under which to use it: the one that is *bound*, or the quickest."""
    found: dict[str, str] = {}
    for unit in sorted(cycles, key=lambda u: (u != bound, cycles[u])):
        found.setdefault(facts.physical[unit], unit)
    return found


def _home(item: Item, unit: str, parts: Mapping[str, float]) -> str:
    """Return the unit that *item* is bound to when it is shared out: where it is one operation, who does most of it."""
    largest = max(parts, key=lambda one: (parts[one], one == unit))
    whole = [len(item.units.get(one, ())) == 1 for one in (unit, largest)]
    return largest if all(whole) else unit


def offering(facts: Facts, item: Item, number: int, piece: Piece) -> dict[str, Piece]:
    """Return the units that offer the operation of *piece* by itself, each with its own piece."""
    found = {
        unit: ps[number]
        for unit, ps in item.units.items()
        if number < len(ps) and ps[number].operation == piece.operation and ps[number].cycles < inf
    }
    for one in item.parts:
        found |= {unit: p for unit, p in one.items() if p.operation == piece.operation}
    return found


def _score(binding: Binding, objective: str) -> tuple[float, ...]:
    total = sum(binding.loads.values())
    if objective == "energy":
        return binding.energy_J, binding.cycles, total
    if objective == "edp":
        return binding.energy_J * binding.cycles, binding.cycles, total
    return binding.cycles, binding.energy_J, total


@dataclass(frozen=True, slots=True)
class _Joined:
    loads: tuple[float, ...]
    energy: float
    chosen: tuple[Way, ...]


def _joined(facts: Facts, parts: Sequence[tuple[Work, Mapping[str, Spatial]]], objective: str) -> Binding:
    units = list(facts.owners)
    entries = [
        (item, ways_of(facts, work, spatial, item))
        for work, spatial in parts
        for name in work.part.einsums
        for item in facts.items[name]
    ]
    entries.sort(key=lambda entry: -min(sum(way.loads.values()) for way in entry[1]))
    front = [_Joined((0.0,) * len(units), 0.0, ())]
    for _, ways in entries:
        grown = [_with(facts, units, one, way) for one in front for way in ways]
        front = _pruned(grown, objective)
    answers = [_binding(units, [item for item, _ in entries], one) for one in front]
    return min(answers, key=lambda answer: _score(answer, objective))


def _with(facts: Facts, units: Sequence[str], one: _Joined, way: Way) -> _Joined:
    loads = list(one.loads)
    for unit, cycles in way.loads.items():
        loads[units.index(facts.physical[unit])] += cycles
    return _Joined(tuple(loads), one.energy + way.energy_J, (*one.chosen, way))


def _binding(units: Sequence[str], items: Sequence[Item], one: _Joined) -> Binding:
    pairs = list(zip(items, one.chosen, strict=True))
    return Binding(
        spatial=(),
        bind={(item.einsum, n): way.unit for item, way in pairs for n in item.indices},
        loads=dict(zip(units, one.loads, strict=True)),
        energy_J=one.energy,
        taken={((item.einsum, operation), unit): 1.0 for item, way in pairs for operation, unit in way.taken},
    )


def _pruned(found: Sequence[_Joined], objective: str) -> list[_Joined]:
    """Return those of *found* that no other is below in every unit (and in energy, where it counts), the best first."""
    with_energy = objective in ("energy", "edp")
    rated = sorted(
        found, key=lambda o: (o.energy if with_energy else 0.0, max(o.loads), sum(o.loads), o.energy)
    )
    values = np.array([(*one.loads, *((one.energy,) if with_energy else ())) for one in rated])
    kept: list[int] = []
    for number in range(len(rated)):
        if not kept or not bool((values[kept] <= values[number]).all(axis=1).any()):
            kept.append(number)
            if len(kept) == FRONT:
                break
    return [rated[number] for number in kept]
