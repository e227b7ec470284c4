"""The tile-level simulator: a mapping executed, task by task, on the units, channels and buffers of a machine.

An independent witness of the cost model: it walks the loops, and shares no formula with it (docs/simulate.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fusemax.cascade.ir import Einsum
from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.dependence import deepest_body
from fusemax.mapping.groups import with_shared_tiles
from fusemax.mapping.lives import held_values
from fusemax.mapping.nest import Mapped, Residence
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.bands import pairs_left
from fusemax.simulate.tile.cores import Members, busiest_core
from fusemax.simulate.tile.counting import Counted, run_for_numbers, sharing_of
from fusemax.simulate.tile.fits import check_room, lanes_of
from fusemax.simulate.tile.geometry import Geometry, cycles_at, digits_of, word_B
from fusemax.simulate.tile.groups import groups_in
from fusemax.simulate.tile.loads import Sharing, served
from fusemax.simulate.tile.plan import prepare
from fusemax.simulate.tile.regions import Conditions, conditions_of, points_left
from fusemax.simulate.tile.result import Buffer, Event, Phase, Simulation, Wait, WordsKey
from fusemax.simulate.tile.room import geometry_of, room_B
from fusemax.simulate.tile.state import State, run_clock
from fusemax.simulate.tile.streams import COMPUTE, FILL, Stream, Words
from fusemax.simulate.tile.timeline import timeline_of
from fusemax.simulate.tile.together import together
from fusemax.simulate.tile.values import Point, point_of
from fusemax.simulate.tile.visits import named_digits, named_roots, points_done

CHANNEL, STEP, OTHER = "channel", "the step before", "its turn"


def simulate(
    mapped: Mapped, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None,
    *, events: int = 0, fast_forward: bool = True,
) -> Simulation:  # fmt: skip
    """Return what happens when *mapped* runs on *machine*.

    Parameters
    ----------
    sizes, figures
        Sizes of ranks, and figures of the machine to replace, as in the cost model.
    events
        How many tasks to write down, from the start of each phase.
    fast_forward
        Whether to jump over steady states. The answer is the same; without it every task is run one by one.

    Raises
    ------
    SizeError, FusemaxError
        For sizes and figures that are missing or unknown, tiles that do not fit, conditions (masks), schedules that wait for
        themselves.
    """
    found = _simulated(mapped, machine, point_of(mapped, machine, sizes, figures or {}), events, fast_forward)
    clock = _held_clock(machine, mapped, sizes, figures or {}, found)
    if clock >= found.clock_Hz:
        return found
    slower = point_of(mapped, machine, sizes, {**(figures or {}), "clock": clock})
    return _simulated(mapped, machine, slower, events, fast_forward)


def _held_clock(
    machine: Machine,
    mapped: Mapped,
    sizes: Mapping[str, int],
    figures: Mapping[str, float],
    found: Simulation,
) -> float:
    """Return the clock under the load of a run at full clock: a unit's power goes with its activity and clock cubed."""
    known = point_of(mapped, machine, sizes, figures).figures
    clocks = [found.clock_Hz]
    for name, unit in machine.units.items():
        if unit.sustained is not None:
            busy = sum(part for other, part in found.utilization.items() if machine.physical(other) == name)
            clocks += [known[f"{name}.sustained"] * busy ** (-1 / 3)] if busy > 0 else []
    return min(clocks)


def _simulated(
    mapped: Mapped, machine: Machine, point: Point, events: int, fast_forward: bool
) -> Simulation:  # fmt: skip
    nests = [geometry_of(mapped, machine, nest, point) for nest in mapped.nests]
    check_room(mapped, machine, point, nests)
    runs = [_Run(mapped, machine, whole, point, events, fast_forward) for whole in nests]
    results = [run.run() for run in runs]
    cycles = sum(phase.cycles for phase in results)
    seconds = cycles / point.figures["clock"]
    return Simulation(
        cycles=cycles,
        clock_Hz=point.figures["clock"],
        latency_s=seconds + sum(point.figures["launch"] + _first_word_s(point, run) for run in runs),
        utilization=_utilization(machine, point, runs, seconds),
        words={key: value for run in runs for key, value in run.words().items()},
        buffers=tuple(buffer for run in runs for buffer in run.buffers()),
        waits=tuple(wait for run in runs for wait in run.waits()),
        phases=tuple(results),
    )


