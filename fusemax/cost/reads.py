"""Words that bodies read: the union of what their accesses mean in each iteration of the loops around them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import sympy

from fusemax.cost.conditions import Mask
from fusemax.cost.extents import ONE, Extents
from fusemax.cost.joint import joint_of
from fusemax.cost.over import Over
from fusemax.cost.residences import Move
from fusemax.cost.symbols import at_most
from fusemax.cost.unions import Union, reader_of, union_of
from fusemax.cost.ways import Shifts, Term, Way, makes, shifts_of, terms_of, ways_of
from fusemax.cost.windowed import cut_windows
from fusemax.cost.windows import Window, unshifted, windows_among
from fusemax.language.syntax import Access
from fusemax.mapping.nest import Body

ZERO = sympy.Integer(0)


@dataclass(frozen=True, slots=True)
class Reading:
    """Accesses of a body to one tensor, as far as the roots of the nest tell what they mean."""

    accesses: tuple[Access, ...]
    windows: tuple[Window, ...]
    ways: tuple[Way, ...]
    shifts: Shifts
    is_plain: bool  #: one access whose indices have nothing to do with each other: the order of loops does not matter

    @property
    def shared(self) -> Collection[Window]:
        """The windows, those that are shifted against each other once."""
        return unshifted(self.windows)


class Reads(Over):
    """Counts the words that bodies of one nest read, or of one kind of its tasks."""

    def _reads(self, body: Body) -> Iterator[Move]:
        wanted = ("wanted", body.einsums, frozenset(body.loops))
        for reading in self.always(wanted, lambda: [self._reading(one) for one in self._wanted(body)]):
            tensor = reading.accesses[0].tensor
            words = self._words_read(body, reading)
            yield Move(tensor=tensor, level=self._home(tensor, body.node), kind="read", words=words)

    def _wanted(self, body: Body) -> list[tuple[Access, ...]]:
        """Return the accesses of *body* to what it does not make itself, those to one tensor together."""
        made: dict[str, list[Access]] = {}
        for output in (o for name in body.einsums for o in self.mapped.einsum(name).outputs):
            made.setdefault(output.tensor, []).append(output)
        wanted: dict[str, dict[object, Access]] = {}
        for name in body.einsums:
            for access in self.mapped.einsum(name).reads:
                mine = made.get(access.tensor, ())
                if not any(makes(self.nest, output, access, body.loops) for output in mine):
                    wanted.setdefault(access.tensor, {})[access.indices] = access
        return [tuple(accesses.values()) for accesses in wanted.values()]

    def _reading(self, accesses: tuple[Access, ...]) -> Reading:
        windows = windows_among(self.nest, self.cascade, accesses)
        ways, shifts = ways_of(self.nest, accesses), shifts_of(self.nest, accesses)
        plain = len(accesses) == 1 and not windows and not shifts and not self._is_crossing(accesses)
        return Reading(accesses, windows, ways, shifts, plain)

    def _words_read(self, body: Body, reading: Reading) -> sympy.Expr:
        """Return the words that *body* reads of one tensor: the union of what *reading* means in each iteration."""
        mask = self.bands[body.node]
        if reading.is_plain:
            key = ("read", mask, reading.ways, frozenset(body.loops))
            return self.extents.once(key, lambda: self._by_terms(reading, body))
        words = self._by_terms(reading, body)
        joint = joint_of(self.nest, self.cascade, reading.accesses, mask)
        words = words if joint is None else joint.read(self.extents, body.loops, words)
        union = self._union_read(body, reading)
        return words if union is None else union.words(self.extents, body.loops, words)

    def _union_read(self, body: Body, reading: Reading) -> Union | None:
        """Return the union of accesses to one tensor in each iteration of *body*, where nothing else knows it."""
        mask = self.bands[body.node]
        if not self._is_joint(reading.accesses, mask, reading.shared, reading.ways):
            return None
        return union_of(self.nest, self.cascade, [reader_of(self.nest, body, mask, reading.accesses)])

    def _by_terms(self, reading: Reading, body: Body) -> sympy.Expr:
        shared, mask = reading.shared, self.bands[body.node]
        # under a condition that only keeps to the tensor, nothing else is left out
        whole = mask is not None and any(window.is_inside_of(mask) for window in reading.windows)
        cut = cut_windows(self.nest, shared, mask, reading.ways)
        total: sympy.Expr = ZERO
        for times, term in terms_of(self.extents, reading.ways, body.loops, reading.shifts):
            loops = tuple(loop for loop in body.loops if loop not in term.dropped)
            mine = [window for window in shared if window.all_digits() <= term.digits]
            words = partial(_words_inside, term, loops, mine, body.loops)
            if whole:
                total += times * words(self.extents)
                continue
            if cut is not None and all(w.all_digits() <= term.digits for w in cut.windows):
                total += times * cut.read(self.extents, term.digits, loops)
                continue
            meet = ONE if not term.dropped or mask is None else self._meet(mask, loops, term.dropped)
            ends = [end for window in mine if (end := window.ends()) is not None]
            total += times * meet * self.over(body, loops, words, ends)
        return total

    def _meet(self, mask: Mask, loops: Collection[str], dropped: Collection[str]) -> sympy.Expr:
        """Return 1 where *mask* touches equal tiles of two variables of one rank, of *loops* and of *dropped*, else 0."""
        bounds, size = mask.differences(self.extents, loops, dropped)
        meet: sympy.Expr = ONE
        for bound in bounds:
            meet *= at_most(1 - size, bound)
        return meet


def _words_inside(
    term: Term, loops: tuple[str, ...], windows: Sequence[Window], around: Sequence[str], inside: Extents
) -> sympy.Expr:
    """Return the words of *term* in all iterations of *loops*, of which *windows* have a part, *inside* of such a tile."""
    found = inside.moved(term.digits, loops, stays=False)
    for window in windows:
        found *= window.share(inside, around, around)
    return found
