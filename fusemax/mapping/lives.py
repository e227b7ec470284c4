"""What is there at once: kept tiles, and values that are made and used inside a body, moment by moment of an epoch.

Rules (docs/mappings.md, "Room"):

- A value that a body makes and uses, and that no level keeps around the body, lives where its maker works: in the registers of
  that unit, or, for a unit without registers, in the innermost level.
- It is *held*, the whole tile of it, when a reader wants an element more than once, or has to wait for a reduction over the
  tile. All else is handed on element by element and takes no room.
- ``serial``: a value is there from the Einsum that makes it to the last that reads it, a kept tile while its node runs (and
  beyond, where no loop around it changes it). Steps: from the step of its maker to the step of its last reader. Otherwise
  always, and twice where its unit makes the next one before it is read: where a reader, or what a reader waits for, is on
  another unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fusemax.analysis.work import operations
from fusemax.cascade.ir import Einsum, is_variable
from fusemax.language.syntax import Access, Expression, Name, Populate, names
from fusemax.machine import Machine
from fusemax.mapping.legality import previous_generation
from fusemax.mapping.nest import Body, Mapped, Nest, Residence
from fusemax.mapping.spec import Stall, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A tensor that a body makes and holds until its last reader in the same body is done.

    Attributes
    ----------
    order
        The Einsums of the body.
    maker, readers
        The Einsum that makes it, and those that hold it up.
    unit, place
        The unit that makes it; the unit in whose registers, or the level in which, it waits.
    digits
        The digits that run inside its tile.
    """

    tensor: str
    order: tuple[str, ...]
    maker: str
    readers: tuple[str, ...]
    unit: str
    place: str
    digits: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A kept tile that is there at a moment, unless one of the loops *unless* has more than one iteration."""

    residence: Residence
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is there at one moment of an epoch: kept tiles, and so many copies of each value."""

    tiles: tuple[Tile, ...]
    values: Mapping[Value, int]


def moments(mapped: Mapped, machine: Machine, nest: Nest) -> tuple[Moment, ...]:
    """Return what is there at each moment of *nest*; a moment at which less is there than at another is left out."""
    values = tuple(v for body in nest.bodies for v in held_values(mapped, machine, nest, body))
    if nest.schedule == "serial":
        return _most(_serial(mapped, nest, values))
    always = tuple(Tile(residence=residence) for residence in nest.residences)
    if isinstance(nest.schedule, list | tuple):
        counts = _by_steps(mapped, machine, nest, values)
    else:
        counts = [{value: _copies(mapped, machine, value) for value in values}]
    return _most([Moment(tiles=always, values=each) for each in counts])


def held_values(mapped: Mapped, machine: Machine, nest: Nest, body: Body) -> Iterator[Value]:
    """Yield the values that *body* has to hold as whole tiles, in the order in which it makes them."""
    kept = {r.tensor for r in nest.residences if not r.staged and r.covers(body.node)}
    for name in body.einsums:
        einsum = mapped.einsum(name)
        unit = maker_unit(mapped, einsum)
        for output in einsum.outputs:
            if output.tensor in kept or unit is None:
                continue
            digits, readers = _held(mapped, nest, body, einsum, output)
            if readers:
                yield Value(
                    tensor=output.tensor, order=body.einsums, maker=name, readers=readers, unit=unit,
                    place=place_of(machine, unit), digits=digits,
                )  # fmt: skip


def maker_unit(mapped: Mapped, einsum: Einsum) -> str | None:
    """Return the unit of the last operation of *einsum*, which makes its value; None for one without operations."""
    done = operations(mapped.cascade, einsum)
    return mapped.bind.get((einsum.name, len(done) - 1)) if done else None


def place_of(machine: Machine, unit: str) -> str:
    """Return where the values of *unit* wait: itself, if it has registers, or the innermost level."""
    return unit if machine.units[unit].registers is not None else machine.level_names[-1]


