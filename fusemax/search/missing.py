"""What lies between the best mapping found and its bound: where time and words go that no bound knows of."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusemax.search.answer import Answer

LEAST = 0.001  #: smaller parts of the price are not told


def missing(answer: Answer) -> list[tuple[str, float]]:
    """Return what the price of the best mapping has above its bound, largest first: what it is, and its part of the price.

    Of latency and traffic; nothing of energy, where actions are counted and only the accesses of inner levels are left out.
    """
    found = _TERMS[answer.objective](answer) if answer.objective in _TERMS else []
    told = [(text, part) for text, part in found if part >= LEAST]
    return sorted(told, key=lambda one: -one[1])


def _latency(answer: Answer) -> list[tuple[str, float]]:
    cost, bound, facts = answer.cost, answer.bound, answer.facts
    total = cost.latency_s
    phases = [label.nest for label in cost.table("phase")]
    units: dict[str, float] = defaultdict(float)
    levels: dict[str, float] = defaultdict(float)
    for label, seconds in cost.table("time").items():
        if label.unit:
            units[facts.physical[label.unit]] += seconds
        elif label.level:
            levels[label.level] += seconds
    unit = max(units, key=lambda name: units[name], default="")
    level = max(levels, key=lambda name: levels[name], default="")
    busiest = max(units.get(unit, 0.0), levels.get(level, 0.0))
    starts = bound.launch_s * (len(phases) - 1)
    floor = max(bound.units_s, bound.memory_s)
    terms = [
        (f"starts of {len(phases)} phases", starts),
        ("phases and steps that wait for each other", total - busiest - starts - bound.launch_s),
    ]
    if busiest == units.get(unit):
        terms.append((f"{unit}: lanes, cores and units without work at times", busiest - floor))
    else:
        terms.append((f"{level}: words that are moved again, or wait at an inner level", busiest - floor))
    return [(text, seconds / total) for text, seconds in terms] if total else []


def _traffic(answer: Answer) -> list[tuple[str, float]]:
    outer = answer.facts.machine.outermost
    words: dict[str, float] = defaultdict(float)
    for label, count in answer.cost.table("words").items():
        if label.level == outer and label.tensor:
            words[label.tensor] += count
    total, certain = sum(words.values()), sum(answer.bound.words.values())
    more = max(total - certain, 1.0)
    above = max(0.0, 1.0 - answer.gap)
    terms: list[tuple[str, float]] = []
    for tensor, count in words.items():
        least = answer.bound.words.get(tensor, 0.0)
        text = f"{tensor} moves {count / least:.3g} times" if least else f"{tensor} goes out and comes back"
        terms.append((text, above * (count - least) / more))
    return terms


_TERMS = {"latency": _latency, "traffic": _traffic}
