"""When the words are there: each level is one channel, first come first served, and an epoch starts when it has what it needs.

Where a level reads and writes at bandwidths of their own, it has a channel for each way. A level's transfer takes the longer
of its bytes at its bandwidth and its lines at its ports; a level that gives neither is never waited for. Words that a body
reads itself are asked for one epoch ahead (edge buffers hold one epoch). A tile that a level keeps is asked for when the tile
before it came into use, if there are two buffers or more, and else when that tile is used no more. Stores are sent when their
epoch starts, and nobody waits for them but the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fusemax.machine import Machine
from fusemax.simulate.pe.walk import Moved

#: Words that leave a level, and words that come in.
WAYS: Mapping[str, frozenset[str]] = {
    "read": frozenset({"read", "drain"}),
    "write": frozenset({"write", "fill"}),
}
ROUNDING = 1e-6  #: cycles that are lost in sums of floating-point numbers, not waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One level, or (``kinds``) one way of it: cycles per byte and per line of so many bytes, 0 where nothing limits."""

    level: str
    kinds: frozenset[str]
    cycles_per_byte: float
    cycles_per_line: float
    line_B: float

    def cycles(self, size_B: float) -> float:
        """Return the cycles that *size_B* bytes take."""
        return max(size_B * self.cycles_per_byte, size_B / self.line_B * self.cycles_per_line)


def first_word_s(machine: Machine, values: Mapping[str, float], used: Iterable[str]) -> float:
    """Return the seconds until the first word is through the levels *used*, each once."""
    return sum(values.get(f"{name}.latency", 0.0) for name in machine.levels if name in set(used))


def channels_of(machine: Machine, values: Mapping[str, float]) -> dict[str, Channel]:
    """Return the channels of the levels that set a limit, by name (``DRAM``, ``DRAM read``)."""
    found: dict[str, Channel] = {}
    for name in machine.levels:
        bandwidth, ports = values.get(f"{name}.bandwidth"), values.get(f"{name}.ports")
        if bandwidth is not None or ports is not None:
            found[name] = Channel(
                level=name,
                kinds=frozenset().union(*WAYS.values()),
                cycles_per_byte=values["clock"] / bandwidth if bandwidth else 0.0,
                cycles_per_line=1.0 / ports if ports else 0.0,
                line_B=values.get(f"{name}.line", 1.0),
            )
        for way, kinds in WAYS.items():
            own = values.get(f"{name}.{way}_bandwidth")
            if own is not None:
                rate = values["clock"] / own
                found[f"{name} {way}"] = Channel(
                    level=name, kinds=kinds, cycles_per_byte=rate, cycles_per_line=0.0, line_B=1.0
                )
    return found


@dataclass(frozen=True, slots=True)
class Need:
    """Words that an epoch waits for: those moved, and how many buffers the kept tile has (0: read by the body itself)."""

    moved: Moved
    buffers: int = 0


@dataclass
class Epochs:
    """What every epoch needs and stores, in order, and the divisions that follow some.

    ``divisions`` gives, by epoch, the cycles of the divisions behind it, what they read and what they store.
    """

    interval: int
    needs: list[list[Need]]
    stores: list[list[Moved]]
    divisions: Mapping[int, tuple[int, list[Moved], list[Moved]]]


@dataclass
class Times:
    """The answer: when each epoch starts, when its divisions start, and who was waited for, in cycles."""

    starts: list[int] = field(default_factory=list)
    division_starts: list[int] = field(default_factory=list)
    waits: dict[str, int] = field(default_factory=dict)
    end: int = 0
    stored: float = 0.0


def supply(channels: Mapping[str, Channel], epochs: Epochs, size_B: Callable[[Moved], float]) -> Times:
    """Return when each epoch can start; *size_B* tells the bytes of what is moved."""
    times = Times()
    free = dict.fromkeys(channels, 0.0)
    in_use: dict[str, int] = {}

    def send(moved: Sequence[Moved], asked: float) -> tuple[float, str]:
        """Put *moved* on its channels; return when the last is through, and on which channel."""
        last, slowest = 0.0, ""
        for one in moved:
            for name, channel in channels.items():
                if channel.level != one.level or one.kind not in channel.kinds:
                    continue
                free[name] = max(free[name], asked) + channel.cycles(size_B(one))
                if free[name] > last:
                    last, slowest = free[name], name
        return last, slowest

    def wait(until: tuple[float, str], now: int) -> int:
        """Return the cycle from which on work goes on, and note who was waited for."""
        later = max(now, math.ceil(until[0] - ROUNDING))
        if later > now:
            times.waits[until[1]] = times.waits.get(until[1], 0) + later - now
        return later

    now = 0
    for number, needs in enumerate(epochs.needs):
        ready = (0.0, "")
        for need in needs:
            previous = in_use.get(need.moved.tensor)
            if need.buffers == 0:
                asked = times.starts[-1] if times.starts else 0
            elif previous is None:
                asked = 0
            else:
                asked = times.starts[previous] if need.buffers > 1 else now
            ready = max(ready, send([need.moved], asked))
        in_use |= {need.moved.tensor: number for need in needs if need.buffers}
        start = wait(ready, now)
        times.starts.append(start)
        send(epochs.stores[number], start)
        now = start + epochs.interval
        length, reads, writes = epochs.divisions.get(number, (0, [], []))
        begin = wait(send(reads, start), now) if length else now
        times.division_starts.append(begin)
        send(writes, begin)
        now = begin + length
    times.end, times.stored = now, max(free.values(), default=0.0)
    return times
