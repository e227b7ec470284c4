"""The order of visits by barriers, worked out once for a cascade and asked for many fibres.

Sets of visits are bits of whole numbers, so that a chain over hundreds of visits costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fusemax.analysis.barriers import Corner, Sweep, is_barrier, sweep_of
from fusemax.analysis.conditions import Relation
from fusemax.analysis.cones import Cones
from fusemax.analysis.members import Visit
from fusemax.analysis.plain import INFINITY, Plain, Start
from fusemax.analysis.relations import Table
from fusemax.analysis.room import SEVERAL

FIRST, LAST, MIDDLE = Corner("start", 0), Corner("end", 0), Corner("middle", 0)


class Order:
    """Which visits must be over before others begin, with the answers found so far."""

    def __init__(self, form: Plain, table: Table) -> None:
        self.form, self.table = form, table
        self.cones = Cones(form)
        self._numbers: dict[tuple[object, ...], int] = {}
        self._sweeps: list[tuple[int, Sweep]] = []
        self._known: dict[Corner, dict[int, tuple[int, int]]] = {}
        self.corners = (FIRST, LAST) if _corners_matter(form, table) else (FIRST,)
        self._spread: dict[tuple[int, int, str], bool] = {}
        self._standings: dict[tuple[object, ...], int] = {}
        self.waiting: dict[
            Corner, dict[tuple[int, int], bool]
        ] = {}  #: by corner, for visits by standing number
        self._rooms: dict[tuple[int, Corner], int] = {}
        self.constants = tuple(dict.fromkeys(_constants(form)))

    def relation(self, earlier: Visit, later: Visit, corner: Corner) -> Relation | None:
        """Return the shortest relation by which *earlier* must be over before *later* begins, if there is one."""
        u, v = (self._sweeps[self.number(visit)] for visit in (earlier, later))
        found = [one for one in self.table[u[0]].get(v[0], ()) if self._holds(one, u, v, corner)]
        return min(found, key=lambda relation: len(relation.through), default=None)

    def longest(self, named: Mapping[int, Visit], corner: Corner) -> tuple[Visit, ...]:
        """Return a longest chain of visits by number: rows that follow no other one left are taken off in turn."""
        left = sum(1 << number for number in named)
        known = self._known.setdefault(corner, {})
        after = {number: self._followers(number, left, corner, known) for number in named}
        rows: list[int] = []
        while left:
            follows = 0
            for number in _bits(left):
                follows |= after[number]
            row = left & ~follows
            if not row:
                break  # visits of a state that follow each other in turn: what they add is per step
            rows.append(row)
            left &= follows
        chain: list[int] = []
        for row in reversed(rows):
            able = [n for n in _bits(row) if not chain or after[n] >> chain[-1] & 1]
            order = list(named)
            chain.append(min(able, key=order.index))
        return tuple(named[number] for number in reversed(chain))

    def number(self, visit: Visit) -> int:
        """Return the number of *visit*, the same for all that run alike."""
        fixed = frozenset((name, offset) for name, _, offset in visit.fixed)
        key = (visit.number, visit.variables, fixed, visit.inner)
        if key not in self._numbers:
            self._numbers[key] = len(self._sweeps)
            self._sweeps.append((visit.number, sweep_of(visit)))
        return self._numbers[key]

    def room(self, number: int, visit: Visit, corner: Corner) -> int:
        """Return how many coordinates along the fibre conditions leave *visit*, of that number, at *corner*: 0, 1, or 2."""
        key = number, corner
        if key not in self._rooms:
            left = self.cones.room.left(visit, corner)
            self._rooms[key] = SEVERAL if left and visit.point else left
        return self._rooms[key]

    def standing_number(self, *standing: object) -> int:
        """Return the number of a visit whose tasks stand so at some corner, the same for all that stand alike."""
        return self._standings.setdefault(standing, len(self._standings))

    def needs_several(self, u: int, v: int, along: Iterable[str]) -> bool:
        """Return whether a task of Einsum *v* may need more than one coordinate along any of u's variables *along*."""
        return any(self._several(u, v, name) for name in along)

    def _several(self, u: int, v: int, along: str) -> bool:
        key = u, v, along
        if key not in self._spread:
            place = self.form.nodes[u].variables.index(along)
            found = (relation.sources[place] for relation in self.table[u].get(v, ()))
            self._spread[key] = any(one[0] != "link" or one[2] != one[3] for one in found)
        return self._spread[key]

    def _followers(self, number: int, wanted: int, corner: Corner, known: dict[int, tuple[int, int]]) -> int:
        """Return which of the *wanted* visits must wait for visit *number*; *known* are those tested, and found."""
        tested, found = known.get(number, (0, 0))
        new = wanted & ~tested & ~(1 << number)
        if not new:
            return found & wanted
        u = self._sweeps[number]
        row = self.table[u[0]]
        for other in _bits(new):
            v = self._sweeps[other]
            for one in row.get(v[0], ()):
                if self._holds(one, u, v, corner):
                    found |= 1 << other
                    break
        known[number] = (tested | wanted, found)
        return found & wanted

    def _holds(self, one: Relation, u: tuple[int, Sweep], v: tuple[int, Sweep], corner: Corner) -> bool:
        nodes = self.form.nodes
        return is_barrier(one, nodes[u[0]], u[1], nodes[v[0]], v[1], corner)


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def _constants(form: Plain) -> Iterator[Corner]:
    """Return the corners at which some Einsum reads at a constant index."""
    for node in form.nodes:
        for reading in node.reads:
            for index in reading.indices:
                if isinstance(index, Start):
                    yield Corner("start", index.position)


def _corners_matter(form: Plain, table: Table) -> bool:
    """Return whether anything depends on the end at which free coordinates are fixed."""
    if any(node.filters for node in form.nodes):
        return True
    kept = (one for row in table.values() for found in row.values() for one in found)
    return any(_is_tied(condition) for one in kept for condition in (*one.sources, *one.sinks))


def _is_tied(condition: tuple | None) -> bool:
    if condition is None or len(condition) < 3:
        return False
    return condition[0] != "link" or INFINITY in (-condition[2], condition[3])
