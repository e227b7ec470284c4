"""Words of kept tensors: what comes to a residence and leaves it, and the room that its tiles take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sympy

from fusemax.cost.chunked import in_chunks
from fusemax.cost.extents import ONE, Extents
from fusemax.cost.masks import Band
from fusemax.cost.places import Places
from fusemax.cost.region import Region
from fusemax.cost.stays import Kept
from fusemax.cost.symbols import least, repeated
from fusemax.cost.ways import (
    NAMED,
    Shifts,
    Term,
    Way,
    are_diagonals,
    digits_of_way,
    distinct,
    fills,
    repeated_in,
    shifts_of,
    terms_of,
    ways_of,
)
from fusemax.cost.windowed import cut_windows, share_of
from fusemax.cost.windows import Window
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped, Nest, Residence

ZERO = sympy.Integer(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Words of a tensor at a level: ``read`` inwards, ``write`` from inside, ``fill`` from outside, ``drain`` outwards.

    ``serves`` names the inner level whose tiles the words are, where they move between two levels.
    """

    tensor: str
    level: str
    kind: str
    words: sympy.Expr
    serves: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The words that a residence takes at its level, buffers not counted."""

    residence: Residence
    words: sympy.Expr


class Residences(Places):
    """Counts the words of kept tensors in one nest, or in one kind of its tasks: then *whole* counts the nest.

    ``kinds`` are the kinds of tasks with their number, where a nest has any.
    """

    def __init__(
        self, mapped: Mapped, machine: Machine, nest: Nest, extents: Extents, whole: Residences | None
    ) -> None:
        super().__init__(mapped, machine, nest, extents, whole)
        self.kinds: Sequence[tuple[sympy.Expr, Residences]] = ()

    def transfers(self, residence: Residence) -> Iterator[Move]:
        """Yield what moves between the level of *residence* and the one around it."""
        chain = self._around(residence.tensor, residence.node)
        position = chain.index(residence)
        tensor, level = residence.tensor, residence.level
        outside = chain[position - 1].level if position else self.machine.outermost
        writers, _ = self._users(residence)
        words = self._brought(residence)
        if not any(residence.covers(body.node) for body in writers):
            words -= self._set_before(residence)
            yield Move(tensor=tensor, level=outside, kind="read", words=words, serves=level)
            yield Move(tensor=tensor, level=level, kind="fill", words=words)
            return
        again = ZERO
        if self._returns(residence, writers):
            lacking = [
                self._lacking(self.mapped.einsum(e), residence.loops)
                for b in writers
                for e in b.einsums
                if self._makes(e, tensor)
            ]
            digits = digits_of_way(self._ways(residence)[0])
            begun = self._kept(residence, digits).once(frozenset.intersection(*lacking))
            again = words - least(words, begun)  # what stays from one beginning to the next never comes back
        out = again
        if self._wanted_outside(residence):
            earlier = self._earlier_wanted_outside(residence)
            out = self._brought(residence, earlier=True) if earlier else words
            if again == 0 and not earlier:  # of what is made, not of what is read: the last generation
                out = self._brought(self._at_the_last(residence), made=True)
        if out != 0:
            yield Move(tensor=tensor, level=outside, kind="write", words=out, serves=level)
            yield Move(tensor=tensor, level=level, kind="drain", words=out)
        if again != 0:
            yield Move(tensor=tensor, level=outside, kind="read", words=again, serves=level)
            yield Move(tensor=tensor, level=level, kind="fill", words=again)

    def _at_the_last(self, residence: Residence) -> Residence:
        """Return *residence* in the last iteration of the loops over generations of its tensor."""
        counted = self._generations(residence.tensor)
        return replace(residence, loops=tuple(loop for loop in residence.loops if loop not in counted))

    def _brought(self, residence: Residence, earlier: bool = False, made: bool = False) -> sympy.Expr:
        """Return the words of all tiles that come to *residence*; to a memory inside a core, for each core that needs one.

        Of running values all generations if *earlier*; only what those that make it touch if *made*.
        """
        words = self._by_ways(residence, earlier, made)
        makers, read = self._accesses(residence)
        shared = None if makers else self._shared(residence)
        if shared is not None:
            listed = self._of_union(residence, shared, words)
            if not self._is_diagonal(residence):
                return listed
            ways = self._holding(residence)
            return words if len(ways) == 1 else self._or_alone(residence, ways, listed)
        bodies = [body for body, _ in self._touching(residence.tensor) if residence.covers(body.node)]
        alike = {(frozenset(body.loops), self.bands[body.node]) for body in bodies}
        if makers or len(alike) != 1:
            return words
        ways = distinct(self.nest, self._ways(residence, earlier), residence.loops)
        joint = self._joint(residence, ways, read, bodies[0])
        if joint is None:
            return words
        listed = self._of_lines(residence, joint, words)
        return self._or_alone(residence, ways, listed) if joint.aliases else listed

    def _by_ways(self, residence: Residence, earlier: bool, made: bool) -> sympy.Expr:
        """Return what :meth:`_brought` does, from the tiles of single ways and what these have in common."""
        ways = distinct(self.nest, self._ways(residence, earlier), residence.loops)
        words: sympy.Expr = ZERO
        shifts = self._shifts(residence, earlier)
        for times, term in terms_of(self.extents, ways, residence.loops, shifts, self.spread):
            words += times * self._brought_of(residence, term, made)
        return self._or_alone(residence, ways, words, made)

    def _is_diagonal(self, residence: Residence) -> bool:
        """Return whether all that is read there is a diagonal, under one condition: the longest holds the others."""
        _, read = self._accesses(residence)
        bands = {
            self.bands[body.node]
            for body, _ in self._touching(residence.tensor)
            if residence.covers(body.node)
        }
        return len(bands) == 1 and are_diagonals(read)

    def _or_alone(
        self, residence: Residence, ways: Sequence[Way], words: sympy.Expr, made: bool = False
    ) -> sympy.Expr:
        """Return *words*, or those of one of several *ways* that its loops do not move: it holds the others."""
        for way in ways if len(ways) > 1 else ():
            _, alone = next(terms_of(self.extents, (way,), residence.loops))
            words = repeated(
                self._moves(way, ways, residence), words, self._brought_of(residence, alone, made)
            )
        return words

    def _set_before(self, residence: Residence) -> sympy.Expr:
        """Return how many words of a running value that is only read inside are the value before its first iteration.

        That one is set where it is kept and never comes: of as many tiles as there are generations, one.
        """
        tensor = self.cascade.tensors[residence.tensor]
        initial = any(einsum.initial for einsum in self.cascade.producers(residence.tensor))
        if tensor.generation is None or not initial:
            return ZERO
        _, read = self._accesses(residence)
        earlier = [access for access in read if tensor.is_earlier(access)]
        if not earlier:
            return ZERO
        ways = distinct(self.nest, ways_of(self.nest, earlier), residence.loops)
        parts = (
            times * self._brought_of(residence, term)
            for times, term in terms_of(self.extents, ways, residence.loops)
        )
        return sum(parts, ZERO) / self.extents.points(self._generations(residence.tensor))

    def _moves(self, way: Way, ways: Sequence[Way], residence: Residence) -> sympy.Expr:
        """Return the iterations of the loops that move *way* where others of *ways* are moved by loops of their own.

        Of a way whose loops are held still not all is there: as if these turned.
        """
        own = {digit for other in ways for a, b in zip(way, other, strict=True) if a != b for digit in a}
        trips: sympy.Expr = ONE
        for loop in residence.loops:
            if loop in own:
                trips *= self.extents.trips(loop) if self.extents.turns(loop) else sympy.Integer(2)
        return trips

    def _brought_of(
        self, residence: Residence, term: Term, made: bool = False, as_pairs: bool = False
    ) -> sympy.Expr:
        """Return the words of the tiles of one *term*; *as_pairs*, those of a window as if no two pairs met in an element."""
        loops = tuple(loop for loop in residence.loops if loop not in term.dropped)
        digits = term.digits | (term.changing & set(loops))
        kept = replace(self._kept(residence, digits, made), loops=loops)
        windows = [window for window in self._windows(residence) if window.all_digits() <= term.digits]
        if isinstance(kept.band, Region):  # what ends with a tile is counted as it is there
            kept = replace(kept, ends=tuple(end for w in windows if (end := w.ends()) is not None))
            windows = [window for window in windows if window.ends() is None]
        band = kept.band
        if band is not None and any(window.is_inside_of(band) for window in windows):
            kept = replace(kept, band=None)
        windows = [] if as_pairs else windows
        made_here = bool(self._accesses(residence)[0])
        cut = None if made_here else cut_windows(self.nest, windows, kept.band, self._ways(residence))
        within = (
            kept.words() * share_of(windows, self.extents, residence.loops)
            if cut is None
            else cut.brought(kept, residence.loops)
        )
        chunks = None if as_pairs else in_chunks(kept, windows)
        if chunks is not None:
            often = share_of(windows, self.extents, residence.loops, residence.loops)
            within = chunks.listed(kept.words() * often)
        if not self._is_of_a_core(residence.level) or not self.spread:
            return within
        many = (
            self._to_cores(residence, term, kept, windows, made, within)
            if cut is None or self.whole is not self
            else cut.brought(kept, residence.loops, self.spread, self.cores)
        )
        if chunks is not None and self.whole is self:
            many = chunks.listed(many, self.spread, self.cores)
        return many if self.nest.spread else repeated(self.cores, many, within)

    def _to_cores(
        self, residence: Residence, term: Term, kept: Kept, windows: Sequence[Window], made: bool,
        within: sympy.Expr,
    ) -> sympy.Expr:  # fmt: skip
        """Return the words of all tiles that come to a memory inside a core, for each core that needs one.

        What *windows* have of a task's tile depends on where it lies: it is counted over all tasks, not by kind.
        """
        share = share_of(windows, self.extents, residence.loops)
        if self.kinds:
            pairs = bool(windows)
            parts = (n * counter._brought_of(residence, term, made, pairs) for n, counter in self.kinds)
            total = sum(parts, ZERO)
            here = share_of(windows, self.extents, {*residence.loops, *self.spread})
            same = [loop for loop in self.spread if loop not in kept.digits]
            first = min(map(self.spread.index, same), default=len(self.spread))
            if all(len(self.nest.root_of(loop).digits) == 1 for loop in self.spread[first:]):
                return total * here
            # at a ragged end fewer tasks want a tile: nobody has to look where none is wanted twice in a row
            wanting = repeated(self._turning_inside(kept, same), ONE, -ONE)
            return kept.to_cores(self.spread, total, self.cores, wanting) * here
        same = self._same_in_a_row(residence, kept.digits)
        if self.whole is not self:
            return within * least(same, self.cores) / same
        if not isinstance(kept.band, Band):
            if kept.band is not None:
                return kept.to_cores(self.spread, within, self.cores) * share
            return within * least(same, self.cores)
        apart = replace(kept, apart=frozenset(self.spread)).words() * share
        otherwise = repeated(self.cores, apart / share, within / share)
        return kept.to_cores(self.spread, otherwise, self.cores) * share

    def _turning_inside(self, kept: Kept, same: Sequence[str]) -> sympy.Expr:
        """Return how often loops of the tensor's own turn inside of all loops *same*: then tasks in a row want other tiles.

        Those of roots that are spread have fewer iterations at ragged ends, and do not count; none under a condition.
        """
        turns: sympy.Expr = ONE
        if kept.band is not None or not all(loop in kept.loops for loop in same):
            return turns
        spread = {self.nest.root_of(loop).name for loop in self.spread}
        last = max((kept.loops.index(loop) for loop in same), default=-1)
        for loop in kept.loops[last + 1 :]:
            if loop in kept.digits and self.nest.root_of(loop).name not in spread:
                turns *= self.extents.trips(loop)
        return turns

    def room(self, residence: Residence) -> sympy.Expr:
        """Return the words of the largest tile that *residence* keeps: of several ways all together, one generation."""
        ways, shifts = self.once(("room", residence), lambda: self._held(residence))
        tiles = [self._kept(residence, digits_of_way(way) - set(residence.loops)).room() for way in ways]
        if len(ways) == 1:
            for window in self._windows(residence):
                if window.all_digits() <= digits_of_way(ways[0]):
                    tiles[0] *= window.most(self.extents, residence.loops)
        else:
            tiles = [least(sum(tiles, ZERO), self._most_in(ways, frozenset(residence.loops)))]
        return sum((*tiles, *self._shifted_room(residence, ways, shifts)), ZERO)

    def _most_in(self, ways: Sequence[Way], loops: frozenset[str]) -> sympy.Expr:
        """Return the elements that a tile of several *ways* lies among: all along dimensions in which they differ."""
        around = [self._most_along(sides, loops) for sides in zip(*ways, strict=True)]
        if len(set(map(repeated_in, ways))) == 1:
            return self.extents.points(digits_of_way(tuple(around)))
        most: sympy.Expr = ONE
        for side in around:  # one way has a rank in two dimensions, another has not
            most *= self.extents.points(side)
        return most

    def _most_along(self, sides: Sequence[frozenset[str]], loops: frozenset[str]) -> frozenset[str]:
        """Return the digits along which all *sides* of a dimension lie: in a chunk that loops hold still, those of that."""
        for side in sides:
            if all(side == other or fills(self.nest, side, other, frozenset()) for other in sides):
                return side - loops.intersection(*sides)
        return sides[0]

    def _held(self, residence: Residence) -> tuple[tuple[Way, ...], Shifts]:
        """Return the ways to what a tile holds, made or read, and how accesses of one are shifted against each other."""
        made, read = self._accesses(residence)
        asked = (self.nest, [*made, *read], self._taking_turns(residence))
        return distinct(self.nest, ways_of(*asked), residence.loops), shifts_of(*asked)

    def _shifted_room(
        self, residence: Residence, ways: Sequence[Way], shifts: Shifts
    ) -> Iterator[sympy.Expr]:
        """Yield what a tile holds more because accesses of one way are shifted against each other."""
        loops = frozenset(residence.loops)
        for way in ways:
            for place, gaps in shifts.get(way, {}).items():
                if place == NAMED:
                    yield gaps[0] * self._kept(residence, digits_of_way(way) - loops).room()
                    continue
                rest = self._kept(residence, digits_of_way(way) - loops - way[place]).room()
                for gap in gaps:
                    yield self.extents.held_to_tiles(gap, way[place] - loops, ()) * rest
