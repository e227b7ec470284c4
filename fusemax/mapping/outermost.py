"""Which tensors are in the outermost level as a whole while a nest runs (docs/mappings.md, "Room")."""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.cascade.ir import Einsum
from fusemax.machine import Machine
from fusemax.mapping.legality import previous_generation
from fusemax.mapping.lives import digits_of
from fusemax.mapping.nest import Body, Mapped, Nest, Residence


def whole_tensors(mapped: Mapped, machine: Machine, nest: Nest) -> tuple[str, ...]:
    """Return the tensors of which every element has its place in the outermost level while *nest* runs.

    Inputs and outputs of the cascade, whatever nest touches them; what an earlier nest made and this or a later one reads; and
    what leaves this nest's inner levels to come back: running values and open sums that no level keeps through their loop.
    """
    touched = {
        access.tensor
        for one in mapped.nests
        for body in one.bodies
        for name in body.einsums
        for access in (*mapped.einsum(name).reads, *mapped.einsum(name).outputs)
    }
    cascade = mapped.cascade
    done = {name: n for n, one in enumerate(mapped.nests) for body in one.bodies for name in body.einsums}
    bodies = {name: body for body in nest.bodies for name in body.einsums}
    return tuple(
        name
        for name in cascade.tensors
        if name in touched
        and (
            name in cascade.inputs
            or name in cascade.outputs
            or _passes(mapped, nest, name, done)
            or _comes_back(mapped, machine, nest, name, bodies)
        )
    )


def whole_digits(mapped: Mapped, nest: Nest, tensor: str) -> frozenset[str]:
    """Return the digits of a whole tensor, one generation of it."""
    found = mapped.cascade.tensors[tensor]
    return digits_of(nest, (rank.lower() for rank in found.ranks if rank != found.generation))


def _passes(mapped: Mapped, nest: Nest, tensor: str, done: Mapping[str, int]) -> bool:
    """Return whether *tensor* is made in this nest or before, and read in a later nest than its maker's.

    *done* gives the place of each Einsum's nest.
    """
    here = nest.bodies[0].node[0]  # its number
    made = [done[p.name] for p in mapped.cascade.producers(tensor) if p.name in done]
    read = [done[r.name] for r in mapped.cascade.readers(tensor) if r.name in done]
    return bool(made and read) and min(made) <= here <= max(read) and min(made) < max(read)


def _comes_back(
    mapped: Mapped, machine: Machine, nest: Nest, tensor: str, bodies: Mapping[str, Body]
) -> bool:
    names = dict.fromkeys(maker.name for maker in mapped.cascade.producers(tensor))
    return any(
        _leaves(mapped, machine, nest, bodies[name], mapped.einsum(name), tensor)
        for name in names
        if name in bodies and any(output.tensor == tensor for output in mapped.einsum(name).outputs)
    )


def _leaves(mapped: Mapped, machine: Machine, nest: Nest, body: Body, maker: Einsum, tensor: str) -> bool:
    """Return whether a running value or an open sum of *maker* goes out through a loop around all that keeps it."""
    around = [r for r in nest.residences if r.tensor == tensor and not r.staged and r.covers(body.node)]
    if any(r.level == machine.outermost for r in around):
        return False
    outermost = min(around, key=lambda r: len(r.loops), default=None)
    loops = body.loops if outermost is None else outermost.loops
    is_wanted = _is_wanted(mapped, nest, maker, tensor, outermost)
    again = digits_of(nest, maker.reduced) if is_wanted else frozenset[str]()
    return any(
        loop in again or (loop == maker.loop and _is_running(mapped, nest, maker, tensor)) for loop in loops
    )


def _is_wanted(mapped: Mapped, nest: Nest, maker: Einsum, tensor: str, kept: Residence | None) -> bool:
    """Return whether anybody but the maker's own body reads *tensor*, so that its open sums must be somewhere."""
    mine = mapped.body_of(maker.name)
    return kept is not None or any(
        reader.name not in mine.einsums for reader in mapped.cascade.readers(tensor)
    )


def _is_running(mapped: Mapped, nest: Nest, maker: Einsum, tensor: str) -> bool:
    inside = {name for body in nest.bodies for name in body.einsums}
    return any(
        access.tensor == tensor and previous_generation(mapped, access, maker)
        for reader in mapped.cascade.readers(tensor)
        if reader.name in inside
        for access in reader.reads
    )
