"""Operations of Einsums on units: who does which part of them, whatever the extents, and how often in a nest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import sympy

from fusemax.analysis.work import Operation, operations
from fusemax.cascade.ir import Einsum
from fusemax.cost.extents import digits_of
from fusemax.cost.symbols import to_sympy
from fusemax.machine import Machine
from fusemax.mapping.build import tile_expression
from fusemax.mapping.nest import Mapped, Nest
from fusemax.mapping.rates import cycles_of
from fusemax.mapping.units import lowered, taken_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One operation of an Einsum on a unit: how often over all lanes, and for how many steps of the unit.

    ``reads`` names the tensors among its *operands*; ``running`` says that one of them is the result so far. ``cycles`` are
    those of one step.
    """

    einsum: str
    unit: str
    operation: str
    operands: int
    reads: tuple[str, ...]
    running: bool
    points: sympy.Expr
    steps: sympy.Expr
    cycles: sympy.Expr


class Work(NamedTuple):
    """An operation of an Einsum on a unit: its part of all, the digits that it runs over, and the cycles of a step."""

    operation: Operation
    unit: str
    share: sympy.Expr
    digits: frozenset[str]
    cycles: sympy.Expr


def work_of(mapped: Mapped, machine: Machine, nest: Nest, einsum: Einsum) -> Iterator[Work]:
    """Yield what units do of *einsum* in *nest*."""
    for index, whole in enumerate(operations(mapped.cascade, einsum)):
        unit = mapped.bind[einsum.name, index]
        for operation in lowered(machine, unit, whole, taken_parts(mapped.offload, einsum.name)):
            digits = digits_of(nest, operation.variables)
            for where, share in _shares(mapped, einsum.name, unit, operation.name):
                cycles = to_sympy(cycles_of(mapped, machine, where, operation))
                yield Work(operation, where, share, digits, cycles)


def _shares(mapped: Mapped, einsum: str, unit: str, operation: str) -> Iterator[tuple[str, sympy.Expr]]:
    """Yield the units that do *operation*, each with its part of it: *unit* does what is not offloaded."""
    given = mapped.offload.get((einsum, operation), {})
    parts = {name: to_sympy(tile_expression(part)) for name, part in given.items()}
    rest = 1 - sum(parts.values(), sympy.Integer(0))
    when = mapped.when.get(einsum)
    often = 1 if when is None else to_sympy(tile_expression(when))
    yield from ((where, part * often) for where, part in ((unit, rest), *parts.items()) if part != 0)
