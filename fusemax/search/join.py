"""Strategies: from a cascade on a machine to whole mappings, better and better.

Phases add up, so that a mapping is a partition of the Einsums into runs with the best phase found for each. Every strategy has
one signature and yields a plan whenever it has a better one; who asks may stop listening at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from fusemax.search.bound import bound_of
from fusemax.search.candidate import Candidate, nothing_fits
from fusemax.search.clock import Clock
from fusemax.search.division import Run, estimates, quickest
from fusemax.search.facts import Facts
from fusemax.search.phase import candidates
from fusemax.search.plan import Plan, Search
from fusemax.search.structures import atoms_of
from fusemax.search.tiles import lane_counts
from fusemax.search.useful import least_size

WORTH = 0.97  #: several phases are tried where bounds leave more than this part of the time, energy or traffic of one


FEW = 8  #: groups of Einsums that are joined with all effort at once
QUICK = 0  #: the effort of a first look


def joined(search: Search) -> Iterator[Plan]:
    """Yield plans: everything fused, if it is not too much; then each Einsum alone, and neighbours joined while that helps."""
    atoms = atoms_of(search.facts)
    everything = tuple(name for atom in atoms for name in atom)
    whole = None
    first = (
        search.clock.half() if len(atoms) > 1 else search.clock
    )  # there is another way, if nothing is found
    effort = None if len(atoms) <= 2 * FEW else QUICK  # of many groups fused at once there is a first look
    for candidate in _phases(search, everything, {}, effort, first):
        whole = candidate
        search.clock.hope()
        yield Plan((candidate,))
    if whole is not None:
        alone = Plan((whole,))
        if search.near(alone) or not _worth_dividing(search, atoms, alone):
            return
    for fixed in _fixed(search.facts, whole):
        yield from _by_estimate(search, atoms, fixed, whole)
        yield from _merged(search, atoms, fixed)
        if search.over:
            return


def _by_estimate(
    search: Search, atoms: Sequence[tuple[str, ...]], fixed: Mapping[str, int], whole: Candidate | None
) -> Iterator[Plan]:
    """Yield plans of the runs that promise the least sum of times, where starts of a phase for each group would take longer
    than all the work.

    A run that has been looked at counts by the time found, so that other divisions come up; until all runs of the most
    promising one are known, or it promises no gain.
    """
    count = len(atoms)
    starts_s = count * search.facts.figures["launch"]
    if search.objective != "latency" or count < 2 or starts_s < search.bound.latency_s:
        return
    values = estimates(search.facts, atoms, search.bound)
    found: dict[Run, Candidate | None] = {(0, count): whole}
    values[0, count] = inf if whole is None else whole.latency_s
    least, growing = values[0, count], None
    for _ in range(2 * count):
        promised, runs = quickest(values, count)
        if search.over or promised > WORTH * least or all(run in found for run in runs):
            break
        names = [tuple(name for atom in atoms[slice(*run)] for name in atom) for run in runs]
        phases: list[Candidate] = []
        for run, mine in zip(runs, names, strict=True):
            known = run in found or search.over
            one = found.get(run) if known else _best(search, mine, fixed, QUICK)
            values[run] = inf if one is None else max(values[run], one.latency_s)
            found[run] = one
            if one is None:
                break
            phases.append(one)
        if len(phases) == len(runs) and (taken := sum(one.latency_s for one in phases)) < least:
            least, growing = taken, _Runs(names, phases)
            yield growing.plan
    if growing is not None:
        yield from _deepened(search, growing, fixed)


def _worth_dividing(search: Search, atoms: Sequence[tuple[str, ...]], alone: Plan) -> bool:
    """Return whether bounds leave something to gain with several phases.

    The bound of all Einsums together is no larger than the least sum of bounds of runs, and is known already.
    """
    enough = WORTH * alone.measure(search.objective)
    return search.bound.of(search.objective) < enough and divided_floor(search, atoms) < enough


def divided_floor(search: Search, atoms: Sequence[tuple[str, ...]]) -> float:
    """Return what no plan of two or more phases is below: the least sum of the bounds of runs."""
    if search.objective == "edp" or len(atoms) < 2:
        return 0.0 if len(atoms) > 1 else float("inf")
    least = [0.0] + [float("inf")] * len(atoms)
    for end in range(1, len(atoms) + 1):
        for start in range(end):
            if (start, end) != (0, len(atoms)):
                run = tuple(name for atom in atoms[start:end] for name in atom)
                least[end] = min(least[end], least[start] + bound_of(search.facts, run).of(search.objective))
    return least[-1]


def apart(search: Search) -> Iterator[Plan]:
    """Yield the plan with a phase for every Einsum (or group of running values)."""
    for fixed in _fixed(search.facts, None):
        found = [_best(search, atom, fixed) for atom in atoms_of(search.facts)]
        if all(found):
            yield Plan(tuple(one for one in found if one is not None))


def _fixed(facts: Facts, whole: Candidate | None) -> list[dict[str, int]]:
    """Return the sizes to try for parts that the cascade cuts: phases have to agree about them."""
    if not facts.open_parts:
        return [{}]
    found: list[dict[str, int]] = []
    if whole is not None:
        found.append({part: whole.tiles[part] for part in facts.open_parts if part in whole.tiles})
    for size in (*lane_counts(facts)[:2], 1):
        sizes: dict[str, int] = {}
        for part in facts.open_parts:
            rank = next(rank for rank in facts.ranks if part in facts.parts(rank))
            sizes[part] = min(max(size, least_size(facts, part)), facts.sizes[rank])
        found.append(sizes)
    return [one for number, one in enumerate(found) if one and one not in found[:number]]


def _phases(
    search: Search, segment: tuple[str, ...], fixed: Mapping[str, int], effort: int | None = None,
    clock: Clock | None = None,
) -> Iterator[Candidate]:  # fmt: skip
    effort = (search.effort if len(segment) > 1 else 1) if effort is None else effort
    key = (segment, tuple(sorted(fixed.items())), effort)
    floor = bound_of(search.facts, segment).of(search.objective) if search.objective != "edp" else 0.0
    search.found[key] = None
    for candidate in candidates(
        search.facts, segment, search.objective, fixed, search.tally, floor, effort, clock or search.clock
    ):
        search.found[key] = candidate
        yield candidate


def _best(
    search: Search, segment: tuple[str, ...], fixed: Mapping[str, int], effort: int | None = None
) -> Candidate | None:
    effort = (search.effort if len(segment) > 1 else 1) if effort is None else effort
    key = (segment, tuple(sorted(fixed.items())), effort)
    if key not in search.found:
        for _ in _phases(search, segment, fixed, effort):
            pass
    return search.found[key]


@dataclass
class _Runs:
    """A plan as it grows: runs of Einsums and the best phase found for each."""

    runs: list[tuple[str, ...]]
    phases: list[Candidate]

    @property
    def plan(self) -> Plan:
        """The plan so far."""
        return Plan(tuple(self.phases))

    def join(self, place: int, one: Candidate) -> None:
        """Make one phase of a run and the next."""
        self.runs[place : place + 2] = [(*self.runs[place], *self.runs[place + 1])]
        self.phases[place : place + 2] = [one]


def _merged(search: Search, atoms: Sequence[tuple[str, ...]], fixed: Mapping[str, int]) -> Iterator[Plan]:
    """Yield plans of ever fewer phases: each Einsum alone, then neighbours joined round by round, those first that gain most.

    Of many Einsums a few structures of each pair are tried at first, and more of the pairs that were joined at the end.
    """
    effort = QUICK if len(atoms) > FEW else None
    found = [_best(search, run, fixed, effort) or _best(search, run, fixed) for run in atoms]
    if not all(found):
        lost = next(run for run, one in zip(atoms, found, strict=True) if one is None)
        search.tally.notes.append(
            str(nothing_fits(search.facts, lost, search.tally, search.clock.over(found=False)))
        )
        return
    growing = _Runs(list(atoms), [one for one in found if one is not None])
    yield growing.plan
    while len(growing.runs) > 1 and not search.over and not search.near(growing.plan):
        gains = _gains(search, growing, fixed, effort)
        if not gains:
            break
        joined_already: set[int] = set()
        for _, place, one in sorted(gains, key=lambda gain: gain[:2]):
            if not {place, place + 1} & joined_already:
                joined_already |= {place, place + 1}
                growing.join(place - sum(1 for other in joined_already if other < place) // 2, one)
                if effort is None:
                    break
        yield growing.plan
    if effort is not None:
        yield from _deepened(search, growing, fixed)


def _gains(
    search: Search, growing: _Runs, fixed: Mapping[str, int], effort: int | None
) -> list[tuple[tuple[float, ...], int, Candidate]]:
    """Return which neighbours are better together: the order of that plan, the place of the first, the phase."""
    now = growing.plan
    gains: list[tuple[tuple[float, ...], int, Candidate]] = []
    for place, (left, right) in enumerate(pairwise(growing.runs)):
        if search.over:
            break
        together = (*left, *right)
        if not _may_gain(search, together, Plan(now.phases[place : place + 2])):
            continue
        one = _best(search, together, fixed, effort)
        if one is None:
            continue
        tried = Plan((*now.phases[:place], one, *now.phases[place + 2 :]))
        if tried.order(search.objective) < now.order(search.objective):
            gains.append((tried.order(search.objective), place, one))
    return gains


def _deepened(search: Search, growing: _Runs, fixed: Mapping[str, int]) -> Iterator[Plan]:
    """Yield plans with better phases for the same runs, those first that are furthest from their bounds."""
    places = list(range(len(growing.runs)))
    places.sort(key=lambda p: _floor(search, growing.runs[p]) - growing.phases[p].measure(search.objective))
    for place in places:
        if search.over:
            return
        one = _best(search, growing.runs[place], fixed)
        if one is not None and one.order(search.objective) < growing.phases[place].order(search.objective):
            growing.phases[place] = one
            yield growing.plan


def _floor(search: Search, run: tuple[str, ...]) -> float:
    return 0.0 if search.objective == "edp" else bound_of(search.facts, run).of(search.objective)


def _may_gain(search: Search, together: tuple[str, ...], apart: Plan) -> bool:
    """Return whether a phase for *together* could be better than the two *apart*, by its bound."""
    return search.objective == "edp" or _floor(search, together) <= apart.measure(search.objective)
