"""Energy of register files: operands of operations, and what a mapping keeps in them.

An operation reads each of its operands from its lane's registers. It writes each of them there first, but for tensors that the
mapping keeps in the registers of the unit (``keep: {2d: [K]}``): those are written when they change, once in every lane that
needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy

from fusemax.cost.counts import Job, Move, NestCounts
from fusemax.cost.extents import Extents, access_digits
from fusemax.cost.program import Label, Writer
from fusemax.cost.symbols import greatest, lanes_along, least, symbol
from fusemax.machine import Machine
from fusemax.mapping.nest import Body, Mapped, Nest

ZERO, ONE = sympy.Integer(0), sympy.Integer(1)


def write_registers(
    writer: Writer, machine: Machine, mapped: Mapped, nests: Sequence[tuple[NestCounts, Sequence[Move]]]
) -> list[sympy.Expr]:
    """Write and return the energy in joules of each register file that has an energy."""
    parts: list[sympy.Expr] = []
    for name, unit in machine.units.items():
        if unit.registers is None or unit.registers.energy is None:
            continue
        reads, writes = ZERO, ZERO
        for counts, moves in nests:
            for job in (job for job in counts.jobs if job.unit == name):
                still = _stationary(counts.nest, job)
                reads += job.points * job.operands
                writes += job.points * (job.operands - len(still))
            writes += sum(_entering(mapped, counts, moves, name), ZERO)
        energy = reads * symbol(f"{name}.registers.energy.read")
        energy += writes * symbol(f"{name}.registers.energy.write")
        label = Label("component_energy", unit=name, action="registers")
        parts.append(writer.add(f"energy_J[{name},registers]", energy, label))
    return parts


def _stationary(nest: Nest, job: Job) -> list[str]:
    """Return the operands of *job* that its unit's registers keep."""
    body = _body_of(nest, job.einsum)
    return [tensor for tensor in job.reads if _is_kept(nest, body, job.unit, tensor)]


def _is_kept(nest: Nest, body: Body, unit: str, tensor: str) -> bool:
    return any(
        (r.tensor, r.level, r.staged) == (tensor, unit, False) and r.covers(body.node)
        for r in nest.residences
    )


def _body_of(nest: Nest, einsum: str) -> Body:
    return next(body for body in nest.bodies if einsum in body.einsums)


def _entering(mapped: Mapped, counts: NestCounts, moves: Sequence[Move], unit: str) -> Iterator[sympy.Expr]:
    """Yield the words written into the registers of *unit* for the tensors kept there that its operations read."""
    wanted: dict[str, list[sympy.Expr]] = {}
    for job in counts.jobs:
        for tensor in _stationary(counts.nest, job) if job.unit == unit else ():
            body = _body_of(counts.nest, job.einsum)
            wanted.setdefault(tensor, []).append(_copies(mapped, counts.extents, body, job, tensor))
    for tensor, copies in wanted.items():
        words = sum(
            (m.words for m in moves if (m.tensor, m.level) == (tensor, unit) and m.kind in ("fill", "write")),
            ZERO,
        )
        yield words * greatest(*copies)


def _copies(mapped: Mapped, extents: Extents, body: Body, job: Job, tensor: str) -> sympy.Expr:
    """Return in how many lanes each word of *tensor* is: one for each lane that runs over another rank."""
    own = {
        digit
        for access in mapped.einsum(job.einsum).reads
        if access.tensor == tensor
        for digit in access_digits(extents.nest, access)
    }
    lanes = ONE
    dimensions: dict[str, list[str]] = {}
    for digit, dimension in body.spatial.get(job.unit, {}).items():
        if digit not in own:
            dimensions.setdefault(dimension, []).append(digit)
    for dimension, digits in dimensions.items():
        lanes *= least(lanes_along(job.unit, dimension), extents.points(digits))
    return lanes
