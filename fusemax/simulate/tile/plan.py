"""From the streams of a nest at one point to the arrays that the clock runs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.dependence import deepest_body
from fusemax.mapping.modulo import Kernel
from fusemax.mapping.nest import Mapped, Nest
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.apart import apart_of
from fusemax.simulate.tile.cores import Members, Steps
from fusemax.simulate.tile.filters import Filters
from fusemax.simulate.tile.flow import LAST, ZERO, Flow, Need
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.listed import table_of
from fusemax.simulate.tile.loads import Loads, Sharing
from fusemax.simulate.tile.order import Order
from fusemax.simulate.tile.shares import Share, Shares
from fusemax.simulate.tile.stays import words_of_stays
from fusemax.simulate.tile.streams import (
    COMPUTE,
    FILL,
    Stream,
    shared_loops,
    streams_of,
)
from fusemax.simulate.tile.values import Point, whole_cycles

MOST_IN_FLIGHT = 1 << 23  #: ends of tasks that a run keeps, all streams together
MOST_COUNTED = float(1 << 61)  #: cycles, tasks and words of a nest, all together
WINDOW_OVERLAPPED = 2  #: values of a tensor in registers: one being made, one being used


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A nest ready to run: its streams, the arrays, and what is needed to read the result."""

    nest: Nest
    geometry: Geometry
    streams: tuple[Stream, ...]
    units: tuple[str, ...]
    channels: tuple[str, ...]
    plan: np.ndarray  # [stream, columns]
    fixed: np.ndarray
    words: tuple[tuple[tuple[int, ...], ...], ...]  # [stream][words entry][class]
    shares: tuple[
        tuple[int, ...], ...
    ]  # [stream][words entry]: its share, -1 where its words follow from the class
    lane_cycles: tuple[tuple[float, ...], ...]  # [stream][class]
    steps: tuple[Steps, ...]
    kernel: Kernel | None
    spilled: Mapping[str, float]


def prepare(
    mapped: Mapped, machine: Machine, nest: Nest, geometry: Geometry, point: Point, sharing: Sharing,
    fast_forward: bool = True, members: Members | None = None,
) -> Prepared:  # fmt: skip
    """Return *nest* at *point*, ready to run on one of the cores that share the machine as *sharing* says.

    *members* are the tasks of that core, None for all of them.
    """
    return _Packer(mapped, machine, nest, geometry, point, sharing, members).pack(fast_forward)


