"""The best phases for a run of Einsums: skeletons, bindings and tiles, priced by the cost program of each structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Expression, Number
from fusemax.mapping.space import Block, Phase, mapped_phases
from fusemax.search.blocks import block_of, divided
from fusemax.search.facts import Facts
from fusemax.search.price import Pricer, Prices
from fusemax.search.shapes import Places, Skeleton, skeletons
from fusemax.search.structures import places_of
from fusemax.search.tiles import Tilings, axes_of, refined, seeds, tilings
from fusemax.search.units import Binding, bindings, shared_out, work_of

NEAR = 0.995  #: the part of a price that its bound must cover to end a search


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A phase with tile sizes and its price."""

    phase: Phase
    tiles: Mapping[str, int]
    latency_s: float
    energy_J: float
    traffic_B: float

    def measure(self, objective: str) -> float:
        """Return the value of *objective*."""
        if objective == "edp":
            return self.latency_s * self.energy_J
        values = {"latency": self.latency_s, "energy": self.energy_J, "traffic": self.traffic_B}
        return values[objective]

    def order(self, objective: str) -> tuple[float, ...]:
        """Return what candidates are sorted by: the objective to six digits, then time, traffic, energy."""
        first = float(f"{self.measure(objective):.6g}")
        return (first, float(f"{self.latency_s:.4g}"), self.traffic_B, self.energy_J, self.latency_s)


@dataclass
class Tally:
    """What a search has done so far: structures derived, tilings priced, the nearest miss of room."""

    structures: int = 0
    tilings: int = 0
    miss: tuple[float, Phase, Mapping[str, int]] | None = None
    notes: list[str] = field(default_factory=list)


def candidates(
    facts: Facts, segment: Sequence[str], objective: str, fixed: Mapping[str, int], tally: Tally, floor: float,
    effort: int = 2, over: Callable[[], bool] = lambda: False,
) -> Iterator[Candidate]:  # fmt: skip
    """Yield candidates for a phase that does *segment*, each better than those before it.

    It ends when one is within :data:`NEAR` of *floor*, below which no phase can be. *effort* bounds how many skeletons and
    ways to keep tensors are tried.
    """
    best: Candidate | None = None
    preferred = places_of(facts)
    rated: list[tuple[tuple[float, ...], Skeleton]] = []
    for number, skeleton in enumerate(skeletons(facts, segment)):
        if number >= 12 * effort or (best is not None and over()):
            break
        mine: Candidate | None = None
        for found in _structures(facts, skeleton, preferred[0], objective, fixed, tally):
            if mine is None or found.order(objective) < mine.order(objective):
                mine = found
        if mine is not None:
            rated.append((mine.order(objective), skeleton))
            if best is None or mine.order(objective) < best.order(objective):
                best = mine
                yield best
                if _reached(best, objective, floor):
                    return
        else:
            rated.append(((float("inf"),), skeleton))
    rated.sort(key=lambda pair: pair[0])
    for skeleton, places in _variants(facts, rated[: 2 * effort], preferred):
        if best is not None and over():
            return
        for found in _structures(facts, skeleton, places, objective, fixed, tally):
            if best is None or found.order(objective) < best.order(objective):
                best = found
                yield best
        if best is not None and _reached(best, objective, floor):
            return


def _variants(
    facts: Facts, rated: Sequence[tuple[tuple[float, ...], Skeleton]], preferred: Sequence[Places]
) -> Iterator[tuple[Skeleton, Places]]:
    """Yield other forms of the best skeletons: Einsums in bodies of their own, tensors kept elsewhere, both."""
    shapes = [skeleton for _, skeleton in rated]
    several = [other for skeleton in shapes if (other := divided(facts, skeleton)) is not None]
    yield from ((skeleton, preferred[0]) for skeleton in several)
    for skeleton in shapes:
        yield from ((skeleton, places) for places in preferred[1:])
    for skeleton in several[:2]:
        yield from ((skeleton, places) for places in preferred[1:])


def _reached(candidate: Candidate, objective: str, floor: float) -> bool:
    return floor >= NEAR * candidate.measure(objective)


def _structures(
    facts: Facts, skeleton: Skeleton, places: Places, objective: str, fixed: Mapping[str, int], tally: Tally
) -> Iterator[Candidate]:
    """Yield the best candidate of each binding of one skeleton with its tensors kept."""
    axes = axes_of(facts, skeleton, fixed)
    grid = tilings(facts, axes)
    block = block_of(facts, skeleton, places)
    found: dict[str, Binding] = {}
    for seed in seeds(facts, axes):
        binding = bindings(facts, work_of(facts, skeleton, seed), objective)
        found.setdefault(_key(binding), binding)
    ordered = sorted(found.values(), key=lambda b: b.energy_J if objective == "energy" else b.cycles)
    tried: set[str] = set()
    for binding in ordered[:2]:
        best = None
        for _ in range(2):
            if _key(binding) in tried:
                break
            tried.add(_key(binding))
            phase = phase_of(facts, skeleton, block, binding)
            best = _priced(facts, skeleton, phase, grid, objective, fixed, tally)
            if best is None:
                break
            yield best
            works = work_of(facts, skeleton, best.tiles)
            if objective in ("latency", "edp") and len(facts.machine.units) > 1:
                other = shared_out(facts, works, binding)
                if other is not binding:
                    phase = phase_of(facts, skeleton, block, other)
                    found_too = _priced(facts, skeleton, phase, grid, objective, fixed, tally)
                    if found_too is not None:
                        yield found_too
            binding = bindings(facts, works, objective)


def _key(binding: Binding) -> str:
    return f"{binding.spatial}{sorted(binding.bind.items())}{sorted(binding.taken.items())}"


