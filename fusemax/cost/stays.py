"""Words of a kept tile: it moves when it changes, and stays when it is wanted again at once, under a band too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from copy import copy
from dataclasses import dataclass, replace

import sympy

from fusemax.cost.conditions import Mask
from fusemax.cost.extents import ONE, Extents
from fusemax.cost.masks import Band, tiles_of
from fusemax.cost.region import Region
from fusemax.cost.symbols import band_most, band_turns, item, least, repeated
from fusemax.cost.visited import Visited
from fusemax.cost.visited_region import Inside

ZERO = sympy.Integer(0)


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor with *digits* kept inside *loops*; *leaf* are all loops around what touches it, under *band* or none.

    No tile stays from one iteration of the loops in *apart* to the next. Of two roots in *ends* the second one, under a
    region, ends where a tile of the first does.
    """

    extents: Extents
    digits: frozenset[str]
    loops: tuple[str, ...]
    leaf: tuple[str, ...]
    band: Mask | None
    apart: frozenset[str] = frozenset()
    ends: tuple[tuple[str, str], ...] = ()

    def words(self) -> sympy.Expr:
        """Return the words of all tiles that are brought in."""
        if self.band is None:
            return self.extents.moved(self.digits, self.loops, stays=True)
        if isinstance(self.band, Region):
            return self._inside(self.band).words()
        return _UnderBand(self, self._turned()).words()

    def to_cores(
        self,
        spread: Collection[str],
        otherwise: sympy.Expr,
        cores: sympy.Expr,
        wanting: sympy.Expr | None = None,
    ) -> sympy.Expr:
        """Return the words of all tiles that come to a memory of each of *cores*, whose tasks the loops in *spread* number.

        A tile that several tasks in a row want comes to as many cores, also where a loop inside of the place makes them;
        *otherwise* stands where that is not known, or where *wanting*, tasks in a row that want a tile, is 1 (-1: not known).
        """
        inside = set(spread) - set(self.loops)
        if inside:
            loops = tuple(loop for loop in self.leaf if loop in inside or loop in self.loops)
            return replace(self, loops=loops).to_cores(spread, otherwise, cores, wanting)
        if isinstance(self.band, Region):
            return self._inside(self.band, spread).words(cores)
        band = None if self.band is None else self._turned()
        sharing = self._sharing(spread)
        if sharing == 1:  # every task has a tile of its own
            return otherwise
        visited = Visited(self.extents, self.digits, self.loops, self.leaf, band, spread)
        words = visited.words(otherwise, cores, wanting if sharing is None else sharing)
        return otherwise if words is None else words

    def listed(
        self, otherwise: sympy.Expr, spread: Collection[str] = (), cores: sympy.Expr = ONE
    ) -> sympy.Expr:
        """Return the words of all tiles under a region, visited one by one, that come to one place or to each of *cores*.

        Of more tiles than can be visited that is *otherwise*.
        """
        assert isinstance(self.band, Region)
        inside = set(spread) - set(self.loops)
        loops = tuple(d for d in self.leaf if d in inside or d in self.loops) if inside else self.loops
        return replace(self, loops=loops)._inside(self.band, spread).visited(otherwise, cores)

    def _sharing(self, spread: Collection[str]) -> sympy.Expr | None:
        """Return how many tasks may want one tile in a row, where closed forms know who wants it; else None."""
        if self.band is None:
            return None
        for apart in (frozenset[str](), frozenset(spread)):
            if not _UnderBand(replace(self, apart=apart), self._turned()).is_exact():
                return None
        return self.extents.points([loop for loop in spread if loop not in self.digits])

    def once(self, begun: frozenset[str] = frozenset()) -> sympy.Expr:
        """Return the words of all tiles, each of them once, but for each iteration of the loops *begun*."""
        if self.band is None:
            return self.extents.moved(self.digits | begun, (), stays=True)
        if isinstance(self.band, Region):
            return self._inside(self.band).once() * self.extents.points(begun)
        found = _UnderBand(self, self._turned()).once()
        return found * self.extents.points(begun)

    def room(self) -> sympy.Expr:
        """Return the words of the largest tile: *digits* are those that no loop holds still."""
        points = self.extents.points(self.digits)
        if self.band is None or isinstance(self.band, Region):
            return points
        band = self._turned()
        column = {digit.name for digit in self.extents.nest.roots[band.column].digits}
        row = {digit.name for digit in self.extents.nest.roots[band.row].digits}
        if not column & self.digits or column & set(self.loops) or row & self.digits:
            return points
        rows = tiles_of(self.extents, self.extents.nest.roots[band.row], row & set(self.loops))
        columns = tiles_of(self.extents, self.extents.nest.roots[band.column], column & set(self.leaf))
        if rows is None or columns is None:
            return points
        touched = band_most(*band.sizes(self.extents, rows.size, columns.size)) * columns.size
        whole = self.extents.covered(self.extents.nest.roots[band.column], self.digits)
        others = self.extents.points(self.digits - column)
        return least(whole, touched) * others

    def _inside(self, region: Region, spread: Collection[str] = ()) -> Inside:
        return Inside(self.extents, self.digits, self.loops, self.leaf, region, spread, self.ends)

    def _turned(self) -> Band:
        """Return the band with a root that the tensor carries as its columns, if it carries one alone."""
        assert isinstance(self.band, Band)
        row, column = (self._carries(name) for name in (self.band.row, self.band.column))
        return self.band.turned() if row and not column else self.band

    def _carries(self, root: str) -> bool:
        return any(digit in self.digits for digit in self.extents.part(self.extents.nest.roots[root]).digits)


