"""Time: what each unit and level needs, and how the schedule of a nest lets them overlap."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from fusemax.cost.counts import Move, NestCounts
from fusemax.cost.program import Label, Writer
from fusemax.cost.symbols import ceildiv, greatest, symbol, to_sympy
from fusemax.machine import Machine
from fusemax.mapping.build import tile_expression
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import Step, Stall

ZERO = sympy.Integer(0)


def write_times(
    writer: Writer, machine: Machine, mapped: Mapped, nests: Sequence[tuple[NestCounts, Sequence[Move]]]
) -> sympy.Symbol:
    """Write the times of all nests, ``bound_s`` and ``latency_s``; return the symbol of the latency.

    Nests are phases: they run one after another, each launched once. Within one, memory time overlaps with computing
    (prefetching), and units overlap as the schedule says.
    """
    latency: sympy.Expr = ZERO
    bound: sympy.Expr = ZERO
    for counts, moves in nests:
        times = _NestTimes(writer, machine, mapped, counts, moves)
        latency += times.latency() + symbol("launch")
        bound += times.bound()
    writer.add("bound_s", bound, Label("bound"))
    return writer.add("latency_s", latency, Label("latency"))


class _NestTimes:
    def __init__(
        self, writer: Writer, machine: Machine, mapped: Mapped, counts: NestCounts, moves: Sequence[Move]
    ) -> None:
        self.writer, self.machine, self.mapped = writer, machine, mapped
        self.counts, self.moves = counts, moves
        self.name = counts.nest.name
        self.share = self._share()
        self.cycles = self._cycles()
        self.levels = self._level_times()
        self.units = self._unit_times()

    def _share(self) -> sympy.Expr:
        """Return the part of all work that the busiest core does: rounds of tasks over the tasks."""
        if not self.counts.nest.spread:
            return sympy.Integer(1) if str(self.machine.replicas) == "1" else 1 / symbol("replicas")
        tasks = self.counts.tasks
        rounds = ceildiv(tasks, symbol("replicas"))
        return self.writer.add(f"share[{self.name}]", rounds / tasks, Label("share", nest=self.name))

    def _cycles(self) -> dict[tuple[str, str], sympy.Expr]:
        """Write and return the cycles of each (unit, Einsum) on the busiest core."""
        totals: dict[tuple[str, str], sympy.Expr] = {}
        for job in self.counts.jobs:
            cost = job.steps * symbol(f"{job.unit}.operations.{job.operation}")
            key = (job.unit, job.einsum)
            totals[key] = totals.get(key, ZERO) + cost
        return {
            (unit, einsum): self.writer.add(
                f"cycles[{unit},{einsum}]",
                value * self.share,
                Label("cycles", nest=self.name, unit=unit, einsum=einsum),
            )
            for (unit, einsum), value in totals.items()
        }

    def _unit_times(self) -> dict[str, sympy.Expr]:
        units = dict.fromkeys(unit for unit, _ in self.cycles)
        return {
            unit: self.writer.add(
                f"time_s[{self.name},{unit}]",
                sum((c for (u, _), c in self.cycles.items() if u == unit), ZERO) / symbol("clock"),
                Label("time", nest=self.name, unit=unit),
            )
            for unit in units
        }

    def _level_times(self) -> dict[str, sympy.Expr]:
        times: dict[str, sympy.Expr] = {}
        for name, level in self.machine.levels.items():
            moved = [move for move in self.moves if move.level == name]
            if not moved or (level.bandwidth is None and level.ports is None):
                continue
            size = sum((move.words * self._word(move.tensor) for move in moved), ZERO)
            size *= self.share if level.per_core else sympy.Integer(1)
            ways: list[sympy.Expr] = []
            if level.bandwidth is not None:
                ways.append(size / symbol(f"{name}.bandwidth"))
            if level.ports is not None:
                ways.append(size / symbol(f"{name}.line") / symbol(f"{name}.ports") / symbol("clock"))
            time = greatest(*ways) if len(ways) > 1 else ways[0]
            label = Label("time", nest=self.name, level=name)
            times[name] = self.writer.add(f"time_s[{self.name},{name}]", time, label)
        return times

    def _word(self, tensor: str) -> sympy.Expr:
        found = self.mapped.words.get(tensor)
        return symbol("word") if found is None else to_sympy(found)

    def bound(self) -> sympy.Expr:
        """Return the larger of all resources' own times: no schedule is quicker."""
        times = (*self.units.values(), *self.levels.values())
        return greatest(*times) if times else ZERO

    def latency(self) -> sympy.Expr:
        """Return the symbol of the nest's time under its schedule."""
        computing = self._computing() / symbol("clock")
        computing = self.writer.add(
            f"computing_s[{self.name}]", computing, Label("computing", nest=self.name)
        )
        time = greatest(computing, *self.levels.values())
        return self.writer.add(f"phase_s[{self.name}]", time, Label("phase", nest=self.name))

    def _computing(self) -> sympy.Expr:
        schedule = self.counts.nest.schedule
        if schedule == "serial":
            return sum(self.cycles.values(), ZERO)
        if isinstance(schedule, str):
            per_unit = [time * symbol("clock") for time in self.units.values()]
            return greatest(*per_unit) if per_unit else ZERO
        return sum((self._step(number, step) for number, step in enumerate(schedule)), ZERO)

    def _step(self, number: int, step: Step) -> sympy.Expr:
        if isinstance(step, Stall):
            cycles = to_sympy(tile_expression(step.stall)) * self.counts.epochs * self.share
        else:
            mine = [
                sum((self.cycles[unit, einsum] for einsum in einsums if (unit, einsum) in self.cycles), ZERO)
                for unit, einsums in step.items()
            ]
            cycles = greatest(*mine)
        return self.writer.add(
            f"step_cycles[{self.name},{number}]", cycles, Label("step", nest=self.name, action=str(number))
        )
