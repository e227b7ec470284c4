"""Energy on chips that exist: joules for every kernel, and not more than the board takes."""

from __future__ import annotations

import math

import pytest

from fusemax.cost.evaluate import cost
from fusemax.cost.model import derive
from fusemax.library.load import design_of
from fusemax.shipped import machines

#: A mapping of attention for each machine that has a board.
OTHERS = dict.fromkeys(
    ("ascend-910b2", "neuron-v2", "neuron-v3", "gaudi2", "gaudi3", "mi300x", "mi355x"), "flash"
)
RESEARCH = {"fusemax", "flat", "fsa", "flatattention"}
SIZES = {"B": 2, "H": 16, "R": 1, "P": 4096, "M": 4096, "E": 128, "F": 128}


def mapping_of(machine: str) -> str:
    """Return a mapping of attention for *machine*."""
    return OTHERS.get(machine, "splash" if machine.startswith("tpu") else "flash2")


@pytest.mark.parametrize("machine", sorted(set(machines()) - RESEARCH))
def test_joules_with_their_most(machine: str) -> None:
    """What is counted is known, above what an idle board takes and below its power all the time."""
    design = design_of(machine, mapping_of(machine), "attention")
    answer = cost(design.mapped, derive(design.mapped, design.machine), SIZES)
    power = answer.parameters["power"]
    assert answer.energy_most_J == pytest.approx(power * answer.latency_s)  # by hand: watts times seconds
    assert math.isfinite(answer.energy_J)
    assert answer.parameters["DRAM.leakage"] * answer.latency_s < answer.energy_J < answer.energy_most_J
