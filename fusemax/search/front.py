"""The Pareto front of two objectives: mappings of which none is better in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.cascade.ir import Cascade
from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.search.answer import Answer, best_mapping, priced_text, text_of
from fusemax.search.candidate import Candidate, Tally, structure_of
from fusemax.search.facts import Facts
from fusemax.search.plan import Plan, Search
from fusemax.search.tiles import axes_for, tilings

MOST = 24  #: mappings of a front that are written and priced
BETWEEN = "edp"  #: what is searched besides, where latency and energy are weighed


@dataclass(frozen=True, slots=True)
class Point:
    """A mapping of the front: its file, and its price by the cost engine."""

    text: str
    latency_s: float
    energy_J: float
    traffic_B: float


def front(
    cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None,
    *, objectives: tuple[str, str] = ("latency", "energy"), absorb: Sequence[str] = (), seconds: float = 12.0,
    watch: Callable[[Search, Plan], None] = lambda search, plan: None,
) -> tuple[list[Point], list[Answer]]:  # fmt: skip
    """Return the front found, the best of the first objective first, and the answers for each objective alone.

    The structures of the best mappings for each objective (and for latency times energy) are priced over all their tilings;
    of those of which none is better in both, up to :data:`MOST` are written as files, read again and priced.

    Raises
    ------
    FusemaxError
        As :func:`fusemax.search.answer.best_mapping`.
    """
    wanted = [*objectives, *([BETWEEN] if set(objectives) == {"latency", "energy"} else [])]
    answers = [
        best_mapping(
            cascade, machine, sizes, figures, objective=objective, absorb=absorb,
            seconds=seconds / len(wanted), watch=watch,
        )
        for objective in wanted
    ]  # fmt: skip
    facts = answers[0].facts
    plans = [plan for answer in answers for plan in (answer.plan, answer.runner_up) if plan is not None]
    found = nondominated(
        [one for plan in plans for one in (plan, *_tiled(facts, plan, objectives))], objectives
    )
    points: list[Point] = []
    for plan in _thinned(found):
        text = text_of(facts, cascade, plan)
        try:
            _, cost = priced_text(text, cascade, machine, sizes, figures or {})
        except FusemaxError:
            continue  # not legal: the points beside it stay
        points.append(Point(text, cost.latency_s, cost.energy_J, cost.traffic_B))
    return points, answers[: len(objectives)]


def nondominated(plans: Sequence[Plan], objectives: tuple[str, str]) -> list[Plan]:
    """Return those of *plans* of which no other is as good in one objective and better in the other, in order of the first."""
    first, second = objectives
    kept: list[Plan] = []
    for plan in sorted(plans, key=lambda plan: (plan.measure(first), plan.measure(second))):
        if not kept or plan.measure(second) < kept[-1].measure(second) * (1 - 1e-9):
            kept.append(plan)
    return kept


def _tiled(facts: Facts, plan: Plan, objectives: tuple[str, str]) -> Iterator[Plan]:
    """Yield *plan*, of one phase, with other tiles: the front of its grid of tilings."""
    if len(plan.phases) != 1:
        return
    phase = plan.phases[0].phase
    tally = Tally()
    structure = structure_of(facts, phase, tally)
    if structure is None:
        return
    grid = tilings(facts, axes_for(facts, phase.cuts, phase.block.einsums, {}))
    prices = structure.prices(grid, tally, objectives[0])
    one, other = (prices.measure(objective) for objective in objectives)
    good = np.flatnonzero(prices.fits & np.isfinite(one) & np.isfinite(other))
    least = np.inf
    for number in good[np.lexsort((other[good], one[good]))].tolist():
        if other[number] < least:
            least = other[number]
            yield Plan((Candidate.at(phase, grid, prices, number),))


def _thinned(plans: Sequence[Plan]) -> list[Plan]:
    """Return at most :data:`MOST` of *plans*, the ends among them."""
    if len(plans) <= MOST:
        return list(plans)
    places = np.unique(np.linspace(0, len(plans) - 1, MOST).round().astype(int))
    return [plans[place] for place in places.tolist()]
