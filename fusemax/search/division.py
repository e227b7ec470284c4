"""Which runs of Einsums to give a phase each, by an estimate: what their work takes on the cores that their loops can occupy.

Starts of phases and idle cores pull in opposite directions: the more Einsums share a phase, the fewer loops all of them
have in common. Nothing is derived here, so that all runs of a cascade are rated in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, prod

import numpy as np

from fusemax.search.amounts import amounts_of
from fusemax.search.bound import Bound, memory_s, seconds_of
from fusemax.search.facts import Facts
from fusemax.search.shapes import common
from fusemax.search.split import weighted_each

Run = tuple[int, int]  #: the first of some groups of Einsums, and the one after the last


def estimates(facts: Facts, atoms: Sequence[tuple[str, ...]], bound: Bound) -> dict[Run, float]:
    """Return the seconds that a phase for each run of *atoms* takes at least, roughly; *bound* is that of all of them.

    Its work by the weights that prove *bound*, on as many cores as the loops that all its Einsums share have tasks of a full
    lane each; its words outside; and the start of a phase.
    """
    amounts = amounts_of(facts, coarse=True)
    cases = len(amounts.cases)
    busy: list[float] = []
    for atom in atoms:
        each = weighted_each(dict(seconds_of(facts, atom, amounts)), bound.prices, cases)
        busy.append(float(each.min()))
    found: dict[Run, float] = {}
    shared: dict[Run, frozenset[str]] = {}
    for long in range(1, len(atoms) + 1):
        for start in range(len(atoms) - long + 1):
            run = (start, start + long)
            names = tuple(name for atom in atoms[start : start + long] for name in atom)
            some = long == 1 or shared[start, start + long - 1] & shared[start + 1, start + long]
            shared[run] = frozenset(common(facts, names) if some else ())
            used = min(facts.cores, _tasks(facts, shared[run]))
            words = float(sum(amounts.words(names).values(), np.zeros(cases)).min())
            work_s = sum(busy[start : start + long]) * facts.cores / used
            found[run] = max(work_s, memory_s(facts, words, 0.0)) + facts.figures["launch"]
    return found


def _tasks(facts: Facts, loops: frozenset[str]) -> int:
    """Return how many tasks the *loops* that are shared make, the longest of them in tiles of the narrowest lanes."""
    sizes = sorted(facts.sizes.get(variable.upper(), 1) for variable in loops)
    lanes = [size for dims in facts.lanes.values() for size in dims.values() if size > 1]
    if sizes:
        sizes[-1] = max(1, sizes[-1] // min(lanes, default=1))
    return prod(sizes)


def quickest(values: Mapping[Run, float], count: int) -> tuple[float, tuple[Run, ...]]:
    """Return the least sum of *values* over runs that make up *count* groups one after another, and these runs."""
    least: list[tuple[float, tuple[Run, ...]]] = [(0.0, ())]
    for end in range(1, count + 1):
        reached = [
            (least[start][0] + values.get((start, end), inf), (*least[start][1], (start, end)))
            for start in range(end)
        ]
        least.append(min(reached, key=lambda one: one[0]))
    return least[-1]
