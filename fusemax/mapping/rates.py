"""How many cycles an operation of a mapped Einsum takes: by the width of its operands, where its unit asks for that."""

from __future__ import annotations

from fusemax.analysis.work import Operation
from fusemax.language.formula import substituted
from fusemax.language.syntax import Expression, Name
from fusemax.machine import Machine
from fusemax.machine.figures import width_entries
from fusemax.machine.widths import cycles_at, widest_of
from fusemax.mapping.nest import Mapped


def cycles_of(mapped: Mapped, machine: Machine, unit: str, operation: Operation) -> Expression:
    """Return the cycles of *operation* on a lane of *unit*, a formula of the machine's figures.

    Where the mapping gives none of the tensors that it reads a word of its own (``words:``), or all widths take the same, that
    is the figure of the operation; else it is that of the widest of them.
    """
    figure = f"{unit}.operations.{operation.name}"
    described = machine.units[unit].operations[operation.name]
    if not described.widths or not any(tensor in mapped.words for tensor in operation.reads):
        return Name(figure)
    widths = [substituted(mapped.words.get(tensor, Name("word")), {}) for tensor in operation.reads]
    return cycles_at(width_entries(figure, described), widest_of(widths))
