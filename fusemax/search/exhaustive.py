"""The strategy that leaves nothing out: every division into phases, structure, binding, use of lanes and tiling is priced.

For small designs, and to judge the other strategies. The space is that of docs/mapper.md, but for operations of which another
unit takes a part (``offload``): here it takes all or nothing. A structure of more than :data:`TILINGS` tilings is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.mapping.space import Phase
from fusemax.search.assign import choices_of
from fusemax.search.candidate import Candidate, Tally, nothing_fits, structure_of
from fusemax.search.clock import Clock
from fusemax.search.facts import Facts
from fusemax.search.lanes import Spatial, Work, options
from fusemax.search.phase import phase_of
from fusemax.search.plan import Plan, Search
from fusemax.search.price import Prices
from fusemax.search.shapes import Skeleton, skeletons, variable_of
from fusemax.search.structures import atoms_of, structures_of
from fusemax.search.tiles import Axis, Tilings, tilings
from fusemax.search.units import Binding
from fusemax.search.useful import least_size

TILINGS = 200_000  #: tilings of one structure that are priced


def exhaustive(search: Search) -> Iterator[Plan]:
    """Yield ever better plans, the best of all last if the time is enough.

    Raises
    ------
    FusemaxError
        For a space that is too large to be listed.
    """
    yield from _Listing(search.facts, search.tally, [search.objective], search.clock).plans()


def enumerated(facts: Facts, tally: Tally, objectives: Sequence[str]) -> dict[str, list[Plan]]:
    """Return, by objective, the best plans of the whole space, the best first; errors as for :func:`exhaustive`."""
    listing = _Listing(facts, tally, objectives, Clock())
    for _ in listing.plans():
        pass
    return {
        objective: sorted(plans, key=lambda plan, objective=objective: plan.order(objective))
        for objective, plans in listing.found.items()
    }


class _Listing:
    """The members of a space, a phase of each run of Einsums in turn.

    ``found`` holds, by objective, the best plan of each size of what the cascade itself cuts (of latency times energy: the
    front of both).
    """

    def __init__(self, facts: Facts, tally: Tally, objectives: Sequence[str], clock: Clock) -> None:
        self.facts, self.tally, self.objectives, self.clock = facts, tally, objectives, clock
        self.atoms = atoms_of(facts)
        count = len(self.atoms)
        self.runs = [(end - long, end) for long in range(1, count + 1) for end in range(long, count + 1)]
        self.found: dict[str, list[Plan]] = {objective: [] for objective in objectives}

    def plans(self) -> Iterator[Plan]:
        """Yield plans that are better than those before, until all is listed or the time is up."""
        for run in self.runs:
            for skeleton in skeletons(self.facts, self._names(run)):
                _axes(self.facts, skeleton, {})
        for fixed in _open_sizes(self.facts):
            yield from self._of_sizes(fixed)
            if self._over:
                break
        if not self.found[self.objectives[0]]:
            miss = nothing_fits(self.facts, self.facts.names, self.tally, self._over)
            self.tally.notes.append(str(miss))

    @property
    def _over(self) -> bool:
        return self.clock.over(bool(self.found[self.objectives[0]]))

    def _names(self, run: tuple[int, int]) -> tuple[str, ...]:
        return tuple(name for atom in self.atoms[slice(*run)] for name in atom)

    def _of_sizes(self, fixed: Mapping[str, int]) -> Iterator[Plan]:
        """Yield better plans in which the cascade's own tiles have these sizes."""
        kept: dict[str, dict[tuple[int, int], list[Plan]]] = {one: {} for one in self.objectives}
        before = {objective: list(plans) for objective, plans in self.found.items()}
        listed = {run: self._priced(self._names(run), fixed) for run in self.runs}
        while listed:  # a member of each in turn: something for every run is known early
            for run, members_ in list(listed.items()):
                priced = next(members_, None)
                if priced is None:
                    del listed[run]
                    continue
                for objective, more in priced.items():
                    mine = kept[objective].get(run, [])
                    best = _least([*mine, *more], objective)
                    if best != mine:
                        kept[objective][run] = best
                        whole = self._divided(kept[objective], objective)
                        self.found[objective] = [*before[objective], *whole]
                        yield from whole[:1]
                if self._over:
                    return

    def _priced(self, run: tuple[str, ...], fixed: Mapping[str, int]) -> Iterator[dict[str, list[Plan]]]:
        """Yield, by objective, the best tilings of each member of a phase that does *run*."""
        for skeleton, phase in members(self.facts, run):
            grid = tilings(self.facts, _axes(self.facts, skeleton, fixed))
            structure = structure_of(self.facts, phase, self.tally)
            if structure is not None:
                prices = structure.prices(grid, self.tally, over=self.clock.over)
                yield {
                    objective: [Plan((one,)) for one in _points(phase, grid, prices, objective)]
                    for objective in self.objectives
                }

    def _divided(self, kept: Mapping[tuple[int, int], Sequence[Plan]], objective: str) -> list[Plan]:
        """Return the best plans that the phases *kept*, by the run of Einsums that they do, make; none if one lacks."""
        plans: list[list[Plan]] = [[Plan(())]]
        for end in range(1, len(self.atoms) + 1):
            reached = [
                Plan((*one.phases, *last.phases))
                for start in range(end)
                for one in plans[start]
                for last in kept.get((start, end), ())
            ]
            plans.append(_least(reached, objective))
        return plans[-1]


