"""What lies in a memory that groups of threads divide among them, and in which width sums wait there."""

from __future__ import annotations

from collections.abc import Iterator

from fusemax.analysis.work import operations
from fusemax.errors import Problem
from fusemax.machine import Machine
from fusemax.mapping.lanes import across
from fusemax.mapping.lives import access_digits, maker_unit, place_of, residence_digits
from fusemax.mapping.nest import Body, Mapped, Nest, Residence, sides
from fusemax.source import Document


def dealt_digits(machine: Machine, nest: Nest, level: str) -> frozenset[str]:
    """Return the digits whose values are dealt to the groups that divide *level*: all of ranks that run over its rows."""
    divided = machine.levels[level].divided if level in machine.levels else None
    if divided is None:
        return frozenset()
    unit, _, dimension = divided.rows.rpartition(".")
    spatial = [(d, along) for body in nest.bodies for d, along in body.spatial.get(unit, {}).items()]
    return nest.digits_of({nest.root_of(digit).name for digit, along in spatial if dimension in sides(along)})


def out_of_reach(mapped: Mapped, machine: Machine, nest: Nest) -> Iterator[tuple[Body, str, str, str]]:
    """Yield what an Einsum reads of other groups' parts of a memory: its body, the Einsum, the tensor, and that level.

    A group makes rows of its own. What it reads there has to be its own rows too, or a copy that all have.
    """
    for level, described in machine.levels.items():
        dealt = dealt_digits(machine, nest, level)
        if not dealt or described.divided is None:
            continue
        for body in nest.bodies:
            for name in body.einsums:
                own = _rows(mapped, machine, nest, body, name, described.divided.rows)
                for access in mapped.einsum(name).reads:
                    theirs = {nest.root_of(d).name for d in access_digits(nest, access) & dealt}
                    if (
                        own
                        and theirs
                        and not own & theirs
                        and _home(mapped, machine, nest, body, access.tensor) == level
                    ):
                        yield body, name, access.tensor, level


def in_columns(mapped: Mapped, machine: Machine, nest: Nest, residence: Residence) -> bool:
    """Return whether groups may also divide a kept tile across its rows: nothing that it is made of lies with one of them."""
    for body in nest.bodies:
        for name in body.einsums if residence.covers(body.node) else ():
            einsum = mapped.einsum(name)
            if any(output.tensor == residence.tensor for output in einsum.outputs):
                others = {access.tensor for access in einsum.reads} - {residence.tensor}
                if any(_home(mapped, machine, nest, body, tensor) == residence.level for tensor in others):
                    return False
    return True


def divided_problems(mapped: Mapped, machine: Machine, document: Document) -> Iterator[Problem]:
    """Yield what an Einsum reads out of the parts that other groups have of a memory, with its place."""
    for nest in mapped.nests:
        for body, name, tensor, level in out_of_reach(mapped, machine, nest):
            divided = machine.levels[level].divided
            assert divided is not None
            text = f"{name} reads {tensor}, whose rows lie in {level} with other groups than the rows that {name} makes"
            hint = f"keep {tensor} at {machine.around(level)}, or run digits of one rank over {divided.rows}"
            inside = (key for number in body.node[1:] for key in ("do", number))
            yield document.problem(("nests", body.node[0], *inside, "do"), text, hint, key=True)


def _rows(mapped: Mapped, machine: Machine, nest: Nest, body: Body, name: str, rows: str) -> set[str]:
    """Return the roots of the digits of Einsum *name* that run over *rows*, a dimension of a unit."""
    unit, _, dimension = rows.rpartition(".")
    einsum = mapped.einsum(name)
    found: set[str] = set()
    for index, operation in enumerate(operations(mapped.cascade, einsum)):
        if mapped.bind.get((name, index)) == unit:
            mine = nest.digits_of(operation.variables)
            spatial = {d: along for d, along in body.spatial.get(unit, {}).items() if d in mine}
            lanes = across(machine, unit, spatial, nest.digits_of(einsum.reduced))
            found |= {nest.root_of(d).name for d, along in lanes.items() if dimension in sides(along)}
    return found


def _home(mapped: Mapped, machine: Machine, nest: Nest, body: Body, tensor: str) -> str | None:
    """Return where *body* takes *tensor* from: the innermost level that keeps it, or where its maker in the body has it."""
    kept = [r for r in nest.residences if r.tensor == tensor and not r.staged and r.covers(body.node)]
    if kept:
        return max(kept, key=lambda r: (len(r.node), machine.places.index(r.level))).level
    makers = [e for e in mapped.cascade.producers(tensor) if e.name in body.einsums]
    units = [unit for unit in (maker_unit(mapped, einsum) for einsum in makers) if unit is not None]
    return place_of(machine, units[0]) if units else None


def tile_digits(mapped: Mapped, nest: Nest, residence: Residence) -> frozenset[str]:
    """Return the digits inside of the tile of *residence*."""
    return residence_digits(mapped, nest, residence) - {*residence.loops}


def accumulators(mapped: Mapped, machine: Machine, tensor: str, place: str) -> Iterator[str]:
    """Yield the figures that say how wide a sum *tensor* waits in *place*, where units make it that wait there."""
    generation = mapped.cascade.tensors[tensor].generation
    for einsum in mapped.cascade.producers(tensor):
        unit = maker_unit(mapped, einsum)
        if unit is None or machine.units[unit].accumulator is None or place_of(machine, unit) != place:
            continue
        if einsum.reduced or (generation is not None and not einsum.initial):
            yield f"{unit}.accumulator"
