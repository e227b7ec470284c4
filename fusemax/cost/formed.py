"""All of a cost program that no number of a mapping or machine changes: counts, times, traffic, energy and area.

Tiles are symbols in these formulas, and so are figures: two designs alike but for the numbers of their tiles and figures have
the same ones. They are worked out once; :mod:`fusemax.cost.model` puts tiles and figures before them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import sympy

from fusemax.cost.counts import Move, NestCounts
from fusemax.cost.energy import write_area, write_energy
from fusemax.cost.extents import Extents, extents_of
from fusemax.cost.groups import count
from fusemax.cost.jobs import Job
from fusemax.cost.program import FitRule, Label, Line, Writer, names_in
from fusemax.cost.rooms import Rooms, capacity_B, rooms_of, word_B
from fusemax.cost.schedule import write_times
from fusemax.cost.symbols import greatest, symbol, to_sympy
from fusemax.machine import Machine
from fusemax.machine.structure import Structure
from fusemax.mapping.nest import Mapped, Nest
from fusemax.mapping.spec import Fit

SHORTEST_S = sympy.Rational(1, 10**30)  #: against 0/0 where nothing is done


@dataclass(frozen=True, slots=True)
class GivenTile:
    """The place of a tile whose size the mapping gives, among the lines: the tile's name, and whose digit it is."""

    name: str
    nest: str
    digit: str
    size_name: str


@dataclass(frozen=True, slots=True)
class Formed:
    """The lines of a program after its figures and sizes, and the figures that the machine lacks for a total."""

    lines: tuple[Line | GivenTile, ...]
    missing: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A design as far as these lines depend on it: *key* has all of that, for comparison."""

    key: Hashable
    mapped: Mapped = field(compare=False)
    machine: Machine = field(compare=False)


def shape_of(mapped: Mapped, machine: Machine) -> Shape:
    """Return the shape of a design: all of it but the sizes of given tiles and the values of figures.

    Of the cascade its identity counts; the same cascade is read once, and taken over by all mappings of it
    (:func:`fusemax.cascade.views.without`).
    """
    nests = tuple(_without_rules(nest) for nest in mapped.nests)
    tables = (mapped.bind, mapped.spill, mapped.words, mapped.when)
    offload = tuple((place, tuple(parts.items())) for place, parts in mapped.offload.items())
    rest = (mapped.in_place, offload, *(tuple(table.items()) for table in tables))
    return Shape((id(mapped.cascade), nests, rest, machine.structure.outline), mapped, machine)


def _without_rules(nest: Nest) -> Hashable:
    """Return *nest* as a value, of rules for tiles only of which kind they are."""
    roots = tuple(
        (name, root.name, tuple((digit.name, _kind(digit.rule)) for digit in root.digits))
        for name, root in nest.roots.items()
    )
    bodies = tuple((body.node, body.opened, repr(body.spatial), body.einsums) for body in nest.bodies)
    rest = (nest.residences, repr(nest.schedule), nest.spread, nest.deal, nest.beside)
    return nest.name, roots, bodies, rest


def _kind(rule: object) -> Hashable:
    return (rule.level, rule.kind) if isinstance(rule, Fit) else rule is None


@lru_cache(maxsize=512)
def figure_lines(structure: Structure, free: frozenset[str]) -> tuple[Line, ...]:
    """Return the lines of a machine's figures that are formulas, each after those that it needs; *free* ones are none."""
    pending = {
        name: to_sympy(value) for name, value in structure.figures if value is not None and name not in free
    }
    done = {name for name, _ in structure.figures if name not in pending}
    lines: list[Line] = []
    while pending:
        ready = {name: value for name, value in pending.items() if names_in(value) <= done}
        if not ready:
            raise ValueError(f"these figures need each other: {', '.join(sorted(pending))}")
        lines += (Line(name, value, Label("figure")) for name, value in ready.items())
        done |= ready.keys()
        pending = {name: value for name, value in pending.items() if name not in ready}
    return tuple(lines)