def members(facts: Facts, segment: Sequence[str]) -> Iterator[tuple[Skeleton, Phase]]:
    """Yield every phase for *segment*, each once: structures, with every binding and every use of lanes; tiles are open."""
    seen: set[str] = set()
    for skeleton, block in structures_of(facts, segment):
        for binding in _bindings(facts, skeleton):
            phase = phase_of(facts, skeleton, block, binding)
            key = f"{phase.block}{phase.cuts}{sorted(phase.bind.items())}{sorted(phase.offload)}"
            if key not in seen:
                seen.add(key)
                yield skeleton, phase


def _open_sizes(facts: Facts) -> Iterator[dict[str, int]]:
    """Yield every size of the parts of ranks that are open."""
    ranks = [next(rank for rank in facts.ranks if part in facts.parts(rank)) for part in facts.open_parts]
    least = [least_size(facts, part) for part in facts.open_parts]
    for sizes in product(
        *(range(low, facts.sizes[rank] + 1) for low, rank in zip(least, ranks, strict=True))
    ):
        yield dict(zip(facts.open_parts, sizes, strict=True))


def _least(plans: Sequence[Plan], objective: str) -> list[Plan]:
    """Return the best of *plans*; where latency and energy are multiplied, all of which no other is better in both."""
    if objective != "edp":
        return sorted(plans, key=lambda plan: plan.order(objective))[:1]
    kept: list[Plan] = []
    for plan in sorted(plans, key=lambda plan: (plan.latency_s, plan.energy_J)):
        if not kept or plan.energy_J < kept[-1].energy_J:
            kept.append(plan)
    return kept


# ------------------------------------------------------------------------------------ one phase


def _points(phase: Phase, grid: Tilings, prices: Prices, objective: str) -> Iterator[Candidate]:
    good = prices.fits & np.isfinite(prices.measure(objective))
    numbers = np.flatnonzero(good)
    if not numbers.size:
        return
    measure = prices.measure(objective)[numbers]
    order = np.lexsort((prices.traffic_B[numbers], prices.latency_s[numbers], measure))
    if objective == "edp":
        order = np.lexsort((prices.energy_J[numbers], prices.latency_s[numbers]))
    least = np.inf
    for number in numbers[order].tolist() if objective == "edp" else numbers[order][:1].tolist():
        if objective != "edp" or prices.energy_J[number] < least:
            least = prices.energy_J[number]
            yield Candidate.at(phase, grid, prices, number)


def _axes(facts: Facts, skeleton: Skeleton, fixed: Mapping[str, int]) -> list[Axis]:
    """Return every size of every tile that *skeleton* leaves open."""
    axes = [
        Axis(rank, digit.upper(), tuple(range(1, facts.sizes[rank] + 1)))
        for rank, cuts in skeleton.cuts.items()
        for digit in facts.digits(rank, cuts)[1:]
    ]
    axes += [
        Axis(next(r for r in facts.ranks if part in facts.parts(r)), part, (size,))
        for part, size in fixed.items()
    ]
    points = int(np.prod([len(axis.values) for axis in axes], dtype=np.float64))
    if points > TILINGS:
        raise FusemaxError(
            f"a structure has {points:,} tilings, too many to list all\n"
            "  hint: take the strategy 'joined', or smaller ranks"
        )
    return axes


# ------------------------------------------------------------------------------------ who does what, where


def _bindings(facts: Facts, skeleton: Skeleton) -> Iterator[Binding]:
    """Yield every binding of the Einsums of *skeleton* with every use of lanes, body by body."""
    bodies = [list(_body(facts, skeleton, number)) for number in range(len(skeleton.bodies))]
    for chosen in product(*bodies):
        bind = {entry: unit for one, _, _ in chosen for entry, unit in one.items()}
        taken = {key: 1.0 for _, one, _ in chosen for key in one}
        yield Binding(
            spatial=tuple(spatial for _, _, spatial in chosen), bind=bind, loads={}, energy_J=0.0, taken=taken
        )


def _body(
    facts: Facts, skeleton: Skeleton, number: int
) -> Iterator[tuple[dict[tuple[str, int], str], list[tuple[tuple[str, str], str]], dict[str, Spatial]]]:
    part = skeleton.bodies[number]
    work = Work(part, dict.fromkeys(_inside(facts, skeleton, number), 2), 1.0)
    items = [item for name in part.einsums for item in facts.items[name]]
    for ways in product(*(list(choices_of(item)) for item in items)):
        bind = {
            (item.einsum, n): unit for item, (unit, _) in zip(items, ways, strict=True) for n in item.indices
        }
        taken = [
            ((item.einsum, item.parts[place][unit].operation), unit)
            for item, (_, others) in zip(items, ways, strict=True)
            for place, unit in others
        ]
        used = [
            unit for unit in facts.machine.units if unit in {*bind.values(), *(unit for _, unit in taken)}
        ]
        for spatial in product(*(list(options(facts, work, unit)) or [{}] for unit in used)):
            yield bind, taken, dict(zip(used, spatial, strict=True))


def _inside(facts: Facts, skeleton: Skeleton, number: int) -> Iterator[str]:
    """Yield the digits of ranks larger than one that run inside a body."""
    part = skeleton.bodies[number]
    loops = (*skeleton.batch, *skeleton.outer, *part.loops)
    variables = {v for name in part.einsums for v in facts.carried[name]}
    for rank in facts.ranks:
        for digit in facts.digits(rank, skeleton.cuts.get(rank, 0)):
            if digit not in loops and variable_of(facts, digit) in variables and facts.sizes.get(rank, 2) > 1:
                yield digit
