"""What a search knows before it begins: sizes, figures as numbers, and who can do which operation for how many cycles."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from math import inf
from typing import Any

from fusemax.analysis.work import Operation, operations
from fusemax.cascade.generations import recurrent
from fusemax.cascade.ir import Cascade, Einsum
from fusemax.cascade.sizes import MissingSizeError, resolve_sizes
from fusemax.cost.evaluate import evaluate_lines
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Name, names
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.mapping.refused import check_figures
from fusemax.mapping.space import digits_of_rank, parts_of, prepared, whole_ranks
from fusemax.mapping.units import lowered, missing_operations
from fusemax.search.within import Within


@dataclass(frozen=True, slots=True)
class Piece:
    """One operation as a unit really does it: over these rank variables, so many cycles a step, so much energy a point.

    ``reduced`` are the variables over which its Einsum adds up, where not all dimensions of the unit can (``sums``).
    """

    operation: str
    variables: frozenset[str]
    cycles: float
    energy_J: float
    reduced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """The operations of one name of an Einsum, which are bound together.

    Attributes
    ----------
    units
        By unit that can do all of them, the pieces that it does for them. Where no unit can do all, those that can do the
        first part of each pair, beside others: what they leave to others has endless cycles.
    parts
        For a pair under one name (``sub_exp``), by part: the piece of each unit that can do that part; else empty.
    """

    einsum: str
    operation: str
    indices: tuple[int, ...]
    units: Mapping[str, tuple[Piece, ...]]
    parts: tuple[Mapping[str, Piece], ...] = ()

    @property
    def alone(self) -> dict[str, tuple[Piece, ...]]:
        """The units that can do all of them without others."""
        return {unit: ps for unit, ps in self.units.items() if all(piece.cycles < inf for piece in ps)}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A cascade, a machine and sizes, looked at once.

    Attributes
    ----------
    cascade
        As mappings see it (:func:`fusemax.mapping.space.prepared`).
    sizes
        The size of every rank that is not open; of open parts (``open_parts``) there is none.
    figures
        Every figure of the machine as a number.
    follows
        By rank that is as long as an open part (``J0: I0``), that part: its size is that of the tile.
    fused
        What is known so far of which Einsums may share which loops.
    masks
        By Einsum with conditions, its mask (:mod:`fusemax.search.useful`), once somebody has asked.
    amounts
        How much there is to do at least (:mod:`fusemax.search.amounts`), once somebody has asked.
    """

    cascade: Cascade
    machine: Machine
    given: Mapping[str, float]
    sizes: Mapping[str, int]
    open_parts: tuple[str, ...]
    figures: Mapping[str, float]
    follows: Mapping[str, str] = field(default_factory=dict[str, str])
    absorb: tuple[str, ...] = ()
    within: Within = field(default_factory=Within)
    items: Mapping[str, tuple[Item, ...]] = field(default_factory=dict[str, tuple[Item, ...]])
    fused: dict[tuple[tuple[str, ...], tuple[str, ...]], bool] = field(default_factory=dict)
    masks: Mapping[str, Any] | None = None
    amounts: dict[bool, Any] = field(default_factory=dict[bool, Any])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The Einsums, in order."""
        return tuple(einsum.name for einsum in self.cascade.computed)

    @cached_property
    def ranks(self) -> tuple[str, ...]:
        """The ranks that are no part of another."""
        return whole_ranks(self.cascade)

    @cached_property
    def carried(self) -> Mapping[str, frozenset[str]]:
        """The rank variables of each Einsum."""
        return {einsum.name: frozenset(einsum.variables) for einsum in self.cascade.computed}

    def einsum(self, name: str) -> Einsum:
        """Return the Einsum called *name*."""
        return self.cascade.einsum(name)

    def parts(self, rank: str) -> tuple[str, ...]:
        """Return the ranks that the cascade cuts *rank* into."""
        return self._parts[rank]

    @cached_property
    def _parts(self) -> Mapping[str, tuple[str, ...]]:
        return {rank: parts_of(self.cascade, rank) for rank in self.cascade.ranks}

    def digits(self, rank: str, cuts: int) -> tuple[str, ...]:
        """Return the digits of *rank* under so many cuts."""
        return self._digits(rank, cuts)

    @cached_property
    def _digits(self) -> Callable[[str, int], tuple[str, ...]]:
        return cache(partial(digits_of_rank, self.cascade))

    @cached_property
    def lanes(self) -> Mapping[str, Mapping[str, int]]:
        """The size of every dimension of every unit."""
        return {
            name: {dimension: int(self.figures[f"{name}.{dimension}"]) for dimension in unit.shape}
            for name, unit in self.machine.units.items()
        }

    @cached_property
    def physical(self) -> Mapping[str, str]:
        """By unit, the name of the unit whose lanes work: two names of one unit take turns."""
        return {name: self.machine.physical(name) for name in self.machine.units}

    @cached_property
    def owners(self) -> tuple[str, ...]:
        """The units that have lanes of their own."""
        return tuple(name for name, owner in self.physical.items() if name == owner)

    @cached_property
    def recurrent(self) -> Mapping[str, Mapping[str, str]]:
        """By unit and Einsum of a recurrence that it may do, wholly or in part: the variable of the Einsum's loop."""
        loops = recurrent(self.cascade)
        return {
            unit: {
                name: loop
                for name, loop in loops.items()
                if any(
                    unit in item.units or any(unit in part for part in item.parts)
                    for item in self.items[name]
                )
            }
            for unit in self.machine.units
        }

    @cached_property
    def inner_levels(self) -> tuple[str, ...]:
        """The levels inside the outermost, from the outside in, but for those that groups of cores share: unused so far."""
        return tuple(name for name in self.machine.level_names[1:] if not self.machine.of_groups(name))

    @cached_property
    def cores(self) -> int:
        """How many equal cores there are."""
        return int(self.figures["replicas"])


