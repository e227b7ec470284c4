"""Stretches of a rank whose length is not known, told from one of its ends or from somewhere in the middle.

A coordinate is ``(landmark, distance)``: landmark 0 is where one looks from, -1 and 1 are the ends beyond it. Seen from the
last coordinate everything is mirrored, so that "up" always leads away from the end. Two coordinates are compared only where
the answer is the same for every rank of three coordinates or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fusemax.analysis.barriers import Corner
from fusemax.analysis.conditions import ALL, SOME, Condition
from fusemax.analysis.plain import INFINITY

Coordinate = tuple[int, float]
SHORTEST = 3  #: coordinates of a rank, at least


@dataclass(frozen=True, slots=True)
class View:
    """A rank as it is seen from a corner: which coordinate comes before which."""

    corner: Corner

    @property
    def mirrored(self) -> bool:
        """Whether distances are counted down from the last coordinate."""
        return self.corner.side == "end"

    @property
    def low(self) -> Coordinate:
        """The first coordinate as seen from here."""
        return (-1, 0) if self.corner.side == "middle" else (0, 0)

    @property
    def high(self) -> Coordinate:
        """The coordinate at the far end."""
        return (1, 0)

    def at(self, offset: float) -> Coordinate:
        """Return the coordinate that far from the corner, upwards in the rank as it is."""
        return (0, self.turned(self.corner.position + offset))

    def turned(self, distance: float) -> float:
        """Return a distance in the rank as it is in the direction of this view, or back."""
        return -distance if self.mirrored else distance

    def band(self, low: float, high: float) -> tuple[float, float]:
        """Return an interval of distances in the direction of this view."""
        return (-high, -low) if self.mirrored else (low, high)

    def before(self, one: Coordinate, other: Coordinate) -> bool:
        """Return whether *one* is at most *other* in every rank of three coordinates or more."""
        if one[1] == -INFINITY or other[1] == INFINITY:
            return True
        if one[0] > other[0] or one[1] == INFINITY or other[1] == -INFINITY:
            return False
        return one[1] - other[1] <= self._apart(one[0], other[0])

    def _apart(self, one: int, other: int) -> int:
        """Return how far two landmarks lie apart at least."""
        if one == other:
            return 0
        return 1 if self.corner.side == "middle" and 0 in (one, other) else SHORTEST - 1

    def obeys(self, condition: Condition, span: Span) -> bool:
        """Return whether all of *span* lies where ``("start", low, high)`` or ``("end", low, high)`` says."""
        side, low, high = condition
        low, high = self.band(low, high)
        landmark = self.low if (side == "start") != self.mirrored else self.high
        return self.before(moved(landmark, low), span.low) and self.before(span.high, moved(landmark, high))

    def linked(self, here: Span, there: Span, low: float, high: float) -> bool:
        """Return whether each coordinate of *here* lies in [low, high] of each of *there*."""
        low, high = self.band(low, high)
        return self.before(moved(there.high, low), here.low) and self.before(
            here.high, moved(there.low, high)
        )

    def sure(self, condition: Condition, others: Sequence[Span]) -> Span | None:
        """Return the stretch for which a condition of a relation holds, whatever is read of *others*; None for none."""
        if len(condition) < 3:
            return None
        low, high = self.band(*condition[-2:])
        if condition[0] == "link":
            there = others[condition[1]]
            return Span(moved(there.high, low), moved(there.low, high))
        landmark = self.low if (condition[0] == "start") != self.mirrored else self.high
        return Span(moved(landmark, low), moved(landmark, high))

    def together(self, spans: Sequence[Span], wanted: Span) -> bool:
        """Return whether each coordinate of *wanted* is in one of *spans*, of those that have no holes."""
        place, left = wanted.low, [span for span in spans if not span.holes]
        while left:
            there = [span for span in left if self.before(span.low, place)]
            if any(self.before(wanted.high, span.high) for span in there):
                return True
            ahead = [span for span in there if self.before(moved(place, 1), moved(span.high, 1))]
            if not ahead:
                return False
            place = moved(ahead[0].high, 1)
            left = [span for span in left if span not in there]
        return False

    def holds(self, condition: Condition, span: Span, others: Sequence[Span]) -> bool:
        """Return whether a condition of a relation holds for all of *span*; *others* are those of the reader's variables."""
        if condition == ALL:
            return True
        if condition == SOME:
            return False
        if condition[0] == "link":
            return self.linked(span, others[condition[1]], *condition[2:])
        return self.obeys(condition, span)

    @property
    def whole(self) -> Span:
        """All of the rank."""
        return Span(self.low, self.high)

    @property
    def past_first(self) -> Span:
        """All of the rank but its first coordinate."""
        return Span(self.low, moved(self.high, -1)) if self.mirrored else Span(moved(self.low, 1), self.high)

    @property
    def widest(self) -> Span:
        """All of the rank, and one coordinate more at each end."""
        return Span(moved(self.low, -1), moved(self.high, 1))

    def hull(self, spans: Iterable[Span]) -> Span:
        """Return a stretch in which all *spans* lie, without the coordinates that none of them has."""
        found = list(spans)
        low = next((s.low for s in found if all(self.before(s.low, t.low) for t in found)), self.low)
        high = next((s.high for s in found if all(self.before(t.high, s.high) for t in found)), self.high)
        holes = frozenset(
            hole for one in found for hole in one.holes if all(self.misses(s, hole) for s in found)
        )
        return Span(low, high, holes).trimmed()

    def misses(self, span: Span, coordinate: float) -> bool:
        """Return whether a coordinate at that distance is certainly not in *span*."""
        if coordinate in span.holes:
            return True
        place = (0, coordinate)
        return self.before(moved(place, 1), span.low) or self.before(moved(span.high, 1), place)

    def covers(self, one: Span, other: Span) -> bool:
        """Return whether *one* has every coordinate of *other*."""
        inside = self.before(one.low, other.low) and self.before(other.high, one.high)
        return inside and all(self.misses(other, hole) for hole in one.holes)

    def meet(self, one: Span, other: Span, *, sure: bool) -> Span | None:
        """Return what two spans share: at most that where *sure*, at least that otherwise; None where it is not known."""
        low = self._farther(one.low, other.low)
        high = self._nearer(one.high, other.high)
        if sure and (low is None or high is None):
            return None
        return Span(low or one.low, high or one.high, one.holes | other.holes)

    def _farther(self, one: Coordinate, other: Coordinate) -> Coordinate | None:
        return other if self.before(one, other) else one if self.before(other, one) else None

    def _nearer(self, one: Coordinate, other: Coordinate) -> Coordinate | None:
        return one if self.before(one, other) else other if self.before(other, one) else None

    def several(self, span: Span) -> bool:
        """Return whether *span* has two coordinates or more."""
        inside = [hole for hole in span.holes if not self.misses(Span(span.low, span.high), hole)]
        return self.before(moved(span.low, 1 + len(inside)), span.high)


@dataclass(frozen=True, slots=True)
class Span:
    """All coordinates from *low* to *high* but for *holes*, distances from landmark 0."""

    low: Coordinate
    high: Coordinate
    holes: frozenset[float] = field(default=frozenset())

    def shifted(self, by: float) -> Span:
        """Return the stretch moved by a distance in the direction of the view."""
        return Span(moved(self.low, by), moved(self.high, by), frozenset(hole + by for hole in self.holes))

    def trimmed(self) -> Span:
        """Return the stretch without holes at its ends."""
        low, high = self.low, self.high
        while low[0] == 0 and low[1] in self.holes:
            low = moved(low, 1)
        while high[0] == 0 and high[1] in self.holes:
            high = moved(high, -1)
        return Span(low, high, self.holes)


def moved(coordinate: Coordinate, by: float) -> Coordinate:
    """Return the coordinate that far up."""
    return coordinate[0], coordinate[1] + by


def stands(wanted: Iterable[tuple[int, Condition]], corner: Corner) -> bool:
    """Return whether all that stands so far from *corner* stands where conditions want it."""
    view = View(corner)
    return all(view.obeys(near, Span(view.at(offset), view.at(offset))) for offset, near in wanted)
