"""The cost of one point by name: a cascade on a machine under a mapping, from files to numbers."""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.library.load import design_of
from fusemax.library.values import entries
from fusemax.mapping.nest import Mapped


def cost_of(
    cascade: str,
    machine: str,
    mapping: str,
    sizes: Mapping[str, int],
    figures: Mapping[str, float] | None = None,
) -> Cost:
    """Return the cost of one point; names are those of shipped files or paths of your own.

    *sizes* are the ranks' sizes, *figures* replace figures of the machine, in SI units.

    >>> sizes = {"B": 64, "H": 12, "M": 4096, "P": 4096, "E": 64, "F": 64}
    >>> answer = cost_of("attention/1-pass", "fusemax", "fusemax", sizes)
    >>> answer.traffic_B, round(answer.latency_s, 6)
    (1610612736.0, 0.0297)
    """
    changed = entries(figures, "figures")
    mapped, program = derived(cascade, machine, mapping, changed)
    return cost(mapped, program, entries(sizes, "sizes"), changed)


def derived(cascade: str, machine: str, mapping: str, figures: Mapping[str, float]) -> tuple[Mapped, Program]:
    """Return the mapped cascade and its cost program, with *figures* free to be given."""
    design = design_of(machine, mapping, cascade)
    return design.mapped, derive(design.mapped, design.machine, figures)
