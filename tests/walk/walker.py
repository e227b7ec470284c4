"""A slow walk through every iteration of a mapping: words, steps, operations and room, counted one by one.

It is written from docs/mappings.md and docs/machines.md and shares no counting with the cost model or the simulator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from fusemax.cascade.sizes import resolve_sizes
from fusemax.machine import Machine, figures
from fusemax.mapping.nest import Mapped, Nest
from fusemax.mapping.spec import Fit
from tests.walk.space import NotWalkedError, Space, value_of
from tests.walk.steps import Steps, Work
from tests.walk.trace import Trace
from tests.walk.words import Words, words_of


@dataclass(frozen=True)
class Walk:
    """What was counted. ``words`` by (nest, level, tensor, kind), ``cycles`` and ``useful`` by (nest, unit, Einsum)."""

    words: Mapping[tuple[str, str, str, str], float]
    cycles: Mapping[tuple[str, str, str], float]
    useful: Mapping[tuple[str, str, str], float]


def machine_figures(machine: Machine) -> dict[str, float]:
    """Return every figure of *machine* as a number."""
    expressions = figures(machine)
    known: dict[str, float] = {}
    waiting = dict(expressions)
    while waiting:
        before = len(waiting)
        for name, expression in list(waiting.items()):
            try:
                known[name] = float(value_of(expression, known))
            except (KeyError, NotWalkedError):
                continue
            del waiting[name]
        if len(waiting) == before:
            break
    return known


def spaces(mapped: Mapped, machine: Machine, given: Mapping[str, int]) -> list[Space]:
    """Return the ranks of each nest with all sizes known."""
    numbers = machine_figures(machine)
    found: list[Space] = []
    for nest in mapped.nests:
        digits: dict[str, int] = {}
        partition: dict[str, int] = {}
        for root in nest.roots.values():
            for digit in root.digits[1:]:
                if isinstance(digit.rule, Fit) or digit.rule is None:
                    raise NotWalkedError("a tile found by fit()")
                size = int(value_of(digit.rule, {**numbers, **given}))
                digits[digit.name] = size
                if digit.size_name in mapped.cascade.ranks:
                    partition[digit.size_name] = size
        found.append(
            Space(mapped.cascade, nest, resolve_sizes(mapped.cascade, {**given, **partition}), digits)
        )
    return found


def walk(mapped: Mapped, machine: Machine, sizes: Mapping[str, int]) -> Walk:
    """Return what is counted in a walk through every iteration of *mapped* on *machine* (one core)."""
    numbers = machine_figures(machine)
    words: Counter[tuple[str, str, str, str]] = Counter()
    cycles: Counter[tuple[str, str, str]] = Counter()
    useful: Counter[tuple[str, str, str]] = Counter()
    for nest, space in zip(mapped.nests, spaces(mapped, machine, sizes), strict=True):
        trace = Trace(mapped, nest, space)
        steps = trace.steps()
        counter = Steps(mapped, machine, numbers, space)
        for step in steps:
            for total, part in zip((cycles, useful), counter.of(step), strict=True):
                for (unit, einsum), value in part.items():
                    total[nest.name, unit, einsum] += value  # type: ignore[assignment]
        for (level, tensor, kind), value in words_of(trace, machine, steps).items():
            words[nest.name, level, tensor, kind] += value
    return Walk(*({k: v for k, v in found.items() if v} for found in (words, cycles, useful)))


__all__ = ["Nest", "Walk", "Words", "Work", "walk"]