def access_digits(nest: Nest, access: Access) -> frozenset[str]:
    """Return the digits that the indices of *access* use."""
    return digits_of(nest, (n for index in access.indices for n in names(index) if is_variable(n)))


def digits_of(nest: Nest, variables: Iterable[str]) -> frozenset[str]:
    """Return the digits of rank *variables*: all of a whole rank, the one of a part."""
    return nest.digits_of(variables)


def _tile_digits(mapped: Mapped, nest: Nest, body: Body, output: Access) -> frozenset[str]:
    """Return the digits inside the tile of a value: those that no loop fixes; one generation is there at a time."""
    generation = mapped.cascade.tensors[output.tensor].generation
    fixed = {*body.loops, *(() if generation is None else digits_of(nest, (generation.lower(),)))}
    return access_digits(nest, output) - fixed


# --- what has to wait as a whole


def _held(
    mapped: Mapped, nest: Nest, body: Body, maker: Einsum, output: Access
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the digits of the tile of a value, and the Einsums for which it has to be there, found once for a cascade."""
    known = mapped.cascade.known.setdefault("held", {})
    key = (nest.outline, body.einsums, frozenset(body.loops), maker.name, output.tensor)
    if key not in known:
        digits = _tile_digits(mapped, nest, body, output)
        known[key] = digits, tuple(_holders(mapped, nest, body, maker, output, digits))
    return known[key]


def _holders(
    mapped: Mapped, nest: Nest, body: Body, maker: Einsum, output: Access, digits: frozenset[str]
) -> Iterator[str]:
    """Yield the Einsums of *body* for which the whole tile of a value has to be there."""
    for name, access in _readers(mapped, body, maker, output.tensor):
        reader = mapped.einsum(name)
        own = access_digits(nest, access)
        again = digits_of(nest, reader.variables) - own - set(body.loops)
        plain = all(isinstance(index, Name) or not _moves(index) for index in access.indices)
        if again or not plain or _waits(mapped, nest, body, maker, reader, digits):
            yield name


def _moves(index: Expression) -> bool:
    """Return whether an index is no plain rank variable, so that its elements come in another order."""
    used = [name for name in names(index) if is_variable(name)]
    return not isinstance(index, Name) and bool(used)


def _readers(mapped: Mapped, body: Body, maker: Einsum, tensor: str) -> Iterator[tuple[str, Access]]:
    """Yield the Einsums of *body* that read this generation of *tensor*, each with its access."""
    for name in body.einsums:
        if name == maker.name:
            continue
        for access in mapped.einsum(name).reads:
            if access.tensor == tensor and not previous_generation(mapped, access, maker):
                yield name, access


def _waits(
    mapped: Mapped, nest: Nest, body: Body, maker: Einsum, reader: Einsum, digits: frozenset[str]
) -> bool:
    """Return whether *reader* also needs what another Einsum reduces, out of this value, over the tile's *digits*."""
    return any(
        name not in (maker.name, reader.name)
        and _reduces(mapped.einsum(name), nest, digits)
        and maker.name in _needed(mapped, body.einsums, name)
        for name in _needed(mapped, body.einsums, reader.name)
    )


def _reduces(einsum: Einsum, nest: Nest, digits: frozenset[str]) -> bool:
    if isinstance(einsum.action, Populate):
        return bool(digits_of(nest, einsum.variables) & digits)
    return bool(digits_of(nest, einsum.reduced) & digits)


def _needed(mapped: Mapped, order: tuple[str, ...], name: str) -> set[str]:
    """Return the Einsums of a body, *order*, that *name* needs in the same iteration, directly or not."""
    found: set[str] = set()
    todo = [name]
    while todo:
        for access in mapped.einsum(todo.pop()).reads:
            for producer in mapped.cascade.producers(access.tensor):
                fresh = producer.name in order and producer.name not in found and not producer.initial
                if fresh and not previous_generation(mapped, access, producer):
                    found.add(producer.name)
                    todo.append(producer.name)
    return found


# --- when it is there


def _serial(mapped: Mapped, nest: Nest, values: tuple[Value, ...]) -> list[Moment]:
    found: list[Moment] = []
    carried: dict[Residence, tuple[Body, frozenset[str]]] = {}
    nodes = {residence.node for residence in nest.residences}
    everywhere = tuple(Tile(residence=residence) for residence in nest.residences)
    for body in nest.bodies:
        tiles = everywhere
        if any(body.node[: len(node)] != node for node in nodes):
            running = (_while_running(mapped, nest, r, body, carried) for r in nest.residences)
            tiles = tuple(tile for tile in running if tile is not None)
        for position in range(len(body.einsums)):
            there = {v: 1 for v in values if v.order == body.einsums and _is_there(v, position)}
            found.append(Moment(tiles=tiles, values=there))
    return found


def _is_there(value: Value, position: int) -> bool:
    last = max(value.order.index(name) for name in value.readers)
    return value.order.index(value.maker) <= position <= last


def _while_running(
    mapped: Mapped, nest: Nest, residence: Residence, body: Body,
    carried: dict[Residence, tuple[Body, frozenset[str]]],
) -> Tile | None:  # fmt: skip
    """Return the tile of *residence* as it is while *body* runs; None when it is gone.

    Inside its node it is there. While other nodes run, it stays where a loop around both does not change it, and no loop of
    its own turns inside that one. *carried* holds what was found of a residence: its first body, and the tensor's digits.
    """
    if residence.covers(body.node):
        return Tile(residence=residence)
    if residence not in carried:
        first = next(b for b in nest.bodies if residence.covers(b.node))
        carried[residence] = first, _moving(mapped, nest, residence)
    first, own = carried[residence]
    around = set(first.shared_with(body))
    for position in range(len(residence.loops) - 1, -1, -1):
        loop = residence.loops[position]
        if loop in around and loop not in own:
            turning = tuple(inner for inner in residence.loops[position + 1 :] if inner in own)
            return Tile(residence=residence, unless=turning)
    return None


def _moving(mapped: Mapped, nest: Nest, residence: Residence) -> frozenset[str]:
    """Return the digits that change the tile of *residence*: where a running value is made, generations have one place."""
    digits = residence_digits(mapped, nest, residence)
    generation = mapped.cascade.tensors[residence.tensor].generation
    names = {name for body in nest.bodies if residence.covers(body.node) for name in body.einsums}
    made = any(e.name in names and not e.initial for e in mapped.cascade.producers(residence.tensor))
    return digits if generation is None or not made else digits - nest.digits_of([generation.lower()])


def residence_digits(mapped: Mapped, nest: Nest, residence: Residence) -> frozenset[str]:
    """Return the digits that the kept tensor carries in the bodies inside its residence."""
    found: set[str] = set()
    for name in (name for body in nest.bodies if residence.covers(body.node) for name in body.einsums):
        einsum = mapped.einsum(name)
        for access in (*einsum.reads, *einsum.outputs):
            if access.tensor == residence.tensor:
                found |= access_digits(nest, access)
    return frozenset(found)


def _by_steps(
    mapped: Mapped, machine: Machine, nest: Nest, values: tuple[Value, ...]
) -> list[dict[Value, int]]:
    """Return the copies of each value at each step of an epoch, once the pipeline of epochs is full."""
    assert isinstance(nest.schedule, list | tuple)
    count = len(nest.schedule)
    places = _places(machine, nest)
    stages = _stages(mapped, nest, places)
    found: list[dict[Value, int]] = []
    for step in range(count):
        there: dict[Value, int] = {}
        for value in values:
            begin = stages[value.maker] * count + places[value.maker, value.unit][0]
            end = max(
                stages[reader] * count + place[0]
                for reader in value.readers
                for (name, _), place in places.items()
                if name == reader
            )
            copies = (end - step) // count + (step - begin) // count + 1
            if copies > 0:
                there[value] = copies
        found.append(there)
    return found


def in_order(machine: Machine, step: Step | Stall) -> Iterator[tuple[str, str, str, int]]:
    """Yield the Einsums of one *step*: the name of the unit, the Einsum, whose lanes work, the place in their order there.

    Names of one unit take turns in the order in which they stand.
    """
    places: dict[str, int] = {}
    steps: Step = {} if isinstance(step, Stall) else step
    for unit, einsums in steps.items():
        lanes = machine.physical(unit)
        for einsum in einsums:
            yield unit, einsum, lanes, places.setdefault(lanes, 0)
            places[lanes] += 1


#: The step of an Einsum on a unit, whose lanes work, and the place in their order, by Einsum and unit.
_Places = Mapping[tuple[str, str], tuple[int, str, int]]


def _places(machine: Machine, nest: Nest) -> _Places:
    assert isinstance(nest.schedule, list | tuple)
    return {
        (einsum, unit): (number, lanes, place)
        for number, step in enumerate(nest.schedule)
        for unit, einsum, lanes, place in in_order(machine, step)
    }


def _stages(mapped: Mapped, nest: Nest, places: _Places) -> dict[str, int]:
    """Return by how many epochs each Einsum is behind: one more wherever what it needs is made later in the epoch."""
    stages: dict[str, int] = {}
    for body in nest.bodies:
        for name in body.einsums:
            stages[name] = 0
            for access in mapped.einsum(name).reads:
                for producer in mapped.cascade.producers(access.tensor):
                    if producer.name not in stages or producer.name == name or producer.initial:
                        continue
                    if producer.name in body.einsums and not previous_generation(mapped, access, producer):
                        behind = stages[producer.name] + _is_later(places, producer.name, name)
                        stages[name] = max(stages[name], behind)
    return stages


def _is_later(places: _Places, writer: str, reader: str) -> bool:
    """Return whether the epoch has *writer* after *reader*: in a later step, or behind it on the same unit."""
    for (one, _), (step, lanes, position) in places.items():
        for (other, _), (before, other_lanes, place) in places.items():
            later = step > before or (step == before and lanes == other_lanes and position > place)
            if (one, other) == (writer, reader) and later:
                return True
    return False


def _copies(mapped: Mapped, machine: Machine, value: Value) -> int:
    """Return 2 where the unit makes the next value while this one is still to be read, else 1."""
    for reader in value.readers:
        between = {
            n for n in _needed(mapped, value.order, reader) if value.maker in _needed(mapped, value.order, n)
        }
        lanes = {machine.physical(unit) for name in (reader, *between) for unit in _units(mapped, name)}
        if lanes - {machine.physical(value.unit)}:
            return 2
    return 1


def _units(mapped: Mapped, name: str) -> set[str]:
    offloaded = {u for (einsum, _), parts in mapped.offload.items() if einsum == name for u in parts}
    return offloaded | {unit for (einsum, _), unit in mapped.bind.items() if einsum == name}


def _most(found: list[Moment]) -> tuple[Moment, ...]:
    """Return the moments that no other contains, each once, in order."""
    kept: list[Moment] = []
    different: dict[object, Moment] = {}
    for moment in found:
        different.setdefault((id(moment.tiles), tuple(moment.values.items())), moment)
    for moment in different.values():
        if any(_contains(other, moment) for other in kept):
            continue
        kept = [other for other in kept if not _contains(moment, other)]
        kept.append(moment)
    return tuple(kept)


def _contains(one: Moment, other: Moment) -> bool:
    tiles = {tile.residence: tile.unless for tile in one.tiles}
    if any(tiles.get(tile.residence) not in ((), tile.unless) for tile in other.tiles):
        return False
    return all(one.values.get(value, 0) >= copies for value, copies in other.values.items())
