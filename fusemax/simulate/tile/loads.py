"""What one task of a stream does: how long it holds its unit, which words it moves, how long they take each channel.

Tasks of one stream differ by which of their tiles are short: a *class* has a bit for each root with a short last tile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fusemax.machine import Machine
from fusemax.mapping.lanes import across
from fusemax.mapping.nest import Mapped, sides
from fusemax.simulate.tile.gaps import Gap, gap_of, has_gap
from fusemax.simulate.tile.geometry import Geometry, cycles_at, digits_of, word_B
from fusemax.simulate.tile.room import Stock, capacity_B
from fusemax.simulate.tile.shares import Share
from fusemax.simulate.tile.streams import COMPUTE, Stream, Words
from fusemax.simulate.tile.values import Point, whole_cycles

READ, WRITE = "read", "write"
WAYS: Mapping[str, str] = {"read": READ, "drain": READ, "write": WRITE, "fill": WRITE}  #: of words at a level


Moved = Mapping[tuple[str, str], float]  #: by level and way: bytes, or how many times as many


@dataclass(frozen=True, slots=True)
class Sharing:
    """How cores share what is not each core's own: by stream, level and way, all bytes of the nest for each of one core's.

    A core has the part of a shared level's bandwidth that its bytes are of all bytes: what the others leave, it takes.
    ``more`` says, by level and way (None: both), by how much more moves there than where the core has a part. ``group`` is as
    ``moved``, of the bytes of the group of cores that share a level with this one.
    """

    moved: tuple[Moved, ...] = ()
    group: tuple[Moved, ...] = ()
    more: Mapping[tuple[str, str | None], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Channel:
    """What is waited for at a level: all its words, or (``way``) only those that leave it, or that come in."""

    level: str
    way: str | None

    @property
    def name(self) -> str:
        """The level, and the way where it has one of its own."""
        return self.level if self.way is None else f"{self.level} {self.way}"


def channels_of(machine: Machine) -> tuple[Channel, ...]:
    """Return the channels of all levels of *machine*."""
    found: list[Channel] = []
    for name, level in machine.levels.items():
        if level.bandwidth is not None or level.ports is not None:
            found.append(Channel(name, None))
        found += [
            Channel(name, way) for way in (READ, WRITE) if getattr(level, f"{way}_bandwidth") is not None
        ]
    return tuple(found)


class Loads:
    """The loads of the *streams* of a nest at one point, on one of the cores that share the machine as *sharing* says."""

    def __init__(
        self, mapped: Mapped, machine: Machine, geometry: Geometry, point: Point, streams: Sequence[Stream],
        sharing: Sharing,
    ) -> None:  # fmt: skip
        self.mapped, self.machine, self.geometry, self.point = mapped, machine, geometry, point
        self.nest, self.streams, self.sharing = geometry.nest, tuple(streams), sharing
        self.channels = channels_of(machine)
        self.gaps: list[tuple[Gap, ...]] = []
        self.bits = [self._bits(s) for s in self.streams]
        self.spilled = self._spilled()

    # --- classes of tiles

    def last_loops(self, stream: Stream) -> dict[str, int]:
        """Return the position of the innermost loop of each root among *stream*'s."""
        return {self.nest.root_of(loop).name: k for k, loop in enumerate(stream.loops)}

    def _bits(self, stream: Stream) -> tuple[dict[str, int], int]:
        """Return a bit for each root whose last tile is short, and the bit of later visits (0: none)."""
        bits: dict[str, int] = {}
        gaps: list[Gap] = []
        shift = 0
        for root, k in self.last_loops(stream).items():
            unit, size = self.geometry.unit(stream.loops[k]), self.geometry.sizes[root]
            if has_gap(self.geometry, self.nest.roots[root], stream.loops):
                gaps.append(gap_of(self.geometry, self.nest.roots[root], stream.loops, shift))
                shift += gaps[-1].bits
            elif size > unit and size % unit:
                bits[root] = 1 << shift
                shift += 1
        self.gaps.append(tuple(gaps))
        by_visit = stream.again if stream.kind == COMPUTE else any(entry.again for entry in stream.words)
        return bits, 1 << shift if by_visit else 0

    def fixed(self, number: int, cls: int) -> dict[str, int]:
        """Return digits of the loops of stream *number* that stand for tiles of class *cls*."""
        bits, _ = self.bits[number]
        fixed: dict[str, int] = {}
        gaps = {gap.root: gap for gap in self.gaps[number]}
        for loop in self.streams[number].loops:
            root = self.nest.root_of(loop)
            if root.name in gaps:
                fixed |= gaps[root.name].fixed(cls)
                continue
            rest = self.geometry.sizes[root.name] - 1
            for digit in root.digits:
                value, rest = divmod(rest, self.geometry.unit(digit.name))
                if digit.name == loop:
                    fixed[loop] = value if bits.get(root.name, 0) & cls else 0
        return fixed

    def classes(self, number: int) -> int:
        """Return how many classes of tasks stream *number* has."""
        bits, again = self.bits[number]
        return 1 << (len(bits) + sum(gap.bits for gap in self.gaps[number]) + (again > 0))

    def total(self, number: int) -> int:
        """Return the tasks of stream *number*; numbers of tasks that a gap leaves out count too."""
        stream = self.streams[number]
        gaps = {gap.root for gap in self.gaps[number]}
        others = [loop for loop in stream.loops if self.nest.root_of(loop).name not in gaps]
        total = self.geometry.points(others, {})
        for root, k in self.last_loops(stream).items():
            if root in gaps:
                total *= -(-self.geometry.sizes[root] // self.geometry.unit(stream.loops[k]))
        return total

    # --- work

    def lane_work(self, number: int, cls: int) -> tuple[float, float]:
        """Return the cycles that the unit is held, and the cycles summed over lanes."""
        stream = self.streams[number]
        fixed = self.fixed(number, cls)
        held = lanes = 0.0
        for operation, share in stream.work:
            mine = digits_of(self.nest, operation.variables)
            each = cycles_at(self.mapped, self.machine, self.point, stream.unit, operation) * share
            lanes += self.geometry.points(mine, fixed) * each
            held += self._steps(stream, mine, fixed) * each
        return held, lanes

    def _steps(self, stream: Stream, mine: frozenset[str], fixed: Mapping[str, int]) -> int:
        assert stream.body is not None
        spatial = {d: dim for d, dim in stream.body.spatial.get(stream.unit or "", {}).items() if d in mine}
        if stream.unit is not None and stream.einsum is not None:
            reduced = digits_of(self.nest, self.mapped.einsum(stream.einsum).reduced)
            spatial = across(self.machine, stream.unit, spatial, reduced)
        steps = self.geometry.points(mine - set(spatial), fixed)
        for dimension in dict.fromkeys(spatial.values()):
            there = self.geometry.points([d for d, dim in spatial.items() if dim == dimension], fixed)
            lanes = math.prod(self.point.figures[f"{stream.unit}.{side}"] for side in sides(dimension))
            steps *= math.ceil(there / lanes)
        return steps

    def latency(self, number: int) -> int:
        """Return the cycles from the end of a task of stream *number* until its result is there."""
        stream = self.streams[number]
        if stream.kind != COMPUTE or stream.unit is None:
            return 0
        figures = self.point.figures
        return whole_cycles(sum(figures.get(f"{stream.unit}.{name}", 0.0) for name in ("fill", "drain")))

    # --- words

    def words(self, number: int) -> tuple[tuple[int, ...], ...]:
        """Return, for each words entry of stream *number*, those of one task by class (of a share: per element)."""
        stream = self.streams[number]
        again = self.bits[number][1]
        return tuple(
            tuple(
                self.geometry.points(entry.digits, self.fixed(number, cls))
                if not entry.again or (cls & again)
                else 0
                for cls in range(self.classes(number))
            )
            for entry in stream.words
        )

    def words_of_share(self, number: int, share: Share, cls: int) -> int:
        """Return the words of *share* per element that its boxes have."""
        return self.geometry.points(share.digits, self.fixed(number, cls))

    def _spilled(self) -> dict[str, float]:
        """Return the part of what a level should keep that does not fit, by level that may overflow."""
        spilled: dict[str, float] = {}
        stock = Stock.of(self.mapped, self.machine, self.nest)
        for level in self.mapped.spill:
            needed = stock.needed_B(self.point, self.geometry, level)
            if needed:
                spilled[level] = max(0.0, 1 - capacity_B(self.point, level, None) / needed)
        return spilled

    # --- channels

    def cycles(self, number: int, words: Sequence[float]) -> list[float]:
        """Return the cycles in which each channel moves so many *words* of each entry of stream *number*."""
        stream = self.streams[number]
        size_B: dict[tuple[str, str], float] = {}
        for entry, count in zip(stream.words, words, strict=True):
            for level, part in served(self.mapped, self.machine, self.spilled, entry):
                key = level, WAYS[entry.kind]
                each_B = part * word_B(self.mapped, self.point, entry.tensor)
                size_B[key] = size_B.get(key, 0.0) + count * each_B * self._sharers(number, *key)
        return [
            self._cycles(
                channel,
                sum(size_B.get((channel.level, way), 0.0) for way in (READ, WRITE) if channel.way in (None, way)),
            )
            for channel in self.channels
        ]  # fmt: skip

    def _sharers(self, number: int, level: str, way: str) -> float:
        """Return how many bytes *level* moves for each that stream *number* of this core moves there, that *way*."""
        if not self.sharing.moved or level not in self.machine.levels or self.machine.levels[level].per_core:
            return 1.0
        if self.machine.of_groups(level):
            return self.sharing.group[number].get((level, way), 1.0)
        return self.sharing.moved[number].get((level, way), 1.0)

    def _cycles(self, channel: Channel, size_B: float) -> float:
        """Return the cycles in which *channel* moves *size_B*, and what others move there of which this core has no part."""
        figures, clock_hz = self.point.figures, self.point.figures["clock"]
        name = (
            f"{channel.level}.bandwidth"
            if channel.way is None
            else f"{channel.level}.{channel.way}_bandwidth"
        )
        cycles = [0.0]
        described = self.machine.levels[channel.level]
        if not described.per_core and not self.machine.of_groups(channel.level):
            size_B *= self.sharing.more.get((channel.level, channel.way), 1.0)
        if name in figures:
            cycles.append(size_B / figures[name] * clock_hz)
        if channel.way is None and f"{channel.level}.ports" in figures:
            lines = size_B / figures[f"{channel.level}.line"]
            cycles.append(lines / figures[f"{channel.level}.ports"])
        return max(cycles)


def served(
    mapped: Mapped, machine: Machine, spilled: Mapping[str, float], entry: Words
) -> list[tuple[str, float]]:
    """Return the levels that serve the words *entry*, each with its part: where a level overflows, the level outside it.

    What that one has no room for is served by the next one out.
    """
    inner = spilled.get(entry.serves or "", 0.0)
    part = 1 - inner if entry.tensor in mapped.spill.get(entry.serves or "", ()) else 1.0
    level, found = entry.level, [(entry.level, part)]
    while entry.kind in ("read", "write") and entry.tensor in mapped.spill.get(level, ()):
        part *= spilled.get(level, 0.0)
        if not part:
            break
        level = machine.around(level)
        found.append((level, part))
    return found
