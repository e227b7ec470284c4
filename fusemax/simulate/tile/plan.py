"""From the streams of a nest at one point to the arrays that the clock runs on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.mapping.dependence import deepest_body
from fusemax.mapping.modulo import Kernel
from fusemax.mapping.nest import Mapped, Nest, sides
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.cores import Members
from fusemax.simulate.tile.filters import Filters
from fusemax.simulate.tile.flow import LAST, ZERO, Flow, Need
from fusemax.simulate.tile.geometry import Geometry, digits_of, word_B
from fusemax.simulate.tile.order import Order
from fusemax.simulate.tile.room import Stock, capacity_B
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
    lane_cycles: tuple[tuple[float, ...], ...]  # [stream][class]
    kernel: Kernel | None
    spilled: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How cores share what is not each core's own: ``cores`` of them use its bandwidth at once.

    A tile that comes to a shared level comes for all of them: ``moved`` is how often each stream moves one in the whole nest,
    ``own`` how often in one core's part of it, by the stream's name (of any other stream each core moves its own).
    """

    cores: float = 1.0
    moved: Mapping[str, int] = field(default_factory=dict)
    own: Mapping[str, int] = field(default_factory=dict)


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
        self.geometry, self.point, self.sharing = geometry, point, sharing
        self.streams = streams_of(mapped, machine, nest, point.known)
        self.units = tuple(
            dict.fromkeys(
                machine.physical(s.unit) for s in self.streams if s.kind == COMPUTE and s.unit is not None
            )
        )
        self.channels = tuple(
            name
            for name, level in machine.levels.items()
            if level.bandwidth is not None or level.ports is not None
        )
        self.roots = {name: number for number, name in enumerate(nest.roots)}
        self.bits = [self._bits(s) for s in self.streams]
        self.filters = Filters(mapped, nest, geometry, point, self.streams, members)
        self.spilled = self._spilled()
        self._ends()
        held = [whole_cycles(self._lane_work(n, 0)[0]) for n in range(len(self.streams))]
        latency = [self._latency(n) for n in range(len(self.streams))]
        self.order = Order(mapped, machine, nest, geometry, point, self.streams, held, latency)

    # --- classes of tiles

    def _last_loops(self, stream: Stream) -> dict[str, int]:
        """Return the position of the innermost loop of each root among *stream*'s."""
        return {self.nest.root_of(loop).name: k for k, loop in enumerate(stream.loops)}

    def _bits(self, stream: Stream) -> tuple[dict[str, int], int]:
        """Return a bit for each root whose last tile is short, and the bit of later visits (0: none)."""
        bits: dict[str, int] = {}
        bit = 1
        for root, k in self._last_loops(stream).items():
            self._no_gap(stream, root)
            unit, size = self.geometry.unit(stream.loops[k]), self.geometry.sizes[root]
            if size > unit and size % unit:
                bits[root] = bit
                bit *= 2
        return bits, bit if stream.again and stream.kind == COMPUTE else 0

    def _no_gap(self, stream: Stream, root: str) -> None:
        digits = [d.name for d in self.nest.roots[root].digits]
        used = [d in stream.loops for d in digits]
        skipped = [
            d for d, u, later in zip(digits, used, _any_after(used), strict=True)
            if not u and later and self.geometry.points([d], {}) > 1
        ]  # fmt: skip
        if skipped:
            raise FusemaxError(
                f"nest {self.nest.name} of mapping {self.mapped.name} loops over a tile inside {skipped[0]} but not over "
                f"{skipped[0]} itself; the simulator walks digits from the outermost one in\n"
                f"  hint: add {skipped[0]} to the loops around {stream.name}"
            )

    def _fixed(self, stream: Stream, cls: int) -> dict[str, int]:
        """Return digits of *stream*'s loops that stand for tiles of class *cls*."""
        bits, _ = self.bits[self.streams.index(stream)]
        fixed: dict[str, int] = {}
        for loop in stream.loops:
            root = self.nest.root_of(loop)
            rest = self.geometry.sizes[root.name] - 1
            for digit in root.digits:
                value, rest = divmod(rest, self.geometry.unit(digit.name))
                if digit.name == loop:
                    fixed[loop] = value if bits.get(root.name, 0) & cls else 0
        return fixed

    def _classes(self, number: int) -> int:
        bits, again = self.bits[number]
        return 1 << (len(bits) + (again > 0))

    # --- work and words of one task

    def _lane_work(self, number: int, cls: int) -> tuple[float, float]:
        """Return the cycles that the unit is held, and the cycles summed over lanes."""
        stream = self.streams[number]
        fixed = self._fixed(stream, cls)
        held = lanes = 0.0
        for operation, share in stream.work:
            mine = digits_of(self.nest, operation.variables)
            each = self.point.figures[f"{stream.unit}.operations.{operation.name}"] * share
            lanes += self.geometry.points(mine, fixed) * each
            held += self._steps(stream, mine, fixed) * each
        return held, lanes

    def _steps(self, stream: Stream, mine: frozenset[str], fixed: Mapping[str, int]) -> int:
        assert stream.body is not None
        spatial = {d: dim for d, dim in stream.body.spatial.get(stream.unit or "", {}).items() if d in mine}
        steps = self.geometry.points(mine - set(spatial), fixed)
        for dimension in dict.fromkeys(spatial.values()):
            across = self.geometry.points([d for d, dim in spatial.items() if dim == dimension], fixed)
            lanes = math.prod(self.point.figures[f"{stream.unit}.{side}"] for side in sides(dimension))
            steps *= math.ceil(across / lanes)
        return steps

    def _words(self, number: int) -> tuple[tuple[int, ...], ...]:
        stream = self.streams[number]
        again = self.bits[number][1]
        return tuple(
            tuple(
                self.geometry.points(entry.digits, self._fixed(stream, cls))
                if not entry.again or (cls & again)
                else 0
                for cls in range(self._classes(number))
            )
            for entry in stream.words
        )

    def _spilled(self) -> dict[str, float]:
        """Return the part of what a level should keep that does not fit, by level that may overflow."""
        spilled: dict[str, float] = {}
        stock = Stock.of(self.mapped, self.machine, self.nest)
        for level in self.mapped.spill:
            occupied = stock.occupied_B(self.point, self.geometry, level)
            if occupied:
                spilled[level] = max(0.0, 1 - capacity_B(self.point, level) / occupied)
        return spilled

    def _bytes(self, stream: Stream, entries: Sequence[int]) -> dict[str, float]:
        """Return the bytes of one task at each level, what spills at the level outside."""
        total: dict[str, float] = {}
        for entry, words in zip(stream.words, entries, strict=True):
            for level, part in served(self.mapped, self.machine, self.spilled, entry):
                size = words * part * word_B(self.mapped, self.point, entry.tensor)
                total[level] = total.get(level, 0.0) + size
        return total

    def _sharers(self, stream: Stream, level: str) -> float:
        """Return the cores among which *level* is shared when *stream* uses it; a tile for all of them counts once."""
        if self.machine.levels[level].per_core:
            return 1.0
        inner = None if stream.residence is None else self.machine.levels.get(stream.residence.level)
        if inner is None or inner.per_core or stream.name not in self.sharing.moved:
            return self.sharing.cores
        return min(
            self.sharing.cores, self.sharing.moved[stream.name] / max(self.sharing.own[stream.name], 1)
        )

    def _channel_cycles(self, level: str, size_B: float, sharers: float) -> int:
        return whole_cycles(self._cycles(level, size_B, sharers)) if size_B > 0 else 0

    def _cycles(self, level: str, size_B: float, sharers: float) -> float:
        """Return the cycles in which *level* moves *size_B* for each of *sharers* cores."""
        figures, clock_hz = self.point.figures, self.point.figures["clock"]
        cycles = [0.0]
        if f"{level}.bandwidth" in figures:
            cycles.append(size_B * sharers / figures[f"{level}.bandwidth"] * clock_hz)
        if f"{level}.ports" in figures:
            lines = size_B / figures[f"{level}.line"]
            cycles.append(lines / figures[f"{level}.ports"] * sharers)
        return max(cycles)

    # --- schedule

    def _latency(self, number: int) -> int:
        stream = self.streams[number]
        if stream.kind != COMPUTE or stream.unit is None:
            return 0
        figures = self.point.figures
        return whole_cycles(sum(figures.get(f"{stream.unit}.{name}", 0.0) for name in ("fill", "drain")))

    # --- arrays

    def pack(self, fast_forward: bool) -> Prepared:
        count = len(self.streams)
        words = tuple(self._words(n) for n in range(count))
        needs = self._needs()
        stage, step, position, stalls = self.order.steps()
        self._limits(needs, max(stage) + 1)
        plan = np.zeros((count, clock.SHARED + count), np.int64)
        body = deepest_body(self.nest)
        for n, stream in enumerate(self.streams):
            row = plan[n]
            self._loop_columns(row, n)
            self._task_columns(row, n, words[n])
            self._need_columns(row, n, needs[n])
            self.filters.write(row, n)
            self._touch_columns(row, n)
            row[clock.STAGE], row[clock.IN_STEP], row[clock.POSITION] = stage[n], step[n], position[n]
            row[clock.IN_KERNEL] = stream.body is body
            row[clock.SHARED :] = [shared_loops(self.nest, stream.node, s.node) for s in self.streams]
        lane_cycles = tuple(
            tuple(self._lane_work(n, cls)[1] for cls in range(self._classes(n))) for n in range(count)
        )
        return Prepared(
            nest=self.nest, geometry=self.geometry, streams=self.streams, units=self.units, channels=self.channels,
            plan=plan, fixed=self._fixed_row(stalls, max(stage) + 1, fast_forward), words=words, lane_cycles=lane_cycles,
            kernel=self.order.kernel, spilled=self.spilled,
        )  # fmt: skip

    def _limits(self, needs: Sequence[tuple[Need, ...]], stages: int) -> None:
        """Raise FusemaxError when something is larger than the arrays of the clock."""
        sizes = (
            ("loops around a task", max(len(s.loops) for s in self.streams), clock.WIDTH),
            ("ranks", len(self.roots), clock.MAX_ROOTS),
            ("needs of a task", max(len(n) for n in needs), clock.MAX_NEEDS),
            ("kinds of ragged tiles", max(self._classes(n) for n in range(len(self.streams))), clock.CLASSES),
            ("levels with bandwidth or ports", len(self.channels), clock.MAX_CHANNELS),
            ("units", len(self.units), clock.MAX_UNITS),
            ("epochs of a pipeline", stages, clock.EPOCHS_KNOWN - 2),
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
        row[clock.EVEN] = all(
            self.geometry.sizes[self.nest.root_of(loop).name] % self.geometry.unit(loop) == 0
            for loop in stream.loops
        )
        stride = 1
        for k in reversed(range(len(stream.loops) if row[clock.EVEN] else 0)):
            row[clock.LOOP_STRIDE + k] = stride
            row[clock.LOOP_TRIPS + k] = self._trips(stream.loops, k)
            stride *= self._trips(stream.loops, k)
        for root, k in self._last_loops(stream).items():
            row[clock.LAST_LOOP + self.roots[root]] = k
            row[clock.CLASS_BIT + k] = self.bits[number][0].get(root, 0)
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

    def _task_columns(self, row: np.ndarray, number: int, words: Sequence[Sequence[int]]) -> None:
        stream = self.streams[number]
        for cls in range(self._classes(number)):
            if stream.kind == COMPUTE and stream.unit is not None:
                row[clock.CYCLES + cls] = whole_cycles(self._lane_work(number, cls)[0])
            sizes = self._bytes(stream, [entry[cls] for entry in words])
            for c, level in enumerate(self.channels):
                cycles = self._channel_cycles(level, sizes.get(level, 0.0), self._sharers(stream, level))
                row[clock.CHANNEL + c * clock.CLASSES + cls] = cycles
        row[clock.TOTAL] = self._total(number)
        row[clock.LATENCY] = self._latency(number)
        row[clock.KIND] = stream.kind
        row[clock.ONLY_AGAIN] = stream.kind == FILL and stream.again
        row[clock.AGAIN_BIT] = self.bits[number][1]
        row[clock.UNIT] = -1 if stream.unit is None else self.units.index(self.machine.physical(stream.unit))

    def _touch_columns(self, row: np.ndarray, number: int) -> None:
        """Write what a transfer moves per element that a band touches, and how long each channel takes for a word."""
        stream = self.streams[number]
        roots = self.filters.touched_roots(number)
        row[clock.TOUCH] = 0
        if not roots:
            return
        bands = self.filters.bands[number]
        row[clock.TOUCH] = (bands[0].row in roots) + 2 * (bands[0].column in roots)
        row[clock.TOUCH_DEPTH] = self.filters.turning(number)
        other = {d for d in stream.words[0].digits if self.nest.root_of(d).name not in roots}
        for cls in range(self._classes(number)):
            row[clock.TOUCH_WORDS + cls] = self.geometry.points(other, self._fixed(stream, cls))
        sizes = self._bytes(stream, [1] * len(stream.words))
        rates = row[clock.RATE : clock.RATE + clock.MAX_CHANNELS].view(np.float64)
        for c, level in enumerate(self.channels):
            rates[c] = self._cycles(level, sizes.get(level, 0.0), self._sharers(stream, level))

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
            held = min(whole_cycles(self._lane_work(number, c)[0]) for c in range(self._classes(number)))
            most = max(most, min(self._latency(number) // max(1, held), self._total(number)) + 4)
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
            each = 1.0 + self._lane_work(number, 0)[0] + sum(max(entry) for entry in self._words(number))
            longest += float(self._total(number)) * each + self._latency(number)
        if not longest < MOST_COUNTED:
            raise FusemaxError(
                f"nest {self.nest.name} of mapping {self.mapped.name} would take about {longest:.1e} cycles, more than the "
                f"simulator counts ({MOST_COUNTED:.1e})\n  hint: simulate smaller sizes, or use 'fusemax cost'"
            )

    def _total(self, number: int) -> int:
        return self.geometry.points(self.streams[number].loops, {})

    def _fixed_row(self, stalls: Sequence[int], stages: int, fast: bool) -> np.ndarray:
        schedule = self.nest.schedule
        fixed = np.zeros(clock.STALL + len(stalls), np.int64)
        fixed[clock.MEMBERS], fixed[clock.STAGES] = len(fixed), stages
        fixed[clock.POLICY] = self.order.policy()
        fixed[clock.REFERENCE] = self.order.reference()
        fixed[clock.STEP_COUNT] = len(schedule) if isinstance(schedule, list | tuple) else 1
        fixed[clock.UNITS], fixed[clock.CHANNELS] = len(self.units), len(self.channels)
        fixed[clock.FAST] = fast
        fixed[clock.ALL_ON_UNITS] = all(s.unit is not None for s in self.streams if s.kind == COMPUTE)
        fixed[clock.IN_FLIGHT] = self._in_flight()
        fixed[clock.BEGUN] = clock.WAITS + len(self.streams) + 3
        fixed[clock.FLIGHT] = fixed[clock.BEGUN] + 2
        fixed[clock.ROOTS] = len(self.roots)
        for name, k in self.roots.items():
            fixed[clock.ROOT_SIZE + k] = self.geometry.sizes[name]
        fixed[clock.STALL :] = stalls
        return np.concatenate([fixed, self.filters.record])

    def _needs(self) -> list[tuple[Need, ...]]:
        window = (
            WINDOW_OVERLAPPED if self.order.policy() in (clock.OVERLAPPED, clock.AUTO) else clock.UNLIMITED
        )
        flow = Flow(self.mapped, self.machine, self.nest, self.streams, window)
        found = [flow.needs(n) for n in range(len(self.streams))]
        return [self.order.widened(n, needs) for n, needs in enumerate(found)] if self.order.kernel else found


def served(mapped: Mapped, machine: Machine, spilled: Mapping[str, float], entry) -> list[tuple[str, float]]:
    """Return the levels that serve the words *entry*, each with its part: where a level overflows, the level outside it."""
    inner = spilled.get(entry.serves or "", 0.0)
    if inner and entry.tensor in mapped.spill[entry.serves]:
        return [(entry.level, 1 - inner)]
    here = spilled.get(entry.level, 0.0)
    if here and entry.tensor in mapped.spill[entry.level] and entry.kind in ("read", "write"):
        outside = machine.level_names[machine.level_names.index(entry.level) - 1]
        return [(entry.level, 1.0), (outside, here)]
    return [(entry.level, 1.0)]


def _any_after(flags: Sequence[bool]) -> list[bool]:
    return [any(flags[k + 1 :]) for k in range(len(flags))]