def facts_of(
    cascade: Cascade, machine: Machine, sizes: Mapping[str, int], figures: Mapping[str, float] | None = None,
    absorb: Sequence[str] = (), within: Within | None = None, program: Program | None = None,
) -> Facts:  # fmt: skip
    """Return the facts of a search; *program* is that of :func:`figures_program`, where somebody has it already.

    Raises
    ------
    SizeError
        For sizes that are missing, unknown or not whole.
    FusemaxError
        For figures that the machine has not, and operations that no unit can do, all of them.
    """
    reason = cascade.unmappable()
    if reason is not None:
        raise FusemaxError(reason)
    unknown = [name for name in absorb if all(einsum.name != name for einsum in cascade.computed)]
    if unknown:
        raise FusemaxError(
            f"absorb: cascade {cascade.name} has no Einsum {', '.join(unknown)}\n"
            f"  hint: there are {', '.join(einsum.name for einsum in cascade.computed)}"
        )
    seen = prepared(cascade, absorb)
    open_parts = tuple(
        part
        for rank in whole_ranks(seen)
        for part in parts_of(seen, rank)[1:]
        if not any(one in sizes for one in parts_of(seen, rank))
    )
    outer = {
        parts_of(seen, rank)[0]
        for rank in whole_ranks(seen)
        if any(part in open_parts for part in parts_of(seen, rank))
    }
    follows = _following(seen, open_parts, outer, sizes)
    known = resolve_sizes(seen, {**{part: 1 for part in open_parts}, **sizes}, open_parts)
    given = dict(figures or {})
    facts = Facts(
        cascade=seen, machine=machine, given=given, open_parts=open_parts, absorb=tuple(absorb),
        within=within or Within(), follows=follows,
        sizes={n: size for n, size in known.items() if n not in {*open_parts, *outer, *follows}},
        figures=figure_values(seen, machine, given, program),
    )  # fmt: skip
    return _with_items(facts)


def facts_like(facts: Facts, figures: Mapping[str, float], program: Program | None = None) -> Facts:
    """Return *facts* with other *figures* of the machine; what follows from the sizes alone is known already.

    Errors and *program* are those of :func:`facts_of`.
    """
    given = dict(figures)
    values = figure_values(facts.cascade, facts.machine, given, program)
    return _with_items(replace(facts, given=given, figures=values))


def _with_items(facts: Facts) -> Facts:
    if facts.within.spread is not None and facts.cores == 1:
        raise FusemaxError(
            "spread: this machine has one core, to which no loop is dealt\n  hint: leave it out, or set replicas"
        )
    object.__setattr__(facts, "items", _items(facts))
    return facts


def _following(
    cascade: Cascade, open_parts: Sequence[str], outer: Collection[str], sizes: Mapping[str, int]
) -> dict[str, str]:
    """Return the open part that each rank is as long as.

    Raises
    ------
    MissingSizeError
        Where something else follows from an open part, or from how many of them a rank has (*outer*).
    """
    follows: dict[str, str] = {}
    unknown = set(open_parts)
    cut = [rank.size for name, rank in cascade.ranks.items() if parts_of(cascade, name)]
    for name, rank in cascade.ranks.items():
        used = unknown.intersection(() if rank.size is None or parts_of(cascade, name) else names(rank.size))
        if rank.size in cut:  # as long as a rank that is cut, whatever its tiles
            continue
        if used and isinstance(rank.size, Name) and name not in sizes:
            follows[name] = follows.get(rank.size.name, rank.size.name)
            unknown.add(name)
        elif used:
            raise MissingSizeError(f"cascade {cascade.name}, in which {name} = {rank.size},", sorted(used))
        left = set(outer).intersection(() if rank.size is None or name in sizes else names(rank.size))
        if left and not parts_of(cascade, name):
            raise MissingSizeError(f"cascade {cascade.name}, in which {name} = {rank.size},", sorted(left))
    return follows


