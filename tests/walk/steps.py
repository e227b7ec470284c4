"""Steps of units: how long each operation of an Einsum keeps its lanes busy in one iteration of a body."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from fusemax.analysis.work import Operation, operations
from fusemax.cascade.ir import Einsum
from fusemax.machine import Machine
from fusemax.mapping.nest import Body, Mapped, Root, sides
from fusemax.mapping.units import lowered, taken_parts
from fusemax.quantity import quantity
from tests.walk.space import Setting, Space, value_of
from tests.walk.trace import Step

#: Cycles by unit and Einsum.
Work = Counter[tuple[str, str]]


def jobs(
    mapped: Mapped, machine: Machine, figures: Mapping[str, float], einsum: Einsum
) -> list[tuple[str, Operation, float]]:
    """Return what *einsum* is made of: unit, operation and the part of it that this unit does."""
    found: list[tuple[str, Operation, float]] = []
    when = mapped.when.get(einsum.name)
    often = 1.0 if when is None else value_of(when, figures)
    for index, operation in enumerate(operations(mapped.cascade, einsum)):
        unit = mapped.bind[einsum.name, index]
        for part in lowered(machine, unit, operation, taken_parts(mapped.offload, einsum.name)):
            others = mapped.offload.get((einsum.name, part.name), {})
            taken = {other: value_of(share, figures) for other, share in others.items()}
            rest = 1.0 - sum(taken.values())
            found += [(unit, part, rest)] if rest > 1e-12 else []
            found += [(other, part, share) for other, share in taken.items() if share > 0]
    return [(unit, part, share * often) for unit, part, share in found]


def cycles_of(
    mapped: Mapped, machine: Machine, figures: Mapping[str, float], unit: str, operation: Operation
) -> float:
    """Return for how many cycles *operation* keeps a lane of *unit* busy."""
    entries = machine.units[unit].operations[operation.name].widths
    if not entries:
        return figures[f"{unit}.operations.{operation.name}"]
    sizes = [
        value_of(mapped.words[tensor], figures) if tensor in mapped.words else figures["word"]
        for tensor in operation.reads
    ] or [figures["word"]]
    cycles = {
        bits: figures[f"{unit}.operations.{operation.name}.{bits}bit"]
        for bits in (int(quantity(key, "B") * 8) for key in entries)
    }
    wanted = 8 * max(sizes)
    for bits in sorted(cycles):
        if bits >= wanted:
            return cycles[bits]
    return cycles[max(cycles)] * wanted / max(cycles)


class Steps:
    """The cycles and useful lane-cycles of iterations, found once for each shape of tile."""

    def __init__(self, mapped: Mapped, machine: Machine, figures: Mapping[str, float], space: Space) -> None:
        self.mapped, self.machine, self.figures, self.space = mapped, machine, figures, space
        self.jobs = {
            name: jobs(mapped, machine, figures, mapped.einsum(name))
            for b in space.nest.bodies
            for name in b.einsums
        }

    def of(self, step: Step) -> tuple[Work, Work]:
        """Return the cycles and the useful lane-cycles of one iteration, by unit and Einsum."""
        cycles: Work = Counter()
        useful: Work = Counter()
        for name in step.body.einsums:
            einsum = self.mapped.einsum(name)
            for unit, operation, part in self.jobs[name]:
                each = cycles_of(self.mapped, self.machine, self.figures, unit, operation)
                spatial = self._spread(step.body, unit, einsum.reduced, operation.variables)
                cycles[unit, name] += (  # type: ignore[assignment]
                    part * each * self._rounds(unit, spatial, operation.variables, step.setting)
                )
                useful[unit, name] += (  # type: ignore[assignment]
                    part * each * self.space.useful(einsum, operation.variables, step.setting)
                )
        return cycles, useful

    def _spread(
        self, body: Body, unit: str, reduced: Iterable[str], variables: Iterable[str]
    ) -> Mapping[str, str]:
        """Return what runs over lanes: sums only along ``sums``; a dimension that they leave takes one of several digits."""
        sums, digits_of = self.machine.units[unit].sums, self.space.nest.digits_of
        spatial = {d: s for d, s in body.spatial.get(unit, {}).items() if d in digits_of(variables)}
        if sums is None:
            return spatial
        alone = [d for d in digits_of(reduced) & {*spatial} if any(s not in sums for s in sides(spatial[d]))]
        by_side: dict[str, list[str]] = {side: [] for side in spatial.values()}
        for digit, side in spatial.items():
            by_side[side] += [] if digit in alone else [digit]
        for digits in by_side.values():
            full = next((others for others in by_side.values() if not digits and len(others) > 1), None)
            if full is not None:
                digits.append(full.pop(0))
        return {digit: side for side, digits in by_side.items() for digit in digits}

    def _rounds(
        self, unit: str, spatial: Mapping[str, str], variables: Iterable[str], setting: Setting
    ) -> int:
        """Return in how many steps the lanes of *unit* go through all points of *variables* inside *setting*."""
        return self.space.once(
            ("rounds", unit, tuple(spatial.items()), tuple(sorted(variables))), sorted(variables), setting,
            lambda: self._counted(unit, spatial, variables, setting),
        )  # fmt: skip

    def _counted(
        self, unit: str, spatial: Mapping[str, str], variables: Iterable[str], setting: Setting
    ) -> int:
        shape = {d: int(self.figures[f"{unit}.{d}"]) for d in self.machine.units[unit].shape}
        wanted = set(variables)
        groups = [
            self._groups(root, spatial, wanted, setting) for root in self.space.roots_of(sorted(wanted))
        ]
        rounds = 0
        for combination in itertools.product(*groups):
            lanes = defaultdict(lambda: 1)
            for group in combination:
                for dimension, count in group.items():
                    lanes[dimension] *= count
            rounds += math.prod(
                math.ceil(count / math.prod(shape[side] for side in sides(dimension)))
                for dimension, count in lanes.items()
            )
        return rounds

    def _groups(
        self, root: Root, spatial: Mapping[str, str], wanted: set[str], setting: Setting
    ) -> list[dict[str, int]]:
        """Return, for each value of what runs in time, how many different values each dimension of the unit takes."""
        own = [v for v in (root.name, *(d.name for d in root.digits)) if v in wanted]
        whole = root.name in own
        digits = [d.name for d in root.digits if whole or d.name in own]
        across = [d for d in digits if d in spatial]
        in_time = [d for d in digits if d not in spatial]
        found: dict[tuple[int, ...], list[dict[str, int]]] = defaultdict(list)
        for point in self.space.inside(root, setting):
            found[tuple(point[d] for d in in_time)].append(point)
        groups: list[dict[str, int]] = []
        for points in found.values():
            group: dict[str, int] = {}
            for dimension in dict.fromkeys(spatial[d] for d in across):
                mine = [d for d in across if spatial[d] == dimension]
                group[dimension] = len({tuple(p[d] for d in mine) for p in points})
            groups.append(group)
        return groups
