"""The search against full enumeration: every division, structure, binding, use of lanes and tiling, by the cost program."""

from __future__ import annotations

from itertools import islice

from fusemax.errors import FusemaxError
from fusemax.search.answer import Answer, best_mapping, measure
from fusemax.search.candidate import Tally
from fusemax.search.exhaustive import enumerated, members
from fusemax.search.facts import Facts, facts_of
from fusemax.search.structures import atoms_of
from tests.search.designs import Example

OBJECTIVES = ("latency", "energy", "traffic")


def facts_or_none(one: Example) -> Facts | None:
    """Return the facts of a design; None when no unit can do one of its operations."""
    try:
        return facts_of(one.cascade, one.machine, one.sizes)
    except FusemaxError as error:
        if "no unit" not in str(error):
            raise
        return None


def size_of(facts: Facts, most: int) -> int:
    """Return how many phases the space has, tilings aside; more than *most* are not counted to their end."""
    atoms, count = atoms_of(facts), 0
    for start in range(len(atoms)):
        for end in range(start + 1, len(atoms) + 1):
            run = tuple(name for atom in atoms[start:end] for name in atom)
            count += sum(1 for _ in islice(members(facts, run), max(0, most + 1 - count)))
    return count


def disagreements(one: Example, facts: Facts) -> list[str]:
    """Return where the winner of the search is not that of the enumeration, or a bound is above it; empty is right."""
    listed = enumerated(facts, Tally(), OBJECTIVES)
    wrong: list[str] = []
    for objective in OBJECTIVES:
        plans = listed[objective]
        try:
            answer = best_mapping(one.cascade, one.machine, one.sizes, objective=objective, seconds=60)
        except FusemaxError as error:
            if plans:
                wrong.append(f"{objective}: enumeration has a mapping, the search says {error}")
            continue
        least = plans[0].measure(objective) if plans else float("inf")
        wrong += [f"{objective}: {text}" for text in _compared(answer, least)]
    return wrong


def _compared(answer: Answer, least: float) -> list[str]:
    value = measure(answer.cost, answer.objective)
    bound = answer.bound.of(answer.objective)
    shared = any(
        0 < float(str(part)) < 1
        for p in answer.plan.phases
        for o in p.phase.offload.values()
        for part in o.values()
    )
    texts: list[str] = []
    if value > least * (1 + 1e-9) or (
        value < least * (1 - 1e-9) and not shared
    ):  # a shared operation is in no list
        texts.append(f"the search finds {value:.12g}, enumeration {least:.12g}")
    if bound > min(value, least) * (1 + 1e-12):
        texts.append(f"the bound {bound:.12g} is above {min(value, least):.12g}")
    return texts
