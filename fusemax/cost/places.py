"""Where tensors are kept in a nest, and what several accesses and bodies share of one there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import sympy

from fusemax.cost.conditions import Mask, mask_of
from fusemax.cost.extents import ONE, Extents
from fusemax.cost.joint import Joint, joint_of
from fusemax.cost.stays import Kept
from fusemax.cost.symbols import least, repeated, symbol
from fusemax.cost.unions import Union, is_crossing, reader_of, union_of
from fusemax.cost.users import Users
from fusemax.cost.ways import Way, digits_of_way, distinct, ways_of
from fusemax.cost.windowed import cut_windows
from fusemax.cost.windows import Window, windows_among
from fusemax.language.syntax import Access
from fusemax.machine import Machine
from fusemax.mapping.nest import Body, Mapped, Nest, Residence

ZERO = sympy.Integer(0)


class Places(Users):
    """Finds how tiles of kept tensors come to their places in a nest, or in one kind of its tasks: then *whole* is that."""

    def __init__(
        self, mapped: Mapped, machine: Machine, nest: Nest, extents: Extents, whole: Places | None
    ) -> None:
        super().__init__(mapped, nest, whole)
        self.machine, self.extents = machine, extents
        self.cores: sympy.Expr = symbol("replicas")  #: of which each has its own memories
        self.order = machine.places
        self._keeping: dict[str, list[Residence]] = {}
        for residence in nest.residences:
            if not residence.staged:
                self._keeping.setdefault(residence.tensor, []).append(residence)
        self.bands: dict[tuple[int, ...], Mask | None] = (
            dict(whole.bands) if whole else {body.node: mask_of(mapped, nest, body) for body in nest.bodies}
        )
        self.whole: Places = whole or self
        self.spread: tuple[str, ...] = self.whole.spread if whole else mapped.task_loops(nest)

    def _shared(self, residence: Residence) -> Union | None:
        """Return what bodies inside share of a tensor that is read there, where no closed form knows the union; else None.

        So it is for bodies under different conditions, or in different tiles under one, and for windows that a condition cuts
        where several are, or where another index has their ranks.
        """
        under = tuple(self.bands.values())  # parts of tasks have no condition left
        return self.once(("shared", residence, under), lambda: self._shared_inside(residence))

    def _shared_inside(self, residence: Residence) -> Union | None:
        bodies = [body for body, _ in self._touching(residence.tensor) if residence.covers(body.node)]
        alike = {(frozenset(body.loops), self.bands[body.node]) for body in bodies}
        masks = [mask for _, mask in alike if mask is not None]
        read = self._accesses(residence)[1]
        if len(alike) > 1:
            needed = bool(masks) or self._is_crossing(self._telling(residence, read))
        else:
            needed = self._is_joint(
                read, masks[0] if masks else None, self._windows(residence), self._ways(residence)
            )
        if not needed:
            return None
        return self._union(residence.tensor, {body.node: body for body in bodies}.values())

    def _holding(self, residence: Residence) -> tuple[Way, ...]:
        """Return the ways to the tensor of *residence* that hold all others in its loops: what moves them moves its tile."""
        return distinct(self.nest, self._ways(residence), residence.loops)

    def _telling(self, residence: Residence, read: Iterable[Access]) -> list[Access]:
        """Return those of *read* that others do not hold, or that are windows: a loop that moves one moves its tile."""
        ways = self._holding(residence)
        return [
            access for access in read
            if ways_of(self.nest, (access,))[0] in ways or windows_among(self.nest, self.cascade, (access,))
        ]  # fmt: skip

    def _is_joint(
        self,
        accesses: Sequence[Access],
        mask: Mask | None,
        windows: Collection[Window],
        ways: Collection[Way],
    ) -> bool:
        """Return whether *accesses* to one tensor under *mask* overlap in a way that neither closed forms nor lines know."""
        if self._is_crossing(accesses):
            return joint_of(self.nest, self.cascade, accesses, mask) is None
        cut = cut_windows(self.nest, windows, mask, ways)
        return cut is not None and len(cut.windows) != 1

    def _is_crossing(self, accesses: Sequence[Access]) -> bool:
        key = ("crossing", tuple(accesses))
        return self.always(key, lambda: is_crossing(self.nest, self.cascade, accesses))

    def _union(self, tensor: str, bodies: Iterable[Body]) -> Union | None:
        readers = [
            reader_of(self.nest, body, self.bands[body.node], [
                access for name in body.einsums for access in self.mapped.einsum(name).reads if access.tensor == tensor
            ])
            for body in bodies
        ]  # fmt: skip
        return union_of(self.nest, self.cascade, readers)

    def _of_union(self, residence: Residence, shared: Union, words: sympy.Expr) -> sympy.Expr:
        """Return the words of all tiles of what bodies share; *words* where these are too many to be listed."""
        moving = self._moving(residence)
        within = shared.words(self.extents, residence.loops, words, moving=moving)
        if not self._is_of_a_core(residence.level) or not self.spread:
            return within
        if self.whole is not self:
            same = self._same_in_a_row(residence, shared.carried)
            return within * least(same, self.cores) / same
        inside = {*self.spread, *residence.loops}
        loops = [loop for loop in shared.readers[0].loops if loop in inside]
        many = shared.words(self.extents, loops, words, self.spread, self.cores, moving)
        return many if self.nest.spread else repeated(self.cores, many, within)

    def _moving(self, residence: Residence) -> dict[str, sympy.Expr]:
        """Return 1 by digit that moves the tile of *residence*, or what is 0 where loops of their own turn but once for a way.

        That one holds the others then, and they move nothing.
        """
        read, ways = self._accesses(residence)[1], self._ways(residence)
        found: dict[str, sympy.Expr] = {
            digit: ONE
            for way in ways_of(self.nest, self._telling(residence, read))
            for digit in digits_of_way(way)
        }
        windows = {d for window in windows_among(self.nest, self.cascade, read) for d in window.all_digits()}
        for way in ways:
            pairs = [pair for other in ways for pair in zip(way, other, strict=True)]
            own = [loop for loop in residence.loops if any(loop in a - b for a, b in pairs)]
            rest = [loop for loop in residence.loops if loop not in own]
            if own and distinct(self.nest, ways, rest) == (way,):
                turns: sympy.Expr = ONE
                for loop in own:
                    turns *= self.extents.trips(loop) if self.extents.turns(loop) else sympy.Integer(2)
                held = {*windows, *digits_of_way(way)}
                found = {d: repeated(turns, flag, ONE if d in held else ZERO) for d, flag in found.items()}
        return found

    def _joint(
        self, residence: Residence, ways: Sequence[Way], read: Sequence[Access], body: Body
    ) -> Joint | None:
        """Return the accesses *read* as lines, if tiles of their *ways* overlap as closed forms do not know."""
        given = (self.nest, self.cascade, read, self.bands[body.node])
        joint = joint_of(*given)
        if joint is not None or len(ways) < 2:
            return joint
        carried = frozenset[str]().union(*(digits_of_way(way) for way in ways))
        foreign = any(loop not in carried for loop in residence.loops)
        of_cores = bool(self.spread) and self._is_of_a_core(residence.level)
        return joint_of(*given, aliases=True) if foreign or of_cores else None

    def _of_lines(self, residence: Residence, joint: Joint, words: sympy.Expr) -> sympy.Expr:
        """Return the words of all tiles that are *joint* lines; *words* where these are too many to be listed."""
        kept = self._kept(residence, joint.digits)
        within = joint.brought(kept, words)
        if not self._is_of_a_core(residence.level) or not self.spread:
            return within
        if self.whole is not self:
            same = self._same_in_a_row(residence, joint.digits)
            return within * least(same, self.cores) / same
        many = joint.brought(kept, words, self.spread, self.cores)
        return many if self.nest.spread else repeated(self.cores, many, within)

    def _is_of_a_core(self, level: str) -> bool:
        return level not in self.machine.levels or self.machine.levels[level].per_core

    def _same_in_a_row(self, residence: Residence, digits: frozenset[str]) -> sympy.Expr:
        """Return how many tasks in a row want the same tile, and keep it alone: they differ in loops that do not change it."""
        loops = next(body.loops for body in self.nest.bodies if residence.covers(body.node))
        turns: sympy.Expr = ONE
        for loop in residence.loops:
            turns *= self.extents.trips(loop) if loop in digits and loop not in self.spread else ONE
        same: sympy.Expr = ONE
        several: set[str] = set()
        for loop in reversed([loop for loop in loops if loop in self.spread]):
            if loop in digits:
                turns *= self.whole.extents.trips(loop)
            else:
                several.add(loop)
                same = repeated(turns, same, self.whole.extents.points(several))
        return same

    def _kept(self, residence: Residence, digits: frozenset[str], made: bool = False) -> Kept:
        """Return what counts the tiles of a residence; under a band when all that touches them stands under that one.

        Its tiles hold what is made inside, or else what is read there; if *made*, only what makes them counts as touching.
        """
        writers, readers = (
            [body for body in users if residence.covers(body.node)] for users in self._users(residence)
        )
        bands = {self.bands[body.node] for body in (writers if made else (*writers, *readers))}
        band = next(iter(bands)) if len(bands) == 1 else None
        first, *others = [body.loops for body in writers or readers] or [residence.loops]
        leaf = tuple(loop for loop in first if all(loop in other for other in others))
        return Kept(self.extents, digits, residence.loops, leaf, band)

    def _around(self, tensor: str, node: tuple[int, ...]) -> list[Residence]:
        """Return the residences of *tensor* around *node*, outermost first."""
        found = [r for r in self._keeping.get(tensor, ()) if r.covers(node)]
        return sorted(found, key=lambda r: (len(r.node), self.order.index(r.level)))
