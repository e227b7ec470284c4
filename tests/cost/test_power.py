"""The clock that a chip holds under a load: by hand, in every path, and told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fusemax.cost.evaluate import Cost, cost
from fusemax.cost.lower import run
from fusemax.cost.model import derive
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.machine import Machine, machine_of
from fusemax.mapping.nest import Mapped
from fusemax.simulate.tiles import simulate
from fusemax.source import document_of
from tests.walk.design import Design

#: Y (8x1) = X (8x4) W (4x1), 32 multiply-adds.
SIZES = {"R": 8, "K": 4, "N": 1}


def design(lanes: int = 1, bandwidth: str | None = None, **unit: Any) -> tuple[Mapped, Machine, Program]:
    """Return the product on a unit of *lanes*, of which its one column uses one."""
    level = {"bandwidth": bandwidth} if bandwidth else {}
    described = {"shape": {"lanes": lanes}, "operations": {"mac": 1}, "registers": {"depth": 64}, **unit}
    machine = {
        "title": "t", "source": "s", "clock": "1 GHz", "word": "2 B", "levels": {"DRAM": level}, "units": {"a": described},
    }  # fmt: skip
    mapping = {
        "title": "t", "source": "s", "cascade": "transformer/linear", "bind": {"a": ["Y"]},
        "nests": [{"for": ["r"], "spatial": {"a": {"n": "lanes"}}, "do": ["Y"]}],
    }  # fmt: skip
    mapped, loaded = Design("transformer/linear", machine, mapping, SIZES).loaded()
    return mapped, loaded, derive(mapped, loaded)


def answer(lanes: int = 1, bandwidth: str | None = None, **unit: Any) -> Cost:
    """Return the cost of the product."""
    mapped, _, program = design(lanes, bandwidth, **unit)
    return cost(mapped, program, SIZES)


@pytest.mark.parametrize(
    ("lanes", "sustained", "clock_Hz"),
    [
        (1, "500 MHz", 500e6),  # every lane in every cycle: the sustained clock itself
        (8, "250 MHz", 500e6),  # an eighth of the lanes: twice as fast, for 8 = 2**3
        (8, "500 MHz", 1e9),
        (64, "500 MHz", 1e9),  # never above the machine's clock
        (1, "2 GHz", 1e9),
    ],
)
def test_the_clock_by_hand(lanes: int, sustained: str, clock_Hz: float) -> None:
    """32 cycles at the clock at which activity times the third power of frequency is that of full load."""
    mapped, machine, program = design(lanes, sustained=sustained)
    found = cost(mapped, program, SIZES)

    assert found.clock_Hz == pytest.approx(clock_Hz, rel=1e-9)
    assert found.latency_s == pytest.approx(32 / clock_Hz, rel=1e-9)
    assert found.bound_s == pytest.approx(32 / clock_Hz, rel=1e-9)
    names = list(program.parameters)
    values = {**program.parameters, **SIZES}
    compiled = run(program, ["latency_s"], np.array([[float(values[name] or 0) for name in names]]))
    assert compiled[0, 0] == pytest.approx(32 / clock_Hz, rel=1e-12)
    assert simulate(mapped, machine, SIZES).latency_s == pytest.approx(32 / clock_Hz, rel=1e-9)


def test_waiting_for_memory_leaves_the_clock_alone() -> None:
    """At 0.5 GB/s its words take nine times its 32 cycles or more: a load that would allow more than the clock."""
    slow = answer(1, "0.5 GB/s", sustained="500 MHz")

    assert slow.clock_Hz == 1e9
    assert slow.latency_s == answer(1, "0.5 GB/s").latency_s


def test_a_lower_clock_that_is_given_holds() -> None:
    """A chip locked below what it could sustain runs at that."""
    mapped, _, program = design(sustained="500 MHz")
    assert cost(mapped, program, SIZES, {"clock": 4e8}).latency_s == pytest.approx(80e-9)
    assert cost(mapped, program, SIZES, {"a.sustained": 8e8}).latency_s == pytest.approx(40e-9)


def test_another_name_of_a_unit_has_none() -> None:
    """The unit has it once, under its first name."""
    text = (
        "title: t\nsource: s\nclock: 1 GHz\nword: 2 B\nlevels: {DRAM: {}}\nunits:\n"
        "  a: {shape: {lanes: 1}, operations: {mac: 1}}\n"
        "  b: {shape: {lanes: 1}, operations: {mac: 1}, shares: a, sustained: 1 GHz}\n"
    )
    with pytest.raises(FusemaxError, match="b shares the lanes of a and has no sustained of its own"):
        machine_of(document_of(text))