class _Packer:
    def __init__(
        self, mapped: Mapped, machine: Machine, nest: Nest, geometry: Geometry, point: Point,
        sharing: Sharing, members: Members | None,
    ) -> None:  # fmt: skip
        self.mapped, self.machine, self.nest = mapped, machine, nest
        self.geometry, self.point = geometry, point
        self.shares = Shares(mapped, nest, geometry, point.known)
        self.streams = tuple(self.shares.settled(s) for s in streams_of(mapped, machine, nest, point.known))
        self.units = tuple(
            dict.fromkeys(
                machine.physical(s.unit) for s in self.streams if s.kind == COMPUTE and s.unit is not None
            )
        )
        self.loads = loads = Loads(mapped, machine, geometry, point, self.streams, sharing)
        self.roots = {name: number for number, name in enumerate(nest.roots)}
        self.filters = Filters(mapped, nest, geometry, point, self.streams, members, self.shares)
        self._ends()
        held = [whole_cycles(loads.lane_work(n, 0)[0]) for n in range(len(self.streams))]
        latency = [loads.latency(n) for n in range(len(self.streams))]
        self.order = Order(mapped, machine, nest, geometry, point, self.streams, held, latency)

    # --- arrays

    def pack(self, fast_forward: bool) -> Prepared:
        count = len(self.streams)
        words = tuple(self.loads.words(n) for n in range(count))
        shares = [self._shares(n) for n in range(count)]
        needs = self._needs()
        stage, step, position, stalls = self.order.steps()
        self._limits(needs, max(stage) + 1)
        plan = np.zeros((count, clock.SHARED + count), np.int64)
        body = deepest_body(self.nest)
        for n, stream in enumerate(self.streams):
            row = plan[n]
            self._loop_columns(row, n)
            self._task_columns(row, n, words[n], shares[n][1])
            self._need_columns(row, n, needs[n])
            self.filters.write(row, n)
            self._share_columns(row, n, *shares[n])
            self._gap_columns(row, n)
            row[clock.STAGE], row[clock.IN_STEP], row[clock.POSITION] = stage[n], step[n], position[n]
            row[clock.IN_KERNEL] = stream.body is body
            row[clock.SHARED :] = [shared_loops(self.nest, stream.node, s.node) for s in self.streams]
        lane_cycles = tuple(
            tuple(self.loads.lane_work(n, cls)[1] for cls in range(self.loads.classes(n)))
            for n in range(count)
        )
        fixed = self._fixed_row(stalls, plan, fast_forward)
        return Prepared(
            nest=self.nest, geometry=self.geometry, streams=self.streams, units=self.units,
            channels=tuple(c.name for c in self.loads.channels), plan=plan, fixed=self._record(plan, fixed, shares),
            words=words, shares=tuple(tuple(numbers) for _, numbers in shares), lane_cycles=lane_cycles,
            steps=tuple(self._steps(n) for n, s in enumerate(self.streams) if s.kind == COMPUTE and s.unit is not None),
            kernel=self.order.kernel, spilled=self.loads.spilled,
        )  # fmt: skip

    def _steps(self, number: int) -> Steps:
        """Return what stream *number* does on its unit, for the weights of tasks."""
        cycles = tuple(self.loads.lane_work(number, cls)[0] for cls in range(self.loads.classes(number)))
        band = next(iter(self.filters.tiled[number]), None)
        return Steps(
            loops=self.streams[number].loops, cycles=cycles, bits=self.loads.bits[number][0], band=band,
            visits=self.filters.visits[number], gaps=self.loads.gaps[number],
        )  # fmt: skip

    def _shares(self, number: int) -> tuple[list[Share], list[int]]:
        """Return the shares of stream *number* and which one each of its words is; a band that touches a tile is one too."""
        stream, visits = self.streams[number], self.filters.visits[number]
        moves = stream.residence is not None and bool(stream.words)
        if moves and (visits is not None or self.shares.is_listed(stream.words[0], stream)):
            return self._stays(number), [0] * len(stream.words)
        roots = self.filters.touched_roots(number)
        if not roots:
            return self.shares.shares(stream)
        digits = stream.words[0].digits
        other = frozenset(d for d in digits if self.nest.root_of(d).name not in roots)
        return [Share(other, (), 0, frozenset())], [0] * len(stream.words)

    def _stays(self, number: int) -> list[Share]:
        """Return what transfer *number* moves, listed by task, and of sums that come back what goes on from core to core."""
        stream, filters = self.streams[number], self.filters
        tile = filters.touched(number)
        loops, listing, accesses = tile.loops, tile.listing, tile.accesses
        done = np.ones([self.geometry.points([loop], {}) for loop in loops], bool)
        visits = filters.visits[number]
        if visits is not None:
            shape = [n if x in visits.loops else 1 for x, n in zip(loops, done.shape, strict=True)]
            done &= visits.done.reshape(shape)
        spread = self.mapped.task_loops(self.nest)
        words = words_of_stays(
            self.geometry, stream, loops, tile.elements, done.ravel(), filters.members, spread,
            lambda seen: listing.apart(seen, accesses),
        )  # fmt: skip
        digits = self.shares.other_digits(listing, accesses[0]) - set(stream.loops)
        shares = [Share(digits, (), 0, frozenset(tile.roots), table_of(one)) for one in words]
        return shares if stream.again else shares[:1]

    def _record(
        self, plan: np.ndarray, fixed: np.ndarray, shares: Sequence[tuple[list[Share], list[int]]]
    ) -> np.ndarray:
        """Return *fixed* with the shares behind it, and write into *plan* where each stands."""
        parts = [fixed]
        at = len(fixed)
        for n, (mine, _) in enumerate(shares):
            for k, share in enumerate(mine):
                numbers = share.numbers()
                plan[n, clock.SHARE_AT + k] = at if numbers else -1
                parts.append(np.array(numbers, np.int64))
                at += len(parts[-1])
            for k, gap in enumerate(self.loads.gaps[n]):
                plan[n, clock.GAP_AT + k] = at + 1
                parts.append(np.array(gap.table(self.streams[n].loops).numbers(), np.int64))
                at += len(parts[-1])
        return np.concatenate(parts)

    def _limits(self, needs: Sequence[tuple[Need, ...]], stages: int) -> None:
        """Raise FusemaxError when something is larger than the arrays of the clock."""
        sizes = (
            ("loops around a task", max(len(s.loops) for s in self.streams), clock.WIDTH),
            ("ranks", len(self.roots), clock.MAX_ROOTS),
            ("needs of a task", max(len(n) for n in needs), clock.MAX_NEEDS),
            ("ranks with digits left out between loops", max(map(len, self.loads.gaps)), clock.MAX_GAPS),
            ("kinds of ragged tiles", max(self.loads.classes(n) for n in range(len(self.streams))), clock.CLASSES),
            ("levels with bandwidth or ports, each way", len(self.loads.channels), clock.MAX_CHANNELS),
            ("units", len(self.units), clock.MAX_UNITS),
            ("epochs of a pipeline", stages, clock.EPOCHS_KNOWN - 2),
            ("elements of a tile", max(self.geometry.tiles.values(), default=0), 1 << 60),
            ("buffers of a tile", max((r.buffers for r in self.nest.residences), default=0), clock.BUFFERS - 1),
        )  # fmt: skip
        mistakes = [
            f"{what}: {have}, the simulator takes {most}" for what, have, most in sizes if have > most
        ]
        if mistakes:
            raise FusemaxError(f"nest {self.nest.name} of mapping {self.mapped.name}: " + "; ".join(mistakes))

    def _loop_columns(self, row: np.ndarray, number: int) -> None:
        stream = self.streams[number]
        row[clock.LOOPS] = len(stream.loops)
        row[clock.LAST_LOOP : clock.LAST_LOOP + clock.MAX_ROOTS] = -1
        for k, loop in enumerate(stream.loops):
            row[clock.LOOP_ROOT + k] = self.roots[self.nest.root_of(loop).name]
            row[clock.LOOP_UNIT + k] = self.geometry.unit(loop)
            row[clock.LOOP_CAP + k] = self.geometry.tiles.get(loop, 1 << 60)
            row[clock.OWN + k] = loop in stream.own
            row[clock.ANEW + k] = loop in stream.anew
        row[clock.EVEN] = not self.loads.gaps[number] and all(
            self.geometry.sizes[self.nest.root_of(loop).name] % self.geometry.unit(loop) == 0
            for loop in stream.loops
        )
        stride = 1
        for k in reversed(range(len(stream.loops) if row[clock.EVEN] else 0)):
            row[clock.LOOP_STRIDE + k] = stride
            row[clock.LOOP_TRIPS + k] = self._trips(stream.loops, k)
            stride *= self._trips(stream.loops, k)
        for root, k in self.loads.last_loops(stream).items():
            row[clock.LAST_LOOP + self.roots[root]] = k
            row[clock.CLASS_BIT + k] = self.loads.bits[number][0].get(root, 0)
        row[clock.AFTER] = self.order.is_after(number)
        source = self.order.epoch_source(number)
        row[clock.EPOCH_SOURCE : clock.EPOCH_SOURCE + len(source)] = source

    def _trips(self, loops: Sequence[str], position: int) -> int:
        """Return the iterations of a loop in one of those around it, where no tile is short."""
        root = self.nest.root_of(loops[position])
        around = [self.geometry.unit(x) for x in loops[:position] if self.nest.root_of(x) is root]
        return (around[-1] if around else self.geometry.sizes[root.name]) // self.geometry.unit(
            loops[position]
        )

    def _task_columns(
        self, row: np.ndarray, number: int, words: Sequence[Sequence[int]], shares: Sequence[int]
    ) -> None:
        stream, loads = self.streams[number], self.loads
        steady = row[clock.STEADY : clock.STEADY + clock.MAX_CHANNELS * clock.CLASSES].view(np.float64)
        for cls in range(loads.classes(number)):
            if stream.kind == COMPUTE and stream.unit is not None:
                row[clock.CYCLES + cls] = whole_cycles(loads.lane_work(number, cls)[0])
            counted = [entry[cls] if share < 0 else 0 for entry, share in zip(words, shares, strict=True)]
            for c, cycles in enumerate(loads.cycles(number, counted)):
                row[clock.CHANNEL + c * clock.CLASSES + cls] = whole_cycles(cycles) if cycles > 0 else 0
                steady[c * clock.CLASSES + cls] = cycles
        row[clock.TOTAL] = loads.total(number)
        row[clock.LATENCY] = loads.latency(number)
        row[clock.KIND] = stream.kind
        row[clock.ONLY_AGAIN] = stream.kind == FILL and stream.again
        row[clock.AGAIN_BIT] = loads.bits[number][1]
        row[clock.RETURNS] = clock.ONLY_LAST if stream.last else stream.returns
        row[clock.UNIT] = -1 if stream.unit is None else self.units.index(self.machine.physical(stream.unit))

    def _share_columns(
        self, row: np.ndarray, number: int, shares: Sequence[Share], numbers: Sequence[int]
    ) -> None:
        """Write the words of shares per element, and how long each channel takes for one of them."""
        stream = self.streams[number]
        row[clock.SHARES] = len(shares)
        rates = row[clock.RATE : clock.RATE + clock.MAX_SHARES * clock.MAX_CHANNELS].view(np.float64)
        for k, share in enumerate(shares):
            for cls in range(self.loads.classes(number)):
                row[clock.SHARE_WORDS + k * clock.CLASSES + cls] = self.loads.words_of_share(
                    number, share, cls
                )
            for c, cycles in enumerate(self.loads.cycles(number, [int(n == k) for n in numbers])):
                rates[k * clock.MAX_CHANNELS + c] = cycles
            for at, loop in enumerate(stream.loops):
                table = share.table
                moved = (
                    self.nest.root_of(loop).name in share.roots if table is None else table.strides[at] != 0
                )
                row[clock.SHARE_LOOP + at] |= moved
        visits = self.filters.visits[number]
        for loop in visits.loops if visits is not None else ():
            row[clock.SHARE_LOOP + stream.loops.index(loop)] = 1
        roots = self.filters.touched_roots(number)
        if roots:
            bands = self.filters.bands[number]
            row[clock.TOUCH] = (bands[0].row in roots) + 2 * (bands[0].column in roots)
            row[clock.TOUCH_DEPTH] = self.filters.turning(number)

    def _gap_columns(self, row: np.ndarray, number: int) -> None:
        """Note that numbers of tasks are left out where a digit has no loop, and what does not go on alike there."""
        gaps = self.loads.gaps[number]
        row[clock.GAPS] = len(gaps)
        for gap in gaps:
            row[clock.FILTERED] = 1
            for at, loop in enumerate(self.streams[number].loops):
                row[clock.SHARE_LOOP + at] |= loop in gap.loops

    def _need_columns(self, row: np.ndarray, number: int, needs: Sequence[Need]) -> None:
        row[clock.NEED_COUNT] = len(needs)
        for d, need in enumerate(needs):
            row[clock.NEED_ON + d], row[clock.NEED_KIND + d] = need.on, need.kind
            row[clock.NEED_BUFFERS + d], row[clock.NEED_PREFIX + d] = need.buffers, need.prefix
            used = [code if code >= 0 else -2 - code for code in need.source if code not in (LAST, ZERO)]
            loops = self.streams[number].loops
            same = need.source == tuple(range(len(loops))) and self.streams[need.on].loops == loops
            row[clock.NEED_SAME + d] = same
            row[clock.NEED_DEEPEST + d] = max(used, default=-1)
            at = clock.NEED_SOURCE + d * clock.WIDTH
            row[at : at + len(need.source)] = need.source
            for k in need.fresh:
                row[clock.NEED_FRESH + d * clock.WIDTH + k] = 1

    def _in_flight(self) -> int:
        """Return how many ends of tasks of one stream can be ahead at once: results come *latency* cycles after their tasks.

        Raises
        ------
        FusemaxError
            When they would take more memory than a run should.
        """
        most = 4
        for number in range(len(self.streams)):
            held = min(
                whole_cycles(self.loads.lane_work(number, c)[0]) for c in range(self.loads.classes(number))
            )
            most = max(most, min(self.loads.latency(number) // max(1, held), self.loads.total(number)) + 4)
        if most * len(self.streams) > MOST_IN_FLIGHT:
            raise FusemaxError(
                f"nest {self.nest.name} of mapping {self.mapped.name}: {most:,} tasks of an Einsum would be under way at "
                f"once, done by their unit but not drained\n  hint: make tiles larger, or fill and drain smaller"
            )
        return most

    def _ends(self) -> None:
        """Raise FusemaxError when there is more to count, in words, tasks or cycles, than 64-bit numbers hold."""
        longest = 0.0
        for number in range(len(self.streams)):
            loads = self.loads
            each = 1.0 + loads.lane_work(number, 0)[0] + sum(max(entry) for entry in loads.words(number))
            longest += float(loads.total(number)) * each + loads.latency(number)
        if not longest < MOST_COUNTED:
            raise FusemaxError(
                f"nest {self.nest.name} of mapping {self.mapped.name} would take about {longest:.1e} cycles, more than the "
                f"simulator counts ({MOST_COUNTED:.1e})\n  hint: simulate smaller sizes, or use 'fusemax cost'"
            )

    def _fixed_row(self, stalls: Sequence[int], plan: np.ndarray, fast: bool) -> np.ndarray:
        schedule = self.nest.schedule
        fixed = np.zeros(clock.STALL + len(stalls), np.int64)
        fixed[clock.MEMBERS], fixed[clock.BEHIND] = len(fixed), plan[:, clock.STAGE].max(initial=0)
        outside = (plan[:, clock.KIND] == COMPUTE) & (plan[:, clock.IN_KERNEL] == 0)
        back = (
            plan[outside, clock.STAGE] - plan[outside, clock.AFTER]
        )  # their numbers of epochs are asked for
        fixed[clock.STAGES] = back.max(initial=-1) + 1
        fixed[clock.POLICY] = self.order.policy()
        fixed[clock.REFERENCE] = self.order.reference()
        fixed[clock.STEP_COUNT] = len(schedule) if isinstance(schedule, list | tuple) else 1
        fixed[clock.UNITS], fixed[clock.CHANNELS] = len(self.units), len(self.loads.channels)
        fixed[clock.FAST] = fast
        fixed[clock.ALL_ON_UNITS] = all(s.unit is not None for s in self.streams if s.kind == COMPUTE)
        fixed[clock.IN_FLIGHT] = self._in_flight()
        fixed[clock.BEGUN] = clock.WAITS + len(self.streams) + 3
        fixed[clock.FLIGHT] = fixed[clock.BEGUN] + 1 + clock.MAX_SHARES
        fixed[clock.ROOTS] = len(self.roots)
        for name, k in self.roots.items():
            fixed[clock.ROOT_SIZE + k] = self.geometry.sizes[name]
        fixed[clock.STALL :] = stalls
        return np.concatenate([fixed, self.filters.record])

    def _needs(self) -> list[tuple[Need, ...]]:
        window = (
            WINDOW_OVERLAPPED if self.order.policy() in (clock.OVERLAPPED, clock.AUTO) else clock.UNLIMITED
        )
        apart = apart_of(self.mapped, self.machine, self.geometry)
        flow = Flow(self.mapped, self.machine, self.nest, self.streams, window, apart)
        found = [flow.needs(n) for n in range(len(self.streams))]
        return [self.order.widened(n, needs) for n, needs in enumerate(found)] if self.order.kernel else found
