"""Cores that share a level in groups: what runs side by side, and in which order the level sees it (docs/mappings.md, 9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fusemax.machine import Machine
from fusemax.mapping.nest import Nest, Residence
from tests.walk.trace import Step

Task = tuple[int, ...]


@dataclass(frozen=True)
class Grouping:
    """So many ``cores`` share ``level``; the loops ``beside`` run side by side on them. ``spread`` are those of a task."""

    level: str
    cores: int
    beside: tuple[str, ...]
    spread: tuple[str, ...]

    def team(self, task: Task) -> Task:
        """Return what tells the group apart that does *task*."""
        return tuple(value for loop, value in zip(self.spread, task, strict=True) if loop not in self.beside)

    def seen(self, place: Residence) -> Residence:
        """Return *place* with the loops that tell its tiles apart: where a group shares it, not those side by side."""
        if place.level != self.level:
            return place
        return replace(place, loops=tuple(loop for loop in place.loops if loop not in self.beside))

    def moment(self, step: Step) -> tuple[int, ...]:
        """Return when *step* is done: all cores of a group go through their bodies together."""
        found: list[int] = []
        for at, opened in zip(step.body.node, step.body.opened, strict=True):
            found += [at, *(step.setting[loop] for loop in opened if loop not in self.beside)]
        return (*found, -1, *(step.setting[loop] for loop in self.beside))


def grouping_of(machine: Machine, numbers: Mapping[str, float], nest: Nest) -> Grouping | None:
    """Return how cores work together in *nest*; None where nothing is kept at a level that groups of them share."""
    for place in nest.residences:
        if place.level in machine.levels and machine.levels[place.level].shared_by is not None:
            return Grouping(place.level, int(numbers[f"{place.level}.shared_by"]), nest.beside, nest.spread)
    return None


def dealt_in_groups(grouping: Grouping, weights: Mapping[Task, float], cores: int) -> dict[Task, int]:
    """Return the core of each task: groups take teams, the heaviest first, each the group that is free first.

    A team weighs what its heaviest core does. In a group the first core does the first iteration side by side.
    """
    teams: dict[Task, list[Task]] = defaultdict(list)
    for task in weights:
        teams[grouping.team(task)].append(task)
    heaviest = {team: max(weights[task] for task in tasks) for team, tasks in teams.items()}
    busy = [0.0] * (cores // grouping.cores)
    found: dict[Task, int] = {}
    for team in sorted(teams, key=lambda team: -heaviest[team]):
        group = min(range(len(busy)), key=lambda g: (busy[g], g))
        busy[group] += heaviest[team]
        found |= {task: group * grouping.cores + n for n, task in enumerate(sorted(teams[team]))}
    return found


def together(steps: Sequence[Step], grouping: Grouping) -> list[int]:
    """Return the numbers of *steps* in the order in which groups do them."""
    return sorted(range(len(steps)), key=lambda n: grouping.moment(steps[n]))