def phase_of(facts: Facts, skeleton: Skeleton, block: Block, binding: Binding) -> Phase:
    """Return the phase of *skeleton* whose loops and kept tensors are *block*."""
    used = {*binding.bind.values(), *(unit for _, unit in binding.taken)}
    cleaned = [
        {unit: one for unit, one in tried.items() if unit in used and one} for tried in binding.spatial
    ]
    spatial = dict(zip((part.einsums for part in skeleton.bodies), cleaned, strict=True))
    spread: tuple[str, ...] = ()
    if facts.cores > 1:
        spread = (*skeleton.batch, *skeleton.outer)
    schedule = "auto" if any(facts.einsum(name).loop for name in skeleton.einsums) else "overlapped"
    return Phase(
        block=_with_spatial(block, spatial), cuts=skeleton.cuts, bind=binding.bind, offload=_offload(binding),
        spread=spread, schedule=schedule,
    )  # fmt: skip


def _offload(binding: Binding) -> dict[tuple[str, str], dict[str, Expression]]:
    parts: dict[tuple[str, str], dict[str, Expression]] = {}
    for (entry, unit), part in binding.taken.items():
        parts.setdefault(entry, {})[unit] = Number(part)
    return parts


def _with_spatial(block: Block, spatial: Mapping[tuple[str, ...], Any]) -> Block:
    if block.do and isinstance(block.do[0], str):
        return replace(block, spatial=spatial[block.do])  # pyright: ignore[reportArgumentType]
    return replace(block, do=tuple(_with_spatial(one, spatial) for one in block.do if isinstance(one, Block)))


def program_of(facts: Facts, phase: Phase) -> Program:
    """Return the cost program of one phase alone; its tiles are parameters."""
    return derive(mapped_phases(facts.cascade, [phase]), facts.machine, facts.given)


def _values(facts: Facts, program: Program, tiles: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {name: float(size) for name, size in facts.sizes.items()}
    values |= {name: float(value) for name, value in facts.given.items()}
    values |= {name: np.asarray(size, dtype=np.float64) for name, size in tiles.items()}
    lacking = [n for n, v in program.parameters.items() if v is None and n not in values]
    return values | dict.fromkeys(lacking, 1.0)


def _priced(
    facts: Facts, skeleton: Skeleton, phase: Phase, grid: Tilings, objective: str, fixed: Mapping[str, int],
    tally: Tally,
) -> Candidate | None:  # fmt: skip
    tally.structures += 1
    try:
        program = program_of(facts, phase)
    except (
        FusemaxError
    ) as error:  # the cost engine has no price for it: a condition, or tasks of too many kinds
        tally.notes.append(str(error))
        return None
    pricer = Pricer(program)
    values = _values(facts, program, {})
    found = _evaluated(pricer, values, grid, tally)
    point = best_point(found, objective)
    if point is None:
        nearest = int(np.argmin(found.lack_B))
        if tally.miss is None or found.lack_B[nearest] < tally.miss[0]:
            tally.miss = (float(found.lack_B[nearest]), phase, grid.at(nearest))
        return None
    fine = tilings(facts, refined(facts, skeleton, grid, point, fixed))
    more = _evaluated(pricer, values, fine, tally)
    other = best_point(more, objective)
    answers = [_candidate(phase, grid, found, point)]
    if other is not None:
        answers.append(_candidate(phase, fine, more, other))
    return min(answers, key=lambda answer: answer.order(objective))


def _evaluated(pricer: Pricer, values: Mapping[str, Any], grid: Tilings, tally: Tally) -> Prices:
    tally.tilings += grid.points
    sizes = {name: np.asarray(size, dtype=np.float64) for name, size in grid.sizes.items()}
    return pricer({**values, **sizes}, grid.points)


def _candidate(phase: Phase, grid: Tilings, found: Prices, point: int) -> Candidate:
    return Candidate(
        phase=phase, tiles=grid.at(point), latency_s=float(found.latency_s[point]),
        energy_J=float(found.energy_J[point]), traffic_B=float(found.traffic_B[point]),
    )  # fmt: skip


def best_point(found: Prices, objective: str) -> int | None:
    """Return the point with the least *objective* that fits; among equals (to six digits) the least time, then traffic."""
    measure = found.measure(objective)
    good = found.fits & np.isfinite(measure)
    if not good.any():
        return None
    least = measure[good].min()
    near = good & (measure <= least * (1 + 1e-6))
    latency = found.latency_s[near].min()
    near &= found.latency_s <= latency * 1.0001
    numbers = np.flatnonzero(near)
    order = np.lexsort(
        (found.latency_s[numbers], np.nan_to_num(found.energy_J[numbers]), found.traffic_B[numbers])
    )
    return int(numbers[order[0]])


def nothing_fits(facts: Facts, segment: Sequence[str], tally: Tally) -> FusemaxError:
    """Return the error for a phase without a tiling that fits: the nearest miss, with tensor, level and bytes."""
    where = f"no mapping of {', '.join(segment)} fits this machine"
    if tally.miss is None:
        return FusemaxError(tally.notes[-1] if tally.notes else where)
    from fusemax.cost.evaluate import CapacityError, cost

    _, phase, tiles = tally.miss
    mapped = mapped_phases(facts.cascade, [phase], [tiles])
    try:
        cost(mapped, derive(mapped, facts.machine, facts.given), facts.sizes, facts.given)
    except CapacityError as error:
        return FusemaxError(f"{where}; the nearest miss, with tiles {_listed(tiles)}:\n{error}")
    return FusemaxError(where)


def _listed(tiles: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in tiles.items()) or "of whole ranks"
