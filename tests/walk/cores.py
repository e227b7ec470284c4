"""Which core does which iteration: the loops in ``spread`` make tasks, and tasks go to cores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fusemax.language.syntax import names
from fusemax.mapping.nest import Mapped, Nest
from tests.walk.groups import Grouping, Task, dealt_in_groups
from tests.walk.steps import Work
from tests.walk.trace import Step


def spread_loops(mapped: Mapped, nest: Nest) -> tuple[str, ...]:
    """Return the loops that are spread over cores: those that the mapping names, or the outermost one.

    Not so where that one runs over generations, which follow each other: the nest is one task.
    """
    if nest.spread:
        return nest.spread
    generations = {mapped.einsum(name).loop for body in nest.bodies for name in body.einsums}
    outermost = nest.bodies[0].opened[0][:1]
    of_root = {root.name for root in nest.roots.values() if {d.name for d in root.digits} & {*outermost}}
    return () if generations & {*outermost, *of_root} else outermost


def tasks_of(mapped: Mapped, nest: Nest, steps: Sequence[Step]) -> list[Task]:
    """Return the task that each of *steps* belongs to: its values of the loops that are spread."""
    loops = spread_loops(mapped, nest)
    return [tuple(step.setting[loop] for loop in loops) for step in steps]


def has_unequal_tasks(mapped: Mapped, nest: Nest) -> bool:
    """Return whether a condition compares what a loop over cores runs over: then a mask makes tasks unequal."""
    spread = {*spread_loops(mapped, nest)}
    for einsum in (mapped.einsum(name) for body in nest.bodies for name in body.einsums):
        for condition in einsum.conditions:
            used = [n for side in (condition.left, condition.right) for n in names(side) if n[0].islower()]
            if nest.digits_of(used) & spread:
                return True
    return False


def cores_of(
    nest: Nest,
    tasks: Sequence[Task],
    work: Sequence[Work],
    cores: int,
    masked: bool,
    grouping: Grouping | None = None,
) -> dict[Task, int]:
    """Return the core of each task; *work* holds the cycles of each step, *tasks* the task of each.

    A task goes to the core that is free first, the heaviest first: its weight is that of all its units together. Where a
    mask makes tasks unequal, ``deal: in_order`` takes them as the loops run.
    """
    weights: Counter[Task] = Counter()
    for task, part in zip(tasks, work, strict=True):
        weights[task] += sum(part.values())  # type: ignore[assignment]
    if grouping is not None:
        return dealt_in_groups(grouping, weights, cores)
    order = list(weights)
    if not (masked and nest.deal == "in_order"):
        order.sort(key=lambda task: -weights[task])
    busy = [0.0] * cores
    found: dict[Task, int] = {}
    for task in order:
        core = min(range(cores), key=lambda c: (busy[c], c))
        busy[core] += weights[task]
        found[task] = core
    return found