def figures_program(cascade: Cascade, machine: Machine, free: Iterable[str]) -> Program:
    """Return the program of every figure of *machine*, of which those in *free* may have other values."""
    nothing = Mapped(name="", title="", cascade=cascade, nests=(), bind={}, spill={}, in_place=())
    return derive(nothing, machine, dict.fromkeys(free, 1.0))


def figure_values(
    cascade: Cascade, machine: Machine, given: Mapping[str, float], program: Program | None = None
) -> dict[str, float]:
    """Return every figure of *machine* as a number, with those *given* in place of its own.

    *program* is that of :func:`figures_program` with the names of those given, where somebody has it already.

    Raises
    ------
    FusemaxError
        For figures that the machine has not.
    """
    program = program or figures_program(cascade, machine, given)
    check_figures(given, program.parameters)
    known = {name: given.get(name, value) for name, value in program.parameters.items()}
    lines = program.labelled("figure")
    (values,) = evaluate_lines(program, lines, [{name: float(value or 0.0) for name, value in known.items()}])
    return {
        **{n: float(v or 0.0) for n, v in known.items()},
        **dict(zip((line.name for line in lines), values, strict=True)),
    }


def _items(facts: Facts) -> dict[str, tuple[Item, ...]]:
    items: dict[str, tuple[Item, ...]] = {}
    lost: list[str] = []
    for name in facts.names:
        todo = operations(facts.cascade, facts.einsum(name))
        grouped: dict[str, list[int]] = {}
        for number, operation in enumerate(todo):
            grouped.setdefault(operation.name, []).append(number)
        found: list[Item] = []
        for operation, numbers in grouped.items():
            mine = [todo[n] for n in numbers]
            parts = tuple(
                {
                    unit: _piece(facts, name, unit, part)
                    for unit, u in facts.machine.units.items()
                    if part.name in u.operations and facts.within.may_do(name, unit)
                }
                for one in mine
                for part in one.parts
            )
            units = _able(facts, name, mine) or _together(facts, mine, parts)
            if not units:
                lost.append(_told(facts, name, operation, mine, parts))
            found.append(Item(name, operation, tuple(numbers), units, parts))
        items[name] = tuple(found)
    if lost:
        offers = "; ".join(f"{unit}: {', '.join(u.operations)}" for unit, u in facts.machine.units.items())
        among = "none of the units that the space leaves" if facts.within.units else "no unit of this machine"
        text = f"{among} can do what cascade {facts.cascade.name} asks for: {', '.join(lost)}"
        raise FusemaxError(f"{text}\n  hint: the units do {offers}")
    return items


def _able(facts: Facts, name: str, mine: Sequence[Operation]) -> dict[str, tuple[Piece, ...]]:
    """Return the units that can do all of *mine*, operations of Einsum *name*, with what they do for them."""
    return {
        unit: tuple(
            _piece(facts, name, unit, part) for one in mine for part in lowered(facts.machine, unit, one)
        )
        for unit in facts.machine.units
        if facts.within.may_do(name, unit)
        if not any(missing_operations(facts.machine, unit, one) for one in mine)
    }


def _together(
    facts: Facts, mine: Sequence[Operation], parts: Sequence[Mapping[str, Piece]]
) -> dict[str, tuple[Piece, ...]]:
    """Return the units that can do the first part of each of *mine*, which units can only do together; none if they cannot."""
    if not all(parts) or not all(one.parts for one in mine):
        return {}
    needed = [part for one in mine for part in one.parts]
    first = {one.parts[0].name for one in mine}
    return {
        unit: tuple(
            can.get(unit, Piece(part.name, part.variables, inf, inf))
            for part, can in zip(needed, parts, strict=True)
        )
        for unit, described in facts.machine.units.items()
        if all(unit in can for part, can in zip(needed, parts, strict=True) if part.name in first)
        if not any(one.name in described.operations for one in mine)
    }


def _told(
    facts: Facts, name: str, operation: str, mine: Sequence[Operation], parts: Sequence[Mapping[str, Piece]]
) -> str:
    """Return what Einsum *name* lacks: an operation, and which part of it no unit does, where it has parts."""
    needed = [part.name for one in mine for part in one.parts]
    lacking = dict.fromkeys(part for part, can in zip(needed, parts, strict=True) if not can)
    some = len(lacking) < len({*needed})
    more = f" (of its parts, no unit does {', '.join(lacking)})" if lacking and some else ""
    return f"{name} needs {operation!r}{more}"


def _piece(facts: Facts, name: str, unit: str, operation: Operation) -> Piece:
    described = facts.machine.units[unit]
    cycles = facts.figures[f"{unit}.operations.{operation.name}"]
    energy = 0.0
    for action, times in described.operations[operation.name].actions.items():
        if action in described.energy:
            energy += facts.figures[f"{unit}.energy.{action}"] * float(getattr(times, "value", 1.0))
    reduced = frozenset(facts.einsum(name).reduced) if described.sums is not None else frozenset[str]()
    return Piece(operation.name, operation.variables, cycles, energy, reduced)