def _first_word_s(point: Point, run: _Run) -> float:
    """Return the seconds until the first word is through all levels that a nest uses."""
    used = {key.level for key in run.words()}
    return sum(point.figures.get(f"{level}.latency", 0.0) for level in used)


def _utilization(machine: Machine, point: Point, runs: list[_Run], seconds: float) -> dict[str, float]:
    clock_cycles = seconds * point.figures["clock"] * point.figures["replicas"]
    busy = {unit: sum(run.lane_cycles(unit) for run in runs) for unit in machine.units}
    return {
        unit: busy[unit] / lanes_of(machine, point, unit) / clock_cycles if clock_cycles else 0.0
        for unit in machine.units
    }


class _Run:
    """One nest: all of it for counting, and the busiest core's part of it for time.

    ``whole`` are its tiles, ``alike`` the same with loops that turn together as one.
    """

    def __init__(
        self, mapped: Mapped, machine: Machine, whole: Geometry, point: Point, events: int, fast_forward: bool
    ) -> None:
        self.mapped, self.machine, self.nest, self.whole = mapped, machine, whole.nest, whole
        nest = self.nest
        lengths = {root.size_name: self.whole.sizes[root.name] for root in nest.roots.values()}
        self.point = point = replace(point, ranks={**point.ranks, **lengths})
        self.groups = groups_in(mapped, machine, self.whole, point)
        dealt = mapped.task_loops(nest) if point.figures["replicas"] > 1 else nest.spread
        self.alike = together(mapped, nest, self.whole, dealt) if self.groups is None else self.whole
        mine = self.alike if self.groups is None else self.groups.first  # of the core that is timed
        self.events, self.fast_forward = events, fast_forward
        self.conditions = {b.node: conditions_of(mapped, self.alike, point, b) for b in nest.bodies}
        members = self._busiest_core(mine)
        self.counted: Counted | None = None
        self.shared: Counted | None = None
        sharing = Sharing()
        if members is not None or self.groups is not None:
            self.counted = self._over_cores(self._count(self.alike, None))
            sharing = self._sharing(self.counted, self._count(mine, members), members)
        self.timed = prepare(mapped, machine, nest, mine, point, sharing, fast_forward, members)
        self.state = State.fresh(self.timed, events)

    def run(self) -> Phase:
        run_clock(self.timed, self.state)
        self._not_stuck()
        self.counted = self.counted or self._over_cores(Counted(self.timed, self.state))
        return self._phase()

    def _busiest_core(self, geometry: Geometry) -> Members | None:
        """Return the tasks, in *geometry*, of the core that has most to do; None: all of them."""
        cores = int(self.point.figures["replicas"]) if self.groups is None else self.groups.count
        spread = self.mapped.task_loops(self.nest)
        if cores == 1 or geometry.points(spread, {}) == 1:
            return None
        steps = prepare(self.mapped, self.machine, self.nest, geometry, self.point, Sharing()).steps
        loops = deepest_body(self.nest).loops
        return busiest_core(geometry, spread, cores, steps, loops, self._in_order(geometry, spread))

    def _in_order(self, geometry: Geometry, spread: Sequence[str]) -> bool:
        """Return whether tasks are dealt as the loops in *spread* run: if the nest says so, and a mask makes them unequal."""
        einsums = (self.mapped.einsum(name) for body in self.nest.bodies for name in body.einsums)
        masked = any(named_digits(geometry, einsum) & {*spread} for einsum in einsums)
        return masked and self.nest.deal == "in_order"

    def _sharing(self, everything: Counted, mine: Counted, members: Members | None) -> Sharing:
        """Return how the busiest core, which does *members* and moves what *mine* counted, shares the levels."""
        total, own = everything.moved_bytes(self._served), mine.moved_bytes(self._served)
        group = own
        if self.groups is not None:
            cores = self._count(self.whole, self.groups.of_group(self.whole, members))
            cores = cores.of_cores(self.nest.spread, self.whole.points(self.nest.beside, {}), self._has_own)
            as_group = self._count(self.groups.geometry, self.groups.as_group(members))
            group = cores.with_groups(self.groups, as_group, self._served)
            shared = self._count(self.groups.geometry, None)
            self.shared = shared.of_groups(self.groups)
            total = everything.with_groups(self.groups, self.shared, self._served)
            self.counted = replace(everything, instead=tuple(everything.at(self.groups.level).values()))
        return sharing_of(total, own, group)

    def _served(self, spilled: Mapping[str, float], entry: Words) -> Iterator[tuple[str, float]]:
        """Yield the levels that serve the words *entry*, each with the bytes of a word there."""
        for level, part in served(self.mapped, self.machine, spilled, entry):
            yield level, part * word_B(self.mapped, self.point, entry.tensor)

    def _count(self, geometry: Geometry, members: Members | None) -> Counted:
        """Run the tasks of *members* on one core alone, for their number only."""
        return run_for_numbers(
            prepare(
                self.mapped, self.machine, geometry.nest, geometry, self.point, Sharing(), self.fast_forward, members
            )
        )  # fmt: skip

    def _over_cores(self, counted: Counted) -> Counted:
        """Return what all cores move: a memory that every core has gets tiles in each of them."""
        cores = int(self.point.figures["replicas"])
        return counted.of_cores(self.mapped.task_loops(self.nest), cores, self._has_own)

    def _not_stuck(self) -> None:
        if not self.state.chip[clock.STUCK]:
            return
        plan, state, streams = self.timed.plan, self.state, self.timed.streams
        lines = []
        for n, stream in enumerate(streams):
            issued = state.streams[n, clock.ISSUED]
            for d in range(plan[n, clock.NEED_COUNT] if issued < plan[n, clock.TOTAL] else 0):
                on, need = plan[n, clock.NEED_ON + d], state.streams[n, clock.NEED + d]
                if state.streams[on, clock.FINISHED] < need:
                    lines.append(
                        f"  {stream.name} (task {issued}) waits for task {need - 1} of {streams[on].name}"
                    )
        raise FusemaxError(
            f"the schedule of nest {self.nest.name} of mapping {self.mapped.name} waits for itself:\n"
            + "\n".join(lines)
            + "\n  hint: change the order of its steps, keep more buffers, or use 'schedule: auto'"
        )

    # --- what came out

    def words(self) -> dict[WordsKey, float]:
        """Return words by tensor, level and kind, as counted task by task."""
        assert self.counted is not None
        exact: dict[tuple[WordsKey, float], int] = {}
        spilled = self.counted.prepared.spilled
        for entry, moved in (*self.counted.entries(), *(self.shared.entries() if self.shared else ())):
            for level, part in served(self.mapped, self.machine, spilled, entry):
                key = WordsKey(self.nest.name, level, entry.tensor, entry.kind)
                exact[key, part] = exact.get((key, part), 0) + moved
        total: dict[WordsKey, float] = {}
        for (key, part), count in exact.items():
            total[key] = total.get(key, 0) + (count if part == 1.0 else count * part)
        return total

    def _has_own(self, residence: Residence | None) -> bool:
        """Return whether each core has the place of *residence* for itself."""
        level = None if residence is None else self.machine.levels.get(residence.level)
        return residence is not None and (level is None or level.per_core)

    def lane_cycles(self, unit: str) -> float:
        """Return the cycles of all lanes of *unit*, over all cores."""
        assert self.counted is not None
        prepared, state = self.counted.prepared, self.counted.state
        return sum(
            state.moved(n, cls) * each
            for n, stream in enumerate(prepared.streams)
            if stream.unit == unit and not self._has_condition(stream)
            for cls, each in enumerate(prepared.lane_cycles[n])
        ) + sum(self._useful(s) for s in prepared.streams if s.unit == unit)

    def _has_condition(self, stream: Stream) -> bool:
        """Return whether the Einsum of *stream* itself has a condition; those beside it do whole tiles."""
        return stream.einsum is not None and bool(self.mapped.einsum(stream.einsum).conditions)

    def _useful(self, stream: Stream) -> float:
        """Return the lane-cycles of a stream under a condition: one for each point that it leaves."""
        if stream.body is None or stream.einsum is None or not self._has_condition(stream):
            return 0.0
        masks = self.conditions[stream.body.node]
        einsum = self.mapped.einsum(stream.einsum)
        tied = (
            (masks.band.row, masks.band.column) if masks.band is not None else named_roots(self.alike, einsum)
        )
        total = 0.0
        for operation, share in stream.work:
            digits = digits_of(self.nest, operation.variables) | set(stream.body.loops)
            others = {d for d in digits if self.nest.root_of(d).name not in tied}
            points = self.alike.points(others, {}) * self._points(masks, einsum, digits, stream.body.loops)
            total += points * cycles_at(self.mapped, self.machine, self.point, stream.unit, operation) * share
        return total

    def _points(self, masks: Conditions, einsum: Einsum, digits: frozenset[str], loops: Sequence[str]) -> int:
        """Return how many values *digits* of the ranks that are named take together where *masks* leave a point."""
        if masks.band is not None:
            return pairs_left(self.alike, masks.band, digits)
        if masks.visits is None and einsum.name in masks.regions:
            return points_left(self.alike, masks.regions[einsum.name], digits, loops)
        return points_done(self.mapped, self.alike, self.point, einsum, digits)

    def buffers(self) -> list[Buffer]:
        """Return the high-water mark of every buffer, and of the values that live in registers."""
        found: list[Buffer] = []
        kept = self.nest if self.groups is None else with_shared_tiles(self.nest, self.groups.level)
        for residence, tile in zip(self.nest.residences, kept.residences, strict=True):
            tiles = self._tiles_alive(residence)
            size = room_B(self.mapped, self.point, self.whole, tile)
            found.append(
                Buffer(
                    nest=self.nest.name, level=residence.level, tensor=residence.tensor, high_water_B=size * tiles,
                    tiles=tiles, buffers=residence.buffers,
                )
            )  # fmt: skip
        return found + self._registers()

    def _tiles_alive(self, residence) -> int:
        for n, stream in enumerate(self.timed.streams):
            if stream.kind == FILL and stream.residence == residence and not stream.again:
                return int(self.state.streams[n, clock.ALIVE])
        if residence.staged:
            return residence.buffers
        return min(max(residence.buffers, 1), self.whole.points(residence.loops, {}))

    def _registers(self) -> list[Buffer]:
        found: list[Buffer] = []
        kept = {r.tensor for r in self.nest.residences}
        waiting = {
            value.tensor
            for body in self.nest.bodies
            for value in held_values(self.mapped, self.machine, self.nest, body)
        }  # all else passes element by element
        for n, stream in enumerate(self.timed.streams):
            plan = self.timed.plan
            kinds = {int(plan[n, clock.NEED_KIND + d]) for d in range(plan[n, clock.NEED_COUNT])}
            if (
                stream.kind != COMPUTE
                or stream.einsum in kept
                or stream.einsum not in waiting
                or clock.WINDOW not in kinds
                or stream.unit is None
            ):
                continue
            tiles = int(self.state.streams[n, clock.ALIVE])
            loops = dict.fromkeys(stream.loops, 0)
            assert stream.einsum is not None
            words = self.whole.points(stream.own, loops)
            size = words * word_B(self.mapped, self.point, stream.einsum)
            found.append(
                Buffer(
                    nest=self.nest.name, level=f"{stream.unit} registers", tensor=stream.einsum,
                    high_water_B=size * tiles, tiles=tiles, buffers=0,
                )
            )  # fmt: skip
        return found

    def waits(self) -> list[Wait]:
        """Return who waited for whom, the longest waits first."""
        streams = self.timed.streams
        names = [*(s.name for s in streams), CHANNEL, STEP, OTHER]
        found = [
            Wait(nest=self.nest.name, unit=stream.unit or "", waiting=stream.name, on=names[k], cycles=int(cycles))
            for n, stream in enumerate(streams)
            for k, cycles in enumerate(self.state.streams[n, clock.WAITS : clock.WAITS + len(names)])
            if cycles
        ]  # fmt: skip
        return sorted(found, key=lambda w: (-w.cycles, w.unit, w.waiting, w.on))

    def _phase(self) -> Phase:
        state, prepared = self.state, self.timed
        names = (*prepared.units, *prepared.channels)
        return Phase(
            nest=self.nest.name,
            cycles=int(state.chip[clock.NOW]),
            skipped_cycles=int(state.chip[clock.SKIPPED]),
            epochs=int(state.streams[prepared.fixed[clock.REFERENCE], prepared.fixed[clock.BEGUN]]),
            busy_cycles={
                name: int(cycles) for name, cycles in zip(names, state.chip[clock.BUSY :], strict=False)
            },
            kernel=prepared.kernel,
            events=self._events(),
            timeline=timeline_of(state, names),
        )

    def _events(self) -> tuple[Event, ...]:
        streams = self.timed.streams
        rows = self.state.trace[: self.state.chip[clock.TRACED]].tolist()
        return tuple(
            Event(name=streams[s].name, unit=_place(streams[s]), number=number, start=start, end=end)
            for s, number, start, end in rows
        )


def _place(stream: Stream) -> str:
    if stream.kind == COMPUTE:
        return stream.unit or "none"
    assert stream.residence is not None
    return f"{stream.residence.level} moves"
