"""Energy of register files: operands of operations, and what a mapping keeps in them.

An operation reads each of its operands from its lane's registers. It writes each of them there first, but for tensors that the
mapping keeps in the registers of the unit (``keep: {2d: [K]}``): those are written when they change, once in every lane that
needs them. The same holds for other memories of a lane (``keep: {2d.weights: [K]}``), but that what no mapping keeps passes
through the registers alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy

from fusemax.cost.counts import Move, NestCounts
from fusemax.cost.extents import Extents, access_digits
from fusemax.cost.jobs import Job
from fusemax.cost.program import Label, Writer
from fusemax.cost.symbols import greatest, lanes_along, least, symbol
from fusemax.machine import Machine
from fusemax.mapping.nest import Body, Mapped, Nest

ZERO, ONE = sympy.Integer(0), sympy.Integer(1)


def write_registers(
    writer: Writer, machine: Machine, mapped: Mapped, nests: Sequence[tuple[NestCounts, Sequence[Move]]]
) -> list[sympy.Expr]:
    """Write and return the energy in joules of each memory inside lanes that has an energy."""
    parts: list[sympy.Expr] = []
    for place, memory in machine.lane_memories.items():
        if memory.described.energy is None:
            continue
        reads, writes = ZERO, ZERO
        for counts, moves in nests:
            for job in (job for job in counts.jobs if job.unit == memory.unit):
                here = sum(_place(machine, counts.nest, job, tensor) == place for tensor in job.reads)
                through = _passing(machine, mapped, counts.nest, job, place)
                reads += job.points * (here + through)
                writes += job.points * through
            writes += sum(_entering(machine, mapped, counts, moves, place), ZERO)
        energy = reads * symbol(f"{memory.prefix}.energy.read")
        energy += writes * symbol(f"{memory.prefix}.energy.write")
        action = memory.prefix.removeprefix(f"{memory.unit}.")
        label = Label("component_energy", unit=memory.unit, action=action)
        parts.append(writer.add(f"energy_J[{memory.unit},{action}]", energy, label))
    return parts


def _passing(machine: Machine, mapped: Mapped, nest: Nest, job: Job, place: str) -> int:
    """Return how many operands each operation of *job* writes into the memory *place* and reads there.

    What nothing keeps passes through the registers; the result so far is written where it is kept, or else there too.
    """
    result = _place(machine, nest, job, mapped.einsum(job.einsum).output.tensor) if job.running else None
    own = result is not None and result != job.unit
    if place != job.unit:
        return int(own and result == place)
    kept = sum(_place(machine, nest, job, tensor) is not None for tensor in job.reads)
    return job.operands - kept - int(own)


def _place(machine: Machine, nest: Nest, job: Job, tensor: str) -> str | None:
    """Return the memory inside the unit of *job* that keeps an operand, the innermost of several; None if none does."""
    node = _body_of(nest, job.einsum).node
    kept = {r.level for r in nest.residences if r.tensor == tensor and not r.staged and r.covers(node)}
    mine = [p for p, memory in machine.lane_memories.items() if memory.unit == job.unit and p in kept]
    return mine[-1] if mine else None


def _body_of(nest: Nest, einsum: str) -> Body:
    return next(body for body in nest.bodies if einsum in body.einsums)


def _entering(
    machine: Machine, mapped: Mapped, counts: NestCounts, moves: Sequence[Move], place: str
) -> Iterator[sympy.Expr]:
    """Yield the words written into the memory *place* for the tensors kept there that operations read."""
    wanted: dict[str, list[sympy.Expr]] = {}
    for job in counts.jobs:
        for tensor in (t for t in job.reads if _place(machine, counts.nest, job, t) == place):
            body = _body_of(counts.nest, job.einsum)
            wanted.setdefault(tensor, []).append(_copies(mapped, counts.extents, body, job, tensor))
    for tensor, copies in wanted.items():
        words = sum(
            (
                m.words
                for m in moves
                if (m.tensor, m.level) == (tensor, place) and m.kind in ("fill", "write")
            ),
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
