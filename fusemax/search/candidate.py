"""Phases with tile sizes and their prices: the cost program of a structure, evaluated on a grid of tilings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import numpy as np

from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.mapping.divided import out_of_reach
from fusemax.mapping.space import Phase, mapped_phases
from fusemax.search.divided import closed
from fusemax.search.facts import Facts
from fusemax.search.price import Compiling, Pricer, Prices, laid
from fusemax.search.tiles import ALL, Tilings
from fusemax.search.within import Within


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

    @classmethod
    def at(cls, phase: Phase, grid: Tilings, found: Prices, point: int) -> Candidate:
        """Return the candidate at one point of a grid, the parts that units take among its choices."""
        phase, tiles = closed(phase, grid.at(point))
        return cls(
            phase=phase, tiles=tiles, latency_s=float(found.latency_s[point]),
            energy_J=float(found.energy_J[point]), traffic_B=float(found.traffic_B[point]),
        )  # fmt: skip

    def order(self, objective: str) -> tuple[float, ...]:
        """Return what candidates are sorted by: the objective to six digits, then time, traffic, energy."""
        first = float(f"{self.measure(objective):.6g}")
        return (first, float(f"{self.latency_s:.4g}"), self.traffic_B, self.energy_J, self.latency_s)


@dataclass
class Tally:
    """What a search has done so far: structures derived, tilings priced, seconds of work on a common machine, the nearest miss
    of room."""

    structures: int = 0
    tilings: int = 0
    work_s: float = 0.0
    miss: tuple[float, Phase, Mapping[str, int]] | None = None
    notes: list[str] = field(default_factory=list)
    compiling: Compiling = field(default_factory=Compiling)


def program_of(facts: Facts, phase: Phase) -> Program:
    """Return the cost program of one phase alone; its tiles are parameters."""
    return derive(mapped_phases(facts.cascade, [phase]), facts.machine, facts.given)


def _values(facts: Facts, program: Program, tiles: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {name: float(size) for name, size in facts.sizes.items()}
    values |= {name: float(value) for name, value in facts.given.items()}
    values |= {name: np.asarray(size, dtype=np.float64) for name, size in tiles.items()}
    lacking = [n for n, v in program.parameters.items() if v is None and n not in values]
    return values | dict.fromkeys(lacking, 1.0)


AT_ONCE = 64  #: points that are priced at once where that takes a walk over tasks
FIRST = 64  #: points of a grid that are priced first, to know how long the others take
MOST_TASKS = 1 << 24  #: tasks of a nest that may be dealt to cores: the simulator deals them one by one
PIECE_S = 0.3  #: seconds that the points take which are priced at once: then one looks whether to go on
DERIVING_S = 0.03  #: seconds that it takes to find a structure's bindings and to derive its program, roughly
REFUSED_S = 0.01  #: the same where the cost engine has no price for it
GOLDEN = (5**0.5 - 1) / 2  #: multiples of it lie far from each other


@dataclass(frozen=True)
class Structure:
    """A phase whose cost program has been derived: ready to be priced on any grid of tilings."""

    phase: Phase
    pricer: Pricer
    values: Mapping[str, Any]
    small: bool  #: whether all ranks are small, so that every tiling is priced exactly
    #: ranks dealt to cores: size, digits inside of a task
    dealt: tuple[tuple[float, tuple[str, ...]], ...] = ()

    def prices(
        self, grid: Tilings, tally: Tally, objective: str | None = None, below: float = np.inf,
        over: Callable[[bool], bool] = lambda found: False,
    ) -> Prices:  # fmt: skip
        """Return the prices on *grid*; the nearest miss is noted where nothing fits.

        Where a price takes a walk over tasks and an *objective* is given, only the most promising points get theirs:
        the others are infinite. Where all are above *below* without a walk, there is none: prices are those of equal shares.
        Points that are not reached before it is *over* (asked with whether one fits so far) are infinite and do not fit.
        """
        walked = objective is not None and not self.small and 0 < self.pricer.walks < grid.points
        if walked:
            assert objective is not None
            found = self._walked(grid, tally, objective, below, over)
        elif self.pricer.walks:
            found = self._in_pieces(grid, over)
        else:
            found = self._in_slabs(grid, False, over)
        tally.work_s += self.pricer.work_s(grid.points, walked)
        tally.tilings += int(np.isfinite(found.lack_B).sum()) or grid.points
        if not found.fits.any() and np.isfinite(found.lack_B).any():
            nearest = int(np.argmin(found.lack_B))
            if tally.miss is None or found.lack_B[nearest] < tally.miss[0]:
                tally.miss = (float(found.lack_B[nearest]), *closed(self.phase, grid.at(nearest)))
        return found

    def _in_slabs(self, grid: Tilings, evenly: bool, over: Callable[[bool], bool]) -> Prices:
        """Return the prices of all points, some values of the longest axis together, those that lie far from each other.

        What depends on few axes is computed along these alone.
        """
        sizes, shape = grid.along(), grid.shape
        cut = max(range(len(shape)), key=shape.__getitem__, default=-1)
        values = _scattered(shape[cut] if shape else 1)
        pieces: list[Prices] = []
        done, size = 0, max(1, FIRST * len(values) // max(1, grid.points))
        while done < len(values):
            begun = monotonic()
            some = values[done : done + size]
            here = {n: one.take(some, axis=cut) if one.shape[cut] > 1 else one for n, one in sizes.items()}
            wide = (*shape[:cut], len(some), *shape[cut + 1 :]) if shape else ()
            pieces.append(self.pricer({**self.values, **here}, wide, evenly))
            done += len(some)
            size = max(1, int(size * min(1e3, PIECE_S / max(monotonic() - begun, 1e-6))))
            if over(any(piece.fits.any() for piece in pieces)):
                break
        return self._dealt(laid(pieces, shape, cut, values), grid)

    def _in_pieces(self, grid: Tilings, over: Callable[[bool], bool]) -> Prices:
        """Return the prices of all points, those that lie far from each other together, a walk over tasks for each."""
        sizes = {name: size.astype(np.float64) for name, size in grid.sizes.items()}
        points = _scattered(grid.points)
        pieces: list[Prices] = []
        done, size = 0, FIRST
        while done < len(points):
            begun = monotonic()
            some = points[done : done + size]
            here = {name: values[some] for name, values in sizes.items()}
            pieces.append(self.pricer({**self.values, **here}, (len(some),)))
            done += len(some)
            size = max(1, int(size * min(1e3, PIECE_S / max(monotonic() - begun, 1e-6))))
            if over(any(piece.fits.any() for piece in pieces)):
                break
        return self._dealt(laid(pieces, (len(points),), 0, points), grid)

    def _dealt(self, found: Prices, grid: Tilings) -> Prices:
        """Return *found* without room where there are more tasks than can be dealt one by one, if other tilings have fewer."""
        tasks = np.ones(grid.points)
        for size, inside in self.dealt:
            task = np.ones(grid.points)
            for name in inside:
                task = task * grid.sizes.get(name, self.values.get(name, 1.0))
            tasks = tasks * np.ceil(size / task)
        many = tasks > MOST_TASKS
        if not many.any() or many.all():
            return found
        return replace(found, lack_B=np.where(many, np.inf, found.lack_B))

    def _walked(
        self, grid: Tilings, tally: Tally, objective: str, below: float, over: Callable[[bool], bool]
    ) -> Prices:  # fmt: skip
        sizes = {name: size.astype(np.float64) for name, size in grid.sizes.items()}
        points = grid.points
        rough = self._in_slabs(grid, True, over)
        measure = np.where(rough.fits, rough.measure(objective), np.inf)
        order = np.argsort(measure, kind="stable")
        if measure[order[0]] > below:
            return rough
        latency = np.full(points, np.inf)
        energy, traffic = rough.energy_J.copy(), rough.traffic_B.copy()
        least, done, size = np.inf, 0, 1
        most = min(points, self.pricer.walks)
        while done < most:
            some = order[done : min(most, done + size)]
            if not measure[some[0]] < least:  # equal shares are no larger than what the busiest core does
                break
            here = {name: values[some] for name, values in sizes.items()}
            exact = self.pricer({**self.values, **here}, (len(some),))
            latency[some], energy[some], traffic[some] = exact.latency_s, exact.energy_J, exact.traffic_B
            least = min(least, float(np.min(exact.measure(objective)[exact.fits], initial=np.inf)))
            done += len(some)
            tally.work_s += self.pricer.work_s(len(some))
            if over(True):
                break
            size = min(
                AT_ONCE, 2 * size
            )  # by no clock: which points are priced has to be the same on a busy machine
        energy[np.isinf(latency)] = np.inf
        traffic[np.isinf(latency)] = np.inf
        return Prices(latency_s=latency, energy_J=energy, traffic_B=traffic, lack_B=rough.lack_B)


def _scattered(count: int) -> np.ndarray:
    """Return the numbers below *count* so that those next to each other in it lie far from each other: int[count]."""
    return np.argsort((np.arange(count) * GOLDEN) % 1.0)


def structure_of(facts: Facts, phase: Phase, tally: Tally) -> Structure | None:
    """Return *phase* with its cost program; None, and a note, where the cost engine has no price for it: under a condition
    that it does not know, with tasks of too many kinds."""
    tally.structures += 1
    tally.work_s += REFUSED_S
    try:
        mapped = mapped_phases(facts.cascade, [phase])
        if any(any(out_of_reach(mapped, facts.machine, nest)) for nest in mapped.nests):
            return None  # no legal mapping
        program = program_of(facts, phase)
    except FusemaxError as error:
        tally.notes.append(str(error))
        return None
    tally.work_s += DERIVING_S - REFUSED_S
    small = max(facts.sizes.values(), default=1) <= ALL
    pricer = Pricer(program, follows=facts.follows, compiling=tally.compiling)
    return Structure(phase, pricer, _values(facts, program, {}), small, _ranks_dealt(facts, phase))


def _ranks_dealt(facts: Facts, phase: Phase) -> tuple[tuple[float, tuple[str, ...]], ...]:
    """Return the size of each rank whose loops are dealt to cores, with its digits inside of a task."""
    found: list[tuple[float, tuple[str, ...]]] = []
    for rank in facts.ranks:
        digits = facts.digits(rank, phase.cuts.get(rank, 0))
        places = [place for place, digit in enumerate(digits) if digit in phase.spread]
        if places:
            inside = tuple(digit.upper() for digit in digits[places[-1] + 1 :])
            found.append((float(facts.sizes.get(rank, 1)), inside))
    return tuple(found)


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


def nothing_fits(facts: Facts, segment: Sequence[str], tally: Tally, hurried: bool = False) -> FusemaxError:
    """Return the error for a phase without a tiling that fits: the nearest miss, with tensor, level and bytes.

    *hurried*: the time was up before all was tried.
    """
    where = f"no mapping of {', '.join(segment)} fits this machine"
    if hurried:
        where = f"no mapping of {', '.join(segment)} that fits was found before the time was up (--seconds gives more)"
    if tally.miss is None and facts.within != Within():
        from fusemax.search.structures import nearest_member

        return FusemaxError(
            f"the space has no member for {', '.join(segment)}: {nearest_member(facts, segment)}\n"
            "  hint: leave more open ('any'); docs/mapper.md says what is searched"
        )
    if tally.miss is None:
        return FusemaxError(tally.notes[-1] if tally.notes else where)
    from fusemax.cost.evaluate import CapacityError, cost

    _, phase, tiles = tally.miss
    mapped = mapped_phases(facts.cascade, [phase], [tiles])
    try:
        cost(mapped, derive(mapped, facts.machine, facts.given), facts.sizes, facts.given)
    except CapacityError as error:
        does = phase.block.einsums
        other = "" if set(does) == set(segment) else f" of a phase that does {', '.join(does)},"
        return FusemaxError(f"{where}; the nearest miss,{other} with tiles {_listed(tiles)}:\n{error}")
    return FusemaxError(where)


def _listed(tiles: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in tiles.items()) or "of whole ranks"
