"""From a mapped cascade to its cost program: tiles, counts, times, traffic, energy, area, all as formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import sympy

from fusemax.cost.counts import Job, Move, NestCounts
from fusemax.cost.energy import write_area, write_energy
from fusemax.cost.extents import Extents
from fusemax.cost.groups import count
from fusemax.cost.power import at_held_clock
from fusemax.cost.program import FitRule, Label, Program, Writer
from fusemax.cost.rooms import Rooms, capacity_B, rooms_of, word_B
from fusemax.cost.schedule import write_times
from fusemax.cost.symbols import greatest, groups_of, symbol, to_sympy
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Number, names
from fusemax.machine import Machine, figures
from fusemax.mapping.build import tile_expression
from fusemax.mapping.nest import Mapped, Nest
from fusemax.mapping.spec import Fit


def derive(mapped: Mapped, machine: Machine, free: Iterable[str] = ()) -> Program:
    """Return the cost program of *mapped* on *machine*.

    *free* names figures of the machine that are formulas there but are to be given as parameters (a sweep's).
    """
    return _Derivation(mapped, machine, frozenset(free)).run()


SHORTEST_S = sympy.Rational(1, 10**30)  #: against 0/0 where nothing is done


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What one nest contributes: its counts and the moves after spilling."""

    counts: NestCounts
    moves: tuple[Move, ...]


class _Derivation:
    def __init__(self, mapped: Mapped, machine: Machine, free: frozenset[str]) -> None:
        self.mapped, self.machine, self.free = mapped, machine, free
        self.writer = Writer()
        self.parameters: dict[str, float | None] = {}

    def run(self) -> Program:
        self._figures()
        for level in filter(self.machine.of_groups, self.machine.levels):
            self.writer.add(f"groups[{level}]", groups_of(level), Label("groups", level=level))
        self._sizes()
        derived = [self._nest(nest) for nest in self.mapped.nests]
        latency = write_times(self.writer, self.machine, self.mapped, [(d.counts, d.moves) for d in derived])
        self._traffic(derived)
        self._activity(derived, latency)
        missing = {
            "energy": write_energy(
                self.writer, self.machine, self.mapped, [(d.counts, d.moves) for d in derived], latency
            ),
            "area": write_area(self.writer, self.machine),
        }
        given = self._tiles_given()
        for line in self.writer.lines:  # a size that is no rank, such as a dilation in an index
            for name in sorted(line.needs() - self.writer.names):
                if name in given:
                    self._only(given, name)
                self.parameters.setdefault(name, None)
        program = Program(parameters=self.parameters, lines=tuple(self.writer.lines), missing=missing)
        return at_held_clock(program, self.machine)

    def _figures(self) -> None:
        pending = dict(figures(self.machine))
        for name, expression in list(pending.items()):
            if isinstance(expression, Number) or name in self.free:
                value = expression.value if isinstance(expression, Number) else None
                self.parameters[name] = value
                del pending[name]
        done = set(self.parameters)
        while pending:
            ready = [
                (name, value)
                for name, value in pending.items()
                if {str(s) for s in to_sympy(value).free_symbols} <= done
            ]
            for name, value in ready:
                self.writer.add(name, to_sympy(value), Label("figure"))
                done.add(name)
                del pending[name]
            if not ready:
                raise ValueError(f"these figures need each other: {', '.join(sorted(pending))}")

    def _sizes(self) -> None:
        given = self._tiles_given()
        for nest in self.mapped.nests:
            for root in nest.roots.values():
                rank = self.mapped.cascade.ranks.get(root.size_name)
                used = () if rank is None or rank.size is None else names(rank.size)
                cut = [name for name in used if name in given]
                parts = {digit.size_name for digit in root.digits}
                if rank is not None and rank.size is not None and cut and not parts.intersection(used):
                    known = {name: self._only(given, name) for name in cut}
                    self._size(root.size_name, to_sympy(rank.size, known))
                else:
                    self.parameters.setdefault(root.size_name, None)
        if len(self.mapped.nests) > 1:
            for name, found in given.items():
                if len(found) == 1 and None not in found:
                    self._size(name, self._only(given, name))

    def _size(self, name: str, value: sympy.Expr) -> None:
        """Write the size called *name*, that of a tile which the mapping gives."""
        if name in self.writer.names:
            return
        for free in sorted(map(str, value.free_symbols)):
            if free not in self.writer.names:
                self.parameters.setdefault(free, None)
        self.writer.add(name, value, Label("size", tensor=name))

    def _tiles_given(self) -> dict[str, dict[sympy.Expr | None, str]]:
        """Return what the mapping cuts of the cascade's own parts of ranks: sizes (None: found by fit) and their nests."""
        found: dict[str, dict[sympy.Expr | None, str]] = {}
        for nest in self.mapped.nests:
            for digit in (digit for root in nest.roots.values() for digit in root.digits):
                if digit.rule is None or digit.size_name not in self.mapped.cascade.ranks:
                    continue
                value = None if isinstance(digit.rule, Fit) else to_sympy(tile_expression(digit.rule))
                if value != symbol(digit.size_name):
                    found.setdefault(digit.size_name, {}).setdefault(value, nest.name)
        return found

    def _only(self, given: Mapping[str, Mapping[sympy.Expr | None, str]], name: str) -> sympy.Expr:
        """Return the one size that a part of a rank has in all nests.

        Raises
        ------
        FusemaxError
            When it has several, or one that is found by fit: what else is as long would not be known.
        """
        value, *others = given[name]
        if others or value is None:
            nests = " and ".join(dict.fromkeys(given[name].values()))
            text = f"{name} is a size of the cascade, which mapping {self.mapped.name} cuts by fit or in several ways"
            raise FusemaxError(
                f"{text} (nest {nests})\n  hint: give it one number or formula under the mapping's 'tiles:'"
            )
        return value

    # --- tiles

    def _nest(self, nest: Nest) -> Derived:
        extents = Extents(nest, self._digit_symbols(nest))
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
                assert digit.rule is not None
                self._plain_tile(digit.size_name, digit.rule, extents.sizes[digit.name], nest)
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
                footprint=rooms.footprint(rule.level).subs(list(later.items())),
                capacity=symbol(f"{rule.level}.size"),
                kind=rule.kind,
            )
            self.writer.add(str(tile), value, Label("tile", nest=nest.name, tensor=digit.size_name))

    def _plain_tile(self, name: str, rule, tile: sympy.Expr, nest: Nest) -> None:
        value = to_sympy(tile_expression(rule))
        if value == tile:
            self.parameters.setdefault(str(tile), None)
            return
        for free in value.free_symbols:
            if str(free) not in self.writer.names:
                self.parameters.setdefault(str(free), None)
        self.writer.add(str(tile), value, Label("tile", nest=nest.name, tensor=name))

    # --- room

    def _occupancy(self, nest: Nest, rooms: Rooms) -> dict[str, sympy.Expr]:
        """Write what each level, and each register file, must hold; return the fraction that spills, by level that may."""
        spilled: dict[str, sympy.Expr] = {}
        over: sympy.Expr = sympy.Integer(0)
        for place in sorted(rooms.places(), key=lambda name: name == self.machine.outermost):
            capacity = capacity_B(self.machine, place)
            if capacity is None:
                continue
            occupied = self.writer.add(
                f"occupancy_B[{nest.name},{place}]",
                rooms.footprint(place) + (over if place == self.machine.outermost else 0),
                Label("occupancy", nest=nest.name, level=place),
            )
            self.writer.add(
                f"capacity_B[{nest.name},{place}]", capacity, Label("capacity", nest=nest.name, level=place)
            )
            for number, (tensor, why, size) in enumerate(rooms.parts(place)):
                label = Label("room", nest=nest.name, level=place, tensor=tensor, action=why)
                self.writer.add(f"room_B[{nest.name},{number},{place},{tensor}]", size, label)
            if self.mapped.spill.get(place):
                fraction = greatest(sympy.Integer(0), 1 - capacity / occupied)
                if self.machine.around(place) == self.machine.outermost:
                    over += greatest(sympy.Integer(0), occupied - capacity)
                name = f"spilled[{nest.name},{place}]"
                spilled[place] = self.writer.add(
                    name, fraction, Label("spilled", nest=nest.name, level=place)
                )
        return spilled

    def _spilled(self, moves: Iterable[Move], spilled: Mapping[str, sympy.Expr]) -> Iterable[Move]:
        """Yield the moves, with the words that a level cannot hold served by the level outside it."""
        for move in moves:
            inner = spilled.get(move.serves or "")
            if inner is not None and move.tensor in self.mapped.spill[move.serves or ""]:
                yield _with_words(move, move.words * (1 - inner))
                continue
            yield move
            here = spilled.get(move.level)
            if (
                here is not None
                and move.tensor in self.mapped.spill[move.level]
                and move.kind in ("read", "write")
            ):
                outside = self.machine.around(move.level)
                yield Move(tensor=move.tensor, level=outside, kind=move.kind, words=move.words * here)

    # --- totals

    def _traffic(self, derived: Sequence[Derived]) -> None:
        total: sympy.Expr = sympy.Integer(0)
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
                    total += line * word_B(self.mapped, tensor)
        self.writer.add("traffic_B", total, Label("traffic"))

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
