"""What a nest does, counted: operations on units, words moved between levels, and the room that kept tiles take.

Rules (docs/mappings.md says them with examples):
- A body takes each operand from the innermost level that keeps it around the body (the outermost level, if none does), once
  per iteration of the loops around the body: a broadcast to many lanes is one access. What the body itself makes is not
  fetched, except an earlier generation.
- A body writes what is needed outside it: by another body, by the next generation, or as an output of the cascade. While a
  reduction is still open over a loop outside the body, partial sums are written and, but for the first, read back.
- Between neighbouring levels that keep a tensor, a tile moves when it changes; a tile that is wanted again at once stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import sympy

from fusemax.cascade.ir import Einsum
from fusemax.cost.conditions import Mask
from fusemax.cost.extents import Extents, access_digits, digits_of
from fusemax.cost.jobs import Job, Work, work_of
from fusemax.cost.reads import Reads
from fusemax.cost.region import Region
from fusemax.cost.residences import Move, Room
from fusemax.cost.symbols import ceildiv, groups_of, lanes_along, symbol
from fusemax.cost.tasks import TaskPart, UnderBand, kinds_of, under_band
from fusemax.cost.tasks_region import UnderRegion, under_region
from fusemax.cost.ways import digits_of_way
from fusemax.machine import Machine
from fusemax.mapping.lanes import across
from fusemax.mapping.legality import previous_generation
from fusemax.mapping.nest import Body, Mapped, Nest, Residence, Root

ZERO = sympy.Integer(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NestCounts:
    """Everything counted in one nest.

    ``epochs`` is the number of iterations around the deepest body, ``tasks`` that of the loops spread over cores;
    ``band`` the condition of the deepest body and ``extents`` the sizes of its tiles. ``kinds`` are the tasks by what they
    hold, each with the counts of one of them; under a band whose roots are spread they are what tasks are made of, tiles of
    each kind outside of the band and touched pairs of each kind (``under`` says how they are dealt). Where groups of
    cores share the level ``shared``, tasks are those of groups, ``kinds`` count the fullest core's part of them, and
    ``together`` says what moves at that level in one of each kind.
    """

    nest: Nest
    jobs: tuple[Job, ...]
    moves: tuple[Move, ...]
    rooms: tuple[Room, ...]
    epochs: sympy.Expr
    tasks: sympy.Expr
    extents: Extents
    deepest: Body
    band: Mask | None
    kinds: tuple[tuple[sympy.Expr, NestCounts], ...] = ()
    under: UnderBand | UnderRegion | None = None
    shared: str | None = None
    together: tuple[tuple[Move, ...], ...] = ()

    @property
    def cores(self) -> sympy.Expr:
        """The number of cores to which tasks are dealt; of groups of them, where these share a level."""
        return symbol("replicas") if self.shared is None else groups_of(self.shared)


def count(mapped: Mapped, machine: Machine, nest: Nest, extents: Extents) -> NestCounts:
    """Return the counts of *nest*; *extents* knows the symbols of its tile sizes."""
    whole = Counter(mapped, machine, nest, extents)
    if not whole.spread:
        return whole.counts()
    under = whole.spread_under_a_mask()
    if under is None:
        kinds = [
            (kind.count, Counter(mapped, machine, nest, kind.extents, whole))
            for kind in kinds_of(nest, whole.spread, extents)
        ]
        whole.kinds = tuple(kinds)
    else:
        kinds = [(part.count, whole.of_part(part)) for part in under.parts]
    counted = tuple((times, counter.counts()) for times, counter in kinds)
    return replace(whole.counts(), kinds=counted, under=under)


class Counter(Reads):
    """Counts one nest, or one kind of its tasks: then *whole* counts the nest. What is kept at *elsewhere* others count."""

    elsewhere: str | None = None

    def __init__(
        self, mapped: Mapped, machine: Machine, nest: Nest, extents: Extents, whole: Counter | None = None
    ) -> None:
        super().__init__(mapped, machine, nest, extents, whole)
        self.bodies = nest.bodies
        self.residences = nest.residences
        self.begins = True  # whether what is counted begins a task

    def counts(self) -> NestCounts:
        nest = self.nest
        deepest = max(nest.bodies, key=lambda body: len(body.loops))
        return NestCounts(
            nest=nest,
            jobs=tuple(job for body in self.bodies for name in body.einsums for job in self.jobs(body, name)),
            moves=tuple(self.moves()),
            rooms=tuple(Room(residence=r, words=self.room(r)) for r in nest.residences),
            epochs=self.over(deepest, deepest.loops, lambda inside: inside.points(deepest.loops))
            if deepest in self.bodies
            else ZERO,
            tasks=self.extents.points(self.spread) if self.begins else ZERO,
            extents=self.extents,
            deepest=deepest,
            band=self.bands[deepest.node],
        )

    def spread_under_a_mask(self) -> UnderBand | UnderRegion | None:
        """Return what tasks are made of when loops in ``spread`` belong to a mask, which makes them unequal."""
        masks = dict.fromkeys(mask for mask in self.bands.values() if mask is not None)
        masked = [mask for mask in masks if self._under(mask) & set(self.spread)]
        if not masked:
            return None
        mask = masked[0]
        body = max((b for b in self.nest.bodies if self.bands[b.node] in masked), key=lambda b: len(b.loops))
        if len(masks) > 1:
            text = f"nest {self.nest.name} spreads ranks of one condition beside another"
            raise self._refused(body, text, "give each condition a nest of its own")
        leaves = [b.loops for b in self.nest.bodies if self.bands[b.node] == mask]
        given = (self.nest, self.spread, self.extents)
        under = (
            under_region(*given, mask, leaves)
            if isinstance(mask, Region)
            else under_band(*given, mask, leaves)
        )
        if under is None:
            text = (
                f"nest {self.nest.name} spreads loops of a rank under a condition, but not those around them"
            )
            raise self._refused(body, text, "spread the outer loops of the rank too")
        return under

    def _under(self, mask: Mask) -> frozenset[str]:
        """Return the digits whose values *mask* compares."""
        if isinstance(mask, Region):
            return mask.digits()
        return frozenset(d.name for name in (mask.row, mask.column) for d in self.nest.roots[name].digits)

    def of_part(self, part: TaskPart) -> Counter:
        """Return the counter of one part of a task: a touched pair of tiles, or what is done in any case."""
        found = Counter(self.mapped, self.machine, self.nest, part.extents, self)
        found.bodies = tuple(b for b in self.nest.bodies if self._group(b) == part.group)
        found.residences = tuple(
            r for r in self.nest.residences if self._group_of_pairs(r, part.columns) == part.group
        )
        found.bands = {body.node: None for body in self.nest.bodies}
        found.begins = part.group is None
        return found

    def _group(self, body: Body) -> int | None:
        """Return the number of the tiling in which *body* is done under the band; None outside of it."""
        band = self.bands[body.node]
        if band is None:
            return None
        digits = self._under(band)
        banded = [b for b in self.nest.bodies if self.bands[b.node] is not None]
        tilings = list(dict.fromkeys(frozenset(b.loops) & digits for b in banded))
        return tilings.index(frozenset(body.loops) & digits)

    def _group_of_pairs(self, residence: Residence, columns: frozenset[str]) -> int | None:
        """Return the tiling whose pairs have each a tile of *residence* of their own; None where a task has one tile."""
        digits = frozenset[str]().union(*map(digits_of_way, self._ways(residence)))
        banded = self._kept(residence, digits).band is not None
        if not banded or not columns & (set(residence.loops) | digits):
            return None
        inside = (b for b in self.nest.bodies if residence.covers(b.node) and self.bands[b.node] is not None)
        return next((self._group(body) for body in inside), None)

    # --- operations

    def jobs(self, body: Body, name: str) -> Iterator[Job]:
        einsum = self.mapped.einsum(name)
        for operation, where, share, mine, cycles in self.once(("work", name), lambda: self._work(einsum)):
            points, steps = self._points(body, einsum, mine), self._steps(body, einsum, where, mine)
            yield Job(
                einsum=name, unit=where, operation=operation.name, operands=operation.operands,
                reads=operation.reads, running=operation.running, cycles=cycles,
                points=points if share == 1 else points * share, steps=steps if share == 1 else steps * share,
            )  # fmt: skip

    def _work(self, einsum: Einsum) -> tuple[Work, ...]:
        return tuple(work_of(self.mapped, self.machine, self.nest, einsum))

    def _points(self, body: Body, einsum: Einsum, mine: frozenset[str]) -> sympy.Expr:
        """Return the points of an operation: under a condition those that satisfy it, else all in the tiles that are done."""
        digits = mine | set(body.loops)
        tiles = digits if einsum.conditions else frozenset(body.loops)
        key = ("points in tiles", self.bands[body.node], digits, tiles)
        return self.extents.once(key, lambda: self.over(body, tiles, lambda inside: inside.points(digits)))

    def _steps(self, body: Body, einsum: Einsum, unit: str, mine: frozenset[str]) -> sympy.Expr:
        """Return the steps of a unit: its lanes take what is there of the spatial digits in rounds, tile by tile."""
        spatial = {d: dim for d, dim in body.spatial.get(unit, {}).items() if d in mine}
        spatial = across(self.machine, unit, spatial, self.nest.digits_of(einsum.reduced))
        running = {*mine, *body.loops} - set(spatial)
        asked = (unit, tuple(spatial.items()), frozenset(running))

        def rounds(inside: Extents) -> sympy.Expr:
            roots = list(dict.fromkeys(self.nest.root_of(digit) for digit in spatial))
            known = ("rounds", *asked)
            return inside.once(known, lambda: self._rounds(unit, spatial, running, roots, inside))

        key = ("steps", self.bands[body.node], frozenset(body.loops), *asked)
        return self.extents.once(key, lambda: self.over(body, body.loops, rounds))

    def _rounds(
        self, unit: str, spatial: Mapping[str, str], running: set[str], roots: list[Root], extents: Extents
    ) -> sympy.Expr:  # fmt: skip
        """Return the steps: for each value of the *running* digits of *roots*, the rounds of the *spatial* ones there."""
        for position, root in enumerate(roots):
            in_time = running & set(extents.part(root).digits)
            if in_time:
                kinds = extents.pieces(root, in_time)
                rest = roots[position + 1 :]
                parts = [
                    count * self._rounds(unit, spatial, running, rest, inside) for count, inside in kinds
                ]
                return sum(parts, sympy.Integer(0))
        steps: sympy.Expr = extents.points(running)
        for dimension in dict.fromkeys(spatial.values()):
            digits = [d for d, dim in spatial.items() if dim == dimension]
            steps *= ceildiv(extents.points(digits), lanes_along(unit, dimension))
        return steps

    # --- words

    def moves(self) -> Iterator[Move]:
        for body in self.bodies:
            yield from self._reads(body)
            yield from self._writes(body)
        for residence in self.residences:
            if not residence.staged and residence.level not in (self.machine.outermost, self.elsewhere):
                yield from self.transfers(residence)

    def _writes(self, body: Body) -> Iterator[Move]:
        for name in body.einsums:
            einsum = self.mapped.einsum(name)
            for output in einsum.outputs:
                if not self._leaves(output.tensor, body, einsum):
                    continue
                home = self._home(output.tensor, body.node)
                digits = access_digits(self.nest, output)
                words = self._written(body, body.loops, digits, body.loops)
                yield Move(tensor=output.tensor, level=home, kind="write", words=words)
                if self._open_reduction(body, einsum):
                    begun = digits | self._lacking(einsum, body.loops)
                    own = [loop for loop in body.loops if loop in begun]
                    first = self._written(body, own, begun, ())
                    yield Move(tensor=output.tensor, level=home, kind="read", words=words - first)

    def _written(
        self, body: Body, tiles: Iterable[str], digits: frozenset[str], loops: tuple[str, ...]
    ) -> sympy.Expr:
        """Return the words of *digits* in all *tiles* in which *body* has something to do, written in each of *loops*."""
        key = ("written", self.bands[body.node], frozenset(tiles), digits, frozenset(loops))
        return self.extents.once(
            key, lambda: self.over(body, tiles, lambda inside: inside.moved(digits, loops, stays=False))
        )

    def _leaves(self, tensor: str, body: Body, einsum: Einsum) -> bool:
        if tensor in self.cascade.outputs:
            return True
        for reader in self.cascade.readers(tensor):
            inside = reader.name in body.einsums
            for access in reader.reads:
                if access.tensor == tensor and (
                    not inside or previous_generation(self.mapped, access, einsum)
                ):
                    return True
        return False

    def _open_reduction(self, body: Body, einsum: Einsum) -> bool:
        reduced = digits_of(self.nest, einsum.reduced)
        return any(loop in reduced for loop in body.loops)
