"""Strategies: from a cascade on a machine to whole mappings, better and better.

Phases add up, so that a mapping is a partition of the Einsums into runs with the best phase found for each. Every strategy has
one signature and yields a plan whenever it has a better one; who asks may stop listening at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from fusemax.search.bound import bound_of
from fusemax.search.candidate import Candidate, nothing_fits
from fusemax.search.facts import Facts
from fusemax.search.phase import candidates
from fusemax.search.plan import Plan, Search
from fusemax.search.structures import atoms_of
from fusemax.search.tiles import lane_counts

WORTH = 0.97  #: several phases are tried where bounds leave more than this part of the time, energy or traffic of one


def joined(search: Search) -> Iterator[Plan]:
    """Yield plans: everything fused; then each Einsum in a phase of its own, and neighbours joined while that helps."""
    atoms = atoms_of(search.facts)
    everything = tuple(name for atom in atoms for name in atom)
    whole = None
    for candidate in _phases(search, everything, {}):
        whole = candidate
        yield Plan((candidate,))
    if whole is not None:
        alone = Plan((whole,))
        if search.near(alone) or divided_floor(search, atoms) >= WORTH * alone.measure(search.objective):
            return
    for fixed in _fixed(search.facts, whole):
        yield from _merged(search, atoms, fixed)
        if search.over:
            return


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
    for size in lane_counts(facts)[:2]:
        sizes = {}
        for part in facts.open_parts:
            rank = next(rank for rank in facts.ranks if part in facts.parts(rank))
            sizes[part] = min(size, facts.sizes[rank])
        found.append(sizes)
    return [one for number, one in enumerate(found) if one and one not in found[:number]]


def _phases(search: Search, segment: tuple[str, ...], fixed: Mapping[str, int]) -> Iterator[Candidate]:
    key = (segment, tuple(sorted(fixed.items())))
    floor = bound_of(search.facts, segment).of(search.objective) if search.objective != "edp" else 0.0
    search.found[key] = None
    effort = search.effort if len(segment) > 1 else 1
    for candidate in candidates(
        search.facts, segment, search.objective, fixed, search.tally, floor, effort, search.clock
    ):
        search.found[key] = candidate
        yield candidate


def _best(search: Search, segment: tuple[str, ...], fixed: Mapping[str, int]) -> Candidate | None:
    key = (segment, tuple(sorted(fixed.items())))
    if key not in search.found:
        for _ in _phases(search, segment, fixed):
            pass
    return search.found[key]


def _merged(search: Search, atoms: Sequence[tuple[str, ...]], fixed: Mapping[str, int]) -> Iterator[Plan]:
    """Yield plans of ever fewer phases: of all neighbours, those are joined first that gain most."""
    runs = list(atoms)
    found = [_best(search, run, fixed) for run in runs]
    if not all(found):
        lost = next(run for run, one in zip(runs, found, strict=True) if one is None)
        search.tally.notes.append(str(nothing_fits(search.facts, lost, search.tally)))
        return
    phases = [one for one in found if one is not None]
    yield Plan(tuple(phases))
    while len(runs) > 1 and not search.over:
        now = Plan(tuple(phases))
        if search.near(now):
            return
        gains: list[tuple[tuple[float, ...], int, Candidate]] = []
        for place, (left, right) in enumerate(pairwise(runs)):
            if search.over:
                break
            together = (*left, *right)
            apart = Plan((phases[place], phases[place + 1]))
            if not _may_gain(search, together, apart):
                continue
            one = _best(search, together, fixed)
            if one is None:
                continue
            tried = Plan((*phases[:place], one, *phases[place + 2 :]))
            if tried.order(search.objective) < now.order(search.objective):
                gains.append((tried.order(search.objective), place, one))
        if not gains:
            return
        _, place, one = min(gains, key=lambda gain: gain[0])
        runs[place : place + 2] = [(*runs[place], *runs[place + 1])]
        phases[place : place + 2] = [one]
        yield Plan(tuple(phases))


def _may_gain(search: Search, together: tuple[str, ...], apart: Plan) -> bool:
    """Return whether a phase for *together* could be better than the two *apart*, by its bound."""
    if search.objective == "edp":
        return True
    return bound_of(search.facts, together).of(search.objective) <= apart.measure(search.objective)
