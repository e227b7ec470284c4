"""Time: what each unit and level needs, and how the schedule of a nest lets them overlap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sympy

from fusemax.cost.counts import Move, NestCounts
from fusemax.cost.program import Label, Writer
from fusemax.cost.recurrence import recurrence_cycles
from fusemax.cost.symbols import ceildiv, greatest, repeated, symbol, to_sympy
from fusemax.cost.tasks import dealt
from fusemax.cost.turns import cycles_in_turns
from fusemax.language.syntax import Number
from fusemax.machine import Machine
from fusemax.mapping.build import tile_expression
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import Overlap, Stall, Step

ZERO = sympy.Integer(0)


def write_times(
    writer: Writer, machine: Machine, mapped: Mapped, nests: Sequence[tuple[NestCounts, Sequence[Move]]]
) -> sympy.Symbol:
    """Write the times of all nests, ``bound_s``, ``slowest_s`` and ``latency_s``; return the symbol of the latency.

    Nests are phases: they run one after another, each launched once. Within one, memory time overlaps with computing
    (prefetching), and units overlap as the schedule says.
    """
    latency: sympy.Expr = ZERO
    bound: sympy.Expr = ZERO
    slowest: sympy.Expr = ZERO
    for counts, moves in nests:
        times = _NestTimes(writer, machine, mapped, counts, moves)
        latency += times.latency() + symbol("launch")
        bound += times.bound()
        slowest += times.slowest() + symbol("launch")
    writer.add("bound_s", bound, Label("bound"))
    writer.add("slowest_s", slowest, Label("slowest"))
    return writer.add("latency_s", latency, Label("latency"))


class _NestTimes:
    def __init__(
        self, writer: Writer, machine: Machine, mapped: Mapped, counts: NestCounts, moves: Sequence[Move]
    ) -> None:
        self.writer, self.machine, self.mapped = writer, machine, mapped
        self.counts, self.moves = counts, moves
        self.name = counts.nest.name
        self.parts = self._parts()
        self.cycles = self._cycles()
        self.levels = self._level_times()
        self.units = self._by_unit(self._unit_times())

    def _parts(self) -> tuple[tuple[sympy.Expr, NestCounts], ...]:
        """Return what the busiest core does: so many times what is counted there."""
        counts = self.counts
        if not counts.kinds:  # one task
            return ((sympy.Integer(1), counts),)
        label = Label("share", nest=self.name)
        weights = [
            self.writer.add(
                f"task_cycles[{self.name},{number}]",
                self._weight(kind),
                Label("task", nest=self.name, action=str(number)),
            )
            for number, (_, kind) in enumerate(counts.kinds)
        ]
        times = (
            dealt([times for times, _ in counts.kinds], weights, counts.cores)
            if counts.under is None
            else counts.under.dealt(weights, counts.nest.deal == "in_order")
        )
        if not counts.nest.spread:  # of one core all, to the last bit
            cores = symbol("replicas")
            times = [
                repeated(cores, mine, every) for mine, (every, _) in zip(times, counts.kinds, strict=True)
            ]
        times = [
            self.writer.add(
                f"core_tasks[{self.name},{number}]",
                value,
                Label("core_tasks", nest=self.name, action=str(number)),
            )
            for number, value in enumerate(times)
        ]
        mine = sympy.Add(*(t * w for t, w in zip(times, weights, strict=True)))
        everybody = sympy.Add(*(t * w for (t, _), w in zip(counts.kinds, weights, strict=True)))
        self.writer.add(f"share[{self.name}]", mine / everybody if everybody != 0 else ZERO, label)
        return tuple((t, kind) for t, (_, kind) in zip(times, counts.kinds, strict=True))

    def _weight(self, kind: NestCounts) -> sympy.Expr:
        """Return the cycles of a task, all units together."""
        return sympy.Add(*(job.steps * job.cycles for job in kind.jobs))

    def _busiest(self, amount: Callable[[NestCounts], sympy.Expr]) -> sympy.Expr:
        """Return on the busiest core what *amount* returns of counts."""
        return sympy.Add(*(times * amount(counts) for times, counts in self.parts))

    def _cycles(self) -> dict[tuple[str, str], sympy.Expr]:
        """Write and return the cycles of each (unit, Einsum) on the busiest core."""
        totals: dict[tuple[str, str], sympy.Expr] = {}
        for times, counts in self.parts:
            for job in counts.jobs:
                cost = times * job.steps * job.cycles
                key = (job.unit, job.einsum)
                totals[key] = totals.get(key, ZERO) + cost
        return {
            (unit, einsum): self.writer.add(
                f"cycles[{unit},{einsum}]",
                value,
                Label("cycles", nest=self.name, unit=unit, einsum=einsum),
            )
            for (unit, einsum), value in totals.items()
        }

    def _unit_times(self) -> dict[str, sympy.Expr]:
        units: dict[str, list[sympy.Expr]] = {}
        for (unit, _), cycles in self.cycles.items():
            units.setdefault(unit, []).append(cycles)
        return {
            unit: self.writer.add(
                f"time_s[{self.name},{unit}]",
                sympy.Add(*cycles) / symbol("clock"),
                Label("time", nest=self.name, unit=unit),
            )
            for unit, cycles in units.items()
        }

    def _by_unit(self, times: Mapping[str, sympy.Expr]) -> dict[str, sympy.Expr]:
        """Return *times* added up by the unit whose lanes work: several names of one unit take turns."""
        found: dict[str, sympy.Expr] = {}
        for name, time in times.items():
            unit = self.machine.physical(name)
            found[unit] = found.get(unit, ZERO) + time
        return found

    def _level_times(self) -> dict[str, sympy.Expr]:
        times: dict[str, sympy.Expr] = {}
        for name, level in self.machine.levels.items():
            moved = [move for move in self.moves if move.level == name]
            if not moved or not level.is_waited_for:
                continue
            own = level.per_core or name == self.counts.shared
            size = self._core_bytes(name) if own else self._bytes(name, self.moves)
            ways: list[sympy.Expr] = []
            if level.bandwidth is not None:
                ways.append(size / symbol(f"{name}.bandwidth"))
            if level.ports is not None:
                ways.append(size / symbol(f"{name}.line") / symbol(f"{name}.ports") / symbol("clock"))
            for way, kinds in (("read", ("read", "drain")), ("write", ("write", "fill"))):
                if getattr(level, f"{way}_bandwidth") is not None:
                    part = sympy.Add(*(self._bytes(name, [move]) for move in moved if move.kind in kinds))
                    part *= size / self._bytes(name, moved) if own else sympy.Integer(1)
                    ways.append(part / symbol(f"{name}.{way}_bandwidth"))
            time = greatest(*ways) if len(ways) > 1 else ways[0]
            label = Label("time", nest=self.name, level=name)
            times[name] = self.writer.add(f"time_s[{self.name},{name}]", time, label)
        return times

    def _core_bytes(self, level: str) -> sympy.Expr:
        """Return the bytes that move at a level inside the busiest core, or at one that the busiest group of cores shares."""
        if level == self.counts.shared:
            pairs = zip(self.parts, self.counts.together, strict=True)
            return sympy.Add(*(times * self._bytes(level, moves) for (times, _), moves in pairs))
        everything = self._bytes(level, self.moves)
        if not self.counts.kinds:
            return self._busiest(lambda _: everything)
        mine = self._busiest(lambda counts: self._bytes(level, counts.moves))
        if self.counts.under is None:
            return mine
        parts = sympy.Add(*(times * self._bytes(level, kind.moves) for times, kind in self.counts.kinds))
        return everything * mine / greatest(sympy.Rational(1, 1000), parts)

    def _bytes(self, level: str, moves: Sequence[Move]) -> sympy.Expr:
        return sympy.Add(*(move.words * self._word(move.tensor) for move in moves if move.level == level))

    def _word(self, tensor: str) -> sympy.Expr:
        found = self.mapped.words.get(tensor)
        return symbol("word") if found is None else to_sympy(found)

    def bound(self) -> sympy.Expr:
        """Return the larger of all resources' own times: no schedule is quicker."""
        times = (*self.units.values(), *self.levels.values())
        return greatest(*times) if times else ZERO

    def slowest(self) -> sympy.Expr:
        """Return the time in which nothing is hidden: all units and levels one after another, waits and starts with them."""
        times = sum((*self.units.values(), *self._reached().values()), self._first_word())
        schedule, epochs = self.counts.nest.schedule, self._busiest(lambda counts: counts.epochs)
        waits: sympy.Expr = ZERO
        if isinstance(schedule, Overlap):
            waits = self._waiting(schedule)
            times += self._begin() * ceildiv(self.counts.tasks, self.counts.cores)
        elif not isinstance(schedule, str):
            stalls = [step.stall for step in schedule if isinstance(step, Stall)]
            waits = sympy.Add(*(to_sympy(tile_expression(stall)) * epochs for stall in stalls))
        return times + waits / symbol("clock")

    def latency(self) -> sympy.Expr:
        """Return the symbol of the nest's time under its schedule."""
        computing = self._computing() / symbol("clock")
        computing = self.writer.add(
            f"computing_s[{self.name}]", computing, Label("computing", nest=self.name)
        )
        begin = self._begin()
        time = self._first_word() + greatest(
            computing, *(begin + level for level in self._reached().values())
        )
        return self.writer.add(f"phase_s[{self.name}]", time, Label("phase", nest=self.name))

    def _reached(self) -> Mapping[str, sympy.Expr]:
        """Return the time of each level as the schedule's accesses reach its bandwidth: of the outermost one maybe a part."""
        schedule = self.counts.nest.schedule
        if not isinstance(schedule, Overlap) or schedule.reached == 1:
            return self.levels
        outermost, part = self.machine.outermost, to_sympy(Number(schedule.reached))
        return {name: time / part if name == outermost else time for name, time in self.levels.items()}

    def _first_word(self) -> sympy.Expr:
        """Return the seconds until the first word is through all levels that the nest uses: their latencies."""
        used = {move.level for move in self.moves}
        return sum(
            (
                symbol(f"{name}.latency")
                for name, level in self.machine.levels.items()
                if level.latency and name in used
            ),
            ZERO,
        )

    def _begin(self) -> sympy.Expr:
        """Return the seconds before the first task of a nest asks for its first word."""
        schedule = self.counts.nest.schedule
        return to_sympy(tile_expression(schedule.start)) if isinstance(schedule, Overlap) else ZERO

    def _computing(self) -> sympy.Expr:
        schedule = self.counts.nest.schedule
        if schedule == "serial":
            return sympy.Add(*self.cycles.values())
        if isinstance(schedule, Overlap):
            return self._partly(schedule)
        if isinstance(schedule, str):
            per_unit = [time * symbol("clock") for time in self.units.values()]
            free = schedule != "auto" or self.counts.band is not None
            chains = () if free else recurrence_cycles(self.mapped, self.parts, self.cycles)
            return greatest(*per_unit, *chains) if per_unit else ZERO
        return sympy.Add(*(self._step(number, step) for number, step in enumerate(schedule)))

    def _partly(self, schedule: Overlap) -> sympy.Expr:
        """Return the cycles of units that overlap in part; each task fills their pipeline with one serial epoch.

        The memories inside a core that are not hidden count as units of it: who waits for them does not compute.
        """
        inside = [
            time
            for name, time in self.levels.items()
            if self.machine.levels[name].per_core and name not in schedule.hidden
        ]
        busy = [time * symbol("clock") for time in (*self.units.values(), *inside)]
        waiting = self._waiting(schedule) if schedule.groups is not None else ZERO
        serial = sum(busy, waiting)
        longest = greatest(*busy)
        steady = self.writer.add(
            f"steady_cycles[{self.name}]",
            cycles_in_turns(busy, tile_expression(schedule.groups), waiting)
            if schedule.groups is not None
            else serial - to_sympy(tile_expression(schedule.overlap or Number(0.0))) * (serial - longest),
            Label("steady", nest=self.name),
        )
        epochs, tasks = (
            self._busiest(lambda counts: counts.epochs),
            self._busiest(lambda counts: counts.tasks),
        )
        fill = (serial - steady) * tasks / greatest(1, epochs)
        rounds = ceildiv(self.counts.tasks, self.counts.cores)
        start = rounds * self._begin() * symbol("clock")
        overhead = self.writer.add(f"start_cycles[{self.name}]", fill + start, Label("start", nest=self.name))
        return steady + overhead

    def _waiting(self, schedule: Overlap) -> sympy.Expr:
        """Return the cycles in which groups are on no unit, those of all epochs of the busiest core."""
        return to_sympy(tile_expression(schedule.wait)) * self._busiest(lambda counts: counts.epochs)

    def _step(self, number: int, step: Step) -> sympy.Expr:
        if isinstance(step, Stall):
            cycles = to_sympy(tile_expression(step.stall)) * self._busiest(lambda counts: counts.epochs)
        else:
            mine = {
                unit: sum(
                    (self.cycles[unit, einsum] for einsum in einsums if (unit, einsum) in self.cycles), ZERO
                )
                for unit, einsums in step.items()
            }
            cycles = greatest(*self._by_unit(mine).values())
        return self.writer.add(
            f"step_cycles[{self.name},{number}]", cycles, Label("step", nest=self.name, action=str(number))
        )
