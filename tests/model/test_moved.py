"""What only moves data, on machines that say their figures as numbers, as formulas, and each way apart."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fusemax.machine import machine_of
from fusemax.machine.figures import figure_values
from fusemax.model.moved import Moving
from fusemax.model.price import Prices, Widths
from fusemax.model.step import Step
from fusemax.shipped import machines
from fusemax.source import document_of

UNITS = "units: {alu: {shape: {lanes: 4}, operations: {mac: 1}}}"


def moving(level: str, more: str = "") -> Moving:
    """What moves data on a machine whose one level is *level*."""
    text = f"{{title: t, source: s, clock: 1 GHz, word: 2 B, levels: {{DRAM: {{{level}}}}}, {UNITS}{more}}}"
    machine = machine_of(document_of(text, "m.yaml"))
    return Moving(machine=machine, values=figure_values(machine.walked))


def step(moved: int) -> Step:
    """A step that moves so many numbers."""
    return Step(part="", name="", work="", times=1, moved=moved)


def test_a_bandwidth_that_is_a_formula_counts() -> None:
    """On an L40S 2^27 numbers of 16 bits take 2^28 B over 0.92 of 0.911 * 864 GB/s, 2.5 us of launch, 2 us of start."""
    price = Prices("l40s", Widths()).price(step(2**27))
    assert price.time_s == pytest.approx(2.5e-6 + 2e-6 + 2**28 / (0.92 * 0.911 * 864e9))
    quicker = Prices("l40s", Widths(), {"DRAM.bandwidth": 1e12}).price(step(2**27))
    assert quicker.time_s == pytest.approx(4.5e-6 + 2**28 / 0.92e12)


@pytest.mark.parametrize("name", sorted(machines()))
def test_no_chip_moves_data_for_nothing(name: str) -> None:
    """Twice the bytes take longer on every chip that comes along, where its outermost level is waited for."""
    prices = Prices(name, Widths())
    level = prices.described.levels[prices.described.outermost]
    one, two = (prices.price(step(many * 10**9)).time_s for many in (1, 2))
    assert (two > one) == level.is_waited_for


def test_each_way_apart() -> None:
    """Half of the bytes go each way; the slower way counts; lines a cycle are a bandwidth too."""
    assert moving("bandwidth: {read: 4 GB/s, write: 1 GB/s}").time_s(8e9) == pytest.approx(4.0)
    assert moving("bandwidth: 2 * clock * 1 B").time_s(8e9) == pytest.approx(4.0)
    assert moving("line: 64 B, ports: 2").time_s(128e9) == pytest.approx(1.0)
    assert moving("line: 64 B").time_s(1e9) == 0


def test_energy() -> None:
    """Half of the lines are read, half written; what leaks lasts as long; a machine that does not say has none."""
    found = moving("bandwidth: 1 GB/s, line: 10 B, leakage: 3 W, energy: {read: 2 pJ, write: 4 pJ}")
    assert found.energy_J(1e9, 1.0) == pytest.approx(1e8 * 3e-12 + 3.0)
    assert math.isnan(moving("bandwidth: 1 GB/s, line: 10 B").energy_J(1e9, 1.0))


def test_memory_that_is_a_formula_is_known(tmp_path: Path) -> None:
    """Whether a model fits is said of a machine whose memory is a formula."""
    found = moving("size: 2 * 40 GB")
    assert found.values["DRAM.size"] == 80e9
