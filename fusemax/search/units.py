"""Which digit runs over which lanes, and which unit does what: bindings, and operations shared out between units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import ceil, inf

import numpy as np

from fusemax.search.assign import Assigner, Score
from fusemax.search.facts import Facts, Item, Piece
from fusemax.search.lanes import Spatial, Work, cycles_of, options, steps_of
from fusemax.search.shapes import Skeleton, variable_of
from fusemax.search.split import Ways, split

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


def bindings(facts: Facts, works: Sequence[Work], objective: str, most: int = 3) -> Binding:
    """Return the best binding found for the parts *works* of a phase."""
    assigner = Assigner(facts, objective)
    spatial: list[Mapping[str, Spatial]] = []
    for work in works:
        items = [item for name in work.part.einsums for item in facts.items[name]]
        per_unit = [_best_options(facts, work, unit, items, most) for unit in facts.machine.units]
        least: Score | None = None
        best: Mapping[str, Spatial] = {}
        for chosen in product(*per_unit):
            tried = dict(zip(facts.machine.units, chosen, strict=True))
            answer = assigner.joined([(work, tried)], least)
            if answer is not None:
                least, best = answer[1].score(objective), tried
        spatial.append(best)
    answer = assigner.joined(list(zip(works, spatial, strict=True)))
    assert answer is not None
    items, best_found = answer
    pairs = list(zip(items, best_found.ways(), strict=True))
    return Binding(
        spatial=tuple(spatial),
        bind={(item.einsum, n): way.unit for item, way in pairs for n in item.indices},
        loads=dict(zip(facts.owners, best_found.loads, strict=True)),
        energy_J=best_found.energy_J,
        taken={((item.einsum, operation), unit): 1.0 for item, way in pairs for operation, unit in way.taken},
    )


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