class _UnderBand:
    """Tiles under a band: those that a point of the band touches, as the loops come to them."""

    def __init__(self, kept: Kept, band: Band) -> None:
        self.extents, self.digits, self.leaf, self.band = kept.extents, kept.digits, kept.leaf, band
        turning = [loop for loop in kept.loops if self._turns(loop)]
        self.apart = kept.apart
        own = [n for n, loop in enumerate(turning) if loop in self.digits or loop in kept.apart]
        self.loops = (
            turning[: own[-1] + 1] if own else []
        )  # what turns inside of all its own loops changes no tile
        rows, columns = (self._of_root(name) for name in (band.row, band.column))
        mine = {loop for loop in kept.leaf if self._turns(loop) and loop in self.digits}
        self.rows = [loop for loop in self.loops if loop in rows]
        self.columns = (mine | set(self.loops)) & columns
        self.both = bool(self.digits & rows)
        self.row_digits = (mine & rows) | set(self.rows)

    def _turns(self, loop: str) -> bool:
        return loop in self.extents.part(self.extents.nest.root_of(loop)).digits

    def _of_root(self, name: str) -> set[str]:
        return {digit.name for digit in self.extents.nest.roots[name].digits}

    def once(self) -> sympy.Expr:
        """Return the words of all touched tiles, each once."""
        return self._sum((self.row_digits | self.columns) & self.digits)

    def words(self) -> sympy.Expr:
        """Return the words that are brought in: at each visit, but where the tile is wanted again at once."""
        closed = self._in_closed_form()
        if self.is_exact() or self.apart:
            return closed
        words = Visited(self.extents, self.digits, self.loops, self.leaf, self.band).words(closed)
        return closed if words is None else words

    def is_exact(self) -> bool:
        """Return whether the closed form is exact: other roots are not cut by loops, rows stand outside of columns."""
        if all(loop in self.digits for loop in self.loops):
            return True
        if len({loop in self.apart for loop in self.rows}) > 1:
            return False  # from task to task nothing stays, from row to row of one it may
        if any(
            len(self.extents.part(self.extents.nest.root_of(self.loops[n])).digits) > 1 for n in self._cut()
        ):
            return False
        return not self._others() if self.both else self._is_simple() and not self._is_in_blocks()

    def _cut(self) -> list[int]:
        """Return the places of the loops that are not of the band's roots."""
        roots = (self.band.row, self.band.column)
        return [n for n, loop in enumerate(self.loops) if self.extents.nest.root_of(loop).name not in roots]

    def _in_closed_form(self) -> sympy.Expr:
        if self.both:
            return self._in_any_order()
        if self._is_simple():
            words = self._row_by_row()  # like the other, it may count a tile too often, but not too seldom
            return least(self._in_any_order(), words) if self._is_in_blocks() else words
        outer = self._outer_rows()
        inner = self._without(outer)
        if not outer or not inner._is_simple():
            return self._in_any_order()
        turns: sympy.Expr = ONE
        for loop in outer:
            turns *= self.extents.trips(loop)
        return repeated(turns, self._in_any_order(), inner._row_by_row())

    def _in_any_order(self) -> sympy.Expr:
        """Return the words at each visit, but for loops inside of which the tensor's own loops turn but once."""
        digits = self.row_digits | self.columns
        visits = [self._sum(digits)]
        turns: list[sympy.Expr] = []
        for loop in self._foreign_of_band():
            digits = digits - {loop}
            if not self._is_numbered(digits):
                break
            turns.append(self._own_trips(self.loops.index(loop), True))
            visits.append(self._sum(digits))
        words = visits[-1]
        for trips, visited in zip(reversed(turns), reversed(visits[:-1]), strict=True):
            words = repeated(trips, visited, words)
        others = self._others()
        times: sympy.Expr = ONE  # the outer ones bring the tiles again, inner ones may find them
        for count, n in enumerate(others, 1):
            all_of_them = self._iterations(others[:count])
            apart = self.loops[n] in self.apart
            times = all_of_them if apart else repeated(self._own_trips(n, True), all_of_them, times)
        return words * times

    def _row_by_row(self) -> sympy.Expr:
        """Return the words where all loops over rows stand together, outside of those over columns.

        With T(k) the iterations of the outermost k loops of other roots: each visit in each of them, but for the tiles that
        the k-th finds alone, T(k) - T(k-1) times, and those that a row takes over from the row before.
        """
        others, rows = self._others(), self._places_of_rows()
        times = [self._iterations(others[:count]) for count in range(len(others) + 1)]
        outside = [n for n in others if not rows or n < rows[0]]
        words = self._sum(self.row_digits | self.columns) * times[-1]
        if rows:
            words -= self._if_alone(rows[0], self._turned(0)) * times[len(outside)]
        for count, n in enumerate(others):
            alone = self._turned(4 if n in outside else 2)
            words -= self._if_alone(n, alone) * (times[count + 1] - times[count])
        return words

    def _iterations(self, places: list[int]) -> sympy.Expr:
        return self.extents.points([self.loops[n] for n in places])

    def _others(self) -> list[int]:
        """Return the places of the loops that are neither the tensor's own nor of the band's roots."""
        roots = (self.band.row, self.band.column)
        return [
            n
            for n, loop in enumerate(self.loops)
            if loop not in self.digits and self.extents.nest.root_of(loop).name not in roots
        ]

    def _places_of_rows(self) -> list[int]:
        return [n for n, loop in enumerate(self.loops) if loop in self.rows]

    def _is_simple(self) -> bool:
        """Return whether the loops over rows stand together, outside of the innermost loops over columns."""
        places = self._places_of_rows()
        columns = [n for n, loop in enumerate(self.loops) if loop in self.columns and loop in self.digits]
        inside = [n for n in columns if not places or n > places[-1]]
        between = places and places[-1] - places[0] + 1 != len(places)
        foreign = any(loop in self.columns and loop not in self.digits for loop in self.loops)
        return not between and not foreign and (bool(inside) or not columns or not places)

    def _is_in_blocks(self) -> bool:
        """Return whether tiles of columns are cut further inside, or a loop of another root turns inside one over columns."""
        around = any(loop in self.columns for n in self._others() for loop in self.loops[:n])
        return around or bool(self.columns - set(self.loops))

    def _outer_rows(self) -> list[str]:
        """Return the loops over rows outside of those that stand together innermost."""
        places = self._places_of_rows()
        return [self.loops[n] for k, n in enumerate(places) if places[-1] - n != len(places) - 1 - k]

    def _without(self, loops: list[str]) -> _UnderBand:
        """Return the same tiles where *loops*, which still number rows, have one iteration each."""
        found = copy(self)
        found.loops = [loop for loop in self.loops if loop not in loops]
        return found

    def _foreign_of_band(self) -> list[str]:
        """Return the loops of the band's roots that are not the tensor's own, innermost first, up to one that keeps apart."""
        found: list[str] = []
        for loop in reversed(self.loops):
            if loop in self.digits or loop not in (*self.rows, *self.columns):
                continue
            if loop in self.apart:
                break
            found.append(loop)
        return found

    def _is_numbered(self, digits: set[str]) -> bool:
        roots = (self.extents.nest.roots[name] for name in (self.band.row, self.band.column))
        return all(tiles_of(self.extents, root, digits) is not None for root in roots)

    def _own_trips(self, n: int, all_of_them: bool) -> sympy.Expr:
        """Return the iterations of the tensor's own loops inside the n-th one; those over columns only if *all_of_them*."""
        trips: sympy.Expr = ONE
        for loop in self.loops[n + 1 :]:
            if loop in self.digits and (all_of_them or loop not in self.columns):
                trips *= self.extents.trips(loop)
        return trips

    def _if_alone(self, n: int, words: sympy.Expr) -> sympy.Expr:
        """Return *words* if no own loop but those over columns turns inside the n-th one, else nothing."""
        if self.loops[n] in self.apart:
            return ZERO
        return repeated(self._own_trips(n, False), ZERO, words)

    def _turned(self, first: int) -> sympy.Expr:
        """Return the words of the tiles in two of the places of ``band_turns``: whole tiles of columns, and the odd one."""
        rows, columns = self._tiles(self.band.row, self.rows), self._tiles(self.band.column, self.columns)
        outer = [loop for loop in self.loops if loop in self.columns and self._is_outside(loop)]
        group = self._tiles(self.band.column, outer).size
        sizes = self.band.sizes(self.extents, rows.size, columns.size)
        turns = band_turns(*sizes[:3], group, *sizes[3:])
        words: sympy.Expr = ZERO
        for places, part in columns.inside:
            inside = Extents(
                self.extents.nest, self.extents.sizes, {**self.extents.parts, self.band.column: part}
            )
            value = inside.points(self.digits)
            words += sum((item(turns, first + place) for place in sorted(places)), ZERO) * value
        return words

    def _is_outside(self, loop: str) -> bool:
        rows = self._places_of_rows()
        return bool(rows) and self.loops.index(loop) < rows[0]

    def _tiles(self, root: str, digits: Iterable[str]):
        found = tiles_of(self.extents, self.extents.nest.roots[root], set(digits))
        assert found is not None
        return found

    def _sum(self, digits: set[str]) -> sympy.Expr:
        kinds = self.band.kinds(self.extents, digits)
        assert kinds is not None
        return _total(kinds, lambda inside: inside.points(self.digits))


def _total(kinds, value: Callable[[Extents], sympy.Expr]) -> sympy.Expr:
    return sum((count * value(inside) for count, inside in kinds), ZERO)
