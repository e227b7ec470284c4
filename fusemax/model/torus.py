"""Exchanges on a torus or mesh of chips, whose links go to neighbours: blocks of chips, closed forms, and their messages.

A buffer is cut into as many parts as the block has sides. Each part is gathered along one side after the other, and every part
starts at another side, so that all links work (the rings of Jain and Sabharwal, Optimal bucket algorithms for large MPI
collectives on torus interconnects, ICS 2010). A closed side is a ring of which both directions carry half; an open side is a
line, along which what came from one end goes on to the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from fusemax.errors import FusemaxError

Place = tuple[int, ...]
Message = tuple[Place, Place, float]  #: from, to, bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a block: ``length`` chips, ``closed`` to a ring or not, links of ``link_Bps`` to each neighbour."""

    length: int
    closed: bool
    link_Bps: float

    @property
    def ways(self) -> int:
        """Messages that a chip's new numbers are cut into: one for each direction of a ring."""
        return 2 if self.closed else 1

    def loaded_B(self, size_B: float) -> float:  # noqa: N802 - the unit is a byte
        """Return the bytes over the busiest link when every chip sends *size_B*, evenly to all of the torus.

        On a ring the mean way of a message is length/4 of the side (a bit less for odd ones), over two directions; on a line
        half of the chips send to the other half through the link in the middle.
        """
        half, rest = self.length // 2, self.length - self.length // 2
        if not self.closed:
            return size_B * half * rest / self.length
        return size_B * half * rest / (2 * self.length)

    @property
    def longest(self) -> int:
        """Links that the message to the farthest chip takes."""
        return self.length // 2 if self.closed else self.length - 1


def block(
    sides: Sequence[int], closed: Sequence[bool], link_Bps: float, n: int, stride: int
) -> tuple[Side, ...]:
    """Return the sides of a group of *n* chips that are *stride* apart, numbered along the first side first.

    Chips of a group that are apart along a side share its links with the groups between them.

    Raises
    ------
    FusemaxError
        Where the group is no block of the torus.
    """
    found: list[Side] = []
    before = 1
    for length, ring in zip(sides, closed, strict=True):
        first = min(max(stride, before), before * length)
        last = min(max(stride * n, before), before * length)
        if first % before or last % first or (before * length) % last:
            raise FusemaxError(
                f"a group of {n} chips, {stride} apart, is no block of {' x '.join(map(str, sides))} chips"
            )
        apart, many = first // before, last // first
        if many > 1:
            found.append(
                Side(length=many, closed=ring and last == before * length, link_Bps=link_Bps / apart)
            )
        before *= length
    return tuple(found)


def gather_s(sides: Sequence[Side], size_B: float, round_s: float) -> float:
    """Return the time until every chip of a block has the *size_B* of which each had a part; sums of parts take the same."""
    time_s = 0.0
    for phase in range(len(sides)):
        held = [
            (side.length - 1, part_B / side.ways / side.link_Bps)
            for side, part_B in _phase(sides, size_B, phase)
        ]
        done = 0
        for rounds in sorted({rounds for rounds, _ in held}):
            slowest = max(each for many, each in held if many >= rounds)
            time_s += (rounds - done) * (round_s + slowest)
            done = rounds
    return time_s


def _phase(sides: Sequence[Side], size_B: float, phase: int) -> Iterator[tuple[Side, float]]:
    """Yield for each part of the buffer the side along which it goes in *phase*, and the bytes of it that a chip has."""
    n = len(sides)
    everything = size_B / n / prod(side.length for side in sides)
    for part in range(n):
        done = prod(sides[(part + step) % n].length for step in range(phase))
        yield sides[(part + phase) % n], everything * done


def gather_rounds(sides: Sequence[Side], size_B: float) -> Iterator[list[Message]]:
    """Yield the messages of :func:`gather_s` round by round."""
    places = list(product(*(range(side.length) for side in sides)))
    for phase in range(len(sides)):
        parts = list(_phase(sides, size_B, phase))
        for number in range(1, max(side.length for side, _ in parts)):
            yield [
                message
                for part, (side, held_B) in enumerate(parts) if number < side.length
                for message in _round(places, (part + phase) % len(sides), side, held_B, number)
            ]  # fmt: skip


def _round(places: Sequence[Place], axis: int, side: Side, held_B: float, number: int) -> Iterator[Message]:
    for place in places:
        for step in (1, -1):
            at = place[axis]
            origin, to = at - step * (number - 1), at + step  # whose numbers go on, and to whom
            if side.closed or (0 <= origin < side.length and 0 <= to < side.length):
                target = (*place[:axis], to % side.length, *place[axis + 1 :])
                yield place, target, held_B / side.ways


def exchange_s(sides: Sequence[Side], size_B: float, round_s: float) -> float:
    """Return the time until every chip has its part of the *size_B* of each other one, sent the shortest way, side by side."""
    busiest = max((side.loaded_B(size_B) / side.link_Bps for side in sides), default=0.0)
    return round_s * sum(side.longest for side in sides) + busiest


def exchange_rounds(sides: Sequence[Side], size_B: float) -> Iterator[list[Message]]:
    """Yield the messages of :func:`exchange_s`: all of them at once."""
    places = list(product(*(range(side.length) for side in sides)))
    yield [(a, b, size_B / len(places)) for a in places for b in places if a != b]