@lru_cache(maxsize=512)
def formed(shape: Shape) -> Formed:
    """Return the lines of every design of this *shape*."""
    return _Forming(shape.mapped, shape.machine).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What one nest contributes: its counts and the moves after spilling."""

    counts: NestCounts
    moves: tuple[Move, ...]


class _Forming:
    def __init__(self, mapped: Mapped, machine: Machine) -> None:
        self.mapped, self.machine = mapped, machine
        self.writer = Writer()
        self.lines: list[Line | GivenTile] = self.writer.lines  # type: ignore[assignment]

    def run(self) -> Formed:
        derived = [self._nest(nest) for nest in self.mapped.nests]
        pairs = [(one.counts, one.moves) for one in derived]
        latency = write_times(self.writer, self.machine, self.mapped, pairs)
        self._traffic(derived)
        self._activity(derived, latency)
        missing = {
            "energy": write_energy(self.writer, self.machine, self.mapped, pairs, latency),
            "area": write_area(self.writer, self.machine),
        }
        return Formed(tuple(self.lines), missing)

    # --- tiles

    def _nest(self, nest: Nest) -> Derived:
        extents = extents_of(nest, self._digit_symbols(nest))
        counts = count(self.mapped, self.machine, nest, extents)
        rooms = rooms_of(self.mapped, self.machine, extents, counts.rooms)
        self._tiles(nest, extents, rooms)
        spilled = self._occupancy(nest, rooms)
        if counts.shared is not None:
            label = Label("beside", nest=nest.name, level=counts.shared)
            self.writer.add(f"beside[{nest.name},{counts.shared}]", extents.points(nest.beside), label)
        kinds = tuple(
            (times, replace(kind, moves=tuple(self._spilled(kind.moves, spilled))))
            for times, kind in counts.kinds
        )
        together = tuple(tuple(self._spilled(moves, spilled)) for moves in counts.together)
        counts = replace(counts, kinds=kinds, together=together)
        return Derived(counts=counts, moves=tuple(self._spilled(counts.moves, spilled)))

    def _digit_symbols(self, nest: Nest) -> dict[str, sympy.Expr]:
        suffix = f"@{nest.name}" if len(self.mapped.nests) > 1 else ""
        return {
            digit.name: symbol(digit.size_name + suffix)
            for root in nest.roots.values()
            for digit in root.digits
            if digit.rule is not None
        }

    def _tiles(self, nest: Nest, extents: Extents, rooms: Rooms) -> None:
        digits = [d for root in nest.roots.values() for d in root.digits if d.rule is not None]
        for digit in digits:
            if not isinstance(digit.rule, Fit):
                name = str(extents.sizes[digit.name])
                self.lines.append(GivenTile(name, nest.name, digit.name, digit.size_name))
        fits = [digit for digit in digits if isinstance(digit.rule, Fit)]
        for position, digit in enumerate(fits):
            rule = digit.rule
            assert isinstance(rule, Fit)
            root = nest.root_of(digit.name)
            inner = {d.name for d in root.inner_to(digit.name)}
            outer = [d.name for d in root.digits if d.name not in inner]
            later = {extents.sizes[d.name]: sympy.Integer(1) for d in fits[position + 1 :]}
            tile = extents.sizes[digit.name]
            bound = extents.covered(root, outer).subs([*later.items(), (tile, sympy.Integer(1))])
            value = FitRule(
                tile=tile,  # type: ignore[arg-type]
                count=bound,
                footprint=rooms.needed(rule.level).subs(list(later.items())),
                capacity=symbol(f"{rule.level}.size"),
                kind=rule.kind,
            )
            self.writer.add(str(tile), value, Label("tile", nest=nest.name, tensor=digit.size_name))

    # --- room

    def _occupancy(self, nest: Nest, rooms: Rooms) -> dict[str, sympy.Expr]:
        """Write what each level, and each register file, must hold; return the fraction that spills, by level that may."""
        spilled: dict[str, sympy.Expr] = {}
        for place in sorted(rooms.places(), key=lambda name: name == self.machine.outermost):
            capacity = capacity_B(self.machine, place)
            if capacity is None:
                continue
            occupied = self.writer.add(
                f"occupancy_B[{nest.name},{place}]",
                rooms.needed(place),
                Label(
                    "occupancy", nest=nest.name, level=place, action="divided" if rooms.dealt(place) else ""
                ),
            )
            self.writer.add(
                f"capacity_B[{nest.name},{place}]", capacity, Label("capacity", nest=nest.name, level=place)
            )
            for number, (tensor, why, size) in enumerate(rooms.parts(place)):
                label = Label("room", nest=nest.name, level=place, tensor=tensor, action=why)
                self.writer.add(f"room_B[{nest.name},{number},{place},{tensor}]", size, label)
            if self.mapped.spill.get(place):
                fraction = 1 - capacity / greatest(capacity, occupied)
                name = f"spilled[{nest.name},{place}]"
                spilled[place] = self.writer.add(
                    name, fraction, Label("spilled", nest=nest.name, level=place)
                )
        return spilled

    def _spilled(self, moves: Iterable[Move], spilled: Mapping[str, sympy.Expr]) -> Iterable[Move]:
        """Yield the moves, with the words that a level cannot hold served by the level outside it, or what that one lacks."""
        for move in moves:
            inner = spilled.get(move.serves or "")
            if inner is not None and move.tensor in self.mapped.spill[move.serves or ""]:
                move = _with_words(move, move.words * (1 - inner))
            yield move
            level, words = move.level, move.words
            while move.kind in ("read", "write") and move.tensor in self.mapped.spill.get(level, ()):
                if level not in spilled:
                    break
                words *= spilled[level]
                level = self.machine.around(level)
                yield Move(tensor=move.tensor, level=level, kind=move.kind, words=words)

    # --- totals

    def _traffic(self, derived: Sequence[Derived]) -> None:
        outermost: list[sympy.Expr] = []
        for item in derived:
            nest = item.counts.nest.name
            grouped: dict[tuple[str, str, str], sympy.Expr] = {}
            for move in item.moves:
                key = (move.level, move.kind, move.tensor)
                grouped[key] = grouped.get(key, sympy.Integer(0)) + move.words
            for (level, kind, tensor), words in grouped.items():
                label = Label("words", nest=nest, level=level, tensor=tensor, action=kind)
                line = self.writer.add(f"words[{nest},{level},{kind},{tensor}]", words, label)
                if level == self.machine.outermost:
                    outermost.append(line * word_B(self.mapped, tensor))
        self.writer.add("traffic_B", sympy.Add(*outermost), Label("traffic"))

    def _activity(self, derived: Sequence[Derived], latency: sympy.Expr) -> None:
        busy: dict[str, dict[str, sympy.Expr]] = {unit: {} for unit in self.machine.units}
        for item in derived:
            for job in item.counts.jobs:
                einsums = busy[job.unit]
                einsums[job.einsum] = einsums.get(job.einsum, sympy.Integer(0)) + _lane_cycles(job)
        for unit, einsums in busy.items():
            lanes: sympy.Expr = symbol("replicas")
            for dimension in self.machine.units[unit].shape:
                lanes *= symbol(f"{unit}.{dimension}")
            parts: list[sympy.Expr] = []
            for einsum, lane_cycles in einsums.items():
                share = lane_cycles / (lanes * symbol("clock") * greatest(SHORTEST_S, latency))
                parts.append(
                    self.writer.add(
                        f"activity[{unit},{einsum}]", share, Label("activity", unit=unit, einsum=einsum)
                    )
                )
            self.writer.add(f"utilization[{unit}]", sympy.Add(*parts), Label("utilization", unit=unit))


def _lane_cycles(job: Job) -> sympy.Expr:
    return job.points * job.cycles


def _with_words(move: Move, words: sympy.Expr) -> Move:
    return replace(move, words=words)
